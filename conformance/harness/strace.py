"""The system calls of a running process, seen through strace."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness import process
from harness.client import HANG_GUARD
from harness.poller import WAKE
from harness.subject import eventually

# "11242 1795262000.707967 recvfrom(11, …", with short numbers padded. The resumed half of a call was counted
# where it began.
CALL = re.compile(r"^(\d+) +(\d+\.\d+) (\w+)\((.*)$")


@dataclass(frozen=True)
class Call:
    thread: int
    at: float
    name: str
    rest: str

    @property
    def descriptor(self) -> str:
        """The first argument of the calls that have a descriptor there."""
        return self.rest.partition(",")[0]

    @property
    def is_wake(self) -> bool:
        """A write to a waker. The line may break off behind the arguments."""
        return self.name == "write" and WAKE in self.rest


class Strace:
    """Attached to a process while the context lasts; `calls` counts from `mark` to the end."""

    def __init__(self, pid: int, output: Path, *options: str) -> None:
        self.pid = pid
        self.output = output
        self._since = 0.0
        self._until: float | None = None
        self._injects = any(option.startswith("inject=") for option in options)
        command = ["strace", "-f", "-ttt", "-p", str(pid), "-o", str(output), *options]
        self._strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> Strace:
        # strace says so when it has attached to every thread; a guard ends one that never does.
        guard = threading.Timer(HANG_GUARD, self._strace.kill)
        guard.start()
        try:
            assert self._strace.stderr is not None
            line = self._strace.stderr.readline()
            assert "attached" in line, f"strace: {line!r}"
        finally:
            guard.cancel()
        self.settle()
        self.mark()
        return self

    def settle(self) -> None:
        """Waits until no thread does anything: what the attaching itself stirred up is over."""
        deadline = time.monotonic() + HANG_GUARD
        quiet_since, size = time.monotonic(), -1
        while time.monotonic() - quiet_since < 0.2:
            assert time.monotonic() < deadline, f"never quiet: {self._last_lines()}"
            time.sleep(0.02)
            grown = self.output.stat().st_size
            if grown != size:
                quiet_since, size = time.monotonic(), grown

    def _last_lines(self) -> list[str]:
        return self.output.read_text().splitlines()[-10:]

    def mark(self) -> None:
        """Forgets what came before."""
        self._since = time.time()

    def end(self) -> None:
        """Leaves out what comes from now on."""
        self._until = time.time()

    def expect(self, name: str) -> None:
        """Waits for a call whose name matches."""
        deadline = time.monotonic() + HANG_GUARD
        while not any(re.fullmatch(name, call.name) for call in self.calls()):
            assert time.monotonic() < deadline, f"no {name}: {self._last_lines()}"
            time.sleep(0.01)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._injects and kind is None:
            # A call that is being made to fail when strace leaves fails with ENOSYS instead, which nobody
            # expects. One in which a thread sleeps is a real one.
            eventually("the process at rest", lambda: process.rests(self.pid))
        self._strace.send_signal(signal.SIGINT)
        try:
            self._strace.communicate(timeout=HANG_GUARD)
        except subprocess.TimeoutExpired:
            self._strace.kill()
            raise

    def calls(self) -> list[Call]:
        """The calls that began between the mark and the end."""
        until = self._until or float("inf")
        matches = filter(None, map(CALL.match, self.output.read_text(errors="replace").splitlines()))
        found = (Call(int(m[1]), float(m[2]), m[3], m[4]) for m in matches)
        return [call for call in found if self._since <= call.at <= until and call.name != "restart_syscall"]

    def injected(self) -> int:
        """How many calls were made to fail, ended ones only."""
        return self.output.read_text(errors="replace").count("(INJECTED)")

    def counts(self, of: Callable[[Call], bool] = lambda call: True) -> Counter[str]:
        return Counter(call.name for call in self.calls() if of(call))
