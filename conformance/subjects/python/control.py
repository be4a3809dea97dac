"""The commands from standard input, carried out on a thread that is no loop's, or between the turns of a host."""

from __future__ import annotations

import os
import threading
from collections import Counter

import forks
import reactor
from calls import Caller
from report import complain, emit
from text import plain, word
from world import World


class Control:
    """Reads commands, also when the server has ended."""

    def __init__(self, world: World) -> None:
        self.world = world
        #: Whether the main thread may wait for the server.
        self.may_wait = threading.Event()
        self._partial = b""
        self._reader: threading.Thread | None = None

    def begin(self, may_wait: bool) -> None:
        """Has a thread of its own carry the commands out."""
        if may_wait:
            self.may_wait.set()
        self._reader = threading.Thread(target=self._read_on)
        self._reader.start()

    def finish(self) -> None:
        """Carries out whatever still comes."""
        if self._reader is None:
            self._read_on()
        else:
            self._reader.join()

    def _read_on(self) -> None:
        while self.read():
            pass

    def read(self) -> bool:
        """Carries out the commands of one read, one a line; False at the end of standard input, which stops the server."""
        data = os.read(0, 1 << 16)
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self.carry_out(line.decode())
        if not data:
            self._stop()
        return bool(data)

    def _stop(self) -> None:
        server = self.world.server
        if server is not None:
            server.stop()
        self.may_wait.set()

    def carry_out(self, line: str) -> None:
        """Carries out a command and tells its result."""
        message = None
        try:
            result = self.obey(line)
        except reactor.Error as error:
            result, message = error.kind, str(error)
        # Nothing here refers to the server any more: the runner may count what is left as soon as it has the reply.
        emit("reply", command=line, result=result, **({"message": message} if line.startswith("call ") else {}))

    def obey(self, line: str) -> object:
        server = self.world.server
        command, rest = word(line)
        if server is None:
            # All has ended, which is what is waited for.
            return "ok" if command == "wait" else None
        target, text = word(rest)
        if command in ("write", "text", "close", "hold", "release"):
            return self.call(server, f"{target} {command} {text}")
        if command in ("stop", "wait", "start"):
            return self.call(server, f"server {command}")
        if command == "call":
            return self.call(server, rest)
        if command == "listen":
            return str(server.listen(rest))
        if command == "stats":
            return {"connections": server.connections, "queued": server.queued_bytes}
        return self.obey_many(server, command, rest)

    def obey_many(self, server: reactor.Server, command: str, rest: str) -> object:
        """The commands that do more than one thing."""
        first, text = word(rest)
        second, call = word(text)
        if command == "burst":
            return " ".join(self.storm(server, second, "1", f"{first} write {call}"))
        if command == "threads":
            return Counter(self.storm(server, first, second, call))
        if command == "fork":
            return forks.call_in_child(lambda: plain(Caller(self.world, server).result(f"server {rest}")))
        if command == "cycles":
            for _ in range(int(rest)):
                self.world.way.cycle()
            return "ok"
        complain(f"unknown command {command!r}")
        return None

    def call(self, server: reactor.Server, line: str) -> object:
        result = Caller(self.world, server).call(line)
        if line.startswith("server start"):
            self.may_wait.set()
        return result

    def storm(self, server: reactor.Server, count: str, times: str, call: str) -> list[str]:
        """Has threads make a call, each so many times: their results."""
        results: list[str] = []
        caller = Caller(self.world, server)

        def make(number: int) -> None:
            own = call.replace("%t", str(number))
            for at in range(int(times)):
                results.append(plain(caller.result(own.replace("%n", str(at)))))

        threads = [threading.Thread(target=make, args=(number,)) for number in range(int(count))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results
