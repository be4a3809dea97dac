#!/usr/bin/env python3
"""Sends back every byte, and closes when the peer has closed its side and everything has been sent.

echo.py --listen URL [--listen URL]... [--loops N]
"""

from __future__ import annotations

import argparse
import os
import signal
from typing import NoReturn

import reactor


class Echo(reactor.Handler):
    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        # A write that goes above the high-water mark needs no care here: the engine stops reading from this
        # connection until the peer has caught up.
        conn.write(data)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, whatever the arguments have in them."""
        self.exit(2, f"{self.prog}: {' '.join(message.splitlines())}\n")


def main() -> None:
    parser = Parser(description="An echo server.", allow_abbrev=False)
    parser.add_argument("--listen", metavar="URL", action="append")
    parser.add_argument("--loops", metavar="N", type=int, default=0)
    options = parser.parse_args()
    # Not `required`: a wrong argument is the more useful complaint.
    if not options.listen:
        parser.error("at least one --listen URL is needed")
    try:
        with reactor.Server(Echo(), loops=options.loops) as server:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: server.stop())
            for url in options.listen:
                # Not `print`: if the output is full, Python would try and complain again at exit.
                os.write(1, f"listening on {server.listen(url)}\n".encode())
            server.run()
    except reactor.StoppedError:
        pass  # A signal came before the start.
    except (reactor.Error, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
