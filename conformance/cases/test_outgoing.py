"""Connections that the server makes, or is given: D7, D8."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Serve

from harness import eventually, needs, pattern, promises, several_loops
from harness.client import HANG_GUARD, accept

pytestmark = needs("calls", "outgoing")

KINDS = ["tcp", "tcp6", "unix", "abstract"]


@contextmanager
def listener(kind: str, directory: Path) -> Iterator[tuple[str, socket.socket]]:
    """Somebody else's server: its address, and its socket."""
    family = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6}.get(kind, socket.AF_UNIX)
    with socket.socket(family) as found:
        found.settimeout(HANG_GUARD)
        if family == socket.AF_UNIX:
            name = f"{directory}/peer" if kind == "unix" else f"@cases-outgoing-{os.getpid()}"
            found.bind(name.replace("@", "\0") if kind == "abstract" else name)
            url = f"unix://{name}"
        else:
            found.bind(("127.0.0.1" if kind == "tcp" else "::1", 0))
            host, port = found.getsockname()[:2]
            url = f"{kind}://{host}:{port}" if kind == "tcp" else f"tcp6://[{host}]:{port}"
        found.listen()
        yield url, found


@promises("D7", "L1")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loops", [1, 3])
def test_an_outgoing_connection_is_like_any_other(
    serve: Serve, kind: str, loops: int, tmp_path: Path
) -> None:
    server = serve(loops=loops, outgoing_mode="script", on_open="echo from on_open")
    with listener(kind, tmp_path) as (url, found):
        for number in range(2 * loops):
            conn = server.control(f"call server connect {url}")
            with accept(found) as peer:
                opened = server.expect("open", id=conn)
                assert opened["listener"] is None
                assert peer.ask("id") == conn, "on_open's script is for incoming ones"
                info = server.control(f"call {conn} info")
                assert info["listener"] is None
                assert info["loop"] == number % loops
                peer.command("write 300000", "echo end")
                assert peer.exactly(300_000) == pattern(300_000)
                assert peer.line() == "end"
                assert server.control(f"text {conn} news") == "ok"
                assert peer.line() == "news"
                assert peer.ask(f"call {conn} run info") == "ok"
                assert server.expect("ran", id=conn)["thread"] == opened["thread"]
            assert server.expect("close", id=conn)["reason"] in ("eof", "reset")
    assert server.connect().line() == "from on_open"


@promises("D7")
@several_loops
def test_the_loop_can_be_chosen_and_is_the_callers_by_default(serve: Serve, tmp_path: Path) -> None:
    server = serve(loops=3)
    with listener("tcp", tmp_path) as (url, found):
        for index in (2, 0, 1):
            conn = server.control(f"call server connect {url} loop={index}")
            accept(found).close()
            server.expect("open", id=conn)
            call = f"connect {url}"
            assert server.control(f"call server run {index} {call}") == "ok"
            here = server.expect("ran", call=call)
            assert server.expect("open", id=here["result"])["thread"] == here["thread"]
            accept(found).close()
        assert server.control(f"call server connect {url} loop=3") == "INVALID_ARGUMENT"


@promises("D7", "D4")
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_what_is_written_before_it_is_open_is_sent_when_it_is(
    serve: Serve, kind: str, tmp_path: Path
) -> None:
    server = serve(loops=2)
    client = server.connect()
    client.id()
    with listener(kind, tmp_path) as (url, found):
        # In one callback: the connection is not made before it has returned.
        conn = client.ask(f"call server connect {url}")
        assert client.ask(f"call {conn} write-then early 500000") in ("ok", "high")
        assert client.ask(f"call {conn} end") == "ok"
        with accept(found) as peer:
            assert peer.to_the_end() == pattern(500_000)
        server.expect("completed", id=conn, tag="early", result="sent")
        server.expect("close", id=conn)


@promises("D7", "L1")
@needs("context")
@pytest.mark.parametrize("kind", ["tcp", "tcp6", "unix", "abstract"])
def test_a_refused_connect_reaches_on_close_without_on_open(serve: Serve, kind: str, tmp_path: Path) -> None:
    server = serve()
    with listener(kind, tmp_path) as (url, _):
        pass
    conn = server.control(f"call server connect {url} context=mine")
    closed = server.expect("close", id=conn)
    assert (closed["reason"], closed["errno"]) == ("connect failed", errno.ECONNREFUSED)
    assert server.control(f"call {conn} text late") == "CLOSED"
    assert server.events("open") == []
    if server.has("let-go"):
        server.expect("context-destroyed", text="mine")
    assert server.connect().ask("echo fine") == "fine"


@promises("D7")
def test_a_path_that_is_not_there_fails(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    conn = server.control(f"call server connect unix://{tmp_path}/nothing")
    closed = server.expect("close", id=conn)
    assert (closed["reason"], closed["errno"]) == ("connect failed", errno.ENOENT)


@promises("D7")
def test_names_are_looked_up_and_each_address_is_tried(serve: Serve) -> None:
    """localhost has ::1 and 127.0.0.1 where there is IPv6; whoever listens on one of them is found."""
    server = serve("tcp4://127.0.0.1:0", outgoing_mode="data")
    port = server.urls[0].rsplit(":", 1)[1]
    conn = server.control(f"call server connect tcp://localhost:{port}")
    server.expect("open", id=conn)
    assert server.control(f"call {conn} remote") == f"127.0.0.1:{port}"
    assert server.control(f"call {conn} text echo hello") == "ok"
    assert bytes.fromhex(server.expect("data", id=conn)["hex"]) == b"hello\n"
    assert server.control(f"call {conn} close") == "ok"
    server.expect("close", id=conn)


@promises("D7")
def test_a_name_that_nobody_knows_fails(serve: Serve) -> None:
    server = serve(loops=2)
    conn = server.control("call server connect tcp://no-such-host.invalid:80")
    assert server.expect("close", id=conn)["reason"] == "connect failed"
    assert server.events("open") == []


@contextmanager
def silent(kind: str, directory: Path) -> Iterator[str]:
    """An address where a connect is neither answered nor refused: the queue of those who wait is full."""
    with listener(kind, directory) as (url, found):
        found.listen(0)
        waiting = []
        for _ in range(4):
            one = socket.socket(found.family)
            one.setblocking(False)
            one.connect_ex(found.getsockname())
            waiting.append(one)
        try:
            yield url
        finally:
            for one in waiting:
                one.close()


@promises("D7", "L1", "T3")
@pytest.mark.parametrize("kind", ["tcp", "tcp6"])
def test_a_connect_that_takes_too_long_is_timed_out(serve: Serve, kind: str, tmp_path: Path) -> None:
    server = serve(loops=2)
    with silent(kind, tmp_path) as url:
        began = time.monotonic()
        conn = server.control(f"call server connect {url} timeout=300")
        assert server.control(f"call {conn} write-then never 100") == "ok"
        closed = server.expect("close", id=conn)
        assert time.monotonic() - began >= 0.3
        assert (closed["reason"], closed["errno"]) == ("time-out", None)
    assert server.events("completed", "close")[0]["result"] == "cancelled"
    assert server.events("open") == []


@promises("D7", "L4")
@pytest.mark.parametrize("way", ["close", "abort"])
def test_a_connect_under_way_can_be_given_up(serve: Serve, way: str, tmp_path: Path) -> None:
    server = serve(loops=2)
    with silent("tcp", tmp_path) as url:
        conn = server.control(f"call server connect {url} timeout=never")
        assert server.control(f"call {conn} {way}") == "ok"
        reason = server.expect("close", id=conn)["reason"]
        assert reason == ("local close" if way == "close" else "abort")
        assert server.control(f"call {conn} text late") == "CLOSED"
    assert server.events("open") == []


@promises("D7", "S2")
def test_a_stop_ends_a_connect_under_way(serve: Serve, tmp_path: Path) -> None:
    server = serve(loops=2)
    with silent("tcp", tmp_path) as url:
        conn = server.control(f"call server connect {url} timeout=never")
        server.tell("stop")
        assert server.expect("close", id=conn)["reason"] == "shutdown"
        server.expect("ended")


@promises("D7")
@pytest.mark.parametrize("kind", ["unix", "abstract"])
def test_a_unix_server_with_a_full_queue_is_tried_until_the_timeout(
    serve: Serve, kind: str, tmp_path: Path
) -> None:
    """There, connect does not wait: it answers EAGAIN."""
    server = serve()
    with silent(kind, tmp_path) as url:
        began = time.monotonic()
        conn = server.control(f"call server connect {url} timeout=300")
        closed = server.expect("close", id=conn)
        assert (closed["reason"], closed["errno"]) == ("time-out", None)
        assert time.monotonic() - began >= 0.3


@promises("D7")
def test_a_busy_unix_server_loses_no_client(serve: Serve, tmp_path: Path) -> None:
    server = serve(outgoing_mode="echo")
    with listener("unix", tmp_path) as (url, found):
        found.listen(0)
        conns = {server.control(f"call server connect {url}") for _ in range(20)}
        for number in range(20):
            with accept(found) as peer:
                peer.send(b"%d" % number)
                assert peer.exactly(len(str(number))) == b"%d" % number
    for conn in conns:
        server.expect("open", id=conn)
        server.expect("close", id=conn)


def with_hosts(directory: Path, lines: str) -> list[str]:
    """A command that gives a subject a list of hosts of the case's own."""
    hosts = directory / "hosts"
    hosts.write_text(lines)
    mount = 'mount --bind "$0" /etc/hosts && exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(hosts)]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        pytest.skip("no mounts of one's own here")
    return prefix


@promises("D7")
def test_a_silent_address_does_not_keep_the_next_from_being_tried(serve: Serve, tmp_path: Path) -> None:
    """The system prefers 127.0.0.1, whose source address is the same."""
    server = serve(prefix=with_hosts(tmp_path, "127.0.0.1 two.test\n127.0.0.9 two.test\n"))
    with silent("tcp", tmp_path) as url, socket.socket() as found:
        port = int(url.rsplit(":", 1)[1])
        found.bind(("127.0.0.9", port))
        found.listen()
        conn = server.control(f"call server connect tcp://two.test:{port}")
        server.expect("open", id=conn)
        assert server.control(f"call {conn} remote") == f"127.0.0.9:{port}"
        assert server.control(f"call {conn} abort") == "ok"


@promises("D7")
@needs("udp")
@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_a_connect_that_meets_itself_fails(serve: Serve, scheme: str) -> None:
    """As one to a dead local port may, when it is given that very port."""
    server = serve()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    conn = server.control(f"call server connect {scheme}://127.0.0.1:{port}?bind=127.0.0.1:{port}")
    closed = server.expect("close", id=conn)
    assert (closed["reason"], closed["errno"]) == ("connect failed", errno.ECONNREFUSED)
    with socket.socket() as real:
        real.bind(("127.0.0.1", port))


@promises("D7", "R5")
@pytest.mark.parametrize(
    ("url", "quoted"),
    [
        ("tcp://127.0.0.1", "port"),
        ("tcp://127.0.0.1:0", "port 0"),
        ("tcp://:80", "host"),
        ("gopher://127.0.0.1:70", "gopher"),
        ("tcp://127.0.0.1:80?colour=red", "colour=red"),
        ("tcp://127.0.0.1:80?backlog=10", "backlog=10"),
        ("unix://", "path"),
    ],
)
def test_what_is_no_address_to_connect_to_is_quoted(serve: Serve, url: str, quoted: str) -> None:
    server = serve()
    server.tell(f"call server connect {url}")
    reply = server.expect("reply", command=f"call server connect {url}", result="INVALID_ADDRESS")
    assert url in reply["message"] and quoted in reply["message"]


@promises("D7", "R5")
def test_nobody_connects_before_the_start(serve: Serve) -> None:
    server = serve(start=False)
    assert server.control("call server connect tcp://127.0.0.1:9") == "WRONG_STATE"
    assert server.control("call server enroll null") in ("WRONG_STATE", "INVALID_ARGUMENT")


@promises("D7")
def test_a_server_that_listens_nowhere_connects(serve: Serve, tmp_path: Path) -> None:
    server = serve(start=False)
    assert server.control("start") == "ok"
    server.started()
    with listener("tcp", tmp_path) as (url, found):
        conn = server.control(f"call server connect {url}")
        with accept(found) as peer:
            peer.send(b"hello")
            assert bytes.fromhex(server.expect("data", id=conn)["hex"]) == b"hello"
        server.expect("close", id=conn)


@promises("D7", "L7")
@needs("context")
def test_a_context_comes_with_it(serve: Serve, tmp_path: Path) -> None:
    server = serve(outgoing_mode="script")
    with listener("tcp", tmp_path) as (url, found):
        conn = server.control(f"call server connect {url} context=mine")
        with accept(found) as peer:
            assert peer.ask("call self context") == "mine"
        if server.has("let-go"):
            server.expect("context-destroyed", text="mine")
        server.expect("close", id=conn)


@promises("D7", "A3")
def test_options_of_the_url_are_set_at_an_outgoing_socket(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    with listener("tcp", tmp_path) as (url, found), socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        conn = server.control(f"call server connect {url}?bind=127.0.0.9:{port}&keepalive=5,1,2")
        server.expect("open", id=conn)
        with accept(found) as peer:
            assert peer.socket.getpeername() == ("127.0.0.9", port)
            assert server.control(f"call {conn} local") == f"127.0.0.9:{port}"
        server.expect("close", id=conn)


@promises("D7", "D1")
def test_two_hundred_connections_are_made_and_echoed(serve: Serve, tmp_path: Path) -> None:
    server = serve(loops=2, outgoing_mode="echo", trace=False)
    with listener("unix", tmp_path) as (url, found):
        found.listen(300)
        for _ in range(200):
            assert server.control(f"call server connect {url}").isdigit()
        peers = [accept(found) for _ in range(200)]
        for number, peer in enumerate(peers):
            peer.send(pattern(number * 100))
        for number, peer in enumerate(peers):
            assert peer.exactly(number * 100) == pattern(number * 100)
        for peer in peers:
            peer.close()


# ---- D8 ----


@promises("D8", "L1")
@pytest.mark.parametrize("kind", ["tcp", "unix", "abstract"])
@pytest.mark.parametrize("loops", [1, 2])
def test_a_connected_descriptor_is_enrolled(serve: Serve, kind: str, loops: int, tmp_path: Path) -> None:
    server = serve(loops=loops, outgoing_mode="script")
    with listener(kind, tmp_path) as (url, found):
        conn = server.control(f"call server enroll {url} context=mine loop={loops - 1}")
        with accept(found) as peer:
            assert server.expect("open", id=conn)["listener"] is None
            assert peer.ask("id") == conn
            assert peer.ask("call self context") == "mine"
            assert server.control(f"call {conn} info")["loop"] == loops - 1
            peer.command("write 3000000")
            assert peer.exactly(3_000_000) == pattern(3_000_000)
            peer.end()
            assert peer.to_the_end() == b""
        assert server.expect("close", id=conn)["reason"] == "eof"
    assert server.control("call server metrics")["enrolled"] == 1


@promises("D8")
def test_what_came_before_it_was_enrolled_is_delivered(serve: Serve, tmp_path: Path) -> None:
    """Another subject's greeting is in the socket when it is handed over, and so is the peer's end."""
    peer = serve(on_open="echo greeting;close")
    server = serve()
    for _ in range(20):
        conn = server.control(f"call server enroll {peer.urls[0]}")
        assert bytes.fromhex(server.expect("data", id=conn)["hex"]) == b"greeting\n"
        assert server.expect("close", id=conn)["reason"] == "eof"


@promises("D8", "R5")
def test_what_is_no_socket_is_not_enrolled(serve: Serve) -> None:
    server = serve()
    server.tell("call server enroll null")
    reply = server.expect("reply", command="call server enroll null", result="INVALID_ARGUMENT")
    assert "descriptor" in reply["message"]
    assert server.left_descriptors() == {}
    assert server.connect().ask("echo fine") == "fine"


@promises("D8", "D2")
def test_an_enrolled_connection_has_options(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    with listener("unix", tmp_path) as (url, found):
        conn = server.control(f"call server enroll {url} framing=fixed:3 half-open=true")
        with accept(found) as peer:
            peer.send(b"abcdef")
            for part in (b"abc", b"def"):
                assert bytes.fromhex(server.expect("data", id=conn)["hex"]) == part
            peer.end()
            server.expect("eof", id=conn)
            assert server.control(f"text {conn} still here") == "ok"
            assert server.control(f"call {conn} end") == "ok"
            assert peer.to_the_end() == b"still here\n"
        server.expect("close", id=conn)
