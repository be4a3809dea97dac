"""What bounds memory, whatever peers do: the byte budget of the server, the hard limit and the stall limit: D5, L4."""

from __future__ import annotations

import json
import os
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from socket import AF_INET, AF_UNIX, SOCK_DGRAM, socket
from typing import Any

import pytest
from conftest import Serve

from harness import Client, Subject, eventually, needs, pattern, process, promises
from harness.client import HANG_GUARD, accept
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


#: JavaScript tidies up its garbage in time, and what it keeps is no more than this, or its process dies.
SMALL_HEAP = "NODE_OPTIONS=--max-old-space-size=64 --max-semi-space-size=4"


def frame(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def expect_within_the_budget(server: Subject, before: int, budget: int = BUDGET) -> None:
    """Its memory stays within 1.25 times the budget and 64 MiB; JavaScript's heap comes on top."""
    heap = 64 * MIB if server.language == "node" else 0
    assert process.resident_bytes(server.pid) - before < budget * 5 // 4 + 64 * MIB + heap


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


# ---- the same under a hard limit of memory: beyond it the process would die ----


def limited(
    serve: Serve, *urls: str, loops: int, budget: int = BUDGET, threads: int = 0, **options: Any
) -> Subject:
    """The stacks of its threads count, too, be they the subject's own `threads`."""
    limit = budget * 5 // 4 + 64 * MIB + (loops + 4) * 4 * MIB + threads * 8 * MIB
    prefix = ["env", SMALL_HEAP, "prlimit", f"--data={limit}"]
    return serve(*urls, loops=loops, byte_budget=budget, prefix=prefix, **options)


def accepted(tally: dict[str, int]) -> int:
    """Of the results of many writes at once: refused are only those for which there is no room, or no peer any more."""
    assert set(tally) <= {"ok", "high", "FULL", "CLOSED"}
    return tally.get("ok", 0) + tally.get("high", 0)


@contextmanager
def busy(server: Subject, client: Client, folder: Path) -> Iterator[None]:
    """Meanwhile the client's loop does nothing, unless no callback can keep it busy."""
    if not server.has("in-turn"):
        yield
        return
    gate = folder / "gate"
    os.mkfifo(gate)
    conn = client.id()
    client.command("note-write busy", f"block {gate}")
    server.expect("note", id=conn)
    yield
    gate.write_bytes(b"")
    assert client.line() == "busy"


def on_loop(client: Client) -> int:
    loop: int = json.loads(client.ask("call self info"))["loop"]
    return loop


@promises("D5")
@needs("calls")
@LOOPS
def test_it_holds_for_half_frames_and_output(serve: Serve, loops: int) -> None:
    server = limited(serve, FRAMED, NARROW, loops=loops)
    halves = [server.connect() for _ in range(CROWD)]
    slow = [server.connect(1, receive_buffer=1 << 14) for _ in range(CROWD)]
    all_at_once(lambda client: send(client, frame(bytes(MUCH))[:-1]), halves)
    all_at_once(lambda client: send(client, b"writes 20 100000\n"), slow)
    for conn in [event["id"] for event in server.events("open")]:
        server.control(f"write {conn} {MUCH}")
    expect_service(server.connect(1))
    assert closed_otherwise(server) == set()


@promises("D5", "D4")
@needs("calls")
@LOOPS
def test_it_holds_for_input_that_is_kept(serve: Serve, loops: int) -> None:
    """Each keeps half a line with the engine, which then comes whole."""
    server = limited(serve, loops=loops, mode="keep")
    before = process.resident_bytes(server.pid)
    good = server.connect()
    crowd = [server.connect() for _ in range(CROWD)]
    all_at_once(lambda client: send(client, b"echo " + b"x" * MUCH), crowd)
    for client in (good, server.connect()):
        assert client.ask("echo alive") == "alive"
    expect_within_the_budget(server, before)
    eventually("most of them closed", lambda: len(server.events("close")) > CROWD - 20)
    assert closed_otherwise(server) == set()


@promises("D5", "D4")
@needs("calls")
@LOOPS
def test_it_holds_for_completions(serve: Serve, loops: int) -> None:
    """Small writes with a completion each, for peers that take nothing: that is far more memory than their bytes."""
    server = limited(serve, NARROW, loops=loops, threads=2)
    good = server.connect()
    before = process.resident_bytes(server.pid)
    crowd = [server.connect(receive_buffer=1 << 14) for _ in range(25)]
    # The tag is the subject's own memory: as much again as what the engine holds.
    tag, count = "t" * 200, 0
    for client in crowd:
        conn = client.id()
        server.control(f"write {conn} 200000")
        count += accepted(server.control(f"threads 2 6000 {conn} write-then {tag} 1"))
    expect_within_the_budget(server, before)
    expect_service(good)
    expect_service(server.connect())
    assert closed_otherwise(server) == set()
    assert count > 10_000
    for client in crowd:
        client.close()
    eventually("the end of the crowd", lambda: server.stats()["connections"] == 2)
    eventually("each completion", lambda: len(server.events("completed")) == count)


@promises("D5", "D4", "D6")
@needs("calls", "udp", "metrics")
@LOOPS
def test_it_holds_for_datagrams(serve: Serve, loops: int, tmp_path: Path) -> None:
    """Handed in while the endpoint's loop is busy, and then many in one turn."""
    server = limited(serve, TCP, "udp://127.0.0.1:0", loops=loops, budget=32 * MIB, threads=4)
    before = process.resident_bytes(server.pid)
    listeners = server.control("call server listeners")
    listener = next(it["listener"] for it in listeners if it["url"].startswith("udp"))
    endpoint = server.control(f"call server endpoints {listener}")[0]
    loop = server.control(f"call {endpoint} info")["loop"]
    clients = [server.connect() for _ in range(2 * loops)]
    there = next(client for client in clients if on_loop(client) == loop)
    elsewhere = [client for client in clients if on_loop(client) != loop]
    with closing(socket(AF_INET, SOCK_DGRAM)) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(HANG_GUARD)
        to = f"127.0.0.1:{peer.getsockname()[1]}"
        with busy(server, there, tmp_path):
            count = accepted(server.control(f"threads 4 150000 {endpoint} send-to {to} x"))
            expect_within_the_budget(server, before, 32 * MIB)
            for client in elsewhere:
                expect_service(client)
        assert count > 50_000
        # More if they left meanwhile.
        assert count < 32 * MIB // 100 or not server.has("in-turn")
        assert peer.recv(10) == b"x"
        expect_service(there)

        def gone() -> bool:
            metrics = server.control("call server metrics")
            return bool(metrics["datagrams_written"] + metrics["datagrams_dropped"] == count)

        eventually("all that were accepted", gone)
        peer.connect(("127.0.0.1", int(server.urls[1].rsplit(":", 1)[1])))
        peer.send(b"writes 20000 10000\n")
        expect_service(there)
        expect_within_the_budget(server, before, 32 * MIB)


@promises("D5", "D4")
@needs("calls", "in-turn")
@LOOPS
def test_it_holds_for_what_is_handed_in(serve: Serve, loops: int, tmp_path: Path) -> None:
    """For the connections of a loop that is busy, by other threads. What was accepted arrives."""
    server = limited(serve, loops=loops, threads=4)
    before = process.resident_bytes(server.pid)
    crowd = [server.connect() for _ in range(8 * loops)]
    loop_of = {client: on_loop(client) for client in crowd}
    first, *there = [client for client in crowd if loop_of[client] == 0]
    elsewhere = [client for client in crowd if loop_of[client] != 0]
    ids = {client: client.id() for client in there}
    expected = {client: bytearray() for client in there}
    with busy(server, first, tmp_path):
        for client, conn in ids.items():
            expected[client] += b"x\n" * accepted(server.control(f"threads 4 2000 {conn} text x"))
        for client, conn in ids.items():
            for size in [1, 3_000, 300_000, 5_000_000] * 4:
                if server.control(f"write {conn} {size}") != "FULL":
                    expected[client] += pattern(size)
        expect_within_the_budget(server, before)
        for client in elsewhere:
            expect_service(client)
    for client, data in expected.items():
        assert client.exactly(len(data)) == data
    assert sum(map(len, expected.values())) > BUDGET // 2
    for client in crowd:
        expect_service(client)
    assert server.events("close") == []


@promises("D5", "L1")
@needs("calls", "outgoing")
@LOOPS
def test_it_holds_for_what_waits_for_a_connect(serve: Serve, loops: int, tmp_path: Path) -> None:
    """Written to connections that nobody takes yet. What was accepted arrives."""
    server = limited(serve, loops=loops, outgoing_mode="script")
    good = server.connect()
    expect_service(good)
    before = process.resident_bytes(server.pid)
    with ExitStack() as sockets:
        full = [sockets.enter_context(full_listener(f"{tmp_path}/{number}")) for number in range(CROWD)]
        ids = [server.control(f"call server connect unix://{tmp_path}/{number}") for number in range(CROWD)]
        results = [server.control(f"write {conn} {MUCH}") for conn in ids]
        expect_within_the_budget(server, before)
        expect_service(good)
        expect_service(server.connect())
        assert 2 < accepted(dict(Counter(results))) < 20
        assert closed_otherwise(server) == set()
        # A loop closes its own at once, and tells the others whom of theirs.
        server.come_round()
        gone = {event["id"] for event in server.events("close")}
        for listener in full:
            listener.accept()[0].close()
        for listener, conn, result in zip(full, ids, results):
            if conn not in gone:
                with accept(listener) as client:
                    data = b"" if result == "FULL" else pattern(MUCH)
                    assert client.exactly(len(data)) == data
                    assert client.id() == conn
        expect_service(good)


@contextmanager
def full_listener(path: str) -> Iterator[socket]:
    """A server whose queue has room for one, who is there already."""
    with closing(socket(AF_UNIX)) as listener, closing(socket(AF_UNIX)) as first:
        listener.settimeout(HANG_GUARD)
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        yield listener


@promises("D5", "L6")
@needs("calls", "detach")
@LOOPS
def test_it_holds_for_what_is_detached(serve: Serve, loops: int) -> None:
    """What is unsent is handed out without taking its memory twice."""
    budget = 128 * MIB
    server = limited(serve, loops=loops, budget=budget, hard_limit=budget)
    # In C the callback copies it, as it may use it no longer than it runs.
    writes = (126 if server.name == "rust" else 100) // loops
    good = server.connect()
    expect_service(good)
    crowd = [server.connect() for _ in range(loops)]
    ids = [client.id() for client in crowd]
    for conn in ids:
        for _ in range(writes):
            assert server.control(f"write {conn} {MIB}") in ("ok", "high")
    expect_service(good)
    for conn in ids:
        server.tell(f"call {conn} detach")
    # Not before: what is read meanwhile is not handed out.
    handed_out = [server.expect("detach", id=conn)["output"] for conn in ids]
    assert sum(handed_out) > writes * loops * MIB // 2
    for client in crowd:
        for _ in range(writes):
            assert client.exactly(MIB) == pattern(MIB)
        assert client.line() == "detached"
    expect_service(good)


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
