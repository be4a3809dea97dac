"""What bounds memory, whatever peers do: the byte budget of the server, the hard limit and the stall limit: D5, L4."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import Serve

from harness import Client, Subject, eventually, needs, pattern, process, promises
from harness.subject import TCP

pytestmark = needs("budget")

MIB = 1 << 20
BUDGET = 8 * MIB
#: Each client has this much for the server, or asks for as much.
MUCH = MIB
CROWD = 160
FRAMED = f"{TCP}?framing=length:4"
#: The kernel takes little of what is sent.
NARROW = f"{TCP}?sndbuf=32768"
LOOPS = pytest.mark.parametrize("loops", [1, 2, 4])


def frame(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def expect_within_the_budget(server: Subject, before: int, budget: int = BUDGET) -> None:
    """Its memory stays within 1.25 times the budget and 64 MiB; JavaScript's own garbage comes on top."""
    garbage = 64 * MIB if server.name == "node" else 0
    assert process.resident_bytes(server.pid) - before < budget * 5 // 4 + 64 * MIB + garbage


def all_at_once(call: Callable[[Client], None], clients: Iterable[Client]) -> None:
    with ThreadPoolExecutor(16) as threads:
        for one in [threads.submit(call, client) for client in clients]:
            one.result()


def send(client: Client, data: bytes) -> None:
    """Whether it is cut off meanwhile does not matter."""
    with suppress(OSError):
        client.send(data)


def expect_service(client: Client) -> None:
    for _ in range(20):
        client.command("echo alive", "write 10000")
        assert client.line() == "alive"
        assert client.exactly(10_000) == pattern(10_000)


def closed_otherwise(server: Subject) -> set[str]:
    return {event["reason"] for event in server.events("close")} - {"overflow"}


# ---- the server's budget ----


@promises("D5")
@LOOPS
def test_slow_readers_stop_nobody(serve: Serve, loops: int) -> None:
    server = serve(NARROW, loops=loops, byte_budget=BUDGET)
    good = server.connect()
    expect_service(good)
    before = process.resident_bytes(server.pid)
    slow = [server.connect(receive_buffer=1 << 14) for _ in range(CROWD)]
    for client in slow:
        client.command("writes 20 100000", "note-write asked")
    for _ in slow:
        server.expect("note")
    expect_service(good)
    expect_service(server.connect())
    expect_within_the_budget(server, before)
    assert closed_otherwise(server) == set()
    for client in slow:
        client.close()
    eventually("the end of the slow", lambda: server.stats()["connections"] == 2)


@promises("D5", "D4")
@pytest.mark.parametrize("loops", [1, 2])
def test_what_is_sent_of_a_write_by_id_is_held_no_more(serve: Serve, loops: int) -> None:
    """Each reads nearly all of it, and then nothing."""
    budget, size, unread = 32 * MIB, 3 * MIB, 250_000
    server = serve(NARROW, loops=loops, byte_budget=budget)
    good = server.connect()
    expect_service(good)
    before = process.resident_bytes(server.pid)
    for _ in range(60):
        client = server.connect(receive_buffer=1 << 14)
        conn = client.id()
        assert server.control(f"write {conn} {size}") == "high"
        assert len(client.exactly(size - unread)) == size - unread
    expect_within_the_budget(server, before, budget)
    expect_service(good)
    assert server.events("close") == []
    assert client.exactly(unread) == pattern(size)[-unread:]


@promises("D5")
@LOOPS
def test_half_frames_stop_nobody(serve: Serve, loops: int) -> None:
    server = serve(FRAMED, loops=loops, byte_budget=BUDGET)
    good = server.connect()
    before = process.resident_bytes(server.pid)
    crowd = [server.connect() for _ in range(CROWD)]
    all_at_once(lambda client: send(client, frame(bytes(MUCH))[:-1]), crowd)
    for client in (good, server.connect()):
        client.send(frame(b"echo alive\n"))
        assert client.line() == "alive"
    expect_within_the_budget(server, before)
    eventually("most of them closed", lambda: len(server.events("close")) > CROWD - 20)
    assert closed_otherwise(server) == set()


@promises("D5")
@LOOPS
def test_one_byte_holds_no_more_than_a_byte(serve: Serve, loops: int) -> None:
    """A whole large frame, and one byte of the next."""
    server = serve(FRAMED, loops=loops, byte_budget=BUDGET)
    before = process.resident_bytes(server.pid)
    crowd = [server.connect() for _ in range(CROWD)]
    for client in crowd:
        client.send(frame(b"id".ljust(MUCH) + b"\n") + b"\0")
        client.line()
    expect_within_the_budget(server, before)
    assert server.stats()["connections"] == CROWD
    for client in crowd[:20]:
        client.send(frame(b"echo alive\n")[1:])
        assert client.line() == "alive"


@promises("D5")
def test_who_stands_still_pays_for_who_sends_much(serve: Serve) -> None:
    server = serve(FRAMED, loops=2, byte_budget=BUDGET)
    crowd = [server.connect() for _ in range(20)]
    all_at_once(lambda client: send(client, frame(bytes(MUCH))[: MUCH // 2]), crowd)
    eventually("the excess closed", lambda: len(server.events("close")) >= 4)
    # What counts is what was moved in the last five seconds.
    time.sleep(6.5)
    honest = server.connect()
    honest.send(frame(b"id".ljust(3 * MIB) + b"\n"))
    conn = honest.line()
    assert server.expect("open", id=conn)
    assert conn not in {event["id"] for event in server.events("close")}
    assert closed_otherwise(server) == set()


@promises("D5")
@needs("calls")
@LOOPS
def test_it_holds_under_a_hard_limit_of_memory(serve: Serve, loops: int) -> None:
    """Beyond it the process would die. The stacks of its threads count, too."""
    limit = BUDGET * 5 // 4 + 64 * MIB + (loops + 4) * 4 * MIB
    server = serve(FRAMED, NARROW, loops=loops, byte_budget=BUDGET, prefix=["prlimit", f"--data={limit}"])
    halves = [server.connect() for _ in range(CROWD)]
    slow = [server.connect(1, receive_buffer=1 << 14) for _ in range(CROWD)]
    all_at_once(lambda client: send(client, frame(bytes(MUCH))[:-1]), halves)
    all_at_once(lambda client: send(client, b"writes 20 100000\n"), slow)
    for conn in [event["id"] for event in server.events("open")]:
        server.control(f"write {conn} {MUCH}")
    expect_service(server.connect(1))
    assert closed_otherwise(server) == set()


# ---- the connection's hard limit ----


@promises("D5", "D4", "L1")
@pytest.mark.parametrize("loops", [1, 3])
def test_a_write_by_id_beyond_the_hard_limit_closes_with_overflow(serve: Serve, loops: int) -> None:
    server = serve(loops=loops, high_water=1 << 16, hard_limit=MIB)
    for _ in range(3):
        client = server.connect(receive_buffer=1 << 14)
        conn = client.id()
        # More than the kernel's buffers and the limit hold together.
        results = [server.control(f"write {conn} 1000000") for _ in range(32)]
        first = results.index("FULL")
        assert set(results[:first]) <= {"ok", "high"}
        assert set(results[first + 1 :]) == {"CLOSED"}
        assert server.expect("close", id=conn)["reason"] == "overflow"
        with pytest.raises(ConnectionResetError):
            client.to_the_end()


@promises("D5")
@pytest.mark.parametrize("place", ["control", "callback"])
def test_a_connection_that_is_kept_takes_what_fits(serve: Serve, place: str) -> None:
    server = serve(loops=1, high_water=1 << 16, hard_limit=MIB, keep_on_overflow=True)
    client = server.connect()
    conn = client.id()
    if place == "control":
        assert server.control(f"write {conn} {MIB + 1}") == "FULL"
    else:
        client.command(f"write {MIB + 1}")
    client.command(f"write {MIB}", "note-write fine")
    assert client.exactly(MIB) == pattern(MIB)
    assert server.expect("note")["text"] in ("ok", "high", "FULL")
    assert server.events("close") == []


# ---- the stall limit of closing ----


@promises("L4", "L1")
@pytest.mark.parametrize("end", ["close", "half-close"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_close_waits_for_no_peer_that_takes_nothing(
    serve: Serve, end: str, kind: str, tmp_path: Path
) -> None:
    url = TCP if kind == "tcp" else f"unix://{tmp_path}/s"
    # Below the mark, so that its end is read.
    server = serve(url, loops=1, stall_limit_ms=300, high_water=32 * MIB)
    client = server.connect(receive_buffer=1 << 14 if kind == "tcp" else None)
    conn = client.id()
    client.command("write 8000000", *(["close"] if end == "close" else []))
    if end == "half-close":
        client.end()
    assert server.expect("close", id=conn)["reason"] == "time-out"
    if kind == "tcp":
        with pytest.raises(ConnectionResetError):
            client.to_the_end()


@promises("L4")
def test_a_close_waits_for_a_slow_reader(serve: Serve) -> None:
    """For longer than the limit it takes only what the kernel holds."""
    server = serve(loops=1, stall_limit_ms=1500)
    client = server.connect(receive_buffer=1 << 14)
    client.command("write 8000000", "close")
    got = bytearray()
    for _ in range(30):
        got += client.exactly(16 << 10)
        time.sleep(0.1)
    assert bytes(got) + client.to_the_end() == pattern(8_000_000)
    client.close()
    assert server.expect("close")["reason"] == "local close"
