"""Prints which build of Python runs it: version, compiler, how it was configured and optimized, and no path."""

from __future__ import annotations

import re
import shlex
import sys
import sysconfig


def described(version: str, configured: str, flags: str) -> str:
    """In one line."""
    options = [word for word in shlex.split(configured) if "/" not in word]
    levels = re.findall(r"-O\S+", flags)
    return " ".join([*version.split(), "configured", *(options or ["without options"]), "compiled", *levels[-1:]])


if __name__ == "__main__":
    print(
        described(
            sys.version,
            str(sysconfig.get_config_var("CONFIG_ARGS") or ""),
            str(sysconfig.get_config_var("PY_CFLAGS") or ""),
        )
    )
