"""Outgoing connections and streams."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from harness import PATIENCE, Recorder, run, serve, steps

import reactor
import reactor.asyncio
from reactor.asyncio._clients import _engine


def connect(engine: str) -> Any:
    return asyncio.get_running_loop().create_connection if engine == "asyncio" else reactor.asyncio.create_connection


def test_a_client_talks_to_a_server_and_connection_made_comes_first(engine: str) -> None:
    async def main() -> None:
        async with serve("reactor", lambda: Recorder(data=lambda protocol, data: protocol.transport.write(data))) as served:
            made = Recorder()
            transport, protocol = await connect(engine)(lambda: made, "127.0.0.1", served.address()[1])
            assert protocol is made
            assert made.transport is transport
            assert made.names() == ["made"]
            assert transport.get_extra_info("peername") == served.address()
            transport.write(b"hello")
            await made.until(lambda: made.data() == b"hello")
            transport.close()
            assert await made.has("lost") is None
            await served.protocols[0].has("lost")
            assert served.protocols[0].names() == ["made", "data", "eof", "lost"]

    run(main())


def test_a_connection_that_is_refused(engine: str) -> None:
    async def main() -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            with pytest.raises(ConnectionRefusedError):
                await connect(engine)(Recorder, "127.0.0.1", sock.getsockname()[1])

    run(main())


def test_a_name_that_there_is_not(engine: str) -> None:
    async def main() -> None:
        with pytest.raises(socket.gaierror):
            await connect(engine)(Recorder, "no-such-name.invalid", 1)

    run(main())


def test_a_time_out_of_connecting() -> None:
    async def main() -> None:
        with socket.socket() as full:
            # A backlog that is full answers nobody.
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            fillers = []
            for _ in range(4):
                sock = socket.socket()
                sock.setblocking(False)
                sock.connect_ex(full.getsockname())
                fillers.append(sock)
            with pytest.raises(TimeoutError, match="within"):
                await reactor.asyncio.create_connection(
                    Recorder, f"tcp://127.0.0.1:{full.getsockname()[1]}", timeout=0.05
                )
            for sock in fillers:
                sock.close()

    run(main())


def test_cancelling_a_connect_gives_it_up() -> None:
    async def main() -> None:
        async with serve("reactor") as served:
            made: list[Recorder] = []

            def factory() -> Recorder:
                made.append(Recorder())
                return made[-1]

            url = served.server.addresses[0]
            for turns in range(6):
                connecting = asyncio.ensure_future(reactor.asyncio.create_connection(factory, url))
                await steps(turns)
                connecting.cancel()
                done = await asyncio.gather(connecting, return_exceptions=True)
                if not isinstance(done[0], BaseException):
                    done[0][0].abort()
            for protocol in made:
                await protocol.has("lost")

    run(main())


def test_a_cancelled_connect_to_who_never_answers_leaves_nothing() -> None:
    async def main() -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for sock in fillers:
                sock.setblocking(False)
                sock.connect_ex(full.getsockname())
            url = f"tcp://127.0.0.1:{full.getsockname()[1]}"
            connecting = asyncio.ensure_future(reactor.asyncio.create_connection(Recorder, url))
            await steps(20)
            engine = _engine(asyncio.get_running_loop())
            assert engine.connections == 1
            connecting.cancel()
            while engine.connections:
                await asyncio.sleep(0.001)
            assert isinstance((await asyncio.gather(connecting, return_exceptions=True))[0], asyncio.CancelledError)
            for sock in fillers:
                sock.close()

    run(main())


def test_a_factory_that_fails_fails_the_connect_and_closes_the_connection() -> None:
    # asyncio leaves the socket to the garbage collector, so this is ours alone.
    async def main() -> None:
        async with serve("reactor") as served:

            def factory() -> Recorder:
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await reactor.asyncio.create_connection(factory, served.server.addresses[0])
            while not served.protocols or "lost" not in served.protocols[0].names():
                await asyncio.sleep(0.001)

    run(main())


def test_a_connected_socket_is_taken(engine: str) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        transport, protocol = await connect(engine)(Recorder, sock=ours)
        transport.write(b"hello")
        theirs.setblocking(True)
        assert theirs.recv(10) == b"hello"
        theirs.close()
        await protocol.has("eof")
        assert await protocol.has("lost") is None

    run(main())


def test_a_connected_tcp_socket_sends_small_writes_at_once(engine: str) -> None:
    async def main() -> None:
        async with serve("reactor") as served:
            sock = socket.create_connection(served.address())
            transport, protocol = await connect(engine)(Recorder, sock=sock)
            assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert transport.get_extra_info("peername") == served.address()
            transport.close()
            await protocol.has("lost")

    run(main())


def test_a_closed_socket_is_not_taken(engine: str) -> None:
    async def main() -> None:
        sock = socket.socket()
        sock.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            await connect(engine)(Recorder, sock=sock)

    run(main())


def test_from_a_local_address_and_by_family() -> None:
    async def main() -> None:
        async with serve("reactor") as served:
            port = served.address()[1]
            transport, _ = await reactor.asyncio.create_connection(
                Recorder, "localhost", port, family=socket.AF_INET, local_addr=("127.0.0.2", 0)
            )
            assert transport.get_extra_info("sockname")[0] == "127.0.0.2"
            transport.close()
            with pytest.raises(ConnectionRefusedError):
                await reactor.asyncio.create_connection(Recorder, "::1", port, family=socket.AF_INET6)
            with pytest.raises(ValueError, match="family"):
                await reactor.asyncio.create_connection(Recorder, "tcp://localhost:1", family=socket.AF_INET)

    run(main())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:1?unknown=1"])
def test_urls_that_cannot_be(url: str) -> None:
    async def main() -> None:
        with pytest.raises(reactor.InvalidAddressError):
            await reactor.asyncio.create_connection(Recorder, url)

    run(main())


def start(engine: str) -> Any:
    return asyncio.start_server if engine == "asyncio" else reactor.asyncio.start_server


def open_at(engine: str) -> Any:
    return asyncio.open_connection if engine == "asyncio" else reactor.asyncio.open_connection


@pytest.mark.parametrize("client", ["asyncio", "reactor"])
def test_streams(engine: str, client: str) -> None:
    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()
            writer.write(b"bye")
            writer.close()

        async with await start(engine)(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await open_at(client)("127.0.0.1", port)
            for number in range(100):
                writer.write(b"line %d\n" % number)
                assert await asyncio.wait_for(reader.readline(), PATIENCE) == b"LINE %d\n" % number
            writer.write_eof()
            assert await asyncio.wait_for(reader.read(), PATIENCE) == b"bye"
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), PATIENCE)

    run(main())


def test_streams_of_much_data_pause_and_drain(engine: str) -> None:
    async def main() -> None:
        much = os.urandom(1 << 20) * 16

        async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got = await reader.readexactly(len(much))
            for at in range(0, len(got), 50_000):
                writer.write(got[at : at + 50_000])
                await writer.drain()
            writer.close()

        async with await start(engine)(give, "127.0.0.1", 0) as server:
            reader, writer = await reactor.asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
            writer.write(much)
            assert await asyncio.wait_for(reader.read(), 2 * PATIENCE) == much
            writer.close()

    run(main())


def test_streams_over_a_unix_socket(tmp_path: Path) -> None:
    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read())
            writer.close()

        path = tmp_path / "socket"
        async with await reactor.asyncio.start_unix_server(answer, path):
            reader, writer = await reactor.asyncio.open_unix_connection(path)
            writer.write(b"hello")
            writer.write_eof()
            assert await asyncio.wait_for(reader.read(), PATIENCE) == b"hello"
            writer.close()

    run(main())


def test_a_file_is_sent_by_asyncios_own_way(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "file"
        path.write_bytes(bytes(range(256)) * 10_000)
        async with serve("reactor") as served:
            protocol, peer = await served.pair()
            with path.open("rb") as file:
                sending = asyncio.ensure_future(asyncio.get_running_loop().sendfile(protocol.transport, file))
                assert await peer.exactly(2_560_000) == bytes(range(256)) * 10_000
                assert await sending == 2_560_000

    run(main())
