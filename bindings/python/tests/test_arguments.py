"""Arguments that are wrong: what is said names the argument, what it can be, and what was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import reactor
from helpers import Recorder, Running, connect, wait_until

Call = Callable[[reactor.Conn, Any], object]

OPTIONS = {
    "nodelay": "True or False",
    "recv_buffer": "an integer",
    "send_buffer": "an integer",
    "ttl": "an integer",
    "broadcast": "True or False",
    "multicast_ttl": "an integer",
    "multicast_loop": "True or False",
}
"""Those of `Conn.set_options`, but for keepalive."""

CALLS: list[tuple[str, str, Call]] = [
    ("count", "an integer", lambda conn, wrong: conn.keep(wrong)),
    ("delay", "a number of seconds", lambda conn, wrong: conn.set_timer(wrong)),
    ("repeat", "a number of seconds", lambda conn, wrong: conn.set_timer(1, wrong)),
    ("idle", "a number of seconds", lambda conn, wrong: conn.set_timeouts(idle=wrong)),
    ("read", "a number of seconds", lambda conn, wrong: conn.set_timeouts(read=wrong)),
    ("write", "a number of seconds", lambda conn, wrong: conn.set_timeouts(write=wrong)),
    ("id", "a connection's id, an integer", lambda conn, wrong: conn.server.write(wrong, b"")),
    ("q", "a number from 0 to 1", lambda conn, wrong: conn.server.delay_percentile(wrong)),
    ("q", "a number from 0 to 1", lambda conn, wrong: conn.server.metrics().delay.percentile(wrong)),
    ("listener", "a listener's number, or what listen returned", lambda conn, wrong: conn.server.close_listener(wrong)),
    ("timeout", "a number of seconds", lambda conn, wrong: conn.server.connect("tcp://127.0.0.1:9", timeout=wrong)),
]


def in_a_callback(call: Callable[[reactor.Conn], object]) -> None:
    recorder = Recorder(on_data=lambda conn, data: call(conn))
    with Running(recorder) as running, connect(running.url) as client:
        client.sendall(b"x")
        recorder.wait_for("on_data")
    assert recorder.errors == []


@pytest.mark.parametrize(("name", "what", "call"), CALLS, ids=[f"{name}-{at}" for at, (name, _, _) in enumerate(CALLS)])
def test_a_value_of_another_type(name: str, what: str, call: Call) -> None:
    def try_all(conn: reactor.Conn) -> None:
        for wrong in ["x", b"x", [], conn]:
            with pytest.raises(TypeError) as raised:
                call(conn, wrong)
            assert str(raised.value) == f"{name} must be {what}, not {wrong!r}"

    in_a_callback(try_all)


@pytest.mark.parametrize(("name", "what", "call"), CALLS, ids=[f"{name}-{at}" for at, (name, _, _) in enumerate(CALLS)])
def test_true_is_no_number(name: str, what: str, call: Call) -> None:
    # No id is 1: what has that is gone.
    kind: type[Exception] = reactor.ClosedError if name == "id" else TypeError
    told = "connection True is closed" if name == "id" else f"{name} must be {what}, not True"

    def try_it(conn: reactor.Conn) -> None:
        with pytest.raises(kind) as raised:
            call(conn, True)
        assert str(raised.value) == told
        assert len(conn.server.listeners) == 1

    in_a_callback(try_it)


def test_socket_options_are_refused_by_name_and_none_of_them_is_set() -> None:
    def try_all(conn: reactor.Conn) -> None:
        before = conn.server.metrics().other_calls
        for name, what in OPTIONS.items():
            with pytest.raises(TypeError) as wrong_type:
                conn.set_options(**{"nodelay": False, name: "x"})  # type: ignore[arg-type]
            assert str(wrong_type.value) == f"{name} must be {what}, not 'x'"
        for name in ("recv_buffer", "send_buffer", "ttl", "multicast_ttl"):
            for wrong in (-1, 10**30):
                with pytest.raises(reactor.InvalidArgumentError) as outside:
                    conn.set_options(nodelay=False, **{name: wrong})  # type: ignore[arg-type]
                assert str(outside.value).startswith(f"{name} must be between 0 and ")
                assert str(outside.value).endswith(f", not {wrong}")
            with pytest.raises(TypeError, match=f"{name} must be an integer, not True"):
                conn.set_options(**{name: True})
        with pytest.raises(TypeError, match="keepalive must be a number of seconds, not True"):
            conn.set_options(keepalive=(True, 1.0, 1))
        assert conn.server.metrics().other_calls == before

    in_a_callback(try_all)


def test_a_count_out_of_range() -> None:
    def try_all(conn: reactor.Conn) -> None:
        for wrong in (-1, 10**30):
            with pytest.raises(reactor.InvalidArgumentError, match=f"count must be between 0 and [0-9]+, not {wrong}"):
                conn.keep(wrong)

    in_a_callback(try_all)


@pytest.mark.parametrize("name", ["loops", "high_water", "byte_budget", "max_connections", "linger", "stop_deadline"])
def test_true_is_no_option_of_a_server_that_is_a_number(name: str) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be (an integer|a number of seconds), not True$"):
        reactor.Server(Recorder(), **{name: True})  # type: ignore[arg-type]


def test_true_is_no_size_of_a_frame() -> None:
    with pytest.raises(TypeError, match="length has the wrong type: True"):
        reactor.Fixed(True)
    with pytest.raises(TypeError, match="max_frame has the wrong type: True"):
        reactor.Line(max_frame=True)


def test_true_is_no_descriptor() -> None:
    with Running(Recorder()) as running, pytest.raises(TypeError, match="socket must be a socket.socket, .* not True"):
        running.server.enroll(True)


@pytest.mark.parametrize("returned", [True, False, reactor.Action.STOP, reactor.Action.NONE])
def test_what_on_tick_returns_is_a_time(returned: Any) -> None:
    recorder = Recorder()
    recorder.on_tick = lambda server: returned  # type: ignore[attr-defined]
    with Running(recorder):
        wait_until(lambda: recorder.errors != [], "on_error")
    (conn, error) = recorder.errors[0]
    assert conn is None
    assert str(error) == f"on_tick returned {returned!r}, not None or a number of seconds"


def test_a_buffer_that_cannot_be_had_says_why() -> None:
    released = memoryview(b"x")
    released.release()

    def try_all(conn: reactor.Conn) -> None:
        for call in (conn.write, conn.write_frame, lambda data: conn.writelines([data])):
            with pytest.raises(ValueError, match="released memoryview"):
                call(released)

    in_a_callback(try_all)
