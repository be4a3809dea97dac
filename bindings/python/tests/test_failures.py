"""Callbacks that fail, and who is told."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import resource
import socket
import threading
import time
import traceback
from types import SimpleNamespace
from typing import Any

import pytest
import reactor
from helpers import (
    Recorder,
    Running,
    connect,
    echo,
    exchange,
    fail,
    finish,
    receive,
    receive_all,
    run_python,
    wait_until,
    writes,
)


@pytest.mark.parametrize("callback", ["on_open", "on_data", "on_drain"])
def test_a_failure_closes_its_own_connection_and_is_reported(callback: str) -> None:
    recorder = Recorder(on_data=writes(bytes(8 << 20)))
    recorder.act[callback] = fail
    with Running(recorder, high_water=1000) as running:
        with connect(running.url) as client:
            client.sendall(b"x")
            receive_all(client)
        recorder.wait_for("on_close")
        recorder.act[callback] = lambda *_: None
        with connect(running.url):
            recorder.wait_for("on_open", 2)
    conn = recorder.conns[0]
    assert recorder.closed()[0] == (reactor.CloseReason.HANDLER_ERROR, None)
    [(failed, error)] = recorder.errors
    assert failed is conn
    assert isinstance(error, LookupError)
    assert error.args == ("deliberate",)
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)][-1] == "fail"


def test_an_exception_that_is_no_error_is_a_failure_too() -> None:
    exception = GeneratorExit()

    def interrupt(*_: object) -> None:
        raise exception

    recorder = Recorder(on_data=interrupt)
    with Running(recorder) as running:
        assert exchange(running.url, b"x") == b""
        recorder.wait_for("on_close")
    assert [error for _, error in recorder.errors] == [exception]
    assert recorder.closed() == [(reactor.CloseReason.HANDLER_ERROR, None)]


@pytest.mark.parametrize("value", [0, 1, "close", reactor.CloseReason.EOF])
def test_a_callback_that_returns_something_else_has_failed(value: object) -> None:
    recorder = Recorder(on_data=lambda conn, data: value)
    with Running(recorder) as running:
        assert exchange(running.url, b"x") == b""
        recorder.wait_for("on_close")
    [(conn, error)] = recorder.errors
    assert conn is recorder.conns[0]
    assert type(error) is TypeError
    assert str(error) == f"on_data returned {value!r}, not None or a reactor.Action"
    assert recorder.closed() == [(reactor.CloseReason.HANDLER_ERROR, None)]


def test_what_write_returned_asks_for_nothing() -> None:
    recorder = Recorder(on_data=lambda conn, data: conn.write(data))
    with Running(recorder) as running:
        assert exchange(running.url, b"hello") == b"hello"
        recorder.wait_for("on_close")
    assert recorder.errors == []
    assert recorder.closed() == [(reactor.CloseReason.EOF, None)]


def test_a_failing_on_close_and_on_stop_are_only_reported() -> None:
    recorder = Recorder(on_close=fail, on_stop=fail, on_data=echo)
    with Running(recorder) as running:
        assert exchange(running.url, b"1") == b"1"
        recorder.wait_for("on_close")
        assert exchange(running.url, b"2") == b"2"
        recorder.wait_for("on_close", 2)
    first, second = recorder.conns
    assert [conn for conn, _ in recorder.errors] == [first, second, None]
    assert [str(error) for _, error in recorder.errors] == ["deliberate"] * 3
    assert [reason for reason, _ in recorder.closed()] == [reactor.CloseReason.EOF] * 2


@pytest.mark.parametrize("callback", ["on_open", "on_data", "on_close", "on_stop"])
def test_without_on_error_the_logger_has_it(callback: str, caplog: pytest.LogCaptureFixture) -> None:
    with Running(SimpleNamespace(**{callback: fail})) as running:
        exchange(running.url, b"x")
        wait_until(lambda: running.server.connections == 0)
    [record] = caplog.records
    assert record.name == "reactor"
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(f"{callback} failed (")
    assert bool(re.search(r"connection \d", record.getMessage())) == (callback != "on_stop")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "deliberate"


def test_a_flood_of_failures_is_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    began = time.monotonic()
    with Running(SimpleNamespace(on_data=fail)) as running:
        for _ in range(50):
            assert exchange(running.url, b"x") == b""
        seconds = time.monotonic() - began
        time.sleep(1.1)
        assert exchange(running.url, b"x") == b""
    assert 2 <= len(caplog.records) <= seconds + 3
    told = [re.search(r", and (\d+) times more since", record.getMessage()) for record in caplog.records]
    assert len(told) + sum(int(match[1]) for match in told if match) == 51


def test_what_an_operator_must_know_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with Running(SimpleNamespace(on_data=echo), loops=1) as running:
        clients = [socket.socket() for _ in range(3)]
        host, port = running.url.removeprefix("tcp://").split(":")
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(client.fileno() for client in clients) + 1, before[1]))
        fillers: list[int] = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    fillers.append(os.dup(0))
            for client in clients:
                client.connect((host, int(port)))
            wait_until(lambda: bool(caplog.records))
        finally:
            for filler in fillers:
                os.close(filler)
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for client in clients:
            with client:
                client.sendall(b"in the end")
                assert receive(client, 10) == b"in the end"
    assert [(record.name, record.levelname) for record in caplog.records] == [("reactor", "ERROR")]
    assert re.search(r"cannot accept, trying again: .*\(os error 24\)", caplog.records[0].getMessage())


def test_a_first_report_needs_no_descriptor() -> None:
    """The module that tells it was imported before, as an import opens files."""
    program = """
import contextlib, os, resource, socket, threading, time, reactor

ended = threading.Event()
server = reactor.Server(type("Silent", (), {"on_data": lambda *_: None, "on_stop": lambda *_: ended.set()})(), loops=1)
url = server.listen("tcp://127.0.0.1:0")
server.start()
client = socket.socket()
before = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, before[1]))
with contextlib.suppress(OSError):
    while True:
        os.dup(0)
client.connect(("127.0.0.1", int(url.rpartition(":")[2])))
while not server.metrics().accept_errors:
    time.sleep(0.002)
server.stop()
# The report may come behind the count, but not behind the end.
ended.wait()
resource.setrlimit(resource.RLIMIT_NOFILE, before)
server.wait()
client.close()
"""
    code, _, err = finish(run_python(program))
    assert code == 0, err
    assert re.fullmatch(r"(tcp://\S+: cannot accept, trying again: .*\(os error 24\)\n)+", err), err


def test_a_failing_on_error_is_logged_with_what_it_was_told(caplog: pytest.LogCaptureFixture) -> None:
    def on_error(conn: object, exc: BaseException) -> None:
        raise ArithmeticError("on_error, too")

    with Running(SimpleNamespace(on_data=fail, on_error=on_error)) as running:
        assert exchange(running.url, b"x") == b""
        wait_until(lambda: running.server.connections == 0)
    texts = [(record.getMessage().split(" (")[0], str((record.exc_info or (0, 0))[1])) for record in caplog.records]
    assert texts == [("on_data failed", "deliberate"), ("on_error failed", "on_error, too")]


def test_a_failing_log_handler_reaches_the_unraisable_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    hooked: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", hooked.append)

    class Broken(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise OSError("no log today")

    broken = Broken()
    logging.getLogger("reactor").addFilter(broken)
    try:
        with Running(SimpleNamespace(on_data=fail)) as running:
            assert exchange(running.url, b"x") == b""
            wait_until(lambda: running.server.connections == 0)
    finally:
        logging.getLogger("reactor").removeFilter(broken)
    assert [str(args.exc_value) for args in hooked] == ["no log today"]


@pytest.mark.parametrize("error_class", [KeyboardInterrupt, SystemExit])
def test_on_start_that_ends_the_program_fails_the_start_with_that(error_class: type[BaseException]) -> None:
    raised = error_class("deliberate")

    def on_start(server: reactor.Server) -> None:
        raise raised

    recorder = Recorder(on_start=on_start)
    running = Running(recorder)
    for start in (running.server.start, running.server.run):
        with pytest.raises(error_class) as caught:
            start()
        assert caught.value is raised
        assert running.server.loops == 0
    del recorder.act["on_start"]
    with running:
        assert exchange(running.url, b"x") == b""


def test_a_failing_on_start_fails_the_start_and_leaves_the_server_startable() -> None:
    recorder = Recorder(on_start=fail)
    running = Running(recorder)
    for start in (running.server.start, running.server.run):
        with pytest.raises(reactor.HandlerFailedError, match="on_start failed: LookupError: deliberate") as raised:
            start()
        assert isinstance(raised.value.__cause__, LookupError)
        assert raised.value.kind == "HANDLER_FAILED"
    assert recorder.errors == []
    recorder.act["on_start"] = lambda server: "stop"
    with pytest.raises(reactor.HandlerFailedError) as raised:
        running.server.start()
    assert str(raised.value.__cause__) == "on_start returned 'stop', not None or a reactor.Action"
    del recorder.act["on_start"]
    with running:
        connect(running.url).close()
        recorder.wait_for("on_close")


def test_what_was_written_before_the_failure_is_sent() -> None:
    def write_and_fail(conn: reactor.Conn, data: bytes) -> None:
        conn.write(b"last words")
        raise LookupError("deliberate")

    with Running(Recorder(on_data=write_and_fail)) as running:
        assert exchange(running.url, b"x") == b"last words"
