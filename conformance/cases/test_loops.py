"""How many loops there are, where they run, and who gets a connection: B1, B2."""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from pathlib import Path

import pytest
from conftest import Serve

from harness import Client, Gate, Strace, Subject, eventually, needs, not_for, process, promises, several_loops
from harness.subject import TCP

pytestmark = needs("calls")

CPUS = sorted(os.sched_getaffinity(0))
NO_THREADS = "all callbacks come on the one JavaScript thread"
BALANCES = ["round-robin", "least-connections", "random", "source-hash", "reuseport"]


def cpus(numbers: list[int]) -> list[str]:
    return ["taskset", "-c", ",".join(map(str, numbers))]


def loop_of(server: Subject, client: Client) -> int:
    return int(server.control(f"call {client.id()} info")["loop"])


def expect_accepts(server: Subject, count: int) -> None:
    """Waits until accepting was tried that often in all."""
    eventually(f"accept {count}", lambda: server.control("call server metrics")["accepts"] >= count)


def client_from(url: str, source: str) -> Client:
    """A client whose address is another one of this machine's."""
    client = Client.__new__(Client)
    client._read = b""
    target = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
    client.socket = socket.create_connection(target, timeout=30, source_address=(source, 0))
    return client


# ---- B1 ----


@promises("B1")
@several_loops
@pytest.mark.parametrize("count", range(1, len(CPUS) + 1))
def test_by_default_there_is_a_loop_for_each_processor_of_the_process(serve: Serve, count: int) -> None:
    server = serve(prefix=cpus(CPUS[:count]))
    assert server.control("call server loops") == count
    names = {f"reactor-{index}" for index in range(count)} | ({"reactor-accept"} if count > 1 else set())
    expect_threads(server, names)


def expect_threads(server: Subject, names: set[str]) -> None:
    """A thread gets its name when it begins, which may be after the start."""
    eventually(f"the threads {names}", lambda: set(server.loop_threads().values()) == names)
    assert len(server.loop_threads()) == len(names)


@promises("B1")
@several_loops
@pytest.mark.parametrize("loops", [1, 2, 5])
def test_the_threads_are_named(serve: Serve, loops: int) -> None:
    server = serve(loops=loops)
    names = {f"reactor-{index}" for index in range(loops)} | ({"reactor-accept"} if loops > 1 else set())
    expect_threads(server, names)
    found = server.loop_threads()
    for index in range(loops):
        server.control(f"call server run {index} current-loop")
        ran = server.expect("ran", call="current-loop", result=index)
        assert server.language == "node" or found[ran["thread"]] == f"reactor-{index}"


@promises("B1")
@several_loops
@pytest.mark.parametrize("usable", [CPUS[:1], CPUS[-1:], CPUS], ids=["first", "last", "all"])
def test_loops_are_pinned_if_asked_each_to_one_processor(serve: Serve, usable: list[int]) -> None:
    loops = len(usable) + 1
    pinned = serve(loops=loops, pin=True, prefix=cpus(usable))
    for index in range(loops):
        # A loop's thread is bound when it begins.
        pinned.control(f"call server run {index} current-loop")
        pinned.expect("ran", call="current-loop", result=index)
    for thread, name in pinned.loop_threads().items():
        if name != "reactor-accept":
            index = int(name.removeprefix("reactor-"))
            assert os.sched_getaffinity(thread) == {usable[index % len(usable)]}, name
    free = serve(loops=loops, prefix=cpus(usable))
    for thread in free.loop_threads():
        assert os.sched_getaffinity(thread) == set(usable)


@promises("B1")
@several_loops
def test_pinning_is_the_loops_alone(serve: Serve) -> None:
    """Neither the thread that starts the server nor one that somebody else starts is bound."""
    server = serve(loops=2, pin=True)
    expect_threads(server, {"reactor-0", "reactor-1", "reactor-accept"})
    others = Path(f"/proc/{server.pid}/task").iterdir()
    engine = {t for t, name in server.loop_threads().items() if name != "reactor-accept"}
    for thread in {int(path.name) for path in others} - engine:
        assert os.sched_getaffinity(thread) == set(CPUS)


# ---- B2: who gets a connection ----


@promises("B2")
@not_for("node-inline", "one loop has nothing to balance")
@pytest.mark.parametrize("loops", [1, 2, 4])
@pytest.mark.parametrize("balance", BALANCES)
def test_every_balance_serves_every_kind(serve: Serve, balance: str, loops: int, tmp_path: Path) -> None:
    server = serve(TCP, f"unix://{tmp_path}/s", "tcp6://[::1]:0", balance=balance, loops=loops)
    for number in range(30):
        assert server.connect(number % 3).ask(f"echo {number}") == str(number)
    spread = [server.control(f"call server metrics {index}")["connections"] for index in range(loops)]
    assert sum(spread) == 30
    if balance in ("round-robin", "least-connections"):
        assert max(spread) - min(spread) <= 1, spread


@promises("B2")
@several_loops
def test_round_robin_goes_round_whoever_leaves(serve: Serve) -> None:
    server = serve(loops=3, balance="round-robin")
    for turn in range(9):
        client = server.connect()
        assert loop_of(server, client) == turn % 3
        client.close()
        server.expect("close")


@promises("B2")
@several_loops
def test_least_connections_fills_the_emptiest(serve: Serve) -> None:
    server = serve(loops=3, balance="least-connections")
    clients = []
    for _ in range(9):
        clients.append(server.connect())
        clients[-1].id()
    by_loop: dict[int, list[Client]] = {0: [], 1: [], 2: []}
    for client in clients:
        by_loop[loop_of(server, client)].append(client)
    assert [len(found) for found in by_loop.values()] == [3, 3, 3]
    for client in by_loop[1]:
        client.close()
    server.expect_idle(6)
    assert [loop_of(server, server.connect()) for _ in range(3)] == [1, 1, 1]
    assert sorted(loop_of(server, server.connect()) for _ in range(3)) == [0, 1, 2]


@promises("B2")
@several_loops
@not_for("node", NO_THREADS)
def test_least_connections_counts_those_on_their_way(serve: Serve, tmp_path: Path) -> None:
    """A loop whose callback is held up takes nobody in: who was dealt to it counts all the same."""
    server = serve(loops=2, balance="least-connections", trace=False)
    sleepers = {loop_of(server, client): client for client in (server.connect(), server.connect())}
    gates = [Gate(tmp_path) for _ in sleepers]
    for client, gate in zip(sleepers.values(), gates, strict=True):
        client.command("note-write asleep", gate.command)
        server.expect("note")
    accepts = server.control("call server metrics")["accepts"]
    clients: list[Client] = []
    for number in range(1, 9):
        clients.append(server.connect())
        # Each in a batch of its own.
        expect_accepts(server, accepts + number)
    for gate in gates:
        gate.open()
    assert Counter(loop_of(server, client) for client in clients) == {0: 4, 1: 4}


@promises("B2")
@several_loops
def test_random_meets_every_loop_but_not_in_turn(serve: Serve) -> None:
    server = serve(loops=2, balance="random", trace=False)
    met = []
    for _ in range(60):
        with Client(server.urls[0]) as client:
            met.append(loop_of(server, client))
    # Once in 2^58 each: one loop only, or strictly in turn.
    assert set(met) == {0, 1}
    assert any(one == other for one, other in zip(met, met[1:], strict=False))


@promises("B2")
@several_loops
def test_source_hash_leads_an_address_to_the_same_loop(serve: Serve) -> None:
    server = serve(loops=4, balance="source-hash", trace=False)
    met: dict[str, set[int]] = {}
    for last in range(1, 41):
        source = f"127.0.0.{last}"
        for _ in range(3):
            with client_from(server.urls[0], source) as client:
                met.setdefault(source, set()).add(loop_of(server, client))
    assert all(len(loops) == 1 for loops in met.values()), "an address has one loop"
    # 40 addresses miss one of four loops once in 25,000.
    assert set().union(*met.values()) == {0, 1, 2, 3}


@promises("B2")
@several_loops
def test_with_reuseport_each_loop_accepts_for_itself(serve: Serve, tmp_path: Path) -> None:
    server = serve(loops=3, balance="reuseport", trace=False)
    expect_threads(server, {"reactor-0", "reactor-1", "reactor-2", "reactor-accept"})
    names = server.loop_threads()
    with Strace(server.pid, tmp_path / "strace") as trace:
        for _ in range(60):
            server.connect().id()
        trace.settle()
    accepting = Counter(names[call.thread] for call in trace.calls() if call.name == "accept4")
    # 60 connections miss one of three loops once in 10^10.
    assert set(accepting) == {"reactor-0", "reactor-1", "reactor-2"}
    spread = [server.control(f"call server metrics {index}")["connections"] for index in range(3)]
    assert sum(spread) == 60 and min(spread) > 0, spread


# ---- B2: what it costs ----


@promises("B2")
@several_loops
@pytest.mark.parametrize("loops", [2, 4])
def test_a_burst_of_connections_wakes_each_loop_once_per_batch(
    serve: Serve, loops: int, tmp_path: Path
) -> None:
    """The process is halted while they come, so that it finds them together."""
    server = serve(loops=loops, trace=False)
    count = 64
    expect_threads(server, {"reactor-accept", *(f"reactor-{index}" for index in range(loops))})
    accepting = next(thread for thread, name in server.loop_threads().items() if name == "reactor-accept")
    os.kill(server.pid, signal.SIGSTOP)
    eventually("the halt", server.is_halted)
    clients = [server.connect() for _ in range(count)]
    with Strace(server.pid, tmp_path / "strace") as trace:
        os.kill(server.pid, signal.SIGCONT)
        for client in clients:
            client.id()
        trace.settle()
    by_thread = [call for call in trace.calls() if call.thread == accepting]
    accepts = sum(call.name == "accept4" for call in by_thread)
    wakes = sum(call.is_wake for call in by_thread)
    assert count <= accepts <= count + 2, "each is accepted once, and the queue is found empty"
    assert wakes <= loops, "one wake-up for each loop"


@promises("B2")
@several_loops
def test_a_connection_wakes_one_loop_and_leaves_the_others_asleep(serve: Serve, tmp_path: Path) -> None:
    server = serve(loops=4, trace=False)
    with Strace(server.pid, tmp_path / "strace") as trace:
        server.connect().id()
        trace.settle()
    names = server.loop_threads()
    awake = {names[call.thread] for call in trace.calls() if call.thread in names}
    assert len(awake) == 2 and "reactor-accept" in awake, awake


@promises("B2")
@several_loops
@not_for("node", NO_THREADS)
@pytest.mark.parametrize("balance", [name for name in BALANCES if name != "reuseport"])
def test_a_blocked_callback_does_not_stop_accepting(serve: Serve, balance: str, tmp_path: Path) -> None:
    """Connections are accepted and dealt while every loop is held up: none stays in the kernel's queue."""
    server = serve(loops=2, balance=balance, trace=False)
    sleepers: dict[int, Client] = {}
    while len(sleepers) < 2:
        client = Client(server.urls[0]) if balance != "source-hash" else None
        if client is None:
            client = client_from(server.urls[0], f"127.0.0.{len(server.clients) + 1}")
        server.clients.append(client)
        sleepers.setdefault(loop_of(server, client), client)
    gates = [Gate(tmp_path) for _ in sleepers]
    for client, gate in zip(sleepers.values(), gates, strict=True):
        client.command("note-write asleep", gate.command, "note-write awake")
    for _ in sleepers:
        server.expect("note")
    before = server.control("call server metrics")["accepts"]
    clients = [server.connect() for _ in range(20)]
    expect_accepts(server, before + len(clients))
    for gate in gates:
        gate.open()
    for number, client in enumerate(clients):
        assert client.ask(f"echo {number}") == str(number)
    for client in sleepers.values():
        assert [client.line(), client.line()] == ["asleep", "awake"]


@promises("B2")
@several_loops
def test_who_connects_while_a_callback_blocks_is_accepted(serve: Serve, tmp_path: Path) -> None:
    """Seen from outside, as where all callbacks come on one thread nothing can be asked meanwhile: none stays in the kernel's queue."""
    server = serve(loops=2, trace=False, balance="round-robin")
    slow, gate = server.connect(), Gate(tmp_path)
    slow.id()
    slow.command("note-write asleep", gate.command, "note-write awake")
    server.expect("note")
    before = sockets_of(server)
    clients = [server.connect() for _ in range(20)]
    eventually("their sockets", lambda: sockets_of(server) == before + 20)
    gate.open()
    for number, client in enumerate(clients):
        assert client.ask(f"echo {number}") == str(number)
    assert [slow.line(), slow.line()] == ["asleep", "awake"]


def sockets_of(server: Subject) -> int:
    return sum(what.startswith("socket:") for what in process.descriptors(server.pid).values())
