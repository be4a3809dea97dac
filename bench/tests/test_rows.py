"""From samples to figures."""

from __future__ import annotations

import pytest
from conftest import fake, made

from harness.rows import Pair, Row, noise, pairs, row, rows, troubles
from harness.runner import Measured
from harness.samples import Sample

LIMIT = fake("limit-epoll", "c", "right")
RUST = fake("reactor", "rust", "right")
GNET = fake("gnet", "go", "right")
SYSTEMS = [LIMIT, RUST, GNET]


def run(system: str, round: int, place: int, throughput: float) -> Sample:
    return Sample(system, round, place, {"throughput": throughput, "cpu_per_request_saturated": 1e8 / throughput})


def fault(system: str, round: int, place: int, what: str, wrong: bool = False) -> Sample:
    return Sample(system, round, place, fault=what, wrong=wrong)


def three_rounds() -> Measured:
    """The limit doubles on the way; ours is half of it all the time, gnet a quarter, then a half."""
    samples = [run("limit-epoll", 0, 0, 100.0), run("reactor-rust", 0, 1, 50.0), run("gnet", 0, 2, 25.0)]
    samples += [run("limit-epoll", 1, 3, 100.0), run("gnet", 1, 4, 50.0), run("reactor-rust", 1, 5, 75.0)]
    samples += [run("limit-epoll", 2, 6, 200.0), run("reactor-rust", 2, 7, 100.0), run("gnet", 2, 8, 100.0)]
    return made([*samples, run("limit-epoll", 2, 9, 200.0)], SYSTEMS)


def test_a_row_has_the_median_and_the_ratios_of_neighbours() -> None:
    expected = Row("echo-64x50", "reactor", "rust", "throughput", 75.0, "requests/s", 0.5, 0.5, 0.5)
    assert row(three_rounds(), RUST, "throughput") == expected
    expected = Row("echo-64x50", "gnet", "go", "throughput", 50.0, "requests/s", 1 / 3, 0.25, 0.5)
    assert row(three_rounds(), GNET, "throughput") == expected


def test_a_row_has_exactly_these_members() -> None:
    members = ["workload", "system", "language", "metric", "value", "unit", "vs_limit", "low", "high"]
    assert {tuple(one.content()) for one in rows([three_rounds()])} == {tuple(members)}
    assert len(rows([three_rounds()])) == 6


def test_the_limit_is_one() -> None:
    found = row(three_rounds(), LIMIT, "throughput")
    assert (found.value, found.vs_limit, found.low, found.high) == (150.0, 1.0, 1.0, 1.0)


def test_without_the_limit_there_is_a_value_but_no_ratio() -> None:
    measured = made([run("gnet", 0, 0, 25.0)], [GNET])
    found = row(measured, GNET, "throughput")
    assert (found.value, found.vs_limit, found.low, found.high) == (25.0, None, None, None)


def test_wrong_answers_are_never_averaged() -> None:
    wrong = fault("gnet", 3, 10, "wrong answers: 7", wrong=True)
    measured = made([*three_rounds().samples, wrong], SYSTEMS)
    assert row(measured, GNET, "throughput").value is None
    assert row(measured, GNET, "throughput").vs_limit is None
    assert row(measured, RUST, "throughput").value == 75.0
    assert pairs([measured]) == []


def test_a_failed_run_is_left_out_and_told() -> None:
    failed = fault("gnet", 3, 10, "failed: connection reset")
    measured = made([*three_rounds().samples, failed], SYSTEMS)
    assert row(measured, GNET, "throughput").value == 50.0
    found = troubles([measured])
    assert [(one.unit, one.system, one.runs, one.of, one.what) for one in found] == [
        ("echo-64x50.throughput", "gnet", 1, 4, "failed: connection reset")
    ]


def test_a_failed_run_of_the_limit_is_not_a_neighbour() -> None:
    samples = [run("limit-epoll", 0, 0, 100.0), run("reactor-rust", 0, 1, 50.0), fault("limit-epoll", 0, 2, "failed")]
    assert row(made([*samples, run("limit-epoll", 0, 3, 300.0)], SYSTEMS), RUST, "throughput").vs_limit == 0.25


def test_ours_is_compared_with_a_peer_round_by_round() -> None:
    throughput, cost = pairs([three_rounds()])
    assert throughput == Pair("echo-64x50", "throughput", "reactor-rust", "gnet", 1.5, 1.0, 2.0, 3)
    assert cost.ratio == pytest.approx(2 / 3)
    assert (cost.low, cost.high) == (0.5, 1.0)


def test_ours_in_python_are_compared_with_peers_in_python_only() -> None:
    ours, uvloop = fake("reactor", "python", "right"), fake("uvloop", "python", "right")
    samples = [run(label, 0, place, rate) for place, (label, rate) in enumerate([("reactor-python", 6.0), ("uvloop", 4.0), ("gnet", 2.0)])]
    found = [one for one in pairs([made(samples, [ours, uvloop, GNET])]) if one.metric == "throughput"]
    assert found == [Pair("echo-64x50", "throughput", "reactor-python", "uvloop", 1.5, 1.5, 1.5, 1)]


@pytest.mark.parametrize(
    ("metric", "ratio", "low", "high", "behind", "clearly"),
    [
        ("throughput", 0.9, 0.8, 0.95, True, True),
        ("throughput", 0.9, 0.8, 1.1, True, False),
        ("throughput", 1.2, 1.1, 1.3, False, True),
        ("throughput", 0.995, 0.99, 0.999, False, True),
        ("latency_p99", 1.2, 1.1, 1.3, True, True),
        ("syscalls_per_request", 1.005, 1.005, 1.005, False, True),
        ("latency_p99", 0.8, 0.7, 1.3, False, False),
    ],
)
def test_behind_depends_on_what_is_better(
    metric: str, ratio: float, low: float, high: float, behind: bool, clearly: bool
) -> None:
    pair = Pair("any", metric, "reactor-c", "gnet", ratio, low, high, 7)
    assert (pair.behind, pair.clearly) == (behind, clearly)


@pytest.mark.parametrize(("rounds", "certain"), [(1, True), (3, False), (5, False), (6, True), (20, True)])
def test_few_rounds_are_not_certain(rounds: int, certain: bool) -> None:
    assert Pair("any", "throughput", "reactor-c", "gnet", 0.8, 0.7, 0.9, rounds).certain is certain
    assert not Pair("any", "throughput", "reactor-c", "gnet", 0.8, 0.7, 1.1, rounds).certain


def test_a_limit_of_zero_is_no_measure() -> None:
    samples = [Sample("limit-epoll", 0, 0, {"throughput": 0.0}), Sample("gnet", 0, 1, {"throughput": 25.0})]
    zero = made(samples, [LIMIT, GNET])
    assert [row(zero, system, "throughput").vs_limit for system in (LIMIT, GNET)] == [None, None]
    assert [row(zero, system, "throughput").value for system in (LIMIT, GNET)] == [0.0, 25.0]


def test_noise_is_the_limit_against_itself() -> None:
    steady = made([run("limit-epoll", number, number, 100.0) for number in range(12)], [LIMIT])
    assert noise(steady, "throughput") == (1.0, 1.0)
    uneven = [run("limit-epoll", number, number, 100.0 + 100.0 * (number % 2)) for number in range(12)]
    assert noise(made(uneven, [LIMIT]), "throughput") == (0.5, 2.0)
    assert noise(made(uneven[:5], [LIMIT]), "throughput") is None
