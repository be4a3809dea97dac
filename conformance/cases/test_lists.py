"""Frames and commands that are told as one list for each read: D2."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Serve

from harness import Client, Subject, needs, not_for, promises

NO_LISTS = "a call for each frame costs next to nothing there, so there is none for a list"
pytestmark = [needs("calls", "framing"), *(not_for(name, NO_LISTS) for name in ("rust", "c", "node"))]


def serving(serve: Serve, framing: str, mode: str = "script") -> tuple[Subject, Client, str]:
    """A server that is told of lists, a client, and its connection's id."""
    server = serve(lists=True, mode=mode, loops=1, linger_ms=50, listen_options=f"framing={framing}")
    client = server.connect()
    return server, client, server.expect("open")["id"]


def told(server: Subject, conn: str) -> list[Any]:
    """What a connection was told, in order: its lists, as text, and how it ended."""
    events = server.events("frames", "commands", "close", "detach")
    return [content(event) for event in events if event["id"] == conn]


def content(event: dict[str, Any]) -> Any:
    if event["event"] == "frames":
        return [text(frame) for frame in event["frames"]]
    if event["event"] == "commands":
        return [tuple(map(text, arguments)) for arguments in event["commands"]]
    return event["reason"] if event["event"] == "close" else f"detached with {text(event['input'])}"


def text(hexes: str) -> str:
    return bytes.fromhex(hexes).decode()


def ended(server: Subject, client: Client, conn: str) -> list[Any]:
    """What it was told once it has ended, which the client does not put off."""
    client.close()
    server.expect("close", id=conn)
    return told(server, conn)


@promises("D2")
@pytest.mark.parametrize(
    ("framing", "sent", "frames"),
    [
        ("line", b"one\r\n\ntwo\n", ["one", "", "two"]),
        ("fixed:3", b"onetwo", ["one", "two"]),
        ("delimiter:3b", b"one;two;;", ["one", "two", ""]),
        ("length:2:big", b"\0\3one\0\0\0\1x", ["one", "", "x"]),
        ("custom", b"3:one0:1:x", ["3:one", "0:", "1:x"]),
        ("none", b"one\ntwo", ["one\ntwo"]),
    ],
)
def test_all_frames_of_a_read_come_in_one_call_in_order(serve: Serve, framing: str, sent: bytes, frames: list[str]) -> None:
    server, client, conn = serving(serve, framing, mode="data")
    for times in (1, 2):
        client.send(sent)
        server.expect("frames", id=conn)
        assert told(server, conn) == [frames] * times
    client.end()
    assert client.to_the_end() == b""
    assert ended(server, client, conn) == [frames, frames, "eof"]


@promises("D2")
def test_a_frame_that_is_not_whole_comes_with_a_later_list(serve: Serve) -> None:
    server, client, conn = serving(serve, "line:rest", mode="data")
    for sent in (b"one\ntw", b"o\nthree\nf", b"our\n"):
        client.send(sent)
        server.expect("frames", id=conn)
    client.send(b"five\nrest")
    client.end()
    assert client.to_the_end() == b""
    lists = [["one"], ["two", "three"], ["four"], ["five"], ["rest"]]
    assert ended(server, client, conn) == [*lists, "eof"]


@promises("D2")
def test_however_much_comes_no_frame_is_lost_and_each_list_has_one(serve: Serve) -> None:
    server, client, conn = serving(serve, "line", mode="sink")
    frames = [f"{number:07}" for number in range(50_000)]
    client.send("".join(f"{frame}\n" for frame in frames).encode())
    client.end()
    assert client.to_the_end() == b""
    *lists, reason = ended(server, client, conn)
    assert [frame for one in lists for frame in one] == frames
    assert all(lists)
    assert reason == "eof"


@promises("D2", "L4")
@pytest.mark.parametrize(
    ("close", "answer", "reason"),
    [
        ("close", b"one\n", "local close"),
        # The list goes on, on a connection that takes no more.
        ("close-call", b"one\n", "local close"),
        ("fail", b"one\n", "handler error"),
    ],
)
def test_a_close_in_the_middle_sends_what_was_answered_before_and_no_list_comes(
    serve: Serve, close: str, answer: bytes, reason: str
) -> None:
    server, client, conn = serving(serve, "line")
    client.send(f"echo one\n{close}\necho two\necho th".encode())
    assert client.exactly(len(answer)) == answer
    client.send(b"ree\necho four\n")
    assert client.to_the_end() == b""
    assert ended(server, client, conn) == [["echo one", close, "echo two"], reason]
    assert [event["message"] for event in server.events("failed")] == ["told to fail"] * (close == "fail")


@promises("D2", "L8")
@pytest.mark.parametrize(("stop", "go_on"), [("hold", "release"), ("call self pause", "call {} resume")])
def test_a_list_that_holds_or_pauses_is_the_last_until_that_is_over(serve: Serve, stop: str, go_on: str) -> None:
    server, client, conn = serving(serve, "line")
    other = server.connect()
    client.send(f"echo one\n{stop}\necho two\necho th".encode())
    answers = b"one\nok\ntwo\n" if stop.startswith("call") else b"one\ntwo\n"
    assert client.exactly(len(answers)) == answers
    client.send(b"ree\necho four\n")
    client.end()
    # What was there for the first has been there for the loop as well.
    assert other.ask("echo other") == "other"
    assert other.ask("echo again") == "again"
    first = ["echo one", stop, "echo two"]
    server.expect("frames", id=conn)
    assert told(server, conn) == [first]
    command = go_on.format(conn) if "{}" in go_on else f"{go_on} {conn}"
    assert server.control(command) == "ok"
    assert client.to_the_end() == b"three\nfour\n"
    assert ended(server, client, conn) == [first, ["echo three", "echo four"], "eof"]


@promises("D2")
def test_a_framing_that_a_list_sets_cuts_what_no_list_has_told(serve: Serve) -> None:
    server, client, conn = serving(serve, "fixed:22")
    change = b"call self framing line"
    # Behind the whole frames, two lines that are no whole frame by the framing before, and half a third.
    client.send(change + b"echo 22 bytes long    " + b"echo a\necho b\nec")
    assert client.exactly(21) == b"ok\n22 bytes long\na\nb\n"
    client.send(b"ho c\ncall self framing none\necho d\necho e\necho ")
    assert client.exactly(9) == b"c\nok\nd\ne\n"
    client.send(b"f\n")
    assert client.exactly(2) == b"f\n"
    client.end()
    assert client.to_the_end() == b""
    assert ended(server, client, conn) == [
        [change.decode(), "echo 22 bytes long    "],
        ["echo a", "echo b"],
        ["echo c", "call self framing none", "echo d", "echo e"],
        ["echo "],
        ["f\n"],
        "eof",
    ]


@promises("D2")
@pytest.mark.parametrize(
    ("framing", "frame", "wrong"),
    [
        ("line:max=20", "{}\n", b"a line of more than 20 bytes"),
        ("length:1:big:max=20", "\x08{}", b"\x30too long"),
        ("custom", "8:{}", b"?malformed"),
    ],
)
def test_what_cannot_be_cut_ends_the_connection_behind_the_frames_before(
    serve: Serve, framing: str, frame: str, wrong: bytes
) -> None:
    server, client, conn = serving(serve, framing)
    good = frame.format("echo one") + frame.format("echo two")
    client.send(good.encode() + wrong)
    assert client.to_the_end() == b"one\ntwo\n"
    (frames, reason) = ended(server, client, conn)
    assert [found.removeprefix("8:") for found in frames] == ["echo one", "echo two"]
    assert reason == "protocol error"


@promises("D2", "L8")
def test_what_cannot_be_cut_waits_while_the_frames_before_it_are_held(serve: Serve) -> None:
    server, client, conn = serving(serve, "line:max=20")
    other = server.connect()
    client.send(b"echo one\nhold\nmuch more than 20 bytes")
    assert client.line() == "one"
    assert other.ask("echo other") == "other"
    assert server.control(f"text {conn} answer") == "ok"
    assert client.line() == "answer"
    assert server.control(f"release {conn}") == "ok"
    assert client.to_the_end() == b""
    assert ended(server, client, conn) == [["echo one", "hold"], "protocol error"]


@promises("D2", "L6")
def test_what_is_detached_takes_along_what_no_list_has_told(serve: Serve) -> None:
    server, client, conn = serving(serve, "line")
    client.send(b"echo one\ndetach\necho two\nrest")
    assert client.exactly(13) == b"one\ndetached\n"
    client.end()
    assert client.to_the_end() == b""
    server.expect("detach", id=conn)
    assert told(server, conn) == [["echo one", "detach", "echo two"], "detached with rest"]


@promises("D2")
def test_the_commands_of_a_read_come_at_once_and_before_the_answer_to_what_is_none(serve: Serve) -> None:
    server, client, conn = serving(serve, "resp")
    client.send(b"echo one\r\n*2\r\n$4\r\necho\r\n$5\r\na two\r\n\r\n*0\r\n*1\r\n!")
    assert client.to_the_end() == b"one\na two\n-ERR Protocol error: expected '$', got '!'\r\n"
    assert ended(server, client, conn) == [[("echo", "one"), ("echo", "a two")], "protocol error"]
