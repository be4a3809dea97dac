"""http: one page, and everything else refused as the protocol says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness import LIMIT, Client, Start

PAGE = b"Hello, world!"


def response(client: Client, has_body: bool = True) -> tuple[str, dict[str, str], bytes]:
    """The status, the headers and the body of the next response."""
    status = client.line().rstrip("\r")
    headers: dict[str, str] = {}
    while line := client.line().rstrip("\r"):
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    body = client.read(int(headers["content-length"])) if has_body else b""
    return status, headers, body


def get(path: str = "/", *headers: str, version: str = "1.1", method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode()


def refused(start: Start, request: bytes) -> str:
    """What a request is answered with that ends the connection."""
    with start("http").connect() as client:
        client.send(request)
        answer = response(client)
        assert answer[1]["connection"] == "close"
        assert client.rest() == b""
        return answer[0]


def test_curl_gets_the_page(start: Start) -> None:
    url = f"http://127.0.0.1:{start('http').port}/"

    def curl(*flags: str) -> bytes:
        return subprocess.run(["curl", "-s", "-i", *flags], capture_output=True, timeout=LIMIT, check=True).stdout

    head, _, body = curl(url, url).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and body.startswith(PAGE) and body.endswith(PAGE)
    head, _, body = curl("-I", url).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and f"Content-Length: {len(PAGE)}".encode() in head and body == b""
    assert curl(url + "other").startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert curl("--data", "a=1", url).startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert curl("--http1.0", url).endswith(PAGE)


def test_uploads_are_taken_and_the_connection_goes_on(start: Start, tmp_path: Path) -> None:
    http = start("http")
    # It looks like requests, and is none.
    body = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100_000
    with http.connect() as client:
        client.send(get("/", f"Content-Length: {len(body)}", method="POST") + body + get())
        assert response(client)[0] == "HTTP/1.1 405 Method Not Allowed"
        assert response(client)[2] == PAGE
    upload = tmp_path / "upload"
    upload.write_bytes(body)
    url = f"http://127.0.0.1:{http.port}/"
    for upload_flag in ("-T", "--data-binary"):
        source = str(upload) if upload_flag == "-T" else f"@{upload}"
        command = ["curl", "-s", "-w", "%{http_code} ", upload_flag, source, url + "?", "--next", "-s", url]
        answer = subprocess.run(command, capture_output=True, timeout=LIMIT, check=True).stdout
        assert answer in (b"405 Method Not Allowed405 " + PAGE, b"404 Not Found404 " + PAGE)


def test_pipelined_requests_are_answered_in_order(start: Start) -> None:
    with start("http").connect() as client:
        client.send((get() + get("/none") + get("/", "Content-Length: 5", method="POST") + b"12345") * 200 + get("/?q"))
        for _ in range(200):
            assert response(client)[0] == "HTTP/1.1 200 OK"
            assert response(client)[0] == "HTTP/1.1 404 Not Found"
            status, headers, _ = response(client)
            assert (status, headers["allow"]) == ("HTTP/1.1 405 Method Not Allowed", "GET, HEAD, OPTIONS")
        assert response(client) == ("HTTP/1.1 200 OK", response_headers(), PAGE)


# What some parser knows, what none does, what other protocols begin with, and what is as short or long as can be.
METHODS = ["DELETE", "QUERY", "CONNECT", "BREW", "get", "SETUP", "PRI", "G", "OPTIONSX", "!#$%&'*+-.^_`|~09Az", "X" * 300]


@pytest.mark.parametrize("method", METHODS)
def test_any_other_method_is_not_allowed_and_the_connection_goes_on(start: Start, method: str) -> None:
    with start("http").connect() as client:
        # Behind another request, and with a body that looks like one.
        client.send(get() + get("/", f"Content-Length: {len(get())}", method=method) + get() + get("/none", method=method) + get())
        assert response(client)[2] == PAGE
        status, headers, body = response(client)
        assert (status, headers["allow"]) == ("HTTP/1.1 405 Method Not Allowed", "GET, HEAD, OPTIONS")
        assert (headers.get("connection"), body) == (None, b"405 Method Not Allowed")
        assert response(client)[0] == "HTTP/1.1 404 Not Found"
        assert response(client) == ("HTTP/1.1 200 OK", response_headers(), PAGE)


@pytest.mark.parametrize("target", ["http://a/", "HTTP://a:80/?q", "http://a", "http://a?q/x", "/?q", "/?" + "x" * 3000])
def test_the_page_may_be_asked_for_by_its_url(start: Start, target: str) -> None:
    with start("http").connect() as client:
        client.send(get(target) + get("http://a/none"))
        assert response(client)[2] == PAGE
        assert response(client)[0] == "HTTP/1.1 404 Not Found"


def response_headers(**more: str) -> dict[str, str]:
    return {"content-type": "text/plain", "content-length": str(len(PAGE)), **more}


def test_a_request_may_come_byte_by_byte(start: Start) -> None:
    with start("http").connect() as client:
        client.socket.setsockopt(6, 1, 1)
        for byte in get("/", "Content-Length: 3", method="HEAD") + b"abc" + get():
            client.send(bytes([byte]))
        assert response(client, has_body=False)[1] == response_headers()
        assert response(client)[2] == PAGE


def test_the_client_says_how_long_the_connection_lives(start: Start) -> None:
    http = start("http")
    for request in (get("/", "Connection: close"), get(version="1.0"), get("/", "Connection: x, Close")):
        with http.connect() as client:
            client.send(request + get())
            assert response(client) == ("HTTP/1.1 200 OK", response_headers(connection="close"), PAGE)
            assert client.rest() == b""
    with http.connect() as client:
        client.send(get("/", "Connection: Keep-Alive", version="1.0") * 2)
        for _ in range(2):
            assert response(client)[1] == response_headers(connection="keep-alive")


def test_a_body_that_is_announced_is_asked_for(start: Start) -> None:
    with start("http").connect() as client:
        client.send(get("/", "Expect: 100-continue", "Content-Length: 3", method="PUT"))
        assert client.line() == "HTTP/1.1 100 Continue\r" and client.line() == "\r"
        assert response(client)[0] == "HTTP/1.1 405 Method Not Allowed"
        client.send(b"abc" + get())
        assert response(client)[2] == PAGE


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        get("/", "Content-Length: 1x"),
        get("/", "Content-Length: -1"),
        get("/", "Content-Length: +1"),
        get("/", "Content-Length: 99999999999999999999"),
        get("/", "Content-Length: 1", "Content-Length: 2"),
        get("/", "no colon"),
        get(method="A(B"),
        get(method=""),
        get(version="1.2"),
        get(version="2.0"),
        get("/a b"),
        get(""),
        b"GET /\r\n\r\n",
        b" " + get(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(start: Start, request_: bytes) -> None:
    assert refused(start, request_) == "HTTP/1.1 400 Bad Request"


@pytest.mark.parametrize(
    "request_",
    [
        # Line ends: each alone, all of them, and a line that goes on in the next one.
        get().replace(b"\r\n", b"\n"),
        get().replace(b"\r\n", b"\n", 1),
        get("/", "A: b").replace(b"A: b\r\n", b"A: b\n"),
        get("/", "A:").replace(b"A:\r\n", b"A:\n"),
        get()[:-2] + b"\n",
        get()[:-2] + b"\rX",
        b"\n" + get(),
        b"\r" + get(),
        get("/", "A: b\r\n c"),
        get("/", "A: b\r\n\tc"),
        # Lengths, and what could be taken for one.
        get("/", "Content-Length: 3", "Content-Length: 3") + b"abc",
        get("/", "Content-Length: 3, 3") + b"abc",
        get("/", "Content-Length: "),
        get("/", "Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        get("/", "Transfer-Encoding: chunked, chunked"),
        get("/", "Transfer-Encoding: chunked, gzip"),
        get("/", "Transfer-Encoding: chunked", version="1.0"),
        # Names.
        get("/", "Content-Length : 3") + b"abc",
        get("/", "A B: c"),
        get("/", "A : c"),
        get("/", ": c"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(start: Start, request_: bytes) -> None:
    assert refused(start, request_) == "HTTP/1.1 400 Bad Request"


def test_an_empty_line_in_front_of_a_request_is_passed_over(start: Start) -> None:
    with start("http").connect() as client:
        client.send(b"\r\n" + get("/", "Content-Length: 3") + b"abc" + b"\r\n" + get())
        assert [response(client)[2], response(client)[2]] == [PAGE, PAGE]


# It looks like a request, and is none.
CHUNKS = b'5\r\nGET /\r\n00b;a="b";c\r\n HTTP/1.1\r\n\r\n0;\r\nTrailer: x\r\nno colon\r\n\r\n'


@pytest.mark.parametrize("is_split", [False, True])
def test_a_body_in_chunks_is_read_to_its_end(start: Start, is_split: bool) -> None:
    with start("http").connect() as client:
        client.socket.setsockopt(6, 1, 1)
        sent = get("/", "Transfer-Encoding: Chunked ", method="POST") + CHUNKS + get()
        for at in range(0, len(sent), 1 if is_split else len(sent)):
            client.send(sent[at : at + (1 if is_split else len(sent))])
        status, headers, _ = response(client)
        assert (status, headers.get("connection")) == ("HTTP/1.1 405 Method Not Allowed", None)
        assert response(client)[2] == PAGE


def test_curl_sends_a_body_in_chunks(start: Start) -> None:
    url = f"http://127.0.0.1:{start('http').port}/"
    command = ["curl", "-s", "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "--data-binary", "@-", url]
    upload = b"0123456789" * 100_000
    said = subprocess.run([*command, "--next", "-s", url], input=upload, capture_output=True, timeout=LIMIT, check=True)
    assert said.stdout == b"405 Method Not Allowed" + PAGE


@pytest.mark.parametrize(
    "chunks",
    [b"x\r\n", b"\r\n", b"5\nhello", b"5 \r\n", b"5\r\nhelloX", b"5\r\nhello\rX", b"0\r\nA: b\n", b"fffffffffffffffff\r\n"]
    + [b"5;" + b"a" * 20_000, b"0\r\nA: " + b"a" * 20_000],
)
def test_what_are_no_chunks_ends_the_connection(start: Start, chunks: bytes) -> None:
    with start("http").connect() as client:
        client.send(get("/", "Transfer-Encoding: chunked", method="POST"))
        assert response(client)[0] == "HTTP/1.1 405 Method Not Allowed"
        client.send(chunks)
        assert client.rest() == b""


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "chunked;q=1"])
def test_an_unknown_coding_is_refused(start: Start, coding: str) -> None:
    assert refused(start, get("/", f"Transfer-Encoding: {coding}")) == "HTTP/1.1 501 Not Implemented"


def test_who_asks_for_another_protocol_is_answered_in_this_one(start: Start) -> None:
    http = start("http")
    asked = ["Connection: upgrade", "Upgrade: h2c"]
    # A body is none of the new protocol's, and no request.
    for headers, body in (asked, b""), ([*asked, f"Content-Length: {len(get())}"], get()):
        with http.connect() as client:
            client.send(get("/", *headers))
            status, told, page = response(client)
            assert (status, page) == ("HTTP/1.1 200 OK", PAGE)
            if told.get("connection") != "close":
                client.send(body + get())
                assert response(client)[2] == PAGE
            client.end()
            assert client.rest() == b""


def test_options_are_told(start: Start) -> None:
    http = start("http")
    # The first is what HAProxy's check asks when nothing else is configured.
    for request in (b"OPTIONS / HTTP/1.0\r\n\r\n", get("*", "Connection: close", method="OPTIONS")):
        with http.connect() as client:
            client.send(request)
            expected = {"content-type": "text/plain", "content-length": "0", "connection": "close"}
            assert response(client) == ("HTTP/1.1 200 OK", {**expected, "allow": "GET, HEAD, OPTIONS"}, b"")
            assert client.rest() == b""
    with http.connect() as client:
        client.send(get("/none", method="OPTIONS") + get())
        assert response(client)[0] == "HTTP/1.1 404 Not Found"
        assert response(client)[2] == PAGE


@pytest.mark.parametrize(
    "request_", [get("/" + "x" * 20_000), get("/", "A: " + "x" * 20_000), b"GET /" + b"x" * 20_000]
)
def test_a_head_that_is_too_long_is_refused(start: Start, request_: bytes) -> None:
    assert refused(start, request_) == "HTTP/1.1 431 Request Header Fields Too Large"


def test_too_many_headers_are_refused(start: Start) -> None:
    assert refused(start, get("/", *["A: b"] * 200)) == "HTTP/1.1 431 Request Header Fields Too Large"


def test_wrk_finds_no_error(start: Start) -> None:
    url = f"http://127.0.0.1:{start('http').port}/"
    command = ["wrk", "-t", "1", "-c", "50", "-d", "1", url]
    said = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True).stdout
    assert "Requests/sec" in said and "Socket errors" not in said and "Non-2xx" not in said, said
    assert int(said.split(" requests in ")[0].split()[-1]) > 100
