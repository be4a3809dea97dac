"""The garbage collector: what it takes apart, and what happens when it runs in the middle of a call."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import reactor
from helpers import Recorder, Running, wait_until


class Handler(reactor.Handler):
    """Has what it is handler of, and so is part of a cycle."""

    has: Any = None


def hosted(handler: Handler) -> None:
    server = reactor.Server(handler, hosted=True)
    server.listen("tcp://127.0.0.1:0")
    handler.has = reactor.Hosted(server)
    handler.has.turn()
    handler.has.close()


def served_under_asyncio(handler: Handler) -> None:
    async def main() -> None:
        handler.has = reactor.serve_async(handler, "tcp://127.0.0.1:0")
        async with handler.has:
            pass

    asyncio.run(main())


def ended_by_an_exit(handler: Handler) -> None:
    """Nobody waits, and so nobody raises what the callback has raised. It has a traceback, and that the handler."""

    def on_tick(server: reactor.Server) -> None:
        assert handler.has is server
        raise SystemExit(3)

    handler.on_tick = on_tick  # type: ignore[method-assign]
    stopped = threading.Event()
    handler.on_stop = lambda server: stopped.set()  # type: ignore[method-assign]
    handler.has = reactor.Server(handler, loops=1)
    handler.has.start()
    assert stopped.wait(20)


@pytest.mark.parametrize("life", [hosted, served_under_asyncio, ended_by_an_exit])
def test_a_cycle_of_what_has_ended_is_collected(life: Callable[[Handler], None]) -> None:
    handler = Handler()
    gone = weakref.ref(handler)
    life(handler)
    del handler

    def is_gone() -> bool:
        gc.collect()
        return gone() is None

    wait_until(is_gone, "the end of the handler")


def collecting_after(allocations: int, call: Callable[[], Any]) -> tuple[Any, bool]:
    """What the call returned, and whether the garbage collector ran in it, for which all other threads have run, too."""
    ran = False
    here = threading.get_ident()

    def give_way(phase: str, info: object) -> None:
        nonlocal ran
        if phase == "start" and threading.get_ident() == here:
            ran = True
            time.sleep(0.02)

    thresholds = gc.get_threshold()
    gc.collect(0)
    fill = [[] for _ in range(50)]  # type: ignore[var-annotated]
    gc.callbacks.append(give_way)
    try:
        gc.set_threshold(gc.get_count()[0] + allocations)
        returned = call()
        return returned, ran
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(give_way)
        fill.clear()


def collect_in_call(call: Callable[[], Any], check: Callable[[Any], None]) -> None:
    """Checks what the call returns for each place in it where the garbage collector may run."""
    ran = 0
    for attempt in range(40):
        returned, collected = collecting_after(attempt % 8 - 1, call)
        check(returned)
        ran += collected
    # Since Python 3.12 it runs between calls only.
    assert ran > 0 or sys.version_info >= (3, 12)


def test_a_connection_has_its_context_from_the_beginning_whenever_memory_is_collected() -> None:
    recorder = Recorder()
    seen: dict[int, object] = {}
    recorder.act["on_open"] = lambda conn: seen.setdefault(conn.id, conn.context) and None
    with Running(recorder) as running:
        ours, theirs = socket.socketpair()

        def enroll() -> int:
            return running.server.enroll(ours, context="mine")

        def check(id: int) -> None:
            nonlocal ours, theirs
            wait_until(lambda: id in seen, "on_open")
            assert seen[id] == "mine"
            theirs.close()
            ours, theirs = socket.socketpair()

        collect_in_call(enroll, check)
        ours.close()
        theirs.close()


def test_a_connection_has_one_object_whenever_memory_is_collected() -> None:
    recorder = Recorder()
    with Running(recorder) as running:
        peers = []

        def enroll() -> reactor.Conn:
            ours, theirs = socket.socketpair()
            peers.append(theirs)
            return running.server.conn(running.server.enroll(ours))

        def check(conn: reactor.Conn) -> None:
            wait_until(lambda: conn in recorder.conns, "on_open")
            assert recorder.conns[recorder.conns.index(conn)] is conn
            assert running.server.conn(conn.id) is conn

        collect_in_call(enroll, check)
        for peer in peers:
            peer.close()
