"""Connections that are held while an answer is made elsewhere: L8."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Serve

from harness import Client, Subject, needs, promises

LOOPS = pytest.mark.parametrize("loops", [1, 2])


def held(server: Subject, client: Client, how: str = "callback") -> str:
    """Has a connection held, by its own callback or by its id, and says which it is."""
    conn = client.id()
    if how == "id":
        assert server.control(f"hold {conn}") == "ok"
    else:
        client.command("echo held", "hold")
        assert client.line() == "held"
    server.expect("open", id=conn)
    return conn


def turn(server: Subject) -> None:
    """Every loop has gone through a few turns: others are served."""
    for _ in range(3):
        others = [server.connect() for _ in range(4)]
        for other in others:
            assert other.ask("echo served") == "served"
            other.close()


@promises("L8", "L5")
@LOOPS
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_late_answer_reaches_a_client_that_has_half_closed(
    serve: Serve, kind: str, loops: int, tmp_path: Path
) -> None:
    server = serve("tcp://127.0.0.1:0" if kind == "tcp" else f"unix://{tmp_path}/s", loops=loops)
    client = server.connect()
    conn = held(server, client)
    client.end()
    turn(server)
    assert conn not in {event["id"] for event in server.events("close")}
    assert server.control(f"text {conn} late") == "ok"
    assert server.control(f"release {conn}") == "ok"
    assert client.to_the_end() == b"late\n"
    assert server.expect("close", id=conn)["reason"] == "eof"


@promises("L8")
@LOOPS
@pytest.mark.parametrize("how", ["callback", "id"])
def test_a_held_connection_is_not_read_until_it_was_released_as_often(serve: Serve, how: str, loops: int) -> None:
    server = serve(loops=loops)
    client = server.connect()
    conn = held(server, client, how)
    assert server.control(f"hold {conn}") == "ok"
    client.command("echo read")
    for number in range(2):
        turn(server)
        assert server.control(f"text {conn} {number}") == "ok"
        assert client.line() == str(number), "writing goes on"
        assert server.control(f"release {conn}") == "ok"
    assert client.line() == "read"
    assert server.control(f"release {conn}") == "WRONG_STATE", "more often than it was held"
    assert client.ask("echo fine") == "fine"


@promises("L8")
def test_a_callback_releases_what_it_holds(serve: Serve) -> None:
    server = serve(loops=1)
    client = server.connect()
    client.command("hold", "hold", "release", "release", "echo first")
    assert client.line() == "first"
    # One too many is an error, and holds nothing.
    client.command("release", "echo second")
    assert client.line() == "second"
    assert client.ask("echo third") == "third"


@promises("L8", "L1")
@LOOPS
@pytest.mark.parametrize("end", ["reset", "close", "stop"])
def test_what_is_held_ends_all_the_same(serve: Serve, end: str, loops: int) -> None:
    server = serve(loops=loops)
    client = server.connect()
    conn = held(server, client)
    if end == "reset":
        client.reset()
        assert server.expect("close", id=conn)["reason"] == "reset"
    elif end == "close":
        assert server.control(f"close {conn}") == "ok"
        assert client.to_the_end() == b""
        client.close()
        assert server.expect("close", id=conn)["reason"] == "local close"
    else:
        server.tell("stop")
        assert server.expect("close", id=conn)["reason"] == "shutdown"
        server.expect("ended")
        return
    assert server.control(f"release {conn}") == "CLOSED"
    assert server.control(f"hold {conn}") == "CLOSED"


@promises("L8", "L3")
def test_what_is_no_connection_cannot_be_held(serve: Serve) -> None:
    server = serve(loops=1)
    client = server.connect()
    conn = client.id()
    client.end()
    server.expect("close", id=conn)
    for number in (conn, "1", "4294967297", "18446744073709551615"):
        assert server.control(f"hold {number}") == "CLOSED"
        assert server.control(f"release {number}") == "CLOSED"


@promises("L8", "T3")
@LOOPS
@pytest.mark.parametrize("kind", ["idle", "read"])
def test_idle_and_read_time_outs_do_not_run(serve: Serve, kind: str, loops: int) -> None:
    server = serve(f"tcp://127.0.0.1:0?{kind}=200", loops=loops, on_open="hold;echo held")
    client = server.connect()
    assert client.line() == "held"
    conn = str(server.expect("open")["id"])
    # Others come later, are released, and end one after the other: so much time has passed for the one that is held.
    for _ in range(3):
        other = server.connect()
        assert other.line() == "held"
        later = str(server.expect("open")["id"])
        assert server.control(f"release {later}") == "ok"
        assert server.expect("close", id=later)["reason"] == {"idle": "idle", "read": "time-out"}[kind]
        other.close()
    assert server.control(f"text {conn} still here") == "ok"
    assert client.line() == "still here"
    assert server.control(f"release {conn}") == "ok"
    assert server.expect("close", id=conn)["reason"] == {"idle": "idle", "read": "time-out"}[kind]


@promises("L8", "T3")
def test_the_write_time_out_ends_what_is_held(serve: Serve) -> None:
    server = serve("tcp://127.0.0.1:0?write=200", loops=1)
    client = server.connect(receive_buffer=1 << 14)
    conn = held(server, client)
    assert server.control(f"write {conn} 20000000") == "high"
    assert server.expect("close", id=conn)["reason"] == "time-out"


@promises("L8", "D2")
@needs("calls", "framing")
def test_frames_that_were_read_already_wait(serve: Serve) -> None:
    server = serve(loops=1, listen_options="framing=line")
    client = server.connect()
    conn = client.id()
    client.command("hold", "note-write first", "hold", "note-write second")
    for number, text in enumerate(["first", "second"]):
        turn(server)
        assert server.control(f"text {conn} held") == "ok"
        assert client.line() == "held"
        assert len(server.events("note")) == number
        assert server.control(f"release {conn}") == "ok"
        assert client.line() == text


@promises("L8", "D6")
@needs("calls", "udp")
def test_a_udp_endpoint_cannot_be_held(serve: Serve) -> None:
    server = serve("udp4://127.0.0.1:0", loops=1)
    listener = server.control("call server listeners")[0]["listener"]
    (endpoint,) = server.control(f"call server endpoints {listener}")
    assert server.control(f"hold {endpoint}") == "UNSUPPORTED"
    assert server.control(f"release {endpoint}") == "UNSUPPORTED"


@promises("L8", "D4")
@needs("calls")
def test_holds_of_many_threads_are_counted(serve: Serve) -> None:
    server = serve(loops=2)
    client = server.connect()
    conn = client.id()
    assert server.control(f"threads 4 250 {conn} hold") == {"ok": 1000}
    client.command("echo read")
    assert server.control(f"threads 4 249 {conn} release") == {"ok": 996}
    turn(server)
    assert server.control(f"text {conn} not read") == "ok"
    assert client.line() == "not read"
    assert server.control(f"threads 4 2 {conn} release") == {"ok": 4, "WRONG_STATE": 4}
    assert client.line() == "read"
