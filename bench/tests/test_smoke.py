"""Whole runs with a load and servers that are not the real ones."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Bench, fake

from harness import measuring
from harness.loads import Load, Report
from harness.plan import ONCE, Rounds, Unit
from harness.probe import PROBES
from harness.rows import Row, rows
from harness.runner import fingerprint
from harness.samples import Absent, Sample, WrongAnswer
from harness.servers import Fleet
from harness.systems import System
from harness.workloads import Workload, named

RIGHT = (fake("limit-epoll", "c", "right"), fake("reactor", "rust", "right"))
FAULTY = (fake("libuv", "c", "wrong"), fake("gnet", "go", "missing"), fake("gev", "go", "broken"))


def unit(workload: str, measure: str, systems: tuple[System, ...], rounds: Rounds = Rounds(4, 2, 0.0, 0.0)) -> Unit:
    return Unit(named(workload), measure, systems, rounds)


def test_a_run_gives_rows(bench: Bench) -> None:
    throughput, cost, memory = bench.runner.run(
        [
            unit("echo-64x50", "throughput", RIGHT),
            unit("echo-64x50", "cost", RIGHT),
            unit("idle-100000", "memory", RIGHT, ONCE),
        ]
    )
    assert [sample.system for sample in throughput.samples].count("reactor-rust") == 4
    assert rows([throughput])[1] == Row("echo-64x50", "reactor", "rust", "throughput", 2e3, "requests/s", 1.0, 1.0, 1.0)
    assert [(row.metric, row.value) for row in rows([cost])] == [("cpu_per_request", 4e3)] * 2
    assert [(row.metric, row.value) for row in rows([memory])] == [("bytes_per_connection", 512.0)] * 2
    assert [sample.notes for sample in memory.samples] == [{"held": 19_800.0}] * 2


def test_latency_is_at_a_share_of_the_limits_rate(bench: Bench) -> None:
    _, latency = bench.runner.run(
        [unit("echo-64x50", "throughput", RIGHT), unit("latency-50", "latency", RIGHT)]
    )
    assert {sample.notes["offered"] for sample in latency.samples} == {1_000.0}
    found = {row.metric: row.value for row in rows([latency]) if row.system == "reactor"}
    assert found == {"latency_p50": 10.0, "latency_p99": 20.0, "latency_p999": 30.0, "latency_max": 40.0}


def test_latency_without_the_limits_rate_is_a_fault(bench: Bench) -> None:
    (latency,) = bench.runner.run([unit("latency-50", "latency", RIGHT)])
    assert {sample.fault for sample in latency.samples} == {"failed: limit-epoll has no figure for echo-64x50"}


def test_an_attack_that_the_server_does_not_meet_is_none(bench: Bench) -> None:
    attack = replace(named("latency-attacked"), kind="echo")
    harmless = replace(attack, load=attack.load | {"hoarders": 1})
    units = [unit("echo-64x50", "throughput", RIGHT)]
    units += [Unit(workload, "latency", RIGHT[1:], Rounds(1, 1, 0.0, 0.0)) for workload in (attack, harmless)]
    _, real, none = bench.runner.run(units)
    assert [(sample.values["latency_max"], sample.fault) for sample in real.samples] == [(40.0, None)]
    assert [sample.fault for sample in none.samples] == ["failed: nobody who holds much was cut off"]


def test_who_cannot_keep_up_has_no_figure(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "RATE", 200_000)
    (cost,) = bench.runner.run([unit("echo-64x50", "cost", RIGHT)])
    assert {sample.fault for sample in cost.samples} == {"too slow: 100,000 of 200,000 requests/s"}
    assert {row.value for row in rows([cost])} == {None}


def test_a_server_is_probed_before_it_is_measured(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(url: str) -> None:
        raise WrongAnswer(1)

    monkeypatch.setitem(PROBES, "echo", wrong)
    (measured,) = bench.runner.run([unit("echo-64x50", "throughput", RIGHT)])
    assert [(sample.system, sample.fault, sample.wrong) for sample in measured.samples] == [
        ("limit-epoll", "wrong answers: 1", True),
        ("reactor-rust", "wrong answers: 1", True),
    ]


def test_a_server_is_warmed_up_for_as_long_as_its_system_needs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, float, float]] = []
    timed = Load.timed

    def watched(
        self: Load, workload: Workload, url: str, pid: int, warm_up: float, seconds: float, rate: int = 0
    ) -> Report:
        asked.append((url, warm_up, seconds))
        return timed(self, workload, url, pid, warm_up, seconds, rate)

    monkeypatch.setattr(Load, "timed", watched)
    slow = replace(fake("asyncio", "python", "right"), warm_up=1.5)
    for measure in ("throughput", "cost"):
        asked.clear()
        bench.runner.run([unit("echo-64x50", measure, (slow,), Rounds(2, 2, 0.25, 0.125))])
        (url,) = {one[0] for one in asked}
        assert asked == [(url, 0.0, 1.5), (url, 0.125, 0.25), (url, 0.125, 0.25)]


def test_faults_are_told_apart_and_end_a_systems_part(bench: Bench) -> None:
    (measured,) = bench.runner.run([unit("echo-64x50", "throughput", (*RIGHT, *FAULTY))])
    told = [(sample.system, sample.fault) for sample in measured.samples if sample.fault]
    broken = ("gev", "failed: ended before it listened (parts: out of order today)")
    assert sorted(told) == [broken, broken, ("gnet", "not offered"), ("libuv", "wrong answers: 3")]
    assert {row.label: row.value for row in rows([measured])}["libuv"] is None


def test_a_program_that_is_not_there_is_absent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the driver is run from has no say: programs are looked for from the root it is given.
    monkeypatch.chdir(Path(__file__).parent.parent.parent)
    absent = System("evio", "go", {"echo": ("bench/run.py", "echo", "{url}")})
    (measured,) = bench.runner.run([unit("echo-64x50", "throughput", (*RIGHT, absent))])
    (told,) = [sample for sample in measured.samples if sample.system == "evio"]
    assert told == Sample("evio", told.round, told.place, fault="not built", absent=True)


def test_finished_units_are_not_measured_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    echo, connects = unit("echo-64x50", "throughput", RIGHT), unit("connects", "throughput", RIGHT)
    first = bench.runner.run([echo])
    turns = bench.progress.turns
    again, new = bench.runner.run([echo, connects])
    assert again == first[0]
    assert bench.progress.turns == turns + len(connects.turns(1))
    assert bench.progress.finished == [(echo.name, False), (echo.name, True), (connects.name, False)]


@pytest.mark.parametrize("name", [
    "bench/requirements.txt", "tools/requirements.txt", "target/venv/pyvenv.cfg", "target/bench/venv/pyvenv.cfg",
    "bench/servers/python/hosted.py", "examples/python/kv_store.py", "target/venv/lib/python3/site-packages/reactor/asyncio/_servers.py",
])
def test_other_packages_or_interpreters_are_another_build(tmp_path: Path, name: str) -> None:
    before = fingerprint(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("another")
    assert fingerprint(tmp_path) != before


def test_another_build_is_measured_anew(bench: Bench) -> None:
    echo = unit("echo-64x50", "throughput", RIGHT)
    bench.runner.run([echo])
    bench.runner.build = "another"
    bench.runner.run([echo])
    assert bench.progress.finished == [(echo.name, False)] * 2


def test_an_interrupted_unit_leaves_no_server_and_no_samples(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def interrupted(self: Load, workload: object, url: str, pid: int, *rest: float) -> None:
        started.append(pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(Load, "timed", interrupted)
    echo = unit("echo-64x50", "throughput", RIGHT)
    with pytest.raises(KeyboardInterrupt):
        bench.runner.run([echo])
    assert len(started) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)
    assert bench.store.get(echo.name, bench.runner.configuration(echo)) is None


def test_a_server_that_ended_is_started_anew(tmp_path: Path) -> None:
    fleet = Fleet("echo", "tcp", tmp_path, tmp_path / "logs")
    try:
        first, fresh = fleet.get(RIGHT[0])
        assert fresh
        assert fleet.get(RIGHT[0]) == (first, False)
        first.stop()
        second, fresh = fleet.get(RIGHT[0])
        assert fresh and second.pid != first.pid
    finally:
        fleet.stop()
    assert second.ended


def test_servers_run_on_one_processor_only(tmp_path: Path) -> None:
    fleet = Fleet("echo", "tcp", tmp_path, tmp_path / "logs")
    with fleet.own(RIGHT[0]) as server:
        assert len(os.sched_getaffinity(server.pid)) == 1
        assert server.url.startswith("tcp://127.0.0.1:")
    with pytest.raises(Absent, match="^not offered$"):
        fleet.start(FAULTY[1])
