"""The commands that read and write values."""

from __future__ import annotations

from kv_commands import (
    MAX, MIN, SYNTAX, Client, command, every, integer, invalid_expire, one, wrong_number
)
from kv_replies import OK, CommandError, Reply
from kv_store import MAX_MOMENT, Store

MAX_MGET = 64 << 20
"""Bytes that the values of one MGET may have together: a small request can ask for one large value many times."""


@command("get", 2, "readonly fast", "@read @string @fast", one("RO access"))
def get(client: Client, args: list[bytes]) -> Reply:
    return client.store.get(args[1])


def moment_after(store: Store, time: bytes, unit: int, name: str) -> int:
    """The moment after so many units of so many milliseconds."""
    count = integer(time)
    moment = store.now() + count * unit
    if count <= 0 or moment > MAX_MOMENT:
        raise invalid_expire(name)
    return moment


@command(
    "set", -3, "write denyoom", "@write @string @slow",
    one("RW access update variable_flags", "RW and ACCESS due to the optional `GET` argument"),
)
def set_(client: Client, args: list[bytes]) -> Reply:
    store, key = client.store, args[1]
    if len(args) == 3:
        store.set(key, args[2])
        return OK
    options: set[bytes] = set()
    moment = None
    words = iter(args[3:])
    for word in map(bytes.lower, words):
        if word in (b"ex", b"px") and moment is None and b"keepttl" not in options:
            time = next(words, None)
            if time is None:
                raise CommandError(SYNTAX)
            moment = moment_after(store, time, 1000 if word == b"ex" else 1, "set")
        elif word in (b"nx", b"xx", b"get") or (word == b"keepttl" and moment is None):
            options.add(word)
        else:
            raise CommandError(SYNTAX)
    if {b"nx", b"xx"} <= options:
        raise CommandError(SYNTAX)
    old = store.get(key)
    writes = b"nx" not in options if old is not None else b"xx" not in options
    if writes:
        store.set(key, args[2], store.expires.get(key) if b"keepttl" in options else moment)
    if b"get" in options:
        return old
    return OK if writes else None


@command("setnx", 3, "write denyoom fast", "@write @string @fast", one("OW insert"))
def setnx(client: Client, args: list[bytes]) -> Reply:
    if client.store.get(args[1]) is not None:
        return 0
    client.store.set(args[1], args[2])
    return 1


@command("setex", 4, "write denyoom", "@write @string @slow", one("OW update"))
def setex(client: Client, args: list[bytes]) -> Reply:
    client.store.set(args[1], args[3], moment_after(client.store, args[2], 1000, "setex"))
    return OK


def add(client: Client, key: bytes, by: int) -> Reply:
    old = client.store.get(key)
    value = (0 if old is None else integer(old)) + by
    if not MIN <= value <= MAX:
        raise CommandError("increment or decrement would overflow")
    client.store.set(key, b"%d" % value, client.store.expires.get(key))
    return value


@command("incr", 2, "write denyoom fast", "@write @string @fast", one("RW access update"))
def incr(client: Client, args: list[bytes]) -> Reply:
    return add(client, args[1], 1)


@command("decr", 2, "write denyoom fast", "@write @string @fast", one("RW access update"))
def decr(client: Client, args: list[bytes]) -> Reply:
    return add(client, args[1], -1)


@command("incrby", 3, "write denyoom fast", "@write @string @fast", one("RW access update"))
def incrby(client: Client, args: list[bytes]) -> Reply:
    return add(client, args[1], integer(args[2]))


@command("decrby", 3, "write denyoom fast", "@write @string @fast", one("RW access update"))
def decrby(client: Client, args: list[bytes]) -> Reply:
    by = integer(args[2])
    if by == MIN:
        raise CommandError("decrement would overflow")
    return add(client, args[1], -by)


@command(
    "mget", -2, "readonly fast", "@read @string @fast", every("RO access"), "request_policy:multi_shard"
)
def mget(client: Client, args: list[bytes]) -> Reply:
    values = [client.store.get(key) for key in args[1:]]
    if sum(len(value) for value in values if value) > MAX_MGET:
        raise CommandError("the values have more than 64 MiB together")
    return values


@command(
    "mset", -3, "write denyoom", "@write @string @slow", every("OW update", 2),
    "request_policy:multi_shard response_policy:all_succeeded",
)
def mset(client: Client, args: list[bytes]) -> Reply:
    if len(args) % 2 == 0:
        raise wrong_number("mset")
    for key, value in zip(args[1::2], args[2::2]):
        client.store.set(key, value)
    return OK


@command("strlen", 2, "readonly fast", "@read @string @fast", one("RO"))
def strlen(client: Client, args: list[bytes]) -> Reply:
    return len(client.store.get(args[1]) or b"")
