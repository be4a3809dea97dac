"""Servers: what `loop.create_server` and `loop.create_unix_server` return."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import sys
import typing
from asyncio.trsock import TransportSocket

from reactor._native import Engine

from ._arguments import Host, Path, expect_stream, refuse_tls, refuse_without, url_of_path, urls_to_listen
from ._sockets import copy_of

Factory = typing.Callable[[], asyncio.BaseProtocol]

# From 3.12 on, asyncio's servers wait for their connections.
_WAITS_FOR_CONNECTIONS = sys.version_info >= (3, 12)


class Server(asyncio.AbstractServer):
    """What `asyncio.Server` is, on this engine. Made by `create_server` and `create_unix_server`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, engine: Engine) -> None:
        self._loop = loop
        self._engine = engine
        self._reads: int | None = None
        self._listeners: list[tuple[int, str, socket.socket]] = []
        self._closed = False
        self._waiters: list[asyncio.Future[None]] = []
        self._forever: asyncio.Future[None] | None = None
        engine.set_idle(self._wake_if_done)

    def _listen(self, urls: list[str], sock: socket.socket | None, backlog: int | None, reuse_port: bool | None) -> None:
        queue = 0 if backlog is None else max(backlog, 1)
        if sock is not None:
            sock.setblocking(False)
            sock.listen(backlog if backlog is not None else 100)
            # Closing the server ends the listening, as with asyncio, whoever has opened the socket.
            number, address = self._engine.listen(f"fd://{copy_of(sock)}?shared=false")
            self._listeners.append((number, address, sock))
        for url in urls:
            number, address = self._engine.listen(url, queue, reuse_port)
            self._listeners.append((number, address, socket.socket(fileno=self._engine.copy_of_listener(number))))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} addresses={self.addresses!r}>"

    @property
    def sockets(self) -> tuple[TransportSocket, ...]:
        """The listening sockets; empty when it is closed."""
        return tuple(TransportSocket(sock) for _, _, sock in self._listeners)

    @property
    def addresses(self) -> list[str]:
        """Where it listens, as URLs; empty when it is closed."""
        return [address for _, address, _ in self._listeners]

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that serves."""
        return self._loop

    def is_serving(self) -> bool:
        """Whether it accepts connections."""
        return self._reads is not None and not self._closed

    def _start(self) -> None:
        if self._closed:
            raise TypeError(f"server {self!r} is closed: it cannot start serving again")
        if self._reads is None:
            self._reads = self._engine.start()
            self._loop.add_reader(self._reads, self._engine.turn)

    async def start_serving(self) -> None:
        """Begins to accept connections, if it does not yet."""
        self._start()
        await asyncio.sleep(0)

    async def serve_forever(self) -> None:
        """Serves until it is cancelled, and closes the server then."""
        if self._forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        if self._closed:
            raise RuntimeError(f"server {self!r} is closed")
        self._start()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        except asyncio.CancelledError:
            try:
                self.close()
                await self.wait_closed()
            finally:
                raise
        finally:
            self._forever = None

    def close(self) -> None:
        """Stops accepting. Connections go on; whoever the kernel has connected before is served."""
        if self._closed:
            return
        self._closed = True
        listeners, self._listeners = self._listeners, []
        for number, _, sock in listeners:
            sock.close()
            self._engine.close_listener(number)
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._wake_if_done()
        self._engine.set_ended(self._end_if_done)
        self._end_if_done()

    def close_clients(self) -> None:
        """Closes every connection behind what was written."""
        for transport in self._engine.transports():
            transport.close()

    def abort_clients(self) -> None:
        """Closes every connection at once."""
        for transport in self._engine.transports():
            transport.abort()

    async def wait_closed(self) -> None:
        """Waits until it is closed, and from Python 3.12 on for its connections, as `asyncio.Server` of that version."""
        if self._is_done():
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def _is_done(self) -> bool:
        return self._closed and (not _WAITS_FOR_CONNECTIONS or self._engine.open == 0)

    def _wake_if_done(self) -> None:
        if self._is_done():
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _end_if_done(self) -> None:
        """Ends the engine when its last connection is gone: a peer that has not closed yet may have kept it."""
        if not self._closed or self._engine.is_over or self._engine.connections:
            return
        if self._reads is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._reads)
        self._engine.shut()


async def create_server(
    protocol_factory: Factory,
    *urls: typing.Any,
    host: Host = None,
    port: int | str | None = None,
    family: int = socket.AF_UNSPEC,
    flags: int = socket.AI_PASSIVE,
    sock: socket.socket | None = None,
    backlog: int | None = None,
    ssl: object = None,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    start_serving: bool = True,
) -> Server:
    """Serves protocols at URLs, `"tcp://:5000"` or `"unix:///path"`, with the options that `reactor.Server.listen` has; or at
    a host and a port, as `loop.create_server` does: `create_server(factory, "localhost", 5000)`.

    sock: a bound socket, which is the server's from then on. backlog: connections that the kernel queues; the default is 4096.
    reuse_port: other sockets may be bound to the same address. family and flags: for looking a host up. The default of
    `reuse_address`, True, is all there is. start_serving: False binds, and leaves accepting to `Server.start_serving`.

    Raises `reactor.InvalidAddressError`, `reactor.AddressInUseError` or another `OSError`, and for ssl `reactor.UnsupportedError`.
    """
    refuse_tls(
        ssl, ssl_handshake_timeout=ssl_handshake_timeout, ssl_shutdown_timeout=ssl_shutdown_timeout
    )
    if reuse_address is not None and not reuse_address:
        raise ValueError("reuse_address=False: the engine's listeners always have SO_REUSEADDR")
    at = await urls_to_listen(urls, host, port, family, flags)
    refuse_without(at, sock)
    if sock is not None:
        expect_stream(sock)
    return await _served(protocol_factory, at, sock, backlog, reuse_port, start_serving)


async def create_unix_server(
    protocol_factory: Factory,
    path: Path | None = None,
    *,
    sock: socket.socket | None = None,
    backlog: int | None = None,
    ssl: object = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    start_serving: bool = True,
) -> Server:
    """As `create_server`, at a path, or at an abstract name, which begins with a zero byte. The file goes when the server is
    closed, as with Python 3.13's asyncio.
    """
    refuse_tls(
        ssl, ssl_handshake_timeout=ssl_handshake_timeout, ssl_shutdown_timeout=ssl_shutdown_timeout
    )
    at = [] if path is None else [url_of_path(path)]
    refuse_without(at, sock)
    if sock is not None and (sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM):
        raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")
    return await _served(protocol_factory, at, sock, backlog, None, start_serving)


async def _served(
    factory: Factory,
    urls: list[str],
    sock: socket.socket | None,
    backlog: int | None,
    reuse_port: bool | None,
    start_serving: bool,
) -> Server:
    loop = asyncio.get_running_loop()
    server = Server(loop, Engine(loop, factory, contextvars.copy_context()))
    try:
        server._listen(urls, sock, backlog, reuse_port)
        if start_serving:
            await server.start_serving()
    except BaseException:
        server.close()
        raise
    return server
