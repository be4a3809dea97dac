"""Runs the examples of one language: `pytest examples/tests --language rust`."""

from __future__ import annotations

from typing import Iterator

import pytest

from harness import Example, Start

LANGUAGES = ["rust", "c", "python", "node"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--language", choices=LANGUAGES, default="rust", help="whose examples to test")


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts an example: `start("kv")`, `start("chat", "--hard-limit", "65536", loops=2)`. Each must end cleanly."""
    language = request.config.getoption("--language")
    started: list[Example] = []

    def start(app: str, *flags: str, listen: tuple[str, ...] = ("tcp://127.0.0.1:0",), loops: int = 2) -> Example:
        example = Example(language, app, listen, ["--loops", str(loops), *flags])
        started.append(example)
        return example

    yield start
    try:
        for example in started:
            example.stop()
    finally:
        for example in started:
            example.kill()
