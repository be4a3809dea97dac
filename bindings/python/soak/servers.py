"""The servers that are looked at: servers.py KIND. Each obeys the same words, one a line, and tells on request what it holds."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import reactor
import reactor.asyncio

TCP = "tcp://127.0.0.1:0"
BIG = bytes(range(256)) * 4096
"""What `big` is answered with: more than the kernel takes at once."""
POOL = concurrent.futures.ThreadPoolExecutor(2)


# ---- what it holds ----


def look(handler: object, connections: int) -> dict[str, int]:
    """Resources by name, now."""
    gc.collect()
    return {
        "connections": connections,
        "objects": len(gc.get_objects()),
        "blocks": sys.getallocatedblocks(),
        "references": references(handler),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "memory": resident(),
    }


def references(handler: object) -> int:
    """All references where the interpreter counts them, else those to what every callback touches."""
    if hasattr(sys, "gettotalrefcount"):
        return int(sys.gettotalrefcount())
    touched = (None, True, False, handler, type(handler), reactor.Conn, *reactor.Action, *reactor.CloseReason)
    return sum(map(sys.getrefcount, touched))


def resident() -> int:
    """Memory of the process's own, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (own,) = (line for line in lines if line.startswith("RssAnon:"))
    return int(own.split()[1]) * 1024


def say(**members: object) -> None:
    print(json.dumps(members), flush=True)


# ---- the engine's own servers ----


class Base(reactor.Handler):
    """What every handler here has. `context` refers back to the connection: only the collector frees that."""

    def on_open(self, conn: reactor.Conn) -> None:
        conn.context = {"conn": conn}

    def on_timer(self, conn: reactor.Conn, timer: reactor.Timer) -> None:
        conn.write(b"late\n")

    def on_wake(self, conn: reactor.Conn) -> None:
        conn.write(b"wake\n")

    def on_detach(self, conn: reactor.Conn, sock: Any, input: bytes, output: bytes) -> None:
        sock.close()

    def on_error(self, conn: reactor.Conn | None, exc: BaseException) -> None:
        if not isinstance(exc, (reactor.ClosedError, ValueError)):
            say(failed=repr(exc))


class Plain(Base):
    """Callbacks that are plain functions."""

    def on_data(self, conn: reactor.Conn, data: bytes) -> reactor.Action | None:
        if data == b"big":
            conn.write(BIG, on_complete=lambda sent: conn.context)
        elif data == b"fail":
            raise ValueError("told to")
        elif data == b"late":
            conn.set_timer(0.001)
        elif data == b"held":
            conn.hold()
            POOL.submit(self.answer, conn)
        elif data == b"wake":
            conn.wake()
        elif data == b"detach":
            conn.detach()
        else:
            conn.write(data + b"\n")
        return reactor.Action.CLOSE if data == b"close" else None

    def answer(self, conn: reactor.Conn) -> None:
        """Runs in the pool."""
        try:
            conn.write(b"held\n")
            conn.release()
        except reactor.ClosedError:
            pass  # The client has gone meanwhile.


class Coroutines(Base):
    """The same with coroutines."""

    async def on_data(self, conn: reactor.Conn, data: bytes) -> reactor.Action | None:
        if data == b"big":
            await conn.write_async(BIG)
            return None
        if data == b"fail":
            raise ValueError("told to")
        if data == b"late":
            await asyncio.sleep(0.001)
        elif data == b"held":
            await asyncio.get_running_loop().run_in_executor(POOL, len, data)
        elif data == b"wake":
            conn.wake()
            return None
        elif data == b"detach":
            conn.detach()
            return None
        await conn.write_async(data + b"\n")
        return reactor.Action.CLOSE if data == b"close" else None

    async def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
        await asyncio.sleep(0)


def serve_on_threads() -> None:
    handler = Plain()
    with reactor.Server(handler, loops=2) as server:
        url = server.listen(TCP, framing="line")
        server.start()
        say(url=str(url))
        for _ in sys.stdin:
            say(**look(handler, server.connections))


async def serve_hosted(handler: Base) -> None:
    async with reactor.serve_async(handler, TCP, framing="line") as server:
        say(url=str(server.addresses[0]))
        await obey(lambda: look(handler, server.connections))


# ---- a protocol of asyncio's ----


class Lines(asyncio.Protocol):
    """The same words, for `reactor.asyncio.create_server`."""

    connections = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.unread = b""
        Lines.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        Lines.connections -= 1

    def data_received(self, data: bytes) -> None:
        *lines, self.unread = (self.unread + data).split(b"\n")
        for line in lines:
            self.obey(line)

    def obey(self, line: bytes) -> None:
        loop = asyncio.get_running_loop()
        if line == b"big":
            self.transport.write(BIG)
        elif line == b"fail":
            raise ValueError("told to")
        elif line == b"late":
            loop.call_later(0.001, self.transport.write, b"late\n")
        elif line == b"held":
            self.transport.pause_reading()
            loop.run_in_executor(POOL, len, line).add_done_callback(self.go_on)
        elif line == b"wake":
            loop.call_soon(self.transport.write, b"wake\n")
        elif line == b"detach":
            self.transport.abort()
        else:
            self.transport.write(line + b"\n")
        if line == b"close":
            self.transport.close()

    def go_on(self, _: object) -> None:
        self.transport.write(b"held\n")
        self.transport.resume_reading()


async def serve_protocols() -> None:
    loop = asyncio.get_running_loop()
    # It is told of what `fail` raises.
    loop.set_exception_handler(lambda loop, context: None)
    async with await reactor.asyncio.create_server(Lines, TCP) as server:
        say(url=str(server.addresses[0]))
        await obey(lambda: look(Lines, Lines.connections))


async def obey(told: Callable[[], dict[str, int]]) -> None:
    """Tells what is held, for each line of standard input, to its end."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        if os.read(0, 100):
            say(**told())
        else:
            ended.set()

    loop.add_reader(0, read)
    await ended.wait()
    loop.remove_reader(0)


KINDS: dict[str, Callable[[], object]] = {
    "threads": serve_on_threads,
    "hosted": lambda: asyncio.run(serve_hosted(Plain())),
    "coroutines": lambda: asyncio.run(serve_hosted(Coroutines())),
    "protocols": lambda: asyncio.run(serve_protocols()),
}

if __name__ == "__main__":
    KINDS[sys.argv[1]]()
