"""What a connection carries and can tell: L7."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from conftest import Serve

from harness import Subject, eventually, needs, not_for, promises
from harness.client import address
from harness.subject import TCP

pytestmark = needs("calls")


@promises("L7", "A2")
@pytest.mark.parametrize("place", ["self", "control"])
def test_a_connection_knows_its_listener_its_loop_and_its_bytes(
    serve: Serve, place: str, tmp_path: Path
) -> None:
    server = serve(TCP, f"unix://{tmp_path}/s", TCP, loops=3)
    listeners = server.control("call server listeners")
    assert [one["url"] for one in listeners] == server.urls
    assert len({one["listener"] for one in listeners} - {0}) == 3
    loops: dict[int, int] = {}
    for number in (0, 1, 2, 1, 0, 2):
        client = server.connect(number)
        conn = client.id()
        opened = server.expect("open", id=conn)
        client.command("sink")
        client.send(b"x" * 1000)
        got = len(b"id\n") + len(b"sink\n") + 1000
        eventually("the bytes", lambda: server.control(f"call {conn} info")["received"] == got)
        if place == "control":
            info = server.control(f"call {conn} info")
        else:
            server.control(f"call {conn} run info")
            info = server.expect("ran", id=conn)["result"]
        assert info["listener"] == opened["listener"] == listeners[number]["listener"]
        assert loops.setdefault(info["loop"], opened["thread"]) == opened["thread"]
        assert (info["received"], info["sent"], info["queued"]) == (got, len(conn) + 1, 0)
        assert 0 <= info["age_ms"] < 60_000
    assert loops.keys() == ({0} if server.has_one_loop else {0, 1, 2})


def sent_and_queued(server: Subject, conn: str) -> tuple[int, int]:
    info = server.control(f"call {conn} info")
    return info["sent"], info["queued"]


@promises("L7")
def test_queued_bytes_and_age_are_told(serve: Serve) -> None:
    server = serve()
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    server.control(f"write {conn} 20000000")
    eventually("the kernel's buffers to be full", lambda: server.control(f"call {conn} info")["sent"] > 0)
    # The two are not read at one moment, and it is being sent.
    whole = 20_000_000 + len(conn) + 1
    eventually("the whole", lambda: sum(sent_and_queued(server, conn)) == whole)
    info = server.control(f"call {conn} info")
    assert info["queued"] > 0
    eventually("time", lambda: server.control(f"call {conn} info")["age_ms"] > info["age_ms"])
    assert server.control(f"call {conn} abort") == "ok"


@promises("L7")
@pytest.mark.parametrize("url", ["tcp://127.0.0.1:0", "tcp://[::1]:0", "tcp://:0"])
def test_both_addresses_are_told(serve: Serve, url: str) -> None:
    server = serve(url)
    client = server.connect()
    conn = client.id()
    (host, port), peer = client.socket.getsockname()[:2], client.socket.getpeername()
    ours = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    theirs = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
    assert client.ask("call self remote") == ours
    assert client.ask("call self local") == theirs
    assert server.control(f"call {conn} remote") == ours
    assert server.control(f"call {conn} local") == theirs
    assert client.ask("call self credentials") == "SYSTEM"


@promises("L7", "A1")
def test_an_ipv4_peer_of_a_dual_stack_listener_is_told_as_ipv4(serve: Serve) -> None:
    server = serve("tcp://:0")
    server.urls = [server.urls[0].replace("[::]", "127.0.0.1")]
    client = server.connect()
    assert client.ask("call self remote") == "127.0.0.1:%d" % client.socket.getsockname()[1]
    assert client.ask("call self local") == "127.0.0.1:%d" % client.socket.getpeername()[1]


@promises("L7", "A4")
def test_a_unix_peer_is_told_with_its_credentials(serve: Serve, tmp_path: Path) -> None:
    server = serve(f"unix://{tmp_path}/s", f"unix://@conformance-info-{os.getpid()}")
    named, abstract = server.connect(0), server.connect(1)
    assert named.ask("call self local") == f"{tmp_path}/s"
    assert abstract.ask("call self local") == f"@conformance-info-{os.getpid()}"
    for client in (named, abstract):
        assert client.ask("call self remote") == ""
        conn = client.id()
        credentials = server.control(f"call {conn} credentials")
        assert credentials == {"pid": os.getpid(), "uid": os.getuid(), "gid": os.getgid()}


@promises("L7")
def test_the_remote_address_is_known_in_on_close(serve: Serve) -> None:
    server = serve(on_close="note-call self remote;note-call self info")
    client = server.connect()
    conn = client.id()
    host, port = client.socket.getsockname()
    client.close()
    server.expect("close", id=conn)
    assert server.expect("note", id=conn)["text"] == f"{host}:{port}"
    assert json.loads(server.expect("note", id=conn)["text"])["sent"] == len(conn) + 1


@promises("L7")
@pytest.mark.parametrize("end", ["eof", "close", "stop"])
@pytest.mark.parametrize("name", ["path", "abstract"])
def test_addresses_of_a_unix_connection_are_known_in_on_close(
    serve: Serve, name: str, end: str, tmp_path: Path
) -> None:
    local = f"{tmp_path}/s" if name == "path" else f"@conformance-ends-{os.getpid()}"
    server = serve(f"unix://{local}", on_close="note-call self remote;note-call self local")
    own = f"conformance-peer-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as peer:
        peer.bind(f"\0{own}")
        peer.connect(address(server.urls[0])[1])
        opened = server.expect("open")
        if end == "close":
            peer.send(b"close\n")
            assert peer.recv(1) == b""
        if end == "stop":
            server.tell("stop")
        else:
            peer.close()
        server.expect("close", id=opened["id"])
    assert server.expect("note", id=opened["id"])["text"] == f"@{own}"
    assert server.expect("note", id=opened["id"])["text"] == local


@promises("L7", "D7")
@needs("outgoing")
def test_a_connection_that_could_not_be_made_tells_whom_it_tried(serve: Serve) -> None:
    server = serve(on_close="note-call self remote")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    conn = server.control(f"call server connect tcp://127.0.0.1:{port}")
    assert server.expect("close", id=conn)["reason"] == "connect failed"
    assert server.expect("note", id=conn)["text"] == f"127.0.0.1:{port}"


@promises("L7")
@needs("context", "let-go")
@pytest.mark.parametrize("end", ["eof", "reset", "close", "abort", "stop"])
def test_a_context_is_let_go_once_after_the_last_callback(serve: Serve, end: str) -> None:
    server = serve(on_close="note-call self context")
    client = server.connect()
    conn = client.id()
    assert client.ask("call self context") == "none"
    assert client.ask("call self context one") == "ok"
    assert client.ask("call self context two") == "ok"
    first = server.expect("context-destroyed", text="one")
    assert client.ask("call self context") == "two"
    if end == "eof":
        client.close()
    elif end == "reset":
        client.reset()
    elif end == "stop":
        server.tell("stop")
    else:
        assert server.control(f"call {conn} {end}") == "ok"
        client.close()
    last = server.expect("context-destroyed", text="two")
    if end == "stop":
        server.expect("ended")
    opened = server.expect("open", id=conn)
    assert first["thread"] == last["thread"] == opened["thread"]
    assert server.expect("note", id=conn)["text"] == "two"
    kinds = [event["event"] for event in server.events("close", "note", "context-destroyed")]
    assert kinds == ["context-destroyed", "close", "note", "context-destroyed"]


@promises("L7", "L6")
@needs("context", "let-go", "detach")
def test_a_context_is_let_go_at_a_detach(serve: Serve) -> None:
    server = serve()
    client = server.connect()
    client.command("note-call self context mine", "detach")
    assert client.line() == "detached"
    server.expect("context-destroyed", text="mine")
    kinds = [event["event"] for event in server.events("detach", "context-destroyed")]
    assert kinds == ["detach", "context-destroyed"]


@promises("L7", "R5")
@not_for("node", "timers and keep are its one JavaScript thread's, which is no loop's")
@needs("timers")
def test_what_belongs_to_a_loop_is_refused_elsewhere(serve: Serve) -> None:
    server = serve(loops=2)
    client, other = server.connect(), server.connect()
    conn = client.id()
    other.id()
    for call in ("timer 10 0", "keep 1"):
        assert server.control(f"call {conn} {call}") == "WRONG_THREAD"
        assert server.has_one_loop or other.ask(f"call {conn} {call}") == "WRONG_THREAD"
    assert server.control("call server timer 10 0") == "WRONG_THREAD"
    assert server.control("call server current-loop") is None
    assert client.ask("echo fine") == "fine"


@promises("L7", "R5")
@needs("context")
@not_for("python", "a context is an attribute of the connection's object, which any thread may read and set")
@not_for("node", "a context is a property of the connection's object, on its one JavaScript thread")
def test_a_context_is_refused_elsewhere(serve: Serve) -> None:
    server = serve(loops=2)
    client, other = server.connect(), server.connect()
    conn = client.id()
    other.id()
    for call in ("context mine", "context"):
        assert server.control(f"call {conn} {call}") == "WRONG_THREAD"
        assert other.ask(f"call {conn} {call}") == "WRONG_THREAD"
    assert client.ask("call self context") == "none"
