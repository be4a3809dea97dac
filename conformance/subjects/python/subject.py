"""The Python subject of the conformance cases: a small server that shows whatever behaviour a case asks for, by the
protocol in conformance/PROTOCOL.md.

The main thread starts the server and waits for it; another one carries out the commands from standard input.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import sys
import threading

import forks
import options
import reactor
import report
import server_calls
from control import Control
from handler import Reporting, Subject
from reactor._serve import Stopper
from report import emit
from world import World


def listen(world: World, server: reactor.Server, given: argparse.Namespace) -> list[reactor.Listening]:
    """Listens as the command line says."""
    found = [server_calls.listen_at(world, server, url, given.listen_options) for url in given.listen]
    if given.listen_inherited:
        found += server_calls.listen_inherited(world, server, given.listen_options)
    return found


def make(world: World, given: argparse.Namespace, signals: contextlib.ExitStack) -> reactor.Server:
    """The server, listening and started if it is to listen anywhere."""
    # With an error hook the log is not told of what fails.
    handler = Reporting(given, world) if given.log is None else Subject(given, world)
    server = world.server = reactor.Server(handler, **options.of_server(given))
    if given.signals:
        # Those of serve, the short way.
        signals.enter_context(Stopper(server))
    urls = listen(world, server, given)
    if urls:
        emit("listening", urls=urls)
    if given.fork:
        forks.go_on_in_child()
    if urls:
        server.start()
    return server


def serve(given: argparse.Namespace) -> None:
    """Waits until the server has stopped; the thread that reads commands goes on until standard input ends."""
    world = World()
    signals = contextlib.ExitStack()
    server = make(world, given, signals)
    control = Control(world)
    if server.loops > 0:
        control.may_wait.set()
    reader = threading.Thread(target=control.run)
    reader.start()
    control.may_wait.wait()
    # Not so if standard input ended before the start.
    if server.loops > 0:
        server.wait()
        world.end()
        emit("ended")
    signals.close()
    # Frees the server: the handler refers to it, so the collector has to.
    world.server = None
    del server
    gc.collect()
    reader.join()


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
