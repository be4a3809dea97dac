"""Calls on connections, and the callbacks that they bring about."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import reactor
from helpers import TCP, Recorder, Running, call_in_thread, connect, exchange, receive, wait_until, writes


class Listening:
    """A started server that listens at a URL, stopped at the end."""

    def __init__(self, handler: object, url: str, **options: Any) -> None:
        self.server = reactor.Server(handler, **options)
        self.url = self.server.listen(url)

    def __enter__(self) -> Listening:
        self.server.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.server.stop()
        self.server.wait()


class Events(Recorder):
    """All callbacks besides."""

    def on_eof(self, conn: reactor.Conn) -> Any:
        return self.note("on_eof", conn)

    def on_wake(self, conn: reactor.Conn) -> Any:
        return self.note("on_wake", conn)

    def on_timer(self, conn: reactor.Conn, timer: reactor.Timer) -> Any:
        return self.note("on_timer", conn, timer)

    def on_detach(self, conn: reactor.Conn, sock: socket.socket, input: bytes, output: bytes) -> Any:
        return self.note("on_detach", conn, sock, input, output)


def test_writelines_sends_one_after_the_other() -> None:
    lines: list[Any] = [b"a", bytearray(b"b"), memoryview(b"c"), b""]
    recorder = Recorder(on_open=lambda conn: conn.writelines(iter(lines)), on_data=lambda conn, data: reactor.Action.CLOSE)
    with Running(recorder) as running, connect(running.url) as client:
        assert receive(client, 3) == b"abc"
        conn = recorder.conns[0]
        assert conn.writelines([b"d", b"e"]) is True
        assert running.server.writelines(conn.id, [b"f"]) is True
        assert receive(client, 3) == b"def"
        with pytest.raises(TypeError, match="for one there is write"):
            conn.writelines(b"bytes")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="bytes-like object is required, not 'str'"):
            conn.writelines(["text"])  # type: ignore[list-item]


def test_a_completion_is_told_that_all_was_sent() -> None:
    told: list[tuple[bool, int]] = []
    threads: list[int] = []

    def done(sent: bool) -> None:
        told.append((sent, threading.get_ident()))

    def write(conn: reactor.Conn) -> None:
        threads.append(threading.get_ident())
        conn.write(b"one", on_complete=done)
        conn.writelines([b"t", b"wo"], on_complete=done)
        assert told == []

    recorder = Recorder(on_open=write)
    with Running(recorder) as running, connect(running.url) as client:
        assert receive(client, 6) == b"onetwo"
        wait_until(lambda: len(told) == 2, "completions")
        running.server.write(recorder.conns[0].id, b"three", on_complete=done)
        assert receive(client, 5) == b"three"
        wait_until(lambda: len(told) == 3, "the last completion")
    assert told == [(True, threads[0])] * 3


def test_a_completion_is_told_that_the_connection_ended_before() -> None:
    order: list[object] = []
    recorder = Recorder(on_close=lambda *args: order.append("on_close"))
    with Running(recorder) as running, connect(running.url):
        recorder.wait_for("on_open")
        conn = recorder.conns[0]
        conn.write(bytes(32 << 20), on_complete=order.append)
        conn.abort()
        recorder.wait_for("on_close")
        with pytest.raises(reactor.ClosedError):
            conn.write(b"x", on_complete=order.append)
    assert order == [False, "on_close"]


def test_a_completion_that_fails_is_reported_and_ends_nothing() -> None:
    def fail(sent: bool) -> None:
        raise LookupError("deliberate")

    recorder = Recorder(on_open=lambda conn: conn.write(b"x", on_complete=fail))
    with Running(recorder) as running, connect(running.url) as client:
        assert receive(client, 1) == b"x"
        wait_until(lambda: len(recorder.errors) == 1, "the report")
        [(conn, error)] = recorder.errors
        assert conn is recorder.conns[0]
        assert str(error) == "deliberate"
        assert conn.is_open
        with pytest.raises(TypeError, match="on_complete must be a callable, not 5"):
            conn.write(b"x", on_complete=5)  # type: ignore[arg-type]


def test_a_half_open_connection_goes_on_until_its_end() -> None:
    def answer(conn: reactor.Conn) -> None:
        conn.write(b"bye")
        conn.end()

    recorder = Events(on_eof=answer)
    with Listening(recorder, TCP + "?half_open=true") as running:
        assert exchange(running.url, b"hello") == b"bye"
        recorder.wait_for("on_close")
    assert [name for name in recorder.names() if name != "on_data"] == ["on_start", "on_open", "on_eof", "on_close", "on_stop"]
    assert recorder.closed() == [(reactor.CloseReason.EOF, None)]


def test_without_on_eof_a_half_open_connection_is_closed() -> None:
    recorder = Recorder(on_data=writes(b"x"))
    with Listening(recorder, TCP + "?half_open=true") as running:
        assert exchange(running.url, b"hello") == b"x"
        recorder.wait_for("on_close")


@pytest.mark.parametrize("way", ["action", "call", "by id"])
def test_a_detached_connection_hands_its_socket_out(way: str) -> None:
    recorder = Events()

    def leave(conn: reactor.Conn, data: bytes) -> reactor.Action | None:
        conn.keep(2)
        if way == "action":
            return reactor.Action.DETACH
        conn.detach() if way == "call" else running.server.detach(conn.id)
        return None

    recorder.act["on_data"] = leave
    with Running(recorder) as running, connect(running.url) as client:
        client.sendall(b"hello")
        recorder.wait_for("on_detach")
        _, conn, sock, input, output = recorder.events[-1]
        assert conn is recorder.conns[0]
        assert (input, output) == (b"lo", b"")
        assert sock.gettimeout() == 0.0
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        with pytest.raises(reactor.ClosedError):
            conn.write(b"x")
        sock.sendall(b"mine now")
        assert receive(client, 8) == b"mine now"
        sock.close()
        assert client.recv(1) == b""
    assert recorder.closed() == []
    assert recorder.errors == []


def test_timers_come_and_are_cancelled() -> None:
    started: list[reactor.Timer] = []

    def begin(conn: reactor.Conn) -> None:
        never = conn.set_timer(0.0)
        assert never.cancel() is True
        assert never.cancel() is False
        started.append(conn.set_timer(0.001, 0.001))

    def due(conn: reactor.Conn, timer: reactor.Timer) -> None:
        conn.write(b"tick")
        if recorder.names().count("on_timer") == 3:
            assert timer.cancel() is True

    recorder = Events(on_open=begin, on_timer=due)
    with Running(recorder) as running, connect(running.url) as client:
        assert receive(client, 12) == b"tick" * 3
        timers = [event[2] for event in recorder.events if event[0] == "on_timer"]
        assert timers == started * 3
        assert {*timers, *started} == {started[0]}
        assert timers[0] != 5
        for call in (started[0].cancel, lambda: recorder.conns[0].set_timer(1.0), lambda: recorder.conns[0].keep(0)):
            with pytest.raises(reactor.WrongThreadError):
                call()
        with pytest.raises(reactor.InvalidArgumentError, match="delay must be a number of seconds, 0 or more, not -1"):
            recorder.conns[0].set_timer(-1.0)
        with pytest.raises(TypeError, match="repeat must be a number of seconds, not <built-in function print>"):
            recorder.conns[0].set_timer(1.0, print)  # type: ignore[arg-type]
    assert recorder.errors == []


@pytest.mark.parametrize("by_id", [False, True])
def test_a_function_runs_on_the_loop_and_a_wake_comes(by_id: bool) -> None:
    threads: list[int] = []
    recorder = Events(on_open=lambda conn: threads.append(threading.get_ident()))
    recorder.act["on_wake"] = writes(b"awake")

    def run(conn: reactor.Conn) -> None:
        threads.append(threading.get_ident())
        conn.write(b"ran")

    def fail(conn: reactor.Conn) -> None:
        raise LookupError("deliberate")

    with Running(recorder) as running, connect(running.url) as client:
        recorder.wait_for("on_open")
        conn, server = recorder.conns[0], running.server
        server.run_on_conn(conn.id, run) if by_id else conn.run_on_loop(run)
        assert receive(client, 3) == b"ran"
        server.wake(conn.id) if by_id else conn.wake()
        assert receive(client, 5) == b"awake"
        server.run_on_conn(conn.id, fail) if by_id else conn.run_on_loop(fail)
        wait_until(lambda: len(recorder.errors) == 1, "the report")
        assert conn.is_open
        assert server.conn(conn.id) is conn
    assert threads[0] == threads[1] != threading.get_ident()
    assert recorder.errors[0][0] is conn
    for call in (lambda: conn.run_on_loop(run), lambda: server.conn(conn.id), lambda: server.conn(12345)):
        with pytest.raises(reactor.ClosedError):
            call()


def test_a_paused_connection_is_not_read() -> None:
    recorder = Recorder(on_open=lambda conn: conn.pause() if conn is recorder.conns[0] else None, on_data=writes(b"read"))
    with Running(recorder, loops=1) as running, connect(running.url) as client:
        recorder.wait_for("on_open")
        client.sendall(b"x")
        assert exchange(running.url, b"the other") == b"read"
        assert recorder.names().count("on_data") == 1
        recorder.conns[0].resume()
        assert receive(client, 4) == b"read"


def test_what_can_be_read_of_a_connection() -> None:
    seen: list[tuple[reactor.ConnInfo, str, str]] = []

    def look(conn: reactor.Conn, *_: object) -> None:
        seen.append((conn.info(), conn.remote_address, conn.local_address))

    recorder = Recorder(on_data=lambda conn, data: writes(b"four")(conn), on_close=look)
    with Listening(recorder, TCP) as running, connect(running.url) as client:
        client.sendall(b"hello")
        assert receive(client, 4) == b"four"
        conn, server = recorder.conns[0], running.server
        here, there = "%s:%d" % client.getsockname(), "%s:%d" % client.getpeername()
        assert (conn.remote_address, conn.local_address) == (here, there)
        assert (server.remote_address(conn.id), server.local_address(conn.id)) == (here, there)
        # The client may have the answer before its loop has noted that.
        wait_until(lambda: conn.info().queued_bytes == 0, "the answer's end")
        for info in (conn.info(), server.info(conn.id)):
            assert (info.listener, info.loop, info.bytes_received, info.queued_bytes) == (1, 0, 5, 0)
            assert info.age >= 0.0
        assert conn.server is server
        with pytest.raises(reactor.SystemCallError):
            conn.peer_credentials
        client.close()
        recorder.wait_for("on_close")
    assert [(info.bytes_received, info.bytes_sent, remote, local) for info, remote, local in seen] == [(5, 4, here, there)]
    with pytest.raises(reactor.ClosedError):
        conn.info()


def test_the_process_at_the_other_end_of_a_unix_socket(tmp_path: Path) -> None:
    recorder = Recorder()
    with Listening(recorder, f"unix://{tmp_path}/socket") as running, connect(running.url):
        recorder.wait_for("on_open")
        assert recorder.conns[0].peer_credentials == (os.getpid(), os.geteuid(), os.getegid())
        assert recorder.conns[0].remote_address == ""
        assert recorder.conns[0].local_address == f"{tmp_path}/socket"


def test_time_outs_and_options_of_a_connection() -> None:
    recorder = Recorder()
    with Running(recorder) as running, connect(running.url) as client:
        recorder.wait_for("on_open")
        conn = recorder.conns[0]
        conn.set_options(nodelay=False, keepalive=(60, 10.0, 5), recv_buffer=65536, send_buffer=65536, ttl=9)
        conn.set_options(keepalive=False)
        for options, error in [
            ({"ttl": 256}, reactor.InvalidArgumentError),
            ({"broadcast": True}, reactor.SystemCallError),
            ({"keepalive": "on"}, TypeError),
            ({"keepalive": ()}, TypeError),
        ]:
            with pytest.raises(error):
                conn.set_options(**options)  # type: ignore[arg-type]
        with pytest.raises(reactor.InvalidArgumentError, match="a multicast group is"):
            conn.join_multicast("nowhere")
        with pytest.raises(reactor.InvalidArgumentError, match="idle must be a number of seconds"):
            conn.set_timeouts(idle=-1)
        conn.set_timeouts(idle=0.001)
        assert client.recv(1) == b""
        recorder.wait_for("on_close")
    assert recorder.closed() == [(reactor.CloseReason.IDLE, None)]


@pytest.mark.parametrize("named", [False, True])
def test_datagrams_come_with_their_sender_and_are_answered(named: bool) -> None:
    class Echo:
        def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            conn.write(b"data " + data)

    class Datagrams(Echo):
        came: list[reactor.Datagram] = []

        def on_datagram(self, conn: reactor.Conn, data: bytes, datagram: reactor.Datagram) -> None:
            self.came.append(datagram)
            conn.write(b"datagram " + data)
            host, port = datagram.sender.split(":")
            conn.send_to(datagram.sender, b"text")
            conn.send_to((host, int(port)), b"pair")
            if data == b"close":
                conn.close()

    handler = Datagrams() if named else Echo()
    with Listening(handler, "udp://127.0.0.1:0") as running, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        host, _, port = running.url.removeprefix("udp://").partition(":")
        client.settimeout(20)
        client.connect((host, int(port)))
        for data in (b"hello", b"", b"close", b"still there"):
            client.send(data)
            assert client.recv(100) == (b"datagram " if named else b"data ") + data
            if named:
                assert {client.recv(100), client.recv(100)} == {b"text", b"pair"}
    if isinstance(handler, Datagrams):
        sender = "%s:%d" % client.getsockname() if client.fileno() >= 0 else handler.came[0].sender
        assert [came.sender for came in handler.came] == [sender] * 4
        first = handler.came[0]
        assert (first.destination, first.interface, first.truncated) == ("127.0.0.1", 1, False)
        assert repr(first) == f"<reactor.Datagram from {sender}>"


@pytest.mark.parametrize("address", ["localhost:1", "127.0.0.1", ("localhost", 1), ("127.0.0.1",), ("127.0.0.1", 70000), 5])
def test_what_is_no_address_of_a_datagram_is_refused(address: Any) -> None:
    errors: list[str] = []

    class Handler:
        def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            try:
                conn.send_to(address, data)
            except reactor.InvalidArgumentError as error:
                errors.append(str(error))
            conn.write(b"done")

    with Listening(Handler(), "udp://127.0.0.1:0") as running, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        host, _, port = running.url.removeprefix("udp://").partition(":")
        client.settimeout(20)
        client.sendto(b"x", (host, int(port)))
        assert client.recv(10) == b"done"
    assert [error.partition(":")[0] for error in errors] == [f"cannot send a datagram to {address!r}".partition(":")[0]]


def test_a_connection_knows_its_server_weakly() -> None:
    recorder = Recorder()
    with Running(recorder) as running, connect(running.url) as client:
        recorder.wait_for("on_open")
        conn = recorder.conns[0]
        assert call_in_thread(lambda: conn.server) is running.server
        client.close()
        recorder.wait_for("on_close")
    del running
    recorder.events.clear()
    with pytest.raises(reactor.ClosedError, match="its server is gone"):
        conn.server
