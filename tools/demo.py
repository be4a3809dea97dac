#!/usr/bin/env python3
"""Serves echo from C, Python and Node in turn, lets real clients and a burst of load talk to each, prints a table."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ["c", "python", "node"]
CONNECTIONS = 50
REQUESTS = 200
SIZE = 64


def serve(language: str, path: Path) -> tuple[subprocess.Popen[str], list[str]]:
    command = [str(ROOT / "examples" / "run"), language, "echo"]
    command += ["--listen", "tcp://127.0.0.1:0", "--listen", f"unix://{path}", "--loops", "2"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    return server, [server.stdout.readline().removeprefix("listening on ").strip() for _ in range(2)]


def ask(command: list[str]) -> str:
    question = f"hello from {command[0]}"
    answer = subprocess.run(command, input=question, capture_output=True, text=True, timeout=10, check=True).stdout
    shown = " ".join(command)
    print(f"  printf '{question}' | {shown}\n    {answer}")
    if answer != question:
        sys.exit(f"demo: \"{shown}\" was answered {answer!r}")
    return "ok"


class Asker:
    """A connection that asks one thing at a time, and compares the answer."""

    def __init__(self, port: int, number: int) -> None:
        self.client = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.asked = 0
        self.expected = b""
        self.ask()

    def ask(self) -> None:
        self.asked += 1
        self.expected = f"{self.number}:{self.asked}:".encode().ljust(SIZE, b".")
        self.client.sendall(self.expected)

    def receive(self) -> bool:
        """Takes a part of an answer, and asks again when it was the last; says whether more is to come."""
        part = self.client.recv(SIZE)
        if not part or not self.expected.startswith(part):
            sys.exit(f"demo: expected {self.expected!r}, got {part!r}")
        self.expected = self.expected[len(part) :]
        if not self.expected and self.asked == REQUESTS:
            self.client.close()
            return False
        if not self.expected:
            self.ask()
        return True


def burst(port: int) -> tuple[int, float]:
    """Lets 50 connections ask 200 times each; returns the number of answers, and the seconds."""
    selector = selectors.DefaultSelector()
    began = time.monotonic()
    for number in range(CONNECTIONS):
        asker = Asker(port, number)
        selector.register(asker.client.fileno(), selectors.EVENT_READ, asker)
    while selector.get_map():
        ready = selector.select(timeout=10)
        if not ready:
            sys.exit("demo: an answer is missing")
        for key, _ in ready:
            if not key.data.receive():
                selector.unregister(key.fd)
    return CONNECTIONS * REQUESTS, time.monotonic() - began


def demonstrate(language: str, folder: Path) -> list[str]:
    path = folder / f"{language}.sock"
    print(f"\n{language}: examples/run {language} echo --listen tcp://127.0.0.1:0 --listen unix://… --loops 2")
    server, urls = serve(language, path)
    try:
        port = int(urls[0].rpartition(":")[2])
        over_tcp = ask(["nc", "-N", "127.0.0.1", str(port)])
        over_unix = ask(["socat", "-t", "5", "-", f"UNIX-CONNECT:{path}"])
        requests, seconds = burst(port)
        server.send_signal(signal.SIGTERM)
        code = server.wait(timeout=5)
    finally:
        server.kill()
    if code != 0:
        sys.exit(f"demo: the {language} server ended with {code}")
    return [language, over_tcp, over_unix, f"{requests}", f"{requests / seconds:,.0f}", "clean"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = [demonstrate(language, Path(folder)) for language in LANGUAGES]
    head = ["language", "nc, TCP", "socat, Unix", "answers checked", "requests/s", "SIGTERM"]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    print()
    for row in [head, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)))
    print(f"\nThe load is one Python process with {CONNECTIONS} connections: requests/s is its limit, not the engine's.")


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
