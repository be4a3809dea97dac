"""Coroutines of callbacks that raise what is no `Exception`, and such whose connections end before they have begun."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest
import reactor
from asyncio_helpers import ask, run, until

pytestmark = pytest.mark.usefixtures("on_each_event_loop")


class Outcome(BaseException):
    """As test runners and other event loops have theirs: nobody's wish to end the program."""


class Failing(reactor.Handler):
    def __init__(self, waits: bool) -> None:
        self.waits = waits
        self.errors: list[BaseException] = []
        self.closed: list[reactor.CloseReason] = []

    async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        if self.waits:
            await asyncio.sleep(0)
        if data == b"fail":
            raise Outcome("told to")
        conn.write(data)

    def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
        self.closed.append(reason)

    def on_error(self, conn: reactor.Conn | None, exc: BaseException) -> None:
        self.errors.append(exc)


@pytest.mark.parametrize("waits", [True, False])
def test_it_is_told_and_closes_its_connection_alone(waits: bool) -> None:
    async def main() -> None:
        handler: Any = Failing(waits)
        async with reactor.serve_async(handler, "tcp://127.0.0.1:0") as server:
            (url,) = server.addresses
            assert await ask(url, b"fail") == b""
            await until(lambda: handler.closed, "on_close")
            assert handler.closed == [reactor.CloseReason.HANDLER_ERROR]
            assert [str(error) for error in handler.errors] == ["told to"]
            assert not server.is_stopping
            assert await ask(url, b"goes on") == b"goes on"

    run(main())


def test_on_open_begins_also_if_its_connection_ends_in_the_same_turn() -> None:
    said: list[str] = []

    class Opening(reactor.Handler):
        async def on_open(self, conn: reactor.Conn) -> None:
            said.append("open")
            await asyncio.sleep(60)

        async def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
            said.append("close")

    async def main() -> None:
        async with reactor.serve_async(Opening(), "tcp://127.0.0.1:0") as server:
            for times in range(1, 4):
                ours, theirs = socket.socketpair()
                # The turn that takes it in calls on_open, and then this.
                server.run_on_conn(server.enroll(ours), lambda conn: conn.abort())
                await until(lambda: said.count("close") == times, "on_close")
                assert said == times * ["open", "close"]
                theirs.close()

    run(main())


@pytest.mark.parametrize("closer", ["itself", "another thread"])
@pytest.mark.parametrize("waits", [True, False])
def test_who_finds_its_connection_closed_has_failed_if_this_thread_has_closed_it(closer: str, waits: bool) -> None:
    class Closing(Failing):
        async def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            if self.waits:
                await asyncio.sleep(0)
            if closer == "itself":
                conn.close()
            else:
                other = threading.Thread(target=conn.close)
                other.start()
                other.join()
            conn.write(data)

    async def main() -> None:
        handler: Any = Closing(waits)
        async with reactor.serve_async(handler, "tcp://127.0.0.1:0") as server:
            (url,) = server.addresses
            assert await ask(url, b"x") == b""
            await until(lambda: handler.closed, "on_close")
        told = [reactor.ClosedError] if closer == "itself" else []
        assert [type(error) for error in handler.errors] == told

    run(main())
