"""The example room.py as it would be on asyncio alone: what the package has to be shorter than."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import sys

ROOM_LIMIT = 8
LONGEST = 500
MAX_FRAME = 1024
HIGH_WATER = 64 << 20


@dataclasses.dataclass
class Member:
    name: bytes
    room: bytes = b""


class Rooms:
    def __init__(self) -> None:
        self.rooms: dict[bytes, set[asyncio.StreamWriter]] = {}
        self.served: set[asyncio.Task[None]] = set()

    def write(self, writer: asyncio.StreamWriter, text: bytes) -> None:
        if writer.is_closing():
            return
        writer.write(len(text).to_bytes(2, "big") + text)
        if writer.transport.get_write_buffer_size() > HIGH_WATER:
            writer.transport.abort()

    def tell(self, room: bytes, text: bytes) -> None:
        for writer in self.rooms.get(room, ()):
            self.write(writer, text)

    def join(self, writer: asyncio.StreamWriter, member: Member, room: bytes) -> None:
        if len(self.rooms.get(room, ())) >= ROOM_LIMIT:
            self.write(writer, b"FULL " + room)
        else:
            self.leave(writer, member)
            member.room = room
            self.rooms.setdefault(room, set()).add(writer)
            self.tell(room, b"+ " + member.name)

    def leave(self, writer: asyncio.StreamWriter, member: Member) -> None:
        inside = self.rooms.get(member.room, set())
        inside.discard(writer)
        self.tell(member.room, b"- " + member.name)
        if not inside:
            self.rooms.pop(member.room, None)

    def hear(self, writer: asyncio.StreamWriter, member: Member | None, data: bytes) -> Member | None:
        word, _, argument = data.partition(b" ")
        if len(data) > LONGEST or not (member or (word == b"HELLO" and argument)):
            raise EOFError
        if not member:
            member = Member(argument)
            host, port = writer.get_extra_info("peername")[:2]
            self.write(writer, b"WELCOME %b from %b:%d" % (argument, host.encode(), port))
        elif word == b"JOIN" and argument:
            self.join(writer, member, argument)
        else:
            self.tell(member.room, b"%b: %b" % (member.name, data))
        return member

    async def receive(self, reader: asyncio.StreamReader) -> bytes:
        length = int.from_bytes(await reader.readexactly(2), "big")
        if length + 2 > MAX_FRAME:
            raise EOFError
        return await reader.readexactly(length)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.served.add(task)
        member = None
        try:
            with contextlib.suppress(EOFError, ConnectionError, asyncio.TimeoutError):
                while True:
                    data = await asyncio.wait_for(self.receive(reader), 30)
                    member = self.hear(writer, member, data)
                    await writer.drain()
        finally:
            if member:
                self.leave(writer, member)
            writer.close()
            self.served.discard(task)

    async def tick(self) -> None:
        while True:
            for room, inside in self.rooms.items():
                self.tell(room, b"%d in %b" % (len(inside), room))
            await asyncio.sleep(1.0)


async def main() -> None:
    rooms = Rooms()
    host, _, port = (sys.argv[1:] or ["tcp://:5000"])[0].removeprefix("tcp://").rpartition(":")
    server = await asyncio.start_server(rooms.serve, host or None, int(port))
    print("listening on tcp://%s:%d" % server.sockets[0].getsockname()[:2], flush=True)
    ticking = asyncio.create_task(rooms.tick())
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()
    server.close()
    for room in rooms.rooms:
        rooms.tell(room, b"CLOSING")
    if rooms.served:
        await asyncio.wait(rooms.served, timeout=5)
    ticking.cancel()


asyncio.run(main())
