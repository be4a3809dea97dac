"""Starting, stopping, waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import reactor
from helpers import DEADLINE, Recorder, Running, call_in_thread, connect, echo, exchange, receive, wait_until, writes


@pytest.mark.parametrize("callback", ["on_open", "on_data", "on_drain", "on_close"])
@pytest.mark.parametrize("way", ["action", "call"])
def test_stop_from_a_callback(callback: str, way: str) -> None:
    recorder = Recorder(on_data=writes(bytes(8 << 20)))
    running = Running(recorder, high_water=1000)
    server = running.server
    recorder.act[callback] = lambda *_: reactor.Action.STOP if way == "action" else server.stop()
    server.start()
    with connect(running.url) as client:
        try:
            client.sendall(b"x")
            if callback == "on_drain":
                receive(client, 8 << 20)
        except ConnectionError:
            pass  # It may have stopped already.
        if callback != "on_close":
            server.wait()
    server.wait()
    assert recorder.names()[-1] == "on_stop"
    assert recorder.names().count("on_close") == recorder.names().count("on_open") == 1
    assert recorder.errors == []
    if callback != "on_close":
        assert recorder.closed()[0][0] is reactor.CloseReason.SHUTDOWN


def test_stop_drops_no_event_of_the_batch() -> None:
    gate = threading.Event()
    recorder = Recorder()

    def on_data(conn: reactor.Conn, data: bytes) -> reactor.Action | None:
        if data == b"block":
            gate.wait(DEADLINE)
            return None
        return reactor.Action.STOP

    recorder.act["on_data"] = on_data
    with Running(recorder, loops=1) as running:
        clients = [connect(running.url) for _ in range(5)]
        recorder.wait_for("on_open", 5)
        clients[0].sendall(b"block")
        recorder.wait_for("on_data")
        for client in clients[1:]:
            client.sendall(b"stop")
        gate.set()
        running.server.wait()
        for client in clients:
            client.close()
    assert recorder.names().count("on_data") == 5
    assert [reason for reason, _ in recorder.closed()] == [reactor.CloseReason.SHUTDOWN] * 5


def test_on_start_that_returns_stop_refuses_the_start() -> None:
    recorder = Recorder(on_start=lambda server: reactor.Action.STOP)
    running = Running(recorder)
    for start in (running.server.start, running.server.run):
        with pytest.raises(reactor.StoppedError, match="on_start returned stop"):
            start()
    recorder.act["on_start"] = lambda server: reactor.Action.NONE
    with running:
        connect(running.url).close()
        recorder.wait_for("on_close")


def test_stop_in_on_start_and_before_the_start_refuses_it() -> None:
    recorder = Recorder(on_start=lambda server: server.stop())
    with pytest.raises(reactor.StoppedError, match="in on_start"):
        Running(recorder).server.start()
    running = Running(Recorder())
    running.server.stop()
    running.server.stop()
    with pytest.raises(reactor.StoppedError, match="before"):
        running.server.run()


@pytest.mark.parametrize("start", [reactor.Server.start, reactor.Server.run])
def test_on_start_runs_on_the_starting_thread(start: Callable[[reactor.Server], None]) -> None:
    threads: list[int] = []

    def on_start(server: reactor.Server) -> reactor.Action:
        threads.append(threading.get_ident())
        return reactor.Action.STOP

    with pytest.raises(reactor.StoppedError):
        start(reactor.Server(SimpleNamespace(on_start=on_start)))
    assert threads == [threading.get_ident()]


def test_run_returns_when_the_server_has_stopped() -> None:
    recorder = Recorder(on_data=lambda conn, data: reactor.Action.STOP)
    running = Running(recorder)
    runner = threading.Thread(target=running.server.run)
    runner.start()
    with connect(running.url) as client:
        client.sendall(b"x")
        runner.join(DEADLINE)
    assert not runner.is_alive()
    assert recorder.names()[-1] == "on_stop"


def test_stop_from_another_thread_and_several_that_wait() -> None:
    running = Running(Recorder())
    running.server.start()
    waiters = [threading.Thread(target=running.server.wait) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    assert call_in_thread(running.server.stop) is None
    for waiter in waiters:
        waiter.join(DEADLINE)
    assert not any(waiter.is_alive() for waiter in waiters)
    running.server.wait()


def test_the_context_manager_stops_and_waits() -> None:
    recorder = Recorder(on_data=echo)
    with reactor.Server(recorder) as server:
        url = server.listen("tcp://127.0.0.1:0")
        server.start()
        client = connect(url)
        client.sendall(b"x")
        assert receive(client, 1) == b"x"
    assert recorder.names()[-2:] == ["on_close", "on_stop"]
    client.close()
    with pytest.raises(ConnectionRefusedError):
        connect(url)


def test_the_context_manager_lets_exceptions_through_and_needs_no_start() -> None:
    with pytest.raises(LookupError), reactor.Server(Recorder()) as server:
        server.listen("tcp://127.0.0.1:0")
        raise LookupError
    with pytest.raises(reactor.StoppedError):
        server.start()


def test_two_servers_at_once() -> None:
    one, other = Recorder(on_data=echo), Recorder(on_data=lambda conn, data: echo(conn, data.upper()))
    with Running(one) as first:
        with Running(other) as second:
            assert exchange(first.url, b"abc") == b"abc"
            assert exchange(second.url, b"abc") == b"ABC"
        assert exchange(first.url, b"def") == b"def"
    assert [conn.id for conn in one.conns] != [conn.id for conn in other.conns]


def test_a_callback_starts_and_stops_another_server() -> None:
    inner_recorder = Recorder(on_data=echo)

    def on_data(conn: reactor.Conn, data: bytes) -> None:
        inner = Running(inner_recorder, loops=1)
        inner.server.start()
        conn.write(exchange(inner.url, data))
        inner.server.stop()

    with Running(Recorder(on_data=on_data)) as running:
        assert exchange(running.url, b"nested") == b"nested"
        inner_recorder.wait_for("on_stop")


def test_threads_write_by_id_in_order() -> None:
    recorder = Recorder()
    with Running(recorder, loops=2) as running, connect(running.url) as client:
        recorder.wait_for("on_open")
        conn = recorder.conns[0]

        def write(name: int) -> None:
            for number in range(500):
                line = b"%d %d\n" % (name, number)
                running.server.write(conn.id, line) if number % 2 else conn.write(line)

        threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        lines = []
        with client.makefile("rb") as stream:
            for _ in range(2000):
                lines.append(tuple(map(int, stream.readline().split())))
        for thread in threads:
            thread.join(DEADLINE)
    for name in range(4):
        assert [number for writer, number in lines if writer == name] == list(range(500))


def test_a_callback_writes_to_connections_of_other_loops() -> None:
    recorder = Recorder()
    with Running(recorder, loops=2) as running:

        def broadcast(conn: reactor.Conn, data: bytes) -> None:
            for other in recorder.conns:
                running.server.write(other.id, data)

        recorder.act["on_data"] = broadcast
        clients = [connect(running.url) for _ in range(6)]
        recorder.wait_for("on_open", 6)
        for client in clients:
            client.sendall(b"x")
        for client in clients:
            assert receive(client, 6) == b"xxxxxx"
            client.close()
    assert recorder.errors == []


def test_close_from_another_thread() -> None:
    recorder = Recorder()
    with Running(recorder) as running, connect(running.url) as first, connect(running.url) as second:
        recorder.wait_for("on_open", 2)
        recorder.conns[0].close()
        running.server.close(recorder.conns[1].id)
        assert not any(conn.is_open for conn in recorder.conns)
        assert (first.recv(1), second.recv(1)) == (b"", b"")
        first.close()
        second.close()
        recorder.wait_for("on_close", 2)
    assert recorder.closed() == [(reactor.CloseReason.LOCAL_CLOSE, None)] * 2


def test_a_slow_callback_of_one_loop_does_not_stop_the_other() -> None:
    gate = threading.Event()

    def on_data(conn: reactor.Conn, data: bytes) -> None:
        if data == b"block":
            gate.wait(DEADLINE)
        conn.write(data)

    recorder = Recorder(on_data=on_data)
    with Running(recorder, loops=2) as running, connect(running.url) as one, connect(running.url) as two:
        recorder.wait_for("on_open", 2)
        one.sendall(b"block")
        wait_until(lambda: "on_data" in recorder.names())
        two.sendall(b"quick")
        assert receive(two, 5) == b"quick"
        gate.set()
        assert receive(one, 5) == b"block"


def test_run_in_a_callback_starts_nothing() -> None:
    other = reactor.Server(Recorder(), loops=1)
    raised: list[BaseException] = []

    def run(conn: reactor.Conn, data: bytes) -> None:
        try:
            other.run()
        except reactor.WrongThreadError as error:
            raised.append(error)

    with Running(Recorder(on_data=run)) as running:
        assert exchange(running.url, b"x") == b""
    assert len(raised) == 1
    assert other.loops == 0


def test_a_held_connection_gets_its_answer_from_another_thread() -> None:
    """The client has ended its side meanwhile."""
    server: list[reactor.Server] = []

    def answer(conn: reactor.Conn, by_id: bool) -> None:
        conn.write(b"late")
        if by_id:
            server[0].release(conn.id)
        else:
            conn.release()

    def on_data(conn: reactor.Conn, data: bytes) -> None:
        by_id = data == b"id"
        if by_id:
            server[0].hold(conn.id)
        else:
            conn.hold()
        threading.Thread(target=answer, args=(conn, by_id)).start()

    recorder = Recorder(on_data=on_data)
    with Running(recorder) as running:
        server.append(running.server)
        for data in (b"conn", b"id"):
            assert exchange(running.url, data) == b"late"
        recorder.wait_for("on_close", 2)
    assert recorder.errors == []
    assert {reason for reason, _ in recorder.closed()} == {reactor.CloseReason.EOF}


def test_holds_are_counted() -> None:
    recorder = Recorder(on_data=echo)
    with Running(recorder) as running, connect(running.url) as client:
        recorder.wait_for("on_open")
        (conn,) = recorder.conns
        with pytest.raises(reactor.WrongStateError, match="is not held"):
            conn.release()
        conn.hold()
        running.server.hold(conn.id)
        client.sendall(b"read")
        conn.release()
        conn.write(b"held")
        assert receive(client, 4) == b"held"
        assert "on_data" not in recorder.names()
        running.server.release(conn.id)
        assert receive(client, 4) == b"read"
        with pytest.raises(reactor.WrongStateError):
            running.server.release(conn.id)
        conn.close()
        with pytest.raises(reactor.ClosedError):
            conn.hold()
        with pytest.raises(reactor.ClosedError):
            running.server.release(conn.id)
