"""Daemon threads that call the engine while the interpreter ends."""

from __future__ import annotations

import pytest
from helpers import finish, run_python

PROGRAM = """
import socket, sys, threading, time
import reactor

server = reactor.Server(reactor.Handler(), loops=2)
url = server.listen("tcp://127.0.0.1:0")
server.start()
client = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
while not server.connection_ids():
    time.sleep(0.001)
conn = server.conn(server.connection_ids()[0])
sys.setswitchinterval(1e-5)

def forever():
    while True:
        try:
            {call}
        except reactor.Error:
            pass

for _ in range(4):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.1)
"""


@pytest.mark.parametrize("call", ["server.metrics()", "server.listeners", "server.run_on_loop(0, int)", "conn.info()"])
def test_nothing_aborts_the_process(call: str) -> None:
    for _ in range(4):
        code, _, errors = finish(run_python(PROGRAM.format(call=call)))
        assert (code, errors) == (0, "")
