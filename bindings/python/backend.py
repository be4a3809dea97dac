"""Builds the package: maturin, with a line that says what is missing."""

import contextlib
import re
import shutil
import subprocess

import maturin
from maturin import *  # noqa: F403

RUST = (1, 88)
"""The oldest that compiles it."""


def complain(text):
    """Ends the build."""
    raise SystemExit(f"reactor-engine: {text}")


def expect_cargo():
    """Cargo is there, and new enough: an old one says neither what it needs, nor that it is old."""
    wanted = f"install Rust {RUST[0]}.{RUST[1]} or newer, which has it"
    if shutil.which("cargo") is None:
        complain(f"cargo was not found: {wanted}")
    version = subprocess.run(["cargo", "--version"], stdout=subprocess.PIPE, universal_newlines=True, check=False).stdout
    found = re.match(r"cargo (\d+)\.(\d+)", version)
    if found and tuple(map(int, found.groups())) < RUST:
        complain(f"{version.partition(' (')[0].strip()} is too old: {wanted}")


@contextlib.contextmanager
def explained():
    """A build that fails for want of a linker says so last. It is not asked for before: Rust can be told to use another one."""
    try:
        yield
    except SystemExit:
        if shutil.which("cc") is None:
            complain("cc was not found, and Rust links by it: install a C compiler, gcc or clang")
        raise


def get_requires_for_build_wheel(config_settings=None):
    """The first that is asked of a backend."""
    expect_cargo()
    return maturin.get_requires_for_build_wheel(config_settings)


def get_requires_for_build_sdist(config_settings=None):
    """The same, for a source distribution."""
    expect_cargo()
    return maturin.get_requires_for_build_sdist(config_settings)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """What pip calls to install the package."""
    with explained():
        return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """What `pip install --editable` calls."""
    with explained():
        return maturin.build_editable(wheel_directory, config_settings, metadata_directory)


get_requires_for_build_editable = get_requires_for_build_wheel
