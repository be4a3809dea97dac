"""Frames that are told as one list for each read."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import reactor
from frame_lists import Lists, Serving, answering
from helpers import connect, exchange, receive, receive_all, wait_until
from reactor import Action, CloseReason, Custom, Fixed, LengthField, Line, Resp

# ---- what comes ----


@pytest.mark.parametrize(
    ("framing", "sent", "frames"),
    [
        (Line(), b"one\r\n\ntwo\n", [b"one", b"", b"two"]),
        (Fixed(3), b"onetwo", [b"one", b"two"]),
        (LengthField(2), b"\0\3one\0\0\0\1x", [b"one", b"", b"x"]),
        (LengthField(2, strip=0), b"\0\3one\0\1x", [b"\0\3one", b"\0\1x"]),
        (lambda data: 2, b"onetwo", [b"on", b"et", b"wo"]),
        (None, b"one\ntwo", [b"one\ntwo"]),
    ],
)
def test_the_frames_of_a_read_are_one_list(framing: Any, sent: bytes, frames: list[bytes]) -> None:
    handler = Lists(answering)
    with Serving(handler, framing) as running, connect(running.url) as client:
        for times in (1, 2):
            client.sendall(sent)
            answer = b"[" + b",".join(frames) + b"]"
            assert receive(client, len(answer)) == answer
            assert handler.told == [frames] * times
    assert handler.errors == []


def test_a_frame_that_is_not_whole_comes_with_a_later_list() -> None:
    handler = Lists(answering)
    with Serving(handler, Line()) as running, connect(running.url) as client:
        for sent, answer in [(b"one\ntw", b"[one]"), (b"o\nthree\nf", b"[two,three]"), (b"our\n", b"[four]")]:
            client.sendall(sent)
            assert receive(client, len(answer)) == answer
    assert handler.told[:3] == [[b"one"], [b"two", b"three"], [b"four"]]


def test_however_much_comes_a_list_is_of_one_read_and_nothing_is_lost() -> None:
    handler = Lists()
    frames = [b"%07d" % number for number in range(300_000)]
    with Serving(handler, Line(), half_open=True) as running, connect(running.url) as client:
        client.sendall(b"".join(frame + b"\n" for frame in frames))
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b""
        handler.wait_for(CloseReason.EOF)
    *lists, eof, closed = handler.told
    assert (eof, closed) == ("eof", CloseReason.EOF)
    assert [frame for frames in lists for frame in frames] == frames
    assert max(map(len, lists)) <= (256 << 10) // 8 + 1
    assert min(map(len, lists)) > 0


def test_frames_come_before_the_end_and_so_does_the_rest() -> None:
    handler = Lists(answering)
    with Serving(handler, Line(deliver_rest=True)) as running:
        assert exchange(running.url, b"one\ntwo\nrest") == b"[one,two][rest]"
        handler.wait_for(CloseReason.EOF)
    assert handler.told == [[b"one", b"two"], [b"rest"], CloseReason.EOF]


def test_lists_belong_to_their_connections() -> None:
    handler = Lists(answering)
    with Serving(handler, Line()) as running:
        with connect(running.url) as one, connect(running.url) as two:
            one.sendall(b"a\nb\nc")
            assert receive(one, 5) == b"[a,b]"
            two.sendall(b"x\ny\nz")
            assert receive(two, 5) == b"[x,y]"
            one.sendall(b"d\n")
            assert receive(one, 4) == b"[cd]"
            two.sendall(b"!\n")
            assert receive(two, 4) == b"[z!]"


def test_without_framing_the_end_can_be_kept() -> None:
    handler = Lists(lambda conn, frames: conn.keep(len(frames[0]) % 3))
    with Serving(handler) as running, connect(running.url) as client:
        client.sendall(b"abcd")
        handler.wait_for([b"abcd"])
        client.sendall(b"ef")
        handler.wait_for([b"def"])
    assert handler.errors == []


def test_frames_cannot_be_kept() -> None:
    handler = Lists(lambda conn, frames: conn.keep(1))
    with Serving(handler, Line()) as running:
        assert exchange(running.url, b"one\ntwo\n") == b""
        handler.wait_for(CloseReason.HANDLER_ERROR)
    (error,) = handler.errors
    assert isinstance(error, reactor.WrongStateError)
    assert "a framing has cut this input" in str(error)


# ---- what is done with it ----


@pytest.mark.parametrize("close", ["action", "call", "abort"])
def test_after_a_close_no_list_comes(close: str) -> None:
    def end(conn: reactor.Conn, frames: list[bytes]) -> Action | None:
        answering(conn, frames)
        if close == "action":
            return Action.CLOSE
        if close == "call":
            conn.close()
        else:
            conn.abort()
        return None

    handler = Lists(end)
    with Serving(handler, Line()) as running, connect(running.url) as client:
        client.sendall(b"one\ntwo\nth")
        if close == "abort":
            with pytest.raises(ConnectionResetError):
                receive(client, 1)
        else:
            assert receive(client, 9) == b"[one,two]"
            client.sendall(b"ree\nfour\n")
            assert receive_all(client) == b""
        client.close()
        reason = CloseReason.ABORT if close == "abort" else CloseReason.LOCAL_CLOSE
        handler.wait_for(reason)
    assert handler.told == [[b"one", b"two"], reason]
    assert handler.errors == []


def test_a_list_that_fails_closes_its_connection_and_no_other() -> None:
    def fail(conn: reactor.Conn, frames: list[bytes]) -> None:
        if frames[0] == b"bad":
            raise LookupError("deliberate")
        answering(conn, frames)

    handler = Lists(fail)
    with Serving(handler, Line()) as running, connect(running.url) as other:
        assert exchange(running.url, b"bad\nworse\nworst") == b""
        handler.wait_for(CloseReason.HANDLER_ERROR)
        other.sendall(b"good\n")
        assert receive(other, 6) == b"[good]"
    assert handler.told[:3] == [[b"bad", b"worse"], CloseReason.HANDLER_ERROR, [b"good"]]
    assert [repr(error) for error in handler.errors] == ["LookupError('deliberate')"]


@pytest.mark.parametrize(("stop", "go_on"), [("hold", "release"), ("pause", "resume")])
def test_nothing_comes_while_the_connection_is_held_or_paused(stop: str, go_on: str) -> None:
    handler = Lists(lambda conn, frames: getattr(conn, stop)())
    with Serving(handler, Line(), half_open=True) as running, connect(running.url) as client, connect(running.url) as other:
        client.sendall(b"one\ntwo\nth")
        handler.wait_for([b"one", b"two"])
        client.sendall(b"ree\n")
        client.shutdown(socket.SHUT_WR)
        # Whatever was there for the other is told, so the loop has been past the first.
        other.sendall(b"other\n")
        handler.wait_for([b"other"])
        assert handler.told == [[b"one", b"two"], [b"other"]]
        getattr(handler.conns[0], go_on)()
        handler.wait_for([b"three"])
        getattr(handler.conns[0], go_on)()
        handler.wait_for("eof")
        assert receive_all(client) == b""
    assert handler.told[:4] == [[b"one", b"two"], [b"other"], [b"three"], "eof"]


def test_the_rest_is_cut_by_the_framing_that_a_list_sets() -> None:
    """Also one that would not be a whole frame by the framing before."""
    handler = Lists(lambda conn, frames: conn.set_framing(Line()))
    with Serving(handler, Fixed(8)) as running, connect(running.url) as client:
        client.sendall(b"8 bytes,16 bytesab\ncd")
        handler.wait_for([b"ab"])
        client.sendall(b"\nef\n")
        handler.wait_for([b"cd", b"ef"])
        assert handler.told == [[b"8 bytes,", b"16 bytes"], [b"ab"], [b"cd", b"ef"]]


def test_commands_may_follow_frames() -> None:
    class Both(Lists):
        def on_commands(self, conn: reactor.Conn, commands: list[list[bytes]]) -> None:
            self.told.append(("commands", commands))

    handler = Both(lambda conn, frames: conn.set_framing(Resp()))
    with Serving(handler, Fixed(4)) as running, connect(running.url) as client:
        client.sendall(b"nameG\r\n")
        handler.wait_for(("commands", [[b"G"]]))
    assert handler.told[0] == [b"name"]


def test_a_list_can_take_the_framing_away() -> None:
    handler = Lists(lambda conn, frames: conn.set_framing(None))
    with Serving(handler, Line()) as running, connect(running.url) as client:
        client.sendall(b"one\ntwo")
        handler.wait_for([b"two"])
        assert handler.told == [[b"one"], [b"two"]]


def test_what_is_detached_takes_the_rest_along() -> None:
    handler = Lists(lambda conn, frames: Action.DETACH)
    with Serving(handler, Line()) as running, connect(running.url) as client:
        client.sendall(b"one\ntwo\nrest")
        handler.wait_for((b"rest", b""))
    assert handler.told == [[b"one", b"two"], (b"rest", b"")]


def test_what_cannot_be_cut_ends_the_connection_after_the_frames_before() -> None:
    handler = Lists(answering)
    with Serving(handler, Line(max_frame=8)) as running, connect(running.url) as client:
        client.sendall(b"one\ntwo\nmuch too long")
        assert receive_all(client) == b"[one,two]"
        client.close()
        handler.wait_for(CloseReason.PROTOCOL_ERROR)
    assert handler.told == [[b"one", b"two"], CloseReason.PROTOCOL_ERROR]


def test_what_cannot_be_cut_waits_while_the_frames_before_are_held() -> None:
    handler = Lists(lambda conn, frames: conn.hold())
    with Serving(handler, Line(max_frame=8)) as running, connect(running.url) as client, connect(running.url) as other:
        client.sendall(b"one\ntwo\nmuch too long")
        handler.wait_for([b"one", b"two"])
        other.sendall(b"other\n")
        handler.wait_for([b"other"])
        handler.conns[0].write(b"answer")
        handler.conns[0].release()
        assert receive_all(client) == b"answer"
        client.close()
        handler.wait_for(CloseReason.PROTOCOL_ERROR)


# ---- functions that measure ----


def test_a_function_that_fails_ends_the_connection_after_the_frames_before() -> None:
    def measure(data: bytes) -> int:
        if data[:1] == b"!":
            raise ValueError("malformed")
        return 3

    handler = Lists(answering)
    with Serving(handler, Custom(measure)) as running:
        assert exchange(running.url, b"onetwo!") == b"[one,two]"
        handler.wait_for(CloseReason.PROTOCOL_ERROR)


@pytest.mark.parametrize("end", ["close", "abort"])
def test_what_a_function_closes_is_told_nothing_more_and_neither_is_another_connection(end: str) -> None:
    def measure(data: bytes) -> int:
        if data[:1] == b"!":
            getattr(handler.conns[0], end)()
        return 3

    handler = Lists(answering)
    with Serving(handler, Custom(measure)) as running:
        with connect(running.url) as client:
            client.sendall(b"onetwo!!!")
            wait_until(lambda: len(handler.conns) == 1 and not handler.conns[0].is_open, "the close")
        wait_until(lambda: bool(handler.told), "on_close")
        assert exchange(running.url, b"new") == b"[new]"
    assert handler.told[1:] == [[b"new"], CloseReason.EOF]
    assert isinstance(handler.told[0], CloseReason)


def test_a_function_that_sets_another_framing_parts_frames_and_commands() -> None:
    class Both(Lists):
        def on_commands(self, conn: reactor.Conn, commands: list[list[bytes]]) -> None:
            self.told.append(("commands", commands))

    def measure(data: bytes) -> int:
        if data[:1] == b"!":
            handler.conns[0].set_framing(Resp())
        return 3

    handler = Both()
    with Serving(handler, Custom(measure)) as running, connect(running.url) as client:
        client.sendall(b"onetwo!!!PING\r\nGET k\r\n")
        handler.wait_for(("commands", [[b"PING"], [b"GET", b"k"]]))
    assert handler.told[0] == [b"one", b"two", b"!!!"]
