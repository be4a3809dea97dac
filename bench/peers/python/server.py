"""The peers asyncio and uvloop: `server.py {asyncio|uvloop} KIND URL`, KIND being echo, frames, udp or broadcast.

After the Python documentation, "Transports and Protocols" (the examples "TCP Echo Server" and "UDP Echo Server"; flow
control by pause_writing), and uvloop's, "Using uvloop". Callback-based protocols are the fastest way that both
describe; BufferedProtocol is for protocols that receive large amounts of data, which most of the kinds do not. Set
here: a backlog of 4,096. TCP_NODELAY is on by default in both. Neither sends an empty datagram (`sendto` of no bytes does
nothing in Python 3.11).
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

BACKLOG = 4096
LENGTH = struct.Struct(">I")
MAX_BODY = 4 << 20
# Unsent bytes with which a connection that does not read is given up.
MAX_UNSENT = 64 << 20

Address = tuple[str, int]


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
    """Sends every message back: a length of four bytes and a body."""

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
        start = 0
        while (end := self.end_of_message(data, start)) <= len(data):
            messages.append(data[start:end])
            start = end
        if start < len(data):
            self.partial += data[start:]
            self.wanted = end - start
        if messages:
            self.transport.writelines(messages)

    def end_of_message(self, data: bytes, start: int) -> int:
        """Where the message ends; where its length does, if that is not there yet."""
        body = start + LENGTH.size
        if body > len(data):
            return body
        (length,) = LENGTH.unpack_from(data, start)
        if length > MAX_BODY:
            self.transport.abort()
            return sys.maxsize
        return body + int(length)


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
        for session in self.sessions:
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


async def serve(protocol: Callable[[], asyncio.Protocol], address: Address) -> None:
    """Serves until a signal ends the process."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, *address, backlog=BACKLOG)
    announce("tcp", server.sockets[0].getsockname())
    await server.serve_forever()


async def serve_datagrams(address: Address) -> None:
    """Serves until a signal ends the process."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=address)
    announce("udp", transport.get_extra_info("sockname"))
    await asyncio.Event().wait()


def announce(scheme: str, address: Address) -> None:
    """Says where connections are accepted."""
    host, port = address
    print(f"listening on {scheme}://{host}:{port}", flush=True)


def server_of(kind: str, address: Address) -> Coroutine[Any, Any, None]:
    """What serves this kind."""
    sessions: set[Broadcast] = set()
    match kind:
        case "echo":
            return serve(Echo, address)
        case "frames":
            return serve(Frames, address)
        case "broadcast":
            return serve(lambda: Broadcast(sessions), address)
        case "udp":
            return serve_datagrams(address)
    complain(f"unknown kind {kind!r}: there are echo, frames, udp and broadcast")


def complain(message: str) -> NoReturn:
    """Ends the process, for bad use."""
    print(message, file=sys.stderr)
    sys.exit(2)


def main() -> None:
    """Reads the command line."""
    if len(sys.argv) != 4 or sys.argv[1] not in ("asyncio", "uvloop"):
        complain("usage: server.py {asyncio|uvloop} KIND URL")
    _, system, kind, url = sys.argv
    parts = urlsplit(url)
    server = server_of(kind, (parts.hostname or "", parts.port or 0))
    if system == "asyncio":
        asyncio.run(server)
    else:
        # Not at the top: asyncio's memory is measured without it.
        import uvloop

        uvloop.run(server)


if __name__ == "__main__":
    main()
