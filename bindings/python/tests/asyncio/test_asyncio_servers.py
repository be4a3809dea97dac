"""Servers: what `loop.create_server` and what it returns do, and what ours do besides."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import reactor
import reactor.asyncio
from echoing import echo, exchange
from harness import PATIENCE, Recorder, run, serve, steps


def create(engine: str) -> Any:
    return asyncio.get_running_loop().create_server if engine == "asyncio" else reactor.asyncio.create_server


def create_unix(engine: str) -> Any:
    loop = asyncio.get_running_loop()
    return loop.create_unix_server if engine == "asyncio" else reactor.asyncio.create_unix_server


def test_14_extra_info(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            transport: Any = protocol.transport
            seen: object = protocol.transport
            assert isinstance(seen, asyncio.Transport)  # 14c
            transport.anything = 5
            assert transport.anything == 5
            sock = transport.get_extra_info("socket")
            assert type(sock) is type(served.server.sockets[0])
            assert sock is transport.get_extra_info("socket")
            assert (sock.family, sock.type) == (socket.AF_INET, socket.SOCK_STREAM)
            assert transport.get_extra_info("peername") == peer.sock.getsockname() == sock.getpeername()
            assert transport.get_extra_info("sockname") == served.address() == sock.getsockname()
            assert transport.get_extra_info("unknown") is None
            assert transport.get_extra_info("sslcontext", "default") == "default"
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0  # 32
            transport.close()
            await protocol.has("lost")

    run(main())


def test_14b_the_socket_first_asked_for_after_the_end_is_closed(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            protocol, peer = await served.pair()
            peer.reset()
            await protocol.has("lost")
            await steps()
            assert protocol.transport.get_extra_info("socket").fileno() == -1

    run(main())


def test_15_names_of_unix_sockets(engine: str, tmp_path: Path) -> None:
    async def main() -> None:
        for path in (str(tmp_path / "a socket?"), f"\0reactor-test-{os.getpid()}-{engine}"):
            async with serve(engine, path=path) as served:
                protocol, peer = await served.pair()
                name: Any = path if path[0] != "\0" else path.encode()
                assert protocol.transport.get_extra_info("sockname") == name
                assert protocol.transport.get_extra_info("peername") == ""
                protocol.transport.close()
                assert await peer.rest() == b""
                await protocol.has("lost")

    run(main())


def test_16_names_of_ipv6(engine: str) -> None:
    async def main() -> None:
        made = Recorder()
        server = await create(engine)(lambda: made, "::1", 0)
        with socket.create_connection(server.sockets[0].getsockname()[:2]) as sock:
            await made.has("made")
            assert made.transport.get_extra_info("peername") == sock.getsockname()
            assert made.transport.get_extra_info("sockname") == sock.getpeername()
            assert len(sock.getsockname()) == 4
            made.transport.close()
            await made.has("lost")
        server.close()

    run(main())


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from 3.12 on, wait_closed waits for connections: the next test")
def test_21_a_closed_server_leaves_connections_alone(engine: str) -> None:
    async def main() -> None:
        async with serve(engine, echo) as served:
            protocol, peer = await served.pair()
            served.server.close()
            assert served.server.sockets == ()
            await asyncio.wait_for(served.server.wait_closed(), PATIENCE)
            await peer.send(b"lives")
            assert await peer.exactly(5) == b"lives"

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="up to 3.11, wait_closed does not wait for connections")
def test_21_a_closed_server_waits_for_its_connections(engine: str) -> None:
    async def main() -> None:
        async with serve(engine, echo) as served:
            protocol, peer = await served.pair()
            served.server.close()
            waiting = asyncio.ensure_future(served.server.wait_closed())
            await steps(10)
            assert not waiting.done()
            await peer.send(b"lives")
            assert await peer.exactly(5) == b"lives"
            protocol.transport.close()
            await asyncio.wait_for(waiting, PATIENCE)

    run(main())


def test_21b_wait_closed_of_a_server_that_serves_waits(engine: str) -> None:
    async def main() -> None:
        async with serve(engine) as served:
            waiting = asyncio.ensure_future(served.server.wait_closed())
            await steps(10)
            assert not waiting.done()
            served.server.close()
            await asyncio.wait_for(waiting, PATIENCE)
            await served.server.wait_closed()

    run(main())


def test_22_start_serving(engine: str) -> None:
    async def main() -> None:
        server = await create(engine)(echo, "127.0.0.1", 0, start_serving=False)
        assert not server.is_serving()
        address = server.sockets[0].getsockname()
        await server.start_serving()
        await server.start_serving()
        assert server.is_serving()
        await exchange(socket.AF_INET, address)
        server.close()
        assert not server.is_serving()
        with pytest.raises(TypeError):
            await server.start_serving()
        with pytest.raises(RuntimeError):
            await server.serve_forever()

    run(main())


def test_serve_forever_and_async_with(engine: str) -> None:
    async def main() -> None:
        server: Any = await create(engine)(echo, "127.0.0.1", 0)
        served: object = server
        assert isinstance(served, asyncio.AbstractServer)  # 14c
        assert server.get_loop() is asyncio.get_running_loop()
        address = server.sockets[0].getsockname()
        async with server:
            serving = asyncio.ensure_future(server.serve_forever())
            await exchange(socket.AF_INET, address)
            with pytest.raises(RuntimeError, match="already"):
                await server.serve_forever()
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await exchange(socket.AF_INET, address)

    run(main())


def test_22b_close_clients_and_abort_clients() -> None:
    async def main() -> None:
        async with serve("reactor") as served:
            first, peer = await served.pair()
            served.server.close_clients()
            assert await peer.rest() == b""
            assert await first.has("lost") is None
            second, peer = await served.pair()
            second.transport.write(bytes(8 << 20))
            served.server.abort_clients()
            assert await second.has("lost") is None
            with pytest.raises(ConnectionResetError):
                await peer.rest()

    run(main())


def test_29_what_create_server_takes(engine: str) -> None:
    async def main() -> None:
        first = await create(engine)(echo, "127.0.0.1", 0, reuse_port=True)
        address = first.sockets[0].getsockname()
        second = await create(engine)(echo, *address, reuse_port=True)
        assert second.sockets[0].getsockname() == address
        with pytest.raises(OSError, match=r"."):
            await create(engine)(echo, *address)
        for server in (first, second):
            server.close()
        many = await create(engine)(echo, ["127.0.0.1", "::1"], 0, backlog=1)
        assert sorted(sock.family for sock in many.sockets) == [socket.AF_INET, socket.AF_INET6]
        for sock in many.sockets:
            await exchange(sock.family, sock.getsockname())
        many.close()
        everywhere = await create(engine)(echo, None, 0)
        assert sorted(sock.family for sock in everywhere.sockets) == [socket.AF_INET, socket.AF_INET6]
        everywhere.close()

    run(main())


def test_29b_a_socket_is_taken_and_closed_with_the_server(engine: str) -> None:
    async def main() -> None:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()
        server = await create(engine)(echo, sock=sock)
        assert server.sockets[0].getsockname() == address
        await exchange(socket.AF_INET, address)
        server.close()
        await steps()
        assert sock.fileno() == -1
        with pytest.raises(ConnectionRefusedError):
            await exchange(socket.AF_INET, address)

    run(main())


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"ssl_handshake_timeout": 1.0, "host": "127.0.0.1", "port": 0}, ValueError),
        ({"unknown": True, "host": "127.0.0.1", "port": 0}, TypeError),
        ({}, ValueError),
    ],
)
def test_29b_what_create_server_does_not_take(engine: str, wrong: dict[str, Any], error: type[Exception]) -> None:
    async def main() -> None:
        with pytest.raises(error):
            await create(engine)(echo, **wrong)
        with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(ValueError, match="[Ss]tream"):
            await create(engine)(echo, sock=sock)

    run(main())


def test_29c_the_file_of_a_unix_server_goes_when_it_is_closed(tmp_path: Path) -> None:
    # As with asyncio from 3.13 on; before, it stays.
    async def main() -> None:
        path = tmp_path / "socket"
        server = await reactor.asyncio.create_unix_server(echo, path)
        await exchange(socket.AF_UNIX, str(path))
        server.close()
        assert not path.exists()

    run(main())


def test_29d_a_burst_of_connections_is_taken_in_in_one_turn() -> None:
    async def main() -> None:
        async with serve("reactor") as served:
            socks = []
            for _ in range(50):
                sock = socket.socket()
                sock.connect(served.address())
                socks.append(sock)
            while not served.protocols:
                await asyncio.sleep(0)
            assert len(served.protocols) == 50
            for sock in socks:
                sock.close()

    run(main())


def test_29b_a_backlog_of_nothing_is_the_least_that_there_is() -> None:
    # asyncio takes it, and accepts nobody.
    async def main() -> None:
        async with await reactor.asyncio.create_server(echo, "127.0.0.1", 0, backlog=0) as server:
            await exchange(socket.AF_INET, server.sockets[0].getsockname())

    run(main())
