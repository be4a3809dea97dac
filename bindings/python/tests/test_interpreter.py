"""The package and the interpreter: its end, other imports, sub-interpreters, tracing; each in a process of its own."""

from __future__ import annotations

import sys

import pytest
from helpers import HANDLER, SERVER, connect, exchange, finish, run_program, run_python, serving


def test_a_server_does_not_start_when_the_interpreter_ends() -> None:
    code = """
import atexit
def late():
    other = reactor.Server(Handler(), loops=1)
    try:
        other.start()
    except reactor.WrongStateError as error:
        print(error, flush=True)
# Once from on_stop, and once from what runs after the package's own function.
Handler.on_stop = lambda self, server: late()
server = reactor.Server(Handler(), loops=1)
url = server.listen("tcp://127.0.0.1:0")
server.start()
print(url, flush=True)
sys.stdin.read()
"""
    first = "import atexit\natexit.register(lambda: late())\n"
    process = run_python(first + HANDLER + code)
    with connect(serving(process)):
        assert finish(process) == (0, "cannot start: the interpreter ends\n" * 2, "")


def test_a_daemon_thread_that_starts_servers_does_not_keep_the_interpreter() -> None:
    code = """
import itertools
def start():
    for _ in itertools.count():
        try:
            reactor.Server(reactor.Handler(), loops=1).start()
        except (reactor.StoppedError, reactor.WrongStateError):
            return
server.start()
print(url, flush=True)
sys.stdin.read()
threading.Thread(target=start, daemon=True).start()
time.sleep(0.05)
"""
    process = run_python(SERVER + code)
    with connect(serving(process)):
        assert finish(process) == (0, "stopped\n", "")


def test_a_second_import_is_the_same_package() -> None:
    code = """
server.start()
first = reactor
for name in [name for name in sys.modules if name.split(".")[0] == "reactor"]:
    del sys.modules[name]
import reactor
assert reactor is not first
for name in reactor.__all__:
    assert getattr(reactor, name) is getattr(first, name), name
try:
    server.write(5 << 32, b"x")
except reactor.ClosedError as error:
    print(error, flush=True)
class Other(reactor.Handler):
    def on_data(self, conn, data):
        conn.write(data)
        return reactor.Action.CLOSE
    def on_stop(self, server):
        print("stopped", flush=True)
other = reactor.Server(Other(), loops=1)
print(other.listen("tcp://127.0.0.1:0"), flush=True)
other.start()
sys.stdin.read()
"""
    process = run_python(SERVER + code)
    assert process.stdout is not None
    told = process.stdout.readline()
    assert told.endswith("is closed\n"), finish(process)
    assert exchange(process.stdout.readline().strip(), b"hello") == b"hello"
    status, out, err = finish(process)
    # The two print at once, and each a line and its end in two pieces.
    assert (status, out.replace("\n", ""), err) == (0, "stopped" * 2, "")


SUB_INTERPRETER = """
import sys
try:
    import _interpreters as interpreters
    create, run = lambda: interpreters.create("legacy"), interpreters.exec
except ImportError:
    import _xxsubinterpreters as interpreters
    create = lambda: interpreters.create(isolated=False) if sys.version_info < (3, 13) else interpreters.create("legacy")
    run = interpreters.run_string
interpreter = create()
run(interpreter, '''
try:
    import reactor
except ImportError as error:
    print(error, flush=True)
''')
"""


@pytest.mark.parametrize("before", ["", "import reactor\n"], ids=["first", "again"])
@pytest.mark.parametrize("after", ["", "interpreters.destroy(interpreter)\n"], ids=["left", "destroyed"])
def test_a_sub_interpreter_is_refused(before: str, after: str) -> None:
    use = """
import reactor
server = reactor.Server(reactor.Handler(), loops=1)
server.start()
print("main", flush=True)
"""
    process = run_program(sys.executable, "-c", before + SUB_INTERPRETER + after + use)
    code, out, err = finish(process)
    assert (code, err) == (0, "")
    refused, main = out.splitlines()
    assert "sub-interpreter" in refused
    assert main == "main"


def test_callbacks_are_traced_and_their_threads_have_names() -> None:
    code = """
traced, profiled, names = set(), set(), set()
def trace(frame, event, arg):
    traced.add(frame.f_code.co_name)
def profile(frame, event, arg):
    profiled.add(frame.f_code.co_name)
threading.settrace(trace)
threading.setprofile(profile)
class Named(reactor.Handler):
    def on_data(self, conn, data):
        names.add(threading.current_thread().name)
        conn.write(data)
    def on_stop(self, server):
        names.add("stop " + threading.current_thread().name.rstrip("0123456789"))
server = reactor.Server(Named(), loops=2)
print(server.listen("tcp://127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
server.stop()
server.wait()
threading.settrace(None)
threading.setprofile(None)
print(sorted(names), {"on_data", "on_stop"} <= traced, {"on_data", "on_stop"} <= profiled, threading.enumerate())
"""
    process = run_python(HANDLER + code)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    for _ in range(4):
        assert exchange(url, b"x") == b"x"
    code_, out, err = finish(process)
    assert (code_, err) == (0, "")
    names, _, rest = out.partition("] ")
    assert "'reactor-0', 'reactor-1'" in names
    assert "Dummy" not in names
    assert rest.startswith("True True [<_MainThread(MainThread"), out
    assert rest.count("<") == 1, out


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
    status, out, told = finish(run_python(SERVER))
    assert (status, out) == (0, "")
    assert told.endswith(" and was never started: call start or run\n")


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
    process = run_python(HANDLER + code)
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
    process = run_python(HANDLER + code)
    serving(process)
    assert finish(process) == (0, "callback ended\nstopped True\n", "")


def test_it_does_not_run_where_the_interpreter_lock_was_switched_off() -> None:
    # What a free-threaded interpreter answers while it imports the package, with PYTHON_GIL=0.
    code = "import sys; sys._is_gil_enabled = lambda: False; import reactor"
    status, out, err = finish(run_python(code))
    last = "ImportError: reactor needs the interpreter lock, which PYTHON_GIL=0 or -X gil=0 forbids"
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith(last)
