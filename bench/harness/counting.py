"""Counts what a server does for a request: the difference of two runs, so that start, connecting and stop cancel out."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from .loads import Load
from .samples import Fault
from .servers import Fleet, Under
from .systems import System
from .workloads import Workload

# Requests of the shorter run, and of the longer, for each that is outstanding on a connection.
REQUESTS = {"syscalls": (1_000, 11_000), "instructions": (1_000, 6_000)}


def calls(summary: str) -> int:
    """The total of strace's table: % time, seconds, usecs/call, calls, perhaps errors, "total"."""
    for line in summary.splitlines():
        words = line.split()
        if words and words[-1] == "total":
            return int(words[3])
    raise Fault("failed: strace printed no table")


def instructions(profile: str) -> int:
    """The total of a profile of callgrind."""
    found = re.search(r"^(?:summary|totals): (\d+)", profile, re.MULTILINE)
    if not found:
        raise Fault("failed: callgrind wrote no total")
    return int(found[1])


def tool(measure: str, out: Path) -> Under:
    if measure == "syscalls":
        return Under(["strace", "-f", "-c", "-o", str(out)], parent=True)
    # Python's hashes are random otherwise, and with them how many instructions a look-up takes.
    return Under(["env", "PYTHONHASHSEED=0", "valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"])


def per_request(measure: str, fleet: Fleet, load: Load, system: System, workload: Workload) -> float:
    short, long = (requests * workload.depth for requests in REQUESTS[measure])
    few, many = (_count(measure, fleet, load, system, workload, requests) for requests in (short, long))
    return (many - few) / (long - short)


def _count(measure: str, fleet: Fleet, load: Load, system: System, workload: Workload, requests: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counted"
        with fleet.own(system, tool(measure, out)) as server:
            load.counted(workload, server.url, requests)
        return (calls if measure == "syscalls" else instructions)(out.read_text())
