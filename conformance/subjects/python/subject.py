"""The Python subject of the conformance cases: a small server that shows whatever behaviour a case asks for, by the
protocol in conformance/PROTOCOL.md. What waits for it, and calls its callbacks, is a way of `ways.py`.
"""

from __future__ import annotations

import argparse
import gc
import sys

import forks
import handler
import options
import reactor
import report
import server_calls
import ways
from control import Control
from report import emit
from world import World


def listen(world: World, server: reactor.Server, given: argparse.Namespace) -> bool:
    """Listens as the command line says, and tells where; whether that is anywhere."""
    found = [server_calls.listen_at(world, server, url, given.listen_options) for url in given.listen]
    if given.listen_inherited:
        found += server_calls.listen_inherited(world, server, given.listen_options)
    if found:
        emit("listening", urls=found)
    if given.fork:
        forks.go_on_in_child()
    return bool(found)


def serve(given: argparse.Namespace) -> None:
    """Serves until the server has stopped, and carries commands out until standard input ends."""
    world = World(ways.of(given))
    server = world.server = reactor.Server(handler.make(given, world), **options.of_server(given))
    control = Control(world)
    if world.way.run(server, control, at_once=listen(world, server, given)):
        world.end()
        emit("ended")
    # Frees the server: the handler refers to it, so the collector has to.
    world.server = None
    del server
    gc.collect()
    control.finish()


def main() -> int:
    given = options.parse()
    report.begin_log(given.log)
    try:
        serve(given)
    except reactor.Error as error:
        emit("error", kind=error.kind, message=str(error), errno=getattr(error, "errno", None))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
