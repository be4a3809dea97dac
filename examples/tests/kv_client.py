"""What the tests of kv share: requests and replies."""

from __future__ import annotations

from harness import Client

MIB = 1 << 20


def request(*words: bytes | str | int) -> bytes:
    """As a client sends it."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def reply(client: Client) -> bytes:
    """The next reply as it came, whole."""
    line = client.line().encode("utf-8") + b"\n"
    if line[:1] == b"$" and line != b"$-1\r\n":
        line += client.read(int(line[1:]) + 2)
    if line[:1] in b"*~%":
        line += b"".join(reply(client) for _ in range(int(line[1:]) * (2 if line[:1] == b"%" else 1)))
    return line


def ask(client: Client, *words: bytes | str | int) -> bytes:
    client.send(request(*words))
    return reply(client)
