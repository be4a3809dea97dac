"""Handlers: which callbacks there may be, those that no connection has, and what ends the program in one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import reactor
from helpers import TCP, Recorder, Running, connect, exchange, receive


def test_ticks_come_after_what_they_return_until_none() -> None:
    steps: list[Any] = [0.001, "soon", -1, LookupError("deliberate"), 0, None]
    done = threading.Event()

    class Handler(Recorder):
        def on_tick(self, server: reactor.Server) -> Any:
            step = steps.pop(0)
            if step is None:
                done.set()
            if isinstance(step, Exception):
                raise step
            return step

    recorder = Handler()
    with Running(recorder):
        assert done.wait(20)
    assert steps == []
    assert [(conn, type(error)) for conn, error in recorder.errors] == [(None, TypeError), (None, ValueError), (None, LookupError)]


def test_what_is_written_before_the_first_output_leaves_along() -> None:
    class Handler(Recorder):
        def on_pre_write(self, server: reactor.Server) -> None:
            self.events.append(("on_pre_write",))
            for conn in self.conns:
                conn.write(b" and more")

    recorder = Handler(on_data=lambda conn, data: conn.write(data))
    with Running(recorder, loops=1) as running, connect(running.url) as client:
        client.sendall(b"hello")
        assert receive(client, 14) == b"hello and more"
    assert "on_pre_write" in recorder.names()


@pytest.mark.parametrize("exception", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("way", ["callback", "completion", "on_error"])
def test_the_wish_to_end_the_program_stops_the_server_and_is_raised(exception: BaseException, way: str) -> None:
    def leave(*_: object) -> None:
        raise exception

    def act(conn: reactor.Conn, data: bytes) -> None:
        if way == "completion":
            conn.write(b"x", on_complete=leave)
        elif way == "callback":
            leave()
        else:
            raise LookupError("for on_error")

    class Handler(Recorder):
        def on_error(self, conn: reactor.Conn | None, exc: BaseException) -> None:
            super().on_error(conn, exc)
            leave()

    recorder = Handler(on_data=act)
    server = reactor.Server(recorder)
    url = server.listen(TCP)
    server.start()
    with connect(url) as client:
        client.sendall(b"x")
        with pytest.raises(type(exception)) as raised:
            server.wait()
    assert raised.value is exception
    server.wait()  # Once.
    assert [str(error) for _, error in recorder.errors] == (["for on_error"] if way == "on_error" else [])
    assert recorder.names()[-1] == "on_stop"


def make_async() -> object:
    class Handler:
        async def on_data(self, conn: reactor.Conn, data: bytes) -> None: ...

    return Handler()


def make_generator() -> object:
    class Handler:
        async def on_data(self, conn: reactor.Conn, data: bytes) -> Any:
            yield

    return Handler()


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (make_async, "async def, which a server with threads of its own cannot run"),
        (make_generator, "an async generator, which nobody would run"),
    ],
)
def test_a_callback_that_nobody_would_await_is_refused(make: Callable[[], object], what: str) -> None:
    with pytest.raises(reactor.UnsupportedError, match=f"^Handler.on_data is {what}"):
        reactor.Server(make())


def test_plain_functions_are_chosen_by_decorators() -> None:
    app = reactor.Handlers()

    @app.on_open
    def greet(conn: reactor.Conn) -> None:
        conn.write(b"hi ")

    @app.on_data
    def echo(conn: reactor.Conn, data: bytes) -> None:
        conn.write(data)

    assert echo.__name__ == "echo"
    with pytest.raises(reactor.InvalidArgumentError, match="on_data was chosen before"):
        app.on_data(echo)
    with pytest.raises(AttributeError, match=r"no attribute 'on_dtaa' \(known: on_start, on_open, on_data,"):
        app.on_dtaa  # type: ignore[attr-defined]
    with Running(app) as running:
        assert exchange(running.url, b"hello") == b"hi hello"
    with pytest.raises(reactor.WrongStateError, match="on_close is chosen too late"):
        app.on_close(lambda conn, reason, errno: None)
    with pytest.raises(TypeError, match="the handler must have a callback, such as on_data"):
        reactor.Server(reactor.Handlers())
