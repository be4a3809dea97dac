"""How asyncio's transports end: close, abort, resets, failures of callbacks."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import Any

import pytest
from harness import Recorder, run, serve, steps

MUCH = 8 << 20


def test_16_connection_lost_comes_after_close_and_before_what_was_called_soon(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, _ = await served.pair()
            protocol.transport.close()
            assert protocol.names() == ["made"]
            asyncio.get_running_loop().call_soon(protocol.note, "soon")
            await protocol.has("soon")
            assert protocol.names() == ["made", "lost", "soon"]  # 18

    run(main())


def test_17_in_connection_lost_the_transport_tells_what_it_was(engine: str) -> None:
    async def main() -> None:
        told: list[Any] = []

        def lost(protocol: Recorder, _: object) -> None:
            transport = protocol.transport
            told.append((transport.is_closing(), transport.get_extra_info("peername")))
            told.append(transport.get_extra_info("sockname"))
            told.append(transport.get_extra_info("socket").fileno() >= 0)

        async with serve(engine, lambda: Recorder(lost=lost)) as served:
            protocol, peer = await served.pair()
            transport, name = protocol.transport, peer.sock.getsockname()
            assert transport.get_extra_info("socket").fileno() >= 0
            transport.close()
            await protocol.has("lost")
            assert told == [(True, name), served.address(), True]
            assert await peer.rest() == b""
            peer.sock.close()
            while transport.get_extra_info("socket").fileno() != -1:
                await steps(1)  # 14b
            assert transport.get_extra_info("peername") == name

    run(main())


def test_17b_a_reset_is_told_with_its_error(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            peer.reset()
            error = await protocol.has("lost")
            assert isinstance(error, ConnectionResetError)
            assert error.errno == errno.ECONNRESET
            assert protocol.names() == ["made", "lost"]
            assert not served.failures
            assert protocol.transport.get_extra_info("sockname") == served.address()

    run(main())


def test_17c_data_before_a_reset_comes_first(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            peer.sock.send(b"data")
            peer.reset()
            assert isinstance(await protocol.has("lost"), ConnectionResetError)
            assert protocol.names() == ["made", "data", "lost"]

    run(main())


def test_1d_a_reset_after_the_end_of_file_is_noticed_by_whoever_writes(engine: str) -> None:
    async def main() -> None:
        async with serve(engine, lambda: Recorder(eof=lambda protocol, _: True)) as served:
            protocol, peer = await served.pair()
            peer.sock.shutdown(1)
            await protocol.has("eof")
            peer.reset()
            while "lost" not in protocol.names():
                protocol.transport.write(b"anybody there?")
                await asyncio.sleep(0.001)
            assert isinstance(await protocol.has("lost"), ConnectionError)

    run(main())


def fail(protocol: Recorder, _: object) -> None:
    raise ZeroDivisionError("on purpose")


@pytest.mark.not_on_rloop("rloop gives exception handlers one argument too few")
def test_19_a_failure_of_connection_made_is_told_and_the_connection_lives(engine: str) -> None:
    async def main() -> None:
        async with serve(engine, lambda: Recorder(made=fail)) as served:
            protocol, peer = await served.pair()
            await peer.send(b"data")
            assert await protocol.has("data") == b"data"
            assert [type(told["exception"]) for told in served.failures] == [ZeroDivisionError]

    run(main())


@pytest.mark.not_on_rloop("rloop gives exception handlers one argument too few")
@pytest.mark.parametrize("callback", ["data", "eof"])
def test_20_a_failure_of_data_and_eof_received_is_told_and_ends_the_connection(engine: str, callback: str) -> None:
    async def main() -> None:
        async with serve(engine, lambda: Recorder(**{callback: fail})) as served:
            protocol, peer = await served.pair()
            await peer.send(b"data")
            peer.sock.shutdown(1)
            error = await protocol.has("lost")
            assert isinstance(error, ZeroDivisionError)
            assert [told["exception"] for told in served.failures] == [error]
            assert served.failures[0]["message"] == f"Fatal error: protocol.{callback}_received() call failed."
            assert served.failures[0]["transport"] is protocol.transport
            assert served.failures[0]["protocol"] is protocol
            assert await peer.rest() == b""

    run(main())


def test_20_an_answer_before_the_failure_arrives(engine: str) -> None:
    async def main() -> None:
        def answer(protocol: Recorder, data: bytes) -> None:
            protocol.transport.write(b"sorry")
            raise ZeroDivisionError

        async with serve(engine, lambda: Recorder(data=answer)) as served:
            protocol, peer = await served.pair()
            await peer.send(b"data")
            assert await peer.rest() == b"sorry"
            await protocol.has("lost")

    run(main())


@pytest.mark.not_on_rloop("rloop gives exception handlers one argument too few")
def test_20b_a_failure_of_connection_lost_is_told(engine: str) -> None:
    async def main() -> None:
        async with serve(engine, lambda: Recorder(lost=fail)) as served:
            for end in ("close", "reset"):
                protocol, peer = await served.pair()
                if end == "close":
                    protocol.transport.close()
                else:
                    peer.reset()
                await protocol.has("lost")
            await steps()
            assert [type(told["exception"]) for told in served.failures] == 2 * [ZeroDivisionError]

    run(main())


def test_20d_a_factory_that_fails_closes_the_connection_and_is_told() -> None:
    # asyncio tells nobody. So this is ours alone.
    async def main() -> None:
        def factory() -> Recorder:
            raise ZeroDivisionError("on purpose")

        async with serve("reactor", factory) as served:
            peer = await served.peer()
            assert await peer.rest() == b""
            assert [type(told["exception"]) for told in served.failures] == [ZeroDivisionError]

    run(main())


def test_20f_a_cancelled_error_out_of_data_received_is_like_any_other(engine: str) -> None:
    async def main() -> None:
        def cancel(protocol: Recorder, data: bytes) -> None:
            raise asyncio.CancelledError

        async with serve(engine, lambda: Recorder(data=cancel)) as served:
            protocol, peer = await served.pair()
            await peer.send(b"data")
            assert isinstance(await protocol.has("lost"), asyncio.CancelledError)

    run(main())


@pytest.mark.not_on_rloop("rloop tells its exception handler of SystemExit and goes on")
@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("callback", ["made", "data"])
def test_what_ends_a_program_ends_the_loop(engine: str, callback: str, end: type[BaseException]) -> None:
    def leave(protocol: Recorder, _: object) -> None:
        raise end("on purpose")

    async def main() -> None:
        async with serve(engine, lambda: Recorder(**{callback: leave})) as served:
            peer = await served.peer()
            await peer.send(b"data")
            await asyncio.sleep(3600)

    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(end, match="on purpose"):
            loop.run_until_complete(main())
        while tasks := asyncio.all_tasks(loop):
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()


def test_25_abort_with_unread_data_resets(engine: str) -> None:
    async def main() -> None:
        def pause(protocol: Recorder, _: object) -> None:
            protocol.transport.pause_reading()

        async with serve(engine, lambda: Recorder(made=pause)) as served:
            protocol, peer = await served.pair()
            await peer.send(b"unread")
            await steps(20)
            protocol.transport.abort()
            with pytest.raises(ConnectionResetError):
                await peer.some()
            assert await protocol.has("lost") is None

    run(main())


def test_25_abort_with_unsent_data_resets() -> None:
    # asyncio ends it as if that had been all, and the peer is not told that bytes are missing. So this is ours alone.
    async def main() -> None:
        async with serve("reactor") as served:
            protocol, peer = await served.pair()
            protocol.transport.write(bytes(MUCH))
            protocol.transport.abort()
            assert protocol.transport.get_write_buffer_size() == 0  # 25b
            with pytest.raises(ConnectionResetError):
                await peer.rest()
            assert await protocol.has("lost") is None

    run(main())


def test_25b_nothing_is_buffered_after_abort(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            protocol.transport.write(bytes(MUCH))
            assert protocol.transport.get_write_buffer_size() > 0
            protocol.transport.abort()
            assert protocol.transport.get_write_buffer_size() == 0
            assert await protocol.has("lost") is None

    run(main())


def test_abort_of_what_closes_behind_a_full_buffer(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            protocol.transport.write(bytes(MUCH))
            protocol.transport.close()
            await steps(10)
            assert protocol.names() == ["made", "pause"]
            protocol.transport.abort()
            assert await protocol.has("lost") is None
            assert protocol.names() == ["made", "pause", "lost"]

    run(main())


def test_a_peer_that_resets_while_it_closes_behind_a_full_buffer(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            protocol.transport.write(bytes(MUCH))
            protocol.transport.close()
            peer.reset()
            assert isinstance(await protocol.has("lost"), ConnectionError)

    run(main())


def test_a_connection_leaves_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serve("reactor") as served:
            protocol, peer = await served.pair()
            protocol.transport.close()
            assert await peer.rest() == b""
            await protocol.has("lost")

    with caplog.at_level(logging.WARNING):
        run(main())
    assert not caplog.records
