"""chat: lines reach the others in the room, whichever loop they live on."""

from __future__ import annotations

import signal
import socket
from typing import Callable

from harness import Client, Example, Start, within_limit


def connect(chat: Example, name: str) -> Client:
    client = chat.connect()
    assert client.line() == "* what is your name?"
    client.send(f"{name}\n".encode())
    return client


def enter(chat: Example, name: str, inside: str) -> Client:
    """Somebody in the lobby, with all who are there."""
    client = connect(chat, name)
    assert client.line() == f"* in lobby: {inside}"
    return client


def test_lines_reach_the_others_in_the_room_and_nobody_else(start: Start) -> None:
    chat = start("chat", loops=2)
    with (
        enter(chat, "ada", "ada") as ada,
        enter(chat, "bob", "ada bob") as bob,
        enter(chat, "eve", "ada bob eve") as eve,
    ):
        eve.send(b"/join attic\n")
        assert eve.line() == "* in attic: eve"
        for name in ("bob has joined lobby", "eve has joined lobby", "eve has left lobby"):
            assert ada.line() == f"* {name}"
        assert bob.line() == "* eve has joined lobby"
        assert bob.line() == "* eve has left lobby"
        ada.send("hello, wörld\r\n".encode())
        assert bob.line() == "<ada> hello, wörld"
        bob.send(b"/join attic\n")
        assert bob.line() == "* in attic: bob eve"
        assert eve.line() == "* bob has joined attic"
        assert ada.line() == "* bob has left lobby"
        bob.send(b"hi\n")
        assert eve.line() == "<bob> hi"
        ada.send(b"nobody hears this\n/join attic\n")
        assert eve.line() == "* ada has joined attic"
        assert ada.line() == "* in attic: ada bob eve"


def test_who_leaves_is_missed(start: Start) -> None:
    chat = start("chat")
    with enter(chat, "ada", "ada") as ada:
        leaves: list[Callable[[Client], None]] = [
            lambda bob: bob.send(b"/quit\n"),
            lambda bob: bob.end(),
            lambda bob: bob.socket.close(),
        ]
        for leave in leaves:
            with enter(chat, "bob", "ada bob") as bob:
                assert ada.line() == "* bob has joined lobby"
                leave(bob)
                assert ada.line() == "* bob has left lobby"


def test_names_are_checked_and_changed(start: Start) -> None:
    chat = start("chat")
    with enter(chat, "ada", "ada") as ada, connect(chat, "ada") as bob:
        assert bob.line() == "! this name is taken"
        for wrong in ("", "two words", "x" * 33, "\x1b[31m"):
            bob.send(wrong.encode() + b"\n")
            assert bob.line() == "! a name has 1 to 32 letters, digits, - and _"
        bob.send(b"/join attic\n")
        assert bob.line() == "! first say your name"
        bob.send(b"/nick bob\n")
        assert bob.line() == "* in lobby: ada bob"
        assert ada.line() == "* bob has joined lobby"
        bob.send(b"/nick rob\n")
        assert [ada.line(), bob.line()] == ["* bob is now rob"] * 2
        bob.send(b"/dance\n")
        assert bob.line() == "! unknown command: there are /nick NAME, /join ROOM and /quit"
        bob.send(b"a\x1b[31mb\n")
        assert ada.line() == "<rob> a [31mb"


def test_a_line_may_come_in_pieces_and_must_end(start: Start) -> None:
    chat = start("chat")
    with enter(chat, "ada", "ada") as ada, enter(chat, "bob", "ada bob") as bob:
        assert ada.line() == "* bob has joined lobby"
        for piece in (b"one", b" li", b"ne\ntwo", b"\nthree\n"):
            bob.send(piece)
        assert [ada.line() for _ in range(3)] == ["<bob> one line", "<bob> two", "<bob> three"]
        bob.send(b"x" * 5000)
        assert ada.line() == "* bob has left lobby"


def test_a_client_that_does_not_read_is_dropped_and_slows_nobody(start: Start) -> None:
    chat = start("chat", "--hard-limit", str(1 << 16), loops=2)
    with (
        enter(chat, "lazy", "lazy") as lazy,
        enter(chat, "ada", "ada lazy") as ada,
        enter(chat, "bob", "ada bob lazy") as bob,
    ):
        assert ada.line() == "* bob has joined lobby"
        lazy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        text, said, most = "x" * 4000, 0, 5000
        # First the kernel's buffers fill, and then what the limit allows: a few megabytes.
        while said < most:
            line = f"{said} {text}"
            ada.send(f"{line}\n".encode())
            said += 1
            heard = bob.line()
            if heard == "* lazy has left lobby":
                break
            assert heard == f"<ada> {line}"
        assert said < most, "still there"


def test_everybody_hears_everything_that_each_says_in_order(start: Start) -> None:
    chat = start("chat", loops=2)
    names = ["n0", "n1", "n2", "n3"]
    clients = [enter(chat, name, " ".join(names[: number + 1])) for number, name in enumerate(names)]
    for number, client in enumerate(clients):
        for other in range(number + 1, 4):
            assert client.line() == f"* n{other} has joined lobby"
    for number in range(200):
        for client in clients[:2]:
            client.send(f"{number}\n".encode())
    for client in clients[2:]:
        heard = [client.line() for _ in range(400)]
        for name in ("n0", "n1"):
            said = [line for line in heard if line.startswith(f"<{name}> ")]
            assert said == [f"<{name}> {number}" for number in range(200)]
    for client in clients:
        client.socket.close()


def test_it_ends_while_people_are_there(start: Start) -> None:
    chat = start("chat")
    with enter(chat, "ada", "ada") as ada:
        chat.process.send_signal(signal.SIGINT)
        within_limit(lambda: chat.process.poll() is not None, "ended")
        assert ada.rest() == b""
