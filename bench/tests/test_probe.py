"""The exchange before wrk and redis-benchmark."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.probe import http, kv
from harness.samples import Fault, WrongAnswer

HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!"


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that gives these answers to what it receives, whatever that is, and then closes."""

    class Answers(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            for answer in answers:
                self.request.recv(4096)
                self.request.sendall(answer)

    with socketserver.TCPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        thread.join()


def test_kv_that_answers_rightly() -> None:
    with answering(b"+OK\r\n", b"$3\r\nxyz\r\n", b"+PONG\r\n") as url:
        kv(url)


@pytest.mark.parametrize("value", [b"$3\r\nxyy\r\n", b"$-1\r\n"])
def test_kv_that_gives_another_value(value: bytes) -> None:
    with answering(b"+OK\r\n", value) as url, pytest.raises(WrongAnswer):
        kv(url)


def test_http_that_answers_rightly() -> None:
    with answering(HTTP) as url:
        http(url)


@pytest.mark.parametrize(
    "answer", [HTTP.replace(b"200", b"404"), HTTP.replace(b": 13", b": 12"), HTTP.replace(b"world", b"World"), HTTP[:-1]]
)
def test_http_that_answers_something_else(answer: bytes) -> None:
    with answering(answer) as url, pytest.raises(WrongAnswer):
        http(url)


def test_http_that_closes() -> None:
    with answering(b"") as url, pytest.raises(Fault, match="^failed: closed without an answer$"):
        http(url)
