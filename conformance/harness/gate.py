"""A gate that holds a callback back for as long as a case needs, however slow the machine is."""

from __future__ import annotations

import os
from pathlib import Path

from harness.subject import eventually


class Gate:
    """Closed until it is opened, for one callback: a FIFO, which nobody can open for reading alone."""

    _made = 0

    def __init__(self, directory: Path) -> None:
        Gate._made += 1
        self._path = directory / f"gate-{Gate._made}"
        os.mkfifo(self._path)
        #: The script command that waits there.
        self.command = f"block {self._path}"

    def open(self) -> None:
        """Lets the callback go on."""
        eventually("the callback at the gate", self._lets_through)

    def _lets_through(self) -> bool:
        try:
            os.close(os.open(self._path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False  # It is not there yet.
        return True
