"""A cache with the commands that redis-benchmark uses, PING, GET, SET and DEL, for whatever cuts commands: SET has no options."""

from __future__ import annotations

values: dict[bytes, bytes] = {}


def obey(arguments: list[bytes]) -> bytes:
    """The answer to a command."""
    name, count = arguments[0].upper(), len(arguments)
    if name == b"GET" and count == 2:
        value = values.get(arguments[1])
        return b"$-1\r\n" if value is None else b"$%d\r\n%b\r\n" % (len(value), value)
    if name == b"SET" and count == 3:
        values[arguments[1]] = arguments[2]
        return b"+OK\r\n"
    if name == b"PING" and count == 1:
        return b"+PONG\r\n"
    if name == b"DEL" and count > 1:
        return b":%d\r\n" % sum(values.pop(key, None) is not None for key in arguments[1:])
    return b"-ERR unknown command, or a wrong number of arguments\r\n"
