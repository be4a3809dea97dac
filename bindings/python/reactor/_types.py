"""The values that callbacks and calls exchange: what is asked for, why a connection ended, and what it looks like."""

from __future__ import annotations

import enum
import typing


class Action(enum.IntEnum):
    """What a callback asks the engine to do next. Returning None is the same as NONE."""

    NONE = 0
    """Go on."""
    CLOSE = 1
    """Close this connection: from now on writes raise ClosedError; what is queued is sent first."""
    STOP = 2
    """Stop the server."""
    DETACH = 3
    """Hand this connection's socket out: see `Handler.on_detach`."""


class CloseReason(enum.IntEnum):
    """Why a connection ended. More will come: expect values that your program does not know."""

    EOF = 1
    """The peer closed its side, and everything was answered."""
    RESET = 2
    """The connection broke; the errno says how."""
    LOCAL_CLOSE = 3
    """This side closed it."""
    ABORT = 4
    """This side reset it."""
    IDLE = 5
    """Nothing came or went for as long as the idle time-out."""
    SHUTDOWN = 6
    """The server stopped."""
    OVERFLOW = 7
    """A write went beyond the hard limit; or the server held more than its byte budget, and this one too much of it."""
    PROTOCOL_ERROR = 8
    """The input breaks the framing."""
    HANDLER_ERROR = 9
    """A callback failed."""
    CONNECT_FAILED = 10
    """An outgoing connection could not be made; the errno says why."""
    TIME_OUT = 11
    """The connect, read or write time-out was over, or the stall limit of a close."""

    def __str__(self) -> str:
        """The name as the engine writes it in every language: `local close`."""
        return self.name.lower().replace("_", "-" if self is CloseReason.TIME_OUT else " ")


KNOWN_REASONS = {reason.value: reason for reason in CloseReason}
"""What the native module gives `on_close`, by number; a number that is missing here stays a number."""


class ConnInfo(typing.NamedTuple):
    """What can be read of a connection at any time."""

    listener: int | None
    """The number of the listener it came from; None for outgoing and enrolled connections."""
    loop: int
    """The index of its loop, from 0."""
    age: float
    """Seconds since it was taken in, to the millisecond."""
    bytes_received: int
    """Bytes received."""
    bytes_sent: int
    """Bytes that the kernel took."""
    queued_bytes: int
    """Bytes written and not taken by the kernel."""


class Credentials(typing.NamedTuple):
    """Who is at the other end of a Unix connection, as it was when it connected."""

    pid: int | None
    """The process; None where it has no number here."""
    uid: int
    """The effective user."""
    gid: int
    """The effective group."""


class Listening(str):
    """The address of a listener as it was really bound, a URL without a query. It is a string like any other, and knows the
    listener's number.
    """

    __slots__ = ("listener",)

    listener: int
    """The listener's number in its server, for `Server.close_listener` and `Server.endpoints`. It is never 0."""

    def __new__(cls, url: str, listener: int) -> Listening:
        self = super().__new__(cls, url)
        self.listener = listener
        return self

    def __getnewargs__(self) -> tuple[str, int]:  # type: ignore[override]  # For pickle: str has one argument.
        return str(self), self.listener
