"""A server that runs in asyncio's event loop, on the main thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import signal
import sys
import threading

import reactor
from control import Control


class UnderAsyncio:
    """The event loop waits for the server; commands are another thread's, or if it is `alone`, the event loop's, too."""

    def __init__(self, signals: bool, alone: bool) -> None:
        self.signals, self.alone = signals, alone
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Future[None] | None = None
        #: A wait is asked for before the event loop is done, which then tells of it; or afterwards, when all has ended.
        self._asking = threading.Lock()
        self._has_ended = False
        self._waits: list[concurrent.futures.Future[None]] = []

    def start(self, server: reactor.Server) -> None:
        """Has the event loop start it, from another thread."""
        if server.loops > 0 or self._loop is None:
            # Says why it cannot.
            server.start()
        else:
            asyncio.run_coroutine_threadsafe(self._start(server), self._loop).result()

    def wait(self, server: reactor.Server) -> None:
        """Has another thread wait for the event loop's server."""
        waits = None
        with self._asking:
            if self._loop is not None and threading.current_thread() is not threading.main_thread():
                waits = asyncio.run_coroutine_threadsafe(server.wait_closed(), self._loop)
                self._waits.append(waits)
        if waits is not None:
            waits.result()
        elif not self._has_ended:
            # Says why it cannot.
            server.wait()

    def run(self, server: reactor.Server, control: Control, at_once: bool) -> bool:
        try:
            return asyncio.run(self._run(server, control, at_once))
        finally:
            self._loop = self._serving = None

    def cycle(self) -> None:
        async def live() -> None:
            async with reactor.serve_async(reactor.Handler(), "tcp://127.0.0.1:0") as server:
                server.stop()
                await server.wait_closed()

        asyncio.run(live())

    async def _run(self, server: reactor.Server, control: Control, at_once: bool) -> bool:
        self._loop = asyncio.get_running_loop()
        if self.signals:
            self._handle_signals(self._loop, server)
        if at_once:
            await self._start(server)
        if self.alone:
            self._read_commands(self._loop, control)
        else:
            control.begin(may_wait=at_once)
        if not at_once:
            await asyncio.to_thread(control.may_wait.wait)
        # Not so if standard input ended before the start.
        if self._serving is None:
            return False
        await self._serving
        with self._asking:
            self._loop, self._has_ended = None, True
        await asyncio.gather(*map(asyncio.wrap_future, self._waits), return_exceptions=True)
        return True

    async def _start(self, server: reactor.Server) -> None:
        serving = asyncio.ensure_future(server.serve())
        await asyncio.sleep(0)
        if serving.done():
            serving.result()
        self._serving = serving

    def _handle_signals(self, loop: asyncio.AbstractEventLoop, server: reactor.Server) -> None:
        def stop() -> None:
            server.stop() if server.is_stopping else server.stop_gracefully()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)

    def _read_commands(self, loop: asyncio.AbstractEventLoop, control: Control) -> None:
        def read() -> None:
            if not control.read():
                loop.remove_reader(sys.stdin)

        loop.add_reader(sys.stdin, read)
