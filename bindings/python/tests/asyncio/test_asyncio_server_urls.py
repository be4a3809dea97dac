"""Servers for protocols: what asyncio does not have, and what cannot be."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import reactor
import reactor.asyncio
from echoing import echo, exchange
from harness import Recorder, run


def test_a_server_at_several_urls_tells_them() -> None:
    async def main() -> None:
        name = f"unix://@reactor-test-{os.getpid()}"
        async with await reactor.asyncio.create_server(echo, "tcp://127.0.0.1:0", "tcp6://[::1]:0?backlog=8", name) as server:
            ports = [sock.getsockname()[1] for sock in server.sockets[:2]]
            assert server.addresses == [f"tcp://127.0.0.1:{ports[0]}", f"tcp6://[::1]:{ports[1]}", name]
            for sock in server.sockets:
                await exchange(sock.family, sock.getsockname())
        assert server.addresses == []

    run(main())


@pytest.mark.parametrize(
    ("urls", "error", "text"),
    [
        (("tcp://127.0.0.1:0?unknown=1",), reactor.InvalidAddressError, "unknown"),
        (("udp://127.0.0.1:0",), reactor.UnsupportedError, "UDP"),
        ((("127.0.0.1", 0),), TypeError, "tcp://"),
    ],
)
def test_urls_that_cannot_be(urls: tuple[Any, ...], error: type[Exception], text: str) -> None:
    async def main() -> None:
        with pytest.raises(error, match=text):
            await reactor.asyncio.create_server(echo, *urls)

    run(main())


def test_a_second_url_that_fails_leaves_nothing_of_the_first() -> None:
    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            name = f"unix://@reactor-test-{os.getpid()}"
            with pytest.raises(reactor.AddressInUseError):
                await reactor.asyncio.create_server(echo, name, f"tcp://127.0.0.1:{taken.getsockname()[1]}")
            server = await reactor.asyncio.create_server(echo, name)
            server.close()

    run(main())


@pytest.mark.parametrize("call", ["create_server", "start_server", "create_connection", "open_connection"])
def test_tls_is_refused_by_its_name(call: str) -> None:
    async def main() -> None:
        function: Any = getattr(reactor.asyncio, call)
        arguments = (echo, "tcp://127.0.0.1:0") if call != "open_connection" else ("tcp://127.0.0.1:0",)
        with pytest.raises(reactor.UnsupportedError, match="TLS"):
            await function(*arguments, ssl=True)

    run(main())


def test_reuse_address_cannot_be_switched_off() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="reuse_address"):
            await reactor.asyncio.create_server(echo, "tcp://127.0.0.1:0", reuse_address=False)

    run(main())


def test_a_frame_comes_at_a_time_if_the_url_says_so() -> None:
    async def main() -> None:
        protocol = Recorder()
        server = await reactor.asyncio.create_server(lambda: protocol, "tcp://127.0.0.1:0?framing=line")
        with socket.create_connection(server.sockets[0].getsockname()) as sock:
            sock.sendall(b"one\ntwo\nthr")
            await protocol.has("data", 2)
            assert protocol.told[1:] == [("data", b"one"), ("data", b"two")]
        await protocol.has("lost")
        server.close()

    run(main())


def test_the_guides_program_runs() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    program = readme.partition("## asyncio")[2].partition("```python\n")[2].partition("```")[0]
    for at, free in (("tcp://:5000", "tcp://127.0.0.1:0"), ("unix:///tmp/echo", f"unix://@reactor-guide-{os.getpid()}")):
        assert at in program
        program = program.replace(at, free)
    with subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = process.stdout.readline().split()
            assert told[:2] == ["listening", "on"]
            with socket.create_connection(("127.0.0.1", int(told[2].rpartition(":")[2]))) as sock:
                sock.sendall(b"hello")
                assert sock.recv(100) == b"hello"
            assert told[3] == f"unix://@reactor-guide-{os.getpid()}"
        finally:
            process.kill()
