"""A server in an event loop: how it ends, by a stop, a signal, a failure and a fork, and what is left of it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import weakref

import pytest
import reactor
from asyncio_helpers import ask, client, run, until
from helpers import DEADLINE, TCP, Recorder, asleep, connect, echo, finish, receive, run_python

pytestmark = pytest.mark.usefixtures("on_each_event_loop")


def test_serve_returns_when_the_server_has_stopped() -> None:
    recorder = Recorder(on_data=lambda conn, data: reactor.Action.STOP)

    async def main() -> None:
        server = reactor.Server(recorder, hosted=True)
        url = server.listen(TCP)
        serving = asyncio.create_task(server.serve())
        # A second one waits for the same.
        waiting = asyncio.create_task(server.serve())
        assert await ask(url, b"stop") == b""
        await serving
        await waiting
        assert recorder.names() == ["on_start", "on_open", "on_data", "on_close", "on_stop"]
        # It has stopped, whoever asks, and is not started again.
        await server.serve()
        await server.wait_closed()
        assert recorder.names()[-1] == "on_stop"

    run(main())


def test_awaiting_serve_async_serves_until_the_end() -> None:
    recorder = Recorder(on_data=lambda conn, data: conn.server.stop())
    urls: list[str] = []
    recorder.act["on_start"] = lambda server: urls.extend(server.addresses)

    async def main() -> None:
        serving = asyncio.ensure_future(asyncio.wait_for(reactor.serve_async(recorder, TCP), DEADLINE))
        await until(lambda: urls)
        await ask(urls[0], b"stop")
        await serving

    run(main())
    assert recorder.names()[-1] == "on_stop"


def test_cancelling_stops_the_server_at_once() -> None:
    recorder = Recorder(on_data=echo)

    async def main() -> None:
        server = reactor.Server(recorder, hosted=True)
        url = server.listen(TCP)
        serving = asyncio.create_task(server.serve())
        async with client(url) as (reader, writer):
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
            assert recorder.names()[-2:] == ["on_close", "on_stop"], "it has ended by then"
            assert await reader.read() == b""
        assert recorder.closed() == [(reactor.CloseReason.SHUTDOWN, None)]

    run(main())


def test_whoever_waits_for_the_end_may_be_cancelled() -> None:
    recorder = Recorder(on_data=echo)

    async def main() -> None:
        server = reactor.Server(recorder, hosted=True)
        with pytest.raises(reactor.WrongStateError, match="no event loop serves the server"):
            await server.wait_closed()
        url = server.listen(TCP)
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.loops)
        waiting = asyncio.create_task(server.wait_closed())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await ask(url, b"hello") == b"hello", "it goes on"
        server.stop_gracefully(DEADLINE)
        await server.wait_closed()
        assert recorder.names()[-1] == "on_stop"
        await serving

    run(main())


@pytest.mark.not_on_rloop("rloop's remove_signal_handler fails")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_handler_of_the_event_loops_stops_it(number: signal.Signals) -> None:
    recorder = Recorder(on_data=echo)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with reactor.serve_async(recorder, TCP) as server, client(server.addresses[0]) as (reader, writer):
            loop.add_signal_handler(number, server.stop_gracefully, DEADLINE)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            os.kill(os.getpid(), number)
            await until(lambda: server.is_stopping)
            writer.write(b" again")
            writer.write_eof()
            assert await reader.read() == b" again"
            await server.wait_closed()
            loop.remove_signal_handler(number)
        assert recorder.closed() == [(reactor.CloseReason.EOF, None)]

    run(main())


@pytest.mark.not_on_rloop("a client of rloop's own is not closed before the event loop ends")
def test_a_graceful_stop_lets_connections_finish() -> None:
    recorder = Recorder(on_data=echo)

    async def main() -> None:
        async with reactor.serve_async(recorder, TCP) as server:
            async with client(server.addresses[0]) as (reader, writer):
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                server.stop_gracefully(DEADLINE)
                writer.write(b" again")
                assert await reader.readexactly(6) == b" again"
            await server.serve()
        assert recorder.closed() == [(reactor.CloseReason.EOF, None)]

    run(main())


@pytest.mark.parametrize("how", ["returns stop", "raises"])
def test_on_start_can_refuse(how: str) -> None:
    cause = ValueError("no")

    def on_start(server: reactor.Server) -> reactor.Action:
        if how == "raises":
            raise cause
        return reactor.Action.STOP

    recorder = Recorder(on_start=on_start)
    expected = reactor.HandlerFailedError if how == "raises" else reactor.StoppedError

    async def main() -> None:
        server = reactor.Server(recorder, hosted=True)
        server.listen(TCP)
        with pytest.raises(expected) as raised:
            await server.serve()
        assert raised.value.__cause__ is (cause if how == "raises" else None)
        with pytest.raises(expected):
            async with reactor.serve_async(recorder, TCP):
                raise AssertionError("it was not started")

    run(main())
    assert recorder.names() == ["on_start", "on_start"]


@pytest.mark.not_on_rloop("rloop tells its exception handler of SystemExit and goes on")
def test_what_ends_the_program_leaves_the_event_loop() -> None:
    def leave(conn: reactor.Conn, data: bytes) -> None:
        raise SystemExit(7)

    recorder = Recorder(on_data=leave)

    async def main() -> None:
        async with reactor.serve_async(recorder, TCP) as server:
            with connect(server.addresses[0]) as peer:
                peer.sendall(b"hello")
                await server.serve()

    with pytest.raises(SystemExit) as raised:
        asyncio.run(main())
    assert raised.value.code == 7
    assert recorder.names()[-1] == "on_stop"
    assert recorder.errors == []


SERVING = """
import asyncio, reactor
class Handler(reactor.Handler):
    def on_data(self, conn, data):
        conn.write(data)
    def on_stop(self, server):
        print("stopped", flush=True)
async def main():
    async with reactor.serve_async(Handler(), "tcp://127.0.0.1:0") as server:
        print(server.addresses[0], flush=True)
        try:
            await server.serve()
        except asyncio.CancelledError:
            print("cancelled", flush=True)
            raise
"""


def test_ctrl_c_ends_it_as_asyncio_does() -> None:
    program = run_python(SERVING + "try:\n    asyncio.run(main())\nexcept KeyboardInterrupt:\n    print('interrupted')")
    assert program.stdout is not None
    with connect(program.stdout.readline().strip()) as peer:
        peer.sendall(b"hello")
        assert receive(peer, 5) == b"hello"
        asleep(program)
        program.send_signal(signal.SIGINT)
        code, out, err = finish(program)
    assert (code, out.split(), err) == (0, ["stopped", "cancelled", "interrupted"], "")


def test_an_event_loop_that_is_closed_meanwhile_leaves_nothing_running() -> None:
    program = run_python(
        SERVING.replace("await server.serve()", "asyncio.get_running_loop().stop(); await server.serve()")
        + """
import gc, warnings
warnings.simplefilter("ignore")
loop = asyncio.new_event_loop()
task = loop.create_task(main())
loop.run_forever()
loop.close()
del task, loop
gc.collect()
print("over")
"""
    )
    code, out, err = finish(program)
    assert (code, out.split()[1:]) == (0, ["stopped", "over"]), err


@pytest.mark.parametrize("is_async", [False, True])
def test_nothing_is_left_of_a_server_that_has_ended(is_async: bool) -> None:
    class Plain(reactor.Handler):
        def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            conn.write(data)

    class Async(reactor.Handler):
        async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            conn.write(data)

    left: list[weakref.ref[object]] = []

    async def main() -> None:
        handler = Async() if is_async else Plain()
        async with reactor.serve_async(handler, TCP) as server:
            assert await ask(server.addresses[0], b"hello") == b"hello"
            left.extend([weakref.ref(handler), weakref.ref(server)])

    run(main())
    gc.collect()
    assert [each() for each in left] == [None, None]


@pytest.mark.parametrize("where", ["a callback", "a callback that raises", "a coroutine"])
def test_a_child_that_is_forked_in_a_callback_ends_when_that_returns(where: str) -> None:
    if where == "a coroutine" and type(asyncio.get_event_loop_policy()) is not asyncio.DefaultEventLoopPolicy:
        pytest.skip("the child's uvloop or rloop goes round once more, and reads and changes what its parent polls")

    def fork() -> None:
        if os.fork() == 0 and where == "a callback that raises":
            raise SystemExit(7)

    class Plain(reactor.Handler):
        def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            fork()
            conn.write(data)

    class Async(reactor.Handler):
        async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            await asyncio.sleep(0)
            fork()
            conn.write(data)

    async def main() -> None:
        async with reactor.serve_async(Async() if where == "a coroutine" else Plain(), TCP) as server:
            for _ in range(3):
                assert await ask(server.addresses[0], b"fork") == b"fork", "the parent's event loop is as before"
                assert os.waitstatus_to_exitcode(os.waitpid(-1, 0)[1]) == 0

    run(main())


@pytest.mark.not_on_rloop("the child's rloop and its parent's wait on one epoll, and what the one is told the other is not")
def test_a_child_that_goes_on_with_the_event_loop_has_no_server() -> None:
    async def main() -> None:
        async with reactor.serve_async(Recorder(on_data=echo), TCP) as server:
            waiting = asyncio.create_task(server.wait_closed())
            await asyncio.sleep(0)
            child = os.fork()
            if child == 0:
                try:
                    server.stop()
                    await waiting
                except reactor.WrongStateError as error:
                    os._exit(7 if "runs in the parent" in str(error) else 8)
                finally:
                    os._exit(9)
            # The server's descriptor is readable, which the child sees.
            with connect(server.addresses[0]) as peer:
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
                peer.sendall(b"hello")
                assert await asyncio.to_thread(receive, peer, 5) == b"hello"
            waiting.cancel()

    run(main())
