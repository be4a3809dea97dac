#!/usr/bin/env python3
"""Connects each client to a server, and passes on what either says.

proxy.py --listen URL [--listen URL]... [--loops N] --to URL, over TCP and Unix sockets on both sides.
"""

from __future__ import annotations

import contextlib
import os
import sys

import launch
import reactor
from reactor import CloseReason

QUEUE_MARK = 256 << 10
"""Unsent bytes of one side above which the other is read no further, until they are sent. Well below the engine's high-water mark,
at which a side is not read itself: two that both send before they read would wait for ever."""


def complain(text: str) -> None:
    print(f"proxy: {text}", file=sys.stderr, flush=True)


class Proxy(launch.Handler):
    """Each connection of a pair has the other one, which lives on the same loop, for its context."""

    def __init__(self, to: str) -> None:
        self.to = to

    def on_open(self, conn: reactor.Conn) -> reactor.Action | None:
        if conn.context:
            return None  # The outgoing connection has its context from the beginning.
        server = conn.server
        try:
            # It takes writes at once: what the client says before the server is there waits in its queue.
            conn.context = server.conn(server.connect(self.to, half_open=True, context=conn))
        except reactor.Error as error:
            complain(str(error))
            return reactor.Action.CLOSE
        return None

    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        other: reactor.Conn = conn.context
        try:
            if other.info().queued_bytes <= QUEUE_MARK:
                other.write(data)
                return

            def resume(_: bool) -> None:
                with contextlib.suppress(reactor.ClosedError):
                    conn.resume()

            # Who receives is slower than who sends: the sender has to feel it.
            other.write(data, on_complete=resume)
            conn.pause()
        except (reactor.ClosedError, reactor.FullError):
            self.give_up(conn)

    def on_eof(self, conn: reactor.Conn) -> None:
        try:
            conn.context.end()
        except reactor.ClosedError:
            self.give_up(conn)

    def give_up(self, conn: reactor.Conn) -> None:
        """The other side is broken, and what this one says is lost. It must not take that for an end."""
        with contextlib.suppress(reactor.ClosedError):
            conn.abort()

    def on_close(self, conn: reactor.Conn, reason: CloseReason, errno: int | None) -> None:
        other: reactor.Conn | None = conn.context
        if not other:
            return
        # The two of a pair would keep each other.
        conn.context = None
        # While connecting: there are no other time-outs.
        failed = reason in (CloseReason.CONNECT_FAILED, CloseReason.TIME_OUT)
        if failed:
            complain(f"{self.to}: {reason}" + (f": {os.strerror(errno)}" if errno else ""))
        with contextlib.suppress(reactor.ClosedError):
            if failed or reason in (CloseReason.EOF, CloseReason.LOCAL_CLOSE, CloseReason.SHUTDOWN):
                other.close()  # What is queued for it is sent before.
            else:
                other.abort()  # This one broke: the other must not take what it has for all there was.


def main() -> None:
    parser = launch.Parser(__doc__)
    parser.add_argument("--to", metavar="URL", help="where to connect each client to")
    flags = parser.parse()
    if not flags.to:
        parser.error("--to URL is missing")
    launch.serve(Proxy(flags.to), flags, half_open=True)


if __name__ == "__main__":
    main()
