"""The table of defaults, each run into: D2, D5, D7, D9, L4, S3."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Serve
from test_gathered import flood
from test_outgoing import silent

from harness import Client, Gate, Subject, eventually, needs, not_for, pattern, promises
from harness.subject import TCP

pytestmark = needs("calls")

#: Why the queue is not what a callback has written.
AT_ONCE = "many bytes leave from within the callback there, as far as the kernel takes them, as nobody has on_pre_write"

KIB, MIB = 1 << 10, 1 << 20


@contextmanager
def held_up(server: Subject, directory: Path) -> Iterator[None]:
    """The server's one loop is held up in a callback: all that is written meanwhile is queued."""
    holder, gate = server.connect(), Gate(directory)
    holder.command("note-write held up", gate.command)
    server.expect("note")
    yield
    gate.open()


@promises("D5", "D4")
@needs("in-turn")
def test_the_marks_are_1_mib_and_64_mib_for_other_threads(serve: Serve, tmp_path: Path) -> None:
    server = serve(loops=1, trace=False, byte_budget="none", keep_on_overflow=True)
    client = server.connect()
    conn = client.id()
    with held_up(server, tmp_path):
        assert server.control(f"write {conn} {MIB}") == "ok"
        assert server.control(f"call {conn} bytes 00") == "high"
        assert server.control(f"write {conn} {63 * MIB - 1}") == "high"
        assert server.control(f"call {conn} bytes 00") == "FULL"
        assert server.control(f"call {conn} info")["queued"] == 64 * MIB
    assert client.exactly(MIB) == pattern(MIB)
    assert client.exactly(1) == b"\0"
    assert client.exactly(63 * MIB - 1) == pattern(63 * MIB - 1)
    assert server.control(f"call {conn} bytes 00") == "ok"


@promises("D5")
@not_for("node-inline", AT_ONCE)
def test_the_marks_are_1_mib_and_64_mib_in_a_callback(serve: Serve) -> None:
    server = serve(loops=1, byte_budget="none")
    client = server.connect()
    conn = client.id()
    client.command(f"note-call self write {MIB}", "note-call self bytes 00")
    assert [server.expect("note")["text"] for _ in range(2)] == ["ok", "high"]
    assert client.exactly(MIB + 1) == pattern(MIB) + b"\0"
    client.command(f"note-call self write {64 * MIB}")
    assert server.expect("note")["text"] == "high"
    assert client.exactly(64 * MIB) == pattern(64 * MIB)
    client.command(f"note-call self write {64 * MIB}", "note-call self bytes 00")
    assert server.expect("note")["text"] == "high"
    assert server.expect("close", id=conn)["reason"] == "overflow"


@promises("D5")
def test_the_low_water_mark_is_512_kib(serve: Serve) -> None:
    """The kernel takes little at a time, so that the queue is seen just below the mark."""
    server = serve(f"{TCP}?sndbuf=20000", loops=1, on_drain="note-call self info")
    client = server.connect(receive_buffer=1 << 13)
    client.id()
    client.command(f"write {4 * MIB}")
    # A slow reader gives the loop the time for turns of its own.
    got = bytearray()
    while not server.events("note") and len(got) < 4 * MIB:
        got += client.chunk(1 << 14)
    queued = json.loads(server.expect("note")["text"])["queued"]
    got += client.exactly(4 * MIB - len(got))
    assert got == pattern(4 * MIB)
    assert queued <= 512 * KIB
    # Beside a callback that has yet to come the loop goes on sending.
    assert queued > 256 * KIB or not server.has("in-turn")


@promises("D2")
@needs("framing", "metrics")
def test_the_largest_frame_is_16_mib(serve: Serve) -> None:
    server = serve(mode="sink", listen_options="framing=length:4:big")
    fits, beyond = 16 * MIB - 4, 16 * MIB + 1
    client, other = server.connect(), server.connect()
    client.send(struct.pack(">I", fits) + bytes(fits))
    eventually("the frame", lambda: server.control("call server metrics")["messages_read"] == 1)
    client.end()
    assert client.to_the_end() == b""
    assert server.expect("close")["reason"] == "eof"
    other.send(struct.pack(">I", beyond))
    assert server.expect("close")["reason"] == "protocol error"


@promises("D2")
@needs("framing")
def test_no_more_than_the_largest_frame_is_kept(serve: Serve) -> None:
    server = serve(mode="keep", loops=1)
    client = server.connect()
    conn = client.id()
    line = b"echo " + b"x" * (16 * MIB - 10)
    client.send(line + b"\n")
    assert client.line() == line[5:].decode()
    threading.Thread(target=_send, args=(client, bytes(17 * MIB)), daemon=True).start()
    assert server.expect("close", id=conn)["reason"] == "protocol error"


def _send(client: Client, data: bytes) -> None:
    """Sends as long as there is anybody who takes it."""
    try:
        client.send(data)
    except OSError:
        pass


@promises("L4")
def test_the_linger_limit_is_2_seconds(serve: Serve) -> None:
    server = serve(loops=1)
    client = server.connect()
    conn = client.id()
    began = time.monotonic()
    client.command("echo last", "close")
    assert client.to_the_end() == b"last\n"
    assert server.expect("close", id=conn)["reason"] == "local close"
    # The promise is a time.
    assert 1.9 <= time.monotonic() - began <= 10


@promises("D9")
def test_the_read_budget_is_256_kib(serve: Serve) -> None:
    """More than that lies in the socket, if the system allows so large a buffer, and a request behind it."""
    server = serve(f"{TCP}?rcvbuf=4194304", loops=1, trace=False)
    flooding, other = server.connect(), server.connect()
    conn = flooding.id()
    other.id()
    flooding.command("note-write dropped", "sink")
    server.expect("note")
    budget, one_read = 256 * KIB, 64 * KIB
    has_room = int(Path("/proc/sys/net/core/rmem_max").read_text()) >= MIB
    lies_there = budget if has_room else 1
    over = threading.Event()
    thread = threading.Thread(target=flood, args=(flooding, over))
    before = server.control(f"call {conn} info")["received"]
    try:
        # The flood comes first, the request behind it, both while the loop stands still.
        with server.halted():
            thread.start()
            eventually("bytes under way", lambda: _unread(server) >= lies_there)
            other.command(f"call {conn} info")
        received = json.loads(other.line())["received"] - before
    finally:
        over.set()
        thread.join()
    assert received <= budget, received
    if has_room:
        assert received >= budget - one_read, received
    flooding.reset()


def _unread(server: Subject) -> int:
    """Bytes that wait in the sockets of the subject's port."""
    port = server.urls[0].rsplit(":", 1)[1]
    command = ["ss", "-tnH", "state", "established", "sport", "=", f":{port}"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return max((int(line.split()[0]) for line in lines), default=0)


@promises("D7", "S3")
@not_for("python-asyncio", "half a minute, for what the core does alone, and `python` shows")
@needs("outgoing")
def test_the_connect_timeout_and_the_stop_deadline_are_30_seconds(serve: Serve, tmp_path: Path) -> None:
    """The one slow case: both at once."""
    server, other = serve(), serve()
    client = server.connect()
    conn = client.id()
    with silent("tcp", tmp_path) as url:
        began = time.monotonic()
        outgoing = other.control(f"call server connect {url}")
        assert server.control("call server stop-gracefully 0") == "ok"
        deadline = began + 29
        while time.monotonic() < deadline:
            assert not server.events("close") and not other.events("close")
            assert client.ask("echo there") == "there"
            time.sleep(0.5)
        assert server.expect("close", id=conn)["reason"] == "shutdown"
        assert other.expect("close", id=outgoing)["reason"] == "time-out"
        assert 29.9 <= time.monotonic() - began <= 50
    server.expect("ended")


@promises("T3", "R3")
def test_timeouts_and_limits_of_connections_are_off(serve: Serve) -> None:
    server = serve(loops=1, trace=False)
    clients = [server.connect() for _ in range(300)]
    for number, client in enumerate(clients):
        assert client.ask(f"echo {number}") == str(number)
    metrics = server.control("call server metrics")
    assert (metrics["connections"], metrics["refused_by_total"], metrics["refused_by_address"]) == (300, 0, 0)


# ---- the byte budget ----


def memory_groups() -> list[Path]:
    """Where this user may make a control group with a limit of memory: version 1 or version 2, or nowhere."""
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        if "memory" in controllers.split(","):
            found.append(Path("/sys/fs/cgroup/memory") / own.lstrip("/"))
    return [group for group in found if os.access(group, os.W_OK) and group.is_dir()]


@pytest.fixture
def memory_group() -> Iterator[list[str]]:
    """A control group with 80 MiB of memory: the command that runs another one in it."""
    own = memory_groups()[0] / f"conformance-{os.getpid()}"
    own.mkdir()
    try:
        (own / "memory.limit_in_bytes").write_text(str(80 * MIB))
        yield ["sh", "-c", f'echo $$ > {own}/cgroup.procs && exec "$0" "$@"']
    finally:
        eventually("the end of the group", lambda: not (own / "cgroup.procs").read_text())
        own.rmdir()


if memory_groups():

    @promises("D5")
    @needs("in-turn")
    def test_the_byte_budget_is_a_quarter_of_the_memory_of_the_control_group(
        memory_group: list[str], serve: Serve, tmp_path: Path
    ) -> None:
        server = serve(loops=1, trace=False, prefix=memory_group)
        clients = [server.connect() for _ in range(2)]
        ids = [client.id() for client in clients]
        with held_up(server, tmp_path):
            assert server.control(f"write {ids[0]} {15 * MIB}") == "high"
            assert server.control(f"write {ids[1]} {6 * MIB}") == "FULL"
            # The holder's own line counts, too.
            assert server.control(f"write {ids[1]} {5 * MIB - 100}") == "high"
            assert server.control(f"write {ids[1]} 1000") == "FULL"
        assert clients[0].exactly(15 * MIB) == pattern(15 * MIB)
        assert clients[1].exactly(5 * MIB - 100) == pattern(5 * MIB - 100)
        server.expect_idle(3)
        assert server.control(f"write {ids[1]} 1000") == "ok"
        assert clients[1].exactly(1000) == pattern(1000)
