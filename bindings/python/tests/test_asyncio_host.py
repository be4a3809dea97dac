"""Servers that asyncio drives: serve, serve_async, and what is awaited."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import signal
import threading
import time
import weakref

import pytest
import reactor
import uvloop
from asyncio_helpers import ask, client, run, until
from helpers import (
    DEADLINE,
    Recorder,
    asleep,
    call_in_thread,
    connect,
    echo,
    engine_threads,
    finish,
    receive,
    run_python,
)

TCP = "tcp://127.0.0.1:0"

pytestmark = pytest.mark.usefixtures("on_each_event_loop")


def test_callbacks_come_on_the_event_loops_thread() -> None:
    threads: set[int] = set()
    running: set[asyncio.AbstractEventLoop] = set()

    def on_data(conn: reactor.Conn, data: bytes) -> None:
        threads.add(threading.get_ident())
        running.add(asyncio.get_running_loop())
        conn.write(data)

    recorder = Recorder(on_data=on_data)

    async def main() -> None:
        async with reactor.serve_async(recorder, TCP) as server:
            assert recorder.names() == ["on_start"]
            assert await ask(server.addresses[0], b"hello") == b"hello"
            await until(recorder.closed)
            assert engine_threads() == []
            assert running == {asyncio.get_running_loop()}
            assert recorder.events[0][1] is server
        assert recorder.names() == ["on_start", "on_open", "on_data", "on_close", "on_stop"]
        with pytest.raises(reactor.WrongStateError):
            server.listen(TCP)

    run(main())
    assert threads == {threading.get_ident()}


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


def test_a_server_of_one_loop_is_served_too() -> None:
    async def main() -> None:
        server = reactor.Server(Recorder(on_data=echo), loops=1)
        url = server.listen(TCP)
        serving = asyncio.create_task(server.serve())
        assert await ask(url, b"hello") == b"hello"
        server.stop()
        await serving

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


def test_several_servers_in_one_loop() -> None:
    async def main() -> None:
        servers = [reactor.Server(Recorder(on_data=echo), hosted=True) for _ in range(3)]
        urls = [server.listen(TCP) for server in servers]
        serving = [asyncio.create_task(server.serve()) for server in servers]
        answers = await asyncio.gather(*(ask(url, url.encode() * 1000) for url in urls * 10))
        assert answers == [url.encode() * 1000 for url in urls * 10]
        for server in servers:
            server.stop()
        await asyncio.gather(*serving)

    run(main())


def test_more_than_one_turn_can_read_and_the_kernel_takes() -> None:
    """What is put off keeps the descriptor readable, and other callbacks of the loop come meanwhile."""

    async def main() -> None:
        async with reactor.serve_async(Recorder(on_data=echo), TCP, read_budget=4096) as server:
            blocks = [bytes([number]) * 2_000_000 for number in range(4)]

            async def talk(block: bytes) -> None:
                async with client(server.addresses[0]) as (reader, writer):
                    writer.write(block)
                    writer.write_eof()
                    assert await reader.read() == block

            await asyncio.gather(*map(talk, blocks))

    run(main())


def test_calls_from_other_threads_wake_the_loop() -> None:
    recorder = Recorder()

    async def main() -> None:
        async with reactor.serve_async(recorder, TCP) as server:
            async with client(server.addresses[0]) as (reader, _):
                await until(lambda: recorder.conns)
                conn = recorder.conns[0]

                def write_all() -> None:
                    for number in range(100):
                        server.write(conn.id, b"%d\n" % number)

                # Nothing else wakes the event loop.
                threading.Thread(target=write_all).start()
                assert [await reader.readline() for _ in range(100)] == [b"%d\n" % number for number in range(100)]
                threading.Thread(target=server.stop).start()
                await server.serve()

    run(main())


def test_what_a_task_writes_between_turns_is_sent() -> None:
    recorder = Recorder()

    async def main() -> None:
        async with reactor.serve_async(recorder, TCP) as server, client(server.addresses[0]) as (reader, _):
            await until(lambda: recorder.conns)
            for number in range(100):
                recorder.conns[0].write(b"%d\n" % number)
                assert await reader.readline() == b"%d\n" % number
            recorder.conns[0].close()
            assert await reader.read() == b""

    run(main())


def test_ticks_and_timers_come_without_traffic() -> None:
    ticks: list[float] = []

    class Handler(reactor.Handler):
        def on_start(self, server: reactor.Server) -> None:
            server.set_timer(0.01, ticks.append, 0.0)

        def on_tick(self, server: reactor.Server) -> float | None:
            ticks.append(time.monotonic())
            return 0.005

    async def main() -> None:
        async with reactor.serve_async(Handler(), TCP):
            await until(lambda: len(ticks) > 5 and 0.0 in ticks)

    run(main())


def test_an_idle_server_lets_the_event_loop_sleep() -> None:
    turns = 0

    async def main() -> None:
        nonlocal turns
        async with reactor.serve_async(Recorder(on_data=echo), TCP) as server, client(server.addresses[0]) as (reader, writer):
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            # It settles.
            before = -1
            while before != server.metrics().turns:
                before = server.metrics().turns
                await asyncio.sleep(0.05)
            for _ in range(5):
                await asyncio.sleep(0.01)
            turns = server.metrics().turns - before

    run(main())
    assert turns == 0


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


def test_a_failed_callback_is_reported_and_closes_its_connection() -> None:
    cause = ValueError("no")

    def fail(conn: reactor.Conn, data: bytes) -> None:
        raise cause

    recorder = Recorder(on_data=fail)

    async def main() -> None:
        async with reactor.serve_async(recorder, TCP) as server:
            assert await ask(server.addresses[0], b"hello") == b""
            await until(recorder.closed)
        assert recorder.errors == [(recorder.conns[0], cause)]
        assert recorder.closed() == [(reactor.CloseReason.HANDLER_ERROR, None)]

    run(main())


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


VALUE: contextvars.ContextVar[str] = contextvars.ContextVar("VALUE", default="none")


@pytest.mark.not_on_rloop("a client of rloop's own is not closed before the event loop ends")
def test_each_connection_has_a_context_of_its_own() -> None:
    seen: list[str] = []

    class Handler(reactor.Handler):
        def on_start(self, server: reactor.Server) -> None:
            VALUE.set(VALUE.get() + ", on_start")

        def on_open(self, conn: reactor.Conn) -> None:
            seen.append(VALUE.get())
            VALUE.set(f"connection {len(seen)}")

        def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            conn.write(VALUE.get().encode())

        def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
            seen.append(VALUE.get())

    async def main() -> None:
        VALUE.set("serve")
        async with reactor.serve_async(Handler(), TCP) as server:
            url = server.addresses[0]
            async with client(url) as (first, one), client(url) as (second, two):
                await until(lambda: len(seen) == 2)
                two.write(b"?")
                assert await second.readexactly(12) == b"connection 2"
                one.write(b"?")
                assert await first.readexactly(12) == b"connection 1"
            await until(lambda: len(seen) == 4)

    run(main())
    assert seen[:2] == ["serve, on_start"] * 2
    assert sorted(seen[2:]) == ["connection 1", "connection 2"]


def test_a_write_is_awaited() -> None:
    recorder = Recorder()

    async def main() -> None:
        async with reactor.serve_async(recorder, TCP) as server, client(server.addresses[0]) as (reader, _):
            await until(lambda: recorder.conns)
            conn = recorder.conns[0]
            written = conn.write_async(b"hello")
            assert not written.done(), "never from inside the call"
            await written
            assert await reader.readexactly(5) == b"hello"
            await conn.drain()
            # More than the kernel takes, and nobody reads.
            waits = conn.write_async(bytes(20_000_000))
            draining = asyncio.create_task(conn.drain())
            await asyncio.sleep(0.05)
            assert not waits.done() and not draining.done()
            assert len(await reader.readexactly(20_000_000)) == 20_000_000
            await waits
            await draining

    run(main())


def test_what_is_awaited_fails_when_the_connection_ends() -> None:
    recorder = Recorder()

    async def main() -> None:
        async with reactor.serve_async(recorder, TCP) as server, client(server.addresses[0]):
            await until(lambda: recorder.conns)
            conn = recorder.conns[0]
            waits = conn.write_async(bytes(20_000_000))
            draining = asyncio.create_task(conn.drain())
            await asyncio.sleep(0)
            conn.abort()
            for each in (waits, draining):
                with pytest.raises(reactor.ClosedError, match=f"connection {conn.id} is closed"):
                    await each
            with pytest.raises(reactor.ClosedError):
                conn.write_async(b"late")
            with pytest.raises(reactor.ClosedError):
                await conn.drain()

    run(main())


def test_writes_to_a_server_on_threads_are_awaited_too() -> None:
    recorder = Recorder()
    server = reactor.Server(recorder, loops=1)
    url = server.listen(TCP)

    async def main() -> None:
        async with client(url) as (reader, _):
            await until(lambda: recorder.conns)
            await recorder.conns[0].write_async(b"hello")
            await recorder.conns[0].drain()
            assert await reader.readexactly(5) == b"hello"

    with server:
        server.start()
        # In debug mode asyncio refuses to be told by another thread.
        asyncio.run(asyncio.wait_for(main(), DEADLINE), debug=True)


def test_there_has_to_be_an_event_loop() -> None:
    server = reactor.Server(Recorder(), hosted=True)
    with pytest.raises(RuntimeError, match="no running event loop"):
        server.serve().send(None)
    for call in (reactor.Server.start, reactor.Server.run):
        with pytest.raises(reactor.WrongStateError, match="hosted=True"):
            call(server)


def test_a_hosted_server_has_one_loop() -> None:
    with pytest.raises(reactor.InvalidArgumentError, match="one loop, not 2"):
        reactor.Server(Recorder(), hosted=True, loops=2)
    with pytest.raises(reactor.InvalidArgumentError, match="one loop, not 2"):
        reactor.serve_async(Recorder(), TCP, loops=2)
    with pytest.raises(TypeError, match="known: hosted, loops"):
        reactor.serve_async(Recorder(), TCP, looops=2)  # type: ignore[call-arg]

    async def main() -> None:
        with pytest.raises(reactor.InvalidArgumentError, match="one loop, not 2"):
            await reactor.Server(Recorder(), loops=2).serve()

    run(main())


def test_one_event_loop_after_the_other() -> None:
    for _ in range(3):
        test_several_servers_in_one_loop()


def test_each_thread_may_have_an_event_loop_with_a_server() -> None:
    def serve() -> None:
        test_several_servers_in_one_loop()

    threads = [threading.Thread(target=serve) for _ in range(2)]
    for thread in threads:
        thread.start()
    test_several_servers_in_one_loop()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()


def test_asyncios_debug_mode_finds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Handler(reactor.Handler):
        async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            await conn.write_async(data)

    async def main() -> None:
        async with reactor.serve_async(Handler(), TCP) as server:
            assert await ask(server.addresses[0], b"hello") == b"hello"

    asyncio.run(asyncio.wait_for(main(), DEADLINE), debug=True)
    # But slowness, which is the machine's.
    assert [record.getMessage() for record in caplog.records if " took " not in record.getMessage()] == []


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
    if where == "a coroutine" and type(asyncio.get_event_loop_policy()) is uvloop.EventLoopPolicy:
        pytest.skip("the child's uvloop goes round once more, and reads and changes what its parent polls")
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


def test_two_event_loops_cannot_serve_one_server() -> None:
    async def main() -> None:
        async with reactor.serve_async(Recorder(), TCP) as server:
            error = await asyncio.to_thread(call_in_thread, lambda: asyncio.run(_serve(server)))
            assert isinstance(error, reactor.WrongStateError) and "another event loop" in str(error)

    async def _serve(server: reactor.Server) -> None:
        await server.serve()

    run(main())


def test_there_has_to_be_something_to_serve() -> None:
    async def main() -> None:
        with pytest.raises(reactor.InvalidArgumentError, match="nothing to serve"):
            await reactor.serve_async(Recorder())
        with pytest.raises(reactor.InvalidAddressError):
            await reactor.serve_async(Recorder(), "tcp://127.0.0.1:0?nothing=1")

    run(main())
