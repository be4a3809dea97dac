"""Signals, and processes that callbacks fork or start, each in a process of its own."""

from __future__ import annotations

import signal

from helpers import HANDLER, SERVER, asleep, connect, finish, receive, run_python, serving


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

CHILDREN = """
import subprocess, threading
class Starter(reactor.Handler):
    def on_data(self, conn, data):
        ends = []
        for number in (signal.SIGTERM, signal.SIGINT):
            for options in ({}, {"start_new_session": True}, {"preexec_fn": int}):
                child = subprocess.Popen(["sleep", "60"], **options)
                child.send_signal(number)
                ends.append(-child.wait(20))
        seen = []
        thread = threading.Thread(target=lambda: seen.append(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
        thread.start()
        thread.join()
        conn.write(repr([set(ends[:3]), set(ends[3:]), seen]).encode())
server = reactor.Server(Starter(), loops=1)
url = server.listen("tcp://127.0.0.1:0")
print(url, flush=True)
server.run()
"""


def test_what_a_callback_starts_has_the_signals_of_the_program() -> None:
    process = run_python(SERVER + CHILDREN)
    assert process.stdout is not None
    with connect(process.stdout.readline().strip()) as client:
        client.sendall(b"x")
        assert client.recv(1000) == b"[{15}, {2}, [set()]]"
        process.send_signal(signal.SIGINT)
        assert finish(process)[0] == 0


def test_a_signal_that_a_callback_raises_is_handled_in_the_main_thread() -> None:
    code = """
def handler(*_):
    print("handled", threading.current_thread() is threading.main_thread(), flush=True)
signal.signal(signal.SIGUSR1, handler)
Handler.on_data = lambda self, conn, data: signal.raise_signal(signal.SIGUSR1)
server = reactor.Server(Handler(), loops=1)
url = server.listen("tcp://127.0.0.1:0")
print(url, flush=True)
server.run()
"""
    process = run_python(HANDLER + code)
    assert process.stdout is not None
    with connect(process.stdout.readline().strip()) as client:
        for _ in range(20):
            client.sendall(b"x")
            assert process.stdout.readline() == "handled True\n"
        process.send_signal(signal.SIGINT)
        assert finish(process) == (0, "stopped\n", "")


def test_a_wait_leaves_another_s_wakeup_descriptor_as_it_was() -> None:
    code = """
import socket
mine, theirs = socket.socketpair()
mine.setblocking(False)
theirs.setblocking(False)
signal.set_wakeup_fd(theirs.fileno())
signal.signal(signal.SIGUSR1, lambda *_: None)
print(url, flush=True)
server.run()
print(sorted(mine.recv(10)), signal.set_wakeup_fd(-1) == theirs.fileno())
mine.close()
theirs.close()
"""
    signals = [int(signal.SIGINT), int(signal.SIGUSR1)]
    assert signalled(code, signal.SIGUSR1, signal.SIGINT) == (0, f"stopped\n{sorted(signals)} True\n", "")


def test_a_child_that_returns_from_a_callback_leaves_the_loop() -> None:
    code = f"""
{FORK}
class Forking(reactor.Handler):
    def on_data(self, conn, data):
        if data == b"fork":
            self.child = os.fork()
            if self.child == 0:
                return
        elif data == b"exit":
            self.child = os.fork()
            if self.child == 0:
                sys.exit(0)
        elif data == b"end?":
            return conn.write(b"%d" % os.waitpid(self.child, 0)[1])
        conn.write(b"%d" % os.getpid())
    def on_error(self, conn, exc):
        pass
server = reactor.Server(Forking(), loops=1)
url = server.listen("tcp://127.0.0.1:0")
server.start()
print(url, flush=True)
sys.stdin.read()
"""
    process = run_python(HANDLER + code)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    pid = str(process.pid).encode()
    with connect(url) as client:
        for how in (b"fork", b"exit"):
            client.sendall(how)
            assert receive(client, len(pid)) == pid
            for _ in range(12):
                with connect(url) as other:
                    other.sendall(b"who?")
                    assert receive(other, len(pid)) == pid
            client.sendall(b"end?")
            assert receive(client, 1) == b"0"
    assert finish(process) == (0, "", "")


def test_a_failure_is_on_standard_error_when_logging_is_not_set_up() -> None:
    code = """
Handler.on_data = lambda self, conn, data: conn.write("text")
server = reactor.Server(Handler())
url = server.listen("tcp://127.0.0.1:0")
print(url, flush=True)
server.run()
"""
    process = run_python(HANDLER + code)
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
