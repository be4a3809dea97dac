"""A subject: a small server of one language, run as a process and spoken to by conformance/PROTOCOL.md."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from harness import process
from harness.client import HANG_GUARD, Client
from harness.promises import CAPABILITIES, ONE_LOOP

ROOT = Path(__file__).resolve().parents[2]
TCP = "tcp://127.0.0.1:0"
COMMANDS: dict[str, list[str]] = {
    "rust": ["target/release/reactor-subject"],
    "c": ["target/conformance/subject-c"],
    "python": ["target/venv/bin/python", "conformance/subjects/python/subject.py"],
    "python-asyncio": ["target/venv/bin/python", "conformance/subjects/python/subject.py", "--asyncio"],
    "node": ["node", "conformance/subjects/node/subject.mjs"],
    "node-inline": ["node", "conformance/subjects/node/subject.mjs", "--inline"],
}
#: Bytes that a language's own runtime takes, on top of what a case lets a subject have (`prlimit --data`).
RUNTIME = {"node": 192 << 20}
LOOP_THREAD = re.compile(r"reactor-(\d+|accept)")
Event = dict[str, Any]

#: Events that may come before the start and after the stop, too.
ANY_TIME = frozenset({"reply", "failed", "log", "forked"})
KINDS = frozenset(
    {"listening", "start", "stopping", "stop", "error", "ended", "note"}
    | {"open", "data", "frames", "commands", "datagram", "eof", "drain", "wake", "timer", "detach", "close"}
    | {"tick", "pre-write", "completed", "ran", "context-destroyed"}
)


def eventually(what: str, condition: Callable[[], object]) -> None:
    """Waits for what nobody announces."""
    deadline = time.monotonic() + HANG_GUARD
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.01)


def activation(inherit: Sequence[socket.socket]) -> list[str]:
    """The command that hands listening sockets over by the LISTEN_FDS convention."""
    if not inherit:
        return []
    numbers = ",".join(str(listener.fileno()) for listener in inherit)
    return [sys.executable, str(ROOT / "conformance/harness/activate.py"), numbers]


def with_runtime(name: str, word: str) -> str:
    """A word of the command that a subject is started by: what it limits memory to has room for the runtime."""
    option, limits, limit = word.partition("--data=")
    runtime = RUNTIME.get(name.partition("-")[0], 0)
    return f"--data={int(limit) + runtime}" if limits and not option else word


class Subject:
    """A running subject, and the clients that a case connects to it."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        stderr: str = "",
        inherit: Sequence[socket.socket] = (),
        prefix: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.language = name.partition("-")[0]
        self.clients: list[Client] = []
        self.urls: list[str] = []
        self._may_print = re.compile(stderr)
        self._events: list[Event] = []
        self._taken: set[int] = set()
        self._stderr = ""
        self._news = threading.Condition()
        self._ended = False
        self._stop_told = False
        self._descriptors: dict[int, str] = {}
        self.process = subprocess.Popen(
            [*activation(inherit), *(with_runtime(name, word) for word in prefix), *COMMANDS[name], *arguments],
            cwd=ROOT,
            pass_fds=[listener.fileno() for listener in inherit],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # So that what it forks can be killed along.
            start_new_session=True,
        )
        self.pid = self.process.pid
        self.forks = "--fork" in arguments
        self.has_one_loop = name in ONE_LOOP
        self.is_hosted = "--hosted" in arguments or self.has_one_loop
        self._readers = [
            threading.Thread(target=self._read_events, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self._read_stderr, args=(self.process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    # ---- what it says ----

    def _read_events(self, stdout: IO[str]) -> None:
        for line in stdout:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": f"no JSON: {line!r}"}
            with self._news:
                self._events.append(event)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _read_stderr(self, stderr: IO[str]) -> None:
        for line in stderr:
            self._stderr += line

    def events(self, *kinds: str) -> list[Event]:
        """All events so far, or those of some kinds."""
        with self._news:
            return [event for event in self._events if not kinds or event["event"] in kinds]

    def expect(self, event: str, /, **members: object) -> Event:
        """Waits for an event with these members, and takes it: it will not be found again."""
        deadline = time.monotonic() + HANG_GUARD
        wanted = {"event": event, **members}.items()
        looked_at = 0
        with self._news:
            while True:
                # Each is looked at once: there may be many thousands.
                for index in range(looked_at, len(self._events)):
                    found = self._events[index]
                    fits = found["event"] == event and wanted <= _hashable(found).items()
                    if fits and index not in self._taken:
                        self._taken.add(index)
                        return found
                looked_at = len(self._events)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "it ended" if self._ended else "it hangs"
                    raise AssertionError(
                        f"{self.name}: no event {dict(wanted)}, {why}; the last events: "
                        f"{self._events[-8:]}; stderr: {self._stderr[-2000:]}"
                    )
                self._news.wait(left)

    # ---- what it is told ----

    def tell(self, command: str) -> None:
        """Sends a control command without waiting for its reply."""
        assert self.process.stdin is not None
        self._stop_told |= command == "stop"
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def control(self, command: str) -> Any:
        """Carries out a control command: its result."""
        self.tell(command)
        return self.expect("reply", command=command)["result"]

    def end_commands(self) -> None:
        """Ends its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def stats(self) -> dict[str, int]:
        result: dict[str, int] = self.control("stats")
        return result

    def connect(self, listener: int = 0, receive_buffer: int | None = None) -> Client:
        client = Client(self.urls[listener], receive_buffer)
        self.clients.append(client)
        return client

    def has(self, part: str) -> bool:
        """Whether it has a part of the protocol, for cases that go on without it."""
        return part in CAPABILITIES[self.name]

    # ---- its life ----

    def started(self) -> None:
        """Waits until it serves, and remembers what it is like without clients."""
        if self.forks:
            # From here on the child is the subject.
            self.pid = self.expect("forked")["pid"]
        self.expect("start")
        self.stats()
        if any(url.startswith("udp") for url in self.urls):
            self.come_round()
        if self.name == "python":
            # It opens two descriptors then, by which signals end its wait.
            eventually("the main thread's wait", lambda: process.is_polling(self.pid))
        self.remember_descriptors()

    def come_round(self) -> None:
        """Waits for every loop's turn: it has done what it was told before, such as to open an endpoint's descriptor."""
        for number in range(self.control("call server loops")):
            assert self.control(f"call server run {number} current-loop") == "ok"
            self.expect("ran", call="current-loop", result=number)

    def remember_descriptors(self) -> None:
        self._descriptors = process.descriptors(self.pid)

    def left_descriptors(self) -> dict[int, str]:
        """Descriptors that were not there before the clients came."""
        now = process.descriptors(self.pid)
        return {fd: what for fd, what in now.items() if self._descriptors.get(fd) != what}

    def expect_nothing_left(self) -> None:
        """After the clients have gone: no connection, no queued byte, no descriptor; and all were told of."""
        self.expect_idle(0)
        eventually(f"the last of {self.left_descriptors()}", lambda: not self.left_descriptors())
        # A connection is counted no more, and its descriptor is closed, before its last callback.
        eventually(f"the last callback of {self.untold()}", lambda: not self.untold())

    def untold(self) -> set[str]:
        """Connections that were opened and whose last callback has not been seen."""
        told = {event["id"] for event in self.events("close", "detach")}
        return {event["id"] for event in self.events("open")} - told

    def expect_idle(self, connections: int) -> None:
        """Waits until this many connections are open and nothing is queued for them."""
        wanted = {"connections": connections, "queued": 0}
        eventually(f"{wanted} of {self.name}", lambda: self.stats() == wanted)

    def finish(self) -> None:
        """The end of a case: nothing is left behind, and the subject ends as it should."""
        for client in self.clients:
            client.close()
        if not self.events("start", "ended", "error"):
            self._never_started()
            return
        if not self.events("error"):
            # One that was told to stop may end before it answers.
            if not self._stop_told and not self.events("ended", "stop"):
                self.expect_nothing_left()
                self.tell("stop")
            self._expect_stopped()
        self._expect_exit(1 if self.events("error") else 0)
        self._check_order()

    def _never_started(self) -> None:
        self._expect_exit(0)

    def _expect_stopped(self) -> None:
        if not self.events("ended"):
            self.expect("ended")
        eventually("the end of the loops' threads", lambda: not self.loop_threads())
        eventually(
            "the end of all sockets",
            lambda: not any("socket:" in what for what in process.descriptors(self.pid).values()),
        )

    def loop_threads(self) -> dict[int, str]:
        """The engine's threads."""
        found = process.threads(self.pid).items()
        return {thread: name for thread, name in found if LOOP_THREAD.fullmatch(name)}

    def turning_threads(self) -> set[int]:
        """Those that run loops, or accept for them: the engine's, or the main thread, which is a host's."""
        return {self.pid} if self.is_hosted else set(self.loop_threads())

    def _expect_exit(self, code: int) -> None:
        self.end_commands()
        assert self.process.wait(HANG_GUARD) == code, self._stderr
        for reader in self._readers:
            reader.join(HANG_GUARD)
        strange = self._stderr if not self._may_print.pattern else self._may_print.sub("", self._stderr)
        assert strange.strip() == "", f"{self.name} printed {self._stderr!r}"

    def _check_order(self) -> None:
        """L1 and S1, as far as every case shows them: one open, then one close; nothing after stop."""
        kinds = [event["event"] for event in self.events() if event["event"] not in ANY_TIME]
        assert set(kinds) <= KINDS, kinds
        if "stop" in kinds:
            assert kinds[kinds.index("stop") :] == ["stop", "ended"], kinds[-8:]
        opened = [event["id"] for event in self.events("open")]
        closed = [event["id"] for event in self.events("close")]
        detached = [event["id"] for event in self.events("detach")]
        never_open = self._outgoing() - set(opened)
        opened += [conn for conn in closed if conn in never_open]
        assert Counter(opened) == Counter(closed + detached), "each open has one close, or detach"
        assert len(set(opened)) == len(opened), "no id comes twice"
        for event in self.events("close"):
            if event["reason"] != "connect failed":
                assert (event["errno"] is not None) == (event["reason"] == "reset"), event

    def _outgoing(self) -> set[str]:
        """Connections that may have been closed without being opened."""
        made = [event for event in self.events("reply") if event["command"].startswith("call server connect")]
        failed = [event for event in self.events("close") if event["reason"] in ("connect failed", "time-out")]
        return {event["result"] for event in made} | {event["id"] for event in failed}

    @contextmanager
    def halted(self) -> Iterator[None]:
        """All its threads stand still, as long as this lasts."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            eventually("the halt", self.is_halted)
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def is_halted(self) -> bool:
        """Whether a signal has halted all its threads."""
        tasks = process.threads(self.pid)
        return all(process.status(self.pid, "State", thread).startswith("T") for thread in tasks)

    def kill(self) -> None:
        """Ends it by force, after a case that has failed."""
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                pass


def _hashable(event: Event) -> dict[str, object]:
    """Members that can be compared: not the lists."""
    return {key: value for key, value in event.items() if not isinstance(value, (list, dict))}
