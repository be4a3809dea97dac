"""What coroutines of callbacks raise that is no `Exception`."""

from __future__ import annotations

import asyncio
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
