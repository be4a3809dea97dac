"""Servers in child processes: bound in the parent, serving in the children."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import socket
import sys
from multiprocessing.connection import Connection
from typing import Any

import pytest
import reactor
from helpers import Running, connect, receive, receive_all

METHODS = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])


class Handler(reactor.Handler):
    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        conn.write(data)


def serve_from(listener: socket.socket, told: Connection) -> None:
    """A child: serves on a socket that it was given."""
    server = reactor.Server(Handler(), loops=1)
    server.listen(f"fd://{listener.detach()}")
    serve_until_told(server, told)


def serve_until_told(server: reactor.Server, told: Connection) -> None:
    with server:
        server.start()
        told.send("started")
        told.recv()
    told.send("stopped")


def is_served(url: str) -> bool:
    with connect(url) as client:
        client.sendall(b"x")
        return receive(client, 1) == b"x"


# From 3.12 on a fork beside other threads is warned of; what runs here beside is pytest's own.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@METHODS
def test_children_serve_what_the_parent_has_bound(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    context: Any = multiprocessing.get_context(method)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = "tcp://{}:{}".format(*listener.getsockname())
        children = [start(context, serve_from, listener) for _ in range(2)]
        assert is_served(url)
        for child, pipe in children:
            stop(child, pipe)
        # The parent's socket goes on listening: a stop there is none here.
        connect(url).close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_server_that_is_bound_in_the_parent_starts_in_a_forked_child() -> None:
    server = reactor.Server(Handler(), loops=2)
    url = server.listen("tcp://127.0.0.1:0")
    child, pipe = start(multiprocessing.get_context("fork"), serve_until_told, server)
    assert is_served(url)
    stop(child, pipe)
    # It was started there, and not here.
    assert server.loops == 0
    with server:
        server.start()
        assert is_served(url)


def serve_alone(url: str, told: Connection) -> None:
    """A child: serves on a server of its own, and says where."""
    server = reactor.Server(Handler(), loops=2)
    told.send(str(server.listen(url)))
    serve_until_told(server, told)


def serve_alone_under_asyncio(url: str, told: Connection) -> None:
    async def serve() -> None:
        async with reactor.serve_async(Handler(), url) as server:
            told.send(str(server.addresses[0]))
            told.send("started")
            await asyncio.get_running_loop().run_in_executor(None, told.recv)
        told.send("stopped")

    asyncio.run(serve())


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@METHODS
@pytest.mark.parametrize("target", [serve_alone, serve_alone_under_asyncio])
def test_a_child_of_a_running_server_has_one_of_its_own(method: str, target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    with Running(Handler(), loops=2) as running, connect(running.url) as client:
        here, there = multiprocessing.Pipe()
        context: Any = multiprocessing.get_context(method)
        child = context.Process(target=target, args=("tcp://127.0.0.1:0", there), daemon=True)
        child.start()
        there.close()
        url = here.recv()
        assert here.recv() == "started"
        assert url != running.url
        assert is_served(url) and is_served(running.url)
        stop(child, here)
        # What was the parent's is so still, and nobody's else: its end is seen.
        client.sendall(b"still there")
        assert receive(client, 11) == b"still there"
        running.server.stop()
        assert receive_all(client) == b""


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@METHODS
def test_a_child_is_started_by_a_callback(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool of processes, whose children come when there is work: on the loop's thread."""
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    context: Any = multiprocessing.get_context(method)

    class Pooling(reactor.Handler):
        def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            def answer(length: concurrent.futures.Future[int]) -> None:
                conn.write(b"%d" % length.result())
                conn.release()

            conn.hold()
            pool.submit(len, data).add_done_callback(answer)

    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool, Running(Pooling(), loops=2) as running:
        for text, length in ((b"four", b"4"), (b"seven..", b"7"), (b"x", b"1")):
            with connect(running.url) as client:
                client.sendall(text)
                assert receive(client, 1) == length


def start(context: Any, target: Any, what: object) -> tuple[Any, Connection]:
    here, there = context.Pipe()
    child = context.Process(target=target, args=(what, there), daemon=True)
    child.start()
    there.close()
    assert here.recv() == "started"
    return child, here


def stop(child: Any, pipe: Connection) -> None:
    pipe.send("stop")
    assert pipe.recv() == "stopped"
    child.join()
    assert child.exitcode == 0
