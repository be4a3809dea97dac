"""The protocols of the peers in Python, for whatever calls the classes of asyncio: each of their loops, and our engine."""

from __future__ import annotations

import asyncio
import struct
from typing import Any, cast

HEADER = 4
# A global function: looked up faster than an attribute, once a message.
unpack_length = struct.Struct(">I").unpack_from
MAX_BODY = 4 << 20
# Unsent bytes with which a connection that does not read is given up.
MAX_UNSENT = 64 << 20


class Session(asyncio.Protocol):
    """A connection. A peer that does not read is not read."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()


class Echo(Session):
    """Sends every byte back."""

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Frames(Session):
    """Sends every message back: a length of four bytes and a body. What is complete leaves in one write a read."""

    def __init__(self) -> None:
        # The beginning of a message, and how many bytes there must be before another look at it is worth it.
        self.partial = bytearray()
        self.wanted = 0

    def data_received(self, data: bytes) -> None:
        if self.partial:
            self.partial += data
            if len(self.partial) < self.wanted:
                return
            data, self.partial = bytes(self.partial), bytearray()
        messages: list[bytes] = []
        start, size = 0, len(data)
        while (end := start + HEADER) <= size:
            end += unpack_length(data, start)[0]
            if end > size:
                break
            messages.append(data[start:end])
            start = end
        if messages:
            self.transport.write(b"".join(messages))
        if start < size:
            self.keep(data[start:], end - start)

    def keep(self, rest: bytes, wanted: int) -> None:
        """Keeps the beginning of a message until the next read. No message that is too long gets beyond its beginning."""
        if wanted > HEADER + MAX_BODY:
            self.transport.abort()
        self.partial += rest
        self.wanted = wanted


class Broadcast(Session):
    """Sends what anybody says to everybody."""

    def __init__(self, sessions: set[Broadcast]) -> None:
        self.sessions = sessions

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.sessions.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.sessions.discard(self)

    def data_received(self, data: bytes) -> None:
        # A copy: rloop reports from within a write or an abort that a connection is lost.
        for session in tuple(self.sessions):
            session.tell(data)

    def tell(self, data: bytes) -> None:
        if self.transport.get_write_buffer_size() > MAX_UNSENT:
            self.transport.abort()
        else:
            self.transport.write(data)


class Datagrams(asyncio.DatagramProtocol):
    """Sends every datagram back to its sender."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.transport.sendto(data, address)
