#!/usr/bin/env python3
"""Checks that the quick starts in the README are the tested programs, to the letter, and short."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUICK_STARTS = {
    "c": "examples/c/quickstart.c",
    "python": "examples/python/quickstart.py",
    "js": "examples/node/quickstart.mjs",
    "rust": "examples/rust/quickstart.rs",
}
LONGEST = 15


def main() -> int:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
    wrong = []
    for language, name in QUICK_STARTS.items():
        program = (ROOT / name).read_text()
        code = [line for line in program.splitlines() if line.strip() and not line.lstrip().startswith(("//", "/*", "#!"))]
        if (language, program) not in blocks:
            wrong.append(f"README.md: no {language} block is {name}")
        if len(code) > LONGEST:
            wrong.append(f"{name}: {len(code)} lines of code, more than {LONGEST}")
    print("\n".join(wrong) or "README: its quick starts are the tested programs")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
