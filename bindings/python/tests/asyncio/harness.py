"""Protocols that write down what they are told, servers of asyncio's and of ours for them, and peers with raw sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import reactor.asyncio

PATIENCE = 20.0
"""How long a test waits for what must happen, in seconds."""

Told = list[tuple[str, Any]]


class Recorder(asyncio.Protocol):
    """Writes down what it is told. What a test does in a callback it gives as a function of the same name."""

    def __init__(self, **does: Callable[..., Any]) -> None:
        self.does = does
        self.told: Told = []
        self.transport: Any = None
        self.changed = asyncio.Event()

    def note(self, name: str, value: Any = None) -> Any:
        self.told.append((name, value))
        self.changed.set()
        return self.does[name](self, value) if name in self.does else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.note("made")

    def data_received(self, data: bytes) -> None:
        self.note("data", data)

    def eof_received(self) -> bool | None:
        kept: bool | None = self.note("eof")
        return kept

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.note("lost", exc)

    def names(self) -> list[str]:
        return [name for name, _ in self.told]

    def data(self) -> bytes:
        return b"".join(value for name, value in self.told if name == "data")

    async def until(self, holds: Callable[[], Any]) -> None:
        async def wait() -> None:
            while not holds():
                self.changed.clear()
                await self.changed.wait()

        await asyncio.wait_for(wait(), PATIENCE)

    async def has(self, name: str, times: int = 1) -> Any:
        """Waits until it was told so often, and answers with what it was told then."""
        await self.until(lambda: self.names().count(name) >= times)
        return [value for told, value in self.told if told == name][times - 1]


class Peer:
    """The other end, a raw socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    async def send(self, data: bytes) -> None:
        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(self.sock, data), PATIENCE)

    async def some(self, most: int = 1 << 20) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, most), PATIENCE)

    async def exactly(self, number: int) -> bytes:
        got = b""
        while len(got) < number:
            more = await self.some(number - len(got))
            assert more, f"the end after {len(got)} bytes of {number}"
            got += more
        return got

    async def rest(self) -> bytes:
        """All until the end of file."""
        got = []
        while more := await self.some():
            got.append(more)
        return b"".join(got)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Served:
    """A server, its protocols in the order in which they came, and what the loop's exception handler was told."""

    def __init__(self, make: Callable[[], Recorder]) -> None:
        self.make = make
        self.protocols: list[Recorder] = []
        self.came = asyncio.Event()
        self.failures: list[dict[str, Any]] = []
        self.server: Any = None
        self.peers: list[Peer] = []

    def factory(self) -> Recorder:
        protocol = self.make()
        self.protocols.append(protocol)
        self.came.set()
        return protocol

    def address(self) -> Any:
        return self.server.sockets[0].getsockname()

    async def peer(self, rcvbuf: int = 0) -> Peer:
        """A new connection, whose protocol was made."""
        sock = socket.socket(self.server.sockets[0].family, socket.SOCK_STREAM)
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        sock.setblocking(False)
        peer = Peer(sock)
        self.peers.append(peer)
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, self.address()), PATIENCE)
        return peer

    async def pair(self, rcvbuf: int = 0) -> tuple[Recorder, Peer]:
        known = len(self.protocols)
        peer = await self.peer(rcvbuf)
        while len(self.protocols) == known:
            self.came.clear()
            await asyncio.wait_for(self.came.wait(), PATIENCE)
        protocol = self.protocols[known]
        await protocol.has("made")
        return protocol, peer


@contextlib.asynccontextmanager
async def serve(engine: str, make: Callable[[], Recorder] = Recorder, path: str | None = None) -> AsyncIterator[Served]:
    """A server of `engine`, "asyncio" or "reactor", at a free port or a path."""
    served, loop = Served(make), asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: served.failures.append(context))
    if path is not None:
        create: Any = loop.create_unix_server if engine == "asyncio" else reactor.asyncio.create_unix_server
        served.server = await create(served.factory, path)
    else:
        create = loop.create_server if engine == "asyncio" else reactor.asyncio.create_server
        served.server = await create(served.factory, "127.0.0.1", 0)
    try:
        yield served
    finally:
        served.server.close()
        for protocol in served.protocols:
            if protocol.transport is not None and "lost" not in protocol.names():
                protocol.transport.abort()
        for peer in served.peers:
            peer.sock.close()
        loop.set_exception_handler(None)


async def steps(number: int = 3) -> None:
    """Lets the event loop go round so often."""
    for _ in range(number):
        await asyncio.sleep(0)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 3 * PATIENCE))
