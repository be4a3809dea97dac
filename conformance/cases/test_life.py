"""The life of a connection: L1, L2, L4, L5."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest
from conftest import Serve

from harness import Client, Subject, pattern, promises
from harness.subject import TCP

LOOPS = pytest.mark.parametrize("loops", [1, 2])


def opened(server: Subject) -> str:
    """The id of the connection that opens next."""
    return str(server.expect("open")["id"])


def closed(server: Subject, conn: str) -> tuple[str, int | None]:
    """How a connection ended."""
    event = server.expect("close", id=conn)
    return event["reason"], event["errno"]


@promises("L1")
@LOOPS
def test_every_ending_has_its_reason(serve: Serve, loops: int) -> None:
    """That each open has exactly one close is checked at the end of every case."""
    server = serve(loops=loops)
    ended = server.connect()
    ids = [opened(server)]
    ended.end()
    assert closed(server, ids[0]) == ("eof", None)

    server.connect().reset()
    assert closed(server, opened(server)) == ("reset", 104)

    returned = server.connect()
    conn = opened(server)
    returned.command("close")
    assert returned.to_the_end() == b""
    returned.close()
    assert closed(server, conn) == ("local close", None)

    called = server.connect()
    conn = opened(server)
    called.command("close-call", "note-write too late")
    assert server.expect("note", id=conn)["text"] == "CLOSED"
    assert called.to_the_end() == b""
    called.close()
    assert closed(server, conn) == ("local close", None)

    by_id = server.connect()
    conn = opened(server)
    assert server.control(f"close {conn}") == "ok"
    assert by_id.to_the_end() == b""
    by_id.close()
    assert closed(server, conn) == ("local close", None)

    failed = server.connect()
    conn = opened(server)
    failed.command("fail")
    assert failed.to_the_end() == b""
    failed.close()
    assert closed(server, conn) == ("handler error", None)

    stopped = server.connect()
    conn = opened(server)
    server.tell("stop")
    assert closed(server, conn) == ("shutdown", None)
    assert stopped.to_the_end() == b""
    server.expect("ended")


@promises("L1", "D5")
def test_a_callback_that_writes_beyond_the_hard_limit_closes_with_overflow(serve: Serve) -> None:
    server = serve(high_water=1 << 16, hard_limit=1 << 20)
    client = server.connect(receive_buffer=1 << 14)
    conn = opened(server)
    # More than the kernel's buffers and the limit hold together.
    client.command("writes 64 1000000", "note-write too late")
    assert closed(server, conn) == ("overflow", None)
    assert server.expect("note", id=conn)["text"] == "CLOSED"


@promises("L1", "L2")
def test_a_script_in_on_open_comes_before_any_input(serve: Serve) -> None:
    server = serve(loops=2, on_open="sleep 100;note-write opened")
    clients = [server.connect() for _ in range(6)]
    for client in clients:
        client.command("note-write first", "note-write second")
    for client in clients:
        assert [client.line() for _ in range(3)] == ["opened", "first", "second"]
        client.command("close")
        assert client.to_the_end() == b""
        client.close()
    for _ in clients:
        conn = opened(server)
        assert closed(server, conn) == ("local close", None)
        kinds = [event["event"] for event in server.events() if event.get("id") == conn]
        assert kinds == ["open", "note", "note", "note", "close"]


@promises("L2")
def test_a_connections_callbacks_come_on_one_thread_of_a_loop(serve: Serve) -> None:
    server = serve(loops=3)
    clients = [server.connect() for _ in range(12)]
    for client in clients:
        client.command(*(f"echo {number}" for number in range(50)), "close")
    for client in clients:
        assert client.to_the_end() == b"".join(b"%d\n" % number for number in range(50))
        client.close()
    # Only now: a thread names itself, which may be later than the start of its server.
    loop_threads = {0} if server.name == "node" else server.turning_threads()
    for _ in clients:
        begin = server.expect("open")
        end = server.expect("close", id=begin["id"])
        assert begin["thread"] == end["thread"]
        assert begin["thread"] in loop_threads


@promises("L2")
@LOOPS
def test_on_close_waits_for_the_callback_before_it(serve: Serve, loops: int) -> None:
    server = serve(loops=loops)
    for _ in range(3):
        client = server.connect()
        conn = opened(server)
        client.command("sleep 100", "note-write slept")
        client.close()
        closed(server, conn)
        kinds = [event["event"] for event in server.events() if event.get("id") == conn]
        assert kinds == ["open", "note", "close"]


@promises("L2")
@LOOPS
def test_a_connections_input_stays_in_order_however_it_comes(serve: Serve, loops: int) -> None:
    server = serve(loops=loops)
    client = server.connect()
    answers = []
    for number in range(300):
        line = f"echo {number} {'x' * (number * 7 % 50)}\n".encode()
        cut = number % len(line)
        client.send(line[:cut])
        client.send(line[cut:])
        answers.append(line.removeprefix(b"echo "))
    assert client.exactly(sum(map(len, answers))) == b"".join(answers)


@promises("L4", "D1")
@pytest.mark.parametrize("way", ["close", "close-call"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_last_answer_survives_unread_input(serve: Serve, kind: str, way: str, tmp_path: Path) -> None:
    """A close over unread input makes the kernel send a reset, which destroys what is under way."""
    server = serve(TCP if kind == "tcp" else f"unix://{tmp_path}/s")
    client = server.connect(receive_buffer=1 << 14)
    conn = opened(server)
    size = 8 << 20
    # The input behind the close is more than one read takes, and goes on while the answer is on its way.
    client.command(f"write {size}", way)
    junk = threading.Thread(target=client.send, args=(b"echo unread\n" * 100_000,))
    junk.start()
    assert client.exactly(1 << 20) == pattern(size)[: 1 << 20]
    junk.join()
    assert client.to_the_end() == pattern(size)[1 << 20 :]
    client.end()
    assert closed(server, conn) == ("local close", None)


@promises("L4")
def test_a_peer_that_does_not_close_is_left_after_the_linger_limit(serve: Serve) -> None:
    server = serve(linger_ms=200)
    client = server.connect()
    conn = opened(server)
    client.command("echo last", "close")
    assert client.to_the_end() == b"last\n"
    # The client stays; it even goes on sending.
    client.send(b"echo ignored\n" * 10)
    assert closed(server, conn) == ("local close", None)


@promises("L4")
@pytest.mark.parametrize("way", ["close", "fail"])
def test_what_came_behind_the_end_is_not_carried_out(serve: Serve, way: str) -> None:
    # In fail's case the error is reported, and printed by nobody.
    server = serve()
    client = server.connect()
    conn = opened(server)
    client.command("echo before", way, "note-write after", "stop")
    assert client.to_the_end() == b"before\n"
    client.close()
    closed(server, conn)
    assert server.events("note", "stop") == []


@promises("L4")
def test_close_counts_at_once_for_calls_from_anywhere(serve: Serve) -> None:
    server = serve()
    client, other = server.connect(), server.connect()
    conn = client.id()
    assert other.ask(f"close-id {conn}") == "ok"
    assert other.ask(f"to {conn} too late") == "CLOSED"
    assert other.ask(f"close-id {conn}") == "CLOSED"
    assert server.control(f"text {conn} too late") == "CLOSED"
    assert client.to_the_end() == b""


@promises("L4", "L1")
@pytest.mark.parametrize("script", ["echo bye;close", "echo bye;close-call", "echo bye;fail"])
def test_on_open_may_end_the_connection(serve: Serve, script: str) -> None:
    server = serve(on_open=script)
    for _ in range(3):
        client = server.connect()
        client.command("note-write never")
        assert client.to_the_end() == b"bye\n"
        client.close()
        assert closed(server, opened(server))[0] == ("handler error" if "fail" in script else "local close")
    assert server.events("note") == []


@promises("L5")
@LOOPS
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_half_closed_client_gets_the_whole_answer(
    serve: Serve, kind: str, loops: int, tmp_path: Path
) -> None:
    server = serve(TCP if kind == "tcp" else f"unix://{tmp_path}/s", loops=loops)
    client = server.connect(receive_buffer=1 << 14)
    conn = opened(server)
    client.command("write 5000000", "echo done")
    client.end()
    assert client.to_the_end() == pattern(5_000_000) + b"done\n"
    assert closed(server, conn) == ("eof", None)


@promises("L5")
def test_data_before_the_end_is_delivered_before_the_close(serve: Serve) -> None:
    server = serve(loops=2)
    for number in range(50):
        with Client(server.urls[0]) as client:
            client.command(f"note-write {number}", f"note-write {number}")
            client.end()
            assert client.to_the_end() == b"%d\n" % number * 2
        conn = opened(server)
        assert closed(server, conn) == ("eof", None)
        kinds = [event["event"] for event in server.events() if event.get("id") == conn]
        assert kinds == ["open", "note", "note", "close"]


@promises("L5")
def test_a_client_that_sends_and_goes_is_heard(serve: Serve) -> None:
    """What arrived before the end reaches the handler, though nobody waits for the answer."""
    server = serve()
    for _ in range(50):
        client = server.connect()
        client.command("note-write heard")
        client.close()
        conn = opened(server)
        server.expect("note", id=conn)
        assert closed(server, conn)[0] in ("eof", "reset")


@promises("L5")
def test_a_slow_handler_finishes_with_the_input_before_the_end(serve: Serve) -> None:
    server = serve()
    client = server.connect()
    client.command("sleep 300", "echo first")
    client.command("echo second")
    client.end()
    assert client.to_the_end() == b"first\nsecond\n"


@promises("L5")
def test_netcat_gets_its_answer(serve: Serve) -> None:
    server = serve(mode="echo")
    port = server.urls[0].rsplit(":", 1)[1]
    for _ in range(20):
        answer = subprocess.run(
            ["nc", "-N", "127.0.0.1", port], input=b"hello", capture_output=True, timeout=60, check=True
        )
        assert answer.stdout == b"hello"
