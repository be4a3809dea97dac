"""What /proc says of a process."""

from __future__ import annotations

import os
from pathlib import Path


def descriptors(pid: int) -> dict[int, str]:
    """Open descriptors and what they are."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            pass  # Closed since.
    return found


def is_polling(pid: int) -> bool:
    """Whether the process's main thread is blocked in poll(2) or ppoll(2)."""
    return _polls(Path(f"/proc/{pid}/syscall"))


def threads(pid: int) -> dict[int, str]:
    """The process's threads and their names."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/task"):
        try:
            found[int(name)] = Path(f"/proc/{pid}/task/{name}/comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            pass  # Ended since.
    return found


def status(pid: int, key: str, thread: int | None = None) -> str:
    """A line of the status file of a process, or of one of its threads."""
    path = f"/proc/{pid}/status" if thread is None else f"/proc/{pid}/task/{thread}/status"
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return value.strip()
    raise KeyError(key)


def polling_threads(pid: int) -> int:
    """How many of its threads are blocked in poll(2) or ppoll(2): the engine's `wait`. Over epoll no loop waits so."""
    return sum(_polls(syscall) for syscall in Path(f"/proc/{pid}/task").glob("*/syscall"))


def _polls(syscall: Path) -> bool:
    """Whether a thread is blocked in poll(2) or ppoll(2), by their numbers on x86-64, and ppoll's on AArch64."""
    return syscall.read_text().split()[0] in ("7", "271", "73")


def resident_bytes(pid: int) -> int:
    """Memory of the process's own: neither its files nor what the kernel holds for its sockets."""
    return int(status(pid, "RssAnon").removesuffix(" kB")) * 1024


def rests(pid: int) -> bool:
    """Whether for a moment all its threads slept, each in a call that waits."""
    before = _switches(pid)
    return before is not None and before == _switches(pid)


def _switches(pid: int) -> dict[int, list[str]] | None:
    """How often each thread has gone to sleep or was made to; None if one does not sleep."""
    found = {}
    for thread in threads(pid):
        try:
            if not status(pid, "State", thread).startswith("S"):
                return None
            kinds = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
            found[thread] = [status(pid, kind, thread) for kind in kinds]
        except (FileNotFoundError, ProcessLookupError):
            return None  # Ended since.
    return found
