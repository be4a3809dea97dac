"""The keys and their values, when they expire, and who watches them."""

from __future__ import annotations

import heapq
import threading
import time
import typing

SWEPT_AT_ONCE = 256
"""Expired values that are removed before others have their turn."""
PARTS = 64
MAX_MOMENT = (1 << 63) - 1


class Watch:
    """The keys that a client watches, to learn in EXEC whether one has changed."""

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self.has_changed = False


class Store:
    """Use it under its lock, whole commands at a time: the loops' threads take turns whenever the interpreter likes.

    A moment is a number of milliseconds since the store was made."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.began = time.monotonic_ns()
        self.values: dict[bytes, bytes] = {}
        self.expires: dict[bytes, int] = {}
        """The moment, for keys that have a time to live."""
        self.due: list[tuple[int, bytes]] = []
        """A heap of what expires; also of what has been removed or changed meanwhile."""
        self.watches: dict[bytes, list[Watch]] = {}

    def now(self) -> int:
        return (time.monotonic_ns() - self.began) // 1_000_000

    def get(self, key: bytes) -> bytes | None:
        if key in self.expires and self.expires[key] <= self.now():
            self.remove(key)
        return self.values.get(key)

    def set(self, key: bytes, value: bytes, moment: int | None = None) -> None:
        self.values[key] = value
        if moment is not None or key in self.expires or key in self.watches:
            self.expire(key, moment)

    def expire(self, key: bytes, moment: int | None) -> None:
        """Changes when a key expires that there is; None: never."""
        self.touch(key)
        if moment is None:
            self.expires.pop(key, None)
            return
        self.expires[key] = moment
        heapq.heappush(self.due, (moment, key))
        # Values that are written again and again leave moments behind that mean nothing any more.
        if len(self.due) > 64 + 2 * len(self.expires):
            self.due = [(moment, key) for key, moment in self.expires.items()]
            heapq.heapify(self.due)

    def remove(self, key: bytes) -> bool:
        """Says whether there was something to remove."""
        if self.values.pop(key, None) is None:
            return False
        is_expired = self.expires.pop(key, MAX_MOMENT) <= self.now()
        self.touch(key)
        return not is_expired

    def clear(self) -> None:
        for key in self.watches:
            if key in self.values:
                self.touch(key)
        self.values, self.expires, self.due = {}, {}, []

    def sweep(self) -> bool:
        """Removes some of what has expired; says whether there may be more."""
        now = self.now()
        for _ in range(SWEPT_AT_ONCE):
            if not self.due or self.due[0][0] > now:
                return False
            moment, key = heapq.heappop(self.due)
            if self.expires.get(key) == moment:
                self.remove(key)
        return True

    def keys(self) -> typing.Iterator[bytes]:
        """Those that have not expired."""
        now = self.now()
        return (key for key in self.values if self.expires.get(key, MAX_MOMENT) > now)

    def parts(self) -> list[list[bytes]]:
        """The same keys in parts, each key always in the same one."""
        parts: list[list[bytes]] = [[] for _ in range(PARTS)]
        for key in self.keys():
            parts[hash(key) % PARTS].append(key)
        return parts

    def touch(self, key: bytes) -> None:
        """A key changes: whoever watches it learns that."""
        for watch in self.watches.get(key, ()):
            watch.has_changed = True

    def watch(self, key: bytes, watch: Watch) -> None:
        # What has expired before does not change by being removed.
        self.get(key)
        if key not in watch.keys:
            watch.keys.add(key)
            self.watches.setdefault(key, []).append(watch)

    def unwatch(self, watch: Watch) -> None:
        """Makes it watch nothing."""
        for key in watch.keys:
            watches = self.watches[key]
            watches.remove(watch)
            if not watches:
                del self.watches[key]
        watch.keys, watch.has_changed = set(), False

    def has_changed(self, watch: Watch) -> bool:
        # What has expired is removed by looking, and has changed.
        for key in watch.keys:
            self.get(key)
        return watch.has_changed
