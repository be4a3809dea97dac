"""asyncio's streams over the engine's transports."""

from __future__ import annotations

import asyncio
import typing
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter

from ._arguments import Path
from ._clients import create_connection, create_unix_connection
from ._servers import Server, create_server, create_unix_server

ClientConnected = typing.Callable[[StreamReader, StreamWriter], typing.Union[typing.Awaitable[None], None]]

_LIMIT = 2**16


def _factory(client_connected: ClientConnected, limit: int) -> typing.Callable[[], StreamReaderProtocol]:
    loop = asyncio.get_running_loop()
    return lambda: StreamReaderProtocol(StreamReader(limit=limit, loop=loop), client_connected, loop=loop)


async def start_server(
    client_connected_cb: ClientConnected, *urls: typing.Any, limit: int = _LIMIT, **options: typing.Any
) -> Server:
    """As `asyncio.start_server`: calls back with a reader and a writer for each connection. limit: bytes that a reader holds
    before the connection is paused. Everything else as `create_server`.
    """
    return await create_server(_factory(client_connected_cb, limit), *urls, **options)


async def start_unix_server(
    client_connected_cb: ClientConnected, path: Path | None = None, *, limit: int = _LIMIT, **options: typing.Any
) -> Server:
    """As `start_server`, at a path."""
    return await create_unix_server(_factory(client_connected_cb, limit), path, **options)


async def open_connection(
    url: str | None = None, port: int | None = None, *, limit: int = _LIMIT, **options: typing.Any
) -> tuple[StreamReader, StreamWriter]:
    """As `asyncio.open_connection`: a reader and a writer. Everything else as `create_connection`."""
    loop = asyncio.get_running_loop()
    reader = StreamReader(limit=limit, loop=loop)
    transport, protocol = await create_connection(lambda: StreamReaderProtocol(reader, loop=loop), url, port, **options)
    return reader, StreamWriter(transport, protocol, reader, loop)


async def open_unix_connection(
    path: Path | None = None, *, limit: int = _LIMIT, **options: typing.Any
) -> tuple[StreamReader, StreamWriter]:
    """As `open_connection`, to a path."""
    loop = asyncio.get_running_loop()
    reader = StreamReader(limit=limit, loop=loop)
    transport, protocol = await create_unix_connection(lambda: StreamReaderProtocol(reader, loop=loop), path, **options)
    return reader, StreamWriter(transport, protocol, reader, loop)
