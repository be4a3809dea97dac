"""Callbacks that are coroutine functions, under asyncio: L8."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import socket
import sys
from typing import Any

import pytest
import reactor
import uvloop
from async_steps import Steps
from asyncio_helpers import ask, client, run, until
from helpers import DEADLINE, TCP, connect

pytestmark = pytest.mark.usefixtures("on_each_event_loop")


def test_a_connection_is_held_until_its_coroutine_has_ended() -> None:
    async def main() -> None:
        steps = Steps()
        async with reactor.serve_async(steps, TCP, framing=reactor.Line()) as server:
            async with client(server.addresses[0]) as (reader, writer):
                writer.write(b"one\ntwo\nthree\n")
                writer.write_eof()
                for number, line in enumerate([b"one", b"two", b"three"]):
                    await until(lambda line=line: ("begins", line) in steps.said)  # type: ignore[misc]
                    # Others are served, and this one is neither read nor closed at its end.
                    other = asyncio.create_task(ask(server.addresses[0], b"other\n"))
                    await until(lambda number=number: steps.said.count(("begins", b"other")) == number + 1)  # type: ignore[misc]
                    assert len(steps.conns) == number + 2 and steps.conns[0].is_open
                    steps.steps.release()
                    steps.steps.release()
                    await other
                    await until(lambda line=line: ("ends", line) in steps.said)  # type: ignore[misc]
                    assert await reader.readexactly(len(line)) == line
                assert await reader.read() == b""
            await until(lambda: server.connections == 0)
            of_first = [each for each in steps.said if isinstance(each, tuple) and each[1] != b"other"]
            assert of_first == [(how, line) for line in (b"one", b"two", b"three") for how in ("begins", "ends")]
            assert steps.said[-1:] == [reactor.CloseReason.EOF]
        assert steps.said[-1:] == ["stop"]
        assert steps.errors == []

    run(main())


def test_a_list_of_frames_has_one_coroutine() -> None:
    told: list[object] = []

    async def main() -> None:
        step = asyncio.Semaphore(0)

        class Lists(reactor.Handler):
            async def on_frames(self, conn: reactor.Conn, frames: list[bytes]) -> None:
                told.append(frames)
                await step.acquire()
                conn.write(b"+".join(frames) + b";")

        async with reactor.serve_async(Lists(), TCP, framing=reactor.Line()) as server:
            async with client(server.addresses[0]) as (reader, writer), client(server.addresses[0]) as (_, other):
                writer.write(b"one\ntwo\nth")
                await until(lambda: told)
                writer.write(b"ree\nfour\n")
                writer.write_eof()
                # When the other's is told, the loop has been past the first one's, too.
                other.write(b"other\n")
                await until(lambda: [b"other"] in told)
                assert told == [[b"one", b"two"], [b"other"]]
                step.release()
                assert await reader.readexactly(8) == b"one+two;"
                await until(lambda: len(told) == 3)
                step.release()
                step.release()
                assert await reader.read() == b"three+four;"

    run(main())
    assert told == [[b"one", b"two"], [b"other"], [b"three", b"four"]]


def test_what_happens_meanwhile_comes_after_it_in_order() -> None:
    async def main() -> None:
        steps = Steps()
        async with reactor.serve_async(steps, TCP) as server, client(server.addresses[0]) as (reader, writer):
            writer.write(b"hello")
            await until(lambda: steps.said)
            turns = server.metrics().turns
            steps.conns[0].wake()
            await until(lambda: server.metrics().turns > turns)
            assert steps.said == [("begins", b"hello")], "never two at once"
            steps.steps.release()
            assert await reader.readexactly(5) == b"hello"
            await until(lambda: len(steps.said) == 3)
            assert steps.said == [("begins", b"hello"), ("ends", b"hello"), "wake"]

    run(main())


def test_what_is_due_again_and_again_meanwhile_comes_once() -> None:
    class Busy(Steps):
        def __init__(self) -> None:
            super().__init__()
            self.timers: list[int] = []

        def on_open(self, conn: reactor.Conn) -> None:
            super().on_open(conn)
            conn.set_timer(0.001, repeat=0.001)

        def on_timer(self, conn: reactor.Conn, timer: reactor.Timer) -> None:
            # Those that had queued up would come in one turn.
            self.timers.append(conn.server.metrics().turns)

    async def main() -> None:
        busy = Busy()
        async with reactor.serve_async(busy, TCP) as server, client(server.addresses[0]) as (reader, writer):
            writer.write(b"hello")
            await until(lambda: busy.said)
            before = len(busy.timers)
            for _ in range(10):
                turns = server.metrics().turns
                busy.conns[0].wake()
                await until(lambda turns=turns: server.metrics().turns > turns + 2)  # type: ignore[misc]
            assert len(busy.timers) == before
            busy.steps.release()
            assert await reader.readexactly(5) == b"hello"
            await until(lambda: len(busy.timers) > before + 2)
            assert busy.said == [("begins", b"hello"), ("ends", b"hello"), "wake"]
            assert len(set(busy.timers)) == len(busy.timers)

    run(main())


def test_a_coroutine_that_cannot_be_started_is_a_failure() -> None:
    refused: list[Any] = []

    def refuse(loop: asyncio.AbstractEventLoop, coroutine: Any, **_: object) -> Any:
        refused.append(coroutine)
        raise ValueError("no tasks here")

    async def main() -> None:
        steps = Steps()
        loop = asyncio.get_running_loop()
        async with reactor.serve_async(steps, TCP) as server:
            async with client(server.addresses[0]) as (reader, writer):
                await until(lambda: steps.conns)
                loop.set_task_factory(refuse)
                writer.write(b"hello")
                assert await reader.read() == b""
                await until(lambda: server.connections == 1 and steps.errors)
                loop.set_task_factory(None)
            await until(lambda: steps.said)
        # It was neither begun nor forgotten.
        assert [str(error) for error in steps.errors] == ["no tasks here"]
        assert [inspect.getcoroutinestate(each) for each in refused] == [inspect.CORO_CLOSED]
        assert steps.said == [reactor.CloseReason.HANDLER_ERROR, "stop"]

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio has no eager tasks")
def test_coroutines_may_be_started_eagerly() -> None:
    if type(asyncio.get_event_loop_policy()) is uvloop.EventLoopPolicy:
        pytest.skip("uvloop calls the factory as that of Python 3.12 cannot be called")

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
        steps = Steps()
        async with reactor.serve_async(steps, TCP, framing=reactor.Line()) as server:
            steps.steps.release()
            steps.steps.release()
            assert await ask(server.addresses[0], b"one\ntwo\n") == b"onetwo"
            asking = asyncio.ensure_future(ask(server.addresses[0], b"three\n"))
            await until(lambda: ("begins", b"three") in steps.said)
            steps.steps.release()
            assert await asking == b"three"
        assert steps.errors == []

    run(main())


VALUE: contextvars.ContextVar[int] = contextvars.ContextVar("VALUE", default=0)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks take no context")
def test_coroutines_of_a_connection_share_its_context() -> None:
    class Counting(reactor.Handler):
        def on_open(self, conn: reactor.Conn) -> None:
            VALUE.set(VALUE.get() + 100)

        async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            VALUE.set(VALUE.get() + 1)
            await asyncio.sleep(0)
            conn.write(b"%d\n" % VALUE.get())

    async def main() -> None:
        async with reactor.serve_async(Counting(), TCP) as server:
            async with client(server.addresses[0]) as (reader, writer), client(server.addresses[0]) as (other, one):
                for number in range(1, 4):
                    writer.write(b"?")
                    assert await reader.readline() == b"%d\n" % (100 + number)
                one.write(b"?")
                assert await other.readline() == b"101\n"
        assert VALUE.get() == 0

    run(main())


def test_every_callback_of_a_connection_may_be_one() -> None:
    said: list[str] = []

    class All(reactor.Handler):
        async def on_open(self, conn: reactor.Conn) -> None:
            await asyncio.sleep(0)
            said.append("on_open")
            conn.wake()

        async def on_wake(self, conn: reactor.Conn) -> None:
            await asyncio.sleep(0)
            said.append("on_wake")

        async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            await conn.write_async(data)
            said.append("on_data")

        async def on_eof(self, conn: reactor.Conn) -> None:
            await asyncio.sleep(0)
            said.append("on_eof")
            conn.end()

        async def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
            await asyncio.sleep(0)
            said.append("on_close")

    async def main() -> None:
        async with reactor.serve_async(All(), TCP, half_open=True) as server:
            assert await ask(server.addresses[0], b"hello") == b"hello"
            await until(lambda: "on_close" in said)

    run(main())
    assert sorted(said) == ["on_close", "on_data", "on_eof", "on_open", "on_wake"]
    assert said[0] == "on_open" and said[-1] == "on_close" and said.index("on_data") < said.index("on_eof")


def test_coroutines_of_datagrams_run_side_by_side_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor._hosting.SIDE_BY_SIDE", 8)
    running = most = 0
    gate: list[asyncio.Event] = []

    class Handler(reactor.Handler):
        async def on_datagram(self, conn: reactor.Conn, data: bytes, datagram: reactor.Datagram) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await gate[0].wait()
            conn.send_to(datagram.sender, data)
            running -= 1

    async def main() -> None:
        gate.append(asyncio.Event())
        async with reactor.serve_async(Handler(), "udp4://127.0.0.1:0") as server:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.connect(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])))
                peer.settimeout(DEADLINE)
                for number in range(20):
                    peer.send(b"%d" % number)
                await until(lambda: running == 8)
                gate[0].set()
                answers = {await asyncio.to_thread(peer.recv, 100) for _ in range(20)}
                assert answers == {b"%d" % number for number in range(20)}
                await until(lambda: running == 0)

    run(main())
    assert most == 8


@pytest.mark.parametrize("name", ["on_start", "on_tick", "on_pre_write", "on_stopping", "on_stop", "on_error"])
def test_callbacks_of_the_server_are_plain(name: str) -> None:
    async def callback(*_: object) -> None: ...

    handler = type("Strange", (), {name: staticmethod(callback)})()
    with pytest.raises(reactor.UnsupportedError, match=rf"Strange\.{name} is async def, but its answer is wanted at once"):
        reactor.Server(handler, hosted=True)


def test_where_nobody_awaits_them_they_are_an_error() -> None:
    with pytest.raises(reactor.UnsupportedError, match="Steps.on_data is async def, .* serve_async or with hosted=True"):
        reactor.Server(_steps())
    server = reactor.Server(_steps(), hosted=True)
    with pytest.raises(reactor.UnsupportedError, match="on_data is async def: let asyncio serve"):
        reactor.Hosted(server)


def _steps() -> Steps:
    async def make() -> Steps:
        return Steps()

    return asyncio.run(make())


def test_async_generators_are_no_callbacks() -> None:
    class Generator:
        async def on_data(self, conn: reactor.Conn, data: bytes) -> Any:
            yield data

    with pytest.raises(reactor.UnsupportedError, match="async generator"):
        reactor.Server(Generator(), hosted=True)


def test_functions_chosen_by_decorators_may_be_coroutine_functions() -> None:
    app = reactor.Handlers()

    @app.on_data
    async def answer(conn: reactor.Conn, data: bytes) -> None:
        await asyncio.sleep(0)
        conn.write(data)

    async def main() -> None:
        async with reactor.serve_async(app, TCP) as server:
            assert await ask(server.addresses[0], b"hello") == b"hello"

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks do not start at once")
def test_a_coroutine_begins_in_the_turn_and_costs_the_event_loop_nothing_if_it_does_not_wait() -> None:
    seen: list[object] = []
    made: list[asyncio.Task[object]] = []

    class Answering(reactor.Handler):
        def on_open(self, conn: reactor.Conn) -> None:
            seen.append("open")

        def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            asyncio.get_running_loop().call_soon(seen.append, "the event loop")
            seen.append(data)

        async def on_eof(self, conn: reactor.Conn) -> reactor.Action:
            task = asyncio.current_task()
            assert isinstance(task, asyncio.Task)
            made.append(task)
            async with asyncio.timeout(DEADLINE):
                conn.write(b"answer")
            seen.append("the coroutine")
            return reactor.Action.CLOSE

        def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
            seen.append(reason)

    async def main() -> None:
        async with reactor.serve_async(Answering(), TCP, half_open=True) as server:
            with connect(server.addresses[0]) as peer:
                await until(lambda: seen)
                # One turn finds both.
                peer.sendall(b"hello")
                peer.shutdown(socket.SHUT_WR)
                await until(lambda: reactor.CloseReason.LOCAL_CLOSE in seen)
                assert peer.recv(100) == b"answer"
        # It had ended before the event loop came round.
        assert seen == ["open", b"hello", "the coroutine", reactor.CloseReason.LOCAL_CLOSE, "the event loop"]
        assert made[0].done()

    run(main())


def test_many_connections_at_once() -> None:
    class Slow(reactor.Handler):
        async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            await asyncio.sleep(0.001)
            conn.write(data)

    async def main() -> None:
        async with reactor.serve_async(Slow(), TCP) as server:
            sent = [b"%d" % number * 10 for number in range(200)]
            assert await asyncio.gather(*(ask(server.addresses[0], data) for data in sent)) == sent
            await until(lambda: server.connections == 0)

    run(main())
