"""What it costs, counted in system calls: D3, T4, and who wakes for a connection: B2."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Serve

from harness import Gate, Strace, Subject, needs, not_for, promises, several_loops
from harness.strace import Call
from harness.subject import TCP

ONE_THREAD = "all callbacks come on the one JavaScript thread"
POLLS = frozenset({"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select"})
READS = frozenset({"read", "recvfrom", "recvmsg", "readv"})
WRITES = frozenset({"write", "writev", "sendto", "sendmsg"})


def of_loops(server: Subject) -> Callable[[Call], bool]:
    """Calls of the threads that turn."""
    threads = server.turning_threads()
    return lambda call: call.thread in threads


def total(counts: Counter[str], names: frozenset[str]) -> int:
    return sum(count for name, count in counts.items() if name in names)


@promises("D3")
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_request_costs_one_read_one_write_one_poll(serve: Serve, kind: str, tmp_path: Path) -> None:
    """Batched, a wake-up each way may come on top: one eventfd write, its read, and a poll on each side."""
    server = serve(TCP if kind == "tcp" else f"unix://{tmp_path}/s", loops=1, mode="echo", trace=False)
    client = server.connect()
    count = 1000
    request = b"sixteen bytes in" * 4
    with Strace(server.pid, tmp_path / "strace") as trace:
        for _ in range(count):
            client.send(request)
            assert client.exactly(len(request)) == request
        trace.end()
    loop, whole = trace.counts(of_loops(server)), trace.counts()
    assert min(loop["recvfrom"], loop["sendto"]) >= count, "every request was seen"
    # A short read proves nothing on a Unix socket: there, a second one finds it empty.
    reads = 1 if kind == "tcp" else 2
    inline = server.name in ("rust", "c")
    # By thread and descriptor: Node's own tasks wake its thread through the descriptor that ours do.
    wakes = Counter((call.thread, call.descriptor) for call in trace.calls() if call.is_wake)
    if inline:
        assert total(loop, READS) <= reads * count, loop
        assert total(loop, WRITES) <= count, loop
        assert total(loop, POLLS) <= count + 1, loop
        assert whole == loop, "no other thread does anything"
        assert loop.total() <= (reads + 2) * count + 1, loop
    else:
        assert loop["recvfrom"] <= reads * count, loop
        assert loop["sendto"] + loop["sendmsg"] <= count, loop
        assert max(wakes.values(), default=0) <= count, f"one wake-up each way: {wakes}"
        # Node's own loop, the host, polls for tasks of its own besides; ours polls no more than it has requests.
        ours = Counter(call.descriptor for call in trace.calls() if of_loops(server)(call) and call.name in POLLS)
        assert total(loop, POLLS) <= 2 * count + 2 or (server.name == "node-inline" and min(ours.values()) <= count + 1), ours


@promises("D3")
@pytest.mark.parametrize("lines", [50])
def test_many_writes_of_one_turn_leave_together(serve: Serve, lines: int, tmp_path: Path) -> None:
    server = serve(loops=1, trace=False)
    client = server.connect()
    client.id()
    rounds = 100
    with Strace(server.pid, tmp_path / "strace") as trace:
        for _ in range(rounds):
            client.command(*(f"echo {number}" for number in range(lines)))
            for number in range(lines):
                assert client.line() == str(number)
        trace.end()
    loop = trace.counts(of_loops(server))
    sent = loop["sendto"] + loop["sendmsg"]
    # Node's handler writes while the loop runs: a turn may take what it has written so far.
    assert rounds <= sent <= rounds * (2 if server.name == "node" else 1), loop


@promises("T4")
@pytest.mark.parametrize("loops", [2])
def test_an_idle_server_with_500_connections_makes_no_system_call(
    serve: Serve, loops: int, tmp_path: Path
) -> None:
    """Of the whole process, libuv's and V8's threads in Node and the interpreter's in Python included."""
    server = serve(loops=loops, mode="echo", trace=False)
    clients = [server.connect() for _ in range(500)]
    for client in clients:
        client.send(b"hello")
        assert client.exactly(5) == b"hello"
    with Strace(server.pid, tmp_path / "strace") as trace:
        # JavaScript's machine tidies up behind the traffic, on a busy computer for long.
        tries = 5 if server.language == "node" else 1
        assert any(is_still_for_five_seconds(trace) for _ in range(tries)), trace.calls()
        # It was seen asleep, not overlooked.
        clients[0].send(b"hello")
        assert clients[0].exactly(5) == b"hello"
    assert trace.counts()["recvfrom"] == 1


def is_still_for_five_seconds(trace: Strace) -> bool:
    before = len(trace.calls())
    time.sleep(5)  # The promise is about time: nothing is waited for.
    return len(trace.calls()) == before


@promises("T4")
@needs("in-turn")
def test_wakes_of_a_busy_loop_cost_one_and_are_drained(serve: Serve, tmp_path: Path) -> None:
    server = serve(loops=1, trace=False)
    client = server.connect()
    conn = client.id()
    with Strace(server.pid, tmp_path / "strace") as trace:
        gate = Gate(tmp_path)
        client.command("note-write asleep", gate.command, "echo awake")
        server.expect("note")
        assert server.control(f"burst {conn} 60 10").split(" ") == ["ok"] * 60
        gate.open()
        assert [client.line(), client.line()] == ["asleep", "awake"]
        assert len(client.exactly(600)) == 600
        trace.settle()  # A wake that is not drained would spin for ever.
    wakes = [call for call in trace.calls() if call.is_wake]
    # The threads of Node's runtime wake each other, too; what it counts of the engine's, test_wake_ups_are_counted_as_they_coalesce sees.
    assert len(wakes) <= 1 or server.language == "node", wakes


@promises("T4")
def test_wakes_of_one_callback_coalesce_and_are_drained(serve: Serve, tmp_path: Path) -> None:
    """Writes to another connection of the same loop: inline none needs a wake-up, batched they share one."""
    server = serve(loops=1, trace=False)
    client, other = server.connect(), server.connect()
    conn = other.id()
    client.id()
    with Strace(server.pid, tmp_path / "strace") as trace:
        client.command(*(f"to {conn} {number}" for number in range(60)))
        for number in range(60):
            assert other.line() == str(number)
            assert client.line() == "ok"
        trace.settle()
    assert trace.counts()["recvfrom"] > 0
    wakes = sum(call.is_wake for call in trace.calls())
    # A hand-over may take two reads: one wake-up each way for each.
    assert wakes <= (0 if server.name in ("rust", "c") else 4), trace.calls()


@promises("T4")
def test_a_sleeping_loop_is_woken_by_each_kind_of_call(serve: Serve) -> None:
    """The other side of coalescing: no wake is lost."""
    server = serve(loops=2, trace=False)
    clients = [server.connect() for _ in range(2)]
    ids = [client.id() for client in clients]
    for number in range(300):
        for client, conn in zip(clients, ids, strict=True):
            assert server.control(f"text {conn} {number}") == "ok"
            assert client.line() == str(number)
    for number in range(300):
        assert clients[0].ask(f"to {ids[1]} {number}") == "ok"
        assert clients[1].line() == str(number)
    assert server.control(f"close {ids[0]}") == "ok"
    assert clients[0].to_the_end() == b""


@promises("B2")
@several_loops
@not_for("node", ONE_THREAD)
def test_nine_connections_over_four_loops_fall_3_2_2_2(serve: Serve) -> None:
    server = serve(loops=4)
    for _ in range(9):
        server.connect().id()
    dealt = Counter(server.expect("open")["thread"] for _ in range(9))
    assert sorted(dealt.values(), reverse=True) == [3, 2, 2, 2]


@promises("B2")
@several_loops
@not_for("node", ONE_THREAD)
def test_a_slow_callback_does_not_stop_accepting(serve: Serve, tmp_path: Path) -> None:
    server = serve(loops=2)
    slow, gate = server.connect(), Gate(tmp_path)
    slow.id()
    slow.command("note-write asleep", gate.command, "note-write awake")
    server.expect("note")
    server.connect()  # Dealt to the other loop, the next one to the slow one, and so on.
    for _ in range(3):
        server.connect()
        assert server.connect().ask("echo fast") == "fast"
    gate.open()
    assert [slow.line(), slow.line()] == ["asleep", "awake"]


@promises("B2")
@several_loops
def test_one_connection_wakes_who_accepts_and_one_loop(serve: Serve, tmp_path: Path) -> None:
    server = serve(loops=4, trace=False)
    server.connect().id()
    with Strace(server.pid, tmp_path / "strace") as trace:
        server.connect().id()
        trace.settle()
    awake = {call.thread for call in trace.calls()} & server.turning_threads()
    assert len(awake) == 2, trace.calls()
    assert trace.counts()["accept4"] <= 2
