"""What holds for the whole run."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest
import uvloop
from helpers import STARTED

# A shell starts its background jobs with SIGINT ignored, and programs inherit that: the servers that the tests start
# would then not see Ctrl-C. A signal that has a handler here is back at its default in a program started from here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_program_is_left() -> Iterator[None]:
    """Ends the programs that a test that failed has left running."""
    yield
    while STARTED:
        with STARTED.pop() as process:
            process.kill()


@pytest.fixture(params=["asyncio", "reactor", "reactor on uvloop"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """What takes this runs against asyncio's own server, too: what is asserted of ours is what asyncio does."""
    name, _, loop = str(request.param).partition(" on ")
    if not loop:
        yield name
        return
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    yield name
    asyncio.set_event_loop_policy(None)


@pytest.fixture(params=["asyncio", "uvloop"])
def on_each_event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """What `asyncio.run` runs."""
    if request.param == "uvloop":
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    yield
    asyncio.set_event_loop_policy(None)
