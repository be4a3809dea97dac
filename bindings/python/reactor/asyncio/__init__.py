"""Protocols written for asyncio, unchanged, on this engine.

`await reactor.asyncio.create_server(protocol_factory, "tcp://:5000")` is what `loop.create_server` is, and so are the other
functions here: they take URLs, and the arguments of asyncio's own as well. They need a running event loop, asyncio's or
uvloop's, which calls the engine whenever it has something to do. What differs from asyncio stands in the package's guide.
"""

from __future__ import annotations

from asyncio.constants import _SendfileMode

from reactor._native import Transport

from ._clients import create_connection, create_unix_connection
from ._datagrams import DatagramTransport, create_datagram_endpoint
from ._servers import Server, create_server, create_unix_server
from ._streams import open_connection, open_unix_connection, start_server, start_unix_server

__all__ = [
    "DatagramTransport",
    "Server",
    "Transport",
    "create_connection",
    "create_datagram_endpoint",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_unix_server",
]

# So loop.sendfile sends by asyncio's own way, reading the file and writing.
Transport._sendfile_compatible = _SendfileMode.FALLBACK
