"""What the tests under asyncio share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from helpers import DEADLINE


def run(main: Coroutine[Any, Any, None]) -> None:
    """Runs a test's coroutine, which fails if it hangs."""
    asyncio.run(asyncio.wait_for(main, DEADLINE))


async def until(condition: Callable[[], object], what: str = "condition") -> None:
    """Waits while the event loop goes on."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        await asyncio.sleep(0.001)


@asynccontextmanager
async def client(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client of a tcp or unix URL."""
    scheme, _, address = url.partition("://")
    if scheme == "unix":
        reader, writer = await asyncio.open_unix_connection(address)
    else:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            pass  # It was reset.


async def ask(url: str, data: bytes) -> bytes:
    """Sends, shuts down writing, and returns everything that came back."""
    async with client(url) as (reader, writer):
        writer.write(data)
        writer.write_eof()
        return await reader.read()
