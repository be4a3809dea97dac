"""What `make wheels` has built, installed as users install it: outside of the repository."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DIST = ROOT / "target" / "wheels" / "dist"
OLDEST = 9
"""The minor version of the oldest Python that the package is for."""


def only(pattern: str) -> Path:
    (found,) = DIST.glob(pattern)
    return found


def version() -> str:
    """The version of the crates."""
    found = re.search(r'\[workspace\.package\]\nversion = "(.*)"', (ROOT / "Cargo.toml").read_text())
    assert found
    return found[1]


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that knows nothing of this repository's build."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("CARGO_TARGET", "CARGO_PROFILE"))}
    told = {**inherited, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **environment}
    return subprocess.run(command, cwd=cwd, env=told, capture_output=True, text=True, check=False)


def checked(*command: str | Path, cwd: Path) -> str:
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(python: Path, folder: Path) -> Path:
    """The interpreter of a fresh virtual environment."""
    checked(python, "-m", "venv", folder / "venv", cwd=folder)
    return folder / "venv" / "bin" / "python"


def try_it(python: Path, wheel: Path, folder: Path) -> str:
    """Installs the wheel, and serves with it."""
    fresh = environment(python, folder)
    checked(fresh, "-m", "pip", "install", "--no-index", "--no-deps", wheel, cwd=folder)
    return checked(fresh, "-W", "error", HERE / "smoke.py", version(), cwd=folder)


@functools.lru_cache
def interpreters() -> dict[tuple[int, ...], Path]:
    """The Pythons of this machine that the package is for, by version, oldest first: those in the PATH, and pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = [Path(folder) for folder in os.get_exec_path() if "shims" not in folder]
    candidates = [path for folder in folders for path in folder.glob("python3*")] + [*pyenv.glob("versions/*/bin/python3")]
    found: dict[tuple[int, ...], Path] = {}
    for path in [*candidates, Path(sys.executable)]:
        if re.fullmatch(r"python3(\.\d+t?)?|python", path.name) and os.access(path, os.X_OK):
            asked = "import sys, venv, ensurepip; print(*sys.version_info[:3])"
            done = run(path, "-c", asked, cwd=ROOT)
            if done.returncode == 0:
                found[tuple(map(int, done.stdout.split()))] = path
    return {number: found[number] for number in sorted(found) if number >= (3, OLDEST)}


def ends() -> list[tuple[int, ...]]:
    """The oldest version and the newest."""
    versions = list(interpreters())
    return versions[:1] + versions[1:][-1:]


def test_the_wheel_is_for_every_python_and_for_old_systems() -> None:
    tags = set(only("*.whl").stem.split("-", 4)[4].split("."))
    assert only("*.whl").name.startswith(f"reactor_engine-{version()}-cp3{OLDEST}-abi3-")
    assert any(tag.startswith("manylinux_2_17_") for tag in tags), tags


def paths_of_the_machine() -> set[bytes]:
    """Where the wheel was built, and of what."""
    sysroot = checked("rustc", "--print", "sysroot", cwd=ROOT).strip()
    cargo = os.environ.get("CARGO_HOME", Path.home() / ".cargo")
    # A folder as short as / says nothing.
    return {f"{path}".encode() for path in (ROOT, Path.home(), cargo, sysroot) if len(Path(path).parts) > 1}


def test_the_wheel_does_not_tell_where_it_was_built() -> None:
    paths = paths_of_the_machine()
    with zipfile.ZipFile(only("*.whl")) as wheel:
        found = {name: {path for path in paths if path in wheel.read(name)} for name in wheel.namelist()}
    assert "reactor/_native.abi3.so" in found
    assert {name: told for name, told in found.items() if told} == {}


@pytest.mark.parametrize("number", ends(), ids=lambda number: ".".join(map(str, number)))
def test_the_wheel_serves(number: tuple[int, ...], tmp_path: Path) -> None:
    told = try_it(interpreters()[number], only("*.whl"), tmp_path)
    assert told == f"reactor {version()} serves on cpython {'.'.join(map(str, number))}\n"


def pinned(*names: str) -> list[str]:
    """These packages, in the versions that the ordinary tests use."""
    lines = (ROOT / "tools" / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line.partition("==")[0] in names]


@pytest.mark.parametrize("number", [number for number in ends()[-1:] if number >= (3, 12)], ids=lambda number: ".".join(map(str, number)))
def test_coroutines_begin_at_once_where_they_can(number: tuple[int, ...], tmp_path: Path) -> None:
    """From 3.12 on, which the Python of the ordinary tests may not be."""
    python = environment(interpreters()[number], tmp_path)
    checked(python, "-m", "pip", "install", only("*.whl"), *pinned("pytest", "rloop", "uvloop"), cwd=tmp_path)
    tests = sorted((ROOT / "bindings" / "python" / "tests").glob("test_async_*.py"))
    told = checked(python, "-m", "pytest", "-rs", "-p", "no:cacheprovider", *tests, cwd=tmp_path)
    assert re.search(r"[1-9]\d* passed", told), told
    assert "tasks do not start at once" not in told, told


def test_the_source_distribution_builds_a_wheel_that_serves(tmp_path: Path) -> None:
    shutil.copy(only("*.tar.gz"), tmp_path)
    archive = f"reactor_engine-{version()}.tar.gz"
    python = environment(Path(sys.executable), tmp_path)
    checked(python, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", "built", archive, cwd=tmp_path)
    (wheel,) = tmp_path.glob("built/*.whl")
    (tmp_path / "other").mkdir()
    assert try_it(Path(sys.executable), wheel, tmp_path / "other").startswith(f"reactor {version()} serves on ")


@pytest.mark.parametrize(
    ("commands", "missing"),
    [
        ([], "reactor-engine: cargo was not found: install Rust 1.88 or newer, which has it"),
        (["cargo", "rustc"], "reactor-engine: cc was not found, and Rust links by it: install a C compiler, gcc or clang"),
    ],
)
def test_pip_says_what_is_missing(tmp_path: Path, commands: list[str], missing: str) -> None:
    python = environment(Path(sys.executable), tmp_path)
    (tmp_path / "bin").mkdir()
    for name in commands:
        path = shutil.which(name)
        assert path
        (tmp_path / "bin" / name).symlink_to(path)
    done = run(python, "-m", "pip", "install", only("*.tar.gz"), cwd=tmp_path, PATH=str(tmp_path / "bin"))
    assert done.returncode == 1
    assert missing in [line.strip() for line in (done.stdout + done.stderr).splitlines()], done.stdout + done.stderr
