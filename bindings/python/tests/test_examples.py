"""The examples, run as a newcomer runs them."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from helpers import DEADLINE, connect, exchange, finish, receive, receive_all, reset, run_program, send_all

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples" / "python"


def run_example(name: str, *args: str) -> subprocess.Popen[str]:
    return run_program(sys.executable, str(EXAMPLES / name), *args)


def listening(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    words, _, url = line.rpartition(" ")
    assert words == "listening on", line
    return url


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_echo_serves_every_listener_and_ends_at_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    path = f"unix://{tmp_path}/echo"
    process = run_example(
        "echo.py", "--listen", "tcp://127.0.0.1:0?backlog=5", "--listen", path, "--listen", "127.0.0.1:0", "--loops", "2"
    )
    urls = [listening(process) for _ in range(3)]
    assert [url.rpartition(":")[0] for url in urls] == ["tcp://127.0.0.1", "unix", "tcp://127.0.0.1"]
    assert urls[1] == path
    data = random.randbytes(1 << 17)
    for url in urls:
        with connect(url) as client:
            sender = threading.Thread(target=send_all, args=(client, data))
            sender.start()
            assert receive_all(client) == data
            sender.join(DEADLINE)
    with connect(urls[0]) as client:
        client.sendall(b"x")
        assert receive(client, 1) == b"x"
        process.send_signal(number)
        assert finish(process) == (0, "", "")
    assert not os.path.exists(f"{tmp_path}/echo")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_echo_ends_at_a_signal_that_comes_early(number: signal.Signals) -> None:
    for _ in range(10):
        process = run_example("echo.py", "--listen", "tcp://127.0.0.1:0")
        listening(process)
        process.send_signal(number)
        assert finish(process) == (0, "", "")


@pytest.mark.parametrize(
    ("args", "quoted"),
    [
        ([], "--listen"),
        (["--listen"], "--listen"),
        (["--bogus"], "--bogus"),
        (["--listen", "bogus://x\ny"], "bogus://x"),
        (["--listen", "tcp://127.0.0.1:0", "ex\ntra"], "ex tra"),
        (["--listen", "bogus://x"], "bogus://x"),
        (["--listen", "tcp://127.0.0.1:0?color=red"], "color"),
        (["--listen", "tcp://127.0.0.1:0", "--loops", "many"], "'many'"),
        (["--listen", "tcp://127.0.0.1:0", "--loops", "-1"], "-1"),
        (["--listen", "tcp://127.0.0.1:0", "--loops", "99999"], "99999"),
        (["--listen", "tcp://127.0.0.1:0", "--lo", "1"], "--lo"),
        (["--listen", "tcp://127.0.0.1:0", "extra"], "extra"),
        (["--listen", "tcp://\udcff:1"], "udcff"),
    ],
)
def test_echo_quotes_a_wrong_flag_in_one_line(args: list[str], quoted: str) -> None:
    code, out, err = finish(run_example("echo.py", *args))
    assert code == 1
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("echo: ")
    assert quoted in err


def test_echo_names_an_address_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = finish(run_example("echo.py", "--listen", url))
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert url in err


def test_echo_says_in_one_line_that_its_output_is_full() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, str(EXAMPLES / "echo.py"), "--listen", "tcp://127.0.0.1:0"]
        echo = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=DEADLINE)
    assert (echo.returncode, echo.stderr) == (1, "echo: [Errno 28] No space left on device\n")


def test_echo_survives_resets_in_silence() -> None:
    process = run_example("echo.py", "--listen", "tcp://127.0.0.1:0")
    url = listening(process)
    for number in range(200):
        client = connect(url)
        client.sendall(bytes(number * 1000))
        reset(client)
    assert exchange(url, b"alive") == b"alive"
    process.send_signal(signal.SIGTERM)
    assert finish(process) == (0, "", "")


def quickstart() -> str:
    return (EXAMPLES / "quickstart.py").read_text()


def test_the_quick_start_is_short_and_works_when_pasted() -> None:
    lines = [line for line in quickstart().splitlines() if line.strip() and not line.lstrip().startswith('"""')]
    assert len(lines) <= 15
    # Any free port instead: 5000 may be taken.
    assert quickstart().count(":5000") == 1
    code = quickstart().replace(":5000", "127.0.0.1:0")
    process = run_program(sys.executable, "-u", "-c", code)
    url = listening(process)
    assert exchange(url, b"hello") == b"hello"
    process.send_signal(signal.SIGINT)
    assert finish(process) == (0, "", "")


def test_the_packages_readme_has_the_quick_start() -> None:
    body = quickstart().partition("\n\n")[2]
    assert f"```python\n{body}```" in (ROOT / "bindings" / "python" / "README.md").read_text()


@pytest.mark.parametrize("kind", ["frames", "lists"])
def test_the_benchmarks_servers_send_messages_back(kind: str) -> None:
    process = run_program(sys.executable, str(ROOT / "bench" / "servers" / "python" / "server.py"), kind, "tcp://127.0.0.1:0")
    messages = [b"", b"a", b"\0\0\0\1", random.randbytes(300_000)]
    sent = b"".join(len(message).to_bytes(4, "big") + message for message in messages)
    assert exchange(listening(process), sent) == sent
    process.terminate()
    assert finish(process) == (0, "", "")
