"""The machine's processors and descriptors, as the runs use them."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from pathlib import Path

_available = sorted(os.sched_getaffinity(0))
# With a single processor both have to share it.
SERVER, LOAD = _available[0], _available[1 % len(_available)]
# As many descriptors as a million connections need, where the system lets us.
WANTED = 1_048_576
# Descriptors of a process that are no connections.
RESERVED = 200


# In front of a command: the kernel ends it should the thread that starts it die.
ORPHANED = ("setpriv", "--pdeathsig", "TERM")


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """The command on one processor only."""
    return [*ORPHANED, "taskset", "-c", str(core), *command]


def raise_descriptors() -> int:
    """Raises the limit as far as it goes, for this process and those it starts; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, WANTED), max(hard, WANTED)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def processor_seconds(pid: int) -> float:
    """What all threads of a process have used so far."""
    spent = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            spent += int(file.read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass  # The thread has ended since.
    return spent / 1e9


def child_of(pid: int) -> int:
    """The only child of a process, such as what strace runs."""
    text = "".join(file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children"))
    return int(text.split()[0])
