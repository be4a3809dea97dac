#!/usr/bin/env python3
"""Does a server that is used for long grow? Clients connect, talk, reset, for ten minutes; what the server holds is looked at
eleven times, with the same few connections open, and must not be more in the end. soak.py [--seconds N] [KIND ...]"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from clients import PATIENCE, Load
from servers import KINDS

HERE = Path(__file__).resolve().parent
LOOKS = 11
"""How often it is looked at, after a first part of the time that does not count."""
BOUNDS = {
    "objects": 100,
    "blocks": 2_000,
    "references": 200,
    "descriptors": 0,
    "memory": 2 << 20,
}
"""By how much each may be more in the end, however long it took: what the interpreter's caches and the allocator's pages vary by.
Whatever a client leaves behind is beyond that within seconds."""


class Watched:
    """A server in a process of its own."""

    def __init__(self, kind: str) -> None:
        command = [sys.executable, "-W", "error", str(HERE / "servers.py"), kind]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        host, _, port = self.read()["url"].rpartition("//")[2].rpartition(":")
        self.host, self.port = host, int(port)

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        said: dict[str, Any] = json.loads(self.process.stdout.readline() or '{"failed": "it ended"}')
        if "failed" in said:
            raise AssertionError(said["failed"])
        return said

    def look(self, connections: int) -> dict[str, int]:
        """What it holds when so many connections are left."""
        assert self.process.stdin is not None
        deadline = time.monotonic() + PATIENCE
        while True:
            self.process.stdin.write("look\n")
            self.process.stdin.flush()
            found = self.read()
            if found["connections"] == connections:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{found['connections']} connections for {connections}")
            time.sleep(0.05)

    def end(self) -> None:
        self.process.communicate(timeout=PATIENCE)
        if self.process.returncode != 0:
            raise AssertionError(f"it ended with {self.process.returncode}")


def watch(kind: str, seconds: float) -> bool:
    """Whether a server does not grow."""
    server = Watched(kind)
    load = Load(server.host, server.port)
    found: list[dict[str, int]] = []
    load.run(seconds / 6)
    for at in range(LOOKS):
        load.serve_those_that_stay()
        found.append(server.look(load.staying))
        print(f"{kind}: {load.served} clients: {found[-1]}", flush=True)
        if at + 1 < LOOKS:
            load.run(seconds * 5 / 6 / (LOOKS - 1))
    load.close()
    server.end()
    grown = [name for name in BOUNDS if growth(found, name) > BOUNDS[name]]
    for name in grown:
        print(f"{kind}: {name} grew by {growth(found, name)}, bound {BOUNDS[name]}", flush=True)
    return not grown


def growth(found: list[dict[str, int]], name: str) -> int:
    """From the least of the first looks to the least of the last: what is there for a moment is no growth."""
    of = [look[name] for look in found]
    return min(of[-4:]) - min(of[:4])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    given = parser.parse_args()
    unknown = sorted(set(given.kinds) - set(KINDS))
    if unknown:
        parser.error(f"no such kind: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    kinds = given.kinds or list(KINDS)
    if len(kinds) == 1:
        return 0 if watch(kinds[0], given.seconds) else 1
    begun = time.monotonic()
    # All at once, each with clients of its own.
    command = [sys.executable, __file__, "--seconds", str(given.seconds)]
    ended = [one.wait() for one in [subprocess.Popen([*command, kind]) for kind in kinds]]
    failed = sum(map(bool, ended))
    print(f"{len(kinds) - failed} passed, {failed} failed in {time.monotonic() - begun:.0f}s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
