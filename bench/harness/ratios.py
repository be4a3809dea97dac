"""Medians, bounds that assume nothing about the distribution, and ratios of runs that lie close together."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from statistics import median

CONFIDENCE = 0.95


def rank(count: int) -> int:
    """Of `count` sorted samples, the (1-based) lowest whose rank from both ends bounds the median with 95 % confidence.

    The exact binomial interval: the median lies outside with twice the chance that fewer than `rank` of `count` tosses
    of a coin are heads. Below 6 samples none is sure enough; then it is 1, the minimum and the maximum.
    """
    outside, found = 0.0, 1
    for candidate in range(1, count // 2 + 1):
        outside += 2 * comb(count, candidate - 1) / 2**count
        if outside > 1 - CONFIDENCE:
            break
        found = candidate
    return found


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """The lower and the upper bound of the median."""
    ordered = sorted(values)
    place = rank(len(ordered)) - 1
    return ordered[place], ordered[-1 - place]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, lower bound, upper bound."""
    return (median(values), *bounds(values))


def neighbours(place: int, others: Sequence[tuple[int, float]]) -> float | None:
    """The mean of the nearest before and after `place`, or the nearest; `others` are places and values, by place."""
    before = [value for at, value in others if at < place]
    after = [value for at, value in others if at > place]
    nearest = before[-1:] + after[:1]
    return sum(nearest) / len(nearest) if nearest else None


def paired(runs: Sequence[tuple[int, float]], limit: Sequence[tuple[int, float]]) -> list[float]:
    """Each run divided by the limit's runs beside it; a limit that is not above zero divides nothing."""
    ratios = []
    for place, value in runs:
        beside = neighbours(place, limit)
        if beside is not None and beside > 0:
            ratios.append(value / beside)
    return ratios
