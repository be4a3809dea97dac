#!/usr/bin/env python3
"""Checks who may import whom in core/src: prints each breach, and fails if there is one.

A room is a folder. It imports from itself and from the rooms below it in ROOMS, by `crate::` and by `super::` paths alike.
ARCHITECTURE.md draws the same order.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "src"

# From the top down.
ROOMS = [
    *["server", "event_loop", "delivery", "api", "loop_state", "shared", "conn", "dial", "listen", "sys"],
    *["address", "contract", "framing", "base"],
]
# What may lie flat beside the rooms: the public face, which imports from all of them.
FLAT = ["lib.rs", "binding.rs"]
# A module's import from a room above that is meant: a mailbox finds its own loop without a look-up.
DECLARED = {("shared::mailbox", "loop_state")}
# These touch sockets; nothing else in conn does, neither by itself nor through what it imports. These of `sys` are memory.
WIRES = ["conn::stream::wire", "conn::datagram::wire"]
# An entry has a wire as a member, beside its state machine.
HAS_A_WIRE = ("conn::stream::entry", "conn::stream::wire")
NO_IO = ["address", "contract", "framing", "base", "conn"]
MEMORY = {"sys::memory", "sys::once_box"}
STD_IO = re.compile(r"\bstd::(fs|net::(Tcp|Udp)|os::unix::net|process)\b")
BINDINGS = {"ffi": "reactor-ffi", "bindings/python": "reactor-python", "bindings/node": "reactor-node"}


def module_of(path: Path) -> str:
    parts = [part.removesuffix(".rs") for part in path.relative_to(CORE).parts]
    return "::".join(part for part in parts if part != "mod")


def room_of(module: str) -> str:
    return module.split("::")[0]


def is_test(path: Path) -> bool:
    return "tests" in path.relative_to(CORE).with_suffix("").parts


def code_of(path: Path) -> str:
    """The text without comments and without what only tests compile."""
    text = re.sub(r"//.*", "", path.read_text())
    return re.split(r"#\[cfg\(test\)\]\s*(?:pub\(crate\) )?mod \w+ \{", text)[0]


def paths_in(tree: str) -> Iterator[str]:
    """The paths of a `use` tree: `a::{b, c::{d, e}}` has `a::b`, `a::c::d` and `a::c::e`."""
    head, brace, rest = tree.partition("{")
    if not brace:
        yield tree.strip()
        return
    depth, start = 0, 0
    inner = rest[: rest.rindex("}")] if "}" in rest else rest
    for at, char in enumerate(inner + ","):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            if part := inner[start:at].strip():
                for path in paths_in(part):
                    yield head.strip() + path
            start = at + 1


def imports_of(path: Path, modules: set[str]) -> set[str]:
    """The modules that a file names, by whatever path."""
    text, module = code_of(path), module_of(path)
    trees = re.findall(r"\buse\s+((?:crate|super|self)::[^;]+);", text)
    named = [found for tree in trees for found in paths_in(re.sub(r"\s+", " ", tree))]
    named += re.findall(r"\b(?:crate|super)(?:::\w+)+", text)
    return {used for name in named if (used := resolve(name, module, modules)) and used != module}


def resolve(name: str, module: str, modules: set[str]) -> str | None:
    """The longest module that a path begins with."""
    parts, here = name.split("::"), module.split("::")
    if parts[0] == "crate":
        parts = parts[1:]
    else:
        while parts and parts[0] in ("super", "self"):
            here = here[:-1] if parts.pop(0) == "super" else here
        parts = here + parts
    while parts and "::".join(parts) not in modules:
        parts.pop()
    return "::".join(parts) or None


def order_breaches(imports: dict[str, set[str]]) -> Iterator[str]:
    rank = {room: at for at, room in enumerate(ROOMS)}
    for module, used in sorted(imports.items()):
        room = room_of(module)
        for other in sorted(used):
            above = rank[room_of(other)] < rank[room]
            if above and not any(module.startswith(m) and other.startswith(o) for m, o in DECLARED):
                yield f"{module}: imports {other}, whose room is above"


def io_breaches(imports: dict[str, set[str]], sources: dict[str, Path]) -> Iterator[str]:
    """A module that does no I/O imports none that does, and so none that reaches one."""
    touching = {module for module in imports if room_of(module) == "sys" and module not in MEMORY} | set(WIRES)
    # What a wire is made of may do I/O for it; who uses a wire lies in rooms that may.
    for module in sorted(imports):
        if room_of(module) not in NO_IO or module in WIRES:
            continue
        if STD_IO.search(code_of(sources[module])):
            yield f"{module}: does I/O"
        for chain in reaching(module, imports, touching):
            yield f"{module}: does I/O through {' → '.join(chain)}"


def reaching(module: str, imports: dict[str, set[str]], targets: set[str]) -> Iterator[list[str]]:
    seen, line = {module}, [[module]]
    while line:
        chain = line.pop(0)
        for used in sorted(imports.get(chain[-1], ())):
            if (chain[-1], used) == HAS_A_WIRE:
                continue
            if used in targets:
                yield chain[1:] + [used]
            elif used not in seen and used not in MEMORY:
                seen.add(used)
                line.append([*chain, used])


def core_breaches() -> Iterator[str]:
    flat = [path.name for path in CORE.glob("*.rs") if path.name not in FLAT]
    yield from (f"core/src/{name}: lies in no room" for name in sorted(flat))
    rooms = {path.parent.name for path in CORE.glob("*/*.rs")}
    yield from (f"core/src/{room}: is no room that ROOMS knows" for room in sorted(rooms - set(ROOMS)))
    sources = {module_of(path): path for path in CORE.rglob("*.rs") if path.parent != CORE and not is_test(path)}
    imports = {module: imports_of(path, set(sources)) for module, path in sources.items() if room_of(module) in ROOMS}
    yield from order_breaches(imports)
    yield from io_breaches(imports, sources)
    for module, path in sorted(sources.items()):
        if room_of(module) != "sys" and re.search(r"\bunsafe\b(?!_code)", code_of(path)):
            yield f"{module}: unsafe outside core/src/sys"


def binding_breaches() -> Iterator[str]:
    for folder in BINDINGS:
        manifest = (ROOT / folder / "Cargo.toml").read_text()
        others = [name for other, name in BINDINGS.items() if other != folder]
        yield from (f"{folder}: depends on {name}" for name in others if re.search(rf"^{name}\b", manifest, re.M))


def main() -> int:
    breaches = [*core_breaches(), *binding_breaches()]
    print("\n".join(breaches) or "layers: in order")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
