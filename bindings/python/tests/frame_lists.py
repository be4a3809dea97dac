"""What the tests of lists of frames and of commands share."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import reactor
from helpers import Running, wait_until
from reactor import Action, CloseReason


class Lists(reactor.Handler):
    """Remembers what it is told, and does what `act` says with each list of frames."""

    def __init__(self, act: Callable[[reactor.Conn, list[bytes]], Action | None] | None = None) -> None:
        self.act = act
        self.told: list[Any] = []
        self.errors: list[BaseException] = []
        self.conns: list[reactor.Conn] = []

    def on_open(self, conn: reactor.Conn) -> None:
        self.conns.append(conn)

    def on_frames(self, conn: reactor.Conn, frames: list[bytes]) -> Action | None:
        self.told.append(frames)
        return self.act(conn, frames) if self.act else None

    def on_eof(self, conn: reactor.Conn) -> None:
        self.told.append("eof")
        conn.end()

    def on_detach(self, conn: reactor.Conn, sock: socket.socket, input: bytes, output: bytes) -> None:
        self.told.append((input, output))
        sock.close()

    def on_close(self, conn: reactor.Conn, reason: CloseReason, errno: int | None) -> None:
        self.told.append(reason)

    def on_error(self, conn: reactor.Conn | None, exc: BaseException) -> None:
        self.errors.append(exc)

    def wait_for(self, told: object) -> None:
        wait_until(lambda: told in self.told, f"{told}, told {self.told}")


class Serving(Running):
    """A server whose connections begin with a framing and more options."""

    def __init__(self, handler: object, framing: Any = None, **options: Any) -> None:
        self.server = reactor.Server(handler, loops=1)
        self.url = self.server.listen("tcp://127.0.0.1:0", framing=framing, **options)


def answering(conn: reactor.Conn, frames: list[bytes]) -> None:
    conn.write(b"[" + b",".join(frames) + b"]")
