"""Ways of running a server: on threads of its own, or driven by the main thread's poll(2) or by asyncio."""

from __future__ import annotations

import argparse
import contextlib
import select
import sys

import reactor
from control import Control
from reactor._serve import Stopper
from under_asyncio import UnderAsyncio
from world import Way


class OnThreads:
    """The server has threads of its own, and the main thread waits for it."""

    def __init__(self, signals: bool) -> None:
        self.signals = signals

    def start(self, server: reactor.Server) -> None:
        server.start()

    def wait(self, server: reactor.Server) -> bool:
        return server.wait()

    def run(self, server: reactor.Server, control: Control, at_once: bool) -> bool:
        # Those of serve, the short way.
        with Stopper(server) if self.signals else contextlib.nullcontext():
            if at_once:
                self.start(server)
            control.begin(may_wait=at_once)
            control.may_wait.wait()
            # Not so if standard input ended before the start.
            return server.loops > 0 and server.wait()

    def cycle(self) -> None:
        server = reactor.Server(reactor.Handler())
        server.listen("tcp://127.0.0.1:0")
        server.start()
        server.stop()
        server.wait()


class ByPolling(OnThreads):
    """The main thread waits in poll(2) for the server and for commands."""

    def run(self, server: reactor.Server, control: Control, at_once: bool) -> bool:
        with reactor.Hosted(server) as hosted:
            ready = select.poll()
            for what in (hosted, sys.stdin):
                ready.register(what, select.POLLIN)
            while True:
                found = [descriptor for descriptor, _ in ready.poll()]
                if sys.stdin.fileno() in found and not control.read():
                    ready.unregister(sys.stdin)
                if hosted.fileno() in found and not hosted.turn():
                    return True


def of(given: argparse.Namespace) -> Way:
    """What the command line asks for."""
    if given.asyncio:
        return UnderAsyncio(given.signals, alone=given.hosted)
    return ByPolling(given.signals) if given.hosted else OnThreads(given.signals)
