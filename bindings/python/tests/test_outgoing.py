"""Connections that this side makes, or is given."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import reactor
from helpers import DEADLINE, Recorder, Running, call_in_thread, receive, wait_until


def peer() -> tuple[socket.socket, str]:
    """A socket that listens, and its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(DEADLINE)
    return listener, "tcp://{}:{}".format(*listener.getsockname())


def test_a_connect_has_its_id_at_once_and_its_context_in_every_callback() -> None:
    contexts: list[object] = []

    def note(conn: reactor.Conn, *_: object) -> None:
        contexts.append(conn.context)

    recorder = Recorder(on_open=note, on_data=note, on_close=note)
    listener, url = peer()
    with listener, Running(recorder) as running:
        conn = running.server.connect(url, context="mine")
        # It is queued until the connection is made.
        assert running.server.write(conn, b"hello") is True
        accepted, _ = listener.accept()
        with accepted:
            assert receive(accepted, 5) == b"hello"
            accepted.sendall(b"x")
            recorder.wait_for("on_data")
        recorder.wait_for("on_close")
    assert recorder.names() == ["on_start", "on_open", "on_data", "on_close", "on_stop"]
    assert recorder.conns[0].id == conn
    assert contexts == ["mine"] * 3


def test_a_connect_that_fails_is_told_by_on_close_alone_with_its_context() -> None:
    recorder = Recorder()
    listener, url = peer()
    listener.close()
    with Running(recorder) as running:
        conn = running.server.connect(url, context=["mine"])
        recorder.wait_for("on_close")
    assert recorder.names() == ["on_start", "on_close", "on_stop"]
    (_, closed, reason, errno) = recorder.events[1]
    assert (closed.id, closed.context, reason, errno) == (conn, ["mine"], reactor.CloseReason.CONNECT_FAILED, 111)


def test_options_of_a_connect_reach_it() -> None:
    recorder = Recorder()
    listener, url = peer()
    with listener, Running(recorder, loops=2) as running:
        running.server.connect(url, loop=1, bind="127.0.0.2", framing="line", timeout=None, idle=1000)
        accepted, address = listener.accept()
        with accepted:
            assert address[0] == "127.0.0.2"
            accepted.sendall(b"one\ntwo\n")
            recorder.wait_for("on_data", 2)
            assert recorder.conns[0].info().loop == 1
    assert [event[2] for event in recorder.events if event[0] == "on_data"] == [b"one", b"two"]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"timeout": 0}, reactor.InvalidArgumentError, "timeout must be a number of seconds above 0, or None for ever, not 0"),
        ({"timeout": "1"}, TypeError, "timeout must be a number of seconds, not '1'"),
        ({"loop": 7}, reactor.InvalidArgumentError, "loop"),
        ({"loop": -1}, reactor.InvalidArgumentError, "loop must be between 0 and"),
        ({"backlog": 1}, TypeError, r"connect\(\) got an unexpected keyword argument 'backlog' \(known: timeout, loop,"),
        ({"bind": "::1"}, reactor.InvalidAddressError, "the option bind: ::1 does not fit the address's family"),
    ],
)
def test_what_is_wrong_with_a_connect_is_told(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with Running(Recorder()) as running, pytest.raises(error, match=text):
        running.server.connect("tcp://127.0.0.1:9", **options)


def test_before_the_start_nobody_connects() -> None:
    with pytest.raises(reactor.WrongStateError):
        reactor.Server(Recorder()).connect("tcp://127.0.0.1:9")


@pytest.mark.parametrize("give", [lambda one: one, lambda one: one.detach()], ids=["socket", "number"])
def test_a_connected_socket_is_taken_over(give: Callable[[socket.socket], object]) -> None:
    recorder = Recorder(on_data=lambda conn, data: conn.write(data.upper()) and None)
    one, other = socket.socketpair()
    with other, Running(recorder) as running:
        given: Any = give(one)
        number = one.fileno() if given is one else given
        conn = running.server.enroll(given, context="mine", framing="line")
        assert one.fileno() == -1
        with pytest.raises(OSError):
            os.fstat(number)
        other.sendall(b"one\n")
        assert receive(other, 3) == b"ONE"
        assert (recorder.conns[0].id, recorder.conns[0].context) == (conn, "mine")


def test_what_is_refused_stays_whose_it_was() -> None:
    one, other = socket.socketpair()
    idle = socket.socket()
    with one, other, idle, open(os.devnull, "rb") as null, Running(Recorder()) as running:
        for wrong in (idle, null.fileno(), 1 << 20, -1):
            with pytest.raises(reactor.InvalidArgumentError):
                running.server.enroll(wrong)
        for no_socket in ("socket", null, None):
            with pytest.raises(TypeError, match="socket must be a socket.socket, or the number of a descriptor"):
                running.server.enroll(no_socket)  # type: ignore[arg-type]
        with pytest.raises(reactor.InvalidArgumentError):
            running.server.enroll(one, loop=99)
        assert idle.fileno() >= 0
        assert null.read() == b""
        # Its mode is what it was, too.
        assert os.get_blocking(one.fileno())
        one.sendall(b"mine")
        assert receive(other, 4) == b"mine"


def test_a_socket_with_tls_is_refused() -> None:
    one, other = socket.socketpair()
    context = ssl.create_default_context()
    with one, other, Running(Recorder()) as running:
        wrapped = context.wrap_socket(one, server_hostname="localhost", do_handshake_on_connect=False)
        with wrapped, pytest.raises(TypeError, match="socket must be a plain socket"):
            running.server.enroll(wrapped)


# ---- functions on loops ----


def test_a_function_runs_on_the_loop_that_was_named() -> None:
    ran: list[tuple[int | None, object]] = []
    with Running(Recorder(), loops=2) as running:
        server = running.server
        assert server.current_loop() is None
        for loop in (0, 1):
            server.run_on_loop(loop, lambda *args: ran.append((server.current_loop(), args)), "an", loop)
        wait_until(lambda: len(ran) == 2)
    assert sorted(ran) == [(0, ("an", 0)), (1, ("an", 1))]


def test_a_function_that_fails_is_reported_and_the_loop_goes_on() -> None:
    recorder = Recorder()
    ran: list[bool] = []
    with Running(recorder, loops=1) as running:
        running.server.run_on_loop(0, lambda: 1 / 0)
        running.server.run_on_loop(0, ran.append, True)
        wait_until(lambda: ran == [True])
    ((conn, error),) = recorder.errors
    assert conn is None
    assert isinstance(error, ZeroDivisionError)


def test_what_cannot_run_on_a_loop_is_told() -> None:
    with Running(Recorder(), loops=1) as running:
        with pytest.raises(reactor.InvalidArgumentError):
            running.server.run_on_loop(1, print)
        with pytest.raises(TypeError, match="function must be a callable, not 5"):
            running.server.run_on_loop(0, 5)  # type: ignore[arg-type]
        with pytest.raises(reactor.WrongThreadError, match="no loop of this server"):
            running.server.set_timer(1, print)
        with pytest.raises(reactor.InvalidArgumentError, match="delay must be a number of seconds, 0 or more, not -1"):
            running.server.set_timer(-1, print)
    with pytest.raises(reactor.WrongStateError):
        reactor.Server(Recorder()).run_on_loop(0, print)


def test_timers_are_due_once_or_again_until_they_are_cancelled() -> None:
    due: list[str] = []
    timers: list[reactor.Timer] = []
    ended: list[bool] = []
    recorder = Recorder()
    with Running(recorder, loops=1) as running:
        server = running.server

        def fail() -> None:
            due.append("fails")
            raise RuntimeError("told to fail")

        def cancel() -> None:
            ended.extend([timers[1].cancel(), timers[1].cancel(), timers[0].cancel()])
            due.append("cancelled")

        def begin() -> None:
            timers.append(server.set_timer(0, due.append, "once"))
            timers.append(server.set_timer(0.001, fail, repeat=0.001))

        server.run_on_loop(0, begin)
        wait_until(lambda: due.count("fails") >= 3)
        server.run_on_loop(0, cancel)
        wait_until(lambda: due[-1:] == ["cancelled"])
        assert server.wait(0.02) is False
        assert due[-1] == "cancelled"
    assert due.count("once") == 1
    assert ended == [True, False, False]
    assert {type(error) for _, error in recorder.errors} == {RuntimeError}


def test_sys_exit_in_a_function_of_a_loop_ends_the_program() -> None:
    with Running(Recorder(), loops=1) as running:
        running.server.run_on_loop(0, exit_with, 3)
        raised = call_in_thread(running.server.wait)
    assert isinstance(raised, SystemExit)
    assert raised.code == 3


def exit_with(code: int) -> None:
    raise SystemExit(code)
