#!/usr/bin/env python3
"""Writes the C library's manual by `make docs`, and looks in it for all that include/reactor.h declares.

What lacks documentation is an error of doxygen's. But a header whose file comment is lost gives an empty manual without
a warning. Prints one line per test and at the end `manual: N passed, N failed`. Needs make and doxygen.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

from layout import HEADER, visible_structs
from run import ROOT, Report, check, succeed

MANUAL = ROOT / "target" / "docs" / "c"


def declared(kind: str) -> set[str]:
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", HEADER.read_text(), flags=re.S)
    if kind == "variable":
        return {member for members in visible_structs(HEADER.read_text()).values() for member in members}
    pattern = {
        "function": r"^\w[\w *]*?\b(reactor_\w+)\(",
        "define": r"^#define (REACTOR_\w+) ",
        "typedef": r"^typedef (?!struct \w+ \{).*?\b(\w+);",
    }[kind]
    return set(re.findall(pattern, code, re.M))


def it_is_complete(kind: str) -> Callable[[], None]:
    def body() -> None:
        members = ElementTree.parse(MANUAL / "reactor.tag").iter("member")
        shown = {member.findtext("name") or "" for member in members if member.get("kind") == kind}
        wanted = declared(kind)
        check(wanted, "the header declares none")
        check(wanted <= shown, f"missing are {sorted(wanted - shown)}")

    return body


def it_is_written_without_a_warning() -> None:
    succeed(["make", "--no-print-directory", "-C", str(ROOT), "docs"])
    page = (MANUAL / "index.html").read_text()
    check("reactor_server_new" in page and "pkg-config" in page, "the first page is not docs.md")


def main() -> int:
    report = Report()
    report.test("it is written without a warning", it_is_written_without_a_warning)
    for kind in ("function", "define", "typedef", "variable"):
        report.test(f"every {kind} is in it", it_is_complete(kind))
    print("manual: ", end="")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
