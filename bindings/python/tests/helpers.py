"""What the tests share: a handler that records, a client, waiting."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import reactor

TCP = "tcp://127.0.0.1:0"
DEADLINE = 20.0
"""Seconds after which a test that waits has failed: a guard against hanging, nothing that is measured."""


def wait_until(condition: Callable[[], bool], what: str = "condition") -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.002)


def connect(url: str) -> socket.socket:
    """A client of a tcp or unix URL."""
    scheme, _, address = url.partition("://")
    if scheme == "unix":
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(DEADLINE)
        client.connect(address)
        return client
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), DEADLINE)


def reset_at_close(client: socket.socket) -> None:
    """Its close will be a reset, and no port waits for a minute afterwards."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset(client: socket.socket) -> None:
    reset_at_close(client)
    client.close()


def receive(client: socket.socket, size: int) -> bytes:
    """Exactly so many bytes, or what came before the end."""
    data = bytearray()
    while len(data) < size:
        chunk = client.recv(size - len(data))
        if not chunk:
            break
        data += chunk
    return bytes(data)


def receive_all(client: socket.socket) -> bytes:
    data = bytearray()
    while chunk := client.recv(1 << 16):
        data += chunk
    return bytes(data)


def send_all(client: socket.socket, data: bytes) -> None:
    """Sends, then shuts down writing."""
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)


def exchange(url: str, data: bytes) -> bytes:
    """Sends, shuts down writing, and returns everything that came back."""
    with connect(url) as client:
        send_all(client, data)
        return receive_all(client)


class Recorder:
    """A handler that remembers its calls as tuples, and does what the functions in `act` say."""

    def __init__(self, **act: Callable[..., Any]) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.errors: list[tuple[reactor.Conn | None, BaseException]] = []
        self.conns: list[reactor.Conn] = []
        self.act = act

    def note(self, name: str, *args: Any) -> Any:
        self.events.append((name, *args))
        return self.act[name](*args) if name in self.act else None

    def names(self) -> list[str]:
        return [event[0] for event in self.events]

    def on_start(self, server: reactor.Server) -> Any:
        return self.note("on_start", server)

    def on_open(self, conn: reactor.Conn) -> Any:
        self.conns.append(conn)
        return self.note("on_open", conn)

    def on_data(self, conn: reactor.Conn, data: bytes) -> Any:
        return self.note("on_data", conn, data)

    def on_drain(self, conn: reactor.Conn) -> Any:
        return self.note("on_drain", conn)

    def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> Any:
        return self.note("on_close", conn, reason, errno)

    def on_stop(self, server: reactor.Server) -> Any:
        return self.note("on_stop", server)

    def on_error(self, conn: reactor.Conn | None, exc: BaseException) -> None:
        self.errors.append((conn, exc))

    def wait_for(self, name: str, count: int = 1) -> None:
        wait_until(lambda: self.names().count(name) >= count, f"{count} x {name}, got {self.names()}")

    def closed(self) -> list[tuple[reactor.CloseReason, int | None]]:
        return [(event[2], event[3]) for event in self.events if event[0] == "on_close"]


class Running:
    """A started server on a free port, stopped at the end."""

    def __init__(self, handler: object, **options: Any) -> None:
        self.server = reactor.Server(handler, **options)
        self.url = self.server.listen("tcp://127.0.0.1:0")

    def __enter__(self) -> Running:
        self.server.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.server.stop()
        self.server.wait()


def echo(conn: reactor.Conn, data: bytes) -> None:
    conn.write(data)


def writes(data: bytes) -> Callable[..., None]:
    """A callback that writes this."""

    def callback(conn: reactor.Conn, *_: object) -> None:
        conn.write(data)

    return callback


STARTED: list[subprocess.Popen[str]] = []
"""The programs that a test has started: those that it leaves behind are ended after it."""


def run_program(*command: str) -> subprocess.Popen[str]:
    """A program, with its input and output in pipes."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    STARTED.append(process)
    return process


def run_python(code: str) -> subprocess.Popen[str]:
    """A Python program."""
    return run_program(sys.executable, "-W", "error", "-c", code)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Closes its input and waits for its end: exit code, output and errors."""
    try:
        out, err = process.communicate(timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"did not end by itself; output {out!r}, errors {err!r}") from None
    return process.returncode, out, err


def engine_threads() -> list[str]:
    """The names of the engine's threads in this process. One that was joined may be listed for a moment yet: the kernel
    wakes whoever joins before it takes the thread off its list. So wait for them to go."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except (FileNotFoundError, ProcessLookupError):
            pass  # It has ended meanwhile.
    return sorted(name for name in names if name.startswith("reactor-"))


def call_in_thread(call: Callable[[], object]) -> object:
    """The result of a call in another thread, or the exception that it raised."""
    results: list[object] = []

    def body() -> None:
        try:
            results.append(call())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(DEADLINE)
    assert results, "the call did not return"
    return results[0]


def descriptors() -> int:
    """How many this process has."""
    return len(os.listdir("/proc/self/fd"))


def resident(pid: int) -> int:
    """The memory of a process's own, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (own,) = (line for line in lines if line.startswith("RssAnon:"))
    return int(own.split()[1]) * 1024


# ---- programs of their own ----

HANDLER = """
import reactor, signal, sys, threading, time

class Handler(reactor.Handler):
    def on_data(self, conn, data):
        conn.write(data)
    def on_stop(self, server):
        print("stopped", flush=True)

handler = Handler()
"""
"""The head of a program that makes its servers itself."""

SERVER = f"""{HANDLER}
server = reactor.Server(handler, loops=2)
url = server.listen("tcp://127.0.0.1:0")
"""


def serving(process: subprocess.Popen[str]) -> str:
    """Waits until the server answers, which is after the start; its URL."""
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    with connect(url) as client:
        client.sendall(b"x")
        assert receive(client, 1) == b"x"
    return url


def asleep(process: subprocess.Popen[str]) -> None:
    """Waits until the main thread sleeps in the kernel, so that a signal finds it waiting."""
    stat = Path(f"/proc/{process.pid}/stat")
    quiet = 0
    for _ in range(2000):
        quiet = quiet + 1 if stat.read_text().rpartition(")")[2].split()[0] == "S" else 0
        if quiet == 20:
            return
        time.sleep(0.002)
    raise AssertionError("the main thread never sleeps")


def fail(*_: object) -> None:
    """A callback that fails."""
    raise LookupError("deliberate")
