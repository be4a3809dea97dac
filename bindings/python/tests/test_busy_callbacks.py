"""Callbacks that take long, and what becomes of the other connections meanwhile: one computes in Python, one keeps the
interpreter lock, one gives it up."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import connect, finish, receive, receive_all, run_program

PROGRAM = """
import ctypes, hashlib, os, sys, threading, time
import reactor

GATE = sys.argv[1]
OVER = threading.Event()
KEEPS = ctypes.PyDLL(None)
BUFFER = bytes(1 << 20)

def compute():
    while not OVER.is_set():
        sum(range(100))

def keep():
    # A C function of which the interpreter is not told that it waits.
    os.close(KEEPS.open(GATE.encode(), os.O_RDONLY))

def give_up():
    os.close(os.open(GATE, os.O_RDONLY))

def sleep():
    while not OVER.is_set():
        time.sleep(0.01)

def digest():
    while not OVER.is_set():
        hashlib.sha256(BUFFER)

WAYS = {way.__name__.encode(): way for way in (compute, keep, give_up, sleep, digest)}

class Handler(reactor.Handler):
    def on_open(self, conn):
        conn.write(b"%d\\n" % conn.info().loop)
    def on_data(self, conn, line):
        if line == b"timer":
            conn.set_timer(0.001)
        elif line in WAYS:
            print("begins", flush=True)
            WAYS[line]()
            print("ends", flush=True)
        conn.write(line + b"\\n")
    def on_timer(self, conn, timer):
        conn.write(b"due\\n")

with reactor.Server(Handler(), loops=2) as server:
    server.listen("tcp://127.0.0.1:0", framing="line")
    server.start()
    print(*server.addresses, flush=True)
    sys.stdin.readline()
    OVER.set()
    sys.stdin.readline()
    print("stops", flush=True)
"""


class Busy:
    """A server of two loops, with a client of each: the first loop's callback can be made to take long."""

    def __init__(self, folder: Path) -> None:
        self.gate = folder / "gate"
        os.mkfifo(self.gate)
        (folder / "program.py").write_text(PROGRAM)
        self.process = run_program(sys.executable, "-W", "error", str(folder / "program.py"), str(self.gate))
        self.url = self.said()
        clients = dict(self.client() for _ in range(2))
        self.first, self.second = clients[0], clients[1]

    def client(self) -> tuple[int, socket.socket]:
        """The number of its loop, and the client."""
        client = connect(self.url)
        return int(receive(client, 2)), client

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def begin(self, way: str) -> None:
        """A callback of the first loop begins to take long."""
        self.first.sendall(f"{way}\n".encode())
        assert self.said() == "begins"

    def end(self, way: str) -> None:
        """It ends, which it has not done before."""
        if way in ("keep", "give_up"):
            # Somebody waits there, or this would wait.
            os.close(os.open(self.gate, os.O_WRONLY))
        else:
            self.tell()
        assert self.said() == "ends"
        assert receive(self.first, len(way) + 1) == f"{way}\n".encode()

    def tell(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def stop(self) -> tuple[int, str, str]:
        self.first.close()
        self.second.close()
        return finish(self.process)


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Busy]:
    yield Busy(tmp_path)


def trip(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    return receive(client, len(text))


def test_while_one_computes_the_clients_of_other_loops_are_answered(busy: Busy) -> None:
    """Each whenever the interpreter has the computing thread switch."""
    busy.begin("compute")
    for number in range(20):
        assert trip(busy.second, b"%d\n" % number) == b"%d\n" % number
    busy.end("compute")
    assert busy.stop() == (0, "stops\n", "")


@pytest.mark.parametrize("way", ["give_up", "sleep", "digest"])
def test_while_one_gives_the_lock_up_other_loops_serve_on(busy: Busy, way: str) -> None:
    busy.begin(way)
    for number in range(2000):
        assert trip(busy.second, b"%d\n" % number) == b"%d\n" % number
    busy.end(way)
    assert busy.stop() == (0, "stops\n", "")


def test_while_one_keeps_the_lock_nothing_is_lost(busy: Busy) -> None:
    crowd = [busy.client()[1] for _ in range(8)]
    busy.second.sendall(b"timer\n")
    assert receive(busy.second, 6) == b"timer\n"
    busy.begin("keep")
    lines = b"".join(b"%d\n" % number for number in range(1000))
    for client in crowd:
        client.sendall(lines)
    # One has sent all, one is gone, and some come.
    crowd[0].shutdown(socket.SHUT_WR)
    crowd.pop().close()
    late = [connect(busy.url) for _ in range(4)]
    for client in late:
        client.sendall(b"late\n")
    busy.end("keep")
    assert receive(busy.second, 4) == b"due\n"
    assert receive_all(crowd[0]) == lines
    for client in crowd[1:]:
        assert receive(client, len(lines)) == lines
    for client in late:
        assert receive(client, 7)[1:] == b"\nlate\n"
    crowd.pop(0).close()
    for client in (*crowd, *late, busy.first, busy.second):
        assert trip(client, b"on\n") == b"on\n"
        client.close()
    assert busy.stop() == (0, "stops\n", "")
