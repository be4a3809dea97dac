"""Servers that a running event loop of asyncio drives."""

from __future__ import annotations

import collections
import collections.abc
import contextvars
import functools
import os
import sys
import types
import typing
import weakref

from ._errors import ClosedError, UnsupportedError, WrongStateError
from ._native import Server, host
from ._serve import listen, split_options

if typing.TYPE_CHECKING:
    import asyncio as _asyncio
    from collections.abc import Callable as _Callable
    from collections.abc import Coroutine as _Coroutine
    from collections.abc import Generator as _Generator
    from types import TracebackType as _TracebackType

    from typing_extensions import Unpack as _Unpack

    from ._native import Conn as _Conn
    from ._options import ServeOptions as _ServeOptions

    _Task = _asyncio.Task[typing.Any]
    _Callback = _Callable[..., typing.Any]
    _Running = _Coroutine[typing.Any, typing.Any, typing.Any]
    _Waiting = tuple[str, _Callback, tuple[typing.Any, ...]]

SIDE_BY_SIDE = 1024
"""Coroutines of one UDP endpoint's callbacks that run at once; it is not read while there are so many."""

ONCE = frozenset({"on_drain", "on_timer", "on_wake"})
"""Callbacks that wait once for a coroutine to end, however often they were due: a timer that repeats does not queue up."""

_hosts: weakref.WeakKeyDictionary[Server, weakref.ref[Host] | None] = weakref.WeakKeyDictionary()
"""What drives each server that was started; None once it has ended."""

_forks = 0
"""How many forks lie between this process and the one that imported this."""


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


class Host:
    """What drives one server in one event loop."""

    def __init__(self, server: Server) -> None:
        import asyncio

        self.loop = asyncio.get_running_loop()
        self.server = server
        self.tasks: set[_Task] = set()
        # Those of them that no connection's end will cancel: endpoints have none.
        self.of_datagrams: set[_Task] = set()
        self.ended: _asyncio.Future[None] = self.loop.create_future()
        self.is_closing = False
        self.forks = _forks
        self.hosted = host(server, _context_of, _sessions_of(weakref.ref(self)))
        try:
            # The first turn calls on_start.
            goes_on = self.hosted.turn()
            self.loop.add_reader(self.hosted.fileno(), self._turn)
        except BaseException:
            self.hosted.close()
            raise
        _hosts[server] = weakref.ref(self)
        if not goes_on:
            self.close()

    @property
    def is_parents(self) -> bool:
        """Whether this process is a child that was forked since. What the event loop polls is the parent's then, too: neither
        would have it if the child removed it."""
        return self.forks != _forks

    def leave_child(self) -> None:
        """Ends a child that was forked in a callback and has returned from it, as on threads."""
        if self.is_parents:
            os._exit(0)

    def _turn(self) -> None:
        """The descriptor is readable. What ends the program is raised on, as the loop expects it; the server is stopping then, or has
        stopped in this turn, which an event loop that goes on is told next."""
        # As `is_parents` says; a property costs as much as half a turn's other work here.
        if self.forks != _forks:
            self._lose()
            return
        try:
            goes_on = self.hosted.turn()
        except BaseException:
            self.loop.call_soon(self._turn)
            raise
        finally:
            if self.forks != _forks:
                self.leave_child()
        if not goes_on:
            self.close()

    def _lose(self) -> None:
        """This is a child that goes on with its parent's event loop, but the server is the parent's alone."""
        self.is_closing = True
        if not self.ended.done():
            self.ended.set_exception(WrongStateError("the server was started before the fork, and runs in the parent"))

    def close(self) -> None:
        """Ends the server at once, if it runs still."""
        if self.is_closing:
            return
        if self.is_parents:
            self._lose()
            return
        self.is_closing = True
        self.loop.remove_reader(self.hosted.fileno())
        try:
            self.hosted.close()
        finally:
            for task in self.of_datagrams:
                task.cancel()
            self.end_if_idle()

    def end_if_idle(self) -> None:
        """After the last coroutine comes on_stop, and then the end."""
        if self.is_closing and not self.tasks and not self.ended.done():
            try:
                self.hosted._all_ended()
            finally:
                _hosts[self.server] = None
                self.ended.set_result(None)

    async def wait(self) -> None:
        """Waits for the end. Whoever is cancelled brings it about."""
        import asyncio

        try:
            await asyncio.shield(self.ended)
        except asyncio.CancelledError:
            await self.stop()
            raise

    async def wait_closed(self) -> None:
        """Waits for the end, and does nothing about it."""
        import asyncio

        await asyncio.shield(self.ended)

    async def stop(self) -> None:
        """Ends the server at once, and waits for the coroutines of its callbacks."""
        import asyncio

        self.close()
        await asyncio.shield(self.ended)


if sys.version_info >= (3, 12):

    def _start(loop: _asyncio.AbstractEventLoop, coroutine: _Running, context: contextvars.Context) -> _Task:
        """Has a coroutine run, in a context if tasks take one. Where tasks can start at once it has run until it waited for the first
        time, and one that never waits has ended: the event loop has nothing to do with that."""
        if loop.get_task_factory() is not None:
            return loop.create_task(coroutine, context=context)
        import asyncio

        task: _Task = asyncio.Task.__new__(asyncio.Task)
        try:
            asyncio.Task.__init__(task, coroutine, loop=loop, context=context, eager_start=True)
        except (KeyboardInterrupt, SystemExit):
            # It is raised on, and need not be told of as the task's as well.
            task.exception()
            raise
        return task

elif sys.version_info >= (3, 11):

    def _start(loop: _asyncio.AbstractEventLoop, coroutine: _Running, context: contextvars.Context) -> _Task:
        return loop.create_task(coroutine, context=context)

else:

    def _start(loop: _asyncio.AbstractEventLoop, coroutine: _Running, context: contextvars.Context) -> _Task:
        return context.run(loop.create_task, coroutine)


def _context_of(conn: _Conn) -> contextvars.Context:
    """What a connection's callbacks run in: a context of its own."""
    return contextvars.copy_context()


def _sessions_of(host: weakref.ref[Host]) -> _Callable[[_Conn], Session]:
    """What makes the sessions of a host's connections. The engine keeps it, and must not keep the host, which has the engine."""
    return lambda conn: Session(host, conn)


class Session:
    """The callbacks of one connection, of which some are coroutine functions: one after the other. While a coroutine runs its
    connection is held, and what happens besides waits. Coroutines of datagrams run side by side."""

    __slots__ = ("_conn", "_context", "_crowd", "_host", "_is_over", "_task", "_waiting")

    def __init__(self, host: weakref.ref[Host], conn: _Conn) -> None:
        self._host, self._conn = host, conn
        self._context = contextvars.copy_context()
        self._task: _Task | None = None
        self._crowd: set[_Task] | None = None
        # There only while something waits: an empty deque takes more memory than all else here.
        self._waiting: collections.deque[_Waiting] | None = None
        self._is_over = False

    def run(self, name: str, callback: _Callback, *args: typing.Any) -> object:
        """Calls a callback, or lets it wait: what it returned, or None."""
        if self._task is not None:
            self._let_wait((name, callback, args))
            return None
        returned = self._context.run(callback, *args)
        # What nearly every coroutine is can be told without asking an abstract class.
        if type(returned) is not types.CoroutineType and not isinstance(returned, collections.abc.Coroutine):
            return returned
        return self._begin(name, returned)  # pyright: ignore[reportUnknownArgumentType]  # Of anything: asyncio looks at it.

    def end(self, name: str, callback: _Callback | None, *args: typing.Any) -> object:
        """Calls the last callback, if there is one, when the coroutine that runs has been cancelled."""
        self._is_over = True
        self._waiting = None
        running = [task for task in (self._task, *(self._crowd or ())) if task is not None]
        if not running:
            return None if callback is None else self.run(name, callback, *args)
        if callback is not None:
            self._let_wait((name, callback, args))
        for task in running:
            # Behind its first step, which may be owed: on_open is not left out where on_close is called.
            task.get_loop().call_soon(task.cancel)
        return None

    def _let_wait(self, waits: _Waiting) -> None:
        """Has a callback wait: once, if it says the same each time."""
        if self._waiting is None:
            self._waiting = collections.deque()
        if waits[0] not in ONCE or waits not in self._waiting:
            self._waiting.append(waits)

    def _begin(self, name: str, coroutine: _Running) -> object:
        """Has a coroutine run: what it returned if it has ended at once, or None."""
        try:
            # While a coroutine runs the host lives, whoever else has let go of it.
            host = self._host()
            if host is None:
                raise WrongStateError("the event loop that served the connection is gone")
            task = _start(host.loop, coroutine, self._context)
        except BaseException:
            # Its connection is closed for that.
            coroutine.close()
            raise
        if task.done() and not task.cancelled():
            return task.result()
        held = self._hold()
        host.tasks.add(task)
        if self._crowd is not None and not self._is_over:
            self._crowd.add(task)
            host.of_datagrams.add(task)
            if len(self._crowd) == SIDE_BY_SIDE:
                self._conn.pause()
        else:
            self._task = task
        task.add_done_callback(functools.partial(self._done, host, name, held))
        return None

    def _hold(self) -> bool:
        try:
            self._conn.hold()
        except ClosedError:
            return False
        except UnsupportedError:
            self._crowd = self._crowd or set()
            return False
        return True

    def _done(self, host: Host, name: str, held: bool, task: _Task) -> None:
        """A coroutine has ended. What seldom is to be done is looked for here: a call to find that out would cost as much."""
        if host.forks != _forks:
            host.leave_child()
        host.tasks.discard(task)
        if task is self._task:
            self._task = None
        elif self._crowd is not None:
            self._leave_crowd(host, self._crowd, task)
        if task.cancelled() or task.exception() is not None or task.result() is not None:
            self._tell(host, name, task)
        if self._waiting:
            self._go_on(host)
        if held:
            self._release()
        if host.is_closing:
            host.end_if_idle()

    def _leave_crowd(self, host: Host, crowd: set[_Task], task: _Task) -> None:
        if len(crowd) == SIDE_BY_SIDE and not self._is_over:
            try:
                self._conn.resume()
            except ClosedError:
                pass
        crowd.discard(task)
        host.of_datagrams.discard(task)

    def _release(self) -> None:
        try:
            self._conn.release()
        except (ClosedError, WrongStateError):
            # It is gone, or was released by somebody else.
            pass

    def _tell(self, host: Host, name: str, task: _Task) -> None:
        """Does what a coroutine asks for. One that was cancelled by somebody else has failed, and that is known to whoever did it."""
        ended = host.hosted._ended
        if task.cancelled():
            import asyncio

            if not self._is_over:
                ended(name, self._conn, None, asyncio.CancelledError(), False)
            return
        error = task.exception()
        if error is None:
            ended(name, self._conn, task.result(), None, True)
        elif isinstance(error, (KeyboardInterrupt, SystemExit)):
            # The event loop has raised it on already.
            ended(name, self._conn, None, error, False)
            host.server.stop()
        else:
            ended(name, self._conn, None, error, True)

    def _go_on(self, host: Host) -> None:
        """Calls what has waited, until a further coroutine runs."""
        while self._waiting and self._task is None and not (self._is_over and self._crowd):
            name, callback, args = self._waiting.popleft()
            self._waiting = self._waiting or None
            if not self._is_over and not self._conn._takes_events:
                continue
            ended = host.hosted._ended
            try:
                returned = self.run(name, callback, *args)
            except BaseException as error:
                ended(name, self._conn, None, error, True)
            else:
                ended(name, self._conn, returned, None, True)


def _host_of(server: Server) -> Host | None:
    """What drives the server, in the running event loop; None once it has ended."""
    import asyncio

    loop = asyncio.get_running_loop()
    found = _hosts[server]
    host = None if found is None else found()
    if host is not None and host.loop is not loop:
        raise WrongStateError("another event loop serves it")
    return host


async def serve(server: Server) -> None:
    """`Server.serve`."""
    host = _host_of(server) if server in _hosts else Host(server)
    if host is not None:
        await host.wait()


async def wait_closed(server: Server) -> None:
    """`Server.wait_closed`."""
    if server not in _hosts:
        raise WrongStateError("cannot wait_closed: no event loop serves the server. `serve` or `serve_async` has to come first")
    host = _host_of(server)
    if host is not None:
        await host.wait_closed()


class serve_async:
    """Listens at the URLs and serves in the running event loop of asyncio, as `Server.serve` does. Use it as an asynchronous
    context manager, which gives the server once it listens, and stops it at once at the end:

        async with reactor.serve_async(handler, "tcp://:5000") as server:
            await server.serve()

    or await it: `await reactor.serve_async(handler, "tcp://:5000")` returns when the server has stopped. Signals are left to
    asyncio: `loop.add_signal_handler(signal.SIGTERM, server.stop_gracefully)` makes one stop it.

    handler: as `Server` has it; callbacks of connections may be `async def`.
    urls: where to listen, as `Server.listen` has it. Without any, the sockets that the service manager passed on, as
        `Server.listen_inherited` has them. Where that really is, `Server.listeners` says.
    options: those of `Server`, and those of `Server.listen` for every URL. It has one loop.

    Raises what `Server` raises, when it is made; then what `Server.listen` and `Server.serve` raise, and `InvalidArgumentError` if
    there is nothing to listen at.
    """

    def __init__(self, handler: object, *urls: str, **options: _Unpack[_ServeOptions]) -> None:
        of_server, self._of_listeners = split_options(options)
        self._server = Server(handler, hosted=True, **of_server)
        self._urls = urls
        self._host: Host | None = None

    async def __aenter__(self) -> Server:
        listen(self._server, self._urls, self._of_listeners)
        self._host = Host(self._server)
        return self._server

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: _TracebackType | None = None,
        /,
    ) -> None:
        if self._host is not None:
            await self._host.stop()

    def __await__(self) -> _Generator[typing.Any, None, None]:
        return self._serve().__await__()

    async def _serve(self) -> None:
        async with self as server:
            await server.serve()
