#!/usr/bin/env python3
"""Checks who may import whom, as ARCHITECTURE.md draws it: prints each breach, and fails if there is one."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "src"

# From the bottom up; a module imports from its own band and from those below.
BANDS = {
    "pure": [
        *["action", "addr", "balancer", "codec", "config", "error", "limits", "metrics", "options"],
        *["panics", "slab", "timer", "token"],
    ],
    "platform": ["clock", "socket_options", "sys"],
    "net": ["buffer", "completions", "conn", "conn_shared", "dial", "entry", "listener", "resolver", "sending", "udp"],
    "run": [
        *["acceptor", "batch", "command", "conn_handle", "conns", "cork", "event_loop", "handle", "handler", "hosted", "listening"],
        *["loop_state", "mailbox", "outgoing", "server", "server_state", "threads", "udp_entry"],
    ],
}
# conn.rs is a state machine: it does no I/O.
PURE_OF_IO = ["conn", *BANDS["pure"]]
BINDINGS = {"ffi": "reactor-ffi", "bindings/python": "reactor-python", "bindings/node": "reactor-node"}


def module_of(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".rs")


def core_breaches() -> list[str]:
    level = {module: rank for rank, modules in enumerate(BANDS.values()) for module in modules}
    breaches = []
    for path in sorted(CORE.rglob("*.rs")):
        text, module = path.read_text(), module_of(path)
        where = path.relative_to(ROOT)
        if module == "lib":
            continue
        if module not in level:
            breaches.append(f"{where}: the module stands in no band")
            continue
        for used in sorted(set(re.findall(r"\bcrate::(\w+)", text)) & set(level)):
            if level[used] > level[module]:
                breaches.append(f"{where}: imports {used}, which is in a band above")
        if module in PURE_OF_IO and re.search(r"\bcrate::sys\b|\bstd::(fs|net::Tcp|os::unix::net|process)\b", text):
            breaches.append(f"{where}: does I/O")
        if module != "sys" and re.search(r"\bunsafe\b(?!_code)", re.sub(r"//.*", "", text)):
            breaches.append(f"{where}: unsafe outside core/src/sys")
    return breaches


def binding_breaches() -> list[str]:
    breaches = []
    for folder in BINDINGS:
        manifest = (ROOT / folder / "Cargo.toml").read_text()
        others = [name for other, name in BINDINGS.items() if other != folder]
        breaches += [f"{folder}: depends on {name}" for name in others if re.search(rf"^{name}\b", manifest, re.M)]
    return breaches


def main() -> int:
    breaches = core_breaches() + binding_breaches()
    print("\n".join(breaches) or "layers: in order")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
