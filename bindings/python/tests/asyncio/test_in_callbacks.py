"""What protocols do to servers and endpoints in the middle of their own callbacks."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from typing import Any

import pytest
import reactor.asyncio
from datagram_endpoints import HERE, Full, endpoint, turn
from harness import PATIENCE, Recorder, run, serve, steps


@pytest.mark.parametrize("callback", ["made", "data", "eof", "lost"])
@pytest.mark.parametrize("reset", [False, True])
def test_a_server_is_closed(engine: str, callback: str, reset: bool) -> None:
    async def main() -> None:
        raised: list[BaseException] = []

        def close(protocol: Recorder, value: Any) -> None:
            try:
                served.server.close()
            except BaseException as error:
                raised.append(error)

        async with serve(engine, lambda: Recorder(**{callback: close})) as served:
            protocol, peer = await served.pair()
            await peer.send(b"hello")
            await protocol.has("data")
            assert not protocol.transport.is_closing()
            protocol.transport.write(b"answer")
            assert await peer.exactly(6) == b"answer"
            if reset:
                peer.reset()
            else:
                peer.sock.close()
            await protocol.has("lost")
            assert raised == []
            if callback == "eof" and reset:
                return
            assert not served.server.is_serving()
            assert served.server.sockets == ()
            await asyncio.wait_for(served.server.wait_closed(), 20)
            assert served.failures == []

    run(main())


def poller_is_there(descriptor: int) -> bool:
    try:
        return "eventpoll" in os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return False


@pytest.mark.parametrize("reset", [False, True])
def test_a_server_that_is_closed_in_its_last_callback_lets_go_of_its_poller(reset: bool) -> None:
    async def main() -> None:
        async with serve("reactor", lambda: Recorder(lost=lambda *_: served.server.close())) as served:
            protocol, peer = await served.pair()
            assert poller_is_there(served.server._reads)
            if reset:
                peer.reset()
            else:
                peer.sock.close()
            await protocol.has("lost")

            async def parted() -> None:
                while poller_is_there(served.server._reads):
                    await asyncio.sleep(0.01)

            await asyncio.wait_for(parted(), PATIENCE)

    run(main())


def test_an_endpoint_is_paused_in_the_callback_that_sends_too_much() -> None:
    async def main() -> None:
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
        async with endpoint("reactor") as (transport, protocol):
            full = transport._engine = Full(transport._engine)
            transport.set_write_buffer_limits(high=100, low=30)
            seen: list[list[str]] = []

            def send(_: Any, value: Any) -> None:
                transport.sendto(b"x" * 101, (HERE, 9))
                seen.append(protocol.names())

            protocol.does["datagram"] = send
            await turn(transport)
            assert seen == [["made", "datagram", "pause"]]
            # Whoever resumes may write itself full again.
            del protocol.does["datagram"]
            protocol.does["resume"] = send
            full.left = 0
            await turn(transport)
            await protocol.has("pause", 2)
            full.left = 0
            del protocol.does["resume"]
            await turn(transport)
            await protocol.has("resume", 2)
            await steps()
            assert failures == []

    run(main())


class Writing(asyncio.BufferedProtocol):
    """Pauses in the middle of its input, and writes much whenever it is told of input."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.transport: Any = None
        self.memory = bytearray(2)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.recorder.connection_made(transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.memory

    def buffer_updated(self, nbytes: int) -> None:
        self.transport.pause_reading()
        for _ in range(20):
            self.transport.write(b"x" * 100_000)
        self.recorder.note("updated")

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def connection_lost(self, exc: BaseException | None) -> None:
        self.recorder.connection_lost(exc)


def test_a_write_that_finds_the_peer_gone_is_followed_by_connection_lost(engine: str) -> None:
    async def main() -> None:
        writing: list[Writing] = []

        def factory() -> Any:
            writing.append(Writing())
            served.protocols.append(writing[-1].recorder)
            served.came.set()
            return writing[-1]

        async with serve(engine) as served:
            served.server.close()
            create: Any = asyncio.get_running_loop().create_server if engine == "asyncio" else reactor.asyncio.create_server
            served.server = await create(factory, "127.0.0.1", 0)
            protocol, peer = await served.pair()
            await peer.send(b"more than two bytes")
            await protocol.has("updated")
            peer.reset()
            while "lost" not in protocol.names():
                seen = len(protocol.names())
                writing[0].transport.resume_reading()
                await protocol.until(lambda: len(protocol.names()) > seen)
            assert isinstance(await protocol.has("lost"), ConnectionError)
            # It did not come inside the call that found the peer gone.
            assert protocol.names()[-2:] == ["updated", "lost"]
            assert served.failures == []

    run(main())


def test_what_befalls_an_endpoint_before_its_protocol_is_there_is_told() -> None:
    async def main() -> None:
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.bind((HERE, 0))
            at = gone.getsockname()

        def send(protocol: Any, value: Any) -> None:
            protocol.transport.sendto(b"nobody is there")
            poll = select.poll()
            poll.register(protocol.transport.get_extra_info("socket").fileno(), 0)
            assert poll.poll(PATIENCE * 1000)
            # It finds that out, and is sent then.
            protocol.transport.sendto(b"nobody is there")

        async with endpoint("reactor", at, made=send) as (transport, protocol):
            for times in (1, 2):
                assert isinstance(await protocol.has("error", times), ConnectionRefusedError)
            assert not transport.is_closing()
        assert failures == []

    run(main())
