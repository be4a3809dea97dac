"""Signals and the end of the interpreter, each in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from helpers import connect, finish, receive, run_python

SERVER = """
import reactor, signal, sys, threading, time

class Handler(reactor.Handler):
    def on_data(self, conn, data):
        conn.write(data)
    def on_stop(self, server):
        print("stopped", flush=True)

handler = Handler()
server = reactor.Server(handler, loops=2)
url = server.listen("tcp://127.0.0.1:0")
"""


def serving(process: subprocess.Popen[str]) -> str:
    """Waits until the server answers, which is after the start; its URL."""
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    with connect(url) as client:
        client.sendall(b"x")
        assert receive(client, 1) == b"x"
    return url


def asleep(process: subprocess.Popen[str]) -> None:
    """Waits until the main thread sleeps in the kernel, so that a signal finds it waiting."""
    stat = Path(f"/proc/{process.pid}/stat")
    quiet = 0
    for _ in range(2000):
        quiet = quiet + 1 if stat.read_text().rpartition(")")[2].split()[0] == "S" else 0
        if quiet == 20:
            return
        time.sleep(0.002)
    raise AssertionError("the main thread never sleeps")


def signalled(code: str, *signals: signal.Signals) -> tuple[int, str, str]:
    process = run_python(SERVER + code)
    with connect(serving(process)):
        for number in signals:
            asleep(process)
            process.send_signal(number)
        return finish(process)


def test_ctrl_c_ends_run_cleanly() -> None:
    code = "print(url, flush=True); server.run(); print('returned')"
    assert signalled(code, signal.SIGINT) == (0, "stopped\nreturned\n", "")


def test_another_exception_of_a_signal_handler_stops_and_is_raised() -> None:
    code = """
def handler(*_):
    raise LookupError("from the signal")
signal.signal(signal.SIGTERM, handler)
print(url, flush=True)
try:
    server.run()
except LookupError as error:
    print("raised", error)
    server.wait()
"""
    assert signalled(code, signal.SIGTERM) == (0, "stopped\nraised from the signal\n", "")


def test_a_signal_handler_that_returns_leaves_run_running() -> None:
    code = """
signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
print(url, flush=True)
server.run()
"""
    assert signalled(code, signal.SIGUSR1, signal.SIGINT) == (0, "handled\nstopped\n", "")


def test_a_signal_handler_may_stop_the_server() -> None:
    code = """
signal.signal(signal.SIGTERM, lambda *_: server.stop())
print(url, flush=True)
server.run()
"""
    assert signalled(code, signal.SIGTERM) == (0, "stopped\n", "")


def test_ctrl_c_in_wait_is_raised_and_the_server_keeps_running() -> None:
    code = """
server.start()
print(url, flush=True)
try:
    server.wait()
except KeyboardInterrupt:
    print("interrupted", server.connections, flush=True)
server.stop()
server.wait()
"""
    assert signalled(code, signal.SIGINT) == (0, "interrupted 1\nstopped\n", "")


def test_a_second_ctrl_c_ends_the_waiting_for_a_callback_that_hangs() -> None:
    code = """
def on_open(conn):
    print(url, flush=True)
    time.sleep(60)
Handler.on_open = lambda self, conn: on_open(conn)
server = reactor.Server(Handler(), loops=1)
url = server.listen("tcp://127.0.0.1:0")
print(url, flush=True)
try:
    server.run()
except KeyboardInterrupt:
    print("gave up", flush=True)
    sys.exit(3)
"""
    process = run_python(SERVER + code)
    assert process.stdout is not None
    with connect(process.stdout.readline().strip()):
        process.stdout.readline()
        for _ in range(2):
            asleep(process)
            process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "gave up\n"
        # The third, in the wait at the end of the interpreter.
        asleep(process)
        process.send_signal(signal.SIGINT)
        code_, out, err = finish(process)
    assert (code_, out) == (3, "")
    # The interpreter reports what an atexit function raises.
    assert "KeyboardInterrupt" in err


def test_a_signal_handler_runs_with_the_signals_unblocked() -> None:
    code = """
def handler(*_):
    print(signal.pthread_sigmask(signal.SIG_BLOCK, []), flush=True)
signal.signal(signal.SIGUSR1, handler)
print(url, flush=True)
server.run()
"""
    assert signalled(code, signal.SIGUSR1, signal.SIGINT) == (0, "set()\nstopped\n", "")


FORK = """
import os, warnings
warnings.simplefilter("ignore")  # Of forking a process with threads.

def fork(child):
    pid = os.fork()
    if pid == 0:
        child()
        sys.exit(0)
    for _ in range(1000):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return print("child ended", flush=True)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    print("child hangs", flush=True)
"""


def test_a_forked_child_does_not_wait_for_the_servers_of_its_parent() -> None:
    code = f"""
{FORK}
server.start()
print(url, flush=True)
sys.stdin.read()
fork(lambda: None)
"""
    process = run_python(SERVER + code)
    with connect(serving(process)) as client:
        client.sendall(b"x")
        assert receive(client, 1) == b"x"
        assert finish(process) == (0, "child ended\nstopped\n", "")


def test_a_forked_child_stops_a_server_that_it_has_started() -> None:
    code = f"""
{FORK}
print(url, flush=True)
fork(server.start)
"""
    assert finish(run_python(SERVER + code))[1].splitlines()[1:] == ["stopped", "child ended"]


@pytest.mark.parametrize(
    "last",
    [
        "",
        "sys.exit(0)",
        "del server",
        "handler.server = server; del server",
        "threading.Thread(target=server.wait).start(); server.stop()",
        "threading.Thread(target=server.wait, daemon=True).start()",
    ],
    ids=["end", "exit", "del", "cycle", "waiter", "daemon"],
)
def test_the_interpreter_ends_with_a_server_running(last: str) -> None:
    code = f"""
server.start()
print(url, flush=True)
sys.stdin.read()
{last}
"""
    process = run_python(SERVER + code)
    with connect(serving(process)):
        assert finish(process) == (0, "stopped\n", "")


def test_the_interpreter_ends_with_servers_that_were_never_started() -> None:
    assert finish(run_python(SERVER)) == (0, "", "")


def test_the_interpreter_ends_while_callbacks_are_busy() -> None:
    code = """
def on_data(self, conn, data):
    for _ in range(50):
        conn.write(data)
        sum(range(1000))
Handler.on_data = on_data
server = reactor.Server(Handler(), loops=2)
url = server.listen("tcp://127.0.0.1:0")
server.start()
print(url, flush=True)
sys.stdin.readline()
"""
    process = run_python(SERVER + code)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    clients = [connect(url) for _ in range(4)]
    for client in clients:
        client.sendall(bytes(1 << 16))
        client.recv(1)
    assert finish(process) == (0, "stopped\n", "")
    for client in clients:
        client.close()


def test_a_server_dropped_in_its_own_callback_ends_before_the_interpreter_does() -> None:
    code = """
class Dropping:
    def on_data(self, conn, data):
        global server
        conn.write(data)
        del server
        dropped.set()
        time.sleep(0.2)
        print("callback ended", flush=True)
    def on_stop(self, server):
        print("stopped", server.addresses == [url], flush=True)
dropped = threading.Event()
server = reactor.Server(Dropping(), loops=2)
url = server.listen("tcp://127.0.0.1:0")
server.start()
print(url, flush=True)
dropped.wait(20)
"""
    process = run_python(SERVER + code)
    serving(process)
    assert finish(process) == (0, "callback ended\nstopped True\n", "")


def test_a_failure_is_on_standard_error_when_logging_is_not_set_up() -> None:
    code = """
Handler.on_data = lambda self, conn, data: conn.write("text")
server = reactor.Server(Handler())
url = server.listen("tcp://127.0.0.1:0")
print(url, flush=True)
server.run()
"""
    process = run_python(SERVER + code)
    assert process.stdout is not None
    with connect(process.stdout.readline().strip()) as client:
        client.sendall(b"x")
        assert client.recv(1) == b""
        asleep(process)
        process.send_signal(signal.SIGINT)
        code_, out, err = finish(process)
    assert (code_, out) == (0, "stopped\n")
    assert err.startswith("on_data failed (connection ")
    assert err.endswith("TypeError: a bytes-like object is required, not 'str'\n")
