"""RESP2 as redis-benchmark speaks it, commands being arrays of bulk strings, for the cache of cache.py.

It keeps to that: no inline commands, and nobody looks at what stands before a number. What is no such array ends the
connection. The answers to all commands of a read leave in one write, and the command is cut in three ways:

Walked: hand-parsed, one walk over the bytes of a read, from number to number. Right whatever the values are.
Split: hand-parsed, at the ends of lines, which the interpreter finds faster than a program of its own. A value that has one in
it does not have the length that it says: from there on it is walked. Faster than the walk where values are short.
Read: by hiredis, as its documentation has it: what a `Reader` is fed, it gives back as lists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import hiredis

from cache import obey
from protocols import Session

CRLF = b"\r\n"
# Bytes of the longest command.
MAX_COMMAND = 64 << 20
ARRAY = b"*"[0]


class Sizes(dict[int, bytes]):
    """What stands before a bulk string of so many bytes. Of most lengths it is made once."""

    def __missing__(self, size: int) -> bytes:
        return b"$%d" % size


SIZES = Sizes({size: b"$%d" % size for size in range(1_024)})
COUNTS = {b"*%d" % count: count for count in range(1, 17)}


def walk(data: bytes, answers: list[bytes]) -> tuple[int, int]:
    """Answers what is complete. Says where the rest begins, and how far it has to reach before another look is worth it."""
    find = data.find
    start, size = 0, len(data)
    while start < size:
        if data[start] != ARRAY:
            raise ValueError("not an array")
        end = find(CRLF, start)
        if end < 0:
            return start, size + 1
        arguments: list[bytes] = []
        at = end + 2
        for _ in range(int(data[start + 1 : end])):
            end = find(CRLF, at)
            if end < 0:
                return start, max(at, size + 1)
            begin = end + 2
            at = begin + int(data[at + 1 : end])
            arguments.append(data[begin:at])
            at += 2
        if at > size:
            return start, at
        if at <= start or not arguments:
            raise ValueError("a length below zero, or no argument")
        answers.append(obey(arguments))
        start = at
    return start, 0


class Walked(Session):
    """A connection whose commands are walked."""

    def __init__(self) -> None:
        # The beginning of a command, and how many bytes there must be before another look at it is worth it.
        self.partial = bytearray()
        self.wanted = 0

    def data_received(self, data: bytes) -> None:
        if self.partial:
            self.partial += data
            if len(self.partial) < self.wanted:
                return
            data, self.partial = bytes(self.partial), bytearray()
        answers: list[bytes] = []
        rest = self.answer(data, answers)
        if answers:
            self.transport.write(b"".join(answers))
        if rest:
            self.partial += rest

    def answer(self, data: bytes, answers: list[bytes]) -> bytes:
        """Answers what is complete, and returns the rest."""
        start, wanted = walk(data, answers)
        self.wanted = wanted - start
        if self.wanted > MAX_COMMAND:
            raise ValueError("a command is too long")
        return data[start:]


class Split(Walked):
    """A connection whose commands are split."""

    def answer(self, data: bytes, answers: list[bytes]) -> bytes:
        words = data.split(CRLF)
        at, last = 0, len(words) - 1
        # More arguments than usual, or none, are walked, and so is what is not complete.
        while (end := at + 1 + 2 * COUNTS.get(words[at], last)) <= last:
            arguments = words[at + 2 : end : 2]
            if words[at + 1 : end : 2] != [SIZES[len(argument)] for argument in arguments]:
                break
            answers.append(obey(arguments))
            at = end
        rest = CRLF.join(words[at:])
        return super().answer(rest, answers) if rest else rest


class Read(Session):
    """A connection whose commands hiredis reads."""

    def __init__(self) -> None:
        reader = hiredis.Reader()
        self.feed = reader.feed
        self.gets = cast(Callable[[], list[bytes] | Literal[False]], reader.gets)

    def data_received(self, data: bytes) -> None:
        self.feed(data)
        gets = self.gets
        answers: list[bytes] = []
        while (arguments := gets()) is not False:
            answers.append(obey(arguments))
        if answers:
            self.transport.write(b"".join(answers))
