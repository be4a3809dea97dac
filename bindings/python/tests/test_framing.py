"""Framings."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import reactor
from helpers import Recorder, Running, connect, exchange, receive, receive_all
from reactor import Custom, Delimiter, Fixed, LengthField, Line


def measure(data: bytes) -> int | None:
    """`5:hello`."""
    size, colon, _ = data.partition(b":")
    if not size.isdigit():
        raise ValueError("a frame begins with a digit")
    return len(size) + 1 + int(size) if colon else None


def terminated(data: bytes) -> int | None:
    """It needs to see the whole frame."""
    return data.find(b";") + 1 or None


def test_a_function_is_shown_what_it_needs_and_not_for_each_frame_all_that_was_sent_ahead() -> None:
    shown: list[int] = []

    def noting(data: bytes) -> int | None:
        shown.append(len(data))
        return terminated(data)

    frames = [b"a" * size + b";" for size in (1, 4095, 4096, 5000, 100_000)] + [b"b;"] * 10_000
    told: list[bytes] = []
    recorder = Recorder(on_data=lambda conn, data: told.append(data))
    with Running(recorder) as running:
        recorder.act["on_open"] = lambda conn: conn.set_framing(noting)
        assert exchange(running.url, b"".join(frames)) == b""
        recorder.wait_for("on_close")
    assert told == frames
    assert max(shown[-9000:]) <= 4096
    assert recorder.errors == []


def answering(framing: Any) -> Recorder:
    """Answers each frame with itself in brackets, as a stream."""
    recorder = Recorder(on_open=lambda conn: conn.set_framing(framing))
    recorder.act["on_data"] = lambda conn, data: conn.write(b"[" + data + b"]") and None
    return recorder


@pytest.mark.parametrize(
    ("framing", "sent", "answer"),
    [
        (Line(), b"one\r\ntwo\n", b"[one][two]"),
        (Line(keep_delimiter=True, deliver_rest=True), b"one\r\nrest", b"[one\r\n][rest]"),
        (Fixed(3), b"onetwo", b"[one][two]"),
        (Delimiter(b";"), b"one;;two;", b"[one][][two]"),
        (Delimiter(b"\n", b"\r\n", keep_delimiter=True), b"one\r\ntwo\n", b"[one\r\n][two\n]"),
        (LengthField(2), b"\0\3one\0\3two", b"[one][two]"),
        (LengthField(2, "little", adjustment=-2, strip=0), b"\5\0one", b"[\5\0one]"),
        (LengthField("varint"), b"\3one", b"[one]"),
        (Custom(measure), b"3:one3:two", b"[3:one][3:two]"),
        (measure, b"3:one", b"[3:one]"),
        (None, b"whatever", b"[whatever]"),
    ],
)
def test_input_is_cut(framing: Any, sent: bytes, answer: bytes) -> None:
    recorder = answering(framing)
    with Running(recorder) as running:
        assert exchange(running.url, sent) == answer
        recorder.wait_for("on_close")
    assert recorder.closed() == [(reactor.CloseReason.EOF, None)]
    assert recorder.errors == []


def test_a_command_is_a_list_of_its_arguments() -> None:
    recorder = Recorder()
    recorder.act["on_data"] = lambda conn, data: conn.write(repr(data).encode()) and None
    with Running(recorder) as running:
        url = running.server.listen("tcp://127.0.0.1:0?framing=resp")
        sent = b"*2\r\n$3\r\nGET\r\n$1\r\n\0\r\nSET 'a b' \"\"\r\n*1\r\n!"
        answer = b"[b'GET', b'\\x00'][b'SET', b'a b', b'']-ERR Protocol error: expected '$', got '!'\r\n"
        assert exchange(url, sent) == answer
        recorder.wait_for("on_close")
    assert recorder.closed() == [(reactor.CloseReason.PROTOCOL_ERROR, None)]
    assert recorder.errors == []


@pytest.mark.parametrize(
    ("framing", "frame"),
    [(Line(), b"x\n"), (Delimiter(b";"), b"x;"), (LengthField(), b"\0\0\0\1x"), (LengthField(8), b"\0\0\0\0\0\0\0\1x")],
)
def test_a_frame_is_written_as_frames_are_cut(framing: Any, frame: bytes) -> None:
    recorder = Recorder(on_open=lambda conn: conn.set_framing(framing))
    recorder.act["on_data"] = lambda conn, data: conn.write_frame(data) and None
    with Running(recorder) as running, connect(running.url) as client:
        client.sendall(frame)
        assert receive(client, len(frame)) == frame
        conn = recorder.conns[0]
        assert running.server.write_frame(conn.id, payload=bytearray(b"x")) is True
        assert conn.write_frame(payload=memoryview(b"x")) is True
        assert receive(client, 2 * len(frame)) == 2 * frame
        conn.set_framing(None)
        with pytest.raises(reactor.InvalidArgumentError, match="has no framing to write a frame with"):
            conn.write_frame(b"x")
    assert recorder.errors == []


@pytest.mark.parametrize("failure", [ValueError("malformed"), LookupError("deliberate"), "text"])
def test_a_function_that_fails_ends_the_connection(failure: object, caplog: pytest.LogCaptureFixture) -> None:
    def fail(data: bytes) -> Any:
        if isinstance(failure, Exception):
            raise failure
        return failure

    recorder = answering(Custom(fail))
    with caplog.at_level(logging.ERROR, "reactor"), Running(recorder) as running:
        with connect(running.url) as client:
            client.sendall(b"x")
            assert receive_all(client) == b""
        recorder.wait_for("on_close")
    assert recorder.closed() == [(reactor.CloseReason.PROTOCOL_ERROR, None)]
    told = [record.getMessage() for record in caplog.records]
    assert told == ([] if isinstance(failure, ValueError) else ["the framing's function failed (a connection)"])


def test_framings_compare_and_show_themselves() -> None:
    assert Line() == Line(max_frame=0) != Line(max_frame=9)
    assert Delimiter(b"a", b"b") == Delimiter(b"a", b"b") != Delimiter(b"b", b"a")
    assert {Fixed(3), Fixed(3), LengthField(2)} == {Fixed(3), LengthField(2)}
    for framing in (Line(deliver_rest=True), Fixed(3, max_frame=9), Delimiter(b"\r\n", keep_delimiter=True), LengthField("varint")):
        assert eval(repr(framing)) == framing
    with pytest.raises(AttributeError):
        Line().max_frame = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Fixed(0), reactor.InvalidArgumentError, "a fixed frame needs at least one byte"),
        (lambda: Fixed(-1), reactor.InvalidArgumentError, "length is out of range: -1"),
        (lambda: Fixed("3"), TypeError, "length has the wrong type: '3'"),  # type: ignore[arg-type]
        (lambda: Delimiter(), reactor.InvalidArgumentError, "there is no delimiter"),
        (lambda: Delimiter(b""), reactor.InvalidArgumentError, "a delimiter needs at least one byte"),
        (lambda: Delimiter("text"), TypeError, "a bytes-like object is required, not 'str'"),  # type: ignore[arg-type]
        (lambda: LengthField(5), reactor.InvalidArgumentError, 'width must be 1, 2, 3, 4, 8 or "varint", not 5'),  # type: ignore[arg-type]
        (lambda: LengthField(4, "middle"), reactor.InvalidArgumentError, "order must be \"big\" or \"little\", not 'middle'"),  # type: ignore[arg-type]
        (lambda: LengthField(4, strip=-1), reactor.InvalidArgumentError, "strip is out of range: -1"),
        (lambda: Line(keep_delimiter=1), TypeError, "keep_delimiter has the wrong type: 1"),  # type: ignore[arg-type]
        (lambda: Custom(5), TypeError, "the framing must be Line(), Fixed(...),"),  # type: ignore[arg-type]
    ],
)
def test_what_contradicts_itself_is_refused(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as raised:
        make()
    assert text in str(raised.value)


@pytest.mark.parametrize("framing", [Line, "line", 5])
def test_what_is_no_framing_is_refused(framing: Any) -> None:
    recorder = Recorder()
    with Running(recorder) as running, connect(running.url):
        recorder.wait_for("on_open")
        with pytest.raises(TypeError, match=r"^the framing must be Line\(\), Fixed"):
            recorder.conns[0].set_framing(framing)
