"""Descriptors across processes: A6."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from conftest import Serve

from harness import HANG_GUARD, Subject, needs, process, promises
from harness.subject import TCP

pytestmark = needs("calls")


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def url(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"tcp://{host}:{port}"


def answers(server: Subject, listener: int = 0) -> None:
    assert server.connect(listener).ask("echo here") == "here"


@promises("A6")
def test_an_inherited_descriptor_is_adopted(serve: Serve) -> None:
    with listening() as listener:
        server = serve("fd://3", inherit=[listener])
        expected = url(listener)
    assert server.urls == [expected]
    answers(server)


@promises("A6")
def test_the_listen_fds_convention_is_kept(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "inherited"
    with listening() as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen()
        server = serve(inherit=[tcp, unix], listen_inherited=True)
        assert server.urls == [url(tcp), f"unix://{path}"]
    answers(server, 0)
    answers(server, 1)
    server.tell("stop")
    server.expect("ended")
    assert path.is_socket(), "it belongs to whoever made it"


@promises("A6", "A5")
def test_without_descriptors_there_is_nothing_to_adopt(serve: Serve) -> None:
    server = serve()
    assert server.control("call server listen-inherited") == []
    assert server.control("call server listen fd://99") in ("SYSTEM", "INVALID_ADDRESS")
    assert server.control("call server listen fd://0") in ("SYSTEM", "INVALID_ADDRESS", "INVALID_ARGUMENT")
    answers(server)


@promises("A6")
def test_an_inherited_socket_that_does_not_listen_is_refused(serve: Serve) -> None:
    with socket.socket() as idle:
        idle.bind(("127.0.0.1", 0))
        server = serve("fd://3", inherit=[idle], start=False)
        error = server.expect("error")
        assert "fd://3" in error["message"]


@promises("A6")
@needs("fork")
@pytest.mark.parametrize("loops", [1, 2])
def test_bind_fork_and_start_in_the_child_works(serve: Serve, loops: int, tmp_path: Path) -> None:
    server = serve(TCP, f"unix://{tmp_path}/s", loops=loops, fork=True)
    assert server.pid != server.process.pid
    answers(server, 0)
    answers(server, 1)
    assert len(server.turning_threads()) >= loops
    server.tell("stop")
    server.expect("ended")
    assert not (tmp_path / "s").exists(), "the path is the child's"


@promises("A6", "R5")
@needs("fork")
def test_a_started_server_answers_an_error_in_a_child(serve: Serve) -> None:
    server = serve(loops=2)
    client = server.connect()
    client.id()
    for call in ("wait", "start", "run 0 loops", "listen tcp://127.0.0.1:0"):
        assert server.control(f"fork {call}") == "WRONG_STATE", call
    # Whatever the child does, the parent's server goes on.
    server.control("fork stop")
    assert client.ask("echo still here") == "still here"
    answers(server)


@promises("A6")
@needs("udp", "outgoing")
def test_every_descriptor_is_close_on_exec(serve: Serve, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as peer:
        server = serve(TCP, f"unix://{tmp_path}/s", "udp://127.0.0.1:0", loops=2)
        clients = [server.connect(0), server.connect(1)]
        for client in clients:
            client.id()
        server.control(f"call server connect {url(peer)}")
        peer.settimeout(HANG_GUARD)
        accepted, _ = peer.accept()
        with accepted:
            for fd, what in process.descriptors(server.pid).items():
                info = Path(f"/proc/{server.pid}/fdinfo/{fd}").read_text()
                flags = int(info.split("flags:")[1].split()[0], 8)
                assert fd <= 2 or flags & 0o2000000, f"{fd} is {what}"
