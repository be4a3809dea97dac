"""Servers that asyncio drives: serve, serve_async, and what is awaited."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest
import reactor
from asyncio_helpers import ask, client, run, until
from helpers import DEADLINE, TCP, Recorder, call_in_thread, echo, engine_threads

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


def test_a_server_of_one_loop_is_served_too() -> None:
    async def main() -> None:
        server = reactor.Server(Recorder(on_data=echo), loops=1)
        url = server.listen(TCP)
        serving = asyncio.create_task(server.serve())
        assert await ask(url, b"hello") == b"hello"
        server.stop()
        await serving

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
