"""Servers for protocols: what is left of them, their connections and their event loops, and what several at once do."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import weakref
from typing import Any

import pytest
import reactor
import reactor.asyncio
from echoing import echo, exchange
from harness import Recorder, run, serve
from helpers import descriptors


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_loop_that_ended_leaves_nothing_behind() -> None:
    async def main() -> None:
        server = await reactor.asyncio.create_server(echo, "tcp://127.0.0.1:0")
        made = Recorder()
        transport, _ = await reactor.asyncio.create_connection(lambda: made, server.addresses[0])
        transport.write(b"hello")
        await made.has("data")
        # Neither the server nor the connections are closed.

    asyncio.run(main())
    gc.collect()
    before = descriptors()
    for _ in range(20):
        asyncio.run(main())
    gc.collect()
    assert descriptors() == before


def test_a_closed_server_leaves_nothing_behind_while_its_loop_runs() -> None:
    async def main() -> None:
        async def once() -> None:
            async with serve("reactor", echo) as served:
                protocol, peer = await served.pair()
                await peer.send(b"hello")
                await peer.exactly(5)
                protocol.transport.close()
                assert await peer.rest() == b""
                peer.sock.close()

        gc.collect()
        before = descriptors()
        for _ in range(20):
            await once()
        # The last connections wait for their peers' ends.
        while descriptors() != before:
            await asyncio.sleep(0.001)
            gc.collect()

    run(main())


def test_protocols_and_transports_go_with_their_connections() -> None:
    async def main() -> None:
        async with serve("reactor", echo) as served:
            protocol, peer = await served.pair()
            gone = weakref.ref(protocol), weakref.ref(protocol.transport)
            protocol.transport.close()
            assert await peer.rest() == b""
            peer.sock.close()
            await protocol.has("lost")
            served.protocols.clear()
            del protocol
            while gone[0]() is not None or gone[1]() is not None:
                await asyncio.sleep(0.001)
                gc.collect()

    run(main())


def test_servers_of_several_loops_on_several_threads() -> None:
    failures: list[BaseException] = []

    def serve_one() -> None:
        async def main() -> None:
            async with await reactor.asyncio.create_server(echo, "tcp://127.0.0.1:0") as server:
                for _ in range(50):
                    await exchange(socket.AF_INET, server.sockets[0].getsockname())

        try:
            asyncio.run(main())
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=serve_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


HOARD: list[dict[str, str]] = []


class Hoarding(Recorder):
    """Whoever looks its method up finds that the interpreter has no dictionary left to use again, and that the garbage collector is
    to run at the second object from here, or at the third, or at the fourth."""

    @property
    def data_received(self) -> Any:
        HOARD.extend({} for _ in range(1000))
        gc.collect()
        gc.set_threshold(len(HOARD) // 1000 % 3 + 1)
        HOARD.extend({} for _ in range(1000))
        return lambda data: self.transport.write(data)


def test_the_garbage_collector_may_run_while_a_transport_is_made() -> None:
    async def main() -> None:
        thresholds = gc.get_threshold()
        try:
            async with serve("reactor", Hoarding) as served:
                for _ in range(30):
                    protocol, peer = await served.pair()
                    await peer.send(b"hello")
                    assert await peer.exactly(5) == b"hello"
        finally:
            gc.set_threshold(*thresholds)
            HOARD.clear()

    run(main())
