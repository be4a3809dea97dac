#!/usr/bin/env python3
"""A web server for one page: HTTP/1.1 with keep-alive and pipelining, and HTTP/1.0.

http_server.py --listen URL [--listen URL]... [--loops N]; then `curl http://127.0.0.1:PORT/`.

It is strict where two readers of the same bytes could see different requests: line ends, lengths, header names. Most of that is
done by the parser, httptools.
"""

from __future__ import annotations

import typing

import httptools
import launch
import reactor

PAGE = "Hello, world!"
MAX_HEAD = 16 << 10
"""Request line and headers may have so many bytes, and so may what stands around the pieces of a body."""
MAX_HEADERS = 64
CHUNK_SIZE = 20
"""What a chunk has beside its data at most, its extensions excepted."""
IDLE = 60.0
"""A client that says nothing for so many seconds is closed."""
LF, CR = b"\n\r"


class Refusal(Exception):
    """What is no request; with the status of the answer."""


BAD = "400 Bad Request"
TOO_LARGE = "431 Request Header Fields Too Large"


def status_of(method: bytes, target: bytes) -> str:
    if method == b"OPTIONS" and target == b"*":
        return "200 OK"  # Of the server as a whole.
    if target.startswith(b"http://"):
        # A proxy may send the whole URL.
        target = b"/" + target[7:].partition(b"/")[2]
    if target.partition(b"?")[0] != b"/":
        return "404 Not Found"
    return "200 OK" if method in (b"GET", b"HEAD", b"OPTIONS") else "405 Method Not Allowed"


def response(status: str, method: bytes = b"GET", connection: str = "close") -> bytes:
    body = status
    if status.startswith("200"):
        body = "" if method == b"OPTIONS" else PAGE
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/plain", f"Content-Length: {len(body)}"]
    if method == b"OPTIONS" or status.startswith("405"):
        lines.append("Allow: GET, HEAD, OPTIONS")
    if connection:
        lines.append(f"Connection: {connection}")
    return "\r\n".join([*lines, "", "" if method == b"HEAD" else body]).encode()


class Head:
    """Request line and headers."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def values(self, name: bytes) -> list[bytes]:
        return [value for given, value in self.headers if given.lower() == name]

    def words(self, name: bytes) -> list[bytes]:
        """Of a header with a list, `a, b`."""
        return [word.strip().lower() for value in self.values(name) for word in value.split(b",")]

    def check(self, version: str) -> None:
        """What the parser lets pass."""
        codings = self.words(b"transfer-encoding")
        hosts = len(self.values(b"host"))
        if version not in ("1.0", "1.1") or hosts > 1 or (version == "1.1" and hosts == 0):
            raise Refusal(BAD)
        if codings and version == "1.0":
            raise Refusal(BAD)
        if codings not in ([], [b"chunked"]):
            raise Refusal("501 Not Implemented")

    @property
    def has_body(self) -> bool:
        return bool(self.values(b"transfer-encoding")) or self.values(b"content-length") not in ([], [b"0"])


class Client:
    """What a connection remembers. A request is answered when its head is there. Nobody wants its body: it is skipped, and so read
    to its end. The parser calls the methods on_..."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.head = Head()
        self.stage: typing.Literal["between", "head", "body"] = "between"
        self.answers = bytearray()
        self.is_over = False
        """Nothing may follow."""
        self.size = 0
        """Bytes of the head, or of the trailers, that the parser has told of."""
        self.untold = 0
        """Bytes that it was given since it told of the beginning or the end of a head, but for bodies."""
        self.last = 0
        """The byte before the input."""

    def read(self, data: bytes) -> None:
        """Answers the requests in the input."""
        try:
            # The parser lets that pass.
            if self.stage == "between" and data[0] == LF and self.last != CR:
                raise Refusal(BAD)
            self.last = data[-1]
            self.untold += len(data)
            self.parser.feed_data(data)
            self.untold = max(self.untold, 0)
            self.check_size(self.untold)
        except httptools.HttpParserUpgrade:
            pass  # It was answered, and is the last.
        except httptools.HttpParserError as error:
            refusal = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else Refusal(BAD)
            if not isinstance(refusal, Refusal):
                raise
            self.refuse(refusal)
        except Refusal as refusal:
            self.refuse(refusal)

    def refuse(self, refusal: Refusal) -> None:
        # In a body the answer was given before. Nobody knows where the next request would begin.
        if self.stage != "body" and not self.is_over:
            self.answers += response(str(refusal))
        self.is_over = True

    def check_size(self, size: int) -> None:
        if size > MAX_HEAD:
            raise Refusal(TOO_LARGE)

    def on_message_begin(self) -> None:
        self.stage, self.head, self.size, self.untold = "head", Head(), 0, 0

    def on_url(self, part: bytes) -> None:
        self.head.target += part
        self.size += len(part)
        self.check_size(self.size)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.size += len(name) + len(value) + 4
        self.check_size(self.size)
        if self.stage == "head":
            self.head.headers.append((name, value))
        if len(self.head.headers) > MAX_HEADERS:
            raise Refusal(TOO_LARGE)

    def on_headers_complete(self) -> None:
        version, method, head = self.parser.get_http_version(), self.parser.get_method(), self.head
        head.check(version)
        self.stage, self.size, self.untold = "body", 0, 0
        if version == "1.1" and head.has_body and b"100-continue" in head.words(b"expect"):
            self.answers += b"HTTP/1.1 100 Continue\r\n\r\n"
        # Of a request for another protocol the parser does not read the body, so what follows is unknown.
        self.is_over = self.parser.should_upgrade() or not self.parser.should_keep_alive()
        connection = "close" if self.is_over else "keep-alive" if version == "1.0" else ""
        self.answers += response(status_of(method, head.target), method, connection)

    def on_chunk_header(self) -> None:
        self.untold -= CHUNK_SIZE

    def on_body(self, part: bytes) -> None:
        self.untold -= len(part)

    def on_message_complete(self) -> None:
        self.stage = "between"


class Http(launch.Handler):
    def on_open(self, conn: reactor.Conn) -> None:
        conn.context = Client()

    def on_data(self, conn: reactor.Conn, data: bytes) -> reactor.Action | None:
        client: Client = conn.context
        client.read(data)
        if client.answers:
            conn.write(client.answers)
            client.answers.clear()
        return reactor.Action.CLOSE if client.is_over else None


if __name__ == "__main__":
    launch.serve(Http(), launch.Parser(__doc__).parse(), idle=IDLE)
