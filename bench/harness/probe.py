"""One exchange compared byte for byte, where the load generator does not look at what is answered."""

from __future__ import annotations

import socket

from .samples import Fault, WrongAnswer

KV = (
    (b"*3\r\n$3\r\nSET\r\n$16\r\nkey:__rand_int__\r\n$3\r\nxyz\r\n", b"+OK\r\n"),
    (b"*2\r\n$3\r\nGET\r\n$16\r\nkey:__rand_int__\r\n", b"$3\r\nxyz\r\n"),
    (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"),
)
HTTP_REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HTTP_BODY = b"Hello, world!"
SECONDS = 5.0


def connect(url: str) -> socket.socket:
    host, _, port = url.partition("://")[2].rpartition(":")
    return socket.create_connection((host, int(port)), timeout=SECONDS)


def answer(connection: socket.socket, request: bytes, length: int) -> bytes:
    connection.sendall(request)
    taken = b""
    while len(taken) < length:
        more = connection.recv(length - len(taken))
        if not more:
            break
        taken += more
    return taken


def kv(url: str) -> None:
    """Leaves the key behind that redis-benchmark's GET asks for."""
    with connect(url) as connection:
        for request, expected in KV:
            if answer(connection, request, len(expected)) != expected:
                raise WrongAnswer(1)


def http(url: str) -> None:
    with connect(url) as connection:
        head = b""
        connection.sendall(HTTP_REQUEST)
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                raise Fault("failed: closed without an answer")
            head += byte
        right = head.startswith(b"HTTP/1.1 200 ") and b"content-length: 13\r\n" in head.lower()
        if not right or answer(connection, b"", len(HTTP_BODY)) != HTTP_BODY:
            raise WrongAnswer(1)


PROBES = {"kv": kv, "http": http}
