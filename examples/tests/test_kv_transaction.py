"""kv: MULTI and EXEC carry requests out with nobody in between, and WATCH tells whether somebody was."""

from __future__ import annotations

import random
import socket
import threading

import pytest
import redis

from harness import LIMIT, Client, Example, Start, within_limit
from kv_client import MIB, ask, reply, request


def test_a_transaction_is_carried_out_with_nobody_in_between(start: Start) -> None:
    kv = start("kv", loops=4)
    clients = [kv.connect() for _ in range(6)]
    asked = b"MULTI\r\nINCR a\r\nINCR b\r\nMGET a b\r\nEXEC\r\n"
    for client in clients:
        client.send(asked * 300)
    for client in clients:
        for _ in range(300):
            assert client.read(5 + 3 * 9) == b"+OK\r\n" + b"+QUEUED\r\n" * 3
            _, first, second, _, _, one, _, two, _ = reply(client).split(b"\r\n")
            assert first == second and one == two == first[1:]
        client.socket.close()


def test_a_transaction_does_not_grow_without_bound(kv: Example, client: Client) -> None:
    value = random.Random(5).randbytes(MIB)
    client.ask(request("SET", "v", value) + b"MULTI\r\n", b"+OK\r\n+OK\r\n")
    for _ in range(63):
        client.ask(request("SET", "w", value), b"+QUEUED\r\n")
    client.ask(request("SET", "w", value), b"-ERR the transaction has more than 64 MiB\r\n")
    client.ask(b"PING\r\nEXEC\r\n", b"+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors.\r\n")
    client.ask(b"MULTI\r\n" + request("GET", "v") * 66 + request("INCR", "n"), b"+OK\r\n" + b"+QUEUED\r\n" * 67)
    client.ask(b"EXEC\r\n", b"*67\r\n" + (b"$%d\r\n%b\r\n" % (MIB, value)) * 64)
    client.ask(b"", b"-ERR the values have more than 64 MiB together\r\n" * 2 + b":1\r\n")


# What another client does after WATCH of w, which is 1, lasting, which has a time to live, and none, which is not set.
CHANGES = """
SET w 1|SET w 2 EX 100|SET none 1 NX|SETNX none 1|SETEX w 100 1|MSET other 1 w 1|INCR w|DECR w|INCRBY w 0|DECRBY w 0
DEL w|UNLINK other w|EXPIRE w 100|PEXPIRE w 100000|EXPIRE w 0|PERSIST lasting|EXPIRE lasting 200 GT|FLUSHALL|FLUSHDB
""".replace("|", "\n").split("\n")
NO_CHANGES = """
SET other 1|SET w 1 NX|SET none 1 XX|SETNX w 1|MSET W 1 other 1|INCR other|DEL none|UNLINK none other|EXPIRE none 100
PERSIST w|PERSIST none|EXPIRE lasting 50 GT|EXPIRE w 100 XX|GET w|MGET w none|EXISTS w none|TTL lasting|KEYS *
SCAN 0|DBSIZE|MULTI|SET w x|DISCARD|SET w|INCRBY w x|WATCH w|UNWATCH
""".replace("|", "\n").split("\n")


def watched(server: Client, other: Client, *changes: str) -> bytes:
    """What EXEC answers if another client does this after WATCH."""
    assert ask(other, "FLUSHALL") == b"+OK\r\n"
    for words in (["MSET", "w", 1, "other", 1], ["SET", "lasting", 1, "EX", 100], ["WATCH", "w", "none", "lasting"]):
        assert ask(server, *words) == b"+OK\r\n"
    for change in changes:
        ask(other, *change.split())
    assert ask(server, "MULTI") == b"+OK\r\n"
    assert ask(server, "ECHO", "done") == b"+QUEUED\r\n"
    return ask(server, "EXEC")


@pytest.mark.parametrize("loops", [1, 4])
def test_exec_answers_nil_if_another_client_has_changed_a_watched_key(start: Start, loops: int) -> None:
    kv = start("kv", loops=loops)
    with kv.connect() as server, kv.connect() as other:
        for change in filter(None, CHANGES):
            assert watched(server, other, change) == b"*-1\r\n", change
            # That ends what was watched.
            server.ask(b"MULTI\r\nPING\r\nEXEC\r\n", b"+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n")
        assert watched(server, other, *filter(None, NO_CHANGES)) == b"*1\r\n$4\r\ndone\r\n"


def test_the_same_changes_count_as_in_redis(real: Client) -> None:
    with Client(socket.socket(socket.AF_UNIX)) as other:
        other.socket.connect(real.socket.getpeername())
        for change in filter(None, CHANGES):
            assert watched(real, other, change) == b"*-1\r\n", change
        assert watched(real, other, *filter(None, NO_CHANGES)) == b"*1\r\n$4\r\ndone\r\n"


def test_a_watched_key_that_expires_has_changed(kv: Example, client: Client) -> None:
    """Whoever finds it expired: another client that asks for it, in most of these cases, or the sweeper."""
    with kv.connect() as other:
        for question in [("EXISTS", "w")] * 6 + [("DBSIZE",)] * 2:
            client.ask(b"SET w 1 PX 130\r\nWATCH w\r\nMULTI\r\nPING\r\n", b"+OK\r\n" * 3 + b"+QUEUED\r\n")
            within_limit(lambda: ask(other, *question) == b":0\r\n", "expired")
            assert ask(client, "EXEC") == b"*-1\r\n"


def test_all_who_watch_a_key_are_told_also_when_some_have_gone(start: Start) -> None:
    kv = start("kv", loops=4)
    clients = [kv.connect() for _ in range(40)]
    for client in clients:
        client.send(request("WATCH", *[f"key:{number}" for number in range(200)]) + request("PING"))
    for client in clients:
        assert client.read(12) == b"+OK\r\n+PONG\r\n"
    for client in clients[1::2]:
        # With something unread, so that it ends by a reset.
        client.send(b"PING\r\n")
        client.socket.close()
    with kv.connect() as other:
        assert ask(other, "SET", "key:199", 1) == b"+OK\r\n"
        for client in clients[0::2]:
            client.ask(b"MULTI\r\nINCR sum\r\nEXEC\r\n", b"+OK\r\n+QUEUED\r\n*-1\r\n")
            client.socket.close()
        assert ask(other, "EXISTS", "sum") == b":0\r\n"


def test_what_a_client_watched_is_forgotten_when_it_goes(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    # In JavaScript garbage gathers up to these, whatever the machine has.
    monkeypatch.setenv("NODE_OPTIONS", "--max-old-space-size=64 --max-semi-space-size=4")
    kv = start("kv")
    for turn in range(50):
        with kv.connect() as client:
            keys = [f"{turn}:{number}:a key of some length" for number in range(20_000)]
            assert ask(client, "WATCH", *keys) == b"+OK\r\n"
    assert kv.growth() < 64 * MIB


@pytest.mark.parametrize("loops", [1, 4])
def test_counting_with_watch_loses_nothing(start: Start, loops: int) -> None:
    """Reads, adds, and writes unless somebody was in between: with redis-py, from threads."""
    kv = start("kv", loops=loops)

    def count() -> None:
        with redis.Redis(port=kv.port, socket_timeout=LIMIT) as client:
            for _ in range(50):
                while not add_one(client):
                    pass

    def add_one(client: redis.Redis) -> bool:
        with client.pipeline() as pipeline:
            pipeline.watch("count")  # type: ignore[no-untyped-call]
            value = int(pipeline.get("count") or 0)
            pipeline.multi()
            pipeline.set("count", value + 1)
            try:
                return pipeline.execute() == [True]
            except redis.WatchError:
                return False

    threads = [threading.Thread(target=count) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    with kv.connect() as client:
        assert ask(client, "GET", "count") == b"$3\r\n300\r\n"
