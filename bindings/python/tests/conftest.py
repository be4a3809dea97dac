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


class Rloop(rloop.RLoop):  # type: ignore[misc]
    """rloop, which closes the two sockets by which it wakes once, not twice, at the end of each run.

    By the second time their descriptors may be those of another thread, whose sockets are then closed behind its back.
    """

    def _ssock_stop(self) -> None:
        sockets = self._ssock_r, self._ssock_w
        super()._ssock_stop()
        for each in sockets:
            each.detach()


class RloopPolicy(rloop.EventLoopPolicy):  # type: ignore[misc]
    """Makes such event loops."""

    def _loop_factory(self) -> Rloop:
        return Rloop()


POLICIES = {"asyncio": asyncio.DefaultEventLoopPolicy, "uvloop": uvloop.EventLoopPolicy, "rloop": RloopPolicy}
"""The event loops that `asyncio.run` may run."""


@pytest.fixture(params=["asyncio", "reactor", "reactor on uvloop", "reactor on rloop"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """What takes this runs against asyncio's own server, too: what is asserted of ours is what asyncio does."""
    name, _, loop = str(request.param).partition(" on ")
    if not loop:
        yield name
        return
    set_policy(request, loop)
    yield name
    asyncio.set_event_loop_policy(None)


@pytest.fixture(params=["asyncio", "uvloop", "rloop"])
def on_each_event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """What `asyncio.run` runs."""
    set_policy(request, request.param)
    yield
    asyncio.set_event_loop_policy(None)
