"""Protocol stacks that nobody here wrote, served on the engine: uvicorn with h11 and httptools, websockets, aiohttp. Their event loop
is asyncio's, with the functions of `reactor.asyncio` in the place of its own methods, so that nothing of theirs is changed.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import hashlib
import http.client
import io
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
import aiohttp.web
import pytest
import uvicorn
import uvloop
import websockets
from harness import PATIENCE

import reactor.asyncio

MUCH = os.urandom(1 << 20) * 4

Message = dict[str, Any]


def on_the_engine(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    """Servers and connections of this event loop are the engine's."""
    for name in ("create_server", "create_connection"):
        setattr(loop, name, getattr(reactor.asyncio, name))
    return loop


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "reactor": lambda: on_the_engine(asyncio.new_event_loop()),
    "reactor on uvloop": lambda: on_the_engine(uvloop.new_event_loop()),
}
every_loop = pytest.mark.parametrize("kind", list(LOOPS))


def run(kind: str, main: Coroutine[Any, Any, None]) -> None:
    loop = LOOPS[kind]()
    failures: list[Message] = []
    loop.set_exception_handler(lambda loop, context: failures.append(context))
    try:
        loop.run_until_complete(asyncio.wait_for(main, 3 * PATIENCE))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
    assert not failures


# ---- HTTP by uvicorn ----


async def application(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """Answers with what it is sent, or with much in pieces."""
    assert scope["type"] == "http"
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"x-peer", str(scope["client"][1]).encode()), (b"x-digest", hashlib.sha256(body).hexdigest().encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/much":
        for at in range(0, len(MUCH), 100_000):
            await send({"type": "http.response.body", "body": MUCH[at : at + 100_000], "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    elif scope["path"] == "/fail":
        raise ZeroDivisionError
    else:
        await send({"type": "http.response.body", "body": body[::-1]})


@contextlib.asynccontextmanager
async def served_by_uvicorn(protocol: Any) -> AsyncIterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        config = uvicorn.Config(application, http=protocol, lifespan="off", log_level="critical", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        # The signals are the tests' own.
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        serving = asyncio.ensure_future(server.serve(sockets=[sock]))
        while not server.started:
            await asyncio.sleep(0.001)
        try:
            yield port
        finally:
            server.should_exit = True
            await serving


def talk_http(port: int) -> list[tuple[int, bytes]]:
    """Several requests over one connection, by the standard library."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    answers: list[tuple[int, bytes]] = []

    def ask(method: str, path: str, body: Any = None, **options: Any) -> http.client.HTTPResponse:
        conn.request(method, path, body, **options)
        response = conn.getresponse()
        answers.append((response.status, response.read()))
        return response

    ask("GET", "/")
    me = conn.sock.getsockname()[1]
    for _ in range(20):
        assert ask("POST", "/", b"hello").headers["x-peer"] == str(me)
    assert ask("POST", "/", MUCH).headers["x-digest"] == hashlib.sha256(MUCH).hexdigest()
    chunks = (MUCH[at : at + 77_777] for at in range(0, len(MUCH), 77_777))
    assert ask("POST", "/", chunks, encode_chunked=True).headers["x-digest"] == hashlib.sha256(MUCH).hexdigest()
    assert ask("GET", "/much").headers["x-peer"] == str(me)
    ask("HEAD", "/")
    conn.close()
    return answers


def raw_http(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.sendall(request)
        answer = b""
        while more := sock.recv(65536):
            answer += more
        return answer


@every_loop
@pytest.mark.parametrize("protocol", ["h11", "httptools"])
def test_uvicorn(kind: str, protocol: str) -> None:
    async def main() -> None:
        async with served_by_uvicorn(protocol) as port:
            loop = asyncio.get_running_loop()
            with concurrent.futures.ThreadPoolExecutor() as pool:
                talks = [loop.run_in_executor(pool, talk_http, port) for _ in range(4)]
                for answers in await asyncio.gather(*talks):
                    assert answers[0] == (200, b"")
                    assert answers[1:21] == 20 * [(200, b"olleh")]
                    assert answers[21] == answers[22] == (200, MUCH[::-1])
                    assert answers[23:] == [(200, MUCH), (200, b"")]
                pipelined = 3 * b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" + b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
                answer = await loop.run_in_executor(pool, raw_http, port, pipelined)
                assert answer.count(b"HTTP/1.1 200 OK\r\n") == 4
                answer = await loop.run_in_executor(pool, raw_http, port, b"this is no HTTP\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 400 ")

    run(kind, main())


# ---- websockets ----


@every_loop
def test_websockets(kind: str) -> None:
    async def main() -> None:
        async def echo(connection: Any) -> None:
            async for message in connection:
                if message == "leave":
                    await connection.close(4000, "as asked")
                else:
                    await connection.send(message)

        async with websockets.serve(echo, "127.0.0.1", 0, max_size=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]

            async def talk() -> None:
                async with websockets.connect(f"ws://127.0.0.1:{port}", max_size=None, proxy=None) as connection:
                    messages: list[str | bytes] = ["hello", b"bytes", "", "ü" * 1000, MUCH, MUCH[:65536]]
                    for message in messages:
                        await connection.send(message)
                        assert await connection.recv() == message
                    await connection.send([b"frag", b"mented"])
                    assert await connection.recv() == b"fragmented"
                    await (await connection.ping())
                    await connection.send("leave")
                    with pytest.raises(websockets.ConnectionClosedError) as closed:
                        await connection.recv()
                    assert closed.value.rcvd is not None
                    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "as asked")

            await asyncio.gather(*(talk() for _ in range(8)))
            async with websockets.connect(f"ws://127.0.0.1:{port}", proxy=None) as connection:
                # The server's end closes those that are open, by a closing handshake.
                server.close()
                with pytest.raises(websockets.ConnectionClosedOK) as over:
                    await connection.recv()
                assert over.value.rcvd is not None
                assert over.value.rcvd.code == 1001

    run(kind, main())


# ---- aiohttp ----


@every_loop
def test_aiohttp(kind: str) -> None:
    async def main() -> None:
        async def digest(request: aiohttp.web.Request) -> aiohttp.web.Response:
            return aiohttp.web.Response(text=hashlib.sha256(await request.read()).hexdigest())

        async def much(request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
            response = aiohttp.web.StreamResponse()
            await response.prepare(request)
            for at in range(0, len(MUCH), 100_000):
                await response.write(MUCH[at : at + 100_000])
            return response

        async def socket_of(request: aiohttp.web.Request) -> aiohttp.web.WebSocketResponse:
            sock = aiohttp.web.WebSocketResponse()
            await sock.prepare(request)
            async for message in sock:
                await sock.send_str(message.data.upper())
            return sock

        application = aiohttp.web.Application(client_max_size=1 << 30)
        application.router.add_post("/digest", digest)
        application.router.add_get("/much", much)
        application.router.add_get("/socket", socket_of)
        runner = aiohttp.web.AppRunner(application)
        await runner.setup()
        site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        # As the guide has it: its factory, without a site.
        factory: Any = runner.server
        beside = await reactor.asyncio.create_server(factory, "tcp://127.0.0.1:0")
        urls = [f"http://127.0.0.1:{runner.addresses[0][1]}", beside.addresses[0].replace("tcp:", "http:")]

        async def talk(session: aiohttp.ClientSession, url: str) -> None:
            for body in (b"", b"hello", MUCH):
                async with session.post(f"{url}/digest", data=io.BytesIO(body)) as response:
                    assert await response.text() == hashlib.sha256(body).hexdigest()
            async with session.get(f"{url}/much") as response:
                assert await response.read() == MUCH
            async with session.ws_connect(f"{url}/socket") as sock:
                for text in ("hello", "a" * 100_000):
                    await sock.send_str(text)
                    assert await sock.receive_str() == text.upper()

        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(talk(session, url) for url in urls for _ in range(8)))
        beside.close()
        await runner.cleanup()
        await beside.wait_closed()

    run(kind, main())
