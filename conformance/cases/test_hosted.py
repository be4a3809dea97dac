"""A server without threads of its own: B3."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest
from conftest import Serve

from harness import HANG_GUARD, Strace, eventually, needs, pattern, process, promises
from harness.subject import TCP

pytestmark = needs("hosted")


@promises("B3", "L2", "S1")
@needs("calls", "timers")
def test_every_callback_comes_on_the_hosts_thread_and_there_is_no_other(serve: Serve) -> None:
    server = serve(loops=1, hosted=True, ticks="1,1,1")
    client = server.connect()
    conn = client.id()
    assert client.ask("echo hello") == "hello"
    assert server.control(f"call {conn} wake") == "ok"
    assert server.control(f"call {conn} run timer 1 0") == "ok"
    for kind in ("wake", "ran", "timer"):
        assert server.expect(kind, id=conn)["thread"] == server.pid
    eventually("the ticks", lambda: len(server.events("tick")) == 3)
    assert server.loop_threads() == {}
    # Node has others for tasks of its own.
    assert server.language == "node" or len(process.threads(server.pid)) == 1
    assert {event["thread"] for event in server.events() if "thread" in event} == {server.pid}
    server.tell("stop")
    server.expect("ended")
    assert [event["event"] for event in server.events("start", "stop", "ended")] == ["start", "stop", "ended"]


@promises("B3", "D1", "L5")
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_work_that_was_put_off_keeps_the_descriptor_readable(
    serve: Serve, kind: str, tmp_path: Path
) -> None:
    """More than one turn may read, and more than the kernel takes: the host only ever polls and turns once."""
    url = TCP if kind == "tcp" else f"unix://{tmp_path}/s"
    server = serve(url, loops=1, hosted=True, mode="echo", read_budget=4096)
    clients = [server.connect(receive_buffer=1 << 14) for _ in range(4)]
    blocks = [pattern(2_000_000 + number) for number in range(4)]
    def send(number: int) -> None:
        clients[number].send(blocks[number])
        clients[number].end()

    senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for sender in senders:
        sender.start()
    for client, block in zip(clients, blocks, strict=True):
        assert client.to_the_end() == block
    for sender in senders:
        sender.join()


@promises("B3", "T1", "T2")
@needs("calls", "timers")
def test_timers_and_ticks_make_the_descriptor_readable(serve: Serve) -> None:
    server = serve(loops=1, hosted=True, ticks="20,20,20,20,20")
    eventually("the ticks", lambda: len(server.events("tick")) == 5)
    client = server.connect()
    for delay in (0, 1, 30):
        timer = int(client.ask(f"call self timer {delay} 0"))
        server.expect("timer", timer=timer)
    repeating = int(client.ask("call self timer 5 5"))
    eventually("ten times", lambda: len([e for e in server.events("timer") if e["timer"] == repeating]) >= 10)
    assert client.ask(f"call self cancel {repeating}") == "ok"


@promises("B3", "T3")
@needs("calls", "timers")
def test_time_outs_make_the_descriptor_readable(serve: Serve) -> None:
    server = serve(loops=1, hosted=True, listen_options="idle=100")
    client = server.connect()
    conn = server.expect("open")["id"]
    assert client.to_the_end() == b""
    client.close()
    assert server.expect("close", id=conn)["reason"] == "idle"


@promises("B3", "D4")
@needs("calls")
def test_calls_from_other_threads_wake_the_host(serve: Serve) -> None:
    server = serve(loops=1, hosted=True)
    client = server.connect()
    conn = client.id()
    assert server.control(f"threads 4 100 {conn} text %t %n") == {"ok": 400}
    lines = [client.line().split(" ") for _ in range(400)]
    for thread in map(str, range(4)):
        assert [number for own, number in lines if own == thread] == [str(n) for n in range(100)]


@promises("B3", "T4")
def test_a_hosted_server_with_nothing_to_do_makes_no_system_call(serve: Serve, tmp_path: Path) -> None:
    server = serve(loops=1, hosted=True, mode="echo", trace=False)
    clients = [server.connect() for _ in range(50)]
    for client in clients:
        client.send(b"hello")
        assert client.exactly(5) == b"hello"
    with Strace(server.pid, tmp_path / "strace") as trace:
        time.sleep(2)  # The promise is about time: nothing is waited for.
        assert trace.calls() == []


@promises("B3", "D7")
@needs("outgoing")
def test_an_outgoing_connection_of_a_hosted_server(serve: Serve) -> None:
    server = serve(loops=1, hosted=True)
    with socket.create_server(("127.0.0.1", 0)) as peer:
        conn = server.control(f"call server connect tcp://127.0.0.1:{peer.getsockname()[1]}")
        peer.settimeout(HANG_GUARD)
        accepted, _ = peer.accept()
        with accepted:
            accepted.settimeout(HANG_GUARD)
            server.expect("open", id=conn, listener=None)
            assert server.control(f"text {conn} hello") == "ok"
            assert accepted.recv(100) == b"hello\n"
            accepted.sendall(b"there")
            assert bytes.fromhex(server.expect("data", id=conn)["hex"]) == b"there"
        assert server.expect("close", id=conn)["reason"] == "eof"


@promises("B3", "S1")
@pytest.mark.parametrize(("script", "kind"), [("stop", "STOPPED"), ("fail", "HANDLER_FAILED")])
def test_on_start_can_refuse_in_the_first_turn(serve: Serve, script: str, kind: str) -> None:
    server = serve(TCP, start=False, loops=1, hosted=True, on_start=script)
    server.expect("error", kind=kind, errno=None)
    assert [event["event"] for event in server.events("start", "stop", "ended")] == ["start"]


@promises("B3", "R5")
def test_several_loops_cannot_be_hosted(serve: Serve) -> None:
    server = serve(TCP, start=False, loops=2, hosted=True)
    server.expect("error", kind="INVALID_ARGUMENT", errno=None)


@promises("B3", "S3")
@needs("calls")
@pytest.mark.parametrize("loops", [1])
def test_a_hosted_server_stops_gracefully(serve: Serve, loops: int) -> None:
    server = serve(loops=loops, hosted=True)
    client = server.connect()
    conn = client.id()
    assert server.control("call server stop-gracefully 20000") == "ok"
    server.expect("stopping", thread=server.pid)
    assert client.ask("echo still served") == "still served"
    client.close()
    assert server.expect("close", id=conn)["reason"] == "eof"
    server.expect("ended")
