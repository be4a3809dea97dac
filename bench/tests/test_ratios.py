"""The statistics, against values that tables print."""

from __future__ import annotations

import pytest

from harness.ratios import bounds, neighbours, paired, rank, spread

# From tables of the sign test's interval for a median, 95 %.
RANKS = {1: 1, 5: 1, 6: 1, 7: 1, 8: 1, 9: 2, 10: 2, 11: 2, 12: 3, 15: 4, 20: 6, 25: 8, 30: 10, 50: 18, 100: 40}


@pytest.mark.parametrize(("count", "expected"), RANKS.items())
def test_rank_is_the_tables(count: int, expected: int) -> None:
    assert rank(count) == expected


def test_bounds_of_twenty_are_the_6th_and_the_15th() -> None:
    assert bounds([float(number) for number in range(20, 0, -1)]) == (6.0, 15.0)


def test_bounds_of_few_are_the_extremes() -> None:
    assert bounds([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert bounds([4.0]) == (4.0, 4.0)


def test_spread_is_median_and_bounds() -> None:
    assert spread([5.0, 1.0, 9.0]) == (5.0, 1.0, 9.0)


LIMIT = [(0, 100.0), (4, 200.0), (8, 400.0)]


@pytest.mark.parametrize(("place", "mean"), [(1, 150.0), (3, 150.0), (5, 300.0), (9, 400.0), (-1, 100.0)])
def test_neighbours_are_the_runs_before_and_after(place: int, mean: float) -> None:
    assert neighbours(place, LIMIT) == mean


def test_without_a_limit_there_is_no_neighbour() -> None:
    assert neighbours(3, []) is None


def test_each_run_is_divided_by_its_own_neighbours() -> None:
    assert paired([(2, 75.0), (6, 600.0)], LIMIT) == [0.5, 2.0]


def test_nothing_is_divided_by_zero() -> None:
    assert paired([(2, 75.0)], [(0, 0.0)]) == []
