"""Callbacks that are `async def`: how they end, by a failure, an action, a cancellation, and what ends the program."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys

import pytest
import reactor
from async_steps import Steps
from asyncio_helpers import ask, client, run, until
from helpers import DEADLINE, TCP, connect, finish, reset, run_python

pytestmark = pytest.mark.usefixtures("on_each_event_loop")


def test_its_exception_is_the_handlers_failure() -> None:
    async def main() -> None:
        steps = Steps()
        async with reactor.serve_async(steps, TCP) as server:
            steps.steps.release()
            assert await ask(server.addresses[0], b"fail") == b""
            await until(lambda: reactor.CloseReason.HANDLER_ERROR in steps.said)
        assert [str(error) for error in steps.errors] == ["told to"]

    run(main())


def test_a_failure_goes_to_the_log_without_on_error(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(reactor.Handler):
        async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            raise ValueError("told to")

    async def main() -> None:
        async with reactor.serve_async(Failing(), TCP) as server:
            assert await ask(server.addresses[0], b"fail") == b""

    with caplog.at_level(logging.ERROR, "reactor"):
        run(main())
    (record,) = caplog.records
    assert record.getMessage().startswith("on_data failed (connection ")
    assert record.exc_info is not None and str(record.exc_info[1]) == "told to"


@pytest.mark.parametrize("action", ["close", "stop"])
def test_the_action_that_it_returns_counts(action: str) -> None:
    async def main() -> None:
        steps = Steps()
        async with reactor.serve_async(steps, TCP) as server, client(server.addresses[0]) as (reader, writer):
            writer.write(action.encode())
            await until(lambda: steps.said)
            turns = server.metrics().turns
            steps.conns[0].wake()
            await until(lambda: server.metrics().turns > turns)
            steps.steps.release()
            assert await reader.read() == action.encode()
            writer.close()
            if action == "stop":
                await server.serve()
            await until(lambda: any(isinstance(each, reactor.CloseReason) for each in steps.said))
        expected = {"close": reactor.CloseReason.LOCAL_CLOSE, "stop": reactor.CloseReason.SHUTDOWN}[action]
        data = action.encode()
        # What has waited for the coroutine is dropped by a close.
        waited = ["wake"] if action == "stop" else []
        assert steps.said == [("begins", data), ("ends", data), *waited, expected, "stop"]

    run(main())


def test_what_is_no_action_is_a_failure() -> None:
    errors: list[BaseException] = []

    class Strange(reactor.Handler):
        async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            return 7  # type: ignore[return-value]

        def on_error(self, conn: reactor.Conn | None, exc: BaseException) -> None:
            errors.append(exc)

    async def main() -> None:
        async with reactor.serve_async(Strange(), TCP) as server:
            assert await ask(server.addresses[0], b"x") == b""

    run(main())
    assert [str(error) for error in errors] == ["on_data returned 7, not None or a reactor.Action"]


@pytest.mark.parametrize("how", ["reset", "close", "abort", "stop", "cancel"])
def test_it_is_cancelled_when_its_connection_ends(how: str) -> None:
    """And on_close comes after it, on_stop after all."""

    async def main() -> None:
        steps = Steps()
        server = reactor.Server(steps, hosted=True)
        url = server.listen(TCP)
        serving = asyncio.create_task(server.serve())
        with connect(url) as peer:
            peer.sendall(b"hello")
            await until(lambda: steps.said)
            steps.conns[0].wake()
            if how == "reset":
                reset(peer)
            elif how == "close":
                steps.conns[0].close()
                peer.close()
            elif how == "abort":
                steps.conns[0].abort()
            elif how == "stop":
                server.stop()
            else:
                serving.cancel()
            await until(lambda: any(isinstance(each, reactor.CloseReason) for each in steps.said))
        server.stop()
        if how == "cancel":
            with pytest.raises(asyncio.CancelledError):
                await serving
        else:
            await serving
        reason = {"reset": "RESET", "close": "LOCAL_CLOSE", "abort": "ABORT"}.get(how, "SHUTDOWN")
        assert steps.said == [("begins", b"hello"), ("cancelled", b"hello"), reactor.CloseReason[reason], "stop"]
        assert steps.errors == []

    run(main())


def test_one_that_will_not_be_cancelled_is_waited_for() -> None:
    said: list[str] = []

    class Stubborn(reactor.Handler):
        async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            said.append("begins")
            try:
                await asyncio.sleep(DEADLINE)
            except asyncio.CancelledError:
                for _ in range(10):
                    await asyncio.sleep(0.001)
                said.append("ends")
                with pytest.raises(reactor.ClosedError):
                    conn.write(b"late")

        def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
            said.append("on_close")

        def on_stop(self, server: reactor.Server) -> None:
            said.append("on_stop")

    async def main() -> None:
        async with reactor.serve_async(Stubborn(), TCP) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
            writer.write(b"hello")
            await until(lambda: said)
        assert said == ["begins", "ends", "on_close", "on_stop"]
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

    run(main())


def test_one_that_somebody_else_cancels_has_failed() -> None:
    async def main() -> None:
        steps = Steps()
        async with reactor.serve_async(steps, TCP) as server, client(server.addresses[0]) as (reader, writer):
            writer.write(b"hello")
            await until(lambda: steps.tasks)
            (task,) = steps.tasks
            assert task is not None
            task.cancel()
            assert await reader.read() == b""
            writer.close()
            await until(lambda: reactor.CloseReason.HANDLER_ERROR in steps.said)
        # Whoever has cancelled it knows.
        assert steps.errors == []

    run(main())


def test_detach_ends_it_and_hands_the_socket_out() -> None:
    given: list[tuple[socket.socket, bytes, bytes]] = []

    class Detaching(reactor.Handler):
        async def on_data(self, conn: reactor.Conn, data: bytes) -> reactor.Action:
            await asyncio.sleep(0)
            return reactor.Action.DETACH

        def on_detach(self, conn: reactor.Conn, sock: socket.socket, input: bytes, output: bytes) -> None:
            given.append((sock, input, output))

    async def main() -> None:
        async with reactor.serve_async(Detaching(), TCP) as server, client(server.addresses[0]) as (reader, writer):
            writer.write(b"hello")
            await until(lambda: given)
            with given[0][0] as sock:
                sock.sendall(b"by hand")
            assert await reader.read() == b"by hand"

    run(main())


def test_those_of_datagrams_are_cancelled_at_the_stop() -> None:
    said: list[str] = []

    class Handler(reactor.Handler):
        async def on_datagram(self, conn: reactor.Conn, data: bytes, datagram: reactor.Datagram) -> None:
            said.append("begins")
            try:
                await asyncio.sleep(DEADLINE)
            finally:
                said.append("ends")

        def on_stop(self, server: reactor.Server) -> None:
            said.append("on_stop")

    async def main() -> None:
        async with reactor.serve_async(Handler(), "udp4://127.0.0.1:0") as server:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.sendto(b"x", ("127.0.0.1", int(server.addresses[0].rpartition(":")[2])))
                await until(lambda: said)

    run(main())
    assert said == ["begins", "ends", "on_stop"]


def test_a_coroutine_that_exits_ends_the_program() -> None:
    code = """
import asyncio, reactor, socket
class Handler(reactor.Handler):
    async def on_data(self, conn, data):
        await asyncio.sleep(0)
        raise SystemExit(7)
    def on_stop(self, server):
        print("stopped")
async def main():
    async with reactor.serve_async(Handler(), "tcp://127.0.0.1:0") as server:
        peer = socket.create_connection(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])))
        peer.sendall(b"x")
        with peer:
            await server.serve()
asyncio.run(main())
"""
    assert finish(run_python(code)) == (7, "stopped\n", "")


class ExitsAtOnce(reactor.Handler):
    async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        raise SystemExit(7)


class ExitsLater(reactor.Handler):
    async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        await asyncio.sleep(0)
        raise SystemExit(7)


class ExitsPlainly(reactor.Handler):
    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        raise SystemExit(7)


@pytest.mark.not_on_rloop("rloop tells its exception handler of SystemExit and goes on")
@pytest.mark.parametrize("exiting", [ExitsAtOnce, ExitsLater, ExitsPlainly])
def test_a_callback_that_exits_stops_the_server_whatever_its_event_loop_does(
    exiting: type[reactor.Handler], caplog: pytest.LogCaptureFixture
) -> None:
    async def start() -> reactor.Server:
        server = reactor.Server(exiting(), hosted=True)
        server.listen(TCP)
        serving.append(asyncio.create_task(server.serve()))
        await until(lambda: server.loops)
        return server

    serving: list[asyncio.Task[None]] = []
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(start())
    with pytest.raises(SystemExit):
        loop.run_until_complete(asyncio.wait_for(ask(server.addresses[0], b"x"), DEADLINE))
    # If it goes on.
    loop.run_until_complete(asyncio.wait_for(serving[0], DEADLINE))
    assert server.is_stopping
    loop.close()
    # Nobody is told that a task's exception was not asked for.
    serving.clear()
    gc.collect()
    assert caplog.records == []


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks do not start at once")
def test_what_ends_at_once_ends_as_any_other_does() -> None:
    """By an exception, by a cancellation of its own, and behind callbacks that have waited."""
    errors: list[BaseException] = []
    order: list[bytes] = []

    class Ending(reactor.Handler):
        async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            order.append(data)
            if data == b"wait":
                await asyncio.sleep(0.01)
            if data == b"fail":
                raise ZeroDivisionError("deliberate")
            if data == b"cancel":
                raise asyncio.CancelledError
            conn.write(data)

        def on_error(self, conn: reactor.Conn | None, exc: BaseException) -> None:
            errors.append(exc)

        def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
            order.append(str(reason).encode())

    async def main() -> None:
        async with reactor.serve_async(Ending(), TCP, framing="line") as server:
            url = server.addresses[0]
            assert await ask(url, b"wait\none\nwait\ntwo\nfail\nnever\n") == b"waitonewaittwo"
            await until(lambda: len(order) == 6)
            assert order == [b"wait", b"one", b"wait", b"two", b"fail", b"handler error"]
            assert [str(error) for error in errors] == ["deliberate"]
            order.clear()
            assert await ask(url, b"one\ncancel\nnever\n") == b"one"
            await until(lambda: len(order) == 3)
            assert order == [b"one", b"cancel", b"handler error"]
            assert len(errors) == 1

    run(main())
