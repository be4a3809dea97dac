"""A few seconds of what `make nightly` does for ten minutes: servers that are used do not grow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).resolve().parents[1] / "soak" / "soak.py"


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The time is a guard against hanging, below that of pytest's."""
    return subprocess.run([sys.executable, SOAK, *arguments], capture_output=True, text=True, timeout=50, check=False)


def test_servers_of_every_kind_do_not_grow() -> None:
    done = soak("--seconds", "5")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[-1].startswith("4 passed, 0 failed in ")


def test_a_kind_that_there_is_not_is_refused() -> None:
    done = soak("--seconds", "5", "fibres")
    assert done.returncode == 2
    assert "no such kind: fibres; there are threads, hosted, coroutines, protocols" in done.stderr
