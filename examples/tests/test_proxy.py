"""proxy: what either side says reaches the other, whoever is slow, and whoever ends first."""

from __future__ import annotations

import hashlib
import os
import random
import re
import select
import socket
import struct
from pathlib import Path
from contextlib import closing
from typing import Iterator

import pytest

from harness import LIMIT, Client, Example, Start, in_background

SIZE = 100_000_000


@pytest.fixture
def target() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT)
        yield listener


def url_of(listener: socket.socket) -> str:
    return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def through(proxy: Example, target: socket.socket) -> tuple[Client, Client]:
    """A client, and what the target gets of it."""
    client = proxy.connect()
    accepted, _ = target.accept()
    return client, Client(accepted)


def blocks() -> Iterator[bytes]:
    random_ = random.Random(1)
    block = random_.randbytes(1_000_000)
    for number in range(SIZE // len(block)):
        yield struct.pack(">I", number) + block[4:]


def digest_of_blocks() -> str:
    digest = hashlib.sha256()
    for block in blocks():
        digest.update(block)
    return digest.hexdigest()


def send_blocks(client: Client) -> None:
    for block in blocks():
        client.send(block)
    client.end()


def digest_of_rest(client: Client) -> str:
    digest, count = hashlib.sha256(), 0
    while part := client.socket.recv(1 << 20):
        digest.update(part)
        count += len(part)
    assert count == SIZE
    return digest.hexdigest()


def test_100_megabytes_pass_both_ways_at_once(start: Start, target: socket.socket) -> None:
    client, server = through(start("proxy", "--to", url_of(target)), target)
    with client, server:
        senders = [in_background(lambda: send_blocks(client)), in_background(lambda: send_blocks(server))]
        digests: list[str] = []
        reader = in_background(lambda: digests.append(digest_of_rest(server)))
        digests.append(digest_of_rest(client))
        for thread in [*senders, reader]:
            thread.join(LIMIT)
        assert digests == [digest_of_blocks()] * 2


@pytest.mark.parametrize("ends", ["client", "server"])
def test_who_ends_first_still_gets_the_answer(start: Start, target: socket.socket, ends: str) -> None:
    client, server = through(start("proxy", "--to", url_of(target)), target)
    first, second = (client, server) if ends == "client" else (server, client)
    with client, server:
        first.send(b"question")
        first.end()
        assert second.rest() == b"question"
        second.send(b"answer" * 100_000)
        second.end()
        assert first.rest() == b"answer" * 100_000


def send_until_stuck(client: Client, data: bytes) -> int:
    """Sends data again and again while the other end does not read. Returns how many bytes went."""
    client.socket.setblocking(False)
    sent = stalls = 0
    while sent < SIZE and stalls < 100:
        try:
            sent += client.socket.send(data[sent % len(data) :])
            stalls = 0
        except BlockingIOError:
            # The proxy may still be passing on: it has stopped when there is no room again and again.
            stalls += 1
            select.select([], [client.socket], [], 0.02)
    assert sent < SIZE, "the proxy took everything in"
    client.socket.settimeout(LIMIT)
    return sent


def test_a_slow_receiver_stops_the_sender_and_loses_nothing(start: Start, target: socket.socket) -> None:
    client, server = through(start("proxy", "--to", url_of(target)), target)
    with client, server:
        data = os.urandom(1 << 20)
        sent = send_until_stuck(client, data)
        client.end()
        received = server.rest()
        assert len(received) == sent
        assert all(received[at : at + len(data)] == data[: sent - at] for at in range(0, sent, len(data)))


@pytest.mark.parametrize("stuck", ["client", "server"])
def test_one_way_passes_while_the_other_is_stuck(start: Start, target: socket.socket, stuck: str) -> None:
    client, server = through(start("proxy", "--to", url_of(target)), target)
    first, second = (client, server) if stuck == "client" else (server, client)
    with client, server:
        sent = send_until_stuck(first, bytes(1 << 20))
        # More than the kernel holds for the proxy.
        answer = os.urandom(32 << 20)
        sender = in_background(lambda: second.send(answer))
        assert first.read(len(answer)) == answer
        sender.join(LIMIT)
        first.end()
        assert len(second.rest()) == sent


def test_unix_sockets_on_both_sides(start: Start, tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as target:
        target.bind(str(tmp_path / "target"))
        target.listen()
        target.settimeout(LIMIT)
        listen = (f"unix://{tmp_path}/proxy",)
        start("proxy", "--to", f"unix://{tmp_path}/target", listen=listen)
        with Client(socket.socket(socket.AF_UNIX)) as client:
            client.socket.connect(str(tmp_path / "proxy"))
            with Client(target.accept()[0]) as server:
                client.send(b"there")
                client.end()
                assert server.rest() == b"there"
                server.send(b"and back")
                server.end()
                assert client.rest() == b"and back"


def test_what_is_said_before_the_connection_is_made_arrives(start: Start, target: socket.socket) -> None:
    proxy = start("proxy", "--to", url_of(target))
    with proxy.connect() as client:
        client.send(b"early")
        client.end()
        with Client(target.accept()[0]) as server:
            assert server.rest() == b"early"


def test_a_server_that_is_not_there_ends_the_client_and_is_told_of(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = url_of(taken)
    proxy = start("proxy", "--to", url)
    for _ in range(20):
        with proxy.connect() as client:
            assert client.rest() == b""
    proxy.complaints = rf"(proxy: {re.escape(url)}: connect failed: Connection refused.*\n){{20}}"


@pytest.mark.parametrize("resets", ["client", "server"])
def test_a_reset_of_one_side_resets_the_other(start: Start, target: socket.socket, resets: str) -> None:
    client, server = through(start("proxy", "--to", url_of(target)), target)
    first, second = (client, server) if resets == "client" else (server, client)
    with second:
        first.send(b"half an ans")
        assert second.read(11) == b"half an ans"
        first.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.socket.close()
        with pytest.raises(ConnectionResetError):
            second.rest()


def test_a_target_is_needed(start: Start) -> None:
    with pytest.raises(AssertionError, match="--to URL is missing"):
        start("proxy")
