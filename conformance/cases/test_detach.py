"""Handing a connection's descriptor out: L6."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Serve

from harness import eventually, needs, pattern, promises
from harness.subject import TCP

pytestmark = needs("detach")


@promises("L6", "L4")
@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("way", ["action", "self", "control", "callback"])
def test_the_descriptor_goes_on_after_the_engine_has_let_go(
    serve: Serve, way: str, kind: str, tmp_path: Path
) -> None:
    server = serve(TCP if kind == "tcp" else f"unix://{tmp_path}/s", loops=2)
    client, other = server.connect(), server.connect()
    conn = client.id()
    other.id()
    if way == "action":
        client.command("echo before", "detach")
    elif way == "self":
        client.command("echo before", "note-call self detach")
    else:
        client.command("echo before")
    assert client.line() == "before"
    if way == "control":
        assert server.control(f"call {conn} detach") == "ok"
    elif way == "callback":
        assert other.ask(f"call {conn} detach") == "ok"
    event = server.expect("detach", id=conn)
    assert event["nonblocking"] is True
    assert event["thread"] == server.expect("open", id=conn)["thread"]
    assert client.line() == "detached"
    for block in (pattern(1), pattern(100_000)):
        client.send(block)
        assert client.exactly(len(block)) == block
    assert server.control(f"text {conn} late") == "CLOSED"
    client.end()
    assert client.to_the_end() == b""
    assert server.events("close") == []


@promises("L6", "D1")
def test_output_that_the_kernel_did_not_take_is_handed_out(serve: Serve) -> None:
    server = serve()
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    client.command("write 20000000", "detach")
    event = server.expect("detach", id=conn)
    assert 0 < event["output"] < 20_000_000, "one attempt was made"
    assert client.exactly(20_000_000) == pattern(20_000_000)
    assert client.line() == "detached"


@promises("L6", "D4")
def test_completions_are_cancelled_before_on_detach(serve: Serve) -> None:
    server = serve()
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    client.command(*(f"note-call self write-then {number} 5000000" for number in range(4)), "detach")
    server.expect("detach", id=conn)
    events = server.events("completed", "detach")
    assert [event["event"] for event in events] == ["completed"] * 4 + ["detach"]
    assert [event["tag"] for event in events[:4]] == ["0", "1", "2", "3"]
    assert events[3]["result"] == "cancelled"
    assert client.exactly(20_000_000) == pattern(5_000_000) * 4


@promises("L6", "D2")
@needs("framing")
@pytest.mark.parametrize(
    ("options", "sent", "left"),
    [("framing=line", "detach\nnext\nhalf", "next\nhalf"), ("framing=none", "detach\nhalf", None)],
)
def test_input_that_was_not_consumed_is_handed_out(
    serve: Serve, options: str, sent: str, left: str | None
) -> None:
    """Frames that the handler has not had, half a frame, and what it kept; without a framing it has had all."""
    server = serve(listen_options=options)
    client = server.connect()
    conn = client.id()
    client.send(sent.encode())
    event = server.expect("detach", id=conn)
    assert bytes.fromhex(event["input"]).decode() == (left or "")
    assert client.line() == "detached"


@promises("L6", "D2")
@needs("framing")
def test_input_that_was_kept_is_handed_out(serve: Serve) -> None:
    server = serve(mode="keep")
    client, other = server.connect(), server.connect()
    conn = client.id()
    client.send(b"half a command")
    eventually("the input", lambda: server.control(f"call {conn} info")["received"] == 17)
    assert other.ask(f"call {conn} detach") == "ok"
    assert bytes.fromhex(server.expect("detach", id=conn)["input"]) == b"half a command"
    assert client.line() == "detached"


@promises("L6")
def test_a_detached_connection_outlives_the_server(serve: Serve) -> None:
    server = serve()
    client = server.connect()
    client.command("detach")
    assert client.line() == "detached"
    server.tell("stop")
    server.expect("ended")
    client.send(b"still")
    assert client.exactly(5) == b"still"
    client.end()
    assert client.to_the_end() == b""
    # The end of a case looks for sockets: wait until the subject's own thread has closed this one.


@promises("L6", "L1")
def test_detach_in_on_open_hands_out_what_came(serve: Serve) -> None:
    server = serve(on_open="echo hello;detach")
    client = server.connect()
    assert client.line() == "hello"
    assert client.line() == "detached"
    client.send(b"echoed")
    assert client.exactly(6) == b"echoed"
    conn = server.expect("open")["id"]
    assert server.expect("detach", id=conn)["input"] == ""
    assert server.events("close") == []
