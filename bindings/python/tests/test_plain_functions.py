"""Functions that are given to the engine to be called: a coroutine function among them would never run, and is refused."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest
import reactor
from asyncio_helpers import ask, run
from helpers import TCP, Recorder, Running, connect, receive


async def coroutine(*_: object) -> None: ...


async def generator(*_: object) -> Any:
    yield


class Methods:
    async def method(self, *_: object) -> None: ...

    async def __call__(self, *_: object) -> None: ...

    @staticmethod
    async def static(*_: object) -> None: ...


REFUSED = {
    "a function": coroutine,
    "a generator": generator,
    "a method": Methods().method,
    "a static method": Methods.static,
    "a callable object": Methods(),
    "a partial": functools.partial(functools.partial(coroutine, 1), 2),
    "a partial of a method": functools.partial(Methods().method, 1),
}

refused = pytest.mark.parametrize("function", REFUSED.values(), ids=REFUSED.keys())


def expect_refusals(conn: reactor.Conn, function: Callable[..., Any]) -> None:
    """On the loop's thread."""
    server = conn.server
    calls: dict[str, Callable[[], object]] = {
        "function": lambda: server.run_on_loop(0, function),
        " function": lambda: server.set_timer(0, function),
        "  function": lambda: server.run_on_conn(conn.id, function),
        "   function": lambda: conn.run_on_loop(function),
        "on_complete": lambda: conn.write(b"refused", on_complete=function),
        " on_complete": lambda: conn.writelines([b"refused"], on_complete=function),
        "  on_complete": lambda: server.write(conn.id, b"refused", on_complete=function),
        "   on_complete": lambda: server.writelines(conn.id, [b"refused"], on_complete=function),
        "the function that measures frames": lambda: conn.set_framing(function),
    }
    for name, call in calls.items():
        with pytest.raises(TypeError, match=f"^{name.strip()} must be a plain function, as nobody would await it .*, not "):
            call()


@refused
def test_a_coroutine_function_is_refused_on_threads(function: Callable[..., Any]) -> None:
    failures: list[BaseException] = []

    def on_open(conn: reactor.Conn) -> None:
        try:
            expect_refusals(conn, function)
        except BaseException as error:
            failures.append(error)
        conn.write(b"nothing else")

    with Running(Recorder(on_open=on_open)) as running, connect(running.url) as client:
        assert receive(client, 12) == b"nothing else"
        assert failures == []


@refused
@pytest.mark.usefixtures("on_each_event_loop")
def test_a_coroutine_function_is_refused_under_asyncio(function: Callable[..., Any]) -> None:
    def on_data(conn: reactor.Conn, data: bytes) -> None:
        expect_refusals(conn, function)
        conn.write(data)

    async def main() -> None:
        recorder = Recorder(on_data=on_data)
        async with reactor.serve_async(recorder, TCP) as server:
            assert await ask(server.addresses[0], b"nothing else") == b"nothing else"
        assert recorder.errors == []

    run(main())


def test_whatever_else_can_be_called_is_called() -> None:
    """Functions, methods, methods of the interpreter's own, partial ones, objects, classes."""
    called: list[object] = []
    done = threading.Event()

    class Callee:
        def method(self, value: object) -> None:
            called.append(value)

        def __call__(self, value: object) -> None:
            called.append(value)

    class Made:
        def __init__(self, value: object) -> None:
            called.append(value)

    callables: list[Callable[[object], object]] = [
        lambda value: called.append(value),
        Callee().method,
        called.append,
        functools.partial(list.append, called),
        functools.partial(Callee().method),
        Callee(),
        Made,
    ]
    with Running(Recorder(), loops=1) as running:
        for number, function in enumerate(callables):
            running.server.run_on_loop(0, function, number)
        running.server.run_on_loop(0, done.set)
        assert done.wait(20)
    assert called == list(range(len(callables)))
