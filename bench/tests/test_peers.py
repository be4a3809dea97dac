"""The peers in Python, as the benchmark starts them: each kind that each of them offers, and how messages are cut."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
import server

from harness.servers import Fleet
from harness.systems import SYSTEMS, System

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = [system for system in SYSTEMS if system.language == "python" and not system.ours]
OFFERED = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: cast(System, peer).label)
MESSAGES = [b"", b"a", b"\0\0\0\1", bytes(range(256)) * 3]
FRAMES = b"".join(len(message).to_bytes(4, "big") + message for message in MESSAGES)


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


@OFFERED
def test_echo(peer: System, tmp_path: Path) -> None:
    sent = bytes(number % 251 for number in range(100_000))
    with serving(peer, "echo", tmp_path) as address, socket.create_connection(address, timeout=10) as connection:
        for piece in (sent[:64], sent[:68], sent):
            connection.sendall(piece)
            assert taken(connection, len(piece)) == piece


@OFFERED
def test_frames(peer: System, tmp_path: Path) -> None:
    # Longer than a read, and short enough that nobody has to take the answer meanwhile.
    long = (300_000).to_bytes(4, "big") + b"abc" * 100_000
    with serving(peer, "frames", tmp_path) as address, socket.create_connection(address, timeout=10) as connection:
        connection.sendall(FRAMES + long + FRAMES[:3])
        assert taken(connection, len(FRAMES + long)) == FRAMES + long
        connection.sendall(FRAMES[3:])
        assert taken(connection, len(FRAMES)) == FRAMES


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.name != "rloop"], ids=lambda peer: peer.name)
def test_an_end_is_answered_by_an_end(peer: System, tmp_path: Path) -> None:
    """rloop 0.5 closes late. Half a message is no message."""
    for kind, answer in (("echo", FRAMES + FRAMES[4:7]), ("frames", FRAMES)):
        with serving(peer, kind, tmp_path) as address, socket.create_connection(address, timeout=10) as connection:
            connection.sendall(FRAMES + FRAMES[4:7])
            connection.shutdown(socket.SHUT_WR)
            assert taken(connection, len(FRAMES) * 2) == answer


@OFFERED
def test_broadcast(peer: System, tmp_path: Path) -> None:
    with serving(peer, "broadcast", tmp_path) as address, socket.create_connection(address, 10) as one:
        one.sendall(b"first")
        assert taken(one, 5) == b"first"
        with socket.create_connection(address, 10) as two:
            two.sendall(b"second")
            assert (taken(one, 6), taken(two, 6)) == (b"second", b"second")
            one.sendall(b"third")
            assert (taken(one, 5), taken(two, 5)) == (b"third", b"third")


@OFFERED
def test_datagrams(peer: System, tmp_path: Path) -> None:
    with serving(peer, "udp", tmp_path, "udp") as address, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        for message in (b"one", bytes(range(256)) * 5):
            client.sendto(message, address)
            assert client.recvfrom(2_048) == (message, address)


class Transport:
    """Remembers what is written, and whether it was given up."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.aborted = True


def frames() -> tuple[server.Frames, Transport]:
    session, transport = server.Frames(), Transport()
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
    session.data_received(server.MAX_BODY.to_bytes(4, "big"))
    assert not transport.aborted
    session, transport = frames()
    session.data_received((server.MAX_BODY + 1).to_bytes(4, "big"))
    assert transport.aborted
    assert transport.written == []
