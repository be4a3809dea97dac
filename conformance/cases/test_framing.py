"""Input: what is kept, and what is cut into frames: D2."""

from __future__ import annotations

import random
import struct

import pytest
from conftest import Serve

from harness import Client, Subject, eventually, needs, pattern, promises

pytestmark = needs("calls", "framing")


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


#: A framing, what is sent, and the frames that are delivered.
GOOD: dict[str, tuple[bytes, list[bytes]]] = {
    "line": (b"one\ntwo\r\n\nfour\r\n", [b"one", b"two", b"", b"four"]),
    "fixed:1": (b"abc", [b"a", b"b", b"c"]),
    "fixed:5": (b"12345abcde", [b"12345", b"abcde"]),
    "delimiter:00": (b"one\x00\x00three\x00", [b"one", b"", b"three"]),
    "delimiter:0d0a0d0a": (b"head\r\n\r\r\n\r\nnext\r\n\r\n", [b"head\r\n\r", b"next"]),
    "delimiter:616162": (b"aaabxaab", [b"a", b"x"]),
    "length:1:big": (b"\x03abc\x00\x02de", [b"abc", b"", b"de"]),
    "length:2:big": (b"\x00\x02ab\x01\x00" + b"x" * 256, [b"ab", b"x" * 256]),
    "length:2:little": (b"\x02\x00ab\x00\x01" + b"x" * 256, [b"ab", b"x" * 256]),
    "length:3:big": (b"\x00\x00\x02ab\x00\x01\x00" + b"y" * 256, [b"ab", b"y" * 256]),
    "length:3:little": (b"\x02\x00\x00ab\x00\x01\x00" + b"y" * 256, [b"ab", b"y" * 256]),
    "length:4:big": (struct.pack(">I", 4) + b"four" + bytes(4), [b"four", b""]),
    "length:4:little": (struct.pack("<I", 4) + b"four" + bytes(4), [b"four", b""]),
    "length:8:big": (struct.pack(">Q", 5) + b"eight", [b"eight"]),
    "length:8:little": (struct.pack("<Q", 5) + b"eight", [b"eight"]),
    "length:varint:big": (varint(1) + b"v" + varint(300) + b"w" * 300 + varint(0), [b"v", b"w" * 300, b""]),
    # A type in front of the length; nothing stripped.
    "length:2:big:1:0:0": (b"T\x00\x02ab" + b"U\x00\x00", [b"T\x00\x02ab", b"U\x00\x00"]),
    # The length counts the whole frame; type and length are stripped.
    "length:2:big:1:-3:header": (b"T\x00\x05ab" + b"U\x00\x03", [b"ab", b""]),
    # Two bytes of header follow that the length does not count; one byte is stripped.
    "length:1:big:0:2:1": (b"\x03HHabc", [b"HHabc"]),
    "custom": (b"5:hello0:12:a longer one", [b"5:hello", b"0:", b"12:a longer one"]),
    # Several delimiters, of which one ends another, and which are kept.
    "delimiter:0a+0d0a+2c": (b"one\ntwo\r\n,\r,five\r\n", [b"one", b"two", b"", b"\r", b"five"]),
    "delimiter:3b+2d2d:keep": (b"one;two-;--", [b"one;", b"two-;", b"--"]),
    "line:keep": (b"one\ntwo\r\n\n", [b"one\n", b"two\r\n", b"\n"]),
    # Without a rest it is like any other.
    "line:rest": (b"one\r\n\ntwo\n", [b"one", b"", b"two"]),
}


def frames(server: Subject, conn: str | None = None) -> list[bytes]:
    found = server.events("data")
    return [bytes.fromhex(event["hex"]) for event in found if conn in (None, event["id"])]


def pieces(data: bytes, seed: int) -> list[bytes]:
    """Cuts data at random."""
    source, out = random.Random(seed), []
    while data:
        size = source.choice((1, 1, 2, 3, 5, 100))
        out.append(data[:size])
        data = data[size:]
    return out


@promises("D2")
@pytest.mark.parametrize("spec", GOOD)
def test_frames_are_cut_however_the_bytes_come(serve: Serve, spec: str) -> None:
    server = serve(mode="data", loops=1, listen_options=f"framing={spec}")
    sent, expected = GOOD[spec]
    ways = [[sent], [sent[at : at + 1] for at in range(len(sent))], pieces(sent, 24), [sent * 20]]
    for number, way in enumerate(ways):
        client = server.connect()
        conn = server.expect("open")["id"]
        for piece in way:
            client.send(piece)
            # So that the pieces are read apart as often as not.
            server.stats()
        client.end()
        assert client.to_the_end() == b""
        assert server.expect("close", id=conn)["reason"] == "eof"
        assert frames(server, conn) == expected * (20 if number == 3 else 1)


#: A framing with a maximum, a frame that fits, and the shortest that shows one above it.
TOO_LARGE = {
    "line:max=10": (b"12345678\n", b"12345678901"),
    "delimiter:2c2c:max=10": (b"12345678,,", b"12345678901"),
    "delimiter:2c+2b2c:max=10": (b"12345678+,", b"123456789+1"),
    "line:rest:max=10": (b"12345678\n", b"12345678901"),
    "length:1:big:max=10": (b"\x09123456789", b"\x0a"),
    "length:4:big:max=100": (struct.pack(">I", 96) + b"x" * 96, struct.pack(">I", 97)),
    "length:8:little:max=100": (struct.pack("<Q", 92) + b"x" * 92, b"\xff" * 8),
    "length:varint:big:max=1000": (varint(998) + b"x" * 998, varint(999)),
    "custom:max=10": (b"8:12345678", b"9:"),
}


@promises("D2")
@pytest.mark.parametrize("spec", TOO_LARGE)
def test_a_frame_above_the_maximum_is_a_protocol_error_as_soon_as_it_shows(serve: Serve, spec: str) -> None:
    server = serve(mode="data", linger_ms=50, listen_options=f"framing={spec}")
    fits, large = TOO_LARGE[spec]
    client, other = server.connect(), server.connect()
    client.send(fits)
    event = server.expect("data")
    client.send(fits + large)
    assert server.expect("close", id=event["id"])["reason"] == "protocol error"
    assert [found["hex"] for found in server.events("data")] == [event["hex"]] * 2
    other.send(fits)
    eventually("the other's frame", lambda: len(server.events("data")) == 3)


MALFORMED = {
    # A length that would end the frame before its own field does.
    "length:2:big:0:-2:0": b"\x00\x01",
    # A frame shorter than what is stripped.
    "length:2:big:0:0:5": b"\x00\x02ab",
    # A varint of more than 64 bits.
    "length:varint:big": b"\xff" * 10,
    "length:varint:little": b"\xff" * 9 + b"\x02",
    # The function says so.
    "custom": b"x:hello",
}


@promises("D2")
@pytest.mark.parametrize("spec", MALFORMED)
def test_a_malformed_frame_is_a_protocol_error(serve: Serve, spec: str) -> None:
    server = serve(mode="data", linger_ms=50, listen_options=f"framing={spec}")
    client = server.connect()
    client.send(MALFORMED[spec])
    assert server.expect("close")["reason"] == "protocol error"
    assert server.events("data") == []
    assert client.to_the_end() == b""


HALF = {
    "line": b"half a line",
    "fixed:8": b"1234567",
    "delimiter:2c2c": b"1,2,",
    "length:4:big": b"\x00\x00\x00",
    "length:2:little": b"\x03\x00ab",
    "length:varint:big": b"\x80",
    "custom": b"5:hell",
}


@promises("D2", "L5")
@pytest.mark.parametrize("spec", HALF)
def test_half_a_frame_at_the_end_is_a_protocol_error(serve: Serve, spec: str) -> None:
    server = serve(mode="data", listen_options=f"framing={spec}")
    client = server.connect()
    whole = GOOD.get(spec, (b"12345678", [b"12345678"]))
    if spec == "delimiter:2c2c":
        whole = (b"whole,,", [b"whole"])
    client.send(whole[0] + HALF[spec])
    client.end()
    assert server.expect("close")["reason"] == "protocol error"
    assert frames(server) == whole[1]


#: A framing that delivers the rest, what is sent before EOF, and the frames.
RESTS = {
    "line:rest": (b"one\r\nhalf\r", [b"one", b"half"]),
    "line:rest:keep": (b"one\nhalf\r", [b"one\n", b"half\r"]),
    "delimiter:2c2c:rest": (b"1,2,", [b"1,2,"]),
    "delimiter:3b+0d0a:rest": (b"1;2\r\n3\r", [b"1", b"2", b"3\r"]),
}


@promises("D2", "L5")
@pytest.mark.parametrize("spec", RESTS)
@pytest.mark.parametrize("half_open", ["true", "false"])
def test_the_rest_at_the_end_can_be_a_frame(serve: Serve, spec: str, half_open: str) -> None:
    server = serve(mode="data", loops=1, listen_options=f"framing={spec} half-open={half_open}", on_eof="close")
    sent, expected = RESTS[spec]
    for way in ([sent], [sent[at : at + 1] for at in range(len(sent))]):
        client = server.connect()
        conn = server.expect("open")["id"]
        for piece in way:
            client.send(piece)
            server.stats()
        client.end()
        assert client.to_the_end() == b""
        assert server.expect("close", id=conn)["reason"] == ("local close" if half_open == "true" else "eof")
        assert frames(server, conn) == expected
        told = [event["event"] for event in server.events("data", "eof", "close") if event["id"] == conn]
        assert told[len(expected) - 1 :] == (["data", "eof", "close"] if half_open == "true" else ["data", "close"])


@promises("D2", "L5", "D5")
def test_the_rest_waits_for_a_paused_connection_and_is_answered(serve: Serve) -> None:
    server = serve(listen_options="framing=line:rest")
    client = server.connect()
    conn = client.id()
    client.send(b"call self pause\necho the rest")
    client.end()
    assert client.line() == "ok"
    for number in range(20):
        assert server.connect().ask(f"echo {number}") == str(number)
    assert server.control(f"call {conn} resume") == "ok"
    assert client.to_the_end() == b"the rest\n"
    assert server.expect("close", id=conn)["reason"] == "eof"


@promises("D2")
@pytest.mark.parametrize("spec", ["line", "delimiter:0d0a", "length:4:big", "length:varint:big", "custom"])
def test_what_is_written_as_a_frame_is_cut_as_one(serve: Serve, spec: str) -> None:
    """Echo answers with a frame for each frame: what comes back is what was sent."""
    server = serve(mode="echo", listen_options=f"framing={spec}")
    client = server.connect()
    payloads = [b"one", b"", b"x" * 300, bytes(range(48, 58)) * 1000]
    encode = {
        "line": lambda p: p + b"\n",
        "delimiter:0d0a": lambda p: p + b"\r\n",
        "length:4:big": lambda p: struct.pack(">I", len(p)) + p,
        "length:varint:big": lambda p: varint(len(p)) + p,
        "custom": lambda p: b"%d:" % len(p) + p,
    }[spec]
    sent = b"".join(map(encode, payloads)) * 20
    for piece in pieces(sent[:5000], 7):
        client.send(piece)
    client.send(sent[5000:])
    assert client.exactly(len(sent)) == sent


@promises("D2", "D4")
def test_a_framing_set_in_a_callback_holds_for_the_rest_of_the_input(serve: Serve) -> None:
    server = serve(listen_options="framing=line")
    client = server.connect()
    client.send(b"call self framing length:1:big\n\x06echo a\x06echo b")
    assert [client.line() for _ in range(3)] == ["ok", "a", "b"]
    client.send(b"\x16call self framing line" + b"echo c\n" + b"call self framing none\n" + b"echo d\n")
    assert [client.line() for _ in range(4)] == ["ok", "c", "ok", "d"]


NONSENSE = ["delimiter:0d+0d0a", "fixed:3:keep", "length:4:big:rest", "fixed:0", "fixed:20:max=10", "delimiter:0d0a0d0a:max=3", "length:varint:big:0:0:9"]


@promises("D2", "R5")
@pytest.mark.parametrize("spec", NONSENSE)
def test_a_framing_that_makes_no_sense_is_refused(serve: Serve, spec: str) -> None:
    server = serve()
    client = server.connect()
    conn = client.id()
    for ask in (client.ask, server.control):
        assert ask(f"call {conn} framing {spec}") == "INVALID_ARGUMENT"
    assert server.control(f"call server listen tcp://127.0.0.1:0 framing={spec}") == "INVALID_ARGUMENT"
    assert client.ask("echo fine") == "fine"


@promises("D2", "D5", "L4")
def test_frames_behind_a_pause_or_a_close_wait_or_are_dropped(serve: Serve) -> None:
    server = serve(listen_options="framing=line")
    client = server.connect()
    conn = client.id()
    client.command("echo 1", "call self pause", "echo 2", "echo 3")
    assert [client.line(), client.line()] == ["1", "ok"]
    other = server.connect()
    for number in range(20):
        assert other.ask(f"echo {number}") == str(number)
    assert server.control(f"call {conn} resume") == "ok"
    assert [client.line(), client.line()] == ["2", "3"]
    client.command("echo 4", "close", "echo 5", "echo 6")
    assert client.to_the_end() == b"4\n"
    assert server.expect("close", id=conn)["reason"] == "local close"


# ---- commands ----

#: A framing, what is sent, the arguments of the commands that are delivered, and what is answered before the end.
COMMANDS: dict[str, tuple[str, bytes, list[list[bytes]], bytes]] = {
    "arrays": ("resp", b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$0\r\n\r\n", [[b"GET", b"k"], [b""]], b""),
    "lines": ("resp", b"PING\r\nGET  k\nSET\tk \"a\\x00\\n b\" ''\r\n", [[b"PING"], [b"GET", b"k"], [b"SET", b"k", b"a\0\n b", b""]], b""),
    "nothing": ("resp:2:max=20", (b"\r\n*0\r\n*-1\r\n \n" * 9) + b"PING\n", [[b"PING"]], b""),
    "bytes": ("resp", b"*1\r\n$12\r\n\r\n*1\r\n$4\0\xff\r\n\r\n" + b"x\n", [[b"\r\n*1\r\n$4\0\xff\r\n"], [b"x"]], b""),
    "count": ("resp", b"PING\r\n*x\r\nPING\r\n", [[b"PING"]], b"invalid multibulk length"),
    "too many": ("resp:2", b"a b\r\n*3\r\nPING\r\n", [[b"a", b"b"]], b"invalid multibulk length"),
    "length": ("resp", b"*1\r\n$-1\r\n", [], b"invalid bulk length"),
    "no length": ("resp", b"PING\n*1\r\n+OK\r\n", [[b"PING"]], b"expected '$', got '+'"),
    "quotes": ("resp", b"PING\nSET 'k\r\n", [[b"PING"]], b"unbalanced quotes in request"),
    "long line": ("resp", b"x" * 65_537, [], b"too big inline request"),
    "large": ("resp:9:max=100", b"*2\r\n$40\r\n" + b"x" * 40 + b"\r\n$50\r\n", [], b"too big request"),
}


@promises("D2")
@pytest.mark.parametrize("name", COMMANDS)
def test_commands_come_whole_with_their_arguments_and_what_is_none_is_answered(serve: Serve, name: str) -> None:
    spec, sent, commands, wrong = COMMANDS[name]
    server = serve(mode="data", listen_options=f"framing={spec}")
    for how in ("whole", "pieces", "bytes"):
        client = server.connect()
        conn = server.expect("open")["id"]
        cut = {"whole": [sent], "pieces": pieces(sent, 5), "bytes": [sent[at : at + 1] for at in range(len(sent))]}
        for piece in cut[how if len(sent) < 1000 else "whole"]:
            client.send(piece)
        if not wrong:
            client.end()
        answer = b"-ERR Protocol error: " + wrong + b"\r\n" if wrong else b""
        assert client.to_the_end() == answer, how
        assert server.expect("close", id=conn)["reason"] == ("protocol error" if wrong else "eof")
        found = [event["arguments"] for event in server.events("data") if event["id"] == conn]
        assert [[bytes.fromhex(one) for one in command] for command in found] == commands, how


@promises("D2", "L4")
def test_the_answer_to_a_malformed_command_comes_behind_the_answers_before(serve: Serve) -> None:
    server = serve(listen_options="framing=resp")
    client = server.connect()
    client.send(b"echo one\r\n*2\r\n$4\r\necho\r\n$3\r\ntwo\r\necho three\n*1\r\necho four\r\n")
    assert client.to_the_end() == b"one\ntwo\nthree\n-ERR Protocol error: expected '$', got 'e'\r\n"


@promises("D2", "D5")
def test_commands_behind_a_pause_wait(serve: Serve) -> None:
    server = serve(listen_options="framing=resp")
    client = server.connect()
    conn = client.id()
    client.send(b"call self pause\r\necho 2\r\n*2\r\n$4\r\necho\r\n$1\r\n3\r\n*x")
    assert client.line() == "ok"
    for number in range(20):
        assert server.connect().ask(f"echo {number}") == str(number)
    assert server.control(f"call {conn} resume") == "ok"
    assert client.to_the_end() == b"2\n3\n-ERR Protocol error: invalid multibulk length\r\n"


@promises("D2")
def test_half_a_command_at_eof_is_a_protocol_error_without_an_answer(serve: Serve) -> None:
    server = serve(listen_options="framing=resp")
    client = server.connect()
    conn = client.id()
    client.send(b"echo one\r\n*2\r\n$4\r\nec")
    client.end()
    assert client.to_the_end() == b"one\n"
    assert server.expect("close", id=conn)["reason"] == "protocol error"


# ---- keep ----


@promises("D2")
@pytest.mark.parametrize("size", [10, 5_000, 70_000, 1_000_000])
def test_what_is_kept_comes_again_in_front_of_the_next(serve: Serve, size: int) -> None:
    """Mode keep leaves the beginning of a line to the engine: lines below and above the read buffer."""
    server = serve(mode="keep", loops=1)
    client = server.connect()
    text = "x" * size
    line = f"echo {text}\n".encode()
    cuts = [0, 3, size // 2, size - 1, len(line) - 1, len(line)]
    for start, end in zip(cuts, cuts[1:], strict=False):
        client.send(line[start:end])
        server.stats()
    assert client.line() == text
    # Several lines and the beginning of one more, in one piece.
    client.send(b"echo a\necho b\nec")
    assert [client.line(), client.line()] == ["a", "b"]
    client.send(b"ho c\n")
    assert client.line() == "c"
    client.send(b"never ended")
    client.end()
    assert client.to_the_end() == b""


@promises("D2", "R5")
def test_no_more_can_be_kept_than_there_is(serve: Serve) -> None:
    server = serve(on_open="note-call self keep 0", on_wake="note-call self keep 1")
    client = server.connect()
    conn = client.id()
    assert server.expect("note", id=conn)["text"] == "WRONG_STATE", "on_open has no input"
    assert client.ask("call self keep 1000") == "INVALID_ARGUMENT"
    assert server.control(f"call {conn} wake") == "ok"
    assert server.expect("note", id=conn)["text"] == "WRONG_STATE"
    assert client.ask("call self framing line") == "ok"
    assert client.ask("call self keep 1") == "WRONG_STATE", "frames are consumed whole"
    assert client.ask("echo fine") == "fine"


@promises("D2")
def test_what_is_kept_again_and_again_is_all_there(serve: Serve) -> None:
    """The same byte by byte, for many connections at once."""
    server = serve(mode="keep", loops=2, trace=False)
    clients = [server.connect() for _ in range(30)]
    for at in range(24):
        for number, client in enumerate(clients):
            client.send(f"echo line of client {number:03}\n".encode()[at : at + 1])
    for number, client in enumerate(clients):
        client.send(f"echo line of client {number:03}\n".encode()[24:])
        assert client.line() == f"line of client {number:03}"


@promises("D2", "D1")
def test_frames_of_all_sizes_are_whole(serve: Serve) -> None:
    """From none to several read buffers, thirty clients' through one loop."""
    server = serve(mode="echo", loops=1, trace=False, listen_options="framing=length:4:big")
    source = random.Random(3)
    clients: list[tuple[Client, bytes]] = []
    for _ in range(12):
        sizes = [source.choice((0, 1, 100, 65_531, 65_536, 200_000)) for _ in range(4)]
        sent = b"".join(struct.pack(">I", size) + pattern(size) for size in sizes)
        clients.append((server.connect(), sent))
    cut = source.randrange(1, 60_000)
    for client, sent in clients:
        client.send(sent[:cut])
    for client, sent in clients:
        client.send(sent[cut:])
        assert client.exactly(len(sent)) == sent
