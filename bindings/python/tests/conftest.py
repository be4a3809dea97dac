"""What holds for the whole run."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest
import rloop  # type: ignore[import-untyped]
import uvloop
from helpers import STARTED

# A shell starts its background jobs with SIGINT ignored, and programs inherit that: the servers that the tests start
# would then not see Ctrl-C. A signal that has a handler here is back at its default in a program started from here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "not_on_rloop(reason): what rloop itself does otherwise keeps the test from running on it")


def set_policy(request: pytest.FixtureRequest, loop: str) -> None:
    """Has `asyncio.run` run this event loop; skips what cannot be on it."""
    marker = request.node.get_closest_marker("not_on_rloop")
    if loop == "rloop" and marker:
        pytest.skip(*marker.args)
    asyncio.set_event_loop_policy(POLICIES[loop]())


@pytest.fixture(autouse=True)
def no_program_is_left() -> Iterator[None]:
    """Ends the programs that a test that failed has left running."""
    yield
    while STARTED:
        with STARTED.pop() as process:
            process.kill()


POLICIES = {"asyncio": asyncio.DefaultEventLoopPolicy, "uvloop": uvloop.EventLoopPolicy, "rloop": rloop.EventLoopPolicy}
"""The event loops that `asyncio.run` may run."""

# It closes none of the two sockets by which it wakes, at the end of each run.
LEAVES_SOCKETS = pytest.mark.filterwarnings("ignore:unclosed <socket.socket .* family=1,:ResourceWarning")


@pytest.fixture(params=["asyncio", "reactor", "reactor on uvloop", pytest.param("reactor on rloop", marks=LEAVES_SOCKETS)])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """What takes this runs against asyncio's own server, too: what is asserted of ours is what asyncio does."""
    name, _, loop = str(request.param).partition(" on ")
    if not loop:
        yield name
        return
    set_policy(request, loop)
    yield name
    asyncio.set_event_loop_policy(None)


@pytest.fixture(params=["asyncio", "uvloop", pytest.param("rloop", marks=LEAVES_SOCKETS)])
def on_each_event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """What `asyncio.run` runs."""
    set_policy(request, request.param)
    yield
    asyncio.set_event_loop_policy(None)
