"""echo: every byte comes back, over each kind of socket."""

from __future__ import annotations

import os
import random
import socket
import subprocess
from pathlib import Path

import pytest

from harness import LIMIT, Client, Start, in_background


def test_it_answers_over_tcp_udp_and_unix(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "echo"
    echo = start("echo", listen=("tcp://127.0.0.1:0", "udp://127.0.0.1:0", f"unix://{path}"))
    with echo.connect() as client:
        client.ask(b"over tcp", b"over tcp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(LIMIT)
        client.connect(("127.0.0.1", int(echo.urls[1].rsplit(":", 1)[1])))
        for datagram in [b"over udp", b"", b"x" * 60_000]:
            client.send(datagram)
            assert client.recv(65536) == datagram
    with Client(socket.socket(socket.AF_UNIX)) as client:
        client.socket.connect(str(path))
        client.ask(b"over unix", b"over unix")
    echo.stop()
    assert not path.exists()


def test_netcat_and_socat_get_everything_back(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "echo"
    echo = start("echo", listen=("tcp://127.0.0.1:0", "udp://127.0.0.1:0", f"unix://{path}"))
    udp = echo.urls[1].removeprefix("udp://")
    for command in (
        ["nc", "-N", "127.0.0.1", str(echo.port)],
        ["nc", "-N", "-U", str(path)],
        ["socat", "-t", "5", "-", f"UNIX-CONNECT:{path}"],
        ["socat", "-T", "1", "-", f"UDP:{udp}"],
    ):
        answer = subprocess.run(command, input=b"hello", capture_output=True, timeout=LIMIT, check=True).stdout
        assert answer == b"hello", command


def test_a_client_that_sends_first_and_reads_later_gets_all_of_it(start: Start) -> None:
    echo = start("echo")
    data = random.Random(1).randbytes(20_000_000)
    with echo.connect() as client:

        def send() -> None:
            client.send(data)
            client.end()

        sender = in_background(send)
        assert client.rest() == data
        sender.join(LIMIT)


def test_a_wrong_command_line_is_refused_on_one_line(start: Start) -> None:
    run = os.path.join(os.path.dirname(__file__), "..", "run")
    language = start("echo").language
    for flags in ([], ["--listen"], ["--listen", "tcp://:nonsense"], ["--listen", "tcp://:0", "--wrong"]):
        ended = subprocess.run([run, language, "echo", *flags], capture_output=True, text=True, timeout=LIMIT)
        assert ended.returncode == 1
        assert ended.stderr.startswith("echo: ") and ended.stderr.count("\n") == 1, ended.stderr


@pytest.mark.parametrize("app", ["kv", "http", "chat", "work"])
def test_what_needs_connections_refuses_datagrams(start: Start, app: str) -> None:
    with pytest.raises(AssertionError, match="this example speaks over connections, not datagrams"):
        start(app, listen=("udp://127.0.0.1:0",))
