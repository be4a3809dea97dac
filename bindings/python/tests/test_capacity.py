"""What an idle connection costs: process memory, for ten thousand that were served once and are silent then."""

from __future__ import annotations

import contextlib
import functools
import resource
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import DEADLINE, finish, receive, run_python

COUNT = 10_000
BATCH = 100
"""Connections that are made before they are served."""
SPARE = 300
"""Descriptors that either process has for something else."""

PROGRAM = """
import asyncio, sys
import reactor, reactor.asyncio

class Handler(reactor.Handler):
    def on_open(self, conn):
        pass
    def on_data(self, conn, data):
        conn.write(data)

class State:
    __slots__ = ("served",)

class WithContext(Handler):
    def on_open(self, conn):
        conn.context = State()

class Coroutines(Handler):
    async def on_data(self, conn, data):
        await conn.write_async(data)

class Protocol(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(data)

URL = "tcp://127.0.0.1:0"

def on_threads(handler):
    with reactor.Server(handler, loops=2) as server:
        server.listen(URL)
        server.start()
        print(*server.addresses, flush=True)
        sys.stdin.read()

async def under_asyncio(serving):
    async with serving as server:
        print(*server.addresses, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

async def with_protocols():
    await under_asyncio(await reactor.asyncio.create_server(Protocol, URL))

async def hosted(handler):
    await under_asyncio(reactor.serve_async(handler, URL))

"""
SERVERS = {
    "threads": "on_threads(Handler())",
    "context": "on_threads(WithContext())",
    "hosted": "asyncio.run(hosted(Handler()))",
    "coroutines": "asyncio.run(hosted(Coroutines()))",
    "protocols": "asyncio.run(with_protocols())",
}


@pytest.fixture(autouse=True)
def many_descriptors() -> Iterator[None]:
    """As many as this user may have; the server's process inherits that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != hard < COUNT + SPARE:
        pytest.skip(f"{COUNT} connections need as many descriptors, and no more than {hard} are allowed here")
    if resource.RLIM_INFINITY != soft < COUNT + SPARE:
        resource.setrlimit(resource.RLIMIT_NOFILE, (COUNT + SPARE, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(address: tuple[str, int], number: int) -> socket.socket:
    """A client. There are more of them than one local address has ports to spare."""
    client = socket.create_connection(address, DEADLINE, source_address=(f"127.0.0.{2 + number % 4}", 0))
    # No port waits for a minute afterwards.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return client


def serve(clients: list[socket.socket]) -> None:
    """Each is answered once."""
    for client in clients:
        client.sendall(b"x")
    for client in clients:
        assert receive(client, 1) == b"x"


def steady(process: subprocess.Popen[str]) -> int:
    """The memory of the process's own, in bytes, when it no longer changes."""
    seen = [0, 1]
    end = time.monotonic() + DEADLINE
    while len(set(seen[-5:])) > 1 and time.monotonic() < end:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        (own,) = (line for line in lines if line.startswith("RssAnon:"))
        seen.append(int(own.split()[1]) * 1024)
        time.sleep(0.02)
    return seen[-1]


@functools.lru_cache
def bytes_per_connection(kind: str) -> float:
    process = run_python(PROGRAM + SERVERS[kind])
    assert process.stdout is not None
    host, _, port = process.stdout.readline().strip().rpartition("/")[2].rpartition(":")
    address = host, int(port)
    with contextlib.ExitStack() as clients:

        def crowd(count: int) -> None:
            serve([clients.enter_context(connect(address, number)) for number in range(count)])

        # What the server needs once, for its first connections, is no connection's.
        crowd(BATCH)
        before = steady(process)
        for _ in range(COUNT // BATCH):
            crowd(BATCH)
        after = steady(process)
    assert finish(process) == (0, "", "")
    return (after - before) / COUNT


@pytest.mark.parametrize("kind", ["threads", "hosted", "coroutines", "protocols"])
def test_ten_thousand_connections_cost_less_than_a_kibibyte_each(kind: str) -> None:
    cost = bytes_per_connection(kind)
    print(f"{kind}: {cost:.0f} bytes")
    assert 100 < cost < 1024


def test_a_context_costs_what_the_program_puts_there() -> None:
    """The place is there anyway. An object with one attribute takes 48 bytes."""
    without, with_context = bytes_per_connection("threads"), bytes_per_connection("context")
    print(f"context: {with_context - without:.0f} bytes")
    assert 16 < with_context - without < 96
