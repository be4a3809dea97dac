"""The base class of handlers."""

from __future__ import annotations

import socket
import typing

from ._native import Conn, Datagram, Server, Timer
from ._types import Action, CloseReason

if typing.TYPE_CHECKING:
    from collections.abc import Coroutine as _Coroutine

    # Under asyncio callbacks of connections may be coroutine functions.
    _Answer = typing.Union[Action, None, _Coroutine[typing.Any, typing.Any, typing.Union[Action, None]]]
    _Done = typing.Union[None, _Coroutine[typing.Any, typing.Any, None]]


class Handler:
    """What a server calls, with the types of each method. Deriving from it is a choice: any object will do. A method of
    another name that begins with on_ is refused when the server is made: it would never be called. So is one that is
    `async def` on a server with threads of its own, where nobody would await it.

    The methods are looked up once, when the server is made; those that are missing, or unchanged from this class, cost
    nothing. All callbacks of a connection come in order on the thread of its loop; those of connections of other loops may
    run at the same time. A method that blocks makes the other connections of its loop wait. One that raises closes its
    connection with CloseReason.HANDLER_ERROR and is reported to `on_error`, or without that to the logger "reactor"; one that
    is no connection's is only reported. But `sys.exit()` and KeyboardInterrupt are the wish to end the program: they stop the
    server, and `Server.wait` and `Server.run` raise them.

    The loops' threads are called reactor-0 and so on, and run callbacks under the trace and profile functions that
    `threading` had for new threads at the start. They have the signal mask of the thread that started the server: so has
    what a callback starts, a program or a thread. Signal handlers run in the main thread, as ever. A child that is forked in
    a callback, and returns from it or raises there, ends, with 0.

    Under asyncio (`serve_async`, `Server.serve`) all callbacks run on the event loop's thread, those of a connection in a
    `contextvars` context of its own, and callbacks of connections may be `async def`. While such a coroutine runs, its connection
    is held: it is neither read nor closed at the end of the peer's side, and what happens besides, such as on_wake, waits its
    turn: on_wake, on_drain and each timer once, however often they were due. What it returns or raises counts as that of a plain
    callback. It is cancelled when the connection ends, and on_close comes after it. One that somebody else cancels closes its
    connection, as one that fails does. Coroutines for datagrams run side by side, at most 1024 for one endpoint; they answer by
    `conn.send_to`. `conn.keep` and `conn.set_timer` are for plain callbacks: when a coroutine runs, the callback has returned.
    Before Python 3.11 what a coroutine changes in its context is gone with it. A child that is forked in a coroutine has to end
    there, or become another program: its event loop is its parent's.
    """

    def on_start(self, server: Server) -> Action | None:
        """The server starts: once, before any other callback, on the thread that starts it. Returning Action.STOP refuses the
        start, raising fails it."""

    def on_open(self, conn: Conn) -> _Answer:
        """A connection is open and takes writes. UDP endpoints have no such event."""

    def on_data(self, conn: Conn, data: bytes) -> _Answer:
        """Bytes came in, cut as the network cut them; with framing, one whole frame. One datagram, too, which may be empty, if
        the handler has no `on_datagram`. A command that `Resp` has cut, as the list of its arguments, if the handler has neither
        `on_command` nor `on_commands`."""

    def on_frames(self, conn: Conn, frames: list[bytes]) -> _Answer:
        """Frames came in: all that one read has completed, in order, at least one. Instead of `on_data`, which a handler with this
        cannot have: many small frames cost far less so, and what is written for them can be written at once; where they come one at
        a time, `on_data` costs less. All of them were cut by the framing that was set when they came; what `conn.set_framing`
        sets here cuts what follows. `conn.hold`, `conn.pause` and a close count from the next call on, too. Without framing the
        list has the bytes of one read, and `conn.keep` may keep the end of it."""

    def on_command(self, conn: Conn, arguments: list[bytes]) -> _Answer:
        """A command came in, cut by `Resp`: its arguments, at least one, of which the first is its name."""

    def on_commands(self, conn: Conn, commands: list[list[bytes]]) -> _Answer:
        """Commands came in, cut by `Resp`: all that one read has completed, each the list of its arguments. As `on_frames` instead of
        `on_data`, this is instead of `on_command`. A handler with neither is told them in `on_frames`, if it has that."""

    def on_datagram(self, conn: Conn, data: bytes, datagram: Datagram) -> _Answer:
        """A datagram came for a UDP endpoint, or an outgoing UDP connection: `datagram` says from whom, and where to. `conn.write`
        answers the sender, from the address that it was sent to; `conn.send_to` reaches anyone."""

    def on_eof(self, conn: Conn) -> _Answer:
        """The peer has shut its writing side down, and everything before was delivered. Only for connections with half_open;
        others are closed then, and so are these if the handler has no such method. The connection goes on until `conn.end` or
        close."""

    def on_drain(self, conn: Conn) -> _Answer:
        """The queue of unsent output, once above the high-water mark, has fallen to the low-water mark."""

    def on_wake(self, conn: Conn) -> _Answer:
        """`wake` was called for the connection, once or several times."""

    def on_timer(self, conn: Conn, timer: Timer) -> _Answer:
        """A timer of the connection's is due: it equals the one that `conn.set_timer` returned."""

    def on_detach(self, conn: Conn, sock: socket.socket, input: bytes, output: bytes) -> _Done:
        """The connection was detached, and its socket is yours, non-blocking: the last callback, instead of on_close. `input`
        was read and not consumed, `output` was written and not sent. Without this method the socket is closed."""

    def on_close(self, conn: Conn, reason: CloseReason, errno: int | None) -> _Answer:
        """The connection is gone: its last callback, exactly once after each on_open, and for an outgoing connection that failed
        the only one. The errno is the system's, where it was the cause."""

    def on_tick(self, server: Server) -> float | None:
        """Time passes: called on loop 0 as soon as the loops run, and again after as many seconds as it returns; None ends it.
        One that raises is called again after the delay before, or a second."""

    def on_pre_write(self, server: Server) -> None:
        """A loop is about to send the first output of a turn: once a turn at most, on the loop's thread. What is written here
        leaves along. While a handler has this, nothing is sent before it."""

    def on_stopping(self, server: Server) -> None:
        """A graceful stop has begun: once, on loop 0. When it returns the listeners are closed, and connections may finish until
        the deadline."""

    def on_stop(self, server: Server) -> None:
        """The server has stopped: once, after the last callback, when all loops have ended."""

    def on_error(self, conn: Conn | None, exc: BaseException) -> None:
        """Another callback raised `exc`, or the function of a completion, a timer or `run_on_loop`; conn is None if it was no
        connection's, as on_stop and on_tick are."""
