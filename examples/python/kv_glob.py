"""Patterns as KEYS takes them: `*`, `?`, `[abc]`, `[^a-z]`, and `\\` in front of what is meant literally."""

from __future__ import annotations

import re
import typing

TOKEN = re.compile(rb"\*+|\?|\\(.)|\[(\^?)((?:\\.|[^\]]-.|[^\]])*)\]?|(.)", re.DOTALL)
IN_SET = re.compile(rb"\\(.)|(.)-(.)|(.)", re.DOTALL)


def matcher(pattern: bytes) -> typing.Callable[[bytes], bool]:
    """Says of a text whether all of it fits. Only where a `*` ends has to be tried, for one after the other: that takes at most
    the product of the lengths."""
    # What stands between the `*`, each as an expression for so many bytes.
    pieces: list[tuple[list[bytes], int]] = [([], 0)]
    for token in TOKEN.finditer(pattern):
        if token[0].startswith(b"*"):
            pieces.append(([], 0))
        else:
            expressions, length = pieces[-1]
            pieces[-1] = ([*expressions, expression(token)], length + 1)
    compiled = [(re.compile(b"".join(expressions), re.DOTALL), length) for expressions, length in pieces]
    (first, _), (last, tail) = compiled[0], compiled[-1]

    def fits(text: bytes) -> bool:
        if len(compiled) == 1:
            return first.fullmatch(text) is not None
        found = first.match(text)
        for piece, _ in compiled[1:-1]:
            found = found and piece.search(text, found.end())
        return found is not None and found.end() <= len(text) - tail and last.match(text, len(text) - tail) is not None

    return fits


def expression(token: re.Match[bytes]) -> bytes:
    """A regular expression for the one byte that a token means."""
    escaped, negation, members, literal = token.groups()
    if token[0] == b"?":
        return b"."
    if members is None:
        return re.escape(escaped or literal)
    ranges = []
    for member in IN_SET.finditer(members):
        one, begin, end, other = member.groups()
        begin, end = sorted((begin or one or other, end or one or other))
        ranges.append(b"\\x%02x-\\x%02x" % (ord(begin), ord(end)))
    if not ranges:
        return b"." if negation else b"(?!)"
    return b"[%b%b]" % (negation, b"".join(ranges))
