"""The load: clients that connect, talk, and end in every way."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable

from servers import BIG

PATIENCE = 60.0
"""Seconds after which a client that waits has failed: a guard against hanging."""
RESET = struct.pack("ii", 1, 0)


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def read(client: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (chunk := client.recv(min(size - len(data), 1 << 16))):
        data += chunk
    return bytes(data)


def expect(client: socket.socket, answer: bytes) -> None:
    got = read(client, len(answer))
    if got != answer:
        raise AssertionError(f"{got[:100]!r} for {answer[:100]!r}")


def expect_end(client: socket.socket) -> None:
    try:
        rest = client.recv(1)
    except ConnectionResetError:
        return
    if rest:
        raise AssertionError(f"{rest!r} for the end")


# ---- what a client does with its connection ----


def answered(word: bytes) -> Callable[[socket.socket], None]:
    """Has the answer, and resets."""

    def talk(client: socket.socket) -> None:
        client.sendall(word + b"\n")
        expect(client, word + b"\n")
        reset(client)

    return talk


def unanswered(words: bytes) -> Callable[[socket.socket], None]:
    """Resets before the answer."""

    def talk(client: socket.socket) -> None:
        client.sendall(words)
        reset(client)

    return talk


def ended(word: bytes) -> Callable[[socket.socket], None]:
    """The server ends it."""

    def talk(client: socket.socket) -> None:
        client.sendall(word + b"\n")
        if word == b"close":
            expect(client, b"close\n")
        expect_end(client)

    return talk


def whole(client: socket.socket) -> None:
    client.sendall(b"big\n")
    expect(client, BIG)


def part(client: socket.socket) -> None:
    """Takes a part of the answer, and resets."""
    client.sendall(b"big\n")
    expect(client, BIG[:1000])
    reset(client)


def shut_down(client: socket.socket) -> None:
    """Shuts down writing, and has the answers all the same."""
    client.sendall(b"one\ntwo\n")
    client.shutdown(socket.SHUT_WR)
    expect(client, b"one\ntwo\n")
    expect_end(client)


TALKS: tuple[Callable[[socket.socket], None], ...] = (
    *map(answered, (b"echo", b"late", b"held", b"wake")),
    *map(unanswered, (b"", b"half", b"echo\n" * 50, b"late\n", b"held\n", b"wake\n", b"big\n", b"detach\n", b"fail\n")),
    *map(ended, (b"close", b"detach", b"fail")),
    *(whole, part, shut_down),
)


class Load:
    """Threads of clients, one after the other in each; and connections that stay, and are served throughout."""

    def __init__(self, host: str, port: int, threads: int = 4, staying: int = 16) -> None:
        self.address = (host, port)
        self.served = 0
        self.fault: BaseException | None = None
        self._staying = [self._connect() for _ in range(staying)]
        self._threads = threads

    def _connect(self) -> socket.socket:
        return socket.create_connection(self.address, PATIENCE)

    def run(self, seconds: float) -> None:
        """For so long, and until the last client has ended. Raises what failed."""
        end = time.monotonic() + seconds
        starts = range(0, len(TALKS), -(-len(TALKS) // self._threads))
        threads = [threading.Thread(target=self._talk, args=(start, end)) for start in starts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.fault is not None:
            raise self.fault

    def _talk(self, start: int, end: float) -> None:
        try:
            for number in itertools.count(start):
                if time.monotonic() > end or self.fault:
                    return
                with self._connect() as client:
                    TALKS[number % len(TALKS)](client)
                self.served += 1
        except BaseException as error:
            self.fault = error

    def serve_those_that_stay(self) -> None:
        for client in self._staying:
            client.sendall(b"echo\n")
            expect(client, b"echo\n")

    @property
    def staying(self) -> int:
        return len(self._staying)

    def close(self) -> None:
        for client in self._staying:
            client.close()
