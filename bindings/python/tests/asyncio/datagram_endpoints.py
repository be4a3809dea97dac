"""What the tests of datagram endpoints share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import reactor
import reactor.asyncio
from harness import PATIENCE, Recorder

HERE = "127.0.0.1"


class Datagrams(Recorder):
    """Writes down what it is told; not a `Protocol` by what it is asked for."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.note("datagram", (data, addr))

    def error_received(self, exc: Exception) -> None:
        self.note("error", exc)

    def datagrams(self) -> list[bytes]:
        return [value[0] for name, value in self.told if name == "datagram"]


async def make(engine: str, protocol: Datagrams, local: Any = None, remote: Any = None) -> Any:
    """The transport of an endpoint; the addresses are those of sockets."""
    if engine == "asyncio":
        loop = asyncio.get_running_loop()
        made: Any = await loop.create_datagram_endpoint(lambda: protocol, local_addr=local, remote_addr=remote)
    else:
        local, remote = (None if at is None else f"udp://{at[0]}:{at[1]}" for at in (local, remote))
        made = await reactor.asyncio.create_datagram_endpoint(lambda: protocol, local=local, remote=remote)
    assert made[1] is protocol
    assert protocol.transport is made[0]
    assert protocol.names()[0] == "made"
    return made[0]


@asynccontextmanager
async def endpoint(engine: str, remote: Any = None, **does: Callable[..., Any]) -> AsyncIterator[tuple[Any, Datagrams]]:
    protocol = Datagrams(**does)
    transport = await make(engine, protocol, None if remote else (HERE, 0), remote)
    try:
        yield transport, protocol
    finally:
        transport.abort()
        assert await protocol.has("lost") is None
        assert protocol.names()[-1] == "lost"
        assert protocol.names().count("lost") == 1


@asynccontextmanager
async def peer() -> AsyncIterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HERE, 0))
        sock.setblocking(False)
        yield sock


async def received(sock: socket.socket) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 1 << 17), PATIENCE)


class Full:
    """The engine as if the kernel took nothing until it is told to: over loopback it takes everything, always."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.left = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def send(self, id: int, data: bytes, address: Any, high: int) -> int:
        self.left += len(data)
        return self.left

    def unsent(self, id: int) -> int:
        return self.left


async def turn(transport: Any) -> None:
    """Has the engine turn: something comes for the endpoint."""
    async with peer() as sock:
        seen = transport.get_protocol().names().count("datagram")
        sock.sendto(b"turn", transport.get_extra_info("sockname"))
        await transport.get_protocol().has("datagram", seen + 1)
