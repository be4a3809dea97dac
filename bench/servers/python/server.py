"""Our servers in Python for what the examples do not serve: `server.py KIND URL`.

frames: messages of a length of four bytes, the highest first, and a body of as many bytes, each sent back. A callback and a write for
each, as a handler is written first.
lists: the same, told as one list for each read and answered with one write. A message is left with its length, as the peers' tight
loop slices it.
"""

from __future__ import annotations

import os
import signal
import sys

import reactor

MAX_FRAME = 4 + (4 << 20)


class Frames(reactor.Handler):
    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        conn.write_frame(data)


class Lists(reactor.Handler):
    def on_frames(self, conn: reactor.Conn, frames: list[bytes]) -> None:
        conn.write(b"".join(frames))


KINDS: dict[str, tuple[type[reactor.Handler], reactor.Framing]] = {
    "frames": (Frames, reactor.LengthField(4, max_frame=MAX_FRAME)),
    "lists": (Lists, reactor.LengthField(4, strip=0, max_frame=MAX_FRAME)),
}


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in KINDS:
        print(f"usage: server.py {'|'.join(KINDS)} URL", file=sys.stderr)
        sys.exit(2)
    handler, framing = KINDS[sys.argv[1]]
    with reactor.Server(handler(), loops=1) as server:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: server.stop())
        os.write(1, f"listening on {server.listen(sys.argv[2], framing=framing)}\n".encode())
        server.run()


if __name__ == "__main__":
    main()
