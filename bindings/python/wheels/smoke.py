"""Serves with the installed package, and checks what was installed: smoke.py VERSION."""

import asyncio
import contextlib
import importlib.metadata
import os
import socket
import sys

import reactor
import reactor.asyncio


class Upper(reactor.Handler):
    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        conn.write_frame(data.upper())


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def serve_on_threads() -> None:
    with reactor.Server(Upper(), loops=2) as server:
        url = server.listen("tcp://127.0.0.1:0", framing=reactor.LengthField(2))
        server.start()
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 20) as client, client.makefile("rb") as answers:
            client.sendall(b"\0\5hello\0\5world")
            assert answers.read(14) == b"\0\5HELLO\0\5WORLD"
            assert server.metrics().accepted == 1
        server.stop_gracefully(5)
        assert server.wait(20)


async def serve_under_asyncio() -> None:
    async with await reactor.asyncio.create_server(Echo, "tcp://127.0.0.1:0") as server:
        port = int(server.addresses[0].rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello")
        assert await asyncio.wait_for(reader.readexactly(5), 20) == b"hello"
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def check_metadata(version: str) -> None:
    told = importlib.metadata.metadata("reactor-engine")
    assert reactor.__version__ == told["Version"] == version
    assert (told["License-Expression"], told["Requires-Python"]) == ("MIT OR Apache-2.0", ">=3.9")
    files = {str(file) for file in importlib.metadata.files("reactor-engine") or []}
    licences = {f"reactor_engine-{version}.dist-info/licenses/{name}" for name in ("LICENSE-MIT", "LICENSE-APACHE")}
    assert files >= {"reactor/py.typed", "reactor/_native.pyi", *licences}, files
    assert os.path.dirname(reactor.__file__).startswith(sys.prefix)


check_metadata(sys.argv[1])
serve_on_threads()
asyncio.run(serve_under_asyncio())
print(f"reactor {reactor.__version__} serves on {sys.implementation.name} {sys.version.split()[0]}")
