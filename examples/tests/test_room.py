"""room: messages reach the room, within its limits and times. In Python it is there on asyncio, too: they do the same, and ours is
the shorter one."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from harness import LIMIT, ROOT, Client, within_limit

OURS = {"python": ROOT / "examples" / "python" / "room.py", "node": ROOT / "examples" / "node" / "room.mjs"}
ON_ASYNCIO = ROOT / "examples" / "tests" / "room_on_asyncio.py"


class Room:
    """A room server that runs."""

    def __init__(self, program: str, query: str = "") -> None:
        command = [sys.executable, str(ON_ASYNCIO)]
        if program != "asyncio":
            command = [str(ROOT / "examples" / "run"), program, "room"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*command, f"tcp://127.0.0.1:0{query}"], stdout=pipe, stderr=pipe, text=True)
        assert self.process.stdout
        words, _, self.port = self.process.stdout.readline().strip().rpartition(":")
        if words != "listening on tcp://127.0.0.1":
            raise AssertionError(f"{program} said {words!r}: {self.process.communicate()[1]}")

    def connect(self) -> Person:
        return Person(socket.create_connection(("127.0.0.1", int(self.port)), timeout=LIMIT))

    def enter(self, name: str, room: str) -> Person:
        person = self.connect()
        person.say(f"HELLO {name}")
        host, port = person.socket.getsockname()
        assert person.hear() == f"WELCOME {name} from {host}:{port}"
        person.say(f"JOIN {room}")
        assert person.hear() == f"+ {name}"
        return person

    def is_refusing(self) -> bool:
        try:
            self.connect().socket.close()
        except ConnectionRefusedError:
            return True
        return False

    def stop(self) -> None:
        """By a signal, unless it ends by itself. It has nothing to say."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.communicate(timeout=LIMIT) == ("", "")
        assert self.process.returncode == 0


class Person(Client):
    def __enter__(self) -> Person:
        return self

    def say(self, text: str) -> None:
        self.send(len(text).to_bytes(2, "big") + text.encode())

    def message(self) -> str:
        return self.read(int.from_bytes(self.read(2), "big")).decode()

    def hear(self) -> str:
        """The next message that is no tick."""
        while True:
            text = self.message()
            if not re.fullmatch(r"\d+ in \w+", text):
                return text

    def is_closed(self) -> bool:
        """Whether nothing comes any more but the end."""
        return self.rest() == b""


@pytest.fixture
def room(program: str) -> Iterator[Room]:
    room = Room(program)
    try:
        yield room
        room.stop()
    finally:
        room.process.kill()


def lines_of_code(program: Path) -> int:
    text = re.sub(r"/\*.*?\*/", "", program.read_text(), flags=re.DOTALL)
    lines = [line.strip() for line in text.splitlines()]
    return sum(1 for line in lines if line and not line.startswith(("#", "//")))


def test_it_is_short(language: str) -> None:
    if language == "python":
        assert lines_of_code(OURS[language]) <= 60
        assert lines_of_code(OURS[language]) < lines_of_code(ON_ASYNCIO)
    else:
        assert lines_of_code(OURS[language]) <= 50


def test_what_is_said_reaches_everybody_in_the_room(room: Room) -> None:
    with room.enter("ada", "lobby") as ada, room.enter("eve", "attic") as eve, room.enter("bob", "lobby") as bob:
        assert ada.hear() == "+ bob"
        bob.say("good morning")
        assert [ada.hear(), bob.hear()] == ["bob: good morning"] * 2
        bob.say("JOIN attic")
        assert [ada.hear(), bob.hear(), eve.hear()] == ["- bob", "+ bob", "+ bob"]
        for text in ("JOIN", "JOIN ", "HELLO eve", ""):
            ada.say(text)
            assert ada.hear() == f"ada: {text}"
        bob.socket.close()
        assert eve.hear() == "- bob"
        eve.say("alone")
        assert eve.hear() == "eve: alone"


def test_what_is_said_arrives_byte_by_byte(room: Room) -> None:
    every = bytes(range(256))
    with room.enter("ada", "lobby") as ada, room.enter("bob", "lobby") as bob:
        assert ada.hear() == "+ bob"
        bob.send(b"\x01\x00" + every)
        said = b"bob: " + every
        message = b""
        while b" in lobby" in message or not message:
            message = ada.read(int.from_bytes(ada.read(2), "big"))
        assert message == said


def test_a_room_has_a_limit(room: Room) -> None:
    people = [room.enter(f"p{number}", "lobby") for number in range(8)]
    with room.enter("last", "attic") as last:
        last.say("JOIN lobby")
        assert last.hear() == "FULL lobby"
        people[0].socket.close()
        assert [people[1].hear() for _ in range(7)] == [*(f"+ p{number}" for number in range(2, 8)), "- p0"]
        last.say("JOIN lobby")
        assert last.hear() == "+ last"
    for person in people:
        person.socket.close()


def test_everybody_is_told_how_many_they_are_as_time_passes(room: Room) -> None:
    with room.enter("ada", "lobby") as ada, room.enter("bob", "lobby"):
        within_limit(lambda: ada.message() == "2 in lobby", "a tick")
        within_limit(lambda: ada.message() == "2 in lobby", "another tick")


def test_who_does_not_say_hello_or_says_too_much_is_closed(room: Room) -> None:
    for first in ("hello ada", "HELLO", "HELLO ", "", "JOIN lobby", "HELLO " + "x" * 495):
        with room.connect() as person:
            person.say(first)
            assert person.is_closed()
    with room.enter("x" * 494, "lobby") as ada:
        ada.say("y" * 500)
        assert ada.hear() == "x" * 494 + ": " + "y" * 500
        # The second is beyond what a frame may have, and that is all that comes of it.
        for too_much in (b"\x01\xf5" + b"x" * 501, b"\x04\x00"):
            with room.enter("bob", "lobby") as bob:
                bob.send(too_much)
                assert [ada.hear(), ada.hear()] == ["+ bob", "- bob"]


def test_at_a_signal_who_is_there_may_finish(room: Room) -> None:
    with room.enter("ada", "lobby") as ada:
        room.process.send_signal(signal.SIGTERM)
        assert ada.hear() == "CLOSING"
        within_limit(room.is_refusing, "the end of listening")
        ada.say("one moment")
        assert ada.hear() == "ada: one moment"
    room.process.wait(LIMIT)
    room.stop()


def test_who_says_nothing_is_closed_though_there_are_ticks(language: str) -> None:
    """What is written there, 30 seconds, is long for a test: the query of an address wins."""
    assert re.search(r"read=30\b|read: 30_000\b", OURS[language].read_text())
    room = Room(language, "?read=1500")
    try:
        with room.enter("ada", "lobby") as ada:
            assert b"1 in lobby" in ada.rest()
        room.stop()
    finally:
        room.process.kill()
