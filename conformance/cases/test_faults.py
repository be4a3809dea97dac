"""What goes wrong, and harms nobody else: R2, R4."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Serve

from harness import Client, Strace, Subject, eventually, promises
from harness.poller import WAIT
from harness.subject import TCP


@contextmanager
def well_behaved(url: str) -> Iterator[None]:
    """A client that echoes and checks all the while, and must not notice a thing."""
    over = threading.Event()

    def echo() -> int:
        rounds = 0
        with Client(url) as client:
            while not over.is_set() or not rounds:
                block = os.urandom(rounds * 37 % 5000 + 1)
                client.send(block)
                assert client.exactly(len(block)) == block
                rounds += 1
        return rounds

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(echo)
        try:
            yield
        finally:
            over.set()
        assert running.result() > 0


def send_some(client: Client, data: bytes) -> None:
    """As much as the kernel takes at once."""
    client.socket.setblocking(False)
    try:
        client.socket.send(data)
    except BlockingIOError:
        pass
    client.socket.setblocking(True)


def right_after_connect(client: Client) -> None:
    client.reset()


def in_mid_send(client: Client) -> None:
    send_some(client, bytes(1 << 18))
    client.reset()


def with_unread_output(client: Client) -> None:
    client.send(bytes(20_000))
    client.socket.recv(1, socket.MSG_PEEK)
    client.reset()


def half_closed(client: Client) -> None:
    client.send(bytes(20_000))
    client.end()
    client.reset()


def without_a_reset(client: Client) -> None:
    send_some(client, bytes(1 << 16))
    client.close()


AWKWARD = (right_after_connect, in_mid_send, with_unread_output, half_closed, without_a_reset)


def disturb(url: str, moment: Callable[[Client], None], times: int) -> None:
    for _ in range(times):
        moment(Client(url))


@promises("R2", "L1")
def test_4000_resets_at_awkward_moments_disturb_nobody(serve: Serve, tmp_path: Path) -> None:
    server = serve(TCP, f"unix://{tmp_path}/s", loops=2, mode="echo")
    with well_behaved(server.urls[0]), well_behaved(server.urls[1]), ThreadPoolExecutor(5) as clients:
        runs = [clients.submit(disturb, url, moment, 400) for moment in AWKWARD for url in server.urls]
        for run in runs:
            run.result()
    server.expect_nothing_left()
    assert len(server.events("open")) == len(server.events("close")) <= 4002
    reasons = {event["reason"] for event in server.events("close")}
    assert reasons == {"reset", "eof"}


@promises("R2", "L1")
def test_a_write_to_a_peer_that_has_gone_ends_that_connection_only(serve: Serve) -> None:
    """No SIGPIPE, and no error but the connection's own."""
    server = serve(loops=1)
    other = server.connect()
    other.id()
    for _ in range(10):
        client = server.connect()
        conn = client.id()
        client.command("sleep 20", "writes 10 1000", "writes 10 1000")
        client.reset()
        event = server.expect("close", id=conn)
        assert (event["reason"], event["errno"]) in [
            ("reset", errno.ECONNRESET),
            ("reset", errno.EPIPE),
        ]
    assert other.ask("echo fine") == "fine"


@promises("R2")
def test_a_unix_peer_that_has_gone_ends_that_connection_only(serve: Serve, tmp_path: Path) -> None:
    server = serve(f"unix://{tmp_path}/s", loops=1)
    other = server.connect()
    other.id()
    for _ in range(10):
        client = server.connect()
        conn = client.id()
        client.command("sleep 20", "writes 10 1000")
        client.close()
        assert server.expect("close", id=conn)["reason"] in ("reset", "eof")
    assert other.ask("echo fine") == "fine"


INTERRUPTED = [
    ("accept4", "ECONNABORTED"),
    ("accept4", "EINTR"),
    ("accept4", "ETIMEDOUT"),
    (WAIT, "EINTR"),
    ("recvfrom", "EINTR"),
    ("sendto", "EINTR"),
]


@promises("R2")
@pytest.mark.parametrize(("call", "error"), INTERRUPTED, ids=lambda value: value)
def test_errors_of_the_moment_end_no_connection(serve: Serve, call: str, error: str, tmp_path: Path) -> None:
    """Every third call fails, in all threads: where a host polls and then its loop, that meets both of them."""
    server = serve(loops=2)
    old = server.connect()
    old.id()
    with Strace(server.pid, tmp_path / "strace", "-e", f"inject={call}:error={error}:when=1+3") as trace:
        for number in range(10):
            new = server.connect()
            for client in (old, new):
                assert client.ask(f"echo {number}") == str(number)
        assert trace.injected() > 3
    assert server.events("close") == []


@promises("R1", "R2", "T4")
@pytest.mark.parametrize(("error", "loops"), [("EPERM", 1), ("EPROTO", 2), ("EIO", 1), ("ENETDOWN", 2)])
def test_an_error_of_accept_that_stays_makes_nobody_spin(
    serve: Serve, error: str, loops: int, tmp_path: Path
) -> None:
    """Also one that may concern a single connection, as each of these but EIO."""
    server = serve(loops=loops)
    old = server.connect()
    old.id()
    with Strace(server.pid, tmp_path / "strace", "-e", f"inject=accept4:error={error}") as trace:
        new = server.connect()
        new.command("echo in")
        eventually("a failure", lambda: trace.injected() > 0)
        # The promise is about how much is done in a time.
        began, before = time.monotonic(), trace.injected()
        time.sleep(1)
        assert old.ask("echo there") == "there"
        tries, took = trace.injected() - before, time.monotonic() - began
        # One try in 100 ms, but for the first few.
        assert tries <= 10 * took + 10
    assert new.line() == "in"


FATAL = [
    ("recvfrom", errno.ETIMEDOUT),
    ("recvfrom", errno.ECONNRESET),
    ("sendto", errno.ENOBUFS),
    ("sendto", errno.EPIPE),
    ("sendto", errno.ETIMEDOUT),
]


@promises("R2", "L1")
@pytest.mark.parametrize(("call", "number"), FATAL, ids=str)
def test_an_error_of_one_connection_ends_that_one(
    serve: Serve, call: str, number: int, tmp_path: Path
) -> None:
    server = serve(loops=1)
    victim, other = server.connect(), server.connect()
    conn = victim.id()
    other.id()
    inject = f"inject={call}:error={errno.errorcode[number]}:when=1"
    with Strace(server.pid, tmp_path / "strace", "-e", inject):
        victim.command("echo lost")
        event = server.expect("close", id=conn)
        assert (event["reason"], event["errno"]) == ("reset", number)
        assert other.ask("echo fine") == "fine"
    assert len(server.events("close")) == 1


SENDS = "sendto,sendmsg"
CUT = [
    (SENDS, errno.ENOBUFS, 1, "write"),
    (SENDS, errno.ENOBUFS, 2, "write"),
    (SENDS, errno.ENOMEM, 3, "by-id"),
    (SENDS, errno.ENOBUFS, 2, "close"),
    ("recvfrom", errno.ENOMEM, 1, "write"),
]


@promises("L4", "R2")
@pytest.mark.parametrize(("calls", "number", "nth", "way"), CUT, ids=str)
def test_what_an_error_cuts_short_never_ends_cleanly(
    serve: Serve, calls: str, number: int, nth: int, way: str, tmp_path: Path
) -> None:
    """The peer lives and reads: it must not take what it has for all there was."""
    server = serve(loops=1, high_water=1 << 24)
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    if calls == "recvfrom":
        # Output waits when the read fails.
        client.command("write 8000000")
        client.exactly(100_000)
    inject = f"inject={calls}:error={errno.errorcode[number]}:when={nth}"
    with Strace(server.pid, tmp_path / "strace", "-e", inject) as trace:
        if calls == "recvfrom":
            client.command("echo never read")
        elif way == "by-id":
            assert server.control(f"write {conn} 8000000") == "ok"
        else:
            client.command("write 8000000", *(["close"] if way == "close" else []))
        with pytest.raises(ConnectionResetError):
            # A peer that reads as fast as is sent may have all of it by a single call.
            while not trace.injected() and client.chunk(4096):
                pass
            client.to_the_end()
        event = server.expect("close", id=conn)
    expected = ("local close", None) if way == "close" else ("reset", number)
    assert (event["reason"], event["errno"]) == expected


@promises("R2")
def test_stopping_and_continuing_the_process_loses_nothing(serve: Serve) -> None:
    server = serve(loops=2, mode="echo")
    with well_behaved(server.urls[0]), well_behaved(server.urls[0]):
        for _ in range(20):
            with server.halted():
                pass
            server.stats()


# ---- handlers that fail ----


def expect_failed(server: Subject, conn: str) -> None:
    """The user is told, where the language has a way to."""
    if server.name == "python" or server.language == "node":
        assert "told to fail" in server.expect("failed", id=conn)["message"]


@promises("R4")
@pytest.mark.parametrize("loops", [1, 2])
def test_a_failing_on_data_closes_its_connection_only(serve: Serve, loops: int) -> None:
    server = serve(loops=loops)
    others = [server.connect() for _ in range(4)]
    for other in others:
        other.id()
    for _ in range(20):
        client = server.connect()
        conn = client.id()
        client.command("echo before", "fail")
        assert client.to_the_end() == b"before\n"
        client.close()
        assert server.expect("close", id=conn)["reason"] == "handler error"
        expect_failed(server, conn)
    for other in others:
        assert other.ask("echo fine") == "fine"
    assert len(server.events("close")) == 20


@promises("R4")
def test_a_failing_on_open_closes_its_connection_only(serve: Serve) -> None:
    server = serve(on_open="echo hello;fail")
    for _ in range(3):
        client = server.connect()
        assert client.to_the_end() == b"hello\n"
        client.close()
        conn = server.expect("open")["id"]
        assert server.expect("close", id=conn)["reason"] == "handler error"
        expect_failed(server, conn)


@promises("R4")
def test_a_failing_on_drain_closes_its_connection_only(serve: Serve) -> None:
    server = serve(high_water=100_000, on_drain="fail")
    other = server.connect()
    other.id()
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    client.command("write 6000000")
    assert len(client.to_the_end()) == 6_000_000
    client.close()
    assert server.expect("close", id=conn)["reason"] == "handler error"
    expect_failed(server, conn)
    assert other.ask("echo fine") == "fine"


@promises("R4")
def test_a_failing_on_close_harms_nobody(serve: Serve) -> None:
    server = serve(on_close="fail")
    other = server.connect()
    other.id()
    for _ in range(3):
        client = server.connect()
        conn = client.id()
        client.close()
        assert server.expect("close", id=conn)["reason"] == "eof"
        expect_failed(server, conn)
    assert other.ask("echo fine") == "fine"
    # The last one fails when the server stops: that is survived, too.
    server.tell("stop")
    server.expect("ended")
