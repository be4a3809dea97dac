"""Programs that callbacks start: A6."""

from __future__ import annotations

import pytest
from conftest import Serve

from harness import needs, promises


@promises("A6")
@pytest.mark.parametrize("loops", [1, 2])
def test_a_program_that_a_callback_starts_takes_its_signals(serve: Serve, loops: int) -> None:
    assert serve(loops=loops).connect().ask("spawn") == "signal 15"


@promises("A6")
@needs("signals")
def test_it_takes_them_also_if_the_server_handles_them(serve: Serve) -> None:
    server = serve(signals=True)
    client = server.connect()
    assert client.ask("spawn") == "signal 15"
    assert client.ask("echo still here") == "still here"
