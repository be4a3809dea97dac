#!/usr/bin/env python3
"""The Python subject of the conformance cases: a small server that shows whatever behaviour a case asks for, by the
protocol in conformance/PROTOCOL.md.

The main thread starts the server and waits for it; another one carries out the commands from standard input.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import reactor

_out = threading.Lock()


def emit(event: str, **members: object) -> None:
    """Tells the runner something: one JSON object a line."""
    line = json.dumps({"event": event, **members}) + "\n"
    with _out:
        sys.stdout.write(line)
        sys.stdout.flush()


def complain(message: str) -> None:
    """Something that no case expects: for whoever reads the runner's output."""
    print(f"subject.py: {message}", file=sys.stderr)


def outcome(call: Callable[[], object]) -> str:
    """Makes a call: what the protocol calls RESULT. Only a write returns False."""
    try:
        return "high" if call() is False else "ok"
    except reactor.Error as error:
        return error.kind


def pattern(size: str | int) -> bytes:
    size = int(size)
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@dataclasses.dataclass
class Reading:
    """What becomes of a connection's input: its mode, and the beginning of a command."""

    mode: str
    partial: bytes = b""


class Scene:
    """A callback's connection, and the commands that are carried out on it."""

    def __init__(self, server: reactor.Server, conn: reactor.Conn) -> None:
        self.server, self.conn = server, conn

    def play(self, script: str) -> reactor.Action | None:
        """Carries out commands separated by `;` until one ends the callback."""
        for command in filter(None, map(str.strip, script.split(";"))):
            action = self.obey(command)
            if action is not None:
                return action
        return None

    def obey(self, line: str) -> reactor.Action | None:
        """Carries out one command; an action ends the callback."""
        command, _, rest = line.partition(" ")
        if command in ("close", "stop"):
            return reactor.Action[command.upper()]
        if command == "fail":
            raise RuntimeError("told to fail")
        if command in ("sink", "echo-on"):
            self.conn.context.mode = command
        elif command == "sleep":
            time.sleep(int(rest) / 1000)
        elif command == "block":
            open(rest, "rb").close()
        elif command == "spawn":
            child = subprocess.Popen(["sleep", "60"])
            child.terminate()
            self.send(f"signal {-child.wait()}\n".encode())
        elif command == "stop-call":
            self.server.stop()
        elif command == "close-call":
            outcome(self.conn.close)
        elif command == "hold":
            outcome(self.conn.hold)
        elif command == "release":
            outcome(self.conn.release)
        elif not self.write(command, rest) and not self.call(command, rest):
            complain(f"unknown command {line!r}")
        return None

    def write(self, command: str, rest: str) -> bool:
        """The commands that write; False if it is none."""
        if command == "echo":
            self.send(f"{rest}\n".encode())
        elif command == "id":
            self.send(f"{self.conn.id}\n".encode())
        elif command == "write":
            self.send(pattern(rest))
        elif command == "writes":
            count, size = rest.split()
            for _ in range(int(count)):
                self.send(pattern(size))
        elif command == "note-write":
            text = f"{rest}\n".encode()
            emit("note", id=str(self.conn.id), text=outcome(lambda: self.conn.write(text)))
        else:
            return False
        return True

    def call(self, command: str, rest: str) -> bool:
        """The commands that call the server and write the RESULT; False if it is none."""
        server, (target, _, text) = self.server, rest.partition(" ")
        calls: dict[str, Callable[[], object]] = {
            "to": lambda: server.write(int(target), f"{text}\n".encode()),
            "close-id": lambda: server.close(int(target)),
            "wait": server.wait,
            "start": server.start,
            "listen": lambda: server.listen(rest),
        }
        if command not in calls and command != "free":
            return False
        result = outcome(calls[command]) if command in calls else "n/a"
        self.send(f"{result}\n".encode())
        return True

    def send(self, data: bytes) -> None:
        """Writes what a command writes; whether the connection takes it is not its business."""
        outcome(lambda: self.conn.write(data))


class Subject(reactor.Handler):
    """Reports every callback and carries out its script."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.server: reactor.Server

    def trace(self, event: str, conn: reactor.Conn, **members: object) -> None:
        if not self.options.no_trace:
            emit(event, id=str(conn.id), **members)

    def on_start(self, server: reactor.Server) -> reactor.Action | None:
        self.server = server
        emit("start", thread=threading.get_native_id())
        script = self.options.on_start
        if script == "stop":
            return reactor.Action.STOP
        if script == "fail":
            raise RuntimeError("told to fail")
        if script == "stop-call":
            server.stop()
        return None

    def on_open(self, conn: reactor.Conn) -> reactor.Action | None:
        conn.context = Reading("echo-on" if self.options.mode == "echo" else "script")
        self.trace("open", conn, thread=threading.get_native_id())
        return Scene(self.server, conn).play(self.options.on_open)

    def on_data(self, conn: reactor.Conn, data: bytes) -> reactor.Action | None:
        scene = Scene(self.server, conn)
        reading: Reading = conn.context
        while reading.mode == "script":
            line, end, data = data.partition(b"\n")
            reading.partial += line
            if not end:
                return None
            command, reading.partial = reading.partial.decode(errors="replace"), b""
            action = scene.obey(command)
            if action is not None:
                return action
        if reading.mode == "echo-on" and data:
            scene.send(data)
        return None

    def on_drain(self, conn: reactor.Conn) -> reactor.Action | None:
        self.trace("drain", conn)
        return Scene(self.server, conn).play(self.options.on_drain)

    def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> reactor.Action | None:
        self.trace("close", conn, reason=str(reason), errno=errno, thread=threading.get_native_id())
        return Scene(self.server, conn).play(self.options.on_close)

    def on_stop(self, server: reactor.Server) -> None:
        emit("stop")

    def on_error(self, conn: reactor.Conn | None, exc: BaseException) -> None:
        emit("failed", id=None if conn is None else str(conn.id), message=str(exc))


class Control:
    """The commands from standard input, and the server while there is one."""

    def __init__(self, server: reactor.Server) -> None:
        self.server: reactor.Server | None = server
        self.may_wait = threading.Event()

    def run(self) -> None:
        """Carries out one command a line; the end of standard input stops the server."""
        for line in sys.stdin:
            server = self.server
            if server is None:
                continue
            result = self.obey(server, line.rstrip("\n"))
            del server  # Before the reply: the runner may count what is left as soon as it has it.
            emit("reply", command=line.rstrip("\n"), result=result)
        if self.server is not None:
            self.server.stop()
        self.may_wait.set()

    def obey(self, server: reactor.Server, line: str) -> object:
        command, _, rest = line.partition(" ")
        first, _, second = rest.partition(" ")
        if command == "stats":
            return {"connections": server.connections, "queued": server.queued_bytes}
        if command == "burst":
            return self.burst(server, int(first), *map(int, second.split()))
        if command == "listen":
            try:
                return server.listen(first)
            except reactor.Error as error:
                return error.kind
        calls: dict[str, Callable[[], object]] = {
            "write": lambda: server.write(int(first), pattern(second)),
            "text": lambda: server.write(int(first), f"{second}\n".encode()),
            "close": lambda: server.close(int(first)),
            "hold": lambda: server.hold(int(first)),
            "release": lambda: server.release(int(first)),
            "stop": server.stop,
            "start": lambda: self.start(server),
            "wait": server.wait,
        }
        if command not in calls:
            complain(f"unknown command {line!r}")
            return None
        return outcome(calls[command])

    def start(self, server: reactor.Server) -> None:
        server.start()
        self.may_wait.set()

    def burst(self, server: reactor.Server, target: int, count: int, size: int) -> str:
        """Writes at once, each from a thread of its own."""
        results: list[str] = []
        data = pattern(size)

        def write() -> None:
            results.append(outcome(lambda: server.write(target, data)))

        writers = [threading.Thread(target=write) for _ in range(count)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        return " ".join(results)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--listen", action="append", default=[])
    numbers = ("loops", "high-water", "low-water", "hard-limit", "byte-budget", "read-budget", "linger-ms")
    for name in (*numbers, "stall-limit-ms"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--keep-on-overflow", action="store_true")
    parser.add_argument("--mode", choices=["echo", "script"], default="script")
    for name in ("on-start", "on-open", "on-drain", "on-close"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--no-trace", action="store_true")
    return parser.parse_args()


def make(options: argparse.Namespace) -> reactor.Server:
    """The server, listening and started if it is to listen anywhere."""
    server = reactor.Server(
        Subject(options),
        loops=options.loops,
        high_water=options.high_water,
        low_water=options.low_water,
        hard_limit=options.hard_limit,
        keep_on_overflow=options.keep_on_overflow,
        byte_budget=options.byte_budget,
        read_budget=options.read_budget,
        linger=options.linger_ms / 1000,
        stall_limit=options.stall_limit_ms / 1000,
    )
    urls = [server.listen(url) for url in options.listen]
    if urls:
        emit("listening", urls=urls)
        server.start()
    return server


def serve(options: argparse.Namespace) -> None:
    """Waits until the server has stopped; the thread that reads commands goes on until standard input ends."""
    server = make(options)
    control = Control(server)
    if server.loops > 0:
        control.may_wait.set()
    reader = threading.Thread(target=control.run)
    reader.start()
    control.may_wait.wait()
    # Not so if standard input ended before the start.
    if server.loops > 0:
        server.wait()
        emit("ended")
    # Frees the server: the handler refers to it, so the collector has to.
    control.server = None
    del server
    gc.collect()
    reader.join()


def main() -> int:
    # What the engine tells without being asked is no case's matter here.
    logging.getLogger("reactor").addHandler(logging.NullHandler())
    try:
        serve(parse_options())
    except reactor.Error as error:
        emit("error", kind=error.kind, message=str(error), errno=getattr(error, "errno", None))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
