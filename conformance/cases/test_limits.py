"""How many connections may come in: R3, and what happens when descriptors run out: R1."""

from __future__ import annotations

import select
import socket
import time
from pathlib import Path

import pytest
from conftest import Serve

from harness import Client, Strace, Subject, eventually, needs, promises
from harness.subject import TCP

pytestmark = needs("calls", "metrics")

LAYOUTS = [(1, "round-robin"), (4, "round-robin"), (3, "reuseport")]


def refused(client: Client) -> bool:
    """Whether it was closed without a word."""
    try:
        return client.to_the_end() == b""
    except ConnectionResetError:
        return True


def count(server: Subject, name: str) -> int:
    return int(server.control("call server metrics")[name])


def turn(server: Subject) -> None:
    """The loops are done with what they were at: a place is free when on_close has returned."""
    for index in range(server.control("call server loops")):
        server.control(f"call server run {index} current-loop")
        server.expect("ran", call="current-loop", result=index)


def connect_from(server: Subject, source: str) -> Client:
    client = Client.__new__(Client)
    client._read = b""
    target = ("127.0.0.1", int(server.urls[0].rsplit(":", 1)[1]))
    client.socket = socket.create_connection(target, timeout=30, source_address=(source, 0))
    server.clients.append(client)
    return client


# ---- R3 ----


@promises("R3")
@pytest.mark.parametrize(("loops", "balance"), LAYOUTS)
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_the_excess_is_refused_and_a_place_given_back_is_taken(
    serve: Serve, loops: int, balance: str, kind: str, tmp_path: Path
) -> None:
    url = TCP if kind == "tcp" else f"unix://{tmp_path}/s"
    server = serve(url, loops=loops, balance=balance, max_connections=5)
    inside = [server.connect() for _ in range(5)]
    for number, client in enumerate(inside):
        assert client.ask(f"echo {number}") == str(number)
    for number in range(1, 8):
        assert refused(server.connect())
        assert count(server, "refused_by_total") == number
    for _ in range(3):
        leaving = inside.pop()
        leaving.close()
        server.expect("close")
        turn(server)
        inside.append(server.connect())
        assert inside[-1].ask("echo in") == "in"
    assert refused(server.connect())
    server.stats()  # Its reply comes behind the events.
    assert len(server.events("open")) == 8, "the refused ones had no callback"
    assert len(server.events("close")) == 3
    for client in inside:
        assert client.ask("echo still") == "still"


@promises("R3")
@pytest.mark.parametrize(("loops", "balance"), LAYOUTS)
def test_each_address_has_its_own_limit(serve: Serve, loops: int, balance: str, tmp_path: Path) -> None:
    server = serve(
        TCP, f"unix://{tmp_path}/s", loops=loops, balance=balance, max_connections_per_address=3
    )
    for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
        inside = [connect_from(server, source) for _ in range(3)]
        for client in inside:
            assert client.ask("echo in") == "in"
        assert refused(connect_from(server, source))
        inside[0].close()
        server.expect("close")
        expect_a_place(server, source)
    # Unix sockets have no address.
    for _ in range(10):
        assert server.connect(1).ask("echo in") == "in"
    assert count(server, "refused_by_address") >= 3
    assert count(server, "refused_by_total") == 0


def expect_a_place(server: Subject, source: str) -> None:
    eventually("a free place", lambda: _gets_in(server, source))


def _gets_in(server: Subject, source: str) -> bool:
    client = connect_from(server, source)
    try:
        return client.ask("echo in") == "in"
    except (EOFError, ConnectionError):
        return False


@promises("R3", "D7")
@needs("outgoing")
def test_outgoing_connections_take_no_place(serve: Serve) -> None:
    server = serve(max_connections=3, outgoing_mode="data")
    first = server.connect()
    first.id()
    conn = server.control(f"call server connect {server.urls[0]}")
    server.expect("open", id=conn)
    eventually("two incoming ones", lambda: len(server.events("open")) == 3)
    assert server.connect().ask("echo third") == "third"
    assert refused(server.connect())
    assert server.control(f"call {conn} close") == "ok"
    server.expect("close", id=conn)


@promises("R3")
@needs("detach")
def test_a_place_is_given_back_however_a_connection_ends(serve: Serve) -> None:
    server = serve(max_connections=1, linger_ms="none")
    for way in ("note-call self close", "note-call self abort", "fail", "detach", "reset") * 3:
        client = server.connect()
        conn = client.id()
        if way == "reset":
            client.reset()
        else:
            client.command(way)
            if way == "detach":
                assert client.line() == "detached"
        server.expect("detach" if way == "detach" else "close", id=conn)
        client.close()
        turn(server)
    assert count(server, "refused_by_total") == 0


# ---- R1 ----

LIMIT = 48


@promises("R1")
@pytest.mark.parametrize(("loops", "balance"), LAYOUTS)
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_out_of_descriptors_it_serves_on_and_accepts_again_later(
    serve: Serve, loops: int, balance: str, kind: str, tmp_path: Path
) -> None:
    url = TCP if kind == "tcp" else f"unix://{tmp_path}/s"
    server = serve(
        url, loops=loops, balance=balance, trace=False, prefix=["prlimit", f"--nofile={LIMIT}"]
    )
    first = server.connect()
    assert first.ask("echo first") == "first"
    clients = [server.connect() for _ in range(2 * LIMIT)]
    for number, client in enumerate(clients):
        client.command(f"echo {number}")
    eventually("an error", lambda: count(server, "accept_errors") > 0)
    # Those who were accepted before the error may still be on their way to their loops.
    eventually("some are in", lambda: count(server, "connections") > 1)
    assert count(server, "connections") < LIMIT
    # Those inside are served, and by-id calls work.
    assert first.ask("echo still") == "still"
    # All get in when others leave, in whatever order.
    waiting = dict(enumerate(clients))
    while waiting:
        answered = _answered(waiting)
        for number in answered:
            waiting.pop(number).close()
    server.expect_idle(1)
    assert first.ask("echo at last") == "at last"
    for number in range(10):
        assert server.connect().ask(f"echo {number}") == str(number)


def _answered(waiting: dict[int, Client]) -> list[int]:
    """Waits until at least one has its answer: their numbers."""
    sockets = {client.socket: number for number, client in waiting.items()}
    ready, _, _ = select.select(list(sockets), [], [], 30)
    assert ready, "nobody gets in"
    numbers = [sockets[one] for one in ready]
    for number in numbers:
        assert waiting[number].line() == str(number)
    return numbers


@promises("R1", "T4")
@pytest.mark.parametrize(("loops", "balance"), LAYOUTS)
def test_out_of_descriptors_it_does_not_spin(serve: Serve, loops: int, balance: str) -> None:
    server = serve(loops=loops, balance=balance, trace=False, prefix=["prlimit", f"--nofile={LIMIT}"])
    clients = [server.connect() for _ in range(2 * LIMIT)]
    eventually("an error", lambda: count(server, "accept_errors") > 0)
    # The promise is about how much is done in a time.
    began, before = time.monotonic(), server.control("call server metrics")
    time.sleep(1)
    after, took = server.control("call server metrics"), time.monotonic() - began
    # One try in 100 ms for each who accepts, and a poll for each.
    tries = took * 10 * loops + loops
    assert 1 <= after["accept_errors"] - before["accept_errors"] <= tries
    assert after["accepts"] - before["accepts"] <= 2 * tries
    assert after["polls"] - before["polls"] <= 2 * tries
    for client in clients:
        client.close()
    eventually("room", lambda: _echoes(server))


def _echoes(server: Subject) -> bool:
    with Client(server.urls[0]) as client:
        return client.ask("echo in") == "in"


@promises("R1", "R2")
@pytest.mark.parametrize("error", ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"])
@pytest.mark.parametrize("loops", [1, 2])
def test_whatever_runs_out_accepting_goes_on_when_it_is_back(
    serve: Serve, error: str, loops: int, tmp_path: Path
) -> None:
    server = serve(loops=loops, trace=False)
    old = server.connect()
    old.id()
    with Strace(server.pid, tmp_path / "strace", "-e", f"inject=accept4:error={error}:when=1..3") as trace:
        new = server.connect()
        new.command("echo in")
        eventually("three failures", lambda: trace.injected() >= 3)
        assert old.ask("echo there") == "there"
        assert new.line() == "in"
    assert count(server, "accept_errors") == 3


@promises("R1", "D7")
@needs("outgoing")
def test_out_of_descriptors_a_connect_fails_and_nothing_else(serve: Serve) -> None:
    server = serve(loops=2, trace=True, prefix=["prlimit", f"--nofile={LIMIT}"], outgoing_mode="sink")
    first = server.connect()
    first.id()
    for _ in range(2 * LIMIT):
        server.control(f"call server connect {server.urls[0]}")
    eventually("a failure", lambda: any(e["reason"] == "connect failed" for e in server.events("close")))
    assert first.ask("echo still") == "still"
    failed = [event for event in server.events("close") if event["reason"] == "connect failed"]
    assert {event["errno"] for event in failed} == {24}
    assert server.control("call server stop-gracefully 50") == "ok"
    server.expect("ended")
