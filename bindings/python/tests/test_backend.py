"""What builds the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BACKEND = Path(__file__).resolve().parent.parent
ROOT = BACKEND.parent.parent

MATURIN = """
def get_requires_for_build_wheel(config_settings=None):
    return ["what maturin wants"]

get_requires_for_build_sdist = get_requires_for_build_wheel

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    if wheel_directory == "nowhere":
        raise SystemExit("what maturin says")
    return wheel_directory + "/a wheel"

build_editable = build_wheel

def build_sdist(sdist_directory, config_settings=None):
    return "a source distribution"
"""

HOOKS = ["get_requires_for_build_wheel", "get_requires_for_build_editable", "get_requires_for_build_sdist"]


def command(folder: Path, name: str, output: str = "") -> None:
    """Puts a command into the folder that prints this."""
    (folder / name).write_text(f"#!/bin/sh\necho '{output}'\n")
    (folder / name).chmod(0o755)


def ask(folder: Path, call: str) -> tuple[int, str, str]:
    """What the backend answers, beside a stand-in for maturin, with no other commands than the folder's."""
    (folder / "maturin.py").write_text(MATURIN)
    environment = {"PATH": str(folder), "PYTHONPATH": f"{BACKEND}:{folder}", "PYTHONDONTWRITEBYTECODE": "1"}
    program = [sys.executable, "-c", f"import backend; print(backend.{call})"]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("hook", HOOKS)
def test_without_cargo_it_says_so(tmp_path: Path, hook: str) -> None:
    told = "reactor-engine: cargo was not found: install Rust 1.88 or newer, which has it\n"
    assert ask(tmp_path, f"{hook}()") == (1, "", told)


@pytest.mark.parametrize("hook", HOOKS)
def test_with_an_old_cargo_it_says_so(tmp_path: Path, hook: str) -> None:
    command(tmp_path, "cargo", "cargo 1.87.1 (abcdef 2025-05-15)")
    told = "reactor-engine: cargo 1.87.1 is too old: install Rust 1.88 or newer, which has it\n"
    assert ask(tmp_path, f"{hook}()") == (1, "", told)


@pytest.mark.parametrize("version", ["cargo 1.88.0", "cargo 2.0.0-nightly (abcdef 2030-01-01)", "something else"])
@pytest.mark.parametrize("hook", HOOKS)
def test_with_cargo_it_is_maturin(tmp_path: Path, hook: str, version: str) -> None:
    command(tmp_path, "cargo", version)
    assert ask(tmp_path, f"{hook}()") == (0, "['what maturin wants']\n", "")


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
def test_what_fails_without_a_linker_says_so_last(tmp_path: Path, hook: str) -> None:
    told = "reactor-engine: cc was not found, and Rust links by it: install a C compiler, gcc or clang\n"
    assert ask(tmp_path, f"{hook}('nowhere')") == (1, "", told)
    # Rust may have been told of another linker.
    assert ask(tmp_path, f"{hook}('somewhere')") == (0, "somewhere/a wheel\n", "")


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
def test_what_fails_with_a_linker_is_maturins_matter(tmp_path: Path, hook: str) -> None:
    command(tmp_path, "cc")
    assert ask(tmp_path, f"{hook}('nowhere')") == (1, "", "what maturin says\n")


def test_the_rest_is_maturins(tmp_path: Path) -> None:
    assert ask(tmp_path, "build_sdist('anywhere')") == (0, "a source distribution\n", "")


def test_it_wants_the_rust_that_the_crates_want(tmp_path: Path) -> None:
    status, wanted, _ = ask(tmp_path, "RUST")
    major, minor = eval(wanted)
    assert status == 0
    assert f'rust-version = "{major}.{minor}"' in (ROOT / "Cargo.toml").read_text()


@pytest.mark.parametrize("name", ["LICENSE-MIT", "LICENSE-APACHE"])
def test_the_licences_are_the_repositorys(name: str) -> None:
    # Copies: what a package is made of lies in its folder.
    assert (BACKEND / name).read_bytes() == (ROOT / name).read_bytes()
