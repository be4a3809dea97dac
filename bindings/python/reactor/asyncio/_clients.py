"""Outgoing connections."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
import socket
import typing
import weakref

from reactor._native import Engine, Transport

from ._arguments import Path, expect_stream, refuse_tls, refuse_without, stream_url, url_of_path

P = typing.TypeVar("P", bound=asyncio.BaseProtocol)

# The engine of each event loop's outgoing connections. The event loop owns it, by what it reads for.
_engines: dict[int, weakref.ref[Engine]] = {}


def _engine(loop: asyncio.AbstractEventLoop) -> Engine:
    known = _engines.get(id(loop))
    engine = known() if known is not None else None
    if engine is not None and engine.event_loop is loop and not engine.is_over:
        return engine
    engine = Engine(loop)
    loop.add_reader(engine.start(), engine.turn)
    key = id(loop)
    _engines[key] = weakref.ref(engine, lambda gone: _engines.pop(key, None) if _engines.get(key) is gone else None)
    return engine


async def create_connection(
    protocol_factory: typing.Callable[[], P],
    url: str | None = None,
    port: int | None = None,
    *,
    host: str | None = None,
    sock: socket.socket | None = None,
    family: int = socket.AF_UNSPEC,
    local_addr: tuple[str, int] | None = None,
    timeout: float | None = None,
    ssl: object = None,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
) -> tuple[Transport, P]:
    """Connects to a URL, `"tcp://example.org:5000"` or `"unix:///path"`, with the options that the engine has for that; or to
    a host and a port, as `loop.create_connection` does. A name's addresses are tried as RFC 8305 says.

    sock: a connected socket, which is the transport's from then on. family: `AF_INET` or `AF_INET6`, with a host and a port.
    local_addr: an IP address and a port to connect from. timeout: seconds, looking up included; None leaves it to the system.

    Raises `OSError`, `socket.gaierror` for a name that is not found, `TimeoutError`, `reactor.InvalidAddressError`.
    """
    refuse_tls(
        ssl,
        server_hostname=server_hostname,
        ssl_handshake_timeout=ssl_handshake_timeout,
        ssl_shutdown_timeout=ssl_shutdown_timeout,
    )
    if host is not None and (url is not None or port is None):
        raise TypeError("host goes with a port, and not with a URL")
    url = url if host is None else host
    if port is not None:
        url = _url(url or "localhost", port, family)
    elif family != socket.AF_UNSPEC:
        raise ValueError('family goes with a host and a port; in a URL, say "tcp4://" or "tcp6://"')
    refuse_without([url] if url else [], sock)
    if sock is not None:
        expect_stream(sock)
        return await _enrolled(protocol_factory, sock)
    url = stream_url(url)
    if local_addr is not None:
        host = f"[{local_addr[0]}]" if ":" in local_addr[0] else local_addr[0]
        url += f"{'&' if '?' in url else '?'}bind={host}:{local_addr[1]}"
    return await _connected(protocol_factory, url, timeout)


async def create_unix_connection(
    protocol_factory: typing.Callable[[], P],
    path: Path | None = None,
    *,
    sock: socket.socket | None = None,
    timeout: float | None = None,
    ssl: object = None,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
) -> tuple[Transport, P]:
    """As `create_connection`, to a path, or to an abstract name, which begins with a zero byte."""
    refuse_tls(
        ssl,
        server_hostname=server_hostname,
        ssl_handshake_timeout=ssl_handshake_timeout,
        ssl_shutdown_timeout=ssl_shutdown_timeout,
    )
    url = None if path is None else url_of_path(path)
    refuse_without([url] if url else [], sock)
    if sock is not None:
        if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
            raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")
        return await _enrolled(protocol_factory, sock)
    assert url is not None
    return await _connected(protocol_factory, url, timeout)


def _url(host: str, port: int, family: int) -> str:
    schemes: dict[int, str] = {socket.AF_UNSPEC: "tcp", socket.AF_INET: "tcp4", socket.AF_INET6: "tcp6"}
    if family not in schemes:
        raise ValueError(f"family has to be AF_INET or AF_INET6, not {family!r}")
    return f"{schemes[family]}://{f'[{host}]' if ':' in host else host}:{port}"


async def _enrolled(factory: typing.Callable[[], P], sock: socket.socket) -> tuple[Transport, P]:
    loop = asyncio.get_running_loop()
    if sock.fileno() < 0:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        # As for connections that are made here, and as asyncio does it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    engine, waiter = _engine(loop), loop.create_future()
    id = engine.enroll(sock.detach(), factory, contextvars.copy_context(), waiter)
    made: tuple[Transport, P] = await _wait(engine, id, waiter)
    return made


async def _connected(factory: typing.Callable[[], P], url: str, timeout: float | None) -> tuple[Transport, P]:
    made: tuple[Transport, P] = await _made(factory, url, timeout)
    return made


async def connected_endpoint(url: str) -> int:
    """The id of a datagram endpoint that has its peer at a URL."""
    id: int = await _made(None, url, None)
    return id


async def _made(factory: typing.Callable[[], typing.Any] | None, url: str, timeout: float | None) -> typing.Any:
    loop = asyncio.get_running_loop()
    engine, waiter = _engine(loop), loop.create_future()
    id = engine.connect(url, factory, contextvars.copy_context(), waiter, float("inf") if timeout is None else timeout)
    try:
        return await _wait(engine, id, waiter)
    except TimeoutError as error:
        if error.errno is None:
            raise TimeoutError(f"cannot connect to {url!r} within {timeout} s") from None
        raise _explained(error, url) from None
    except OSError as error:
        raise _explained(error, url) from None


def _explained(error: OSError, url: str) -> OSError:
    if error.errno is None:
        return socket.gaierror(socket.EAI_NONAME, f"cannot connect to {url!r}: the name cannot be looked up")
    return OSError(error.errno, f"cannot connect to {url!r}: {os.strerror(error.errno)}")


async def _wait(engine: Engine, id: int, waiter: asyncio.Future[typing.Any]) -> typing.Any:
    try:
        return await waiter
    except asyncio.CancelledError:
        engine.give_up(id)
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            made = waiter.result()
            if isinstance(made, int):
                engine.end_endpoint(made, 0, True)
            else:
                made[0].abort()
        raise
