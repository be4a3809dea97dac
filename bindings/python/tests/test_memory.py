"""What is left behind: references, threads, descriptors."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import reactor
from helpers import Recorder, Running, connect, descriptors, engine_threads, exchange, wait_until


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Of the engine's threads none is left, and descriptors are as before each test."""
    gc.collect()
    before = descriptors()
    yield
    gc.collect()
    wait_until(lambda: not engine_threads(), "the end of the engine's threads")
    wait_until(lambda: descriptors() == before, f"{before} descriptors")


class Echo:
    """Takes weak references, unlike a SimpleNamespace."""

    def __init__(self) -> None:
        self.server: reactor.Server | None = None
        self.opened: Callable[[reactor.Conn], Any] = lambda conn: None
        self.stopped = threading.Event()

    def on_open(self, conn: reactor.Conn) -> Any:
        return self.opened(conn)

    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        conn.write(data)

    def on_stop(self, server: reactor.Server) -> None:
        self.stopped.set()


def test_fifty_starts_and_stops_leave_nothing() -> None:
    def cycle() -> None:
        with Running(Recorder(on_data=lambda conn, data: conn.write(data) and None), loops=2) as running:
            assert exchange(running.url, b"x") == b"x"

    cycle()
    gc.collect()
    files, objects = descriptors(), len(gc.get_objects())
    for _ in range(50):
        cycle()
    gc.collect()
    assert descriptors() == files
    # Caches of the interpreter's own may grow a little; fifty of anything would show.
    assert len(gc.get_objects()) - objects < 50


def test_events_leave_no_references() -> None:
    recorder = Echo()
    action, reason = reactor.Action.NONE, reactor.CloseReason.EOF
    with Running(recorder, loops=1) as running:
        assert exchange(running.url, b"x") == b"x"
        wait_until(lambda: running.server.connections == 0)
        before = [sys.getrefcount(thing) for thing in (None, action, reason, recorder, reactor.Conn)]
        for _ in range(200):
            assert exchange(running.url, b"some data") == b"some data"
        wait_until(lambda: running.server.connections == 0)
        after = [sys.getrefcount(thing) for thing in (None, action, reason, recorder, reactor.Conn)]
    assert all(abs(now - then) < 100 for now, then in zip(after, before))


def test_a_conn_lives_from_on_open_to_on_close_and_no_longer() -> None:
    recorder = Echo()
    references: list[weakref.ref[reactor.Conn]] = []
    recorder.opened = lambda conn: references.append(weakref.ref(conn))
    with Running(recorder) as running:
        client = connect(running.url)
        wait_until(lambda: len(references) == 1)
        gc.collect()
        assert references[0]() is not None
        client.close()
        wait_until(lambda: references[0]() is None)


def test_a_cycle_through_a_conns_context_is_collected() -> None:
    recorder = Echo()
    references: list[weakref.ref[reactor.Conn]] = []

    def tie(conn: reactor.Conn) -> None:
        conn.context = conn
        references.append(weakref.ref(conn))

    recorder.opened = tie
    with Running(recorder) as running:
        connect(running.url).close()
        wait_until(lambda: len(references) == 1 and running.server.connections == 0)
        wait_until(lambda: gc.collect() >= 0 and references[0]() is None)


def test_a_conn_that_is_kept_keeps_nothing_else() -> None:
    recorder = Recorder()
    running = Running(recorder)
    with running:
        connect(running.url).close()
        recorder.wait_for("on_close")
    conn = recorder.conns[0]
    server = weakref.ref(running.server)
    del running, recorder
    gc.collect()
    assert server() is None
    assert not conn.is_open


@pytest.mark.parametrize("phase", ["new", "failed", "ended"])
def test_a_cycle_of_server_and_handler_is_collected(phase: str) -> None:
    handler = Echo()
    handler.server = reactor.Server(handler)
    handler.server.listen("tcp://127.0.0.1:0")
    if phase == "failed":
        handler.server.stop()
        with pytest.raises(reactor.StoppedError):
            handler.server.start()
    if phase == "ended":
        handler.server.start()
        handler.server.stop()
        handler.server.wait()
    references = weakref.ref(handler), weakref.ref(handler.server)
    del handler
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_a_running_server_in_a_cycle_runs_on() -> None:
    handler = Echo()
    running = Running(handler)
    handler.server = running.server
    running.server.start()
    url, reference, stopped = running.url, weakref.ref(handler), handler.stopped
    del handler, running
    gc.collect()
    assert exchange(url, b"still there") == b"still there"
    found = reference()
    assert found is not None
    assert found.server is not None
    found.server.stop()
    found.server.wait()
    assert stopped.is_set()
    del found
    gc.collect()
    assert reference() is None


def test_dropping_a_running_server_stops_it() -> None:
    handler = Echo()
    running = Running(handler, loops=2)
    running.server.start()
    reference = weakref.ref(running.server)
    with connect(running.url) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        del running
        assert reference() is None
        # Nobody waits in a destructor: it ends by itself.
        assert client.recv(1) == b""
    wait_until(handler.stopped.is_set, "on_stop")


@pytest.mark.parametrize("callback", ["on_open", "on_stop"])
def test_dropping_a_server_in_its_own_callback(callback: str) -> None:
    holder: list[reactor.Server] = []
    stopped = threading.Event()

    class Dropping:
        def on_open(self, conn: reactor.Conn) -> reactor.Action:
            if callback == "on_open":
                holder.clear()
            return reactor.Action.STOP

        def on_stop(self, server: reactor.Server) -> None:
            holder.clear()
            # The object, or one that stands for it.
            urls.extend(server.addresses)
            server.stop()
            stopped.set()

    urls: list[str] = []
    holder.append(reactor.Server(Dropping(), loops=2))
    url = holder[0].listen("tcp://127.0.0.1:0")
    holder[0].start()
    # A thread has its name only once it runs.
    wait_until(lambda: engine_threads() == ["reactor-0", "reactor-1", "reactor-accept"], "the engine's threads")
    with connect(url):
        assert stopped.wait(20)
    assert urls == [url]
    wait_until(lambda: not engine_threads(), "the end of the engine's threads")


def test_what_stands_for_a_dropped_server_owns_nothing() -> None:
    kept: list[reactor.Server] = []
    running = Running(type("Keeping", (), {"on_stop": lambda self, server: kept.append(server)})())
    running.server.start()
    url = running.url
    del running
    wait_until(lambda: bool(kept), "on_stop")
    [stand_in] = kept
    assert stand_in.addresses == [url]
    for call in (stand_in.start, stand_in.wait, lambda: stand_in.listen("tcp://127.0.0.1:0")):
        with pytest.raises(reactor.WrongStateError):
            call()
    with pytest.raises(reactor.ClosedError):
        stand_in.write(1 << 32, b"x")


def test_a_garbage_collection_during_every_callback_harms_nothing() -> None:
    recorder = Recorder()
    for name in ("on_start", "on_open", "on_data", "on_close", "on_stop"):
        recorder.act[name] = lambda *_: [gc.collect()] and None
    with Running(recorder, loops=2) as running:
        for _ in range(10):
            assert exchange(running.url, b"x") == b""
    assert recorder.errors == []
    assert recorder.names().count("on_close") == 10
