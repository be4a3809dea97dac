"""OPTIONS: what listeners and connections begin with, as text, and as keyword arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import framings
import reactor
from framings import Frames
from text import seconds
from world import Context

Options = dict[str, Any]


def is_on(text: str) -> bool:
    return text in ("on", "true")


def keepalive(text: str) -> bool | tuple[int, ...]:
    """`on`, `off`, or `IDLE[,INTERVAL[,COUNT]]` in seconds."""
    if text in ("on", "true", "off", "false"):
        return is_on(text)
    return tuple(int(number) for number in text.split(","))


#: The options of connections: the argument's name, and what makes its value.
CONN: dict[str, tuple[str, Callable[[str], object]]] = {
    "half-open": ("half_open", is_on),
    "idle": ("idle", seconds),
    "read": ("read", seconds),
    "write": ("write", seconds),
}

#: Those of sockets.
SOCKET: dict[str, tuple[str, Callable[[str], object]]] = {
    "reuseport": ("reuseport", is_on),
    "backlog": ("backlog", int),
    "nodelay": ("nodelay", is_on),
    "keepalive": ("keepalive", keepalive),
    "rcvbuf": ("recv_buffer", int),
    "sndbuf": ("send_buffer", int),
    "device": ("device", str),
    "ipv6only": ("ipv6_only", is_on),
    "mode": ("unix_mode", lambda text: int(text, 8)),
    "shared": ("shared", is_on),
    "datagram": ("datagram_size", int),
    "broadcast": ("broadcast", is_on),
    "join": ("multicast", str),
}

#: Those of an outgoing or enrolled connection alone.
OUTGOING: dict[str, tuple[str, Callable[[str], object]]] = {
    "timeout": ("timeout", lambda text: None if text == "never" else seconds(text)),
    "loop": ("loop", int),
    "context": ("context", Context),
}


def parse(text: str, known: dict[str, tuple[str, Callable[[str], object]]]) -> tuple[Options, Frames]:
    """Keyword arguments, and how the input comes."""
    options: Options = {}
    frames = Frames.NONE
    for option in text.split():
        name, _, value = option.partition("=")
        if name == "framing":
            options["framing"], frames = framings.parse(value)
        elif name in known:
            argument, make = known[name]
            options[argument] = make(value)
        else:
            raise reactor.InvalidArgumentError(f"unknown option {option}")
    return options, frames


def of_listener(text: str) -> tuple[Options, Frames]:
    return parse(text, {**CONN, **SOCKET})


def of_connection(text: str) -> Options:
    """Of an outgoing or enrolled connection; what the subject knows of it rides in its context."""
    options, frames = parse(text, {**CONN, **OUTGOING})
    options.setdefault("context", Context()).frames = frames
    return options
