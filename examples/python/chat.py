#!/usr/bin/env python3
"""A chat server: a person types lines, and the others in the same room read them.

chat.py --listen URL [--listen URL]... [--loops N] [--hard-limit BYTES]; then `nc 127.0.0.1 PORT`.

The first line is the nickname. Then `/nick NAME`, `/join ROOM`, `/quit`, or what to say.
Nobody is slowed for others: who sends faster than the others in the room read has them dropped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import threading

import launch
import reactor

MAX_LINE = 4096
"""The longest line, in bytes."""
NAME = re.compile(r"[\w-]{1,32}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
FIRST_ROOM = "lobby"
HARD_LIMIT = 1 << 20
"""Bytes that may wait for a client that does not read; with more it is dropped."""
COMMANDS = "there are /nick NAME, /join ROOM and /quit"


class Refusal(Exception):
    """What a person is told who asks for what cannot be."""


@dataclasses.dataclass
class Member:
    nick: str
    room: str


def tell_one(conn: reactor.Conn, line: str) -> None:
    """It may be gone already; one that does not read is closed by the engine."""
    with contextlib.suppress(reactor.ClosedError, reactor.FullError):
        conn.write(f"{line}\n".encode())


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Refusal("a name has 1 to 32 letters, digits, - and _")


class Chat(launch.Handler):
    """Everybody who has a name. Whatever loop a connection lives on, it can be written to; that never blocks, so it happens
    under the lock, and what one person says arrives in order."""

    def __init__(self) -> None:
        self.members: dict[reactor.Conn, Member] = {}
        self.lock = threading.Lock()

    def tell(self, but: reactor.Conn, room: str, line: str) -> None:
        for conn, member in self.members.items():
            if member.room == room and conn != but:
                tell_one(conn, line)

    def enter(self, conn: reactor.Conn, nick: str, room: str) -> None:
        self.tell(conn, room, f"* {nick} has joined {room}")
        self.members[conn] = Member(nick, room)
        inside = sorted(member.nick for member in self.members.values() if member.room == room)
        tell_one(conn, f"* in {room}: {' '.join(inside)}")

    def leave(self, conn: reactor.Conn) -> Member | None:
        member = self.members.pop(conn, None)
        if member:
            self.tell(conn, member.room, f"* {member.nick} has left {member.room}")
        return member

    def nick(self, conn: reactor.Conn, nick: str) -> None:
        check_name(nick)
        if any(member.nick == nick for member in self.members.values()):
            raise Refusal("this name is taken")
        member = self.members.get(conn)
        if not member:
            self.enter(conn, nick, FIRST_ROOM)
            return
        line = f"* {member.nick} is now {nick}"
        member.nick = nick
        self.tell(conn, member.room, line)
        tell_one(conn, line)

    def join(self, conn: reactor.Conn, room: str) -> None:
        check_name(room)
        member = self.leave(conn)
        if not member:
            raise Refusal("first say your name")
        self.enter(conn, member.nick, room)

    def on_open(self, conn: reactor.Conn) -> None:
        tell_one(conn, "* what is your name?")

    def on_data(self, conn: reactor.Conn, data: bytes) -> reactor.Action | None:
        """One line."""
        # What a terminal takes for commands is not passed on.
        text = CONTROL.sub(" ", data.decode(errors="replace"))
        with self.lock:
            try:
                return self.hear(conn, text)
            except Refusal as refusal:
                tell_one(conn, f"! {refusal}")
        return None

    def hear(self, conn: reactor.Conn, text: str) -> reactor.Action | None:
        member = self.members.get(conn)
        command, _, argument = text.partition(" ")
        if command == "/quit":
            return reactor.Action.CLOSE
        if command == "/join":
            self.join(conn, argument.strip())
        elif command == "/nick":
            self.nick(conn, argument.strip())
        elif text.startswith("/"):
            raise Refusal(f"unknown command: {COMMANDS}")
        elif member:
            self.tell(conn, member.room, f"<{member.nick}> {text}")
        else:
            self.nick(conn, text.strip())
        return None

    def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
        with self.lock:
            self.leave(conn)


def main() -> None:
    parser = launch.Parser(__doc__)
    parser.add_argument("--hard-limit", metavar="BYTES", type=int, default=HARD_LIMIT)
    flags = parser.parse()
    launch.serve(Chat(), flags, hard_limit=flags.hard_limit, framing=reactor.Line(max_frame=MAX_LINE))


if __name__ == "__main__":
    main()
