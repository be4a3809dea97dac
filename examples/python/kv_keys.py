"""The commands about keys, whatever their values."""

from __future__ import annotations

import re

from kv_commands import SYNTAX, Client, command, every, integer, invalid_expire, one, text
from kv_glob import matcher
from kv_replies import OK, CommandError, Reply
from kv_store import MAX_MOMENT

CURSOR = re.compile(rb"\+?0*([0-9]{1,20})")


@command(
    "del", -2, "write", "@keyspace @write @slow", every("RM delete"),
    "request_policy:multi_shard response_policy:agg_sum",
)
@command(
    "unlink", -2, "write fast", "@keyspace @write @fast", every("RM delete"),
    "request_policy:multi_shard response_policy:agg_sum",
)
def del_(client: Client, args: list[bytes]) -> Reply:
    return sum(client.store.remove(key) for key in args[1:])


@command(
    "exists", -2, "readonly fast", "@keyspace @read @fast", every("RO"),
    "request_policy:multi_shard response_policy:agg_sum",
)
def exists(client: Client, args: list[bytes]) -> Reply:
    return sum(client.store.get(key) is not None for key in args[1:])


def may_follow(words: set[bytes], new: int, old: int | None) -> bool:
    """Whether a time to live may follow another: the options of EXPIRE."""
    known = MAX_MOMENT + 1 if old is None else old
    return not (
        (b"nx" in words and old is not None)
        or (b"xx" in words and old is None)
        or (b"gt" in words and new <= known)
        or (b"lt" in words and new >= known)
    )


def expire_after(client: Client, args: list[bytes], unit: int) -> Reply:
    store, key, name = client.store, args[1], args[0].decode().lower()
    for word in args[3:]:
        if word.lower() not in (b"nx", b"xx", b"gt", b"lt"):
            raise CommandError(f"Unsupported option {text(word)}")
    words = {word.lower() for word in args[3:]}
    if b"nx" in words and len(words) > 1:
        raise CommandError("NX and XX, GT or LT options at the same time are not compatible")
    if {b"gt", b"lt"} <= words:
        raise CommandError("GT and LT options at the same time are not compatible")
    time = integer(args[2]) * unit
    moment = store.now() + time if time > 0 else 0
    if moment > MAX_MOMENT or time < -MAX_MOMENT - 1:
        raise invalid_expire(name)
    if store.get(key) is None or not may_follow(words, moment, store.expires.get(key)):
        return 0
    if moment:
        store.expire(key, moment)
    else:
        store.remove(key)
    return 1


@command("expire", -3, "write fast", "@keyspace @write @fast", one("RW update"))
def expire(client: Client, args: list[bytes]) -> Reply:
    return expire_after(client, args, 1000)


@command("pexpire", -3, "write fast", "@keyspace @write @fast", one("RW update"))
def pexpire(client: Client, args: list[bytes]) -> Reply:
    return expire_after(client, args, 1)


@command("persist", 2, "write fast", "@keyspace @write @fast", one("RW update"))
def persist(client: Client, args: list[bytes]) -> Reply:
    if client.store.get(args[1]) is None or args[1] not in client.store.expires:
        return 0
    client.store.expire(args[1], None)
    return 1


def ttl_in(client: Client, key: bytes, unit: int) -> Reply:
    if client.store.get(key) is None:
        return -2
    if key not in client.store.expires:
        return -1
    return max(0, client.store.expires[key] - client.store.now() + unit // 2) // unit


@command("ttl", 2, "readonly fast", "@keyspace @read @fast", one("RO access"), "nondeterministic_output")
def ttl(client: Client, args: list[bytes]) -> Reply:
    return ttl_in(client, args[1], 1000)


@command("pttl", 2, "readonly fast", "@keyspace @read @fast", one("RO access"), "nondeterministic_output")
def pttl(client: Client, args: list[bytes]) -> Reply:
    return ttl_in(client, args[1], 1)


@command("type", 2, "readonly fast", "@keyspace @read @fast", one("RO"))
def type_(client: Client, args: list[bytes]) -> Reply:
    return "none" if client.store.get(args[1]) is None else "string"


@command(
    "keys", 2, "readonly", "@keyspace @read @slow @dangerous",
    tips="request_policy:all_shards nondeterministic_output_order",
)
def keys(client: Client, args: list[bytes]) -> Reply:
    return list(filter(matcher(args[1]), client.store.keys()))


@command(
    "scan", -2, "readonly", "@keyspace @read @slow", tips="nondeterministic_output request_policy:special"
)
def scan(client: Client, args: list[bytes]) -> Reply:
    """Whole parts of the keys, until there were as many as asked for: what is there all the time is seen."""
    cursor = CURSOR.fullmatch(args[1])
    if not cursor or int(cursor[1]) >= 1 << 64:
        raise CommandError("invalid cursor")
    if len(args) % 2:
        raise CommandError(SYNTAX)
    fits, count, only = matcher(b"*"), 10, b"string"
    for word, value in zip(args[2::2], args[3::2]):
        if word.lower() == b"match":
            fits = matcher(value)
        elif word.lower() == b"count":
            count = integer(value)
        elif word.lower() == b"type":
            only = value.lower()
        else:
            raise CommandError(SYNTAX)
        if count < 1:
            raise CommandError(SYNTAX)
    parts, part, seen, found = client.store.parts(), int(cursor[1]), 0, list[bytes]()
    while seen < count and part < len(parts):
        seen += len(parts[part])
        found += filter(fits, parts[part])
        part += 1
    return [b"%d" % (part if part < len(parts) else 0), found if only == b"string" else []]


@command(
    "dbsize", 1, "readonly fast", "@keyspace @read @fast",
    tips="request_policy:all_shards response_policy:agg_sum",
)
def dbsize(client: Client, args: list[bytes]) -> Reply:
    return len(client.store.values)


@command(
    "flushall", -1, "write", "@keyspace @write @slow @dangerous",
    tips="request_policy:all_shards response_policy:all_succeeded",
)
@command(
    "flushdb", -1, "write", "@keyspace @write @slow @dangerous",
    tips="request_policy:all_shards response_policy:all_succeeded",
)
def flush(client: Client, args: list[bytes]) -> Reply:
    if len(args) > 2 or not all(word.lower() in (b"sync", b"async") for word in args[1:]):
        raise CommandError(SYNTAX)
    client.store.clear()
    return OK
