"""The graceful stop, and what is left after a stop: S3, S4."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest
from conftest import Serve

from harness import Client, Gate, Subject, eventually, needs, pattern, process, promises
from harness.client import HANG_GUARD
from harness.subject import TCP

pytestmark = needs("calls")

LAYOUTS = [(1, "round-robin"), (3, "round-robin"), (3, "reuseport")]


def kinds(server: Subject, *wanted: str) -> list[str]:
    return [event["event"] for event in server.events(*wanted)]


def stop_gracefully(server: Subject, milliseconds: int) -> None:
    assert server.control(f"call server stop-gracefully {milliseconds}") == "ok"
    server.expect("stopping")


def expect_refused(url: str) -> None:
    eventually(f"the end of {url}", lambda: _is_refused(url))


def _is_refused(url: str) -> bool:
    try:
        Client(url).close()
    except (ConnectionError, FileNotFoundError):
        return True
    return False


@promises("S3")
@pytest.mark.parametrize(("loops", "balance"), LAYOUTS)
def test_connections_finish_and_then_it_ends(serve: Serve, loops: int, balance: str, tmp_path: Path) -> None:
    server = serve(TCP, f"unix://{tmp_path}/s", loops=loops, balance=balance)
    clients = [server.connect(number % 2) for number in range(8)]
    ids = [client.id() for client in clients]
    stop_gracefully(server, 60_000)
    for url in server.urls:
        expect_refused(url)
    assert not (tmp_path / "s").exists()
    for number, client in enumerate(clients):
        assert client.ask(f"echo {number}") == str(number)
        assert server.control(f"text {ids[number]} news") == "ok"
        assert client.line() == "news"
    # Whoever asked whether it still listens may have got in.
    assert {event["id"] for event in server.events("close")}.isdisjoint(ids)
    for client in clients:
        client.close()
    server.expect("ended")
    assert {event["reason"] for event in server.events("close")} == {"eof"}
    order = kinds(server, "stopping", "stop", "ended")
    assert order == ["stopping", "stop", "ended"]


@promises("S3")
@pytest.mark.parametrize("loops", [1, 3])
def test_without_connections_it_ends_at_once(serve: Serve, loops: int) -> None:
    server = serve(loops=loops)
    stop_gracefully(server, 3_600_000)
    server.expect("ended")
    assert kinds(server, "stopping", "stop", "ended") == ["stopping", "stop", "ended"]


@promises("S3", "D1")
@pytest.mark.parametrize(("loops", "balance"), LAYOUTS)
def test_queued_output_is_sent(serve: Serve, loops: int, balance: str) -> None:
    """The handler has answered and closed; the peers read slowly."""
    server = serve(loops=loops, balance=balance)
    clients = [server.connect(receive_buffer=1 << 14) for _ in range(4)]
    for client in clients:
        client.id()
        client.command("write 5000000", "close")
    eventually("queues", lambda: server.stats()["queued"] > 1_000_000)
    stop_gracefully(server, 60_000)
    for client in clients:
        assert client.to_the_end() == pattern(5_000_000)
        client.close()
    server.expect("ended")
    assert {event["reason"] for event in server.events("close")} == {"local close"}


@promises("S3", "L1")
@pytest.mark.parametrize("loops", [1, 3])
def test_at_the_deadline_the_rest_is_closed(serve: Serve, loops: int) -> None:
    server = serve(loops=loops)
    clients = [server.connect() for _ in range(5)]
    for client in clients:
        client.id()
    began = time.monotonic()
    stop_gracefully(server, 500)
    server.expect("ended")
    assert time.monotonic() - began >= 0.5
    assert [event["reason"] for event in server.events("close")] == ["shutdown"] * 5


@promises("S3")
def test_the_deadline_can_be_set_beforehand(serve: Serve) -> None:
    server = serve(loops=2, stop_deadline_ms=300)
    server.connect().id()
    began = time.monotonic()
    stop_gracefully(server, 0)
    server.expect("ended")
    assert time.monotonic() - began >= 0.3
    assert server.events("close")[0]["reason"] == "shutdown"


@promises("S3", "S2")
@pytest.mark.parametrize("second", ["stop", "call server stop", "call server stop-gracefully 1"])
def test_a_stop_cuts_a_graceful_one_short(serve: Serve, second: str) -> None:
    server = serve(loops=2)
    server.connect().id()
    stop_gracefully(server, 3_600_000)
    server.tell(second)
    server.expect("ended")
    assert server.events("close")[0]["reason"] == "shutdown"
    assert len(server.events("stopping")) == 1


@promises("S2", "S3")
@needs("signals")
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_graceful_and_the_second_ends(
    serve: Serve, first: signal.Signals, second: signal.Signals
) -> None:
    server = serve(loops=2, signals=True, stop_deadline_ms=3_600_000)
    client = server.connect()
    conn = client.id()
    os.kill(server.pid, first)
    server.expect("stopping")
    expect_refused(server.urls[0])
    assert client.ask("echo still") == "still"
    os.kill(server.pid, second)
    server.expect("ended")
    # Whoever asked whether it still listens may have got in.
    assert [event["reason"] for event in server.events("close") if event["id"] == conn] == ["shutdown"]
    assert len(server.events("stopping")) == 1


@promises("S2", "S3")
@needs("signals")
def test_connections_finish_after_a_signal(serve: Serve) -> None:
    server = serve(loops=2, signals=True, stop_deadline_ms=3_600_000)
    client = server.connect()
    client.id()
    os.kill(server.pid, signal.SIGTERM)
    server.expect("stopping")
    client.close()
    server.expect("ended")
    assert [event["reason"] for event in server.events("close")] == ["eof"]


@promises("S3", "S2")
def test_it_is_asked_for_in_a_callback_and_may_be_repeated(serve: Serve) -> None:
    server = serve(loops=2)
    client, other = server.connect(), server.connect()
    other.id()
    for _ in range(3):
        assert client.ask("call server stop-gracefully 60000") == "ok"
    server.expect("stopping")
    assert other.ask("echo still") == "still"
    client.close()
    other.close()
    server.expect("ended")
    assert len(server.events("stopping")) == 1


@promises("S3", "S1")
def test_a_stop_at_once_calls_no_on_stopping(serve: Serve) -> None:
    server = serve()
    server.connect().id()
    server.tell("stop")
    server.expect("ended")
    assert server.events("stopping") == []


@promises("S3")
@needs("in-turn")
@pytest.mark.parametrize("loops", [1, 3])
def test_who_connected_before_is_let_in(serve: Serve, loops: int, tmp_path: Path) -> None:
    """Connections that the kernel has taken and nobody accepted yet get their answer."""
    server = serve(loops=loops)
    sleepers = [server.connect() for _ in range(loops)]
    gates = [Gate(tmp_path) for _ in sleepers]
    for client, gate in zip(sleepers, gates, strict=True):
        client.id()
        client.command("note-write asleep", gate.command)
        server.expect("note")
    assert server.control("call server stop-gracefully 60000") == "ok"
    late = []
    for number in range(3):
        try:
            late.append(server.connect())
        except ConnectionRefusedError:
            assert loops > 1, "there, the one that accepts sleeps"
            break
        late[-1].command(f"echo {number}")
    for gate in gates:
        gate.open()
    answers = 0
    for number, client in enumerate(late):
        try:
            assert client.line() == str(number)
            answers += 1
        except (EOFError, ConnectionError):
            assert loops > 1
    assert loops > 1 or answers == 3
    for client in (*late, *sleepers):
        client.close()
    server.expect("ended")


@promises("S3", "D6")
@needs("udp")
def test_a_udp_endpoint_ends_with_the_listeners(serve: Serve) -> None:
    server = serve("udp://127.0.0.1:0", TCP, loops=1)
    client = server.connect(1)
    client.id()
    stop_gracefully(server, 60_000)
    port = int(server.urls[0].rsplit(":", 1)[1])
    eventually("a free port", lambda: _can_bind(port))
    assert client.ask("echo still") == "still"
    client.close()
    server.expect("ended")


def _can_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@promises("S3", "D7")
@needs("outgoing")
def test_outgoing_connections_finish_too(serve: Serve) -> None:
    server = serve(outgoing_mode="data")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(HANG_GUARD)
        conn = server.control(f"call server connect tcp://127.0.0.1:{listener.getsockname()[1]}")
        peer, _ = listener.accept()
        with peer:
            server.expect("open", id=conn)
            stop_gracefully(server, 60_000)
            peer.send(b"last words")
            assert bytes.fromhex(server.expect("data", id=conn)["hex"]) == b"last words"
            url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
            assert server.control(f"call server connect {url}") == "WRONG_STATE"
        assert server.expect("close", id=conn)["reason"] == "eof"
    server.expect("ended")


@promises("S3", "S2", "R5")
def test_before_the_start_it_refuses_the_start(serve: Serve) -> None:
    server = serve(start=False)
    assert server.control("call server stop-gracefully 100") == "ok"
    assert server.control("start") == "STOPPED"
    assert server.events("stopping") == []


# ---- S4 ----


def state(server: Subject) -> tuple[dict[int, str], int]:
    """Its descriptors, and how many threads it has."""
    return process.descriptors(server.pid), len(process.threads(server.pid))


@promises("S4")
def test_a_thousand_lives_leave_nothing_behind(serve: Serve) -> None:
    server = serve(loops=1)
    # What a process touches once is not a server's.
    assert server.control("cycles 100") == "ok"
    before, memory = state(server), process.resident_bytes(server.pid)
    assert server.control("cycles 1000") == "ok"
    eventually("the threads and descriptors of before", lambda: state(server) == before)
    # JavaScript's own garbage comes on top, to a bound.
    slack = (40 if server.language == "node" else 1) << 20
    assert process.resident_bytes(server.pid) <= memory + slack
    assert server.connect().ask("echo fine") == "fine"


@promises("S4")
@needs("timers", "outgoing", "udp", "context")
@pytest.mark.parametrize("way", ["stop", "call server stop-gracefully 100"])
def test_a_stop_leaves_no_thread_or_descriptor_whatever_was_under_way(
    serve: Serve, way: str, tmp_path: Path
) -> None:
    """Queued output, timers, a connect, a lookup, contexts, UDP. The fixture looks for what is left."""
    server = serve(TCP, f"unix://{tmp_path}/s", "udp://127.0.0.1:0", loops=3, hard_limit=1 << 28)
    clients = [server.connect(number % 2, receive_buffer=1 << 14) for number in range(9)]
    for number, client in enumerate(clients):
        conn = client.id()
        assert client.ask(f"call self context {number}") == "ok"
        assert client.ask("call self timer 3600000 1000").isdigit()
        assert server.control(f"call {conn} write-then {number} 9000000") == "high"
    for index in range(3):
        server.control(f"call server run {index} timer 3600000 1000 current-loop")
    server.control("call server connect tcp://127.0.0.1:9 timeout=never")
    server.control("call server connect tcp://no-such-host.invalid:9")
    server.tell(way)
    server.expect("ended")
    assert {event["tag"] for event in server.events("completed")} == {str(n) for n in range(9)}
    let_go = {event["text"] for event in server.events("context-destroyed")}
    assert not server.has("let-go") or let_go >= {str(number) for number in range(9)}
