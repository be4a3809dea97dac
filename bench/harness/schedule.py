"""The order of runs: rounds in a shuffled order, with the limit's own runs in between."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

# After so many runs of others the limit runs again.
APART = 3


@dataclass(frozen=True)
class Turn:
    """One run: the label of the system, the round it belongs to, its place in the whole order."""

    system: str
    round: int
    place: int


def takes_part(round: int, rounds: int, of: int) -> bool:
    """Whether a system with `rounds` runs has one in this round of `of`: they are spread evenly."""
    return (round + 1) * rounds // of > round * rounds // of


def alternating(rounds: Mapping[str, int], limit: str | None, seed: int) -> list[Turn]:
    """`rounds` says how often each system runs, the limit left out. The limit comes first, last, and after every third."""
    shuffle = random.Random(seed).shuffle
    total = max(rounds.values(), default=0)
    order: list[tuple[str, int]] = []
    since = APART
    for number in range(total):
        here = [label for label, count in rounds.items() if takes_part(number, count, total)]
        shuffle(here)
        for label in here:
            if limit and since == APART:
                order.append((limit, number))
                since = 0
            order.append((label, number))
            since += 1
    if limit:
        order.append((limit, max(total - 1, 0)))
    return [Turn(label, number, place) for place, (label, number) in enumerate(order)]


def in_order(times: Mapping[str, int]) -> list[Turn]:
    """Each system once a round, in this order, as often as it says: for what does not depend on the machine's speed."""
    rounds = range(max(times.values(), default=0))
    every = [(number, label) for number in rounds for label, count in times.items() if number < count]
    return [Turn(label, number, place) for place, (number, label) in enumerate(every)]
