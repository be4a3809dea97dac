"""The base class of handlers."""

from __future__ import annotations

from ._native import Conn, Server
from ._types import Action, CloseReason


class Handler:
    """What a server calls, with the types of each method. Deriving from it is a choice: any object will do. A method of
    another name that begins with on_ is refused when the server is made: it would never be called.

    The methods are looked up once, when the server is made; those that are missing, or unchanged from this class, cost
    nothing. All callbacks of a connection come in order on the thread of its loop; those of connections of other loops may
    run at the same time. A method that blocks makes the other connections of its loop wait. One that raises closes its
    connection with CloseReason.HANDLER_ERROR and is reported to `on_error`, or without that to the logger "reactor".
    """

    def on_start(self, server: Server) -> Action | None:
        """The server starts: once, before any other callback, on the thread that starts it. Returning Action.STOP refuses the
        start, raising fails it."""

    def on_open(self, conn: Conn) -> Action | None:
        """A connection is open and takes writes."""

    def on_data(self, conn: Conn, data: bytes) -> Action | None:
        """Bytes came in, cut as the network cut them; with framing, one whole frame."""

    def on_drain(self, conn: Conn) -> Action | None:
        """The queue of unsent output, once above the high-water mark, has fallen to the low-water mark."""

    def on_close(self, conn: Conn, reason: CloseReason, errno: int | None) -> Action | None:
        """The connection is gone: its last callback, exactly once after each on_open. The errno is the system's, where it was
        the cause."""

    def on_stop(self, server: Server) -> None:
        """The server has stopped: once, after the last callback, when all loops have ended."""

    def on_error(self, conn: Conn | None, exc: BaseException) -> None:
        """Another callback raised `exc`; conn is None if that was on_stop."""
