"""Our engine inside the event loop of asyncio or of uvloop: `hosted.py LOOP WAY KIND URL`, LOOP being asyncio or uvloop.

callbacks: a handler of ours with plain callbacks, in the loop that runs (`serve_async`). KIND is echo.
protocols: the classes of the peers' own program, unchanged, on our engine (`reactor.asyncio.create_server`). KIND is echo or frames.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import reactor
import reactor.asyncio
import uvloop

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "peers" / "python"))

from protocols import Echo as EchoProtocol  # noqa: E402
from protocols import Frames as FramesProtocol  # noqa: E402


class Echo(reactor.Handler):
    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        conn.write(data)


async def serve_callbacks(handler: type[reactor.Handler], url: str) -> None:
    """Serves until a signal ends the process."""
    async with reactor.serve_async(handler(), url) as server:
        announce(server.addresses)
        await server.wait_closed()


async def serve_protocols(protocol: type[asyncio.Protocol], url: str) -> None:
    """Serves until a signal ends the process."""
    server = await reactor.asyncio.create_server(protocol, url)
    announce(server.addresses)
    await server.serve_forever()


def announce(addresses: list[str]) -> None:
    print(f"listening on {addresses[0]}", flush=True)


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
SERVERS: dict[tuple[str, str], Callable[[str], Coroutine[Any, Any, None]]] = {
    ("callbacks", "echo"): lambda url: serve_callbacks(Echo, url),
    ("protocols", "echo"): lambda url: serve_protocols(EchoProtocol, url),
    ("protocols", "frames"): lambda url: serve_protocols(FramesProtocol, url),
}


def main() -> None:
    if len(sys.argv) != 5 or sys.argv[1] not in LOOPS or (sys.argv[2], sys.argv[3]) not in SERVERS:
        print("usage: hosted.py asyncio|uvloop callbacks|protocols KIND URL", file=sys.stderr)
        sys.exit(2)
    _, loop, way, kind, url = sys.argv
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(SERVERS[way, kind](url))


if __name__ == "__main__":
    main()
