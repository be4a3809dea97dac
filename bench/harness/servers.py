"""Server processes: started on their processor, awaited until they listen, ended by their own id."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .cores import ORPHANED, SERVER, child_of, pinned
from .samples import Absent, Fault
from .systems import System

# Generous: a Java program under strace takes seconds.
START_SECONDS = 30.0
STOP_SECONDS = 5.0
# What a server says that does not offer a kind.
NOT_OFFERED = 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def last_line(path: Path, root: Path) -> str:
    """The last that a server said; paths of this machine mean nothing to a reader."""
    lines = path.read_text(errors="replace").replace(f"{root}/", "").strip().splitlines()
    return lines[-1][:200] if lines else "no message"


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Under:
    """A tool that a server runs under: it either becomes the server, or has it as its child and is not pinned itself."""

    command: Sequence[str] = ()
    parent: bool = False

    def wrap(self, command: Sequence[str]) -> list[str]:
        if self.parent:
            return [*ORPHANED, *self.command, *pinned(SERVER, command)]
        return pinned(SERVER, [*self.command, *command])


ALONE = Under()


class Server:
    """One running server, alone or under a tool."""

    def __init__(
        self, system: System, kind: str, scheme: str, root: Path, log: Path, under: Under = ALONE
    ) -> None:
        program = system.commands[kind][0]
        if not shutil.which(root / program if "/" in program else program):
            raise Absent("not built")
        self.system, self._log, self._root = system, log, root
        self._port = free_port()
        self._socket = Path("/tmp") / f"reactor-bench-{os.getpid()}-{self._port}.sock"
        listen = f"unix://{self._socket}" if scheme == "unix" else f"{scheme}://127.0.0.1:0"
        command = [word.format(url=listen, port=self._port) for word in system.commands[kind]]
        self._announces = not any("{port}" in word for word in system.commands[kind])
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("wb") as messages:
                self._process = subprocess.Popen(
                    under.wrap(command),
                    cwd=root,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE if self._announces else messages,
                    stderr=messages,
                    start_new_session=True,  # Ctrl-C is for the driver, which then ends its servers.
                )
        except OSError as error:
            raise Fault(f"failed: {error.strerror}") from error
        try:
            self.url = self._listening()
            self.pid = child_of(self._process.pid) if under.parent else self._process.pid
        except BaseException:
            self.stop()
            raise

    def _listening(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        if self._announces:
            return self._announced(deadline)
        while not accepts(self._port):
            if self.ended or time.monotonic() > deadline:
                raise self._failure("does not listen")
            time.sleep(0.01)
        return f"tcp://127.0.0.1:{self._port}"

    def _announced(self, deadline: float) -> str:
        assert self._process.stdout is not None
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    raise self._failure("does not listen")
                taken = os.read(self._process.stdout.fileno(), 4096)
                if not taken:
                    raise self._failure("ended before it listened")
                line += taken
        if not line.startswith(b"listening on "):
            raise self._failure("does not say where it listens")
        return line.decode().split()[-1]

    def _failure(self, what: str) -> Fault:
        try:
            code = self._process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            code = None
        return Absent("not offered") if code == NOT_OFFERED else self._broken(what)

    def _broken(self, what: str) -> Fault:
        return Fault(f"failed: {what} ({last_line(self._log, self._root)})")

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        """Asks, waits, and forces."""
        if not self.ended:
            os.kill(getattr(self, "pid", self._process.pid), signal.SIGTERM)
            try:
                self._process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._socket.unlink(missing_ok=True)


class Fleet:
    """The servers of a workload, all running beside each other; one that ended is started anew when it is next asked for."""

    def __init__(self, kind: str, scheme: str, root: Path, logs: Path) -> None:
        self._kind, self._scheme, self._root, self._logs = kind, scheme, root, logs
        self._running: dict[str, Server] = {}

    def get(self, system: System) -> tuple[Server, bool]:
        """The system's server, and whether it has only just been started."""
        running = self._running.get(system.label)
        if running is not None and not running.ended:
            return running, False
        if running is not None:
            running.stop()
            del self._running[system.label]
        self._running[system.label] = self.start(system)
        return self._running[system.label], True

    def start(self, system: System, under: Under = ALONE) -> Server:
        log = self._logs / f"{system.label}-{self._kind}.log"
        return Server(system, self._kind, self._scheme, self._root, log, under)

    def stop(self) -> None:
        for server in self._running.values():
            server.stop()
        self._running.clear()

    @contextmanager
    def own(self, system: System, under: Under = ALONE) -> Iterator[Server]:
        """A server for one run only."""
        server = self.start(system, under)
        try:
            yield server
        finally:
            server.stop()
