"""A start and a `listen` that were forgotten are told of without being asked (M2)."""

from __future__ import annotations

import pytest
from helpers import finish, run_python

MAKE = """
import reactor
class Handler:
    def on_open(self, conn): pass
server = reactor.Server(Handler(), loops=1)
server.listen("tcp://127.0.0.1:0")
"""
TOLD = "a server listens at tcp://127.0.0.1:"


@pytest.mark.parametrize(
    "ends",
    ["", "del server", "with server: pass", "def forget(kept=server): pass"],
    ids=["the interpreter ends", "it is collected", "its block ends", "it is kept for ever"],
)
def test_a_server_that_was_never_started(ends: str) -> None:
    status, _, told = finish(run_python(MAKE + ends))
    assert status == 0
    assert told.count(TOLD) == 1
    assert told.strip().endswith(" and was never started: call start or run")


@pytest.mark.parametrize(
    "ends",
    ["server.stop()", "server.start(); server.stop(); server.wait()", "with server:\n    raise SystemExit(0)"],
    ids=["stopped", "served", "given up"],
)
def test_a_server_that_nobody_forgot(ends: str) -> None:
    assert finish(run_python(MAKE + ends)) == (0, "", "")


def test_an_exception_says_enough() -> None:
    status, _, told = finish(run_python(MAKE + "server.listen(5)"))
    assert status == 1
    assert TOLD not in told
    assert told.strip().splitlines()[-1].startswith("TypeError")


def test_a_server_that_listens_nowhere() -> None:
    script = """
import logging, threading, reactor
told = threading.Event()
class Tell(logging.Handler):
    def emit(self, record):
        print(record.levelname, record.getMessage())
        told.set()
logging.getLogger("reactor").addHandler(Tell())
class Handler:
    def on_open(self, conn): pass
with reactor.Server(Handler(), loops=1) as server:
    server.start()
    assert told.wait(20)
"""
    message = "a server runs that listens nowhere, and so nobody can connect: call listen"
    assert finish(run_python(script)) == (0, f"ERROR {message}\n", "")


def test_nobody_is_told_when_the_interpreter_is_half_gone() -> None:
    # What is registered before the package's own function runs after it.
    first = "import atexit\natexit.register(lambda: late())\n"
    late = """
def late():
    global other
    other = reactor.Server(Handler(), loops=1)
    other.listen("tcp://127.0.0.1:0")
server.stop()
"""
    assert finish(run_python(first + MAKE + late)) == (0, "", "")
