"""The programs of the guide, and of the package's README, run as they stand there."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import connect, exchange, finish, receive, run_program

PACKAGE = Path(__file__).resolve().parents[1]


def program(page: str, heading: str) -> str:
    """The first program under a heading, at any free port: its own may be taken."""
    under = re.split(rf"^#+ {heading}$", (PACKAGE / page).read_text(), flags=re.M)[1]
    code = under.partition("```python\n")[2].partition("```\n")[0]
    assert code.count("tcp://:5000") == 1
    return code.replace("tcp://:5000", "tcp://127.0.0.1:0")


def run(code: str) -> tuple[subprocess.Popen[str], str]:
    """Starts it, and waits for the URL that it tells."""
    process = run_program(sys.executable, "-u", "-W", "error", "-c", code)
    assert process.stdout is not None
    words, _, url = process.stdout.readline().strip().rpartition(" ")
    assert words == "listening on"
    return process, url


def test_the_readmes_program_under_asyncio() -> None:
    process, url = run(program("README.md", "Under asyncio"))
    assert exchange(url, b"hello") == b"hello"
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (out, err.splitlines()[-1:]) == ("", ["KeyboardInterrupt"])
    assert code == -signal.SIGINT


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio has no timeout, and tasks no contexts")
def test_the_guides_program_under_asyncio() -> None:
    process, url = run(program("guide/asyncio.md", "Under asyncio"))
    first, second = b"client 1 asked for tea\n", b"client 2 asked for milk\n"
    with connect(url) as one, connect(url) as two:
        one.sendall(b"tea\n")
        assert receive(one, len(first)) == first
        two.sendall(b"milk\nmilk\nquit\n")
        assert receive(two, 2 * len(second) + 1) == second * 2
        # Whoever is served may finish.
        one.sendall(b"te")
        process.send_signal(signal.SIGTERM)
        one.sendall(b"a\nquit\n")
        assert receive(one, len(first) + 1) == first
    assert finish(process) == (0, "", "")
