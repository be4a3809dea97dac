"""Runs a command that inherits sockets by the LISTEN_FDS convention: activate.py DESCRIPTOR,... COMMAND...

See sd_listen_fds(3): the descriptors are 3 and up, and LISTEN_PID is the process that they are meant for.
"""

from __future__ import annotations

import fcntl
import os
import sys

FIRST = 3


def main(numbers: str, command: list[str]) -> None:
    given = [int(number) for number in numbers.split(",")]
    end = FIRST + len(given)
    # Out of the way first, so that none is overwritten before its turn. The exec closes these.
    moved = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, end) for number in given]
    for number in given:
        os.close(number)
    for at, number in enumerate(moved):
        os.dup2(number, FIRST + at, inheritable=True)
    os.environ["LISTEN_FDS"] = str(len(given))
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
