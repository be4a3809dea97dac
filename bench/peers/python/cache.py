"""A cache with the commands that redis-benchmark uses, PING, GET, SET and DEL, for whatever cuts commands: SET has no options."""

from __future__ import annotations

values: dict[bytes, bytes] = {}


def obey(arguments: list[bytes]) -> bytes:
    """The answer to a command. Names in capitals, as clients send them, are found first."""
    name = arguments[0]
    if name == b"GET" and len(arguments) == 2:
        value = values.get(arguments[1])
        return b"$-1\r\n" if value is None else b"$%d\r\n%b\r\n" % (len(value), value)
    if name == b"SET" and len(arguments) == 3:
        values[arguments[1]] = arguments[2]
        return b"+OK\r\n"
    if name == b"PING" and len(arguments) == 1:
        return b"+PONG\r\n"
    if name == b"DEL" and len(arguments) > 1:
        return b":%d\r\n" % sum(values.pop(key, None) is not None for key in arguments[1:])
    if name != name.upper():
        return obey([name.upper(), *arguments[1:]])
    return b"-ERR unknown command, or a wrong number of arguments\r\n"
