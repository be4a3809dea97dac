"""Bytes and results as text."""

from __future__ import annotations

import json
from collections.abc import Iterable


def word(text: str) -> tuple[str, str]:
    """The first word, and what follows it."""
    first, _, rest = text.partition(" ")
    return first, rest


def pattern(size: str | int) -> bytes:
    """The bytes of `write N`: byte i is i mod 251."""
    size = int(size)
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def slices(sizes: Iterable[str]) -> list[memoryview]:
    """Slices of these sizes, which together are pattern bytes."""
    numbers = [int(size) for size in sizes]
    left, parts = memoryview(pattern(sum(numbers))), []
    for size in numbers:
        parts.append(left[:size])
        left = left[size:]
    return parts


def seconds(milliseconds: str) -> float:
    return int(milliseconds) / 1000


def plain(result: object) -> str:
    """A result as scripts write it."""
    if isinstance(result, str):
        return result
    return "none" if result is None else json.dumps(result)
