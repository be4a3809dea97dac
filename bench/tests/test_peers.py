"""The systems in Python and Node, as the benchmark starts them: each kind that each of them offers, and how messages are cut."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import protocols
import pytest
import resp

from harness.probe import PROBES
from harness.servers import Fleet
from harness.systems import SYSTEMS, System

ROOT = Path(__file__).resolve().parent.parent.parent
MESSAGES = [b"", b"a", b"\0\0\0\1", bytes(range(256)) * 3]
FRAMES = b"".join(len(message).to_bytes(4, "big") + message for message in MESSAGES)


def offering(kind: str, *without: str) -> pytest.MarkDecorator:
    """Every system in Python or Node that offers the kind, one after the other."""
    found = [system for system in SYSTEMS if system.language in ("python", "node") and kind in system.commands]
    chosen = [system for system in found if system.label not in without]
    return pytest.mark.parametrize("peer", chosen, ids=lambda peer: cast(System, peer).label)


@contextmanager
def serving(peer: System, kind: str, logs: Path, scheme: str = "tcp") -> Iterator[tuple[str, int]]:
    with Fleet(kind, scheme, ROOT, logs).own(peer) as started:
        host, _, port = started.url.partition("://")[2].rpartition(":")
        yield host, int(port)


def taken(connection: socket.socket, length: int) -> bytes:
    """So many bytes, or fewer if the connection ends."""
    found = b""
    while len(found) < length and (more := connection.recv(length - len(found))):
        found += more
    return found


@offering("echo")
def test_echo(peer: System, tmp_path: Path) -> None:
    sent = bytes(number % 251 for number in range(100_000))
    with serving(peer, "echo", tmp_path) as address, socket.create_connection(address, timeout=10) as connection:
        for piece in (sent[:64], sent[:68], sent):
            connection.sendall(piece)
            assert taken(connection, len(piece)) == piece


@offering("frames")
def test_frames(peer: System, tmp_path: Path) -> None:
    # Longer than a read, and short enough that nobody has to take the answer meanwhile.
    long = (300_000).to_bytes(4, "big") + b"abc" * 100_000
    with serving(peer, "frames", tmp_path) as address, socket.create_connection(address, timeout=10) as connection:
        connection.sendall(FRAMES + long + FRAMES[:3])
        assert taken(connection, len(FRAMES + long)) == FRAMES + long
        connection.sendall(FRAMES[3:])
        assert taken(connection, len(FRAMES)) == FRAMES


@offering("frames", "rloop")
def test_an_end_is_answered_by_an_end(peer: System, tmp_path: Path) -> None:
    """rloop 0.5 closes late. Half a message is no message."""
    for kind, answer in (("echo", FRAMES + FRAMES[4:7]), ("frames", FRAMES)):
        if kind in peer.commands:
            with serving(peer, kind, tmp_path) as address, socket.create_connection(address, timeout=10) as connection:
                connection.sendall(FRAMES + FRAMES[4:7])
                connection.shutdown(socket.SHUT_WR)
                assert taken(connection, len(FRAMES) * 2) == answer


@offering("broadcast")
def test_broadcast(peer: System, tmp_path: Path) -> None:
    with serving(peer, "broadcast", tmp_path) as address, socket.create_connection(address, 10) as one:
        one.sendall(b"first")
        assert taken(one, 5) == b"first"
        with socket.create_connection(address, 10) as two:
            two.sendall(b"second")
            assert (taken(one, 6), taken(two, 6)) == (b"second", b"second")
            one.sendall(b"third")
            assert (taken(one, 5), taken(two, 5)) == (b"third", b"third")


@offering("udp")
def test_datagrams(peer: System, tmp_path: Path) -> None:
    with serving(peer, "udp", tmp_path, "udp") as address, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        for message in (b"one", bytes(range(256)) * 5):
            client.sendto(message, address)
            assert client.recvfrom(2_048) == (message, address)


@offering("answers")
def test_answers(peer: System, tmp_path: Path) -> None:
    asked = b"\0\0\0\x08" + (70_000).to_bytes(4, "big") + b"abcd"
    too_much = b"\0\0\0\x08" + (protocols.MAX_BODY + 1).to_bytes(4, "big") + b"abcd"
    with serving(peer, "answers", tmp_path) as address, socket.create_connection(address, timeout=10) as connection:
        connection.sendall(asked)
        assert taken(connection, 70_004) == (70_000).to_bytes(4, "big") + b"a" * 70_000
        connection.sendall(too_much)
        assert taken(connection, 1) == b""
    # It was refused, and not made first.
    assert (tmp_path / f"{peer.label}-answers.log").read_text() == ""


@offering("budget")
def test_a_budget_is_kept(peer: System, tmp_path: Path) -> None:
    """Messages that are not finished may not fill the memory: some of those that begin them are cut off."""
    begun = protocols.MAX_BODY.to_bytes(4, "big") + bytes(protocols.MAX_BODY - 1)
    with serving(peer, "budget", tmp_path) as address:
        hoarders = [socket.create_connection(address, timeout=10) for _ in range(8)]
        for hoarder in hoarders:
            with suppress(ConnectionError):
                hoarder.sendall(begun)
        kept = 0
        for hoarder in hoarders:
            with suppress(ConnectionError), hoarder:
                hoarder.sendall(b"\0")
                kept += taken(hoarder, len(begun) + 1) == begun + b"\0"
        assert 0 < kept < len(hoarders)


@offering("http")
def test_http(peer: System, tmp_path: Path) -> None:
    with serving(peer, "http", tmp_path) as (host, port):
        PROBES["http"](f"tcp://{host}:{port}")


BINARY = b"a\r\n$3\r\n*2\r\n\0\xff"


def command(*arguments: bytes) -> bytes:
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in arguments)


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


LONG = bytes(range(256)) * 300
EXCHANGES = [
    (command(b"PING"), b"+PONG\r\n"),
    (command(b"GET", b"none"), b"$-1\r\n"),
    (command(b"SET", b"key", b"value"), b"+OK\r\n"),
    (command(b"get", b"key"), bulk(b"value")),
    (command(b"SET", b"", BINARY), b"+OK\r\n"),
    (command(b"GET", b""), bulk(BINARY)),
    (command(b"SET", BINARY, b""), b"+OK\r\n"),
    (command(b"GET", BINARY), bulk(b"")),
    (command(b"SET", b"long", LONG), b"+OK\r\n"),
    (command(b"GET", b"long"), bulk(LONG)),
    (command(b"DEL", b"key", b"", BINARY, b"long", *(b"no%d" % number for number in range(20))), b":4\r\n"),
    (command(b"GET", b"key"), b"$-1\r\n"),
]
COMMANDS, ANSWERS = (b"".join(parts) for parts in zip(*EXCHANGES))


@offering("kv")
def test_kv(peer: System, tmp_path: Path) -> None:
    with serving(peer, "kv", tmp_path) as address, socket.create_connection(address, timeout=10) as connection:
        for sent, expected in (*EXCHANGES, (COMMANDS, ANSWERS)):
            connection.sendall(sent)
            assert taken(connection, len(expected)) == expected
        connection.sendall(command(b"CONFIG", b"GET") + command(b"PING"))
        assert taken(connection, 4) == b"-ERR"


@offering("kv", "reactor-python")
def test_what_is_no_command_ends_the_connection(peer: System, tmp_path: Path) -> None:
    """The example says why, and then closes."""
    with serving(peer, "kv", tmp_path) as address, socket.create_connection(address, timeout=10) as connection:
        connection.sendall(b"*1\r\n$x\r\nPING\r\n")
        with suppress(ConnectionResetError):
            assert b"PONG" not in taken(connection, 100)


class Transport:
    """Remembers what is written, and whether it was given up."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.aborted = True


CUTTERS = pytest.mark.parametrize("cutter", [resp.Walked, resp.Split, resp.Read])
Cutter = type[resp.Walked] | type[resp.Read]


def speaking(cutter: Cutter) -> tuple[resp.Walked | resp.Read, Transport]:
    session, transport = cutter(), Transport()
    session.transport = transport  # type: ignore[assignment]
    return session, transport


@CUTTERS
def test_commands_that_come_at_once_are_answered_by_one_write(cutter: Cutter) -> None:
    session, transport = speaking(cutter)
    session.data_received(COMMANDS)
    assert transport.written == [ANSWERS]


@CUTTERS
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1_000])
def test_how_commands_are_split_does_not_matter(cutter: Cutter, size: int) -> None:
    session, transport = speaking(cutter)
    for start in range(0, len(COMMANDS), size):
        session.data_received(COMMANDS[start : start + size])
    assert b"".join(transport.written) == ANSWERS


@CUTTERS
def test_nothing_is_answered_before_a_command_is_complete(cutter: Cutter) -> None:
    session, transport = speaking(cutter)
    session.data_received(command(b"PING") + command(b"PING")[:-1])
    assert transport.written == [b"+PONG\r\n"]
    session.data_received(b"\n")
    assert transport.written == [b"+PONG\r\n"] * 2


@pytest.mark.parametrize("cutter", [resp.Walked, resp.Split])
@pytest.mark.parametrize(
    "sent", [b"PING\r\n", b"*0\r\n", b"*-1\r\n", b"*x\r\n", b"*1\r\n$-12\r\n", b"*1\r\n$99999999\r\n"]
)
def test_what_cannot_be_a_command_is_an_error(cutter: type[resp.Walked], sent: bytes) -> None:
    session, transport = speaking(cutter)
    with pytest.raises(ValueError):
        session.data_received(sent)
    assert transport.written == []


def test_split_commands_are_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what has the end of a line in a value, or is not complete, is."""
    walked: list[bytes] = []

    def watched(data: bytes, answers: list[bytes]) -> tuple[int, int]:
        walked.append(data)
        return len(data), 0

    monkeypatch.setattr(resp, "walk", watched)
    session, transport = speaking(resp.Split)
    session.data_received(command(b"SET", b"key", b"value") * 16)
    assert (walked, transport.written) == ([], [b"+OK\r\n" * 16])
    odd = command(b"SET", b"key", BINARY) + command(b"PING")
    session.data_received(command(b"PING") + odd)
    assert walked == [odd]


def frames() -> tuple[protocols.Frames, Transport]:
    session, transport = protocols.Frames(), Transport()
    session.transport = transport  # type: ignore[assignment]
    return session, transport


def test_messages_that_come_at_once_leave_in_one_write() -> None:
    session, transport = frames()
    session.data_received(FRAMES)
    assert transport.written == [FRAMES]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 64, 770])
def test_how_messages_are_split_does_not_matter(size: int) -> None:
    session, transport = frames()
    for start in range(0, len(FRAMES), size):
        session.data_received(FRAMES[start : start + size])
    assert b"".join(transport.written) == FRAMES


def test_nothing_leaves_before_a_message_is_complete() -> None:
    session, transport = frames()
    session.data_received(FRAMES[:-1])
    assert transport.written == [FRAMES[: 4 + 5 + 8]]
    session.data_received(FRAMES[-1:])
    assert b"".join(transport.written) == FRAMES


def test_a_message_that_is_too_long_ends_the_connection() -> None:
    session, transport = frames()
    session.data_received(protocols.MAX_BODY.to_bytes(4, "big"))
    assert not transport.aborted
    session, transport = frames()
    session.data_received((protocols.MAX_BODY + 1).to_bytes(4, "big"))
    assert transport.aborted
    assert transport.written == []
