"""What asyncio's transports do about input: `eof_received`, pauses, BufferedProtocol, contexts."""

from __future__ import annotations

import asyncio
import contextvars
import socket
from typing import Any

import pytest
from harness import Recorder, run, serve, steps


@pytest.mark.parametrize("answer", [None, False, 0, ""])
def test_1_a_false_answer_to_eof_closes_behind_what_was_written_inside(engine: str, answer: object) -> None:
    async def main() -> None:
        def eof(protocol: Recorder, _: object) -> object:
            protocol.transport.write(b"inside")
            return answer

        async with serve(engine, lambda: Recorder(eof=eof)) as served:
            protocol, peer = await served.pair()
            await peer.send(b"data")
            peer.sock.shutdown(socket.SHUT_WR)
            assert await peer.rest() == b"inside"
            assert await protocol.has("lost") is None
            assert protocol.names() == ["made", "data", "eof", "lost"]

    run(main())


@pytest.mark.parametrize("answer", [True, 1, "yes"])
def test_1b_a_true_answer_keeps_it_open_and_eof_comes_again_for_each_pause_and_resume(engine: str, answer: object) -> None:
    async def main() -> None:
        async with serve(engine, lambda: Recorder(eof=lambda protocol, _: answer)) as served:
            protocol, peer = await served.pair()
            peer.sock.shutdown(socket.SHUT_WR)
            await protocol.has("eof")
            await steps()
            transport = protocol.transport
            assert transport.is_reading()  # 1c
            assert not transport.is_closing()
            for times in (2, 3):
                transport.pause_reading()
                assert not transport.is_reading()
                transport.resume_reading()
                await protocol.has("eof", times)
            transport.write(b"still")
            assert await peer.exactly(5) == b"still"
            transport.close()
            assert await peer.rest() == b""
            assert await protocol.has("lost") is None
            assert protocol.names() == ["made", "eof", "eof", "eof", "lost"]

    run(main())


def test_both_sides_ended_and_nobody_closed_it_the_transport_waits_for_close(engine: str) -> None:
    async def main() -> None:
        async with serve(engine, lambda: Recorder(eof=lambda protocol, _: True)) as served:
            protocol, peer = await served.pair()
            peer.sock.shutdown(socket.SHUT_WR)
            await protocol.has("eof")
            protocol.transport.write_eof()
            assert await peer.rest() == b""
            await steps(10)
            assert protocol.names() == ["made", "eof"]
            assert not protocol.transport.is_closing()
            protocol.transport.close()
            assert await protocol.has("lost") is None

    run(main())


def test_6_nothing_comes_while_reading_is_paused(engine: str) -> None:
    async def main() -> None:
        def pause(protocol: Recorder, data: bytes) -> None:
            protocol.transport.pause_reading()

        async with serve(engine, lambda: Recorder(data=pause)) as served:
            protocol, peer = await served.pair()
            sending = asyncio.ensure_future(peer.send(bytes(4 << 20)))
            await protocol.has("data")
            await steps(20)
            assert protocol.names() == ["made", "data"]
            del protocol.does["data"]
            protocol.transport.resume_reading()
            assert protocol.names() == ["made", "data"]  # 6b: not inside the call
            await protocol.until(lambda: len(protocol.data()) == 4 << 20)
            await sending
            # 7: asyncio reads up to 262,144 bytes at a time, and we up to 65,536.
            assert max(len(data) for name, data in protocol.told if name == "data") <= 262_144

    run(main())


def test_6c_close_in_data_received_is_the_end_of_data(engine: str) -> None:
    async def main() -> None:
        def close(protocol: Recorder, data: bytes) -> None:
            protocol.transport.close()

        async with serve(engine, lambda: Recorder(data=close)) as served:
            protocol, peer = await served.pair()
            sending = asyncio.ensure_future(peer.send(bytes(1 << 20)))
            await protocol.has("lost")
            await steps(10)
            assert protocol.names() == ["made", "data", "lost"]
            peer.sock.close()
            served.peers.clear()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    run(main())


def test_23c_pause_reading_in_connection_made_holds(engine: str) -> None:
    async def main() -> None:
        def pause(protocol: Recorder, _: object) -> None:
            protocol.transport.pause_reading()

        async with serve(engine, lambda: Recorder(made=pause)) as served:
            protocol, peer = await served.pair()
            await peer.send(b"waits")
            await steps(20)
            assert protocol.names() == ["made"]
            protocol.transport.resume_reading()
            assert await protocol.has("data") == b"waits"

    run(main())


class Filled(asyncio.BufferedProtocol):
    """A BufferedProtocol with a buffer of so many bytes."""

    def __init__(self, size: int) -> None:
        self.memory = bytearray(size)
        self.hints: list[int] = []
        self.got = bytearray()
        self.recorder = Recorder()
        self.transport: Any = None
        self.pauses = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.recorder.connection_made(transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        self.hints.append(sizehint)
        return self.memory

    def buffer_updated(self, nbytes: int) -> None:
        self.got += self.memory[:nbytes]
        if self.pauses:
            self.transport.pause_reading()
        self.recorder.note("updated", nbytes)

    def eof_received(self) -> None:
        self.recorder.note("eof")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.recorder.connection_lost(exc)


def test_23_a_buffered_protocol_is_filled_buffer_by_buffer(engine: str) -> None:
    async def main() -> None:
        filled = Filled(1)
        async with serve(engine) as served:
            served.factory = lambda: filled  # type: ignore[method-assign,assignment,return-value]
            protocol, peer = await buffered(served, filled)
            await peer.send(b"byte by byte")
            await protocol.until(lambda: filled.got == b"byte by byte")
            assert [value for name, value in protocol.told if name == "updated"] == 12 * [1]
            assert set(filled.hints) == {-1}
            peer.sock.shutdown(socket.SHUT_WR)
            await protocol.has("lost")
            assert protocol.names()[-2:] == ["eof", "lost"]

    run(main())


async def buffered(served: Any, filled: Filled) -> tuple[Recorder, Any]:
    """A connection whose protocol becomes `filled`."""
    served.factory = Recorder
    served.protocols.clear()
    served.make = lambda: Recorder()
    protocol, peer = await pair_of(served)
    protocol.transport.set_protocol(filled)
    filled.connection_made(protocol.transport)
    return filled.recorder, peer


async def pair_of(served: Any) -> tuple[Recorder, Any]:
    del served.factory
    pair: tuple[Recorder, Any] = await served.pair()
    return pair


def test_23_a_buffered_protocol_that_pauses_in_the_middle_gets_the_rest_when_it_resumes(engine: str) -> None:
    async def main() -> None:
        filled = Filled(3)
        filled.pauses = True
        async with serve(engine) as served:
            protocol, peer = await buffered(served, filled)
            await peer.send(b"0123456789")
            for times, got in enumerate([b"012", b"012345", b"012345678", b"0123456789"], 1):
                await protocol.has("updated", times)
                await steps(5)
                assert filled.got == got
                filled.transport.resume_reading()
            peer.sock.shutdown(socket.SHUT_WR)
            await protocol.has("lost")

    run(main())


@pytest.mark.not_on_rloop("rloop gives exception handlers one argument too few")
def test_23b_an_empty_buffer_is_an_error(engine: str) -> None:
    async def main() -> None:
        filled = Filled(0)
        async with serve(engine) as served:
            protocol, peer = await buffered(served, filled)
            await peer.send(b"data")
            error = await protocol.has("lost")
            assert isinstance(error, RuntimeError)
            assert "empty buffer" in str(error)
            assert [told["exception"] for told in served.failures] == [error]

    run(main())


def test_30_what_connection_made_asks_for_comes_before_data_that_waits(engine: str) -> None:
    async def main() -> None:
        def made(protocol: Recorder, _: object) -> None:
            asyncio.get_running_loop().call_soon(protocol.note, "soon")

        async with serve(engine, lambda: Recorder(made=made)) as served:
            loop = asyncio.get_running_loop()
            peers = [await served.peer() for _ in range(3)]
            for peer in peers:
                await loop.sock_sendall(peer.sock, b"data")
            while len(served.protocols) < 3:
                await steps(1)
            for protocol in served.protocols:
                await protocol.has("data")
                assert protocol.names() == ["made", "soon", "data"]

    run(main())


def test_31_set_protocol_takes_effect_at_once(engine: str) -> None:
    async def main() -> None:
        other = Recorder()

        def change(protocol: Recorder, data: bytes) -> None:
            protocol.transport.set_protocol(other)
            assert protocol.transport.get_protocol() is other

        async with serve(engine, lambda: Recorder(data=change)) as served:
            protocol, peer = await served.pair()
            assert protocol.transport.get_protocol() is protocol
            await peer.send(b"one")
            await protocol.has("data")
            await peer.send(b"two")
            assert await other.has("data") == b"two"
            transport = protocol.transport
            transport.close()
            await other.has("lost")
            await steps()
            assert transport.get_protocol() is None
            assert protocol.names() == ["made", "data"]

    run(main())


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")
COUNT: contextvars.ContextVar[int] = contextvars.ContextVar("COUNT", default=0)


def test_33_each_connection_has_a_context_that_begins_as_that_of_create_server(engine: str) -> None:
    async def main() -> None:
        seen: list[tuple[str, str, int]] = []

        def made(protocol: Recorder, _: object) -> None:
            seen.append(("made", VARIABLE.get(), COUNT.get()))
            VARIABLE.set("made")

        def data(protocol: Recorder, data: bytes) -> None:
            COUNT.set(COUNT.get() + 1)
            seen.append((data.decode(), VARIABLE.get(), COUNT.get()))

        VARIABLE.set("server")
        async with serve(engine, lambda: Recorder(made=made, data=data)) as served:
            VARIABLE.set("later")
            first, peer = await served.pair()
            second, other = await served.pair()
            await peer.send(b"a")
            await first.has("data")
            await other.send(b"b")
            await second.has("data")
            await peer.send(b"c")
            await first.has("data", 2)
            assert COUNT.get() == 0
        # What connection_made sets is not seen later.
        told = [("made", "server", 0), ("made", "server", 0), ("a", "server", 1), ("b", "server", 1), ("c", "server", 2)]
        assert seen == told

    run(main())
