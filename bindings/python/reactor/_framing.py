"""How a byte stream is cut into frames: values that are given to `listen`, `connect` and `Conn.set_framing`."""

from __future__ import annotations

import typing
from dataclasses import dataclass

from ._native import check_framing

Measure = typing.Callable[[bytes], typing.Optional[int]]
"""A framing of your own: see `Custom`."""


class Framing:
    """How a byte stream is cut into frames, before `on_data` sees it: `Line`, `Fixed`, `Delimiter`, `LengthField`, `Resp`
    or `Custom`.
    They never change, compare by what they say, and raise `InvalidArgumentError` where they contradict themselves.

    max_frame, which all of them have, is the size of the largest frame in bytes; 0, the default: 16 MiB. It counts all that a
    frame takes in the stream, whether delivered or not: the header, the delimiter, the line's CR and LF. A larger frame ends
    the connection with `CloseReason.PROTOCOL_ERROR` as soon as it is known to be larger.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        check_framing(self)


@dataclass(frozen=True)
class Line(Framing):
    """A frame ends before the next LF, and is delivered without it and without the CR that may stand in front of it. Where
    every line has to end with CR LF, use `Delimiter(b"\\r\\n")`.

    max_frame: bytes of the largest frame. 0, the default: 16 MiB.
    keep_delimiter: frames are delivered with what ends them. A frame that is written has it already, then. Default: False.
    deliver_rest: what comes between the last line and the peer's end of file is a frame, too, unless it is empty. Default:
        False, it is a protocol error: nothing tells that such a frame is whole.
    """

    max_frame: int = 0
    keep_delimiter: bool = False
    deliver_rest: bool = False


@dataclass(frozen=True)
class Fixed(Framing):
    """Every frame has `length` bytes, at least one.

    max_frame: bytes of the largest frame. 0, the default: 16 MiB.
    """

    length: int
    max_frame: int = 0


@dataclass(frozen=True, init=False)
class Delimiter(Framing):
    """A frame ends before the next of the delimiters, each of one or more bytes, and is delivered without it. Of several
    whichever is whole first counts, and of those that end with the same byte the longest; one that begins with another is
    refused, as it would never be found. `write_frame` writes the first.

    max_frame, keep_delimiter, deliver_rest: as for `Line`.
    """

    delimiters: tuple[bytes, ...]
    max_frame: int = 0
    keep_delimiter: bool = False
    deliver_rest: bool = False

    def __init__(
        self,
        *delimiters: bytes,
        max_frame: int = 0,
        keep_delimiter: bool = False,
        deliver_rest: bool = False,
    ) -> None:
        settings = (delimiters, max_frame, keep_delimiter, deliver_rest)
        for name, value in zip(("delimiters", "max_frame", "keep_delimiter", "deliver_rest"), settings):
            object.__setattr__(self, name, value)
        self.__post_init__()

    def __repr__(self) -> str:
        given = [repr(delimiter) for delimiter in self.delimiters]
        given += [f"{name}={getattr(self, name)}" for name in ("max_frame", "keep_delimiter", "deliver_rest")]
        return f"Delimiter({', '.join(given)})"


@dataclass(frozen=True)
class LengthField(Framing):
    """A frame has a header that says how long it is. It has as many bytes as offset, width, the field's value and adjustment say
    together.

    width: the bytes of the field: 1, 2, 3, 4 or 8 of an unsigned number; or "varint", as LEB128 and protobuf have it.
    order: the order of these bytes: "big", the highest first, which is the default; or "little". Without a meaning for a varint.
    offset: bytes in front of the field. Default: 0.
    adjustment: what to add to the value to get the number of bytes behind the field: 0, the default, if the value counts just
        these; -(offset + width) if it counts the whole frame; positive if more of the header follows that it does not count.
    strip: bytes not delivered, from the front of the frame. None, the default: all up to the end of the field. With a varint,
        that or at most `offset`.
    max_frame: bytes of the largest frame. 0, the default: 16 MiB.
    """

    width: typing.Literal[1, 2, 3, 4, 8, "varint"] = 4
    order: typing.Literal["big", "little"] = "big"
    offset: int = 0
    adjustment: int = 0
    strip: int | None = None
    max_frame: int = 0


@dataclass(frozen=True)
class Resp(Framing):
    """A frame is a command as Redis's clients send it, whole: an array of bulk strings, or a line of words, which may be quoted as
    for redis-cli. It is told to `on_command` (or `on_commands`) as the list of its arguments, of which the first is its name.
    Commands of no arguments are not told.

    What is malformed or too large is answered in Redis's words (`-ERR Protocol error: ...`), behind what was written before, and
    ends the connection with `CloseReason.PROTOCOL_ERROR`. Answers are written with `write`: `write_frame` raises.

    max_arguments: how many arguments a command has at most, its name included. 0, the default: 1,048,576.
    max_frame: bytes of the largest command. 0, the default: 16 MiB.
    """

    max_arguments: int = 0
    max_frame: int = 0


@dataclass(frozen=True)
class Custom(Framing):
    """A frame is as long as `measure` says, and is delivered whole. A function alone stands for `Custom(function)`.

    measure: it is given the input from the beginning of a frame, at least one byte, and returns how many bytes that frame has in
        all, those not yet there included; or None if the input is too short to tell: then it is asked again, from the
        beginning, when there is more. It must be able to tell from no more than max_frame bytes. Raising ValueError says that
        the input is malformed, which ends the connection with `CloseReason.PROTOCOL_ERROR`; so does everything else that goes
        wrong in it, which the logger "reactor" is told. It is called on the threads of the loops.
    max_frame: bytes of the largest frame. 0, the default: 16 MiB.
    """

    measure: Measure
    max_frame: int = 0
