"""UDP: D6."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from pathlib import Path

import pytest
from conftest import Serve

from harness import Subject, eventually, needs, pattern, process, promises, several_loops
from harness.client import HANG_GUARD
from harness.gate import Gate

pytestmark = needs("calls", "udp")

UDP = "udp://127.0.0.1:0"
#: The largest payload of a datagram over IPv4: 65,535 bytes less the headers of IP and UDP.
LARGEST = 65_507


class Peer:
    """A UDP socket at one of the loopback's addresses."""

    def __init__(self, url: str, connect: bool = True) -> None:
        host, port = url.split("://")[1].rsplit(":", 1)
        six = "[" in host
        self.target = ("::1" if six else "127.0.0.1", int(port))
        self.socket = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(HANG_GUARD)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(("::1" if six else "127.0.0.1", 0))
        if connect:
            self.socket.connect(self.target)

    @property
    def address(self) -> str:
        host, port = self.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def send(self, data: bytes) -> None:
        self.socket.send(data)

    def receive(self) -> bytes:
        return self.socket.recv(65_536)

    def ask(self, line: str) -> str:
        """A script command in a datagram; its answer comes in one."""
        self.send(f"{line}\n".encode())
        return self.receive().decode().removesuffix("\n")

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def endpoints(server: Subject, listener: int = 0) -> list[str]:
    """The ids of a listener's endpoints, whose loops have them."""
    for index in range(server.control("call server loops")):
        server.control(f"call server run {index} current-loop")
        server.expect("ran", call="current-loop", result=index)
    server.remember_descriptors()
    listed = server.control("call server listeners")[listener]
    found: list[str] = server.control(f"call server endpoints {listed['listener']}")
    return found


@promises("D6", "A1")
@pytest.mark.parametrize("url", [UDP, "udp4://127.0.0.1:0", "udp6://[::1]:0", "udp://:0", "udp6://:0"])
@pytest.mark.parametrize("loops", [1, 3])
def test_a_write_answers_the_sender(serve: Serve, url: str, loops: int) -> None:
    server = serve(url, loops=loops)
    (endpoint,) = endpoints(server)
    six = url.startswith("udp6")
    port = server.urls[0].rsplit(":", 1)[1]
    reach = [f"udp://[::1]:{port}"] if six else [f"udp://127.0.0.1:{port}"]
    if url == "udp://:0":
        reach.append(f"udp://[::1]:{port}")
    for to in reach:
        with Peer(to) as one, Peer(to) as other:
            for number in range(20):
                assert one.ask(f"echo {number}") == str(number)
                assert other.ask(f"echo other {number}") == f"other {number}"
            assert one.ask("id") == endpoint
            event = server.expect("datagram", id=endpoint, sender=one.address)
            assert (event["size"], event["truncated"]) == (len("echo 0\n"), False)
    assert server.events("open", "close") == []


@promises("D6")
@pytest.mark.parametrize("url", ["udp://:0", "udp4://*:0", "udp://127.0.0.2:0"])
def test_a_write_answers_from_the_address_that_was_asked(serve: Serve, url: str) -> None:
    """A client that is connected, as resolvers are, hears of no other."""
    server = serve(url)
    (endpoint,) = endpoints(server)
    port = int(server.urls[0].rsplit(":", 1)[1])
    for asked in ["127.0.0.2"] if "127" in url else ["127.0.0.2", "127.7.7.7"]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(HANG_GUARD)
            peer.bind(("127.0.0.1", 0))
            peer.connect((asked, port))
            for number in range(5):
                peer.send(b"echo %d\n" % number)
                assert peer.recv(100) == b"%d\n" % number
            event = server.expect("datagram", id=endpoint, to=asked)
            assert event["interface"] == socket.if_nametoindex("lo")


@promises("D6", "A3")
@pytest.mark.parametrize("host", ["0.0.0.0", ""])
def test_only_groups_that_were_joined_are_heard(serve: Serve, host: str) -> None:
    server = serve(f"udp://{host}:0?join=239.255.24.8@lo", mode="echo")
    endpoints(server)
    port = int(server.urls[0].rsplit(":", 1)[1])
    lo = struct.pack("=4sii", bytes(4), 0, socket.if_nametoindex("lo"))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        foreign = socket.inet_aton("239.255.24.9") + lo[4:]
        other.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, foreign)
        sender.settimeout(HANG_GUARD)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sender.sendto(b"foreign", ("239.255.24.9", port))
        sender.sendto(b"own", ("239.255.24.8", port))
        assert sender.recv(100) == b"own"
    server.stats()  # Its reply comes behind the events.
    (event,) = server.events("datagram")
    assert event["to"] == "239.255.24.8"


@promises("D6", "S3")
@pytest.mark.parametrize("loops", [1, 2])
def test_a_graceful_stop_delivers_what_waits_and_sends_the_answers(
    serve: Serve, loops: int, tmp_path: Path
) -> None:
    server = serve(UDP, loops=loops)
    endpoints(server)
    gate = Gate(tmp_path)
    with Peer(server.urls[0]) as peer:
        peer.send(f"{gate.command}\n".encode())
        for number in range(50):
            peer.send(b"echo %d\n" % number)
        assert server.control("call server stop-gracefully 0") == "ok"
        gate.open()
        server.expect("ended")
        assert [peer.receive() for _ in range(50)] == [b"%d\n" % number for number in range(50)]


@promises("D6", "R5")
def test_nobody_is_sent_to_at_port_0(serve: Serve) -> None:
    server = serve(UDP)
    (endpoint,) = endpoints(server)
    assert server.control(f"call {endpoint} send-to 127.0.0.1:0 x") == "INVALID_ARGUMENT"
    with Peer(server.urls[0]) as peer:
        assert peer.ask("call self send-to 127.0.0.1:0 x") == "INVALID_ARGUMENT"


@promises("D4", "D6")
@needs("outgoing")
def test_the_completion_of_a_datagram_that_the_kernel_refused_is_cancelled(serve: Serve) -> None:
    server = serve()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
        peer.bind(("::1", 0))
        # Its parts are more than this buffer takes.
        conn = server.control(f"call server connect udp6://[::1]:{peer.getsockname()[1]}?sndbuf=1")
        server.expect("open", id=conn)
        assert server.control(f"call {conn} write-then large 65527") == "ok"
        assert server.control(f"call {conn} write-then small 10") == "ok"
        assert server.expect("completed", id=conn, tag="large")["result"] == "cancelled"
        assert server.expect("completed", id=conn, tag="small")["result"] == "sent"
        assert server.control(f"call {conn} close") == "ok"
        server.expect("close", id=conn)


@promises("D7", "A3")
@needs("outgoing")
def test_connect_reaches_a_broadcast_address_if_that_is_asked_for(serve: Serve) -> None:
    server = serve()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as everybody:
        everybody.settimeout(HANG_GUARD)
        everybody.bind(("0.0.0.0", 0))
        url = f"udp://127.255.255.255:{everybody.getsockname()[1]}"
        conn = server.control(f"call server connect {url}")
        assert server.expect("close", id=conn)["reason"] == "connect failed"
        conn = server.control(f"call server connect {url}?broadcast=true")
        server.expect("open", id=conn)
        assert server.control(f"call {conn} text all") == "ok"
        assert everybody.recv(100) == b"all\n"
        assert server.control(f"call {conn} close") == "ok"
        server.expect("close", id=conn)


@promises("D6", "L2")
def test_each_datagram_is_one_event_with_its_sender_empty_ones_too(serve: Serve) -> None:
    server = serve(UDP, mode="echo", loops=2)
    (endpoint,) = endpoints(server)
    sizes = [0, 1, 0, 1472, 1473, 9000, 65_000, LARGEST, 0]
    with Peer(server.urls[0]) as peer:
        for size in sizes:
            peer.send(pattern(size))
            assert peer.receive() == pattern(size)
        server.stats()  # Its reply comes behind the events.
        found = server.events("datagram")
        assert [event["size"] for event in found] == sizes
        assert {(e["id"], e["sender"], e["truncated"]) for e in found} == {(endpoint, peer.address, False)}
        assert len({event["thread"] for event in found}) == 1


@promises("D6", "D1")
@pytest.mark.parametrize("loops", [1, 2])
def test_datagrams_of_many_senders_are_told_apart(serve: Serve, loops: int) -> None:
    server = serve(UDP, mode="echo", loops=loops, trace=False)
    endpoints(server)
    peers = [Peer(server.urls[0]) for _ in range(40)]
    for turn in range(20):
        for number, peer in enumerate(peers):
            peer.send(b"%d of %d" % (turn, number))
        for number, peer in enumerate(peers):
            assert peer.receive() == b"%d of %d" % (turn, number)
    for peer in peers:
        peer.socket.close()
    # An answer may be here before the loop has counted it.
    eventually("the last count", lambda: server.control("call server metrics")["datagrams_written"] >= 800)
    metrics = server.control("call server metrics")
    assert (metrics["datagrams_read"], metrics["datagrams_written"]) == (800, 800)
    assert (metrics["datagrams_dropped"], metrics["datagrams_truncated"]) == (0, 0)


@promises("D6")
def test_send_to_reaches_anyone_from_anywhere(serve: Serve) -> None:
    server = serve(UDP, "tcp://127.0.0.1:0", loops=2)
    (endpoint,) = endpoints(server)
    client = server.connect(1)
    with Peer(server.urls[0], connect=False) as stranger, Peer(server.urls[0]) as peer:
        assert server.control(f"call {endpoint} send-to {stranger.address} control") == "ok"
        assert stranger.receive() == b"control"
        assert client.ask(f"call {endpoint} send-to {stranger.address} callback") == "ok"
        assert stranger.receive() == b"callback"
        peer.send(f"call self send-to {stranger.address} on behalf\n".encode())
        assert stranger.receive() == b"on behalf"
        assert peer.receive() == b"ok\n"
        # Empty ones, too.
        assert server.control(f"call {endpoint} send-to {stranger.address} ") == "ok"
        assert stranger.receive() == b""
        tally = server.control(f"threads 4 50 {endpoint} send-to {stranger.address} %t")
        assert tally == {"ok": 200}
        got = Counter(stranger.receive() for _ in range(200))
        assert got == {b"%d" % thread: 50 for thread in range(4)}


@promises("D6", "R5")
@pytest.mark.parametrize("call", ["close", "end", "abort"])
def test_an_endpoint_is_not_closed(serve: Serve, call: str) -> None:
    expect_refused(serve(UDP, loops=2), call)


@promises("D6", "R5")
@needs("detach")
def test_an_endpoint_is_not_detached(serve: Serve) -> None:
    expect_refused(serve(UDP, loops=2), "detach")


def expect_refused(server: Subject, call: str) -> None:
    (endpoint,) = endpoints(server)
    with Peer(server.urls[0]) as peer:
        assert server.control(f"call {endpoint} {call}") in ("UNSUPPORTED", "WRONG_STATE")
        assert peer.ask(f"call self {call}") in ("UNSUPPORTED", "WRONG_STATE")
        assert peer.ask("echo fine") == "fine"
    assert server.events("close", "detach") == []


@promises("D6", "L4")
@pytest.mark.parametrize("action", ["close", "detach"])
def test_an_action_that_means_nothing_harms_nobody(serve: Serve, action: str) -> None:
    server = serve(UDP, loops=1)
    endpoints(server)
    with Peer(server.urls[0]) as peer:
        peer.send(f"{action}\n".encode())
        assert peer.ask("echo fine") == "fine"


@promises("D6", "R4")
def test_a_handler_that_fails_at_a_datagram_is_reported_and_serves_on(serve: Serve) -> None:
    server = serve(UDP, loops=1)
    endpoints(server)
    with Peer(server.urls[0]) as peer:
        peer.send(b"fail\n")
        assert peer.ask("echo fine") == "fine"


@promises("D6", "S2")
def test_a_datagrams_callback_may_stop_the_server(serve: Serve) -> None:
    server = serve(UDP, loops=2)
    endpoints(server)
    with Peer(server.urls[0]) as peer:
        peer.send(b"stop\n")
        server.expect("ended")


@promises("D6", "R5")
def test_without_a_sender_there_is_nobody_to_answer(serve: Serve) -> None:
    server = serve(UDP)
    (endpoint,) = endpoints(server)
    assert server.control(f"call {endpoint} text hello") in ("UNSUPPORTED", "WRONG_STATE")
    assert server.control(f"call {endpoint} framing line") in ("UNSUPPORTED", "WRONG_STATE")
    with Peer(server.urls[0]) as peer:
        assert peer.ask("call self keep 1") in ("UNSUPPORTED", "WRONG_STATE")
        assert peer.ask("echo fine") == "fine"


@promises("D6")
def test_a_datagram_that_is_too_large_is_refused_or_dropped_and_counted(serve: Serve) -> None:
    server = serve(UDP, loops=1)
    endpoints(server)
    with Peer(server.urls[0]) as peer:
        peer.send(b"note-call self write 65508\n")
        note = server.expect("note")
        assert note["text"] in ("INVALID_ARGUMENT", "ok")
        assert peer.ask("echo fine") == "fine"
        dropped = server.control("call server metrics")["datagrams_dropped"]
        assert dropped == (1 if note["text"] == "ok" else 0)
        peer.send(f"write {LARGEST}\n".encode())
        assert peer.receive() == pattern(LARGEST)


@promises("D6", "R2")
def test_an_unreachable_peer_ends_nothing(serve: Serve) -> None:
    """Linux reports the refused datagram at the next call on the socket: nobody is told."""
    server = serve(UDP, loops=1)
    (endpoint,) = endpoints(server)
    with Peer(server.urls[0]) as gone:
        address = gone.address
    with Peer(server.urls[0]) as peer:
        for number in range(20):
            assert server.control(f"call {endpoint} send-to {address} nobody") == "ok"
            assert peer.ask(f"echo {number}") == str(number)


@promises("D6", "B2")
@several_loops
def test_with_reuseport_each_loop_has_an_endpoint(serve: Serve) -> None:
    server = serve(f"{UDP}?reuseport=true", loops=3)
    ids = endpoints(server)
    assert len(set(ids)) == 3
    peers = [Peer(server.urls[0]) for _ in range(60)]
    met = Counter(peer.ask("id") for peer in peers)
    # 60 senders miss one of three sockets once in 10^10.
    assert set(met) == set(ids)
    # A sender keeps its socket, and so its loop.
    for peer in peers:
        assert peer.ask("id") == peer.ask("id")
        peer.socket.close()
    server.stats()  # Its reply comes behind the events.
    by_endpoint: dict[str, set[int]] = {}
    for event in server.events("datagram"):
        by_endpoint.setdefault(event["id"], set()).add(event["thread"])
    assert len(set().union(*by_endpoint.values())) == (1 if server.language == "node" else 3)


@promises("D6", "L7")
def test_an_endpoint_can_be_looked_at_and_paused(serve: Serve) -> None:
    server = serve(UDP, loops=1)
    (endpoint,) = endpoints(server)
    with Peer(server.urls[0]) as peer:
        assert peer.ask("echo there") == "there"
        # It counts what it has sent after the peer may have it.
        eventually("the count", lambda: server.control(f"call {endpoint} info")["sent"] == 6)
        assert server.control(f"call {endpoint} info")["received"] == 11
        assert server.control(f"call {endpoint} info")["queued"] == 0
        assert server.control(f"call {endpoint} local") == server.urls[0].split("://")[1]
        assert server.control(f"call {endpoint} pause") == "ok"
        peer.send(b"echo later\n")
        server.control("call server run 0 current-loop")
        server.expect("ran", call="current-loop")
        assert server.control(f"call {endpoint} info")["received"] == 11
        assert server.control(f"call {endpoint} resume") == "ok"
        assert peer.receive() == b"later\n"


@promises("D6", "D4")
def test_an_endpoint_is_woken_and_runs_functions(serve: Serve) -> None:
    server = serve(UDP, loops=2)
    (endpoint,) = endpoints(server)
    assert server.control(f"call {endpoint} wake") == "ok"
    woken = server.expect("wake", id=endpoint)
    assert server.control(f"call {endpoint} run info") == "ok"
    assert server.expect("ran", id=endpoint)["thread"] == woken["thread"]


@promises("D6", "D7")
@pytest.mark.parametrize("mode", ["data", "echo"])
def test_an_outgoing_udp_connection_has_one_peer_and_its_callbacks(serve: Serve, mode: str) -> None:
    server = serve(outgoing_mode=mode)
    with Peer("udp://127.0.0.1:9", connect=False) as peer, Peer("udp://127.0.0.1:9", connect=False) as other:
        conn = server.control(f"call server connect udp://{peer.address}")
        assert server.expect("open", id=conn)["listener"] is None
        assert server.control(f"call {conn} text hello") == "ok"
        data, sender = peer.socket.recvfrom(100)
        assert data == b"hello\n"
        # Others are not heard.
        other.socket.sendto(b"intruder", sender)
        for answer in (b"answer", b""):
            peer.socket.sendto(answer, sender)
            if mode == "data":
                assert server.expect("data", id=conn)["hex"] == answer.hex()
            else:
                assert peer.receive() == answer
        assert server.control(f"call {conn} write-then last 100") == "ok"
        assert peer.receive() == pattern(100)
        assert server.expect("completed", id=conn)["result"] == "sent"
        assert {event["size"] for event in server.events("datagram")} == {6, 0}
        assert server.control(f"call {conn} close") in ("ok", "UNSUPPORTED")
        eventually("its close", lambda: server.events("close"))
        assert server.expect("close", id=conn)["reason"] == "local close"


@promises("D6", "D5")
def test_a_flood_of_datagrams_costs_no_memory(serve: Serve) -> None:
    """What the loop does not get round to is the kernel's to drop, beyond its buffer."""
    server = serve(UDP, "tcp://127.0.0.1:0", loops=1, mode="script", trace=False)
    endpoints(server)
    client = server.connect(1)
    assert client.ask("echo there") == "there"
    before = process.resident_bytes(server.pid)
    client.command("note-write asleep", "sleep 700", "note-write awake")
    server.expect("note")
    with Peer(server.urls[0]) as peer:
        for _ in range(2000):
            peer.send(b"sink " + bytes(30_000))
    server.expect("note")
    assert client.line() == "asleep"
    # JavaScript's own garbage comes on top.
    garbage = 64 << 20 if server.name == "node" else 0
    assert process.resident_bytes(server.pid) - before < garbage + (8 << 20)
