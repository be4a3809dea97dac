"""Builds the package: maturin, after saying what it lacks."""

import shutil

import maturin
from maturin import *  # noqa: F403


def get_requires_for_build_wheel(config_settings=None):
    """The first that is asked of a backend."""
    if shutil.which("cargo") is None:
        raise SystemExit("reactor-engine: cargo was not found: install Rust 1.88 or newer, which has it")
    return maturin.get_requires_for_build_wheel(config_settings)


get_requires_for_build_editable = get_requires_for_build_wheel
