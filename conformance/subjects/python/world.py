"""What the subject's parts share."""

from __future__ import annotations

import collections
import contextlib
import itertools
import threading
import typing

import reactor
from framings import Frames
from report import emit, thread

if typing.TYPE_CHECKING:
    from control import Control


class Context:
    """The context of a connection: the case's own text, and for an outgoing one how its input comes."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.frames = Frames.NONE

    def __del__(self) -> None:
        if self.text is not None:
            emit("context-destroyed", text=self.text, thread=thread())


class Way(typing.Protocol):
    """What waits for a server."""

    def start(self, server: reactor.Server) -> None:
        """Starts one that listens nowhere yet, or says why it cannot."""

    def wait(self, server: reactor.Server) -> object:
        """Waits for its end, or says why it cannot."""

    def run(self, server: reactor.Server, control: Control, at_once: bool) -> bool:
        """Starts the server, at once or when a command asks for it, and returns when it has ended; False if it was never started."""

    def cycle(self) -> None:
        """The whole life of a server."""


class World:
    """What callbacks and control commands share."""

    def __init__(self, way: Way) -> None:
        self.way = way
        #: The server, until it has ended.
        self.server: reactor.Server | None = None
        #: How input comes: by the listener's number, and by the connection's id.
        self.listeners: dict[int, Frames] = {}
        self.conns: dict[int, Frames] = {}
        #: Every timer that was started, by its number.
        self.timers: dict[int, reactor.Timer] = {}
        self._other: reactor.Server | None = None
        self._other_lock = threading.Lock()
        self._pre_writes: dict[int | None, list[tuple[int, bytes]]] = collections.defaultdict(list)
        self._pre_write_calls = itertools.count(1)

    # ---- the other server ----

    def other(self) -> reactor.Server:
        """A server beside it, started at the first use, that listens nowhere."""
        with self._other_lock:
            if self._other is None:
                self._other = reactor.Server(reactor.Handler(), loops=1)
                self._other.start()
            return self._other

    def end(self) -> None:
        """Lets go of everything: the server has ended."""
        self.server = None
        self.timers.clear()
        if self._other is not None:
            self._other.stop()
            self._other.wait()
            self._other = None

    # ---- timers ----

    def remember(self, timer: reactor.Timer) -> int:
        self.timers[timer.id] = timer
        return timer.id

    def cancel(self, number: str) -> str:
        timer = self.timers.get(int(number))
        if timer is None:
            raise reactor.InvalidArgumentError(f"{number} is no timer")
        return "ok" if timer.cancel() else "gone"

    # ---- on_pre_write ----

    def leave(self, conn: reactor.Conn, text: str) -> None:
        """Leaves a line for the next on_pre_write of the calling loop."""
        self._pre_writes[conn.server.current_loop()].append((conn.id, f"{text}\n".encode()))

    def pre_write(self, server: reactor.Server) -> None:
        calls = next(self._pre_write_calls)
        left = self._pre_writes.pop(server.current_loop(), None)
        if left is None:
            return
        for conn, data in left:
            with contextlib.suppress(reactor.ClosedError):
                server.write(conn, data)
        emit("pre-write", calls=calls, thread=thread())
