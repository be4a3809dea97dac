"""A few seconds of what `make nightly` does for ten minutes: servers that are used do not grow."""

from __future__ import annotations

import sys
from pathlib import Path

from helpers import finish, run_program

SOAK = Path(__file__).resolve().parents[1] / "soak" / "soak.py"


def test_servers_of_every_kind_do_not_grow() -> None:
    code, said, errors = finish(run_program(sys.executable, str(SOAK), "--seconds", "5"))
    assert (code, errors) == (0, ""), said
    assert said.splitlines()[-1].startswith("4 passed, 0 failed in ")


def test_a_kind_that_there_is_not_is_refused() -> None:
    code, _, errors = finish(run_program(sys.executable, str(SOAK), "--seconds", "5", "fibres"))
    assert code == 2
    assert "no such kind: fibres; there are threads, hosted, coroutines, protocols" in errors
