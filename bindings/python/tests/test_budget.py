"""What the interpreter itself holds for connections keeps within the bound of the server's budget, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import finish, run_python

FOLDER = f"import sys\nsys.path.append({str(Path(__file__).parent)!r})\n"
"""Where the tests' own helpers are."""

HEAD = """
import os, resource, socket, threading, time
import helpers, reactor

MIB = 1 << 20

def resident():
    return helpers.resident(os.getpid())

def connect(url, receive_buffer=1 << 14):
    host, _, port = url.rpartition("/")[2].rpartition(":")
    client = socket.socket()
    client.settimeout(20)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect((host, int(port)))
    return client

class Handler(reactor.Handler):
    def __init__(self):
        self.open = threading.Semaphore(0)
        self.conns = []
    def on_open(self, conn):
        self.conns.append(conn)
        self.open.release()
    def on_data(self, conn, data):
        conn.write(data)
"""

COMPLETIONS = """
BUDGET = 64 * MIB
BOUND = BUDGET * 5 // 4 + 64 * MIB
# The interpreter's own, and a stack for each thread.
LIMIT = BOUND + 16 * MIB + 6 * 8 * MIB
resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

class Future:
    def __init__(self, conn):
        self.conn, self.loop, self.sent = conn, None, None
    def complete(self, sent):
        called.append(sent)

def closure(conn):
    count, tag = len(called), str(len(called))
    def complete(sent):
        called.append((conn, count, tag) and sent)
    return complete

called, accepted, handler = [], 0, Handler()
MAKERS = {"closure": closure, "method": lambda conn: Future(conn).complete}
with reactor.Server(handler, loops=2, byte_budget=BUDGET) as server:
    url = server.listen("tcp://127.0.0.1:0?sndbuf=32768")
    server.start()
    slow = [connect(url) for _ in range(4)]
    for _ in slow:
        handler.open.acquire()
    good = connect(url)
    before = resident()
    for conn in handler.conns[:4]:
        conn.write(bytes(200_000))
        try:
            for _ in range(1_000_000):
                conn.write(b"x", on_complete=MAKERS[KIND](conn))
                accepted += 1
        except reactor.FullError:
            pass
    assert accepted > 50_000, accepted
    taken = resident() - before
    assert taken < BOUND, f"{taken // MIB} MiB for {accepted} writes"
    good.sendall(b"alive")
    assert good.recv(5) == b"alive"
    for client in slow:
        client.close()
    while server.connections > 1:
        time.sleep(0.01)
    good.close()
assert len(called) == accepted and not any(called), len(called)
"""

DETACHED = """
SIZE = 64 * MIB

class Detaching(Handler):
    def on_detach(self, conn, sock, input, output):
        self.taken = resident() - before
        self.output = output
        sock.close()
        self.open.release()

handler = Detaching()
with reactor.Server(handler, loops=1, hard_limit=2 * SIZE) as server:
    url = server.listen("tcp://127.0.0.1:0?sndbuf=32768")
    server.start()
    client = connect(url)
    handler.open.acquire()
    before = resident()
    conn = handler.conns[0]
    for _ in range(SIZE // MIB):
        conn.write(bytes(MIB))
    conn.detach()
    handler.open.acquire()
    assert len(handler.output) > SIZE * 9 // 10, len(handler.output)
    client.close()
    assert handler.taken < SIZE * 5 // 4, f"{handler.taken // MIB} MiB"
"""


@pytest.mark.parametrize("kind", ["closure", "method"])
def test_functions_that_wait_for_writes_count(kind: str) -> None:
    """Made for one write each, for peers that take nothing: they are far more memory than its byte."""
    assert finish(run_python(f"KIND = {kind!r}\n{FOLDER}{HEAD}{COMPLETIONS}")) == (0, "", "")


def test_what_is_detached_is_held_once() -> None:
    assert finish(run_python(FOLDER + HEAD + DETACHED)) == (0, "", "")
