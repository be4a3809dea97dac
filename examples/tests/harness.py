"""An example as a process, and clients that are plain sockets."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parent.parent.parent
# How long something may take that takes no time: only a defect makes a test wait so long.
LIMIT = 60.0


class Example:
    """An example that runs."""

    def __init__(self, language: str, app: str, listen: tuple[str, ...], flags: list[str], is_inline: bool) -> None:
        self.language = language
        # What it is to say on stderr before it ends, as a regular expression.
        self.complaints = ""
        command = [str(ROOT / "examples" / "run"), language, app]
        for url in listen:
            command += ["--listen", url]
        environment = {**os.environ, "REACTOR_MODE": "inline" if is_inline else "threads"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*command, *flags], stdout=pipe, stderr=pipe, text=True, env=environment)
        assert self.process.stdout
        self.urls = []
        for _ in listen:
            line = self.process.stdout.readline()
            if not line.startswith("listening on "):
                raise AssertionError(f"{app} said {line!r}: {self.process.communicate()[1]}")
            self.urls.append(line.removeprefix("listening on ").strip())
        self.memory_at_start = self.peak_memory()

    @property
    def port(self) -> int:
        """Of the first listener."""
        return int(self.urls[0].rsplit(":", 1)[1])

    def peak_memory(self) -> int:
        """The most bytes that the process has had in memory at once."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(kibibytes) * 1024

    def growth(self) -> int:
        """The same, beyond what it had when it began: a language's own runtime may take much."""
        return self.peak_memory() - self.memory_at_start

    def stop(self) -> None:
        """By the signal that a system sends. It has to end well, and say nothing that was not expected."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=LIMIT)
        assert self.process.returncode == 0
        assert re.fullmatch(self.complaints, errors), errors

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def connect(self) -> Client:
        return Client(socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT))


Start = Callable[..., Example]


class Client:
    """A connection; every wait has a limit."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(LIMIT)
        self.socket = sock
        self.received = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def end(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def read(self, count: int) -> bytes:
        """Exactly so many bytes."""
        parts, missing = [self.received[:count]], count - len(self.received)
        self.received = self.received[count:]
        while missing > 0:
            part = self.socket.recv(min(missing, 1 << 20))
            assert part, f"end of stream, {missing} of {count} bytes are missing"
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def line(self) -> str:
        while b"\n" not in self.received:
            part = self.socket.recv(65536)
            assert part, f"end of stream within a line: {self.received!r}"
            self.received += part
        line, _, self.received = self.received.partition(b"\n")
        return line.decode()

    def rest(self) -> bytes:
        """Everything up to the end of the stream."""
        parts = [self.received]
        self.received = b""
        while part := self.socket.recv(1 << 20):
            parts.append(part)
        return b"".join(parts)

    def ask(self, data: bytes, answer: bytes) -> None:
        """Sends, and compares the answer."""
        self.send(data)
        assert self.read(len(answer)) == answer


def within_limit(holds: Callable[[], bool], what: str) -> None:
    """Waits for something that comes about by itself."""
    end = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.01)


def in_background(run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
