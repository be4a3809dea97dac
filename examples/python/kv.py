#!/usr/bin/env python3
"""A cache that speaks with the clients of Redis (RESP2, and RESP3 if they ask): strings, counters, times to live.

kv.py --listen URL [--listen URL]... [--loops N]; then `redis-cli -p PORT`. The engine cuts the requests: a line that a
person types may have quotes, which it has not in C and Rust. The order of COMMAND and the cursors of SCAN are its own in each language.
"""

from __future__ import annotations

import itertools

# The commands: each module adds its own to those that kv_commands.execute knows.
import kv_about as _about
import kv_keys as _keys
import kv_transaction as _transaction
import kv_values as _values
import launch
import reactor
from kv_commands import Client, answer
from kv_store import Store

SWEEP = 0.1
"""Seconds from one removal of what has expired to the next; nobody sees it before that either."""
MAX_REQUEST = 1 << 30
ENOUGH = 1 << 20
"""Bytes of replies that are sent together: the commands of one read may ask for more than is good to have in memory."""
HARD_LIMIT = 2 << 30
"""The largest value is 512 MiB, and one may be queued behind another."""


class Kv(launch.Handler):
    def __init__(self) -> None:
        self.store = Store()
        self.numbers = itertools.count(1)

    def on_open(self, conn: reactor.Conn) -> None:
        conn.context = Client(self.store, next(self.numbers))

    def on_commands(self, conn: reactor.Conn, commands: list[list[bytes]]) -> reactor.Action | None:
        conn.context.commands = iter(commands)
        return self.go_on(conn)

    def on_drain(self, conn: reactor.Conn) -> reactor.Action | None:
        client: Client = conn.context
        if not client.waits:
            return None
        client.waits = False
        conn.release()
        return self.go_on(conn)

    def go_on(self, conn: reactor.Conn) -> reactor.Action | None:
        """Answers as long as the client reads; the rest waits, and nothing more is read."""
        client: Client = conn.context
        while True:
            with self.store.lock:
                replies = answer(client, ENOUGH)
            has_room = not replies or conn.write(replies)
            if client.is_over:
                return reactor.Action.CLOSE
            if len(replies) < ENOUGH:
                return None
            if not has_room:
                client.waits = True
                conn.hold()
                return None

    def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
        with self.store.lock:
            self.store.unwatch(conn.context.watch)

    def on_tick(self, server: reactor.Server) -> float:
        more = True
        while more:
            with self.store.lock:
                more = self.store.sweep()
        return SWEEP


if __name__ == "__main__":
    flags = launch.Parser(__doc__).parse()
    launch.serve(Kv(), flags, framing=reactor.Resp(max_frame=MAX_REQUEST), hard_limit=HARD_LIMIT)
