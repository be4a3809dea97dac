"""Seeing inside: M1 and M2."""

from __future__ import annotations

import resource
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import Serve

from harness import Client, Gate, Strace, Subject, eventually, needs, not_for, process, promises, several_loops
from harness.poller import WAIT
from harness.subject import TCP

#: What is as it is now; the others only grow.
GAUGES = ("connections", "queued_bytes")


def metrics(server: Subject, on_loop: object = "") -> dict[str, Any]:
    found: dict[str, Any] = server.control(f"call server metrics {on_loop}".strip())
    return found


def grown(server: Subject, before: dict[str, Any]) -> dict[str, int]:
    """What the plain counters have counted since."""
    now = metrics(server)
    return {name: now[name] - before[name] for name in now if isinstance(now[name], int)}


@promises("M1")
@needs("metrics")
@pytest.mark.parametrize("loops", [1, 3])
def test_connections_bytes_and_messages_are_counted_exactly(serve: Serve, loops: int) -> None:
    server = serve(loops=loops, mode="echo")
    clients = [server.connect() for _ in range(9)]
    for number, client in enumerate(clients):
        for _ in range(10):
            client.send(b"x" * (number + 1))
            assert client.exactly(number + 1) == b"x" * (number + 1)
    size = 10 * sum(range(1, 10))
    # An answer may be here before the loop has counted it.
    eventually("the last count", lambda: metrics(server)["bytes_written"] == size)
    found = metrics(server)
    assert (found["accepted"], found["connections"], found["queued_bytes"]) == (9, 9, 0)
    assert (found["bytes_read"], found["bytes_written"]) == (size, size)
    assert (found["messages_read"], found["messages_written"]) == (90, 90)
    assert found["closed"] == {}


@promises("M1")
@needs("metrics")
def test_ends_are_counted_by_reason(serve: Serve) -> None:
    server = serve(linger_ms=50, max_connections=20)
    for way, count in {"eof": 3, "reset": 2, "close": 4, "fail": 1, "abort": 2}.items():
        for _ in range(count):
            client = server.connect()
            conn = client.id()
            if way == "eof":
                client.close()
            elif way == "reset":
                client.reset()
            elif way == "abort":
                server.control(f"call {conn} abort")
            else:
                client.command(way)
                assert client.to_the_end() == b""
                # Half of those that were closed here wait for a peer that does not close.
                if way == "fail" or count % 2:
                    client.close()
            server.expect("close", id=conn)
    found = metrics(server)
    assert found["closed"] == {"eof": 3, "reset": 2, "local close": 4, "handler error": 1, "abort": 2}
    assert (found["accepted"], found["connections"], found["linger_expired"]) == (12, 0, 4)


@promises("M1", "R3")
@needs("metrics")
def test_refused_connections_are_counted(serve: Serve) -> None:
    server = serve(max_connections=3, max_connections_per_address=2)
    clients = [server.connect() for _ in range(2)]
    for client in clients:
        client.id()
    with Client(server.urls[0]) as refused:
        assert refused.to_the_end() == b""
    eventually("the count", lambda: metrics(server)["refused_by_address"] == 1)
    with socket.create_connection(address(server), source_address=("127.0.0.2", 0)):
        eventually("three", lambda: server.stats()["connections"] == 3)
        with socket.create_connection(address(server), source_address=("127.0.0.3", 0)) as refused_too:
            assert refused_too.recv(1) == b""
        eventually("the count", lambda: metrics(server)["refused_by_total"] == 1)
    assert metrics(server)["closed"].get("eof", 0) <= 1, "who is refused has no end"


def address(server: Subject) -> tuple[str, int]:
    host, port = server.urls[0].removeprefix("tcp://").split(":")
    return host, int(port)


@promises("M1")
@several_loops
@needs("metrics")
def test_the_loops_sum_up_to_the_server(serve: Serve) -> None:
    server = serve(loops=3, mode="echo")
    for client in [server.connect() for _ in range(7)]:
        client.send(b"hello")
        assert client.exactly(5) == b"hello"
    eventually("the last count", lambda: metrics(server)["bytes_written"] == 35)
    loops = [metrics(server, number) for number in range(3)]
    whole = metrics(server)
    assert [one["connections"] for one in loops] == [3, 2, 2]
    assert [one["bytes_read"] for one in loops] == [15, 10, 10]
    for name in ("bytes_read", "bytes_written", "messages_read", "messages_written", "connections"):
        assert sum(one[name] for one in loops) == whole[name], name
    assert sum(one["delay"]["count"] for one in loops) == whole["delay"]["count"]
    for wrong in (3, 99):
        assert server.control(f"call server metrics {wrong}") == "INVALID_ARGUMENT"


@promises("M1")
@needs("metrics")
def test_queued_bytes_are_told_as_they_are(serve: Serve) -> None:
    server = serve()
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    assert server.control(f"write {conn} 20000000") == "high"
    eventually("the kernel's buffers to be full", lambda: metrics(server)["bytes_written"] > 1000)

    def adds_up() -> bool:
        found = metrics(server)
        assert found["queued_bytes"] > 0
        return bool(found["queued_bytes"] + found["bytes_written"] == 20_000_000 + len(conn) + 1)

    # The two are not read in one moment: a send that lies between them is in both.
    eventually("bytes that are queued or written, and not both", adds_up)
    assert len(client.exactly(20_000_000)) == 20_000_000
    eventually("an empty queue", lambda: metrics(server)["queued_bytes"] == 0)


@promises("M1", "D3")
@needs("metrics")
def test_system_calls_are_counted_as_the_system_counts_them(serve: Serve, tmp_path: Path) -> None:
    server = serve(loops=1, mode="echo", trace=False)
    client = server.connect()
    client.send(b"warm")
    assert client.exactly(4) == b"warm"
    loop = next(iter(server.turning_threads()))
    with Strace(server.pid, tmp_path / "strace") as trace:
        before = metrics(server)
        trace.settle()
        trace.mark()
        for _ in range(100):
            client.send(b"hello")
            assert client.exactly(5) == b"hello"
        trace.settle()
        trace.end()
        since = grown(server, before)
    seen = trace.counts(lambda call: call.thread == loop)
    assert seen.total() > 200
    assert since["reads"] == seen["recvfrom"]
    assert since["writes"] == seen["sendto"] + seen["sendmsg"]
    # A host polls for itself as well, at a descriptor of its own.
    polls = Counter(call.descriptor for call in trace.calls() if call.thread == loop and call.name == WAIT)
    assert min(abs(since["polls"] - count) for count in polls.values()) <= 1, "one may still wait"
    assert since["turns"] >= 100
    assert (since["messages_read"], since["bytes_read"]) == (100, 500)


@promises("M1", "T4")
@needs("in-turn", "metrics")
def test_wake_ups_are_counted_as_they_coalesce(serve: Serve, tmp_path: Path) -> None:
    server = serve(loops=1)
    client = server.connect()
    conn = client.id()
    before = metrics(server)
    for number in range(50):
        assert server.control(f"text {conn} {number}") == "ok"
        assert client.line() == str(number)
    assert 1 <= grown(server, before)["wakeups"] <= 51
    before = metrics(server)
    gate = Gate(tmp_path)
    client.command("note-write asleep", gate.command)
    server.expect("note")
    assert server.control(f"threads 4 200 {conn} text now") == {"ok": 800}
    gate.open()
    assert [client.line() for _ in range(801)] == ["asleep"] + ["now"] * 800
    assert grown(server, before)["wakeups"] <= 2
    assert grown(server, before)["messages_written"] == 801


@promises("M1")
@not_for("node", "a delay ends when input is gathered for JavaScript, before any callback is called")
@needs("metrics")
def test_the_delay_from_ready_to_handled_shows_a_slow_neighbour(serve: Serve) -> None:
    server = serve(loops=1, trace=False)
    clients = [server.connect() for _ in range(3)]
    for client in clients:
        client.id()
    for _ in range(1000):
        assert clients[0].ask("echo quick") == "quick"
    quick = metrics(server)["delay"]
    assert quick["count"] > 0 and 0 < quick["p50"] <= quick["p99"]
    # Turns are sampled: an uneven number of them between the tries, so that one of these is sooner or later.
    tries = 0
    while metrics(server)["delay"]["p99"] < 30_000_000:
        tries += 1
        assert tries < 1000
        for _ in range(tries % 3):
            assert clients[0].ask("echo quick") == "quick"
        slow_at_once(server, clients)


def slow_at_once(server: Subject, clients: list[Client]) -> None:
    """All are ready in one turn, and the callbacks of the first keep the others waiting."""
    with server.halted():
        for client in clients:
            client.command("sleep 20", "echo done")
    for client in clients:
        assert client.line() == "done"


@promises("M1")
@needs("in-turn", "metrics")
def test_time_in_callbacks_is_told(serve: Serve) -> None:
    server = serve(loops=1, trace=False)
    client = server.connect()
    for _ in range(300):
        assert client.ask("echo quick") == "quick"
    found = metrics(server)
    assert 0 < found["turns_sampled"] <= found["turns"]
    assert 0 < found["callback_nanos_sampled"]
    assert found["callback_nanos_sampled"] / found["turns_sampled"] < 1e9
    before = found
    while (now := metrics(server))["turns_sampled"] == before["turns_sampled"]:
        before = now
        client.command("sleep 20", "echo slept")
        assert client.line() == "slept"
    assert now["callback_nanos_sampled"] - before["callback_nanos_sampled"] >= 20_000_000


@promises("M1")
@not_for("node", "timers are Node's own, on its one thread, and the engine does not count them")
@needs("metrics", "timers", "outgoing", "udp")
def test_what_else_is_counted(serve: Serve, tmp_path: Path) -> None:
    server = serve(TCP, "udp://127.0.0.1:0", f"unix://{tmp_path}/s")
    client = server.connect()
    client.id()
    before = metrics(server)
    timer = client.ask("call self timer 1 0")
    server.expect("timer", timer=int(timer))
    for call in (f"connect {server.urls[0]}", f"enroll unix://{tmp_path}/s"):
        conn = server.control(f"call server {call}")
        server.expect("open", id=conn, listener=None)
        server.control(f"call {conn} close")
        server.expect("close", id=conn)
    host, port = server.urls[1].removeprefix("udp://").split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"echo pong\n", (host, int(port)))
        peer.settimeout(30)
        assert peer.recv(100) == b"pong\n"
    eventually("the datagram", lambda: metrics(server)["datagrams_written"] == 1)
    found = metrics(server)
    assert (found["connected"], found["enrolled"]) == (1, 1)
    assert found["timers_fired"] - before["timers_fired"] == 1
    assert (found["datagrams_read"], found["datagrams_dropped"], found["datagrams_truncated"]) == (1, 0, 0)
    assert found["accepted"] == 3


@promises("M2", "R4")
@needs("log")
@not_for("c", "a callback that fails returns a number, which on_close tells of")
def test_the_log_tells_of_a_failed_handler_and_is_silent_unless_asked(serve: Serve) -> None:
    for asked in (True, False):
        server = serve(log="trace" if asked else "off")
        client = server.connect()
        conn = client.id()
        client.command("fail")
        assert client.to_the_end() == b""
        client.close()
        server.expect("close", id=conn)
        if not asked:
            assert server.events("log") == []
            continue
        told = [event for event in server.events("log") if event["level"] in ("error", "warn")]
        assert any("told to fail" in event["message"] for event in told), server.events("log")


@promises("M2", "R1", "M1")
@needs("log", "metrics")
def test_the_log_tells_of_accept_errors_without_a_flood(serve: Serve) -> None:
    server = serve(loops=2, log="warn")
    server.connect().id()
    used = max(process.descriptors(server.pid)) + 1
    before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (used, before[1]))
    waiting = [server.connect() for _ in range(4)]
    eventually("accept errors", lambda: metrics(server)["accept_errors"] >= 3)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)
    for client in waiting:
        assert client.ask("echo in the end") == "in the end"
    told = server.events("log")
    assert 1 <= len(told) <= metrics(server)["accept_errors"] + 2
    assert any("accept" in event["message"] for event in told)
