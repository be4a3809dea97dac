"""Runs the conformance cases: run.py [SUBJECT]... [PYTEST ARGUMENT]...

Without a subject all of them. Prints the table promise × subject and writes it to target/conformance.json.
Fails if a case fails, if there is none, or, in a run of all cases, for a promise without one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness.promises import SUBJECTS
from harness.table import Table

HERE = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    subjects = [argument for argument in arguments if argument in SUBJECTS] or list(SUBJECTS)
    selection = [argument for argument in arguments if argument not in SUBJECTS]
    table = Table(subjects)
    os.chdir(HERE)
    status = pytest.main([f"--subjects={','.join(subjects)}", *selection], plugins=[table])
    table.write(HERE.parent / "target" / "conformance.json")
    print("\n" + table.text())
    return verdict(table, int(status), complete=not selection)


def verdict(table: Table, status: int, complete: bool) -> int:
    """The exit code: zero only if everything ran that should have, and passed."""
    if table.collected == 0:
        print("no case was collected")
        return status or 1
    holes = table.holes() if complete else []
    if holes:
        print("promises without a case: " + ", ".join(holes))
    return status or (1 if holes else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
