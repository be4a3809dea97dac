#!/usr/bin/env python3
"""Compares the layout of the structs in include/reactor.h with the committed one; `--update` writes that anew.

Programs that were compiled against an older header keep working only if members are appended and nothing else: not
even into the padding at a struct's end, which an older program's `size` covers and never set to zero. A struct whose
first member is not `size` can never grow. The layout is that of 64-bit systems. Prints one line per struct and at the
end `layout: N passed, N failed`. Needs gcc.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from run import BUILT, HERE, ROOT, Failure, Report, check, succeed

HEADER = ROOT / "include" / "reactor.h"
COMMITTED = HERE.parents[1] / "layout.txt"
HEADING = """\
# The structs of include/reactor.h on 64-bit systems, in bytes. Members are only ever appended.
# Written by `make header`, compared by ffi/tests/c/layout.py.
"""


@dataclass(frozen=True)
class Member:
    offset: int
    size: int


@dataclass(frozen=True)
class Struct:
    size: int
    align: int
    members: dict[str, Member]


Layout = dict[str, Struct]


# ---- what the header says ----


def member_name(declaration: str) -> str:
    """That of `int32_t (*on_open)(void *user_data)`, `const char *const *names` or `uint8_t bytes[16]`."""
    array = r"(?:\[[^\]]*\]\s*)*"
    pointer = re.search(rf"\(\s*\*\s*(?:const\s+)?(\w+)\s*{array}\)", declaration)
    match = pointer or re.search(rf"(\w+)\s*{array}$", declaration)
    if match is None or not re.fullmatch(r"[\w\s*(),\[\]]+", declaration):
        raise Failure(f"not understood: {declaration!r}")
    return match[1]


def visible_structs(header: str) -> dict[str, list[str]]:
    """The names of the structs and of their members, in the order of the header."""
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", header, flags=re.S)
    structs = {}
    for name, body in re.findall(r"\btypedef\s+struct\s+(\w+)\s*\{([^{}]*)\}\s*\w+\s*;", code):
        structs[name] = [member_name(" ".join(part.split())) for part in body.split(";") if part.strip()]
    bodies = len(re.findall(r"\b(?:struct|union|enum)\b[^;{]*\{", code))
    check(structs and bodies == len(structs), f"{bodies} types with members, of which {len(structs)} are understood")
    return structs


# ---- what the compiler says ----


def program(structs: dict[str, list[str]]) -> str:
    """In C11. It prints the lines of layout.txt."""
    lines = ["#include <reactor.h>", "#include <stdio.h>", "int main(void) {"]
    for struct, members in structs.items():
        lines.append(f'    printf("{struct} size %zu align %zu\\n", sizeof({struct}), _Alignof({struct}));')
        for member in members:
            where = f"offsetof({struct}, {member}), sizeof((({struct} *)0)->{member})"
            lines.append(f'    printf("    {member} offset %zu size %zu\\n", {where});')
    return "\n".join([*lines, "    return 0;", "}", ""])


def measured() -> str:
    BUILT.mkdir(parents=True, exist_ok=True)
    source, built = BUILT / "layout.c", BUILT / "layout"
    source.write_text(program(visible_structs(HEADER.read_text())))
    succeed(["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{HEADER.parent}", str(source), "-o", str(built)])
    return succeed([str(built)])


def parse(text: str) -> Layout:
    layout: Layout = {}
    struct = ""
    for line in text.splitlines():
        if match := re.fullmatch(r"(\w+) size (\d+) align (\d+)", line):
            struct = match[1]
            layout[struct] = Struct(int(match[2]), int(match[3]), {})
        elif match := re.fullmatch(r"    (\w+) offset (\d+) size (\d+)", line):
            layout[struct].members[match[1]] = Member(int(match[2]), int(match[3]))
        else:
            check(not line or line.startswith("#"), f"not understood: {line!r}")
    return layout


# ---- the rule ----


def breaches(name: str, old: Struct, new: Struct) -> list[str]:
    """What a program that knows the old struct would stumble over."""
    found = []
    for member, place in old.members.items():
        now = new.members.get(member)
        if now is None:
            found.append(f"{name}.{member} has disappeared")
        elif now != place:
            found.append(
                f"{name}.{member} was {place.size} bytes at offset {place.offset}, is {now.size} at {now.offset}"
            )
    for member, place in new.members.items():
        if member not in old.members and place.offset < old.size:
            found.append(f"{name}.{member} is new at offset {place.offset}, inside the {old.size} bytes known before")
    if new.size != old.size and next(iter(old.members)) != "size":
        found.append(f"{name} was {old.size} bytes, is {new.size}, and has no member `size` that would tell")
    if new.align != old.align:
        found.append(f"{name} was aligned to {old.align} bytes, is to {new.align}")
    return found


def compare(name: str, old: Layout, new: Layout) -> None:
    check(name in new, f"{name} has disappeared from the header")
    check(name in old, f"{name} is new: run `make header` and commit ffi/layout.txt")
    found = breaches(name, old[name], new[name])
    check(not found, "older programs would break: " + "; ".join(found))
    check(old[name] == new[name], f"{name} has grown: run `make header` and commit ffi/layout.txt")


def the_rule_finds_each_breach() -> None:
    old = Struct(24, 8, {"size": Member(0, 8), "loops": Member(8, 4), "mark": Member(16, 1)})
    kept = old.members
    for broken, message in (
        (Struct(24, 8, {**kept, "loops": Member(8, 8)}), "s.loops was 4 bytes at offset 8, is 8 at 8"),
        (Struct(32, 8, {**kept, "mark": Member(24, 1)}), "s.mark was 1 bytes at offset 16, is 1 at 24"),
        (Struct(24, 8, {**kept, "low": Member(12, 4)}), "s.low is new at offset 12, inside the 24 bytes known before"),
        (Struct(24, 8, {**kept, "low": Member(20, 4)}), "s.low is new at offset 20, inside the 24 bytes known before"),
        (Struct(24, 8, {"size": kept["size"], "mark": kept["mark"]}), "s.loops has disappeared"),
        (Struct(32, 16, kept), "s was aligned to 8 bytes, is to 16"),
    ):
        check(breaches("s", old, broken) == [message], f"{breaches('s', old, broken)} is not {message!r}")
    grown = Struct(32, 8, {**kept, "more": Member(24, 8)})
    check(breaches("s", old, grown) == [], "a member cannot be appended")
    plain = Struct(8, 8, {"data": Member(0, 8)})
    longer = Struct(16, 8, {**plain.members, "len": Member(8, 8)})
    message = "s was 8 bytes, is 16, and has no member `size` that would tell"
    check(breaches("s", plain, longer) == [message], f"{breaches('s', plain, longer)} is not {message!r}")


def update() -> int:
    try:
        COMMITTED.write_text(HEADING + measured())
    except Failure as failure:
        print(f"layout: {failure}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    if sys.argv[1:] == ["--update"]:
        return update()
    report = Report()
    report.test("the rule finds each breach", the_rule_finds_each_breach)
    try:
        old, new = parse(COMMITTED.read_text()), parse(measured())
    except Failure as failure:
        report.add("measuring", str(failure))
        old, new = {}, {}
    for name in dict.fromkeys([*old, *new]):
        report.test(name, lambda name=name: compare(name, old, new))  # type: ignore[misc]
    print("layout: ", end="")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
