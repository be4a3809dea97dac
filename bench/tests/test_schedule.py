"""The order of runs."""

from __future__ import annotations

from collections import Counter

from harness.schedule import alternating, in_order, takes_part

ROUNDS = {"reactor-rust": 20, "reactor-c": 20} | {f"peer-{number}": 7 for number in range(5)}


def test_everyone_runs_as_often_as_planned() -> None:
    counts = Counter(turn.system for turn in alternating(ROUNDS, "limit", 1))
    assert {label: counts[label] for label in ROUNDS} == ROUNDS
    # Before each third of 75 runs, and at the end.
    assert counts["limit"] == 26


def test_a_run_of_the_limit_lies_within_three_of_each() -> None:
    order = [turn.system for turn in alternating(ROUNDS, "limit", 1)]
    assert order[0] == order[-1] == "limit"
    places = [place for place, label in enumerate(order) if label == "limit"]
    assert max(after - before for before, after in zip(places, places[1:])) == 4


def test_the_seed_decides() -> None:
    assert alternating(ROUNDS, "limit", 1) == alternating(ROUNDS, "limit", 1)
    assert alternating(ROUNDS, "limit", 1) != alternating(ROUNDS, "limit", 2)


def test_a_system_runs_at_most_once_a_round() -> None:
    turns = [(turn.system, turn.round) for turn in alternating(ROUNDS, None, 3)]
    assert len(set(turns)) == len(turns)


def test_fewer_rounds_are_spread_over_all() -> None:
    assert [number for number in range(20) if takes_part(number, 4, 20)] == [4, 9, 14, 19]


def test_places_count_up() -> None:
    assert [turn.place for turn in alternating(ROUNDS, "limit", 1)] == list(range(101))


def test_without_the_limit_only_the_others_run() -> None:
    assert Counter(turn.system for turn in alternating({"a": 2, "b": 1}, None, 1)) == {"a": 2, "b": 1}


def test_what_is_counted_goes_in_order() -> None:
    turns = [(turn.system, turn.round, turn.place) for turn in in_order({"limit": 2, "a": 2, "b": 1})]
    assert turns == [
        ("limit", 0, 0), ("a", 0, 1), ("b", 0, 2), ("limit", 1, 3), ("a", 1, 4),
    ]
