"""The bodies of requests. Nobody wants them here: they are skipped, and so read to their ends."""

from __future__ import annotations

import re

MAX_EXTRA = 16 << 10
"""Extensions of chunks and trailers may have so many bytes."""
SIZE = re.compile(rb"([0-9A-Fa-f]+)(;[\t\x20-\x7e\x80-\xff]*)?")
END_OF_DATA = re.compile(rb"")
TRAILER = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


class Malformed(Exception):
    """What came is no body in chunks."""


class Body:
    """What has not come yet of a request's body."""

    def __init__(self, length: int = 0, in_chunks: bool = False) -> None:
        self.left = length
        """Bytes of the body, or of the chunk."""
        self.line = SIZE if in_chunks else None
        """What the next line of a body in chunks has to be, behind the bytes of the chunk."""
        self.extra = 0

    @property
    def is_over(self) -> bool:
        return self.left == 0 and self.line is None

    def skip(self, data: bytes, at: int) -> int:
        """Says where the body ends in the input, or how far it was read; the same place if a line is not whole yet."""
        if self.left or self.line is None:
            taken = min(self.left, len(data) - at)
            self.left -= taken
            return at + taken
        end = data.find(b"\r\n", at)
        line = data[at:end] if end >= 0 else data[at:].removesuffix(b"\r")
        found = self.line.fullmatch(line)
        is_begun = end < 0 and not line
        if not (found or is_begun) or self.extra + len(line) > MAX_EXTRA:
            raise Malformed
        if end < 0:
            return at
        self.take_line(line)
        return end + 2

    def take_line(self, line: bytes) -> None:
        if self.line is END_OF_DATA:
            self.line = SIZE
        elif self.line is TRAILER:
            self.extra += len(line)
            self.line = TRAILER if line else None
        else:
            size, _, extension = line.partition(b";")
            self.extra += len(extension)
            self.left = int(size, 16)
            if self.left >= 1 << 64:
                raise Malformed
            self.line = END_OF_DATA if self.left else TRAILER
