"""What builds the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BACKEND = Path(__file__).resolve().parent.parent

MATURIN = """
def get_requires_for_build_wheel(config_settings=None):
    return ["what maturin wants"]

def build_wheel():
    return "a wheel"
"""


def asked(folder: Path, cargo: bool) -> subprocess.CompletedProcess[str]:
    """What the backend answers, beside a stand-in for maturin, with or without cargo."""
    (folder / "maturin.py").write_text(MATURIN)
    if cargo:
        (folder / "cargo").touch(mode=0o755)
    program = "import backend; print(backend.get_requires_for_build_editable(), backend.build_wheel())"
    environment = {"PATH": str(folder), "PYTHONPATH": f"{BACKEND}:{folder}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)


def test_without_cargo_it_says_so(tmp_path: Path) -> None:
    done = asked(tmp_path, cargo=False)
    assert done.returncode == 1
    assert done.stderr == "reactor-engine: cargo was not found: install Rust 1.88 or newer, which has it\n"


def test_with_cargo_it_is_maturin(tmp_path: Path) -> None:
    done = asked(tmp_path, cargo=True)
    assert (done.returncode, done.stdout) == (0, "['what maturin wants'] a wheel\n"), done.stderr
