"""The poller that the subjects were built with: REACTOR_POLLER says it when they are built, and to the cases alike."""

from __future__ import annotations

import os

POLLER = os.environ.get("REACTOR_POLLER") or "epoll"

#: The system call that a loop waits by.
WAIT = {"epoll": "epoll_pwait", "poll": "poll"}[POLLER]

#: What a waker writes, as strace shows it: one to an eventfd, or a byte to a pipe.
WAKE = {"epoll": r'"\1\0\0\0\0\0\0\0", 8', "poll": r'"\1", 1'}[POLLER]

#: The parts of the protocol that cannot be had: poll(2) has no descriptor that a host could poll.
MISSING = {"epoll": frozenset[str](), "poll": frozenset({"hosted"})}[POLLER]
