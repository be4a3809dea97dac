#!/usr/bin/env python3
"""Sends back every byte, and closes when the peer has closed its side and everything has been sent.

echo.py --listen URL [--listen URL]... [--loops N]
"""

from __future__ import annotations

import launch
import reactor


class Echo(launch.Handler):
    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        # A write that goes above the high-water mark needs no care here: the engine stops reading from this
        # connection until the peer has caught up.
        conn.write(data)


if __name__ == "__main__":
    launch.serve(Echo(), launch.Parser(__doc__).parse(streams_only=False))
