"""The peers in Python: `server.py SYSTEM KIND URL`, KIND being echo, frames, udp or broadcast, and for whoever has them
kv (hand-parsed, walked), kv-split (hand-parsed, split) and kv-hiredis.

SYSTEM is asyncio, uvloop, rloop, or aiofastnet upon the loop of asyncio or of uvloop (aiofastnet-asyncio,
aiofastnet-uvloop). All run the same protocols,
those of protocols.py and resp.py.

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
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

from protocols import Broadcast, Datagrams, Echo, Frames

BACKLOG = 4096

Address = tuple[str, int]


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
        case "kv" | "kv-split" | "kv-hiredis":
            # Not at the top: the memory of the others is measured without hiredis.
            import resp

            return serve({"kv": resp.Walked, "kv-split": resp.Split, "kv-hiredis": resp.Read}[kind], address)
    complain(f"unknown kind {kind!r}: there are echo, frames, udp, broadcast, kv, kv-split and kv-hiredis")


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
