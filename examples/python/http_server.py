#!/usr/bin/env python3
"""A web server for one page: HTTP/1.1 with keep-alive and pipelining, and HTTP/1.0.

http_server.py --listen URL [--listen URL]... [--loops N]; then `curl http://127.0.0.1:PORT/`.

It is strict where two readers of the same bytes could see different requests: line ends, lengths, header names. httptools, the
parser of Node, reads the headers. It does not see request lines, because it refuses methods and targets that it does not know, nor
bodies, because it stops reading where an upgrade is asked for. Its differences from Rust's parser that show: `Proxy-Connection` counts
as `Connection`, and a Transfer-Encoding without a value is a bad request.
"""

from __future__ import annotations

import functools
import re
import typing

import httptools
import launch
import reactor
from http_body import Body, Malformed

PAGE = "Hello, world!"
MAX_HEAD = 16 << 10
"""Request line and headers may have so many bytes."""
MAX_HEADERS = 64
IDLE = 60.0
"""A client that says nothing for so many seconds is closed."""

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e\x80-\xff]+) (HTTP/1\.[01])\r\n")
BEGINNING = re.compile(rb"\r?\Z|" + TOKEN + rb"( |\Z)")
"""How a request begins of which the rest has not come yet."""


class Refusal(Exception):
    """What is no request; with the status of the answer."""


BAD = "400 Bad Request"
TOO_LARGE = "431 Request Header Fields Too Large"


def status_of(method: bytes, target: bytes) -> str:
    if method == b"OPTIONS" and target == b"*":
        return "200 OK"  # Of the server as a whole.
    path = target.partition(b"?")[0]
    if path[:7].lower() == b"http://":
        # A proxy may send the whole URL.
        path = b"/" + path[7:].partition(b"/")[2]
    if path != b"/":
        return "404 Not Found"
    return "200 OK" if method in (b"GET", b"HEAD", b"OPTIONS") else "405 Method Not Allowed"


@functools.lru_cache(maxsize=64)
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


def has_wrong_lines(text: bytes) -> bool:
    """Whether a line ends otherwise than by CR and LF, or goes on in the next one. The last LF may not have come yet."""
    ends = text.count(b"\r\n")
    alone = text.count(b"\n") != ends or text.count(b"\r") != ends + text.endswith(b"\r")
    return alone or b"\n " in text or b"\n\t" in text


NO_BODY = Body()


class Head:
    """Request line and headers. The parser calls the methods on_..."""

    def __init__(self, text: bytes) -> None:
        self.headers: dict[bytes, list[bytes]] = {}
        """The values of each, by its name in small letters."""
        line = REQUEST_LINE.match(text)
        if line is None or has_wrong_lines(text):
            raise Refusal(BAD)
        self.method, self.target, version = line.groups()
        self.is_old = version == b"HTTP/1.0"
        self.keeps_alive: bool | None = None
        self.parser = httptools.HttpRequestParser(self)
        try:
            self.parser.feed_data(b"GET / " + text[line.start(3) :])
        except httptools.HttpParserUpgrade:
            pass  # Nobody here speaks another protocol.
        except httptools.HttpParserError:
            # Behind the headers it looks at the coding of the body, as is done here.
            if self.keeps_alive is None:
                raise Refusal(BAD) from None
        self.check()

    def on_headers_complete(self) -> None:
        self.keeps_alive = self.parser.should_keep_alive()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.setdefault(name.lower(), []).append(value)

    def values(self, name: bytes) -> typing.Sequence[bytes]:
        return self.headers.get(name, ())

    def words(self, name: bytes) -> list[bytes]:
        """Of a header with a list, `a, b`."""
        return [word.strip().lower() for value in self.values(name) for word in value.split(b",")]

    def check(self) -> None:
        """What the parser lets pass."""
        if sum(map(len, self.headers.values())) > MAX_HEADERS:
            raise Refusal(TOO_LARGE)
        codings = self.words(b"transfer-encoding")
        hosts = len(self.values(b"host"))
        if hosts > 1 or (hosts == 0 and not self.is_old) or (codings and self.is_old):
            raise Refusal(BAD)
        if codings not in ([], [b"chunked"]):
            raise Refusal("501 Not Implemented")

    def body(self) -> Body:
        if self.values(b"transfer-encoding"):
            return Body(in_chunks=True)
        lengths = self.values(b"content-length")
        return Body(int(lengths[0])) if lengths else NO_BODY


class Client:
    """What a connection remembers. A request is answered when its head is there. Nobody wants its body: it is skipped, and so read
    to its end."""

    def __init__(self) -> None:
        self.rest = b""
        """Of the input, what is not whole yet."""
        self.body = NO_BODY
        self.answers = bytearray()
        self.is_over = False
        """Nothing may follow."""

    def read(self, data: bytes) -> None:
        """Answers the requests in the input."""
        data, at = self.rest + data if self.rest else data, 0
        try:
            while at < len(data) and not self.is_over:
                end = self.read_head(data, at) if self.body.is_over else self.body.skip(data, at)
                if end == at:
                    break
                at = end
        except Malformed:
            # The answer was given before. Nobody knows where the next request would begin.
            self.is_over = True
        except Refusal as refusal:
            self.answers += response(str(refusal))
            self.is_over = True
        self.rest = data[at:]

    def read_head(self, data: bytes, at: int) -> int:
        """Answers a request, and says where it ends; where it begins if it is not whole."""
        if data.startswith(b"\r\n", at):
            return at + 2  # An empty line may stand in front.
        end = data.find(b"\r\n\r\n", at, at + MAX_HEAD) + 4
        if end >= 4:
            self.answer(Head(data[at:end]))
            return end
        part = data[at : at + MAX_HEAD + 1]
        if not BEGINNING.match(part) or has_wrong_lines(part):
            raise Refusal(BAD)
        if len(part) > MAX_HEAD:
            raise Refusal(TOO_LARGE)
        return at

    def answer(self, head: Head) -> None:
        self.body = head.body()
        if not head.is_old and not self.body.is_over and b"100-continue" in head.words(b"expect"):
            self.answers += b"HTTP/1.1 100 Continue\r\n\r\n"
        self.is_over = not head.keeps_alive
        connection = "close" if self.is_over else "keep-alive" if head.is_old else ""
        self.answers += response(status_of(head.method, head.target), head.method, connection)


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
