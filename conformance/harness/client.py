"""A client of a subject: a blocking socket with a hang guard."""

from __future__ import annotations

import socket
import struct
from types import TracebackType
from urllib.parse import unquote_to_bytes

#: Seconds after which something that should have come never will. Far above what a busy machine needs.
HANG_GUARD = 30.0


def pattern(size: int) -> bytes:
    """The bytes of the command `write N`: byte i is i mod 251."""
    period = bytes(range(251))
    return (period * (size // 251 + 1))[:size]


def address(url: str) -> tuple[socket.AddressFamily, bytes | tuple[str, int]]:
    """Where to connect for an address that a subject listens on."""
    scheme, rest = url.split("://", 1)
    if scheme == "unix":
        name = unquote_to_bytes(rest.removeprefix("@"))
        return socket.AF_UNIX, b"\0" + name if rest.startswith("@") else name
    host, port = rest.rsplit(":", 1)
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return family, ("::1" if host == "::" else "127.0.0.1" if host == "0.0.0.0" else host, int(port))


class Client:
    """A connected client. Every blocking call ends by itself."""

    def __init__(self, url: str, receive_buffer: int | None = None) -> None:
        family, target = address(url)
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(HANG_GUARD)
        if receive_buffer is not None:
            # Before connecting: the window is agreed on then.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(target)
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def command(self, *lines: str) -> None:
        """Sends script commands in one piece."""
        self.send("".join(f"{line}\n" for line in lines).encode())

    def ask(self, line: str) -> str:
        """Sends a script command that answers a line, and returns that line."""
        self.command(line)
        return self.line()

    def id(self) -> str:
        return self.ask("id")

    def chunk(self, limit: int = 1 << 18) -> bytes:
        """What is there, at most `limit` bytes; empty at the end."""
        if self._read:
            data, self._read = self._read[:limit], self._read[limit:]
            return data
        return self.socket.recv(limit)

    def exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            chunk = self.chunk(min(size - len(data), 1 << 18))
            if not chunk:
                raise EOFError(f"the end came after {len(data)} of {size} bytes: ...{bytes(data[-60:])!r}")
            data += chunk
        return bytes(data)

    def line(self) -> str:
        while b"\n" not in self._read:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError(f"the end came after {self._read!r} instead of a line")
            self._read += data
        line, self._read = self._read.split(b"\n", 1)
        return line.decode()

    def to_the_end(self) -> bytes:
        """All bytes until the server ends its side."""
        data = bytearray()
        while chunk := self.chunk():
            data += chunk
        return bytes(data)

    def end(self) -> None:
        """Ends this side: the server sees EOF."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Closes with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def accept(found: socket.socket) -> Client:
    """The next connection that the subject makes, as a client speaks to it."""
    client = Client.__new__(Client)
    client._read = b""
    client.socket, _ = found.accept()
    client.socket.settimeout(HANG_GUARD)
    return client
