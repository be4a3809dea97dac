"""The peers in Python: `server.py SYSTEM KIND URL`, KIND being echo, frames, udp or broadcast.

SYSTEM is asyncio, uvloop, rloop, or aiofastnet upon the loop of asyncio or of uvloop (aiofastnet-asyncio,
aiofastnet-uvloop). All run the same protocols.

After the Python documentation, "Transports and Protocols" (the examples "TCP Echo Server" and "UDP Echo Server"; flow
control by pause_writing), and what each says of its use: uvloop's "Using uvloop", rloop's "Usage", aiofastnet's
"Quickstart" (loop_factory). Callback-based protocols are the fastest way that they describe; BufferedProtocol is for
protocols that receive large amounts of data, which most of the kinds do not. Set here: a backlog of 4,096.
TCP_NODELAY is on by default in all of them. asyncio and uvloop send no empty datagram (`sendto` of no bytes does
nothing in Python 3.11). rloop 0.5 keeps the socket of a connection that its peer has reset, closes others late, and
serves no new one when its descriptors are used up.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

BACKLOG = 4096
HEADER = 4
# A global function: looked up faster than an attribute, once a message.
unpack_length = struct.Struct(">I").unpack_from
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


async def serve(protocol: Callable[[], asyncio.Protocol], address: Address) -> None:
    """Serves until a signal ends the process."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, *address, backlog=BACKLOG)
    announce("tcp", server.sockets[0].getsockname())
    # It serves already. Not `serve_forever`: in rloop 0.5 that closes the listener.
    await asyncio.Event().wait()


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


def loop_factory(system: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the system's loop. Imports are not at the top: each system's memory is measured without the others."""
    match system:
        case "asyncio":
            return asyncio.new_event_loop
        case "uvloop":
            import uvloop

            return uvloop.new_event_loop
        case "rloop":
            import rloop  # type: ignore[import-untyped]

            return cast(Callable[[], asyncio.AbstractEventLoop], rloop.new_event_loop)
        case "aiofastnet-asyncio" | "aiofastnet-uvloop":
            import aiofastnet

            return aiofastnet.loop_factory(loop_factory(system.removeprefix("aiofastnet-")))
    complain(f"unknown system {system!r}")


def main() -> None:
    """Reads the command line."""
    if len(sys.argv) != 4:
        complain("usage: server.py SYSTEM KIND URL")
    _, system, kind, url = sys.argv
    parts = urlsplit(url)
    server = server_of(kind, (parts.hostname or "", parts.port or 0))
    with asyncio.Runner(loop_factory=loop_factory(system)) as runner:
        runner.run(server)


if __name__ == "__main__":
    main()
