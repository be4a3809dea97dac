"""What connections begin with, in the query of a URL, which every language has: A3."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from conftest import Serve

from harness import needs, promises
from harness.client import HANG_GUARD
from harness.subject import TCP

UDP = "udp://127.0.0.1:0"
LONG = 3_600_000


@promises("A3", "T3")
@pytest.mark.parametrize(("option", "reason"), [("idle=200", "idle"), ("read=200", "time-out")])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_silent_connection_is_closed(serve: Serve, option: str, reason: str, kind: str, tmp_path: Path) -> None:
    url = TCP if kind == "tcp" else f"unix://{tmp_path}/socket"
    server = serve(f"{url}?{option}", url if kind == "tcp" else f"{url}2")
    timed, other = server.connect(0), server.connect(1)
    conn = timed.id()
    assert timed.to_the_end() == b""
    assert server.expect("close", id=conn)["reason"] == reason
    assert other.ask("echo fine") == "fine", "the option is one listener's"


@promises("A3", "T3")
def test_a_peer_that_takes_nothing_is_timed_out(serve: Serve) -> None:
    server = serve(f"{TCP}?write=300&sndbuf=20000")
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    assert server.control(f"write {conn} 8000000") == "high"
    assert server.expect("close", id=conn)["reason"] == "time-out"
    with pytest.raises(ConnectionResetError):
        client.to_the_end()


@promises("A3", "T3")
def test_zero_is_never(serve: Serve) -> None:
    server = serve(f"{TCP}?idle=0&read=0&write=0", f"{TCP}?idle=200")
    client, witness = server.connect(0), server.connect(1)
    client.id()
    witnessed = witness.id()
    server.expect("close", id=witnessed, reason="idle")
    assert client.ask("echo fine") == "fine"


#: A framing, what is sent, and what of it a callback is given: an echo answers that, and nothing else.
FRAMINGS = [
    ("line", b"one\r\ntwo\n\nlast\n", b"onetwolast"),
    ("delimiter:%0D%0A", b"a\nb\r\nc\r\n", b"a\nbc"),
    ("delimiter:%2C", b"1,22,333,", b"122333"),
    ("delimiter:ab", b"xaab1ab", b"xa1"),
    ("delimiter:%3B,or=%0D%0A,or=%2C", b"a;b,c\r\n", b"abc"),
    ("line,keep_delimiter=true", b"one\ntwo\r\n", b"one\ntwo\r\n"),
    ("line,deliver_rest=true", b"one\ntwo\r\nhalf", b"onetwohalf"),
    ("delimiter:%3B,keep_delimiter=true,deliver_rest=true", b"a;b;c", b"a;b;c"),
    ("length:1", b"\x03one\x00\x02ab", b"oneab"),
    ("length:2,order=little", b"\x03\x00one\x01\x00x", b"onex"),
    ("length:4,adjustment=-4,strip=5", b"\0\0\0\x06hi", b"i"),
    ("length:2,offset=1,strip=1", b"!\x00\x02hi", b"\x00\x02hi"),
    ("length:varint", b"\x02hi\x81\x00!", b"hi!"),
    ("none", b"as it came", b"as it came"),
]


@promises("A3", "D2")
@pytest.mark.parametrize(("framing", "sent", "given"), FRAMINGS, ids=[framing for framing, *_ in FRAMINGS])
def test_callbacks_are_given_whole_frames(serve: Serve, framing: str, sent: bytes, given: bytes) -> None:
    server = serve(f"{TCP}?framing={framing}", mode="echo")
    client = server.connect()
    for at in range(0, len(sent), 3):
        client.send(sent[at : at + 3])
    client.end()
    assert client.to_the_end() == given
    assert server.expect("close")["reason"] == "eof"


@promises("A3", "D2")
@pytest.mark.parametrize(
    ("framing", "sent", "given", "broken"),
    [
        ("fixed:4", b"abcd", b"abcd", b"efg"),
        ("line", b"whole\n", b"whole", b"half"),
        ("line,max_frame=8", b"seven\r\n", b"seven", b"seven..\r\n"),
        ("length:4,max_frame=100", b"\0\0\0\x02ok", b"ok", b"\0\0\0\x61"),
    ],
)
def test_half_a_frame_and_one_above_the_maximum_break_it(
    serve: Serve, framing: str, sent: bytes, given: bytes, broken: bytes
) -> None:
    server = serve(f"{TCP}?framing={framing}", mode="echo")
    client = server.connect()
    client.send(sent)
    assert client.exactly(len(given)) == given
    client.send(broken)
    client.end()
    assert client.to_the_end() == b""
    assert server.expect("close")["reason"] == "protocol error"


@promises("A3", "L5")
@needs("calls")
@pytest.mark.parametrize("beside", ["half-open=false", "half-open=true"])
@pytest.mark.parametrize("asked", ["false", "true"])
def test_half_open_of_the_query_decides(serve: Serve, beside: str, asked: str) -> None:
    server = serve(f"{TCP}?half_open={asked}", listen_options=beside, on_eof="echo after the end;close")
    client = server.connect()
    conn = client.id()
    client.end()
    assert client.to_the_end() == (b"after the end\n" if asked == "true" else b"")
    server.expect("close", id=conn)
    assert len(server.events("eof")) == (1 if asked == "true" else 0)


@promises("A3", "L5")
@pytest.mark.parametrize("asked", ["false", "true"])
def test_with_and_without_half_open_the_answer_is_sent_whole(serve: Serve, asked: str) -> None:
    server = serve(f"{TCP}?half_open={asked}")
    client = server.connect()
    client.command("write 2000000", "echo done", "close")
    client.end()
    assert client.to_the_end()[-5:] == b"done\n"
    server.expect("close")


@promises("A3", "T3")
@needs("calls")
def test_the_query_wins_over_the_options_of_the_api(serve: Serve) -> None:
    server = serve(f"{TCP}?idle=200&read=0", listen_options=f"idle={LONG} read=100")
    client = server.connect()
    conn = client.id()
    assert client.to_the_end() == b""
    assert server.expect("close", id=conn)["reason"] == "idle"


@promises("A3", "D7")
@needs("calls", "outgoing")
def test_an_outgoing_connection_begins_with_what_its_url_says(serve: Serve) -> None:
    server = serve()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(HANG_GUARD)
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}?framing=line&idle=300"
        conn = server.control(f"call server connect {url} idle={LONG}")
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(HANG_GUARD)
            peer.sendall(b"one\ntwo\r\n")
            for text in (b"one", b"two"):
                assert server.expect("data", id=conn)["hex"] == text.hex()
            assert peer.recv(10) == b""
        assert server.expect("close", id=conn)["reason"] == "idle"


# ---- what is refused ----


@promises("A3")
@pytest.mark.parametrize(
    ("url", "option", "what"),
    [
        (TCP, "reuse_port=1", "known: reuseport, backlog, "),
        (TCP, "Idle=5", "known: "),
        (TCP, "backlog=many", "the form is backlog=N, a number of connections above 0"),
        (TCP, "idle=5s", "the form is idle=MS, a number of milliseconds, 0 for never"),
        (TCP, "read=-1", "the form is read=MS"),
        (TCP, "write=", "the form is write=MS"),
        (TCP, "half_open=yes", "the form is half_open=BOOL, true or false"),
        (TCP, "framing=lines", "the form is framing=FRAMING, none, line, fixed:LENGTH, "),
        (TCP, "framing=length:5", "length:WIDTH (1, 2, 3, 4, 8 or varint) or resp, with settings behind commas: max_frame=N, "),
        (TCP, "framing=length:4,order=middle", "order=big|little, "),
        (TCP, "framing=line,or=a", "keep_delimiter=BOOL, deliver_rest=BOOL, of delimiters or=BYTES"),
        (TCP, "framing=length:4,deliver_rest=true", "only lines and frames with a delimiter can deliver"),
        (TCP, "framing=delimiter:%0D,or=%0D%0A", "is never found"),
        (TCP, "framing=fixed:0", "a fixed frame needs at least one byte"),
        (TCP, "framing=fixed:10,max_frame=9", "above the maximum of 9"),
        ("unix:///tmp/never", "idle=soon", "the form is idle=MS"),
        (UDP, "idle=100", "for the scheme udp (known: "),
        (UDP, "read=100", "for the scheme udp (known: "),
        (UDP, "write=100", "for the scheme udp (known: "),
        (UDP, "half_open=true", "for the scheme udp (known: "),
        (UDP, "framing=line", "for the scheme udp (known: "),
    ],
)
def test_an_error_says_what_is_known_or_what_form_it_has(serve: Serve, url: str, option: str, what: str) -> None:
    server = serve(f"{url}?sndbuf=5000&{option}", start=False)
    error = server.expect("error", kind="INVALID_ADDRESS", errno=None)
    assert f'"{url}?sndbuf=5000&{option}"' in error["message"]
    assert f'option "{option}"' in error["message"]
    assert what in error["message"]


@promises("A3")
def test_what_is_known_depends_on_the_scheme(serve: Serve) -> None:
    def known(url: str) -> set[str]:
        message = serve(f"{url}?colour=red", start=False).expect("error")["message"]
        found = re.search(r"\(known: (.*)\)", message)
        assert found, message
        return set(found[1].split(", "))

    of_streams = {"idle", "read", "write", "half_open", "framing", "sndbuf", "backlog", "shared"}
    assert known("unix:///tmp/never") == of_streams | {"mode"}
    inet = {"reuseport", "rcvbuf", "device", "ipv6only"}
    assert known(TCP) == of_streams | inet | {"nodelay", "keepalive"}
    assert known(UDP) == inet | {"sndbuf", "datagram", "broadcast", "join"}
