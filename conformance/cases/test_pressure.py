"""What bounds memory: the byte budget, the pauses, the hard limit: D5."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Serve

from harness import Client, Subject, eventually, needs, not_for, pattern, process, promises

pytestmark = needs("calls", "metrics")

MIB = 1 << 20

#: Why the queue is not what a callback has written.
AT_ONCE = "many bytes leave from within the callback there, as far as the kernel takes them, as nobody has on_pre_write"


def turn(server: Subject) -> None:
    """Every loop has gone through a few turns."""
    for index in range(server.control("call server loops")):
        for _ in range(3):
            server.control(f"call server run {index} current-loop")
            server.expect("ran", call="current-loop", result=index)


def sent_and_queued(server: Subject, conn: str) -> tuple[int, int]:
    info = server.control(f"call {conn} info")
    return info["sent"], info["queued"]


def received(server: Subject, conn: str) -> int:
    return int(server.control(f"call {conn} info")["received"])


@promises("D5", "D4")
@pytest.mark.parametrize("loops", [1, 3])
def test_a_write_beyond_the_byte_budget_is_full_and_closes_nothing(serve: Serve, loops: int) -> None:
    """From a callback and from elsewhere alike; and who holds little goes on."""
    budget = 8 * MIB
    server = serve(loops=loops, byte_budget=budget, high_water=64 * MIB)
    slow, other = server.connect(receive_buffer=1 << 14), server.connect()
    conn, second = slow.id(), other.id()
    assert server.control(f"call {conn} write {budget + 1}") == "FULL"
    slow.command(f"note-call self write {budget + 1}")
    assert server.expect("note")["text"] == "FULL"
    # The kernel takes some; the rest is within the budget.
    assert server.control(f"call {conn} write {7 * MIB}") == "ok"
    assert server.control(f"call {conn} write {7 * MIB}") == "FULL"
    slow.command(f"note-call self write {7 * MIB}")
    assert server.expect("note")["text"] == "FULL"
    assert server.control(f"call {second} write {7 * MIB}") == "FULL"
    before = received(server, second)
    assert other.ask("echo served") == "served"
    assert received(server, second) > before
    assert server.control(f"text {second} news") == "ok"
    assert other.line() == "news"
    assert server.events("close") == []
    assert slow.exactly(7 * MIB) == pattern(7 * MIB)


@promises("D5", "D2")
@needs("framing")
@pytest.mark.parametrize("loops", [1, 2])
def test_unfinished_input_counts_against_the_budget(serve: Serve, loops: int) -> None:
    """Half frames of many peers: those with most of it are closed, and the others are served."""
    budget, size, count = 4 * MIB, MIB, 60
    server = serve(loops=loops, mode="echo", byte_budget=budget, listen_options="framing=length:4:big")
    other = server.connect()
    small = struct.pack(">I", 1000) + pattern(1000)
    other.send(small)
    assert other.exactly(len(small)) == small
    before = process.resident_bytes(server.pid)
    clients = [server.connect() for _ in range(count)]
    half = struct.pack(">I", size) + pattern(size)[: size - 1]
    with ThreadPoolExecutor(count) as senders:
        for one in [senders.submit(_send, client, half) for client in clients]:
            one.result()
    eventually("closes", lambda: len(server.events("close")) > count // 2)
    assert {event["reason"] for event in server.events("close")} == {"overflow"}
    # All of it would be 60 MiB and more.
    assert process.resident_bytes(server.pid) - before < 24 * MIB
    for _ in range(20):
        other.send(small)
        assert other.exactly(len(small)) == small
    for client in clients:
        client.close()
    server.expect_idle(1)


def _send(client: Client, data: bytes) -> None:
    try:
        client.send(data)
    except OSError:
        pass


@promises("D5")
def test_without_a_budget_there_is_none(serve: Serve) -> None:
    server = serve(loops=1, trace=False, byte_budget="none", high_water=64 * MIB)
    slow = [server.connect(receive_buffer=1 << 14) for _ in range(4)]
    for client in slow:
        client.command("write 20000000")
    eventually("all of it", lambda: server.stats()["queued"] > 50 * MIB)
    other = server.connect()
    assert other.ask("echo read") == "read"
    assert server.control("call server metrics")["closed"] == {}


@promises("D5")
@pytest.mark.parametrize("place", ["control", "callback"])
def test_reading_is_paused_and_resumed_by_hand(serve: Serve, place: str) -> None:
    server = serve(loops=2)
    client, helper = server.connect(), server.connect()
    conn = client.id()
    helper.id()

    def call(what: str) -> object:
        line = f"call {conn} {what}"
        return server.control(line) if place == "control" else helper.ask(line)

    for number in range(10):
        assert call("pause") == "ok"
        assert call("pause") == "ok", "again is no error"
        before = received(server, conn)
        client.command(f"echo {number}")
        turn(server)
        assert received(server, conn) == before
        assert server.control(f"text {conn} written") == "ok"
        assert client.line() == "written", "writing goes on"
        assert call("resume") == "ok"
        assert client.line() == str(number)
    assert call("resume") == "ok", "again is no error"
    assert client.ask("echo fine") == "fine"


@promises("D5", "L5")
def test_a_paused_connection_sees_no_end_before_its_data(serve: Serve) -> None:
    server = serve(loops=1)
    client = server.connect()
    conn = client.id()
    assert client.ask("call self pause") == "ok"
    client.command("echo before the end")
    client.end()
    turn(server)
    assert server.events("close") == []
    assert server.control(f"call {conn} resume") == "ok"
    assert client.to_the_end() == b"before the end\n"
    assert server.expect("close", id=conn)["reason"] == "eof"


@promises("D5", "R2")
def test_a_paused_peer_that_has_reset_is_noticed_when_it_is_resumed(serve: Serve) -> None:
    server = serve(loops=1)
    client = server.connect()
    conn = client.id()
    assert client.ask("call self pause") == "ok"
    client.reset()
    turn(server)
    assert server.control(f"call {conn} resume") in ("ok", "CLOSED")
    assert server.expect("close", id=conn)["reason"] == "reset"


@promises("D5")
def test_a_paused_connection_takes_no_memory_however_much_comes(serve: Serve) -> None:
    server = serve(loops=1)
    clients = [server.connect() for _ in range(8)]
    for client in clients:
        client.command("sink", "")
    ids = [event["id"] for event in (server.expect("open") for _ in clients)]
    for conn in ids:
        assert server.control(f"call {conn} pause") == "ok"
    turn(server)
    before = process.resident_bytes(server.pid)
    read = server.control("call server metrics")["bytes_read"]
    with ThreadPoolExecutor(8) as senders:
        sent = [senders.submit(client.send, bytes(8 * MIB)) for client in clients]
        turn(server)
        assert process.resident_bytes(server.pid) - before < 2 * MIB
        assert server.control("call server metrics")["bytes_read"] == read
        for conn in ids:
            assert server.control(f"call {conn} resume") == "ok"
        for one in sent:
            one.result()


@promises("D5", "L1")
@not_for("node-inline", AT_ONCE)
@pytest.mark.parametrize("limit", [100_000, 5_000_000])
def test_the_hard_limit_is_where_it_was_set(serve: Serve, limit: int) -> None:
    server = serve(loops=1, hard_limit=limit, high_water=50_000)
    client, victim = server.connect(), server.connect()
    conn, other = client.id(), victim.id()
    client.command(f"note-call {other} write {limit}", f"note-call self write {limit}")
    assert [server.expect("note")["text"] for _ in range(2)] == ["high", "high"]
    assert victim.exactly(limit) == client.exactly(limit) == pattern(limit)
    client.command(f"note-call self write {limit}", "note-call self bytes 00")
    assert server.expect("note")["text"] == "high"
    closed = server.expect("close", id=conn)
    assert closed["reason"] == "overflow"
    assert server.expect("note")["text"] in ("CLOSED", "FULL")
    assert victim.ask("echo fine") == "fine"


@promises("D5", "M1")
def test_a_slow_readers_queue_is_counted_and_given_back(serve: Serve) -> None:
    server = serve(loops=1)
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    assert server.control(f"write {conn} 9000000") == "high"
    eventually("the queue", lambda: server.control(f"call {conn} info")["queued"] > MIB)
    # The two are not read at one moment, and it is being sent.
    whole = 9_000_000 + len(conn) + 1
    eventually("the whole", lambda: sum(sent_and_queued(server, conn)) == whole)
    assert client.exactly(9_000_000) == pattern(9_000_000)
    eventually("nothing", lambda: server.control(f"call {conn} info")["queued"] == 0)
    server.expect("drain", id=conn)
