"""What protocols do to servers and endpoints in the middle of their own callbacks."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
import test_datagrams
from harness import PATIENCE, Recorder, run, serve, steps


@pytest.mark.parametrize("engine", ["asyncio", "reactor"])
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
        async with test_datagrams.endpoint("reactor") as (transport, protocol):
            full = transport._engine = test_datagrams.Full(transport._engine)
            transport.set_write_buffer_limits(high=100, low=30)
            seen: list[list[str]] = []

            def send(_: Any, value: Any) -> None:
                transport.sendto(b"x" * 101, (test_datagrams.HERE, 9))
                seen.append(protocol.names())

            protocol.does["datagram"] = send
            await test_datagrams.turn(transport)
            assert seen == [["made", "datagram", "pause"]]
            # Whoever resumes may write itself full again.
            del protocol.does["datagram"]
            protocol.does["resume"] = send
            full.left = 0
            await test_datagrams.turn(transport)
            await protocol.has("pause", 2)
            full.left = 0
            del protocol.does["resume"]
            await test_datagrams.turn(transport)
            await protocol.has("resume", 2)
            await steps()
            assert failures == []

    run(main())
