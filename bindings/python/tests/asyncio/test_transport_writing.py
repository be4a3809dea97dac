"""What asyncio's transports do about output. The numbers are rows of the table in which four loops were compared."""

from __future__ import annotations

import array
import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from harness import Recorder, run, serve, steps

MUCH = 8 << 20


def test_2_a_write_after_close_is_ignored(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            protocol.transport.write(b"first")
            protocol.transport.close()
            protocol.transport.write(b"second")
            protocol.transport.writelines([b"third"])
            assert await peer.rest() == b"first"
            await protocol.has("lost")

    run(main())


def test_2b_the_peer_sees_the_end_soon_after_a_close_and_at_once_after_write_eof(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            protocol.transport.close()
            assert await peer.rest() == b""
            protocol, peer = await served.pair()
            assert protocol.transport.can_write_eof()
            protocol.transport.write(b"all")
            protocol.transport.write_eof()
            assert await peer.rest() == b"all"
            # The other side goes on, and nothing is closed.
            await peer.send(b"answer")
            await protocol.until(lambda: protocol.data() == b"answer")
            assert not protocol.transport.is_closing()

    run(main())


def test_3_a_write_after_close_behind_a_full_buffer_arrives_before_the_end(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            transport = protocol.transport
            transport.write(bytes(MUCH))
            assert transport.get_write_buffer_size() > 0
            transport.close()
            transport.write(b"behind it")
            transport.write_eof()  # 3b: no error
            got = await peer.rest()
            assert len(got) == MUCH + 9
            assert got.endswith(b"behind it")
            assert await protocol.has("lost") is None

    run(main())


def test_4_writing_after_write_eof_is_an_error(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, _ = await served.pair()
            protocol.transport.write_eof()
            writes: list[Callable[[], object]] = [
                lambda: protocol.transport.write(b"late"),
                lambda: protocol.transport.write(b""),
                lambda: protocol.transport.writelines([b"late"]),
                lambda: protocol.transport.writelines([]),
            ]
            for write in writes:
                with pytest.raises(RuntimeError, match="write_eof"):
                    write()

    run(main())


def test_5_writes_after_connection_lost_and_in_it_are_ignored(engine: str) -> None:
    async def main() -> None:
        lost = {"lost": lambda protocol, _: protocol.transport.write(b"in it")}
        async with serve(engine, lambda: Recorder(**lost)) as served:
            protocol, peer = await served.pair()
            transport = protocol.transport
            transport.close()
            await protocol.has("lost")
            await steps()
            transport.write(b"after it")
            transport.writelines([b"after it"])
            transport.write_eof()
            transport.close()
            transport.abort()
            assert await peer.rest() == b""
            assert not served.failures
            assert protocol.names().count("lost") == 1

    run(main())


def test_8_a_protocol_is_paused_inside_write_strictly_above_the_mark(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            transport = protocol.transport
            assert transport.get_write_buffer_limits() == (16384, 65536)  # 8c
            transport.write(bytes(MUCH))
            assert protocol.names() == ["made", "pause"]
            size = transport.get_write_buffer_size()
            assert 65536 < size < MUCH
            # Not again while it is paused.
            transport.write(b"more")
            assert protocol.names() == ["made", "pause"]
            assert transport.get_write_buffer_size() == size + 4
            sizes: list[int] = []
            protocol.does["resume"] = lambda protocol, _: sizes.append(transport.get_write_buffer_size())
            assert len(await peer.exactly(MUCH + 4)) == MUCH + 4
            await protocol.has("resume")
            assert sizes[0] <= 16384
            assert protocol.names() == ["made", "pause", "resume"]

    run(main())


def test_8_exactly_the_mark_pauses_nobody_and_one_byte_more_does(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, _ = await served.pair()
            transport = protocol.transport
            # What the kernel takes is taken; from here on every byte is left.
            transport.set_write_buffer_limits(high=4 * MUCH)
            transport.write(bytes(MUCH))
            left = transport.get_write_buffer_size()
            transport.set_write_buffer_limits(high=left + 10)
            transport.write(bytes(10))
            assert transport.get_write_buffer_size() == left + 10
            assert protocol.names() == ["made"]
            transport.write(b"1")
            assert protocol.names() == ["made", "pause"]

    run(main())


def test_8_a_protocol_is_resumed_at_the_low_mark_and_not_before(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            transport = protocol.transport
            transport.set_write_buffer_limits(high=MUCH // 2, low=1000)
            transport.write(bytes(MUCH))
            assert protocol.names() == ["made", "pause"]
            # The peer takes what it needs to be below the high mark, and far above the low one.
            read = 0
            while transport.get_write_buffer_size() > MUCH // 2:
                read += len(await peer.some(65536))
            await steps(10)
            assert 1000 < transport.get_write_buffer_size() <= MUCH // 2
            assert protocol.names() == ["made", "pause"]
            await peer.exactly(MUCH - read)
            await protocol.has("resume")

    run(main())


def test_8b_marks_below_what_is_buffered_pause_inside_the_call(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, _ = await served.pair()
            protocol.transport.set_write_buffer_limits(high=4 * MUCH)
            protocol.transport.write(bytes(MUCH))
            assert protocol.names() == ["made"]
            protocol.transport.set_write_buffer_limits(high=1000)
            assert protocol.names() == ["made", "pause"]

    run(main())


def test_9_a_small_write_leaves_nothing_in_the_buffer_also_in_a_callback(engine: str) -> None:
    async def main() -> None:
        sizes: list[int] = []

        def answer(protocol: Recorder, data: bytes) -> None:
            protocol.transport.write(b"0123456789")
            sizes.append(protocol.transport.get_write_buffer_size())
            protocol.transport.write(b"end")

        async with serve(engine, lambda: Recorder(data=answer)) as served:
            protocol, peer = await served.pair()
            protocol.transport.write(b"0123456789")
            assert protocol.transport.get_write_buffer_size() == 0
            assert peer.sock.recv(100) == b"0123456789"
            await peer.send(b"go")
            assert await peer.exactly(13) == b"0123456789end"
            assert sizes == [0]

    run(main())


def test_10_all_that_writelines_takes_arrives_in_order(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            transport = protocol.transport
            transport.writelines([])
            numbers = array.array("i", range(1000))
            transport.writelines([b"a", bytearray(b"b"), memoryview(b"c"), memoryview(numbers)])
            transport.writelines(piece for piece in [b"11", b"generator"])
            with pytest.raises(TypeError):
                transport.writelines([b"a", "str"])
            transport.close()
            assert await peer.rest() == b"abc" + numbers.tobytes() + b"11generator"

    run(main())


def test_12_all_bytes_of_a_view_of_integers_arrive_however_many() -> None:
    # asyncio drops what the first send did not take of many, and tells nobody. So this is ours alone.
    async def main() -> None:
        async with serve("reactor") as served:
            protocol, peer = await served.pair()
            numbers = array.array("i", range(MUCH // 4))
            protocol.transport.write(memoryview(numbers))
            protocol.transport.write(memoryview(numbers))
            protocol.transport.close()
            assert await peer.rest() == 2 * numbers.tobytes()

    run(main())


@pytest.mark.parametrize("wrong", [array.array("i", [1]), [65, 66], "text", 5, None])
def test_12b_what_is_no_bytes_is_a_type_error(engine: str, wrong: Any) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            with pytest.raises(TypeError):
                protocol.transport.write(wrong)
            protocol.transport.write(b"right")
            protocol.transport.close()
            assert await peer.rest() == b"right"

    run(main())


def test_13_a_bytearray_that_changes_after_the_write_is_sent_as_it_was(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            protocol.transport.write(bytes(MUCH))
            data = bytearray(b"old")
            protocol.transport.write(data)
            data[:] = b"new and longer"
            protocol.transport.close()
            assert (await peer.rest())[MUCH:] == b"old"

    run(main())


@pytest.mark.parametrize(
    ("given", "limits"),
    [({}, (16384, 65536)), ({"high": 0}, (0, 0)), ({"low": 10}, (10, 40)), ({"high": 9}, (2, 9)), ({"high": 5, "low": 5}, (5, 5))],
)
def test_24_marks(engine: str, given: dict[str, int], limits: tuple[int, int]) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            protocol.transport.set_write_buffer_limits(**given)
            assert protocol.transport.get_write_buffer_limits() == limits
            protocol.transport.write(b"1")
            assert protocol.names() == ["made"]
            assert await peer.exactly(1) == b"1"

    run(main())


@pytest.mark.parametrize("given", [{"high": 1, "low": 2}, {"high": -1}, {"low": -1}])
def test_24b_marks_that_cannot_be(engine: str, given: dict[str, int]) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, _ = await served.pair()
            with pytest.raises(ValueError, match="must be >= low"):
                protocol.transport.set_write_buffer_limits(**given)
            assert protocol.transport.get_write_buffer_limits() == (16384, 65536)

    run(main())


def test_26_write_eof_on_a_unix_socket(engine: str, tmp_path: Any) -> None:
    async def main() -> None:
        async with serve(engine, path=str(tmp_path / "socket")) as served:
            protocol, peer = await served.pair()
            protocol.transport.write(b"all")
            protocol.transport.write_eof()
            assert await peer.rest() == b"all"
            await peer.send(b"answer")
            await protocol.until(lambda: protocol.data() == b"answer")

    run(main())


def test_many_writes_of_one_callback_beyond_the_mark_pause_and_arrive(engine: str) -> None:
    async def main() -> None:
        def flood(protocol: Recorder, data: bytes) -> None:
            for number in range(10_000):
                protocol.transport.write(number.to_bytes(4, "big") * 250)

        async with serve(engine, lambda: Recorder(data=flood)) as served:
            protocol, peer = await served.pair(rcvbuf=4096)
            await peer.send(b"go")
            got = await peer.exactly(10_000_000)
            assert got == b"".join(number.to_bytes(4, "big") * 250 for number in range(10_000))
            await protocol.has("resume")
            assert protocol.names() == ["made", "data", "pause", "resume"]

    run(main())


def test_a_resumed_protocol_may_write_itself_full_again(engine: str) -> None:
    async def main() -> None:
        left = 5

        def more(protocol: Recorder, _: object) -> None:
            nonlocal left
            left -= 1
            if left:
                protocol.transport.write(bytes(MUCH))
            else:
                protocol.transport.close()

        async with serve(engine, lambda: Recorder(resume=more)) as served:
            protocol, peer = await served.pair()
            protocol.transport.write(bytes(MUCH))
            assert len(await peer.rest()) == 5 * MUCH
            assert await protocol.has("lost") is None
            assert protocol.names() == ["made"] + 5 * ["pause", "resume"] + ["lost"]

    run(main())


@pytest.mark.not_on_rloop("rloop gives exception handlers one argument too few")
def test_20c_a_failure_of_pause_and_resume_writing_is_told_and_changes_nothing(engine: str) -> None:
    async def main() -> None:
        def fail(protocol: Recorder, _: object) -> None:
            raise ZeroDivisionError

        async with serve(engine, lambda: Recorder(pause=fail, resume=fail)) as served:
            protocol, peer = await served.pair()
            protocol.transport.write(bytes(MUCH))
            assert await peer.exactly(MUCH) == bytes(MUCH)
            await protocol.has("resume")
            await steps()
            assert [type(told["exception"]) for told in served.failures] == 2 * [ZeroDivisionError]
            assert [told["message"].split(" ")[0] for told in served.failures] == [
                "protocol.pause_writing()",
                "protocol.resume_writing()",
            ]
            assert served.failures[0]["transport"] is protocol.transport
            assert served.failures[0]["protocol"] is protocol
            protocol.transport.write(b"lives")
            assert await peer.exactly(5) == b"lives"

    run(main())


def test_a_transport_of_another_thread_says_what_to_use_instead() -> None:
    async def main() -> None:
        async with serve("reactor") as served:
            protocol, peer = await served.pair()
            loop = asyncio.get_running_loop()
            with pytest.raises(RuntimeError, match="call_soon_threadsafe"):
                await loop.run_in_executor(None, protocol.transport.write, b"wrong")
            protocol.transport.write(b"right")
            assert await peer.exactly(5) == b"right"

    run(main())
