"""Addresses and listeners: A1, A2, A4, A5."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest
from conftest import Serve

from harness import Client, promises
from harness.subject import TCP

FORMS = {
    "tcp://127.0.0.1:0": r"tcp://127\.0\.0\.1:\d+",
    "127.0.0.1:0": r"tcp://127\.0\.0\.1:\d+",
    "tcp4://127.0.0.1:0": r"tcp4://127\.0\.0\.1:\d+",
    "tcp4://:0": r"tcp4://0\.0\.0\.0:\d+",
    "tcp6://:0": r"tcp6://\[::\]:\d+",
    "[::1]:0": r"tcp://\[::1\]:\d+",
    "tcp6://[::1]:0?nodelay=false": r"tcp6://\[::1\]:\d+",
    "localhost:0": r"tcp://127\.0\.0\.1:\d+",
    "TCP://127.0.0.1:0": r"tcp://127\.0\.0\.1:\d+",
    "*:0": r"tcp://\[::\]:\d+",
    "Tcp4://*:0": r"tcp4://0\.0\.0\.0:\d+",
    "tcp://[::ffff:127.0.0.1]:0": r"tcp://127\.0\.0\.1:\d+",
    # The system keeps the zone of link-local addresses alone.
    "tcp://[::1%lo]:0": r"tcp://\[::1\]:\d+",
    "[::1%1]:0": r"tcp://\[::1\]:\d+",
    "tcp://:0?backlog=16&reuseport=true": r"tcp://\[::\]:\d+",
    "unix://PATH": r"unix://PATH",
    "unix://PATH2?backlog=16": r"unix://PATH2",
    "unix://@conformance-NUMBER": r"unix://@conformance-NUMBER",
    "unix://PATH3%3F%25%ff?backlog=16": r"unix://PATH3%3F%25%FF",
    "UNIX://@conformance-%ff-NUMBER": r"unix://@conformance-%FF-NUMBER",
}

WRONG = {
    "tcp://127.0.0.1": "the port is missing",
    "tcp://127.0.0.1:": "the port is missing",
    "/tmp/x.sock": "unix:///tmp/x.sock",
    "5000": ":5000",
    "tcp://127.0.0.1:65536": "65536",
    "tcp://127.0.0.1:-1": "-1",
    "tcp://127.0.0.1:http": "http",
    "tcp://::1:5000": "brackets",
    "tcp://[::1:5000": "bracket",
    "tcp4://[::1]:0": "tcp4",
    "tcp6://127.0.0.1:0": "tcp6",
    "gopher://127.0.0.1:70": "gopher",
    "unix://": "the path is empty",
    "unix:///tmp/a%zz": "%25",
    "tcp://[fe80::1%]:0": "the zone",
    "tcp://[fe80::1%no-such]:0": "no-such",
    "tcp6://[::ffff:127.0.0.1]:0": "tcp6",
    "unix:///" + "x" * 120: "121",
    "tcp://127.0.0.1:0?backlog=0": "backlog=0",
    "tcp://127.0.0.1:0?colour=red": "colour=red",
    "tcp://no-such-host.invalid:0": "no-such-host.invalid",
}


def filled(text: str, directory: Path) -> str:
    """A form with this case's own paths and names."""
    return text.replace("PATH", f"{directory}/s").replace("NUMBER", str(os.getpid()))


@promises("A1", "A2")
def test_every_form_is_bound_and_known_before_the_first_callback(serve: Serve, tmp_path: Path) -> None:
    server = serve(*(filled(form, tmp_path) for form in FORMS))
    assert len(server.urls) == len(FORMS)
    for url, form in zip(server.urls, FORMS.values(), strict=True):
        assert re.fullmatch(filled(form, tmp_path), url), url
        assert not url.endswith(":0")
    kinds = [event["event"] for event in server.events()]
    assert kinds.index("listening") < kinds.index("start")
    ids = set()
    for listener, url in enumerate(server.urls):
        client = server.connect(listener)
        assert client.ask(f"echo by {url}") == f"by {url}"
        ids.add(client.id())
    assert len(ids) == len(FORMS)


@promises("A1")
def test_no_host_is_dual_stack_and_a_family_is_not(serve: Serve) -> None:
    server = serve("tcp://:0", "tcp4://:0", "tcp6://:0")
    dual, four, six = (url.rsplit(":", 1)[1] for url in server.urls)
    reachable = [f"tcp://127.0.0.1:{dual}", f"tcp://[::1]:{dual}"]
    reachable += [f"tcp://127.0.0.1:{four}", f"tcp://[::1]:{six}"]
    for url in reachable:
        with Client(url) as client:
            assert client.ask("echo there") == "there"
    for url in (f"tcp://[::1]:{four}", f"tcp://127.0.0.1:{six}"):
        with pytest.raises(ConnectionRefusedError):
            Client(url)


@promises("A1")
def test_a_fixed_port_can_be_bound_again_at_once(serve: Serve) -> None:
    """SO_REUSEADDR: a connection that this side has closed leaves TIME_WAIT behind."""
    first = serve()
    client = first.connect()
    client.command("close")
    assert client.to_the_end() == b""
    client.close()
    first.tell("stop")
    first.expect("ended")
    second = serve(first.urls[0])
    assert second.urls == first.urls
    assert second.connect().ask("echo again") == "again"


@promises("A1")
@pytest.mark.parametrize("url", WRONG, ids=range(len(WRONG)))
def test_what_is_no_address_is_quoted(serve: Serve, url: str) -> None:
    server = serve(url, start=False)
    error = server.expect("error", kind="INVALID_ADDRESS", errno=None)
    assert url in error["message"]
    assert WRONG[url] in error["message"]


@promises("A5")
def test_a_port_in_use_is_an_error_with_the_systems_reason(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        server = serve(url, start=False)
        error = server.expect("error", kind="ADDRESS_IN_USE", errno=98)
        assert url in error["message"]
        assert "in use" in error["message"]


@promises("A5")
def test_an_address_of_another_machine_is_an_error_with_the_systems_reason(serve: Serve) -> None:
    server = serve("tcp://192.0.2.1:0", start=False)
    error = server.expect("error", kind="SYSTEM", errno=99)
    assert "tcp://192.0.2.1:0" in error["message"]


@promises("A5")
def test_a_failed_listen_leaves_nothing_behind_and_the_server_listens_elsewhere(serve: Serve) -> None:
    server = serve(start=False)
    assert server.stats() == {"connections": 0, "queued": 0}
    server.remember_descriptors()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for _ in range(3):
            assert server.control(f"listen tcp://127.0.0.1:{port}") == "ADDRESS_IN_USE"
        assert server.control("listen tcp://192.0.2.1:0") == "SYSTEM"
        assert server.control("listen tcp://127.0.0.1") == "INVALID_ADDRESS"
        assert server.left_descriptors() == {}
    # The one that was taken has become free: the same server takes it, and one more.
    assert server.control(f"listen tcp://127.0.0.1:{port}") == f"tcp://127.0.0.1:{port}"
    server.urls = [f"tcp://127.0.0.1:{port}", server.control(f"listen {TCP}")]
    assert server.control("start") == "ok"
    server.started()
    for listener in range(2):
        assert server.connect(listener).ask("echo here") == "here"


@promises("A4")
def test_a_path_is_removed_at_the_stop(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = serve(f"unix://{path}")
    assert path.is_socket()
    assert server.connect().ask("echo here") == "here"
    server.tell("stop")
    server.expect("ended")
    assert not path.exists()


@promises("A4")
def test_a_path_that_another_has_taken_since_is_left_alone(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = serve(f"unix://{path}")
    path.unlink()
    path.write_text("mine")
    server.tell("stop")
    server.expect("ended")
    assert path.read_text() == "mine"


@promises("A4")
def test_a_dead_servers_path_is_taken_over(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.is_socket()
    assert serve(f"unix://{path}").connect().ask("echo mine now") == "mine now"


@promises("A4")
def test_a_live_servers_path_is_refused_and_left_alone(serve: Serve, tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/socket"
    live = serve(url)
    error = serve(url, start=False).expect("error", kind="ADDRESS_IN_USE", errno=98)
    assert url in error["message"]
    assert live.connect().ask("echo still here") == "still here"


@promises("A4")
def test_what_is_no_socket_is_refused_and_left_alone(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("precious")
    serve(f"unix://{path}", start=False).expect("error", kind="ADDRESS_IN_USE", errno=98)
    assert path.read_text() == "precious"
