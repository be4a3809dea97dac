"""serve(): the short way, and its signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
import reactor
from helpers import Recorder, call_in_thread, connect, echo, exchange, finish, receive, run_python, run_program, wait_until

PROGRAM = """
import reactor, signal, sys, threading

class Handler(reactor.Handler):
    def on_start(self, server):
        self.server = server
        print(server.listeners[0], flush=True)
    def on_data(self, conn, data):
        conn.context = "has spoken"
        conn.write(data)
    def on_close(self, conn, reason, errno):
        if conn.context:
            print(reason, flush=True)
    def on_stop(self, server):
        print("stopped", flush=True)

handler = Handler()
signal.signal(signal.SIGTERM, lambda number, frame: print("before", flush=True))
before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
reactor.serve(handler, "tcp://127.0.0.1:0", stop_deadline=100, framing="line", loops=2)
assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
print("served", flush=True)
"""


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_connections_finish_and_a_second_does_not(number: signal.Signals) -> None:
    process = run_python(PROGRAM)
    url = line(process)
    with connect(url) as first, connect(url) as second:
        for client in (first, second):
            client.sendall(b"one\n")
            assert receive(client, 3) == b"one"
        process.send_signal(number)
        # Whoever is there goes on, and nobody else comes.
        wait_until(lambda: is_refused(url), "the end of listening")
        first.sendall(b"two\n")
        assert receive(first, 3) == b"two"
        first.close()
        assert line(process) == "eof"
        process.send_signal(number)
        assert [line(process) for _ in range(3)] == ["shutdown", "stopped", "served"]
        assert finish(process) == (0, "", "")


def is_refused(url: str) -> bool:
    try:
        connect(url).close()
    except OSError:
        return True
    return False


def test_it_ends_when_the_connections_have_ended() -> None:
    process = run_python(PROGRAM)
    url = line(process)
    assert exchange(url, b"one\n") == b"one"
    process.send_signal(signal.SIGTERM)
    assert [line(process) for _ in range(3)] == ["eof", "stopped", "served"]
    assert finish(process) == (0, "", "")


def test_a_signal_that_was_ignored_stops_it_and_is_ignored_again() -> None:
    # As a shell has it for programs in its background.
    program = PROGRAM + "print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    process = run_program("sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, program)
    url = line(process)
    assert exchange(url, b"one\n") == b"one"
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out.splitlines()[-2:], err) == (0, ["served", "True"], "")


def test_the_way_to_stop_it_in_another_thread_is_the_server() -> None:
    served: list[reactor.Server] = []
    recorder = Recorder(on_data=echo, on_start=served.append)

    def stop() -> None:
        wait_until(lambda: bool(served) and served[0].loops > 0)
        assert exchange(served[0].addresses[0], b"x") == b"x"
        served[0].stop_gracefully()

    stopper = threading.Thread(target=stop)
    stopper.start()
    before = signal.getsignal(signal.SIGTERM)
    assert call_in_thread(lambda: reactor.serve(recorder, "tcp://127.0.0.1:0")) is None
    stopper.join()
    assert signal.getsignal(signal.SIGTERM) is before
    assert recorder.names()[-1] == "on_stop"


def test_there_must_be_something_to_serve() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(reactor.InvalidArgumentError, match="there is nothing to serve"):
        reactor.serve(Recorder())
    with pytest.raises(reactor.InvalidAddressError, match="bogus"):
        reactor.serve(Recorder(), "bogus://")
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_is_no_option_is_refused() -> None:
    options: dict[str, Any] = {"threads": 2}
    with pytest.raises(TypeError, match="threads"):
        reactor.serve(Recorder(), "tcp://127.0.0.1:0", **options)


def test_a_start_that_is_refused_is_told() -> None:
    with pytest.raises(reactor.StoppedError):
        reactor.serve(Recorder(on_start=lambda server: reactor.Action.STOP), "tcp://127.0.0.1:0")


def test_a_signal_before_the_start_ends_it() -> None:
    recorder = Recorder(on_start=lambda server: signal.raise_signal(signal.SIGTERM))
    reactor.serve(recorder, "tcp://127.0.0.1:0")
    assert recorder.names() == ["on_start"]
