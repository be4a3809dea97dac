"""A server that another event loop drives, by its descriptor and turns."""

from __future__ import annotations

import gc
import os
import select
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import reactor
from helpers import (
    DEADLINE,
    Recorder,
    call_in_thread,
    connect,
    echo,
    engine_threads,
    finish,
    receive,
    receive_all,
    run_python,
)

Make = Callable[..., "Host"]


class Host:
    """Polls and turns, as a host does."""

    def __init__(self, handler: object, url: str = "tcp://127.0.0.1:0", **options: Any) -> None:
        self.server = reactor.Server(handler, loops=1, **options)
        self.url = self.server.listen(url)
        self.hosted = reactor.Hosted(self.server)
        self.goes_on = True

    def turn(self) -> bool:
        """Waits until there is something to do, and does it."""
        assert select.select([self.hosted], [], [], DEADLINE)[0], "the descriptor is never readable"
        self.goes_on = self.hosted.turn()
        return self.goes_on

    def turn_until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + DEADLINE
        while not condition():
            assert self.goes_on and time.monotonic() < end, "waited in vain"
            self.turn()


@pytest.fixture
def host() -> Iterator[Make]:
    made: list[Host] = []

    def make(handler: object, **options: Any) -> Host:
        made.append(Host(handler, **options))
        return made[-1]

    yield make
    for each in made:
        each.hosted.close()


def test_callbacks_come_in_turns_on_the_hosts_thread(host: Make) -> None:
    threads: set[int] = set()

    def on_data(conn: reactor.Conn, data: bytes) -> None:
        threads.add(threading.get_ident())
        conn.write(data)

    recorder = Recorder(on_data=on_data)
    here = host(recorder)
    assert recorder.events == [], "on_start comes in the first turn"
    with connect(here.url) as client:
        client.sendall(b"hello")
        here.turn_until(lambda: "on_data" in recorder.names())
        assert receive(client, 5) == b"hello"
        assert engine_threads() == []
        # From another thread: the descriptor becomes readable for it.
        assert call_in_thread(lambda: recorder.conns[0].write(b" there")) is True
        here.turn()
        assert receive(client, 6) == b" there"
        # On its own thread between two turns.
        recorder.conns[0].write(b"!")
        here.turn()
        assert receive(client, 1) == b"!"
    here.turn_until(recorder.closed)
    here.server.stop()
    assert here.turn() is False
    assert here.hosted.turn() is False
    assert threads == {threading.get_ident()}
    assert recorder.names() == ["on_start", "on_open", "on_data", "on_close", "on_stop"]
    assert recorder.events[0][1] is here.server is here.hosted.server
    assert recorder.closed() == [(reactor.CloseReason.EOF, None)]


def test_the_descriptor_sleeps_when_there_is_nothing_to_do(host: Make) -> None:
    here = host(Recorder(on_data=echo))
    here.turn()
    with connect(here.url) as client:
        client.sendall(b"hello")
        assert select.select([here.hosted], [], [], DEADLINE)[0]
        while select.select([here.hosted], [], [], 0)[0]:
            here.turn()
        assert receive(client, 5) == b"hello"
        assert here.hosted.turn() is True, "a turn without work is none the worse"


def test_turn_waits_without_the_interpreter_lock(host: Make) -> None:
    recorder = Recorder(on_data=echo)
    here = host(recorder)
    here.turn()
    answers: list[bytes] = []

    def exchange() -> None:
        with connect(here.url) as client:
            client.sendall(b"hello")
            answers.append(receive(client, 5))

    client = threading.Thread(target=exchange)
    client.start()
    # If it kept the lock the client could not even begin.
    while not recorder.closed():
        assert here.hosted.turn(None) is True
    client.join()
    assert answers == [b"hello"]
    assert here.hosted.turn(0.001) is True
    assert here.hosted.turn(timeout=1e-12) is True


def test_a_signal_handler_runs_while_it_waits_and_its_exception_ends_the_wait(host: Make) -> None:
    here = host(Recorder())
    here.turn()

    def interrupt(*_: object) -> None:
        raise InterruptedError("by a signal")

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(InterruptedError, match="by a signal"):
            here.hosted.turn(None)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert here.hosted.turn() is True


@pytest.mark.parametrize("timeout", [-1.0, float("nan")])
def test_a_timeout_that_is_none(host: Make, timeout: float) -> None:
    with pytest.raises(reactor.InvalidArgumentError, match="timeout must be a number of seconds, 0 or more"):
        host(Recorder()).hosted.turn(timeout)


def test_it_stays_on_its_thread(host: Make) -> None:
    here = host(Recorder())
    for call in (here.hosted.turn, here.hosted.close):
        error = call_in_thread(call)
        assert isinstance(error, reactor.WrongThreadError), error
        assert "on the thread that made it only" in str(error)
    assert call_in_thread(here.hosted.fileno) == here.hosted.fileno()
    assert here.turn() is True


def test_it_does_not_turn_inside_a_turn(host: Make) -> None:
    errors: list[str] = []

    def again(*_: object) -> None:
        for call in (here.hosted.turn, here.hosted.close):
            with pytest.raises(reactor.WrongStateError) as raised:
                call()
            errors.append(str(raised.value))

    here = host(Recorder(on_start=again))
    here.turn()
    assert errors == [f"cannot {what} a hosted server in a callback of its own" for what in ("turn", "close")]


def test_servers_that_cannot_be_hosted() -> None:
    with pytest.raises(reactor.InvalidArgumentError, match="one loop, not 2"):
        reactor.Hosted(reactor.Server(Recorder(), loops=2))
    server = reactor.Server(Recorder(), loops=2)
    server.listen("tcp://127.0.0.1:0")
    with pytest.raises(reactor.InvalidArgumentError):
        reactor.Hosted(server)
    # It is as before.
    with server:
        server.start()
        assert server.loops == 2
        with pytest.raises(reactor.WrongStateError, match="was started before"):
            reactor.Hosted(server)
    with pytest.raises(TypeError):
        reactor.Hosted("server")  # type: ignore[arg-type]


def test_it_is_hosted_once(host: Make) -> None:
    here = host(Recorder())
    with pytest.raises(reactor.WrongStateError):
        reactor.Hosted(here.server)
    with pytest.raises(reactor.WrongStateError):
        here.server.start()
    with pytest.raises(reactor.WrongStateError, match="host drives it"):
        here.server.wait()


@pytest.mark.parametrize("what", ["returns stop", "raises", "stops"])
def test_on_start_can_refuse(host: Make, what: str) -> None:
    cause = ValueError("no")

    def on_start(server: reactor.Server) -> reactor.Action | None:
        if what == "raises":
            raise cause
        if what == "stops":
            server.stop()
        return reactor.Action.STOP

    recorder = Recorder(on_start=on_start)
    here = host(recorder)
    error = reactor.HandlerFailedError if what == "raises" else reactor.StoppedError
    with pytest.raises(error) as raised:
        here.turn()
    assert raised.value.__cause__ is (cause if what == "raises" else None)
    assert here.hosted.turn() is False
    assert recorder.names() == ["on_start"]


def test_closing_it_ends_the_server_at_once(host: Make) -> None:
    recorder = Recorder(on_data=echo)
    here = host(recorder)
    with connect(here.url) as client:
        client.sendall(b"hello")
        here.turn_until(lambda: "on_data" in recorder.names())
        recorder.conns[0].write(b" and good-bye")
        with here.hosted as entered:
            assert entered is here.hosted
        assert receive_all(client) == b"hello and good-bye"
    assert recorder.closed() == [(reactor.CloseReason.SHUTDOWN, None)]
    assert recorder.names()[-1] == "on_stop"
    assert here.hosted.closed
    here.hosted.close()
    assert here.hosted.turn() is False
    assert here.hosted.turn(None) is False
    with pytest.raises(reactor.WrongStateError, match="was closed"):
        here.hosted.fileno()
    with pytest.raises(reactor.ClosedError):
        recorder.conns[0].write(b"late")


def test_leaving_the_servers_block_stops_it(host: Make) -> None:
    recorder = Recorder()
    here = host(recorder)
    with here.server:
        here.turn()
    assert here.turn() is False
    assert recorder.names() == ["on_start", "on_stop"]


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["on_data", "on_close", "on_stop"])
def test_what_ends_the_program_stops_the_server_and_is_raised_by_the_turn(
    host: Make, where: str, raised: type[BaseException]
) -> None:
    def fail(*_: object) -> None:
        raise raised("enough")

    recorder = Recorder(**{where: fail})
    here = host(recorder)
    with connect(here.url) as client, pytest.raises(raised, match="enough"):
        client.sendall(b"hello")
        here.turn_until(lambda: "on_data" in recorder.names())
        client.close()
        here.turn_until(recorder.closed)
        here.server.stop()
        here.turn_until(lambda: False)
    assert recorder.errors == []
    assert here.hosted.turn() is False
    assert recorder.names() == ["on_start", "on_open", "on_data", "on_close", "on_stop"]


def test_other_failures_are_reported_as_on_threads(host: Make) -> None:
    cause = ValueError("no")

    def fail(conn: reactor.Conn, data: bytes) -> None:
        raise cause

    recorder = Recorder(on_data=fail)
    here = host(recorder)
    with connect(here.url) as client:
        client.sendall(b"hello")
        here.turn_until(lambda: recorder.errors)
        assert receive_all(client) == b""
    here.turn_until(recorder.closed)
    assert recorder.errors == [(recorder.conns[0], cause)]
    assert recorder.closed() == [(reactor.CloseReason.HANDLER_ERROR, None)]


def test_one_that_is_dropped_is_closed_and_complained_of() -> None:
    recorder = Recorder()
    here = Host(recorder)
    here.turn()
    with pytest.warns(ResourceWarning, match=r"unclosed <reactor.Hosted open <reactor.Server tcp://"):
        del here.hosted
        gc.collect()
    assert recorder.names() == ["on_start", "on_stop"]


def test_one_that_is_dropped_elsewhere_is_only_complained_of() -> None:
    recorder = Recorder()
    hosts = [Host(recorder)]
    hosts[0].turn()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call_in_thread(hosts.clear)
        gc.collect()
    assert [type(each.message) for each in caught] == [ResourceWarning]
    assert recorder.names() == ["on_start"]


def test_several_in_one_host(host: Make) -> None:
    recorders = [Recorder(on_data=echo) for _ in range(3)]
    hosts = [host(recorder) for recorder in recorders]
    clients = [connect(each.url) for each in hosts]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
    end = time.monotonic() + DEADLINE
    while not all("on_data" in recorder.names() for recorder in recorders):
        assert time.monotonic() < end
        ready = select.select([each.hosted for each in hosts], [], [], DEADLINE)[0]
        for hosted in ready:
            hosted.turn()
    for number, client in enumerate(clients):
        assert receive(client, 1) == b"%d" % number
        client.close()


def test_a_thread_of_its_own_can_be_the_host() -> None:
    recorder = Recorder(on_data=echo)
    urls: list[str] = []
    ready = threading.Event()

    def serve() -> None:
        here = Host(recorder)
        urls.append(here.url)
        ready.set()
        with here.hosted:
            while here.hosted.turn(None):
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(DEADLINE)
    with connect(urls[0]) as client:
        client.sendall(b"hello")
        assert receive(client, 5) == b"hello"
    recorder.wait_for("on_close")
    recorder.events[0][1].stop()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert recorder.names()[-1] == "on_stop"


def test_a_forked_child_does_not_turn_it(host: Make) -> None:
    here = host(Recorder(on_data=echo))
    here.turn()
    child = os.fork()
    if child == 0:
        try:
            here.hosted.turn()
        except reactor.WrongStateError as error:
            os._exit(7 if "before the fork" in str(error) else 8)
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    with connect(here.url) as client:
        client.sendall(b"hello")
        while here.server.connections == 0:
            here.turn()
        here.turn()
        assert receive(client, 5) == b"hello"


def test_the_interpreter_ends_with_one_that_is_open() -> None:
    program = run_python(
        """
import select, socket, reactor
class Handler(reactor.Handler):
    def on_close(self, conn, reason, errno):
        print("closed")
server = reactor.Server(Handler(), loops=1)
url = server.listen("tcp://127.0.0.1:0")
hosted = reactor.Hosted(server)
hosted.turn()
server.listen("tcp://127.0.0.1:0")
client = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
while server.connections == 0:
    hosted.turn(None)
print("ends")
"""
    )
    code, out, err = finish(program)
    assert (code, out.split()[0], err) == (0, "ends", "")
