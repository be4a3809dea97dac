"""What every example does around its handler: the command line, the addresses, the signals."""

from __future__ import annotations

import argparse
import os
import sys
import typing
from pathlib import Path

import reactor

PROGRAM = Path(sys.argv[0]).stem
GRACE = 1.0
"""Seconds that connections may go on after a signal. A second signal ends them at once."""


def fail(message: str) -> typing.NoReturn:
    """Ends the program, and says why in one line, whatever the message quotes."""
    sys.exit(f"{PROGRAM}: {' '.join(message.splitlines())}")


class Parser(argparse.ArgumentParser):
    """The flags that all examples have: `--listen URL [--listen URL]... [--loops N]`. An example adds its own."""

    def __init__(self, description: str | None) -> None:
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(PROGRAM, description=description, formatter_class=formatter, allow_abbrev=False)
        self.add_argument("--listen", metavar="URL", action="append", default=[])
        self.add_argument("--loops", metavar="N", type=int, default=0)

    def error(self, message: str) -> typing.NoReturn:
        fail(message)

    def parse(self, streams_only: bool = True) -> argparse.Namespace:
        """What the command line says. Most protocols need connections: addresses for datagrams are refused then."""
        flags = self.parse_args()
        if not flags.listen:
            fail("--listen URL is missing")
        for url in flags.listen:
            if streams_only and url.startswith("udp"):
                fail(f'"{url}": this example speaks over connections, not datagrams')
        return flags


class Handler(reactor.Handler):
    """Says where it listens."""

    def on_start(self, server: reactor.Server) -> None:
        for url in server.addresses:
            # Not `print`: if the output is full, Python would try and complain again at exit.
            os.write(1, f"listening on {url}\n".encode())


def serve(handler: Handler, flags: argparse.Namespace, **options: typing.Any) -> None:
    """Serves until a signal ends it, with the options of `reactor.serve`."""
    try:
        reactor.serve(handler, *flags.listen, loops=flags.loops, stop_deadline=GRACE, **options)
    except reactor.HandlerFailedError as error:
        fail(str(error.__cause__))
    except (reactor.Error, OSError) as error:
        fail(str(error))
