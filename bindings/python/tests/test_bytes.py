"""What a write takes."""

from __future__ import annotations

import array
import inspect
import mmap
from typing import Any

import pytest
import reactor
from helpers import Recorder, Running, connect, receive


def memory_map() -> mmap.mmap:
    area = mmap.mmap(-1, 8)
    area.write(b"abcdefgh")
    return area


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"abc", b"abc"),
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abcdef")[1:4], b"bcd"),
        (memoryview(bytearray(b"abcdef")), b"abcdef"),
        (array.array("I", [1, 2]), b"\1\0\0\0\2\0\0\0"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (memory_map(), b"abcdefgh"),
        (type("Bytes", (bytes,), {})(b"sub"), b"sub"),
        (type("Array", (bytearray,), {})(b"sub"), b"sub"),
    ],
)
@pytest.mark.parametrize("way", ["own loop", "other thread", "by id"])
def test_any_bytes_like_object_is_written(data: bytes, expected: bytes, way: str) -> None:
    recorder = Recorder()
    if way == "own loop":
        recorder.act["on_open"] = lambda conn: [conn.write(data)] and None
    with Running(recorder) as running, connect(running.url) as client:
        recorder.wait_for("on_open")
        if way == "other thread":
            assert recorder.conns[0].write(data) is True
        elif way == "by id":
            assert running.server.write(recorder.conns[0].id, data) is True
        assert receive(client, len(expected)) == expected
    assert recorder.errors == []


def test_a_write_copies() -> None:
    data = bytearray(b"before")

    def write_and_change(conn: reactor.Conn) -> None:
        conn.write(data)
        data[:] = b"after."
        conn.write(data)
        data.clear()

    with Running(Recorder(on_open=write_and_change)) as running, connect(running.url) as client:
        assert receive(client, 12) == b"beforeafter."


def test_nothing_is_written_by_an_empty_write() -> None:
    def write(conn: reactor.Conn) -> None:
        for empty in (b"", bytearray(), memoryview(b"")):
            assert conn.write(empty) is True
        conn.write(b"end")

    with Running(Recorder(on_open=write)) as running, connect(running.url) as client:
        assert receive(client, 3) == b"end"


@pytest.mark.parametrize("wrong", ["text", 5, None, [1, 2], object()])
def test_another_type_is_refused_with_its_name(wrong: object) -> None:
    recorder = Recorder()
    with Running(recorder) as running, connect(running.url):
        recorder.wait_for("on_open")
        conn = recorder.conns[0]
        expected = f"a bytes-like object is required, not '{type(wrong).__name__}'"
        with pytest.raises(TypeError) as raised:
            conn.write(wrong)  # type: ignore[arg-type]
        assert str(raised.value) == expected
        with pytest.raises(TypeError) as raised:
            running.server.write(conn.id, wrong)  # type: ignore[arg-type]
        assert str(raised.value) == expected
        assert conn.is_open


@pytest.mark.parametrize("way", ["own loop", "other thread"])
def test_the_argument_may_be_named_and_any_other_number_is_refused(way: str) -> None:
    recorder = Recorder()

    def write(conn: reactor.Conn) -> None:
        assert conn.write(data=b"named") is True
        assert reactor.Conn.write(conn, b", unbound") is True
        wrong: list[tuple[tuple[bytes, ...], dict[str, Any], str]] = [
            ((), {}, "missing 1 required positional argument: 'data'"),
            ((b"1", b"2"), {}, "takes 1 positional arguments but 2 were given"),
            ((b"1",), {"data": b"2"}, "got multiple values for argument 'data'"),
            ((b"1",), {"other": b"2"}, "got an unexpected keyword argument 'other'"),
        ]
        for args, names, text in wrong:
            with pytest.raises(TypeError) as raised:
                conn.write(*args, **names)
            assert str(raised.value) == f"Conn.write() {text}"
        with pytest.raises(TypeError):
            reactor.Conn.write("no connection", b"x")  # type: ignore[arg-type]

    if way == "own loop":
        recorder.act["on_open"] = write
    with Running(recorder) as running, connect(running.url) as client:
        recorder.wait_for("on_open")
        if way == "other thread":
            write(recorder.conns[0])
        assert receive(client, 14) == b"named, unbound"
    assert recorder.errors == []


def test_write_describes_itself() -> None:
    assert str(inspect.signature(reactor.Conn.write)) == "(self, /, data, *, on_complete=None)"
    assert (reactor.Conn.write.__doc__ or "").startswith("Queues a copy of the bytes.")
    assert {type(vars(reactor.Conn)[name]).__name__ for name in ("write", "write_frame", "close")} == {"method_descriptor"}
