"""Options of listeners, seen at the sockets themselves: A3, and the permission bits of a path: A4."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import Serve

from harness import Client, Subject, needs, process, promises
from harness.client import HANG_GUARD

pytestmark = needs("calls")

#: Linux's number of the call, on every architecture (pidfd_getfd(2)).
PIDFD_GETFD = 438
#: In struct tcp_info, `tcpi_sacked`: of a listening socket, its backlog (ss(8) shows it as Send-Q).
BACKLOG = slice(28, 32)


@contextmanager
def sockets(server: Subject) -> Iterator[list[socket.socket]]:
    """Duplicates of the subject's own sockets."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.pidfd_open(server.pid)
    found = []
    try:
        for number, what in process.descriptors(server.pid).items():
            if what.startswith("socket:"):
                duplicate = libc.syscall(PIDFD_GETFD, handle, number, 0)
                assert duplicate >= 0, os.strerror(ctypes.get_errno())
                found.append(socket.socket(fileno=duplicate))
        yield found
    finally:
        os.close(handle)
        for one in found:
            one.close()


def is_listening(one: socket.socket) -> bool:
    return one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def is_half_of_a_pair(one: socket.socket) -> bool:
    """Whether it is one by which signals end the wait of Python's main thread: neither end has a name."""
    return one.family == socket.AF_UNIX and not one.getsockname() and not one.getpeername()


def read(server: Subject, level: int, name: int, listening: bool) -> int | bytes:
    """An option of the subject's one listener, or of its one other socket."""
    with sockets(server) as found:
        (one,) = (one for one in found if is_listening(one) == listening and not is_half_of_a_pair(one))
        if (level, name) == (socket.IPPROTO_TCP, socket.TCP_INFO):
            number: int = struct.unpack("=I", one.getsockopt(level, name, 104)[BACKLOG])[0]
            return number
        if name == socket.SO_BINDTODEVICE:
            return one.getsockopt(level, name, 16).rstrip(b"\0")
        return one.getsockopt(level, name)


class Row(NamedTuple):
    """An option, and how a socket shows it; `otherwise` is what it shows without."""

    url: str
    option: str
    where: str
    level: int
    name: int
    shown: int | bytes
    otherwise: int | bytes | None = None


SOCKET, TCP_LEVEL, V6 = socket.SOL_SOCKET, socket.IPPROTO_TCP, socket.IPPROTO_IPV6
V4_URL, DUAL, V6_URL, UDP = "tcp://127.0.0.1:0", "tcp://:0", "tcp://[::]:0", "udp://127.0.0.1:0"
UNIX = "unix://PATH"
SOMAXCONN = int(Path("/proc/sys/net/core/somaxconn").read_text())

SHOWN = [
    Row(V4_URL, "reuseport=true", "listener", SOCKET, socket.SO_REUSEPORT, 1, 0),
    Row(UDP, "reuseport=true", "other", SOCKET, socket.SO_REUSEPORT, 1, 0),
    Row(V4_URL, "backlog=7", "listener", TCP_LEVEL, socket.TCP_INFO, 7, min(4096, SOMAXCONN)),
    Row(V4_URL, "nodelay=false", "other", TCP_LEVEL, socket.TCP_NODELAY, 0, 1),
    Row(V4_URL, "nodelay=true", "other", TCP_LEVEL, socket.TCP_NODELAY, 1, 1),
    Row(V4_URL, "keepalive=true", "other", SOCKET, socket.SO_KEEPALIVE, 1, 0),
    Row(V4_URL, "keepalive=false", "other", SOCKET, socket.SO_KEEPALIVE, 0, 0),
    Row(V4_URL, "keepalive=11,3,5", "other", SOCKET, socket.SO_KEEPALIVE, 1, 0),
    Row(V4_URL, "keepalive=11,3,5", "other", TCP_LEVEL, socket.TCP_KEEPIDLE, 11),
    Row(V4_URL, "keepalive=11,3,5", "other", TCP_LEVEL, socket.TCP_KEEPINTVL, 3),
    Row(V4_URL, "keepalive=11,3,5", "other", TCP_LEVEL, socket.TCP_KEEPCNT, 5),
    # Linux doubles what is asked for, socket(7).
    Row(V4_URL, "rcvbuf=50000", "other", SOCKET, socket.SO_RCVBUF, 100_000),
    Row(V4_URL, "sndbuf=60000", "other", SOCKET, socket.SO_SNDBUF, 120_000),
    Row(UDP, "rcvbuf=50000", "other", SOCKET, socket.SO_RCVBUF, 100_000),
    Row(UDP, "sndbuf=60000", "other", SOCKET, socket.SO_SNDBUF, 120_000),
    Row(UNIX, "sndbuf=60000", "other", SOCKET, socket.SO_SNDBUF, 120_000),
    Row(V4_URL, "device=lo", "listener", SOCKET, socket.SO_BINDTODEVICE, b"lo", b""),
    Row(UDP, "device=lo", "other", SOCKET, socket.SO_BINDTODEVICE, b"lo", b""),
    Row(DUAL, "ipv6only=true", "listener", V6, socket.IPV6_V6ONLY, 1, 0),
    Row(V6_URL, "ipv6only=false", "listener", V6, socket.IPV6_V6ONLY, 0, 1),
]


def placed(server: Subject) -> Subject:
    """Waits until the loop has its UDP endpoints: until then their descriptors come and go."""
    server.control("call server run 0 current-loop")
    server.expect("ran", call="current-loop", result=0)
    server.remember_descriptors()
    return server


def shown(server: Subject, row: Row) -> int | bytes:
    if row.url.startswith("udp"):
        placed(server)
    elif row.where == "other":
        server.connect().id()
    return read(server, row.level, row.name, row.where == "listener")


@promises("A3")
@needs("udp")
@pytest.mark.parametrize("way", ["query", "api", "neither"])
@pytest.mark.parametrize("row", SHOWN, ids=lambda row: f"{row.url.split(':')[0]}-{row.option}-{row.name}")
def test_an_option_is_set_at_the_socket(serve: Serve, row: Row, way: str, tmp_path: Path) -> None:
    url = row.url.replace("PATH", f"{tmp_path}/s")
    # With several loops, reuseport is a socket for each.
    if way == "query":
        assert shown(serve(f"{url}?{row.option}", loops=1), row) == row.shown
    elif way == "api":
        assert shown(serve(url, loops=1, listen_options=row.option), row) == row.shown
    elif row.otherwise is not None:
        assert shown(serve(url, loops=1), row) == row.otherwise
    else:
        assert shown(serve(url, loops=1), row) != row.shown


@promises("A3")
def test_the_query_wins_over_the_api(serve: Serve) -> None:
    server = serve(f"{V4_URL}?rcvbuf=50000", listen_options="rcvbuf=70000 nodelay=false")
    server.connect().id()
    assert read(server, SOCKET, socket.SO_RCVBUF, listening=False) == 100_000
    assert read(server, TCP_LEVEL, socket.TCP_NODELAY, listening=False) == 0


@promises("A3", "A1")
def test_two_servers_share_a_port_by_reuseport_and_not_without(serve: Serve) -> None:
    first = serve(f"{V4_URL}?reuseport=true")
    second = serve(first.urls[0], listen_options="reuseport=true")
    assert second.urls == first.urls
    serve(first.urls[0], start=False).expect("error", kind="ADDRESS_IN_USE", errno=98)


@promises("A3")
def test_ipv6only_decides_who_reaches_it(serve: Serve) -> None:
    server = serve("tcp://[::]:0?ipv6only=false")
    both = port_of(server.urls[0])
    Client(f"tcp://[::1]:{both}").close()
    Client(f"tcp://127.0.0.1:{both}").close()
    for url in ("tcp://:0?ipv6only=true", "tcp://[::]:0"):
        with ipv6_alone(server, url) as port:
            Client(f"tcp://[::1]:{port}").close()
            with pytest.raises(ConnectionRefusedError):
                Client(f"tcp://127.0.0.1:{port}")
    server.expect_nothing_left()


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def binds(mine: socket.socket, port: int) -> bool:
    try:
        mine.bind(("0.0.0.0", port))
    except OSError:
        return False  # Somebody else has it.
    return True


@contextmanager
def ipv6_alone(server: Subject, url: str) -> Iterator[int]:
    """A port at which the server listens with IPv6 alone. With IPv4 it is held here: else another program might listen there."""
    for _ in range(10):
        made = server.control(f"call server listen {url}")
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as mine:
            is_mine = binds(mine, port_of(made["url"]))
            if is_mine:
                yield port_of(made["url"])
        assert server.control(f"call server close-listener {made['listener']}") == "ok"
        if is_mine:
            return
    raise AssertionError(f"{url} takes the port with IPv4, too")


@promises("A3", "A4")
@pytest.mark.parametrize("mode", [0o600, 0o777, 0o400])
@pytest.mark.parametrize("way", ["query", "api"])
def test_a_path_has_the_permissions_asked_for_whatever_the_umask(
    serve: Serve, mode: int, way: str, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    before = os.umask(0o137)
    try:
        if way == "query":
            server = serve(f"unix://{path}?mode={mode:o}")
        else:
            server = serve(f"unix://{path}", listen_options=f"mode={mode:o}")
        other = serve(f"unix://{tmp_path}/other")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o7777 == mode
    assert (tmp_path / "other").stat().st_mode & 0o7777 == 0o777 & ~0o137
    assert [server.urls, other.urls] == [[f"unix://{path}"], [f"unix://{tmp_path}/other"]]


@promises("A3")
def test_a_backlog_of_a_unix_socket_bounds_who_waits(serve: Serve, tmp_path: Path) -> None:
    """A Unix socket's connect fails at once when the queue is full: the backlog and one more."""
    path = tmp_path / "socket"
    server = serve(f"unix://{path}?backlog=3", loops=1)
    waiting = []
    with server.halted(), pytest.raises(BlockingIOError):
        for _ in range(100):
            one = socket.socket(socket.AF_UNIX)
            waiting.append(one)
            one.setblocking(False)
            one.connect(str(path))
    assert len(waiting) == 3 + 1 + 1
    for one in waiting:
        one.close()


@promises("A3", "D6")
@needs("udp")
@pytest.mark.parametrize("way", ["query", "api", "option"])
def test_a_group_that_was_joined_is_heard(serve: Serve, way: str) -> None:
    group = "239.255.24.7"
    url = "udp://0.0.0.0:0"
    if way == "query":
        server = serve(f"{url}?join={group}@lo", mode="echo")
    else:
        server = serve(url, mode="echo", listen_options=f"join={group}@lo" if way == "api" else "")
    (listener,) = placed(server).control("call server listeners")
    (endpoint,) = server.control(f"call server endpoints {listener['listener']}")
    if way == "option":
        assert server.control(f"call {endpoint} option join {group}@lo") == "ok"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(HANG_GUARD)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sender.sendto(b"to all", (group, int(server.urls[0].rsplit(":", 1)[1])))
        answer, _ = sender.recvfrom(100)
        assert answer == b"to all"
    assert server.expect("datagram", id=endpoint)["size"] == 6


@promises("A3")
def test_keepalive_is_asked_of_a_connection_too(serve: Serve) -> None:
    server = serve(V4_URL)
    client = server.connect()
    conn = client.id()
    assert server.control(f"call {conn} option keepalive 13,4,6") == "ok"
    for name, value in ((socket.TCP_KEEPIDLE, 13), (socket.TCP_KEEPINTVL, 4), (socket.TCP_KEEPCNT, 6)):
        assert read(server, TCP_LEVEL, name, listening=False) == value
    assert client.ask("call self option keepalive off") == "ok"
    assert read(server, SOCKET, socket.SO_KEEPALIVE, listening=False) == 0


# ---- what is refused ----

WRONG_IN_A_QUERY = [
    ("tcp://127.0.0.1:0", "colour=red"),
    ("tcp://127.0.0.1:0", "backlog=0"),
    ("tcp://127.0.0.1:0", "backlog=-1"),
    ("tcp://127.0.0.1:0", "backlog=many"),
    ("tcp://127.0.0.1:0", "backlog=9999999999"),
    ("tcp://127.0.0.1:0", "backlog"),
    ("tcp://127.0.0.1:0", "reuseport=yes"),
    ("tcp://127.0.0.1:0", "reuseport="),
    ("tcp://127.0.0.1:0", "nodelay=1"),
    ("tcp://127.0.0.1:0", "keepalive=0"),
    ("tcp://127.0.0.1:0", "keepalive=1,2,3,4"),
    ("tcp://127.0.0.1:0", "keepalive=40000"),
    ("tcp://127.0.0.1:0", "keepalive=1,1,128"),
    ("tcp://127.0.0.1:0", "rcvbuf=0"),
    ("tcp://127.0.0.1:0", "sndbuf=4294967296"),
    ("tcp://127.0.0.1:0", "device=" + "x" * 16),
    ("tcp://127.0.0.1:0", "device="),
    ("tcp://127.0.0.1:0", "ipv6only=true"),
    ("tcp://127.0.0.1:0", "mode=600"),
    ("tcp://127.0.0.1:0", "join=239.1.2.3"),
    ("tcp6://[::1]:0", "ipv6only=false"),
    ("unix:///tmp/never", "mode=1000"),
    ("unix:///tmp/never", "mode=rw"),
    ("unix:///tmp/never", "nodelay=true"),
    ("unix:///tmp/never", "reuseport=true"),
    ("unix:///tmp/never", "rcvbuf=1000"),
    ("unix://@never", "mode=600"),
    ("udp://127.0.0.1:0", "backlog=10"),
    ("udp://127.0.0.1:0", "nodelay=true"),
    ("udp://127.0.0.1:0", "join=10.1.2.3"),
    ("udp://127.0.0.1:0", "join=ff02::1"),
    ("udp://127.0.0.1:0", "join=239.1.2.3@"),
]


@promises("A3")
@pytest.mark.parametrize(("url", "option"), WRONG_IN_A_QUERY)
def test_a_wrong_option_in_a_query_is_quoted_with_its_url(serve: Serve, url: str, option: str) -> None:
    """As the only option, and behind one that is right."""
    for query in (option, f"sndbuf=5000&{option}"):
        server = serve(f"{url}?{query}", start=False)
        error = server.expect("error", kind="INVALID_ADDRESS", errno=None)
        assert f"{url}?{query}" in error["message"]
        assert f'"{option}"' in error["message"]


#: What an API can express wrongly, unlike a word for a number. Last a part of the option's name there.
WRONG_IN_THE_API = [
    ("tcp://127.0.0.1:0", "backlog=3000000000", "backlog"),
    ("tcp://127.0.0.1:0", "keepalive=40000,1,1", "keepalive"),
    ("tcp://127.0.0.1:0", "keepalive=1,1,128", "keepalive"),
    ("tcp://127.0.0.1:0", "rcvbuf=4294967296", "recv_buffer"),
    ("tcp://127.0.0.1:0", "sndbuf=4294967296", "send_buffer"),
    ("tcp://127.0.0.1:0", "device=" + "x" * 16, "device"),
    ("tcp://127.0.0.1:0", "ipv6only=true", "ipv6_only"),
    ("tcp://127.0.0.1:0", "mode=600", "mode"),
    ("tcp://127.0.0.1:0", "join=239.1.2.3", "multicast"),
    ("tcp6://[::1]:0", "ipv6only=false", "ipv6_only"),
    ("unix:///tmp/never", "mode=1000", "mode"),
    ("unix:///tmp/never", "nodelay=true", "nodelay"),
    ("unix:///tmp/never", "reuseport=true", "reuseport"),
    ("unix:///tmp/never", "rcvbuf=1000", "recv_buffer"),
    ("unix://@never", "mode=600", "mode"),
    ("udp://127.0.0.1:0", "backlog=10", "backlog"),
    ("udp://127.0.0.1:0", "join=10.1.2.3", "multicast"),
    ("udp://127.0.0.1:0", "join=ff02::1", "multicast"),
]


@promises("A3", "A5")
@needs("udp")
@pytest.mark.parametrize(("url", "option", "name"), WRONG_IN_THE_API)
def test_a_wrong_option_of_the_api_is_named_with_the_url(
    serve: Serve, url: str, option: str, name: str
) -> None:
    server = serve()
    command = f"call server listen {url} {option}"
    server.tell(command)
    reply = server.expect("reply", command=command)
    assert reply["result"] == "INVALID_ADDRESS", reply
    assert url in reply["message"]
    assert name in reply["message"]
    assert len(server.control("call server listeners")) == 1
    assert server.left_descriptors() == {}


@promises("A3", "A5")
def test_what_the_system_refuses_is_an_error_with_its_reason(serve: Serve) -> None:
    """No check of names knows which interfaces there are."""
    server = serve("tcp://127.0.0.1:0?device=no-such-device", start=False)
    error = server.expect("error", kind="SYSTEM", errno=19)
    assert "tcp://127.0.0.1:0?device=no-such-device" in error["message"]
