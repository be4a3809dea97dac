"""Forks: a server that is bound in one process and runs in another, and one that is asked in the wrong one."""

from __future__ import annotations

import os
from collections.abc import Callable

from report import emit

#: What the subject's descriptors may be, besides the standard ones.
FIRST, LAST = 3, 1023


def go_on_in_child() -> None:
    """Forks, and returns in the child only; the parent lets go of what was bound, and ends as the child does."""
    child = os.fork()
    if child == 0:
        emit("forked", pid=os.getpid())
        return
    os.closerange(FIRST, LAST + 1)
    os._exit(wait_for(child))


def wait_for(child: int) -> int:
    """The exit code of a child."""
    _, status = os.waitpid(child, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1


def call_in_child(call: Callable[[], str]) -> str:
    """Makes a call in a child, and gives its result."""
    from_child, to_parent = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(to_parent, call().encode())
        os._exit(0)
    os.close(to_parent)
    with open(from_child, encoding="utf-8") as result:
        text = result.read()
    wait_for(child)
    return text
