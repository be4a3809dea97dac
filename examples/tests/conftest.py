"""Runs the examples of one language: `pytest examples/tests --language rust`."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from harness import LIMIT, Client, Example, Start, within_limit

LANGUAGES = ["rust", "c", "python", "node", "node-inline"]
# Who has a room server, and what else does the same.
ROOMS = {"python": ["python", "asyncio"], "node": ["node"]}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--language", choices=LANGUAGES, default="rust", help="whose examples to test")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--language") not in ROOMS:
        items[:] = [item for item in items if item.path.name != "test_room.py"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "program" in metafunc.fixturenames:
        metafunc.parametrize("program", ROOMS.get(metafunc.config.getoption("--language"), []))


@pytest.fixture
def language(request: pytest.FixtureRequest) -> str:
    """As examples/run knows it."""
    return str(request.config.getoption("--language")).partition("-")[0]


@pytest.fixture
def start(request: pytest.FixtureRequest, language: str) -> Iterator[Start]:
    """Starts an example: `start("kv")`, `start("chat", "--hard-limit", "65536", loops=2)`. Each must end cleanly."""
    is_inline = request.config.getoption("--language") == "node-inline"
    started: list[Example] = []

    def start(app: str, *flags: str, listen: tuple[str, ...] = ("tcp://127.0.0.1:0",), loops: int = 2) -> Example:
        # Inline there is one loop.
        example = Example(language, app, listen, ["--loops", str(1 if is_inline else loops), *flags], is_inline)
        started.append(example)
        return example

    yield start
    try:
        for example in started:
            example.stop()
    finally:
        for example in started:
            example.kill()


# ---- of kv ----


@pytest.fixture
def kv(start: Start) -> Example:
    return start("kv")


@pytest.fixture
def client(kv: Example) -> Iterator[Client]:
    with kv.connect() as client:
        yield client


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Client]:
    """A connection to a Redis server."""
    path = tmp_path / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with Client(socket.socket(socket.AF_UNIX)) as client:
            # The path is there before the server listens.
            within_limit(lambda: client.socket.connect_ex(str(path)) == 0, "listening")
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT)
