"""The example room.py, and what it would be on asyncio: they do the same, and ours is the shorter one."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import connect, finish, receive, receive_all, run_program, wait_until

OURS = Path(__file__).resolve().parents[3] / "examples" / "python" / "room.py"
THEIRS = Path(__file__).resolve().parent / "room_on_asyncio.py"


class Server:
    """A room server that runs."""

    def __init__(self, program: Path, query: str = "") -> None:
        self.process = run_program(sys.executable, "-W", "error", str(program), f"tcp://127.0.0.1:0{query}")
        assert self.process.stdout is not None
        words, _, self.url = self.process.stdout.readline().strip().rpartition(" ")
        assert words == "listening on"

    def enter(self, name: str, room: str) -> Person:
        person = Person(connect(self.url))
        person.say(f"HELLO {name}")
        host, port = person.socket.getsockname()
        assert person.hear() == f"WELCOME {name} from {host}:{port}"
        person.say(f"JOIN {room}")
        assert person.hear() == f"+ {name}"
        return person


class Person:
    """A client."""

    def __init__(self, client: socket.socket) -> None:
        self.socket = client

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, text: str) -> None:
        self.socket.sendall(len(text).to_bytes(2, "big") + text.encode())

    def message(self) -> str:
        return receive(self.socket, int.from_bytes(receive(self.socket, 2), "big")).decode()

    def hear(self) -> str:
        """The next message that is no tick."""
        while True:
            text = self.message()
            if " in " not in text:
                return text


@pytest.fixture(params=[OURS, THEIRS], ids=["reactor", "asyncio"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param)
    yield server
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
        assert finish(server.process) == (0, "", "")


def is_refused(url: str) -> bool:
    try:
        connect(url).close()
    except ConnectionRefusedError:
        return True
    return False


def lines_of_code(program: Path) -> int:
    lines = [line.strip() for line in program.read_text().splitlines()]
    return sum(1 for line in lines if line and not line.startswith("#"))


def test_ours_is_shorter() -> None:
    assert lines_of_code(OURS) <= 60
    assert lines_of_code(OURS) < lines_of_code(THEIRS)


def test_what_is_said_reaches_everybody_in_the_room(server: Server) -> None:
    with server.enter("ada", "lobby") as ada, server.enter("eve", "attic") as eve, server.enter("bob", "lobby") as bob:
        assert ada.hear() == "+ bob"
        bob.say("good morning")
        assert [ada.hear(), bob.hear()] == ["bob: good morning"] * 2
        bob.say("JOIN attic")
        assert [ada.hear(), bob.hear(), eve.hear()] == ["- bob", "+ bob", "+ bob"]
        ada.say("JOIN")
        assert ada.hear() == "ada: JOIN"
        bob.socket.close()
        assert eve.hear() == "- bob"
        eve.say("alone")
        assert eve.hear() == "eve: alone"


def test_a_room_has_a_limit(server: Server) -> None:
    people = [server.enter(f"p{number}", "lobby") for number in range(8)]
    with server.enter("last", "attic") as last:
        last.say("JOIN lobby")
        assert last.hear() == "FULL lobby"
        people[0].socket.close()
        assert [people[1].hear() for _ in range(7)] == [*(f"+ p{number}" for number in range(2, 8)), "- p0"]
        last.say("JOIN lobby")
        assert last.hear() == "+ last"
    for person in people:
        person.socket.close()


def test_everybody_is_told_how_many_they_are_as_time_passes(server: Server) -> None:
    with server.enter("ada", "lobby") as ada, server.enter("bob", "lobby"):
        wait_until(lambda: ada.message() == "2 in lobby", "a tick")
        wait_until(lambda: ada.message() == "2 in lobby", "another tick")


def test_who_does_not_say_hello_or_says_too_much_is_closed(server: Server) -> None:
    for first in ("hello ada", "HELLO", "", "JOIN lobby"):
        with Person(connect(server.url)) as person:
            person.say(first)
            assert receive_all(person.socket) == b""
    with server.enter("ada", "lobby") as ada, server.enter("bob", "lobby") as bob:
        bob.socket.sendall(b"\x04\x00")
        assert [ada.hear(), ada.hear()] == ["+ bob", "- bob"]


def test_at_a_signal_who_is_there_may_finish(server: Server) -> None:
    with server.enter("ada", "lobby") as ada:
        server.process.send_signal(signal.SIGTERM)
        assert ada.hear() == "CLOSING"
        wait_until(lambda: is_refused(server.url), "the end of listening")
        ada.say("one moment")
        assert ada.hear() == "ada: one moment"
    assert finish(server.process) == (0, "", "")


def test_who_says_nothing_is_closed_though_there_are_ticks() -> None:
    """What is written there, 30 seconds, is long for a test: the query of an address wins."""
    assert "read=30" in OURS.read_text()
    server = Server(OURS, "?read=1500")
    with server.enter("ada", "lobby") as ada:
        said = list(iter(ada.message, ""))
        assert "1 in lobby" in said
    server.process.send_signal(signal.SIGTERM)
    assert finish(server.process) == (0, "", "")
