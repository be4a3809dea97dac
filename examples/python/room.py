#!/usr/bin/env python3
"""Rooms in which people talk: room.py [URL]...

Each message has two bytes of length in front. The first is `HELLO name`. Then `JOIN room` enters a room, and anything else is
said to everybody in it. Who says nothing for 30 seconds, or more than 500 bytes at once, is closed."""

from __future__ import annotations

import contextlib
import dataclasses
import sys

import reactor

ROOM_LIMIT, LONGEST = 8, 500


@dataclasses.dataclass
class Member:
    name: bytes
    room: bytes = b""


# Its server has one loop: no two callbacks run at the same time, and nothing here needs a lock.
class Rooms(reactor.Handler):
    def __init__(self) -> None:
        self.rooms: dict[bytes, set[reactor.Conn]] = {}

    def tell(self, room: bytes, text: bytes) -> None:
        for conn in self.rooms.get(room, ()):
            # One that is leaving, or does not read what it is told: the engine closes that.
            with contextlib.suppress(reactor.ClosedError, reactor.FullError):
                conn.write_frame(text)

    def join(self, conn: reactor.Conn, member: Member, room: bytes) -> None:
        if len(self.rooms.get(room, ())) >= ROOM_LIMIT:
            conn.write_frame(b"FULL " + room)
        else:
            self.leave(conn, member)
            member.room = room
            self.rooms.setdefault(room, set()).add(conn)
            self.tell(room, b"+ " + member.name)

    def leave(self, conn: reactor.Conn, member: Member) -> None:
        inside = self.rooms.get(member.room, set())
        inside.discard(conn)
        self.tell(member.room, b"- " + member.name)
        if not inside:
            self.rooms.pop(member.room, None)

    def on_start(self, server: reactor.Server) -> None:
        print("listening on", *server.addresses, flush=True)

    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        word, _, argument = data.partition(b" ")
        member: Member | None = conn.context
        if len(data) > LONGEST or not (member or (word == b"HELLO" and argument)):
            conn.close()
        elif not member:
            conn.context = Member(argument)
            conn.write_frame(b"WELCOME %b from %b" % (argument, conn.remote_address.encode()))
        elif word == b"JOIN" and argument:
            self.join(conn, member, argument)
        else:
            self.tell(member.room, b"%b: %b" % (member.name, data))

    def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
        if conn.context:
            self.leave(conn, conn.context)

    def on_tick(self, server: reactor.Server) -> float:
        for room, inside in self.rooms.items():
            self.tell(room, b"%d in %b" % (len(inside), room))
        return 1.0  # Seconds to the next.

    def on_stopping(self, server: reactor.Server) -> None:
        # SIGTERM or Ctrl-C: nobody comes any more, and who is there may finish.
        for room in self.rooms:
            self.tell(room, b"CLOSING")


# The time-out is not `idle`: what is sent is traffic, too, and there are the ticks.
framing = reactor.LengthField(2, max_frame=1024)
reactor.serve(Rooms(), *sys.argv[1:] or ["tcp://:5000"], loops=1, framing=framing, read=30, stop_deadline=5)
