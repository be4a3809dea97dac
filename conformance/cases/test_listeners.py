"""Listeners that come and go while the server runs: A2; who is at the other end of a Unix socket: A4."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Serve

from harness import Client, Subject, eventually, needs, not_for, promises
from harness.client import HANG_GUARD
from harness.gate import Gate
from harness.subject import TCP

pytestmark = needs("calls")

REFUSED = (ConnectionRefusedError, FileNotFoundError)
BALANCES = ["round-robin", "reuseport"]


def expect_refused(url: str) -> None:
    with pytest.raises(REFUSED):
        Client(url)


def ask_udp(url: str, data: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(HANG_GUARD)
        one.connect(("127.0.0.1", int(url.rsplit(":", 1)[1])))
        one.send(data)
        return one.recv(65_535)


def listen(server: Subject, url: str, options: str = "") -> int:
    """Listens while the server runs, and notes the address as the subject's last: the listener's number."""
    made = server.control(f"call server listen {url} {options}".rstrip())
    server.urls.append(made["url"])
    # A UDP endpoint's descriptor is made by its loop.
    for on_loop in range(server.control("call server loops")):
        server.control(f"call server run {on_loop} current-loop")
        server.expect("ran", call="current-loop", result=on_loop)
    # It is to stay when the clients have gone.
    server.remember_descriptors()
    listener: int = made["listener"]
    return listener


@promises("A2")
@pytest.mark.parametrize("loops", [1, 3])
@pytest.mark.parametrize("balance", BALANCES)
def test_listeners_are_added_while_the_server_runs(
    serve: Serve, loops: int, balance: str, tmp_path: Path
) -> None:
    server = serve(loops=loops, balance=balance)
    first = server.connect()
    assert first.ask("echo first") == "first"
    for url in (TCP, f"unix://{tmp_path}/s", "tcp6://[::1]:0", f"unix://@cases-{os.getpid()}"):
        listener = listen(server, url)
        for _ in range(2 * loops):
            client = server.connect(len(server.urls) - 1)
            conn = client.id()
            assert server.expect("open", id=conn)["listener"] == listener
            assert server.control(f"call {conn} info")["listener"] == listener
    assert first.ask("echo still") == "still"
    listed = server.control("call server listeners")
    assert [one["url"] for one in listed] == server.urls
    assert len({one["listener"] for one in listed}) == 5


@promises("A2")
@pytest.mark.parametrize("loops", [1, 3])
def test_a_callback_adds_a_listener_and_closes_it(serve: Serve, loops: int) -> None:
    server = serve(loops=loops)
    client = server.connect()
    assert client.ask(f"listen {TCP}") == "ok"
    added = server.control("call server listeners")[1]
    server.urls.append(added["url"])
    assert server.connect(1).ask("echo there") == "there"
    assert client.ask(f"call server close-listener {added['listener']}") == "ok"
    expect_refused(added["url"])
    assert client.ask("echo fine") == "fine"


@promises("A2")
@needs("udp")
def test_a_udp_listener_is_added_and_closed(serve: Serve) -> None:
    server = serve(loops=2, mode="echo")
    listener = listen(server, "udp://127.0.0.1:0")
    url = server.urls[1]
    (endpoint,) = server.control(f"call server endpoints {listener}")
    assert ask_udp(url, b"hello") == b"hello"
    assert server.control(f"call server close-listener {listener}") == "ok"
    # Its descriptor is closed when its loop has sent what waits.
    eventually("the end of the endpoint", lambda: server.control(f"call {endpoint} wake") == "CLOSED")
    eventually("a free port", lambda: not server.left_descriptors())
    assert server.control(f"call server endpoints {listener}") == []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", int(url.rsplit(":", 1)[1])))
    assert server.events("close") == []


@promises("A2")
@pytest.mark.parametrize("loops", [1, 3])
@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_closed_listener_refuses_and_its_connections_go_on(
    serve: Serve, loops: int, balance: str, kind: str, tmp_path: Path
) -> None:
    url = TCP if kind == "tcp" else f"unix://{tmp_path}/s"
    server = serve(url, TCP, loops=loops, balance=balance)
    clients = [server.connect(0) for _ in range(4)]
    for client in clients:
        client.id()
    one, other = server.control("call server listeners")
    assert server.control(f"call server close-listener {one['listener']}") == "ok"
    # From the moment that the call returns.
    expect_refused(server.urls[0])
    assert not (tmp_path / "s").exists()
    for client in clients:
        assert client.ask("echo goes on") == "goes on"
    for _ in range(2 * loops):
        assert server.connect(1).ask("echo other") == "other"
    assert server.control("call server listeners") == [other]
    # Again, its address is free.
    again = listen(server, server.urls[0])
    assert again not in (one["listener"], other["listener"])
    assert server.connect(2).ask("echo again") == "again"


@promises("A2", "R5")
def test_a_listener_that_is_not_there_cannot_be_closed(serve: Serve) -> None:
    server = serve()
    (one,) = server.control("call server listeners")
    assert server.control("call server close-listener 77") == "INVALID_ARGUMENT"
    assert server.control(f"call server close-listener {one['listener']}") == "ok"
    assert server.control(f"call server close-listener {one['listener']}") == "INVALID_ARGUMENT"
    assert server.control("call server listeners") == []
    listen(server, TCP)
    assert server.connect(1).ask("echo there") == "there"


@promises("A2", "A5", "R5")
def test_a_listen_that_fails_while_the_server_runs_leaves_nothing_behind(serve: Serve) -> None:
    server = serve(loops=3, balance="reuseport")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        command = f"call server listen {url}"
        for _ in range(3):
            server.tell(command)
            reply = server.expect("reply", command=command, result="ADDRESS_IN_USE")
            assert url in reply["message"]
            assert "in use" in reply["message"]
        assert server.left_descriptors() == {}
    assert listen(server, url) > 0
    assert server.connect(1).ask("echo there") == "there"


@promises("A2")
@pytest.mark.parametrize("loops", [1, 2])
def test_listeners_come_and_go_a_hundred_times_under_load(serve: Serve, loops: int) -> None:
    """Clients race the close of what they connect to: each is answered, or refused, or reset."""
    server = serve(loops=loops, mode="echo", trace=False)
    steady = server.connect()

    def knock(url: str) -> int:
        answered = 0
        for _ in range(3):
            try:
                with Client(url) as client:
                    client.send(b"there?")
                    answered += client.exactly(6) == b"there?"
            except (ConnectionError, EOFError):
                pass
        return answered

    with ThreadPoolExecutor(3) as clients:
        for number in range(100):
            made = server.control(f"call server listen {TCP}")
            assert knock(made["url"]) == 3
            racing = [clients.submit(knock, made["url"]) for _ in range(3)]
            assert server.control(f"call server close-listener {made['listener']}") == "ok"
            expect_refused(made["url"])
            assert all(0 <= one.result() <= 3 for one in racing)
            steady.send(b"%d" % number)
            assert steady.exactly(len(str(number))) == b"%d" % number
    steady.close()
    server.expect_nothing_left()


@promises("A2", "S2")
def test_no_listener_is_added_once_the_server_stops(serve: Serve) -> None:
    server = serve(on_close=f"note-call server listen {TCP}")
    server.connect().id()
    server.tell("stop")
    assert server.expect("note")["text"] == "WRONG_STATE"
    server.expect("ended")


# ---- what a closed listener leaves behind ----

KINDS = {"tcp": TCP, "path": "unix://PATH/s", "abstract": "unix://@cases-NUMBER-closed", "udp": "udp://127.0.0.1:0"}
STREAMS = [kind for kind in KINDS if kind != "udp"]


#: Why a case does not fit Node that closes a listener while a callback blocks.
NO_CALL = "only the JavaScript thread closes listeners, which callbacks block, and a server's handle has no call for it"


def url_of(kind: str, directory: Path) -> str:
    return KINDS[kind].replace("PATH", str(directory)).replace("NUMBER", str(os.getpid()))


@promises("A2", "S3")
@not_for("node", NO_CALL)
@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize("kind", STREAMS)
def test_whoever_had_connected_is_served(serve: Serve, balance: str, kind: str, tmp_path: Path) -> None:
    server = serve(url_of(kind, tmp_path), loops=1, balance=balance)
    (one,) = server.control("call server listeners")
    gate = Gate(tmp_path)
    waiting = connected_while_busy(server, gate.command)
    assert server.control(f"call server close-listener {one['listener']}") == "ok"
    expect_refused(server.urls[0])
    gate.open()
    expect_served(waiting)
    expect_refused(server.urls[0])


@promises("A2", "S3")
@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize("kind", STREAMS)
def test_whoever_had_connected_is_served_when_a_callback_closes(
    serve: Serve, balance: str, kind: str, tmp_path: Path
) -> None:
    server = serve(url_of(kind, tmp_path), loops=1, balance=balance)
    (one,) = server.control("call server listeners")
    gate = Gate(tmp_path)
    first, *waiting = connected_while_busy(server, gate.command, f"call server close-listener {one['listener']}")
    gate.open()
    assert first.line() == "ok"
    expect_served(waiting)
    expect_refused(server.urls[0])


def connected_while_busy(server: Subject, *commands: str) -> list[Client]:
    """A client whose callback keeps the only loop busy with these commands, and others, which the kernel keeps meanwhile."""
    first = server.connect()
    first.id()
    first.command(*commands)
    return [first, *(server.connect() for _ in range(20))]


def expect_served(clients: list[Client]) -> None:
    for number, client in enumerate(clients):
        assert client.ask(f"echo {number}") == str(number)


@promises("A2")
@not_for("node", NO_CALL)
@pytest.mark.parametrize("balance", BALANCES)
def test_whoever_had_connected_is_refused_if_that_is_asked_for(
    serve: Serve, balance: str, tmp_path: Path
) -> None:
    server = serve(loops=1, balance=balance)
    (one,) = server.control("call server listeners")
    gate = Gate(tmp_path)
    first = server.connect()
    first.id()
    first.command(gate.command, "echo goes on")
    waiting = [server.connect() for _ in range(20)]
    assert server.control(f"call server close-listener {one['listener']} refuse") == "ok"
    gate.open()
    assert first.line() == "goes on"
    for client in waiting:
        with pytest.raises(ConnectionResetError):
            client.chunk()


@promises("A2")
@needs("udp")
@pytest.mark.parametrize("loops", [1, 3])
@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_address_is_free_when_the_call_returns(
    serve: Serve, loops: int, balance: str, kind: str, tmp_path: Path
) -> None:
    server = serve(loops=loops, balance=balance)
    made = server.control(f"call server listen {url_of(kind, tmp_path)}")
    for _ in range(20):
        assert server.control(f"call server close-listener {made['listener']}") == "ok"
        again = server.control(f"call server listen {made['url']}")
        while server.is_hosted and kind == "udp" and again == "ADDRESS_IN_USE":
            # Its host closes the socket, soon after.
            again = server.control(f"call server listen {made['url']}")
        assert again["url"] == made["url"]
        made = again
    # It answers there.
    if kind == "udp":
        assert ask_udp(made["url"], b"echo there\n") == b"there\n"
    else:
        with Client(made["url"]) as client:
            assert client.ask("echo there") == "there"
    assert server.control(f"call server close-listener {made['listener']}") == "ok"


@promises("A2")
@needs("udp")
@pytest.mark.parametrize("kind", KINDS)
def test_the_address_is_free_when_the_call_returns_in_a_callback(
    serve: Serve, kind: str, tmp_path: Path
) -> None:
    server = serve(loops=1)
    client = server.connect()
    number, url = 2, url_of(kind, tmp_path)
    for _ in range(5):
        assert client.ask(f"listen {url}") == "ok"
        (made,) = server.control("call server listeners")[1:]
        assert made["listener"] == number
        client.command(f"call server close-listener {number}", f"listen {made['url']}")
        assert (client.line(), client.line()) == ("ok", "ok")
        assert client.ask(f"call server close-listener {number + 1}") == "ok"
        number, url = number + 2, made["url"]


@promises("A2", "D6")
@needs("udp")
def test_datagrams_that_wait_are_answered_when_their_listener_closes(serve: Serve, tmp_path: Path) -> None:
    server = serve("udp://127.0.0.1:0", loops=1)
    (one,) = server.control("call server listeners")
    gate = Gate(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(HANG_GUARD)
        peer.connect(("127.0.0.1", int(server.urls[0].rsplit(":", 1)[1])))
        peer.send(f"{gate.command}\n".encode())
        for number in range(20):
            peer.send(b"echo %d\n" % number)
        command = f"call server close-listener {one['listener']}"
        server.tell(command)
        gate.open()
        assert server.expect("reply", command=command)["result"] == "ok"
        assert [peer.recv(100) for _ in range(20)] == [b"%d\n" % number for number in range(20)]


# ---- peers of Unix sockets ----


@promises("A4")
@pytest.mark.parametrize("name", ["path", "abstract"])
def test_a_unix_peers_credentials_can_be_read(serve: Serve, name: str, tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/s" if name == "path" else f"unix://@peers-{os.getpid()}"
    server = serve(url)
    client = server.connect()
    conn = client.id()
    own = {"pid": os.getpid(), "uid": os.getuid(), "gid": os.getgid()}
    assert server.control(f"call {conn} credentials") == own
    assert f'"pid":{os.getpid()}' in client.ask("call self credentials").replace(" ", "")
    client.close()
    server.expect("close", id=conn)
    assert server.control(f"call {conn} credentials") == "CLOSED"


@promises("A4", "R5")
def test_a_tcp_peer_has_no_credentials(serve: Serve) -> None:
    server = serve()
    client = server.connect()
    conn = client.id()
    assert server.control(f"call {conn} credentials") in ("SYSTEM", "UNSUPPORTED")
    assert client.ask("echo fine") == "fine"


@promises("A4", "A5")
def test_an_abstract_name_of_a_live_server_is_refused(serve: Serve) -> None:
    url = f"unix://@live-{os.getpid()}"
    live = serve(url)
    error = serve(url, start=False).expect("error", kind="ADDRESS_IN_USE", errno=98)
    assert url in error["message"]
    assert live.connect().ask("echo still here") == "still here"


@promises("A4")
def test_a_server_with_a_full_queue_is_alive_and_a_gone_one_is_dead(
    serve: Serve, tmp_path: Path
) -> None:
    """A server that is too busy to accept is alive: connects to it fail, but not as to a dead one."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = []
        with pytest.raises(BlockingIOError):
            while True:
                one = socket.socket(socket.AF_UNIX)
                waiting.append(one)
                one.setblocking(False)
                one.connect(str(path))
        inode = path.stat().st_ino
        serve(f"unix://{path}", start=False).expect("error", kind="ADDRESS_IN_USE")
        assert path.stat().st_ino == inode
        for one in waiting:
            one.close()
    server = serve(f"unix://{path}")
    assert server.connect().ask("echo mine now") == "mine now"


@promises("A4")
def test_what_is_there_besides_a_socket_is_left_alone(serve: Serve, tmp_path: Path) -> None:
    directory, pipe, link = tmp_path / "directory", tmp_path / "pipe", tmp_path / "link"
    directory.mkdir()
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "nowhere")
    for path in (directory, pipe, link):
        serve(f"unix://{path}", start=False).expect("error", kind="ADDRESS_IN_USE", errno=98)
    assert directory.is_dir() and pipe.is_fifo() and link.is_symlink()


@promises("A4", "A2")
def test_a_path_is_removed_with_its_listener_if_it_is_still_its_own(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    for mine in (True, False):
        path = tmp_path / f"socket-{mine}"
        listener = listen(server, f"unix://{path}")
        assert path.is_socket()
        if not mine:
            path.unlink()
            path.write_text("another's")
        assert server.control(f"call server close-listener {listener}") == "ok"
        assert path.exists() != mine
    assert path.read_text() == "another's"
