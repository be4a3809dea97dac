"""The options of servers and listeners, for type checkers. `help(reactor.Server)` and `help(reactor.Server.listen)` explain them."""

from __future__ import annotations

import typing

from ._framing import Framing, Measure

if typing.TYPE_CHECKING:
    from collections.abc import Iterable as _Iterable

Framed = typing.Union[Framing, Measure, str, None]
"""A framing: a value, a function that measures frames, or a string as it stands in the query of a URL."""


class ServerOptions(typing.TypedDict, total=False):
    """The keyword arguments of `Server`."""

    loops: int
    balance: typing.Literal["round-robin", "least-connections", "random", "source-hash", "reuseport"]
    pin: bool
    high_water: int
    low_water: int
    hard_limit: int
    keep_on_overflow: bool
    byte_budget: int | None
    read_budget: int
    linger: float | None
    stall_limit: float
    max_connections: int
    max_connections_per_address: int
    stop_deadline: float
    look: typing.Literal["adaptive", "never"]


class ListenOptions(typing.TypedDict, total=False):
    """The keyword arguments of `Server.listen`."""

    reuseport: bool | None
    backlog: int | None
    nodelay: bool | None
    keepalive: bool | int | tuple[int, ...] | None
    recv_buffer: int | None
    send_buffer: int | None
    device: str | None
    ipv6_only: bool | None
    unix_mode: int | None
    shared: bool | None
    datagram_size: int | None
    broadcast: bool | None
    multicast: str | _Iterable[str] | None
    idle: float | None
    read: float | None
    write: float | None
    half_open: bool | None
    framing: Framed


class ServeOptions(ServerOptions, ListenOptions, total=False):
    """The keyword arguments of `serve`, but for its own."""
