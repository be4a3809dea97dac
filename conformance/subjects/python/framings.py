"""Framings as text, and what of a frame is a command."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import reactor


class Frames(enum.Enum):
    """How a connection's input comes."""

    NONE = enum.auto()
    """As a stream."""
    PLAIN = enum.auto()
    """One frame at a time."""
    CUSTOM = enum.auto()
    """The same, by the subject's own function: with the header that it understands."""

    def command(self, frame: bytes) -> str:
        """What of a frame is the command."""
        text = frame.partition(b":")[2] if self is Frames.CUSTOM else frame
        return text.rstrip().decode(errors="replace")


def measure(data: bytes) -> int | None:
    """`5:hello`: decimal digits, a colon, and that many bytes."""
    if not data[:1].isdigit():
        raise ValueError("a frame begins with a digit")
    header, colon, _ = data.partition(b":")
    return len(header) + 1 + int(header) if colon else None


def delimiter(hexes: str, **options: Any) -> reactor.Framing:
    return reactor.Delimiter(*map(bytes.fromhex, hexes.split("+")), **options)


def length_field(*parts: str, **options: Any) -> reactor.Framing:
    """`WIDTH:ORDER` or `WIDTH:ORDER:OFFSET:ADJUST:STRIP`."""
    width: Any = parts[0] if parts[0] == "varint" else int(parts[0])
    order: Any = parts[1]
    for name, value in zip(("offset", "adjustment", "strip"), parts[2:]):
        options[name] = None if value == "header" else int(value)
    return reactor.LengthField(width, order, **options)


def resp(*count: str, **options: Any) -> reactor.Framing:
    return reactor.Resp(*map(int, count), **options)


KINDS: dict[str, Callable[..., Any]] = {
    "line": reactor.Line,
    "fixed": lambda length, **options: reactor.Fixed(int(length), **options),
    "delimiter": delimiter,
    "length": length_field,
    "resp": resp,
    "custom": lambda **options: reactor.Custom(measure, **options),
}


def parse(spec: str) -> tuple[Any, Frames]:
    """A framing from its SPEC."""
    options: dict[str, object] = {}
    spec, has_max, size = spec.partition(":max=")
    if has_max:
        options["max_frame"] = int(size)
    for suffix, option in ((":keep", "keep_delimiter"), (":rest", "deliver_rest")):
        if spec.endswith(suffix):
            options[option] = True
            spec = spec[: -len(suffix)]
    kind, *parts = spec.split(":")
    if kind == "none":
        return None, Frames.NONE
    try:
        framing = KINDS[kind](*parts, **options)
    except TypeError as error:
        # An option that such a framing does not have is no argument of its class.
        raise reactor.InvalidArgumentError(str(error)) from error
    return framing, Frames.CUSTOM if kind == "custom" else Frames.PLAIN
