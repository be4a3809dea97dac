"""Our servers in Python for what the examples do not serve: `server.py KIND URL`.

frames: messages of a length of four bytes, the highest first, and a body of as many bytes, each sent back. A callback and a write for
each, as a handler is written first.
lists: the same, told as one list for each read and answered with one write. A message is left with its length, as the peers' tight
loop slices it.
answers: messages of the same form, each answered with as many bytes as its first four say, all of them its fifth.
kv: the commands of the peers' cache, and no others, cut by the engine, told and answered as lists are.
broadcast: what anybody says goes to everybody.
budget: frames, of a server that may hold so little that a few which are not finished exceed it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import reactor

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "peers" / "python"))

from cache import obey  # noqa: E402

MAX_BODY = 4 << 20
MAX_COMMAND = 64 << 20
BUDGET = 16 << 20


class Frames(reactor.Handler):
    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        conn.write_frame(data)


class Commands(reactor.Handler):
    def on_commands(self, conn: reactor.Conn, commands: list[list[bytes]]) -> None:
        conn.write(b"".join([obey(arguments) for arguments in commands]))


class Answers(reactor.Handler):
    def on_data(self, conn: reactor.Conn, data: bytes) -> reactor.Action | None:
        wanted = int.from_bytes(data[:4], "big")
        if len(data) < 5 or wanted > MAX_BODY:
            return reactor.Action.CLOSE
        conn.write_frame(data[4:5] * wanted)
        return None


class Broadcast(reactor.Handler):
    def __init__(self) -> None:
        self.members: set[reactor.Conn] = set()

    def on_open(self, conn: reactor.Conn) -> None:
        self.members.add(conn)

    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        for member in self.members:
            try:
                member.write(data)
            except (reactor.ClosedError, reactor.FullError):
                pass  # Its on_close is about to come. One that does not read is closed by the engine.

    def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
        self.members.discard(conn)


class Lists(reactor.Handler):
    def on_frames(self, conn: reactor.Conn, frames: list[bytes]) -> None:
        conn.write(b"".join(frames))


FRAMING = reactor.LengthField(4, max_frame=4 + MAX_BODY)
WITH_LENGTH = reactor.LengthField(4, strip=0, max_frame=4 + MAX_BODY)
# The handler, how messages are cut, and how many bytes the server may hold.
KINDS: dict[str, tuple[type[reactor.Handler], reactor.Framing | None, int | None]] = {
    "frames": (Frames, FRAMING, None),
    "lists": (Lists, WITH_LENGTH, None),
    "answers": (Answers, FRAMING, None),
    "kv": (Commands, reactor.Resp(max_frame=MAX_COMMAND), None),
    "broadcast": (Broadcast, None, None),
    "budget": (Frames, FRAMING, BUDGET),
}


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in KINDS:
        print(f"usage: server.py {'|'.join(KINDS)} URL", file=sys.stderr)
        sys.exit(2)
    handler, framing, budget = KINDS[sys.argv[1]]
    with reactor.Server(handler(), loops=1, byte_budget=budget) as server:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: server.stop())
        os.write(1, f"listening on {server.listen(sys.argv[2], framing=framing)}\n".encode())
        server.run()


if __name__ == "__main__":
    main()
