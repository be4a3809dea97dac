"""Bytes: D1, and backpressure: D5."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Serve

from harness import Client, Subject, eventually, pattern, process, promises
from harness.subject import TCP

MIB = 1 << 20


def exchange(url: str, seed: int, rounds: int = 3) -> int:
    """Sends random blocks and reads the echo meanwhile; the sizes differ from nothing to a mebibyte."""
    source = random.Random(seed)
    sizes = [source.randrange(0, 1 << source.randrange(1, 21)) for _ in range(rounds)]
    with Client(url) as client, ThreadPoolExecutor(1) as sender:
        for size in [*sizes, seed % 3 * (MIB // 2)]:
            block = source.randbytes(size)
            sent = sender.submit(client.send, block)
            assert client.exactly(size) == block
            sent.result()
        client.end()
        assert client.to_the_end() == b""
    return sum(sizes)


@promises("D1", "A2", "L5")
@pytest.mark.parametrize("loops", [1, 2, 5])
def test_random_blocks_of_24_clients_come_back_equal(serve: Serve, loops: int, tmp_path: Path) -> None:
    server = serve(TCP, f"unix://{tmp_path}/s", loops=loops, mode="echo")
    with ThreadPoolExecutor(24) as clients:
        runs = [clients.submit(exchange, server.urls[seed % 2], seed) for seed in range(24)]
        assert sum(run.result() for run in runs) > MIB
    server.expect_nothing_left()
    assert len(server.events("open")) == len(server.events("close")) == 24
    assert {event["reason"] for event in server.events("close")} == {"eof"}


@promises("D1")
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_many_writes_to_a_slow_reader_arrive_in_order(serve: Serve, kind: str, tmp_path: Path) -> None:
    """A small window makes the kernel take the queue in pieces that cut every write somewhere."""
    server = serve(TCP if kind == "tcp" else f"unix://{tmp_path}/s")
    client = server.connect(receive_buffer=4096)
    client.command("writes 3000 700", "write 2000000", "echo end")
    expected = pattern(700) * 3000 + pattern(2_000_000) + b"end\n"
    got = bytearray()
    while len(got) < len(expected):
        chunk = client.chunk(10_000)
        assert chunk, f"the end came after {len(got)} bytes"
        got += chunk
        if len(got) < 200_000:
            time.sleep(0.001)  # The slow reader; nothing is waited for.
    assert got == expected


@promises("D1")
def test_writes_behind_pending_output_are_appended(serve: Serve) -> None:
    """Further requests are answered while the answer to the first waits for the peer."""
    server = serve(high_water=16 * MIB)  # So that it goes on reading.
    client, watcher = server.connect(receive_buffer=1 << 14), server.connect()
    conn = client.id()
    first = 6_000_000  # More than the kernel takes.
    client.command(f"write {first}")
    eventually("pending output", lambda: server.stats()["queued"] > 10_000)
    for number in range(50):
        client.command("write 1000")
        assert watcher.ask(f"to {conn} {number}") == "ok"
    got = client.exactly(first + 50 * 1000 + sum(len(f"{n}\n") for n in range(50)))
    assert got[:first] == pattern(first)
    rest = got[first:]
    assert rest.count(pattern(1000)) == 50
    assert rest.replace(pattern(1000), b"") == b"".join(b"%d\n" % n for n in range(50))


def growth_while(server: Subject, seconds: float) -> int:
    """How far the server's memory grew at most beyond what it is now."""
    before = peak = process.resident_bytes(server.pid)
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        peak = max(peak, process.resident_bytes(server.pid))
        time.sleep(0.02)
    return peak - before


def expect_memory_back(server: Subject, before: int) -> None:
    """Waits until memory is where it was, but for what allocators, pools and V8's heap keep for the next time."""
    slack = (12 if server.language == "node" else 4) * MIB
    eventually(f"memory back at {before} + {slack}", lambda: process.resident_bytes(server.pid) <= before + slack)


@promises("D5", "D1")
def test_a_client_that_does_not_read_costs_no_memory_and_loses_nothing(serve: Serve) -> None:
    server = serve(mode="echo")
    exchange(server.urls[0], 1)  # What a server touches once is not this client's.
    server.expect_nothing_left()
    client = server.connect()
    data = random.Random(24).randbytes(24 * MIB)
    before = process.resident_bytes(server.pid)
    sender = threading.Thread(target=client.send, args=(data,))
    sender.start()
    assert growth_while(server, 2) < 12 * MIB
    assert client.exactly(len(data)) == data
    sender.join()
    server.expect_idle(1)
    expect_memory_back(server, before)


@promises("D5", "D1")
def test_memory_returns_after_a_burst_to_many_slow_readers(serve: Serve) -> None:
    server = serve(loops=1, trace=False)
    clients = [server.connect(receive_buffer=1 << 14) for _ in range(20)]
    for client in clients:
        client.command("writes 10 10000")
        assert client.exactly(100_000) == pattern(10_000) * 10
    before = process.resident_bytes(server.pid)
    for client in clients:
        client.command("writes 600 10000")
    eventually("a great queue", lambda: server.stats()["queued"] > 30 * MIB)
    for client in clients:
        assert client.exactly(6_000_000) == pattern(10_000) * 600
    server.expect_idle(20)
    expect_memory_back(server, before)


@promises("D5")
def test_a_handler_that_sleeps_costs_no_memory(serve: Serve) -> None:
    """One hand-over is unanswered, and whoever sends meanwhile is read no further than one more."""
    server = serve(loops=1)
    clients = [server.connect() for _ in range(8)]
    for client in clients:
        assert client.ask("echo there") == "there"
        client.command("sink")
    sleeper = server.connect()
    assert sleeper.ask("echo there") == "there"
    before = process.resident_bytes(server.pid)
    sleeper.command("sleep 2000", "echo awake")
    with ThreadPoolExecutor(8) as senders:
        sent = [senders.submit(client.send, bytes(24 * MIB)) for client in clients]
        grown = growth_while(server, 1.5)
        assert sleeper.line() == "awake"
        for one in sent:
            one.result()
    assert grown < 12 * MIB
    server.expect_idle(9)
    expect_memory_back(server, before)


@promises("D5")
def test_above_high_water_reading_stops_and_below_low_water_it_goes_on(serve: Serve) -> None:
    server = serve(high_water=200_000, low_water=100_000)
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    # Far more than the kernel takes: the write is above high water.
    client.command("write 6000000", "note-write above")
    assert server.expect("note", id=conn)["text"] == "high"
    client.command("note-write below")
    # Another connection's round trips give the loop every chance to read that line, which it must not.
    other = server.connect()
    for _ in range(20):
        assert other.ask("echo turn") == "turn"
    assert server.events("drain") == []
    assert len(server.events("note")) == 1
    assert client.exactly(6_000_000) == pattern(6_000_000)
    assert [client.line(), client.line()] == ["above", "below"]
    server.expect("drain", id=conn)
    assert server.expect("note", id=conn)["text"] == "ok"
    assert [e["event"] for e in server.events("drain", "note")] == ["note", "drain", "note"]


@promises("D5")
def test_each_crossing_has_one_drain(serve: Serve) -> None:
    server = serve(high_water=100_000, on_drain="echo drained")
    client = server.connect(receive_buffer=1 << 14)
    for _ in range(5):
        client.command("write 6000000")
        assert client.exactly(6_000_000) == pattern(6_000_000)
        assert client.line() == "drained"
    assert client.ask("echo over") == "over"
    server.stats()  # Its reply comes behind the events.
    assert len(server.events("drain")) == 5
