"""Sends to an echo server and reads nothing: how much does it take, and how much memory and processor time for that?

Use: unread.py PORT MEGABYTES PID. It sends until all is sent, or until the server has taken nothing for one second;
then it waits for one more second, in which a server that waits as well needs no processor time.
"""

import re
import select
import socket
import sys
import time
from pathlib import Path

BLOCK = bytes(1_000_000)
QUIET_SECONDS = 1.0


def resident_megabytes(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def processor_seconds(pid: int) -> float:
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def send_unread(port: int, limit: int, pid: int) -> tuple[int, float]:
    """Returns how many bytes the server and the system took, and the server's processor time in the second after."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setblocking(False)
        while sent < limit and select.select([], [connection], [], QUIET_SECONDS)[1]:
            sent += connection.send(BLOCK[: limit - sent])
        before = processor_seconds(pid)
        time.sleep(QUIET_SECONDS)
        return sent, processor_seconds(pid) - before


def main() -> None:
    port, megabytes, pid = (int(argument) for argument in sys.argv[1:])
    before = resident_megabytes(pid)
    taken, waiting = send_unread(port, megabytes * 1_000_000, pid)
    grown = resident_megabytes(pid) - before
    print(f"taken: {taken / 1e6:.0f} MB, memory grew by {grown:.0f} MB, processor time while waiting: {waiting:.2f} s")


if __name__ == "__main__":
    main()
