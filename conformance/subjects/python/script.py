"""Scripts: what a callback does, one command after the other; and what becomes of a connection's input."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterable
from typing import Union

import reactor
from calls import Caller
from framings import Frames
from report import complain, emit
from text import pattern, plain, word
from world import World

#: The commands that say what becomes of the input from now on.
MODES = {"sink": "sink", "echo-on": "echo", "data-on": "data"}
#: Those that make a call and say nothing of its result.
QUIET = {"hold": "self hold", "release": "self release", "close-call": "self close", "stop-call": "server stop"}
ACTIONS = {action.name.lower(): action for action in (reactor.Action.CLOSE, reactor.Action.STOP, reactor.Action.DETACH)}
Reply = Union[reactor.Action, None]


def first(replies: Iterable[Reply]) -> Reply:
    """The first that asks for something; what is behind it is not obeyed."""
    return next((reply for reply in replies if reply is not None), None)


class Input:
    """A connection's input: what it is taken for, and a command of which the end is still missing."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.partial = b""

    @property
    def is_script(self) -> bool:
        return self.mode in ("script", "keep")


class Scene:
    """What a script is carried out on."""

    def __init__(self, world: World, conn: reactor.Conn, source: Input) -> None:
        self.world, self.conn, self.input = world, conn, source

    # ---- input ----

    def take(self, data: bytes, is_datagram: bool = False) -> Reply:
        """Takes what came: a piece of a stream, a frame or a datagram."""
        frames = self.world.conns.get(self.conn.id, Frames.NONE)
        return self.take_stream(data, is_datagram) if frames is Frames.NONE else self.take_frame(frames, data)

    def take_frame(self, frames: Frames, data: bytes) -> Reply:
        if self.input.is_script:
            return self.obey(frames.command(data))
        if self.input.mode == "echo" and frames is Frames.PLAIN:
            self.send(data, framed=True)
            return None
        return self.turn_over(data)

    def take_command(self, arguments: list[bytes]) -> Reply:
        """Takes the arguments of a command that `resp` has cut."""
        line = b" ".join(arguments)
        if self.input.is_script:
            return self.obey(line.decode(errors="replace"))
        if self.input.mode == "data":
            emit("data", id=str(self.conn.id), arguments=[argument.hex() for argument in arguments])
            return None
        return self.turn_over(line + b"\r\n")

    def take_each(self, pieces: list[bytes]) -> Reply:
        """Takes the frames of a read until one ends the callback. They were cut before the first of them is obeyed."""
        frames = self.world.conns.get(self.conn.id, Frames.NONE)
        if frames is Frames.NONE:
            return self.take_stream(b"".join(pieces), is_datagram=False)
        return first(self.take_frame(frames, piece) for piece in pieces)

    def take_each_command(self, commands: list[list[bytes]]) -> Reply:
        """The same of commands."""
        return first(map(self.take_command, commands))

    def take_stream(self, data: bytes, is_datagram: bool) -> Reply:
        while self.input.is_script:
            line, end, rest = data.partition(b"\n")
            if not end:
                return self.put_aside(data)
            command, self.input.partial, data = self.input.partial + line, b"", rest
            action = self.obey(command.decode(errors="replace"))
            if action is not None:
                return action
        # A datagram may be empty; and where a script's input has ended, there is nothing to pass on.
        return self.turn_over(data) if data or is_datagram else None

    def put_aside(self, rest: bytes) -> Reply:
        """Leaves half a command to the engine, or remembers it."""
        if self.input.mode == "keep":
            self.conn.keep(len(rest))
        else:
            self.input.partial += rest
        return None

    def turn_over(self, data: bytes) -> Reply:
        """What is no command."""
        if self.input.mode == "echo":
            self.send(data)
        elif self.input.mode == "data":
            emit("data", id=str(self.conn.id), hex=data.hex())
        return None

    # ---- commands ----

    def play(self, script: str) -> Reply:
        """Carries out commands separated by `;` until one ends the callback."""
        for command in filter(None, map(str.strip, script.split(";"))):
            action = self.obey(command)
            if action is not None:
                return action
        return None

    def obey(self, line: str) -> Reply:
        """Carries out one command; an action ends the callback."""
        command, rest = word(line)
        if command in ACTIONS:
            return ACTIONS[command]
        if command == "fail":
            raise RuntimeError("told to fail")
        if command in MODES:
            self.input.mode = MODES[command]
        elif command in QUIET:
            self.call(QUIET[command])
        elif command == "pre-write":
            self.world.leave(self.conn, rest)
        elif command == "note-write":
            self.note(f"self text {rest}")
        elif command == "note-call":
            self.note(rest)
        elif not self.wait(command, rest) and not self.write(command, rest):
            self.answer(command, rest)
        return None

    def wait(self, command: str, rest: str) -> bool:
        """The commands that take their time; False if it is none."""
        if command == "sleep":
            time.sleep(int(rest) / 1000)
        elif command == "block":
            open(rest, "rb").close()
        elif command == "spawn":
            child = subprocess.Popen(["sleep", "60"])
            child.terminate()
            self.send(f"signal {-child.wait()}\n".encode())
        else:
            return False
        return True

    def write(self, command: str, rest: str) -> bool:
        """The commands that write; False if it is none."""
        if command == "echo":
            self.send(f"{rest}\n".encode())
        elif command == "id":
            self.send(f"{self.conn.id}\n".encode())
        elif command == "write":
            self.send(pattern(rest))
        elif command == "writes":
            count, size = word(rest)
            for _ in range(int(count)):
                self.send(pattern(size))
        else:
            return False
        return True

    def answer(self, command: str, rest: str) -> None:
        """Makes a call, or one of those that are older than calls, and writes the result."""
        number, text = word(rest)
        older = {
            "call": rest,
            "to": f"{number} text {text}",
            "close-id": f"{number} close",
            "listen": f"server listen {rest}",
            **{name: f"server {name}" for name in ("wait", "start", "free")},
        }
        if command not in older:
            complain(f"unknown command {command!r}")
            return
        result = self.call(older[command])
        if command == "listen" and isinstance(result, dict):
            result = "ok"
        self.send(f"{plain(result)}\n".encode())

    def call(self, line: str) -> object:
        return Caller(self.world, self.conn.server, self.conn).result(line)

    def note(self, line: str) -> None:
        emit("note", id=str(self.conn.id), text=plain(self.call(line)))

    def send(self, data: bytes, framed: bool = False) -> None:
        """Writes what a command writes; whether the connection takes it is not its business."""
        with contextlib.suppress(reactor.Error):
            self.conn.write_frame(data) if framed else self.conn.write(data)
