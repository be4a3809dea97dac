"""A handler of coroutines that a test has go on step by step."""

from __future__ import annotations

import asyncio
from typing import Any

import reactor


class Steps:
    """A handler whose on_data waits for a step of the test's, and remembers what happened."""

    def __init__(self) -> None:
        self.said: list[object] = []
        self.conns: list[reactor.Conn] = []
        self.errors: list[BaseException] = []
        self.steps = asyncio.Semaphore(0)
        self.tasks: list[asyncio.Task[Any] | None] = []

    def on_open(self, conn: reactor.Conn) -> None:
        self.conns.append(conn)

    async def on_data(self, conn: reactor.Conn, data: bytes) -> reactor.Action | None:
        self.tasks.append(asyncio.current_task())
        self.said.append(("begins", data))
        try:
            await self.steps.acquire()
        except asyncio.CancelledError:
            self.said.append(("cancelled", data))
            raise
        self.said.append(("ends", data))
        if data.startswith(b"fail"):
            raise ValueError("told to")
        conn.write(data)
        return {b"close": reactor.Action.CLOSE, b"stop": reactor.Action.STOP}.get(data.strip())

    def on_wake(self, conn: reactor.Conn) -> None:
        self.said.append("wake")

    async def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
        await asyncio.sleep(0)
        self.said.append(reason)

    def on_stop(self, server: reactor.Server) -> None:
        self.said.append("stop")

    def on_error(self, conn: reactor.Conn | None, exc: BaseException) -> None:
        self.errors.append(exc)
