"""A server that echoes, and a client that sees that."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from harness import PATIENCE, Recorder


def echo() -> Recorder:
    return Recorder(data=lambda protocol, data: protocol.transport.write(data))


async def exchange(family: int, address: Any) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        await asyncio.wait_for(loop.sock_connect(sock, address), PATIENCE)
        await loop.sock_sendall(sock, b"hello")
        assert await asyncio.wait_for(loop.sock_recv(sock, 100), PATIENCE) == b"hello"
