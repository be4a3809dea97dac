"""Calls on connections that asyncio awaits."""

from __future__ import annotations

import typing

from ._errors import ClosedError

if typing.TYPE_CHECKING:
    import asyncio as _asyncio

    from typing_extensions import Buffer as _Buffer

    from ._native import Conn as _Conn


def write_async(conn: _Conn, data: _Buffer) -> _asyncio.Future[None]:
    """`Conn.write_async`."""
    written = _Written(conn)
    conn.write(data, on_complete=written.complete)
    return written.future


async def drain(conn: _Conn) -> None:
    """`Conn.drain`."""
    written = _Written(conn)
    # It goes behind what is queued.
    if not conn.write(b"", on_complete=written.complete):
        await written.future


class _Written:
    """What becomes of a write."""

    __slots__ = ("conn", "future", "loop")

    def __init__(self, conn: _Conn) -> None:
        import asyncio

        self.conn = conn
        self.loop = asyncio.get_running_loop()
        self.future: _asyncio.Future[None] = self.loop.create_future()

    def complete(self, sent: bool) -> None:
        """On the thread of the connection's loop."""
        import asyncio

        if asyncio._get_running_loop() is self.loop:
            self.settle(sent)
        else:
            try:
                self.loop.call_soon_threadsafe(self.settle, sent)
            except RuntimeError:
                # Its loop is closed: nobody waits any more.
                pass

    def settle(self, sent: bool) -> None:
        if self.future.done():
            return
        if sent:
            self.future.set_result(None)
        else:
            self.future.set_exception(ClosedError(f"connection {self.conn.id} is closed: it ended before the write was sent"))
