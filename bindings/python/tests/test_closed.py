"""What a callback is told of a connection that has been closed, or that its peer has left, and what it may still call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import reactor
from helpers import DEADLINE, Recorder, Running, connect, exchange, fail, receive, reset, writes


def test_a_write_to_a_peer_that_has_left_is_no_failure() -> None:
    """Data and the reset behind it come in one batch: the connection is gone when its data is handled."""
    entered, release = threading.Event(), threading.Event()

    def on_data(conn: reactor.Conn, data: bytes) -> None:
        if data == b"wait":
            entered.set()
            assert release.wait(DEADLINE)
        else:
            conn.write(data)

    recorder = Recorder(on_data=on_data)
    with Running(recorder, loops=1) as running:
        with connect(running.url) as waiting, connect(running.url) as leaving:
            recorder.wait_for("on_open", 2)
            waiting.sendall(b"wait")
            assert entered.wait(DEADLINE)
            leaving.sendall(b"gone")
            reset(leaving)
            release.set()
            recorder.wait_for("on_close")
    assert [event[2] for event in recorder.events if event[0] == "on_data"] == [b"wait", b"gone"]
    assert recorder.closed()[0] == (reactor.CloseReason.RESET, 104)
    assert recorder.errors == []


@pytest.mark.parametrize("way", ["close", "abort", "id"])
@pytest.mark.parametrize("call", ["write", "hold", "close", "abort"])
def test_a_call_that_another_thread_has_overtaken_is_no_failure(way: str, call: str) -> None:
    def on_data(conn: reactor.Conn, data: bytes) -> None:
        ends = {"close": conn.close, "abort": conn.abort, "id": lambda: running.server.close(conn.id)}
        other = threading.Thread(target=ends[way])
        other.start()
        other.join(DEADLINE)
        calls = {"write": lambda: conn.write(data), "hold": conn.hold, "close": conn.close, "abort": conn.abort}
        calls[call]()

    recorder = Recorder(on_data=on_data)
    with Running(recorder, loops=1) as running, connect(running.url) as client:
        client.sendall(b"x")
        recorder.wait_for("on_close")
    assert recorder.names() == ["on_start", "on_open", "on_data", "on_close", "on_stop"]
    assert recorder.closed()[0][0] in (reactor.CloseReason.LOCAL_CLOSE, reactor.CloseReason.ABORT)
    assert recorder.errors == []


def test_what_a_callback_does_after_its_own_abort_is_a_failure_whatever_another_thread_did() -> None:
    def on_data(conn: reactor.Conn, data: bytes) -> None:
        other = threading.Thread(target=conn.close)
        other.start()
        other.join(DEADLINE)
        conn.abort()
        conn.write(data)

    recorder = Recorder(on_data=on_data)
    with Running(recorder, loops=1) as running, connect(running.url) as client:
        client.sendall(b"x")
        recorder.wait_for("on_close")
    assert [type(error) for _, error in recorder.errors] == [reactor.ClosedError]


@pytest.mark.parametrize("way", ["action", "conn", "id"])
def test_a_write_to_a_connection_that_this_side_has_closed_is_a_failure(way: str) -> None:
    recorder = Recorder(on_close=lambda conn, *_: conn.write(b"too late"))
    with Running(recorder) as running:

        def close(conn: reactor.Conn, data: bytes) -> reactor.Action | None:
            if way == "action":
                return reactor.Action.CLOSE
            conn.close() if way == "conn" else running.server.close(conn.id)
            return None

        recorder.act["on_data"] = close
        assert exchange(running.url, b"x") == b""
        recorder.wait_for("on_close")
    assert [(conn, type(error)) for conn, error in recorder.errors] == [(recorder.conns[0], reactor.ClosedError)]


@pytest.mark.parametrize(
    "how",
    [lambda conn: reactor.Action.CLOSE, lambda conn: conn.close(), fail],
    ids=["CLOSE", "close()", "failure"],
)
def test_no_data_comes_once_this_side_has_closed(how: Callable[[reactor.Conn], Any]) -> None:
    # While its queue is above the mark a connection is not read, so the data waits when on_drain comes.
    recorder = Recorder(on_open=writes(bytes(8 << 20)), on_drain=how)
    with Running(recorder, high_water=1000) as running, connect(running.url) as client:
        recorder.wait_for("on_open")
        client.sendall(b"data")
        assert len(receive(client, 8 << 20)) == 8 << 20
        assert client.recv(1) == b""
        client.close()
        recorder.wait_for("on_close")
    assert recorder.names() == ["on_start", "on_open", "on_drain", "on_close", "on_stop"]


@pytest.mark.parametrize("way", ["conn", "id"])
def test_the_rest_of_a_batch_is_dropped_for_a_connection_that_another_one_closed(way: str) -> None:
    gate = threading.Event()
    recorder = Recorder()
    with Running(recorder, loops=1) as running:

        def on_data(conn: reactor.Conn, data: bytes) -> None:
            if data == b"block":
                gate.wait(DEADLINE)
                return
            for other in recorder.conns:
                if other != conn and other.is_open:
                    other.close() if way == "conn" else running.server.close(other.id)

        recorder.act["on_data"] = on_data
        clients = [connect(running.url) for _ in range(5)]
        recorder.wait_for("on_open", 5)
        clients[0].sendall(b"block")
        recorder.wait_for("on_data")
        # The loop is in a callback: what comes now comes in one batch.
        for client in clients[1:]:
            client.sendall(b"close the others")
        gate.set()
        recorder.wait_for("on_data", 2)
        for client in clients:
            client.close()
        recorder.wait_for("on_close", 5)
    assert recorder.names().count("on_data") == 2
    assert recorder.errors == []


@pytest.mark.parametrize("way", ["conn", "id"])
def test_what_another_thread_has_closed_is_told_of_its_end_only(way: str) -> None:
    gates = {b"first": threading.Event(), b"second": threading.Event()}
    entered = {b"first": threading.Event(), b"second": threading.Event()}

    def on_data(conn: reactor.Conn, data: bytes) -> None:
        entered[data].set()
        gates[data].wait(DEADLINE)

    recorder = Recorder(on_data=on_data)
    with Running(recorder, loops=1) as running:
        clients = [connect(running.url) for _ in range(5)]
        recorder.wait_for("on_open", 5)
        clients[0].sendall(b"first")
        assert entered[b"first"].wait(DEADLINE)
        # The loop is in a callback: what comes now is reported at once, and the first of it stays in a callback, too.
        for client in clients[1:]:
            client.sendall(b"second")
        gates[b"first"].set()
        assert entered[b"second"].wait(DEADLINE)
        called = recorder.events[-1][1]
        for conn in recorder.conns:
            if conn != called:
                conn.close() if way == "conn" else running.server.close(conn.id)
        gates[b"second"].set()
        for client in clients:
            client.close()
        recorder.wait_for("on_close", 5)
    assert recorder.names().count("on_data") == 2
    assert recorder.errors == []


def test_data_of_a_connection_that_the_peer_has_closed_is_delivered() -> None:
    recorder = Recorder()
    with Running(recorder) as running:
        with connect(running.url) as client:
            client.sendall(b"last words")
        recorder.wait_for("on_close")
    assert [event[2] for event in recorder.events if event[0] == "on_data"] == [b"last words"]


def test_a_write_to_another_connection_that_is_closed_is_reported() -> None:
    """Wherever it is made; on_close notices nothing on its own connection any more, either."""

    def close(conn: reactor.Conn, *_: object) -> None:
        if conn is not recorder.conns[0]:
            recorder.conns[0].write(b"to the other")
        conn.write(b"to itself")

    recorder = Recorder(on_close=close)
    with Running(recorder, loops=1) as running:
        connect(running.url).close()
        recorder.wait_for("on_close")
        connect(running.url).close()
        recorder.wait_for("on_close", 2)
    first, second = recorder.conns
    assert [(conn, str(error).split(" is ")[0]) for conn, error in recorder.errors] == [
        (first, f"connection {first.id}"),
        (second, f"connection {first.id}"),
    ]
