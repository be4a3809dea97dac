"""Calls: `TARGET CALL`, the same from scripts, from control, and from many threads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import conn_calls
import reactor
import server_calls
from conn_calls import On
from text import word
from world import World


@dataclasses.dataclass(frozen=True)
class Caller:
    """Who makes a call."""

    world: World
    server: reactor.Server
    conn: reactor.Conn | None = None
    """The connection of the callback, where there is one."""

    def call(self, line: str) -> object:
        """Makes a call on its target: its result."""
        target, call = word(line.rstrip())
        if target == "server":
            return server_calls.make(self.world, self.server, call)
        if target == "self":
            return "n/a" if self.conn is None else conn_calls.make(On(self.world, self.conn), call)
        other, is_other, number = target.rpartition("other:")
        server = self.world.other() if is_other else self.server
        return conn_calls.make(On(self.world, (server, int(number))), call)

    def result(self, line: str) -> object:
        """The same; an error's name if it fails."""
        return result(lambda: self.call(line))


def result(call: Callable[[], object]) -> object:
    try:
        return call()
    except reactor.Error as error:
        return error.kind
