"""What a server is asked while it runs: waiting, graceful stops, numbers, log levels."""

from __future__ import annotations

import dataclasses
import logging
import threading

import pytest
import reactor
from helpers import Recorder, Running, call_in_thread, connect, echo, exchange, wait_until
from reactor import _native


def test_a_wait_has_an_end() -> None:
    with Running(Recorder()) as running:
        assert running.server.wait(0) is False
        assert running.server.wait(0.01) is False
        assert call_in_thread(lambda: running.server.wait(timeout=0.01)) is False
        running.server.stop()
        assert running.server.wait(1e9) is True
        assert running.server.wait() is True


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_wait_of_no_time_is_refused(timeout: float) -> None:
    with Running(Recorder()) as running, pytest.raises(reactor.InvalidArgumentError, match="timeout must be"):
        running.server.wait(timeout)


def test_a_graceful_stop_lets_connections_finish() -> None:
    recorder = Recorder(on_data=echo)
    with Running(recorder) as running, connect(running.url) as client:
        recorder.wait_for("on_open")
        states = [running.server.is_stopping]
        running.server.stop_gracefully(100)
        states.append(running.server.is_stopping)
        assert states == [False, True]
        client.sendall(b"still here")
        assert client.recv(100) == b"still here"
        client.close()
        running.server.wait()
    assert recorder.closed() == [(reactor.CloseReason.EOF, None)]


def test_the_deadline_of_a_graceful_stop_may_be_now_or_the_servers() -> None:
    for deadline in (0, None):
        recorder = Recorder()
        with Running(recorder, stop_deadline=0.001) as running, connect(running.url):
            recorder.wait_for("on_open")
            running.server.stop_gracefully(deadline)
            running.server.wait()
        assert recorder.closed() == [(reactor.CloseReason.SHUTDOWN, None)]


def test_connections_are_listed() -> None:
    recorder = Recorder()
    with Running(recorder, loops=2) as running:
        assert running.server.connection_ids() == []
        with connect(running.url), connect(running.url), connect(running.url):
            recorder.wait_for("on_open", 3)
            assert sorted(running.server.connection_ids()) == sorted(conn.id for conn in recorder.conns)
            assert running.server.connections == 3
        wait_until(lambda: running.server.connection_ids() == [])


def test_metrics_have_every_counter_of_the_engine() -> None:
    names = [field.name for field in dataclasses.fields(reactor.Metrics)]
    assert names == [*_native.COUNTERS, "closed", "delay"]


def test_metrics_are_of_the_server_or_of_a_loop() -> None:
    recorder = Recorder(on_data=echo)
    with Running(recorder, loops=2) as running:
        assert exchange(running.url, b"hello") == b"hello"
        recorder.wait_for("on_close")
        server = running.server
        wait_until(lambda: server.metrics().bytes_written == 5)
        whole = server.metrics()
        parts = [server.metrics(loop) for loop in range(2)]
        with pytest.raises(reactor.InvalidArgumentError, match="there is no loop 2: the server has 2 loops"):
            server.metrics(2)
        with pytest.raises(TypeError, match="loop must be an integer, not '0'"):
            server.metrics("0")  # type: ignore[arg-type]
    assert (whole.accepted, whole.bytes_read, whole.messages_read, whole.connections) == (1, 5, 1, 0)
    assert whole.closed == {reactor.CloseReason.EOF: 1}
    assert whole.closed_total == 1
    assert sorted(part.bytes_read for part in parts) == [0, 5]
    # After the end, too.
    assert server.metrics().bytes_read == 5


def test_delays_are_told_in_seconds() -> None:
    with Running(Recorder(on_data=echo), loops=1) as running, connect(running.url) as client:
        # One turn in 64 is sampled.
        for _ in range(200):
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        delay = running.server.metrics().delay
        assert delay.count == sum(delay.buckets) > 0
        assert len(delay.buckets) == 64
        highest = max(place for place, count in enumerate(delay.buckets) if count)
        assert delay.percentile(1.0) == (2 ** (highest + 1) - 1) / 1e9
        assert running.server.delay_percentile(1.0) >= delay.percentile(1.0)
        assert running.server.delay_percentile(0.5, loop=0) > 0
        assert delay == delay
        assert delay != reactor.Server(Recorder()).metrics().delay


def test_limits_on_connections_refuse_the_excess() -> None:
    recorder = Recorder()
    with Running(recorder, max_connections=3, max_connections_per_address=1) as running, connect(running.url):
        recorder.wait_for("on_open")
        with connect(running.url) as refused:
            assert refused.recv(1) == b""
        wait_until(lambda: running.server.metrics().refused_by_address == 1)


def test_a_balance_is_one_of_the_engines() -> None:
    for balance in ("round-robin", "least-connections", "random", "source-hash", "reuseport"):
        reactor.Server(Recorder(), balance=balance)
    with pytest.raises(reactor.InvalidArgumentError, match='^balance must be "round-robin", .* or "reuseport", not "fair"$'):
        reactor.Server(Recorder(), balance="fair")  # type: ignore[arg-type]


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    caplog.set_level(1, logger="reactor")
    return caplog.records


def failing(conn: reactor.Conn, data: bytes) -> None:
    raise RuntimeError("told to fail")


def test_what_is_for_debugging_is_told_when_it_is_asked_for(records: list[logging.LogRecord]) -> None:
    def told() -> list[int]:
        with Running(Recorder(on_close=lambda *_: None, on_data=failing)) as running:
            exchange(running.url, b"x")
        return [record.levelno for record in records]

    try:
        assert told() == []
        for name in ("DEBUG", logging.DEBUG, 5):
            reactor.set_log_level(name)
        reactor.set_log_level(logging.CRITICAL)
        assert told() == []
    finally:
        reactor.set_log_level(logging.ERROR)


@pytest.mark.parametrize(("level", "error"), [("LOUD", reactor.InvalidArgumentError), (None, TypeError), (1.5, TypeError)])
def test_a_level_that_is_none_is_told(level: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="level must be a level of logging, by number or by name"):
        reactor.set_log_level(level)  # type: ignore[arg-type]


def test_a_wait_in_several_threads_ends_in_all() -> None:
    ended: list[bool] = []
    with Running(Recorder()) as running:
        threads = [threading.Thread(target=lambda: ended.append(running.server.wait())) for _ in range(3)]
        for thread in threads:
            thread.start()
        running.server.stop()
        for thread in threads:
            thread.join()
    assert ended == [True] * 3
