"""The handler: reports every callback and carries out its script."""

from __future__ import annotations

import argparse
import os
import socket
import threading

import reactor
from framings import Frames
from report import emit, thread
from script import Input, Reply, Scene
from world import Context, World


class Subject(reactor.Handler):
    """Every callback but on_error, without which what fails is told to the log, and those of a stream's input."""

    def __init__(self, options: argparse.Namespace, world: World) -> None:
        self.options, self.world = options, world
        self.inputs: dict[int, Input] = {}
        self.ticks: list[str] = options.ticks.split(",") if options.ticks else []

    # ---- what becomes of a callback ----

    def trace(self, event: str, conn: reactor.Conn, **members: object) -> None:
        if not self.options.no_trace:
            emit(event, id=str(conn.id), **members)

    def scene(self, conn: reactor.Conn) -> Scene:
        """An endpoint has no on_open."""
        source = self.inputs.get(conn.id)
        if source is None:
            source = self.inputs[conn.id] = Input(self.options.mode)
        return Scene(self.world, conn, source)

    def play(self, conn: reactor.Conn, script: str) -> Reply:
        return self.scene(conn).play(script) if script else None

    def forget(self, conn: reactor.Conn) -> None:
        self.inputs.pop(conn.id, None)
        self.world.conns.pop(conn.id, None)

    # ---- connections ----

    def on_open(self, conn: reactor.Conn) -> Reply:
        listener = conn.info().listener
        if listener is not None:
            frames = self.world.listeners.get(listener, Frames.NONE)
        else:
            frames = conn.context.frames if isinstance(conn.context, Context) else Frames.NONE
        self.world.conns[conn.id] = frames
        self.inputs[conn.id] = Input(self.options.outgoing_mode if listener is None else self.options.mode)
        self.trace("open", conn, listener=listener, thread=thread())
        return None if listener is None else self.play(conn, self.options.on_open)

    def on_datagram(self, conn: reactor.Conn, data: bytes, datagram: reactor.Datagram) -> Reply:
        self.trace(
            "datagram",
            conn,
            sender=datagram.sender,
            to=datagram.destination,
            interface=datagram.interface,
            size=len(data),
            truncated=datagram.truncated,
            thread=thread(),
        )
        return self.scene(conn).take(data, is_datagram=True)

    def on_eof(self, conn: reactor.Conn) -> Reply:
        self.trace("eof", conn, thread=thread())
        return self.play(conn, self.options.on_eof)

    def on_drain(self, conn: reactor.Conn) -> Reply:
        self.trace("drain", conn)
        return self.play(conn, self.options.on_drain)

    def on_wake(self, conn: reactor.Conn) -> Reply:
        self.trace("wake", conn, thread=thread())
        return self.play(conn, self.options.on_wake)

    def on_timer(self, conn: reactor.Conn, timer: reactor.Timer) -> Reply:
        emit("timer", id=str(conn.id), timer=timer.id, result=None, thread=thread())
        return self.play(conn, self.options.on_timer)

    def on_detach(self, conn: reactor.Conn, sock: socket.socket, input: bytes, output: bytes) -> None:
        nonblocking = not os.get_blocking(sock.fileno())
        members = {"input": input.hex(), "output": len(output), "nonblocking": nonblocking}
        emit("detach", id=str(conn.id), thread=thread(), **members)
        self.forget(conn)
        threading.Thread(target=serve_detached, args=(sock, output), daemon=True).start()

    def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> Reply:
        self.trace("close", conn, reason=str(reason), errno=errno, thread=thread())
        try:
            return self.play(conn, self.options.on_close)
        finally:
            self.forget(conn)

    # ---- the server ----

    def on_start(self, server: reactor.Server) -> Reply:
        emit("start", thread=thread())
        script = self.options.on_start
        if script == "fail":
            raise RuntimeError("told to fail")
        if script == "stop-call":
            server.stop()
        return reactor.Action.STOP if script == "stop" else None

    def on_tick(self, server: reactor.Server) -> float | None:
        # A server without ticks has this callback, too: the case did not ask for it.
        if not self.ticks:
            return None
        step = self.ticks.pop(0)
        emit("tick", thread=thread())
        if step == "fail":
            raise RuntimeError("told to fail")
        if step == "stop":
            server.stop()
            return None
        return int(step) / 1000

    def on_pre_write(self, server: reactor.Server) -> None:
        self.world.pre_write(server)

    def on_stopping(self, server: reactor.Server) -> None:
        emit("stopping", thread=thread())

    def on_stop(self, server: reactor.Server) -> None:
        emit("stop")


class OneByOne(Subject):
    """Input comes in pieces, frames and commands one at a time."""

    def on_data(self, conn: reactor.Conn, data: bytes) -> Reply:
        return self.scene(conn).take(data)

    def on_command(self, conn: reactor.Conn, arguments: list[bytes]) -> Reply:
        return self.scene(conn).take_command(arguments)


class AsLists(Subject):
    """The frames and commands of a read come at once."""

    def on_frames(self, conn: reactor.Conn, frames: list[bytes]) -> Reply:
        self.trace("frames", conn, frames=[frame.hex() for frame in frames], thread=thread())
        return self.scene(conn).take_each(frames)

    def on_commands(self, conn: reactor.Conn, commands: list[list[bytes]]) -> Reply:
        listed = [[argument.hex() for argument in arguments] for arguments in commands]
        self.trace("commands", conn, commands=listed, thread=thread())
        return self.scene(conn).take_each_command(commands)


class Reporting(Subject):
    """An error hook."""

    def on_error(self, conn: reactor.Conn | None, exc: BaseException) -> None:
        emit("failed", id=None if conn is None else str(conn.id), message=str(exc))


def make(options: argparse.Namespace, world: World) -> Subject:
    """The handler that the command line asks for. With an error hook the log is not told of what fails."""
    hook = (Reporting,) if options.log is None else ()
    kind = type("Subject", (*hook, AsLists if options.lists else OneByOne), {})
    handler: Subject = kind(options, world)
    return handler


def serve_detached(sock: socket.socket, output: bytes) -> None:
    """Goes on where the engine has let go, on a thread of its own: echoes until the peer ends."""
    with sock:
        sock.setblocking(True)
        try:
            # One after the other: it may be much.
            sock.sendall(output)
            sock.sendall(b"detached\n")
            while data := sock.recv(1 << 16):
                sock.sendall(data)
        except ConnectionError:
            pass  # A peer that is gone is told nothing.
