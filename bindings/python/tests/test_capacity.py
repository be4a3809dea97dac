"""What an idle connection costs: process memory, for ten thousand that were served once and are silent then."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from helpers import DEADLINE, finish, receive, reset_at_close, resident, run_python

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
        if data == b"c":
            conn.context = State()
        conn.write(data)

class State:
    __slots__ = ("served",)

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
    reset_at_close(client)
    return client


def serve(clients: list[socket.socket], what: bytes = b"x") -> None:
    """Each is answered once."""
    for client in clients:
        client.sendall(what)
    for client in clients:
        assert receive(client, 1) == what


def steady(process: subprocess.Popen[str]) -> int:
    """The memory of the process's own, in bytes, when it no longer changes."""
    seen = [0, 1]
    end = time.monotonic() + DEADLINE
    while len(set(seen[-5:])) > 1:
        assert time.monotonic() < end, "the memory goes on changing"
        seen.append(resident(process.pid))
        time.sleep(0.02)
    return seen[-1]


def bytes_per_connection(kind: str, then: bytes = b"x") -> tuple[float, float]:
    """What each costs, and how much more when each was served again, by this."""
    process = run_python(PROGRAM + SERVERS[kind])
    assert process.stdout is not None
    host, _, port = process.stdout.readline().strip().rpartition("/")[2].rpartition(":")
    address = host, int(port)
    with contextlib.ExitStack() as clients:

        def crowd() -> list[socket.socket]:
            batch = [clients.enter_context(connect(address, number)) for number in range(BATCH)]
            serve(batch)
            return batch

        # What the server needs once, for its first connections, is no connection's.
        serve(crowd(), then)
        before = steady(process)
        crowds = [crowd() for _ in range(COUNT // BATCH)]
        after = steady(process)
        for batch in crowds:
            serve(batch, then)
        in_the_end = steady(process)
    assert finish(process) == (0, "", "")
    return (after - before) / COUNT, (in_the_end - after) / COUNT


@pytest.mark.parametrize("kind", ["threads", "hosted", "coroutines", "protocols"])
def test_ten_thousand_connections_cost_less_than_a_kibibyte_each(kind: str) -> None:
    cost, _ = bytes_per_connection(kind)
    print(f"{kind}: {cost:.0f} bytes")
    assert 100 < cost < 1024


def test_a_context_costs_what_the_program_puts_there() -> None:
    """The place is there anyway. An object with one attribute takes 48 bytes."""
    _, context = bytes_per_connection("threads", b"c")
    print(f"context: {context:.0f} bytes")
    assert 16 < context < 96
