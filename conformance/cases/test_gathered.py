"""Many writes in few system calls: D3, and a turn's share for everyone: D9."""

from __future__ import annotations

import json
import resource
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Serve

from harness import Client, Gate, Strace, Subject, needs, pattern, promises
from harness.subject import TCP

pytestmark = needs("calls")

KIB = 1 << 10
READS = ("read", "recvfrom", "recvmsg", "readv", "recvmmsg")
WRITES = ("write", "writev", "sendto", "sendmsg", "sendmmsg")


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """As many as the system allows, for this process and the subject."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def of_loops(server: Subject, trace: Strace) -> Counter[str]:
    threads = server.turning_threads()
    return trace.counts(lambda call: call.thread in threads)


def total(counts: Counter[str], names: tuple[str, ...]) -> int:
    return sum(counts[name] for name in names)


# ---- D3 ----


@promises("D3")
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_pipelined_requests_cost_less_than_a_read_and_a_write_each(
    serve: Serve, kind: str, tmp_path: Path
) -> None:
    server = serve(TCP if kind == "tcp" else f"unix://{tmp_path}/s", loops=1, trace=False)
    client = server.connect()
    client.id()
    rounds, depth = 50, 100
    with Strace(server.pid, tmp_path / "strace") as trace:
        for number in range(rounds):
            client.command(*(f"echo {number} {line}" for line in range(depth)))
            for line in range(depth):
                assert client.line() == f"{number} {line}"
        trace.end()
    counts = of_loops(server, trace)
    # A Unix socket is found empty by a second read; batched, a hand-over costs a wake-up each way.
    assert rounds <= total(counts, READS) <= 4 * rounds < rounds * depth, counts
    assert rounds <= total(counts, WRITES) <= 4 * rounds < rounds * depth, counts


@promises("D3")
@pytest.mark.parametrize("writes", [1, 3])
def test_a_broadcast_costs_one_write_for_each_client(
    serve: Serve, writes: int, many_descriptors: None, tmp_path: Path
) -> None:
    server = serve(loops=1, trace=False)
    clients = [server.connect() for _ in range(1000)]
    ids = [client.id() for client in clients]
    talker = server.connect()
    sleeper = server.connect()
    sleeper.id()
    size = talker_room(talker)
    with Strace(server.pid, tmp_path / "strace") as trace:
        # While the loop is held up the whole broadcast arrives: it is carried out in a turn, or in a few.
        gate = Gate(tmp_path)
        sleeper.command("note-write asleep", gate.command)
        server.expect("note")
        lines = [f"note-call {conn} text news\n" for conn in ids for _ in range(writes)]
        data = "".join(lines).encode()
        assert len(data) < size
        talker.send(data)
        gate.open()
        for client in clients:
            assert [client.line() for _ in range(writes)] == ["news"] * writes
        trace.end()
    server.stats()  # Its reply comes behind the events.
    assert len(server.events("note")) == 1 + 1000 * writes
    sent = [call for call in trace.calls() if call.name in ("sendto", "sendmsg", "writev")]
    per_client = Counter(call.descriptor for call in sent)
    # A client's writes may fall into two reads of the talker's input, but few clients' do.
    reads = sum(call.name == "recvfrom" for call in trace.calls())
    assert 1000 <= len(sent) <= 1000 + 2 * reads + 2, (len(sent), reads)
    assert len(per_client) >= 1000


def talker_room(client: Client) -> int:
    """Bytes that a client can send while nobody reads: a send buffer at least."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return int(client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))


@promises("D3")
@pytest.mark.parametrize("slices", [3, 100, 2000])
def test_a_gathered_write_leaves_in_as_few_calls_as_the_kernel_allows(
    serve: Serve, slices: int, tmp_path: Path
) -> None:
    server = serve(loops=1, trace=False)
    client = server.connect()
    client.id()
    sizes = " ".join(["16"] * slices)
    with Strace(server.pid, tmp_path / "strace") as trace:
        client.command(f"note-call self gather {sizes}")
        assert client.exactly(16 * slices) == pattern(16 * slices)
        trace.end()
    sent = [call for call in trace.calls() if call.name in ("sendto", "sendmsg", "writev")]
    assert len(sent) == 1, sent


@promises("D3", "D4")
@needs("in-turn")
def test_writes_by_id_from_another_thread_share_wakeups_and_calls(serve: Serve, tmp_path: Path) -> None:
    """While the loop is held up a thousand writes come: one wake-up, and few calls to send them."""
    server = serve(loops=1, trace=False)
    client, sleeper = server.connect(), server.connect()
    conn = client.id()
    sleeper.id()
    with Strace(server.pid, tmp_path / "strace") as trace:
        gate = Gate(tmp_path)
        sleeper.command("note-write asleep", gate.command)
        server.expect("note")
        assert server.control(f"threads 4 250 {conn} write 100") == {"ok": 1000}
        gate.open()
        assert client.exactly(100_000) == pattern(100) * 1000
        trace.settle()
    threads = server.turning_threads()
    sent = [c for c in trace.calls() if c.name in ("sendto", "sendmsg", "writev") and c.thread in threads]
    # One more for the sleeper's own line.
    assert len(sent) <= 4, sent
    if server.language != "node":  # Where the threads of the runtime wake each other, too.
        assert sum(call.is_wake for call in trace.calls()) <= 1


# ---- D9 ----


def flood(client: Client, stop: threading.Event) -> None:
    """Sends all the time, as fast as it is taken."""
    # More of it lies in the sockets than a turn's budget, on both sides.
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    client.socket.settimeout(0.2)
    block = bytes(1 << 16)
    while not stop.is_set():
        try:
            client.socket.send(block)
        except (TimeoutError, ConnectionError):
            pass


@promises("D9")
@needs("in-turn")
@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("floods", [1, 3])
def test_a_flood_delays_the_others_by_its_budget_only(
    serve: Serve, kind: str, floods: int, tmp_path: Path
) -> None:
    """Counted in the flood's own bytes: those read while a request lay there."""
    budget = 32 * KIB
    url = f"{TCP}?rcvbuf=4194304" if kind == "tcp" else f"unix://{tmp_path}/s"
    server = serve(url, loops=1, trace=False, read_budget=budget)
    flooding = [server.connect() for _ in range(floods)]
    ids = [client.id() for client in flooding]
    other, sleeper = server.connect(), server.connect()
    other.id()
    sleeper.id()
    for client in flooding:
        client.command("sink")
    over = threading.Event()
    threads = [threading.Thread(target=flood, args=(client, over)) for client in flooding]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            # The loop is held up, so that the request and the flood lie there together.
            gate = Gate(tmp_path)
            sleeper.command("note-write asleep", gate.command)
            server.expect("note")
            before = [server.control(f"call {conn} info")["received"] for conn in ids]
            other.command(*(f"call {conn} info" for conn in ids))
            gate.open()
            after = [json.loads(other.line())["received"] for _ in ids]
            for one, then in zip(before, after, strict=True):
                # A read may go beyond the budget by a buffer; two turns at most.
                assert then - one <= 2 * (budget + 64 * KIB), (before, after)
            assert sleeper.line() == "asleep"
    finally:
        over.set()
        for thread in threads:
            thread.join()
    for client in flooding:
        client.reset()


@promises("D9", "D6")
@needs("in-turn", "udp")
def test_a_flood_of_datagrams_delays_the_others_by_its_budget_only(serve: Serve, tmp_path: Path) -> None:
    budget = 32 * KIB
    server = serve("udp://127.0.0.1:0?rcvbuf=4194304", TCP, loops=1, trace=False, read_budget=budget)
    server.urls.reverse()
    other, sleeper = server.connect(), server.connect()
    other.id()
    sleeper.id()
    server.remember_descriptors()
    (endpoint,) = server.control(
        f"call server endpoints {server.control('call server listeners')[0]['listener']}"
    )
    gate = Gate(tmp_path)
    sleeper.command("note-write asleep", gate.command)
    server.expect("note")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(1000):
            sender.sendto(b"sink" + bytes(996), ("127.0.0.1", int(server.urls[1].rsplit(":", 1)[1])))
    before = server.control(f"call {endpoint} info")["received"]
    other.command(f"call {endpoint} info")
    gate.open()
    received = json.loads(other.line())["received"] - before
    # A batch of datagrams may go beyond the budget: 64 of 1,000 bytes here.
    assert received <= 2 * (budget + 64 * KIB), received
    assert sleeper.line() == "asleep"


@promises("D9")
@needs("in-turn")
def test_closing_connections_that_flood_share_their_turns_too(serve: Serve, tmp_path: Path) -> None:
    """What a closed connection's peer sends is discarded, but no faster than others are served."""
    budget = 32 * KIB
    server = serve(f"{TCP}?rcvbuf=4194304", loops=1, trace=False, linger_ms=60_000, read_budget=budget)
    client, other, sleeper = server.connect(), server.connect(), server.connect()
    for one in (other, sleeper, client):
        one.id()
    client.command("close")
    assert client.to_the_end() == b""
    over = threading.Event()
    thread = threading.Thread(target=flood, args=(client, over))
    thread.start()
    try:
        for _ in range(5):
            gate = Gate(tmp_path)
            sleeper.command("note-write asleep", gate.command)
            server.expect("note")
            before = server.control("call server metrics")["bytes_read"]
            other.command("call server metrics")
            gate.open()
            after = json.loads(other.line())["bytes_read"]
            assert after - before <= 2 * (budget + 64 * KIB)
            assert sleeper.line() == "asleep"
    finally:
        over.set()
        thread.join()
    client.reset()
