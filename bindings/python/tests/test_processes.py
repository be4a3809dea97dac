"""Servers in child processes: bound in the parent, serving in the children."""

from __future__ import annotations

import multiprocessing
import socket
import sys
from multiprocessing.connection import Connection
from typing import Any

import pytest
import reactor
from helpers import connect, receive


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
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
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
