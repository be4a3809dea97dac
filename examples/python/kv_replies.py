"""Replies of the Redis protocol: version 2, or 3, which has words of its own for nothing, maps and sets."""

from __future__ import annotations

import typing


class CommandError(Exception):
    """What is wrong with a command, in the words of Redis; with the word in front by which programs know it."""

    def __init__(self, message: str, code: str = "ERR") -> None:
        super().__init__(f"{code} {message}")


class Set(typing.List["Reply"]):
    """Different replies in any order."""


class Raw(bytes):
    """A reply as it is sent."""


OK = Raw(b"+OK\r\n")


class NullArray:
    """Nothing, where an array would be."""


Reply = typing.Union[
    None, int, str, bytes, typing.Sequence["Reply"], typing.Mapping[bytes, "Reply"], CommandError, NullArray
]
"""What a command answers: a `str` is a short text, such as PONG, `bytes` are a value."""


def encode(reply: Reply, protocol: int) -> bytes:
    if isinstance(reply, bytes):
        return reply if isinstance(reply, Raw) else b"$%d\r\n%b\r\n" % (len(reply), reply)
    if isinstance(reply, str):
        return b"+%b\r\n" % reply.encode()
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if reply is None:
        return b"$-1\r\n" if protocol == 2 else b"_\r\n"
    if isinstance(reply, CommandError):
        # Line breaks in what it quotes would break the protocol.
        text = str(reply).replace("\r", " ").replace("\n", " ")
        return b"-%b\r\n" % text.encode(errors="surrogateescape")
    if isinstance(reply, NullArray):
        return b"*-1\r\n" if protocol == 2 else b"_\r\n"
    return encode_many(reply, protocol)


def encode_many(reply: typing.Sequence[Reply] | typing.Mapping[bytes, Reply], protocol: int) -> bytes:
    kind, count, parts = b"*", len(reply), list[Reply](reply)
    if isinstance(reply, typing.Mapping):
        parts = [part for pair in reply.items() for part in pair]
        kind, count = (b"*", 2 * len(reply)) if protocol == 2 else (b"%", len(reply))
    elif isinstance(reply, Set) and protocol == 3:
        kind = b"~"
    return b"%b%d\r\n" % (kind, count) + b"".join([encode(part, protocol) for part in parts])
