"""What the subject tells the runner: events on standard output, one JSON object a line."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading

import reactor

# Reentrant: a context that the collector finds reports its end wherever its thread happens to be.
_out = threading.RLock()

#: The levels of `--log`, and what Python's logging calls them.
LEVELS = {
    "off": logging.CRITICAL + 1,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": 5,
}


def emit(event: str, **members: object) -> None:
    """Writes an event with its members."""
    line = json.dumps({"event": event, **members}).encode() + b"\n"
    with _out:
        while line:
            line = line[os.write(1, line) :]


def complain(message: str) -> None:
    """Something that no case expects: for whoever reads the runner's output."""
    print(f"subject.py: {message}", file=sys.stderr)


def thread() -> int:
    """The number that the system gives this thread."""
    return threading.get_native_id()


class Events(logging.Handler):
    """Turns what the engine logs into events."""

    names = {number: name for name, number in LEVELS.items()}

    def emit(self, record: logging.LogRecord) -> None:
        emit("log", level=self.names[record.levelno], message=self.format(record))


def begin_log(level: str | None) -> None:
    """Reports the engine's log from a level on; without one, what it tells without being asked is no case's matter."""
    logger = logging.getLogger("reactor")
    logger.propagate = False
    if level is None:
        logger.addHandler(logging.NullHandler())
        return
    reactor.set_log_level(LEVELS[level])
    logger.setLevel(LEVELS[level])
    logger.addHandler(Events())
