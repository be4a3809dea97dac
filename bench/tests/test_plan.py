"""What a run consists of, and that it ends in the time it may take."""

from __future__ import annotations

import pytest

from harness.cores import WANTED
from harness.goals import GOALS, compared
from harness.plan import ALLOWED, QUICK_SYSTEMS, Unit, seconds, units
from harness.ratios import rank
from harness.systems import HOSTED, INLINE, LIMIT, SYSTEMS
from harness.workloads import MEASURES, METRICS, OF_NODE, WORKLOADS, named


PEERS_IN_PYTHON = ["asyncio", "uvloop", "rloop", "aiofastnet-asyncio", "aiofastnet-uvloop"]


def labels(mode: str, name: str) -> list[str]:
    return [system.label for system in unit(mode, name).systems]


def unit(mode: str, name: str) -> Unit:
    return next(unit for unit in units(mode) if unit.name == name)


@pytest.mark.parametrize("mode", ALLOWED)
@pytest.mark.parametrize("descriptors", [20_000, WANTED])
def test_a_run_ends_in_time(mode: str, descriptors: int) -> None:
    assert 60 < seconds(units(mode), descriptors) <= ALLOWED[mode]


def test_the_names_are_those_of_the_report() -> None:
    core = ["echo-64x50", "echo-68x50", "echo-512x50", "echo-64x1000", "echo-16-deep", "echo-16k", "echo-1m"]
    core += ["frames", "frames-16-deep", "frames-64-deep", "http", "http-wrk", "kv-ping", "kv-set", "kv-get"]
    core += ["udp-echo", "udp-plain", "connects", "broadcast"]
    core += ["latency-50", "latency-80", "latency-attacked", "idle-100", "idle-1000", "idle-10000", "idle-100000"]
    core += ["growth-10", "growth-50", "growth-1000", "growth-10000"]
    full = ["answers-16k", "unix-echo", "echo-idle-10000", "echo-slow-readers"]
    assert {workload.name for workload in WORKLOADS if not workload.full} == set(core)
    assert {workload.name for workload in WORKLOADS if workload.full} == set(full)
    assert {unit.workload.name for unit in units("core")} == set(core)
    assert {unit.workload.name for unit in units("full")} == {*core, *full}


def test_quick_is_what_it_says() -> None:
    names = {unit.name for unit in units("quick")}
    assert {f"{name}.throughput" for name in ("echo-16k", "udp-echo", "connects")} < names
    assert {"echo-64x50.syscalls", "echo-64x50.instructions"} < names
    assert {label for unit in units("quick") for label in (system.label for system in unit.systems)} == set(QUICK_SYSTEMS)


def test_every_measure_and_system_is_used() -> None:
    assert {measure for unit in units("core") for measure in [unit.measure]} == set(MEASURES)
    assert {metric for metrics in MEASURES.values() for metric in metrics} == set(METRICS)
    assert {system.label for unit in units("core") for system in unit.systems} == {system.label for system in SYSTEMS}


def test_who_takes_part() -> None:
    ours_in_python = ["reactor-python", "reactor-python-lists"]
    ours_in_node = ["reactor-node", INLINE]
    ours = ["reactor-rust", "reactor-c", *ours_in_python]
    assert labels("core", "kv-ping.throughput") == [
        "limit-epoll", *ours, *ours_in_node, "uvloop", "uvloop-hiredis", "node-net", "redis-server",
    ]
    assert labels("core", "kv-set.throughput") == [
        "limit-epoll", *ours, *ours_in_node, "uvloop", "uvloop-split", "uvloop-hiredis", "node-net", "redis-server",
    ]
    answers = ["limit-epoll", "reactor-rust", "reactor-c", "reactor-python", *ours_in_node]
    assert labels("full", "answers-16k.throughput") == answers
    instructions = ["limit-epoll", "reactor-rust", "reactor-c", *ours_in_python, "libuv", "libevent", "tokio", "mio", *PEERS_IN_PYTHON]
    assert labels("core", "frames.instructions") == instructions
    deep = ["limit-epoll", *ours_in_python]
    assert labels("core", "frames-64-deep.throughput") == [*deep, *ours_in_node, *PEERS_IN_PYTHON, "node-net"]
    assert labels("core", "frames-64-deep.instructions") == [*deep, *PEERS_IN_PYTHON]
    assert "reactor-python" in labels("core", "echo-64x50.instructions")
    assert "reactor-node" not in labels("core", "echo-64x50.instructions")
    assert "asyncio" not in labels("core", "http.throughput")


def test_python_and_node_take_part_in_every_workload() -> None:
    def workloads(label: str) -> set[str]:
        return {one.workload.name for one in units("full") if label in {system.label for system in one.systems}}

    assert workloads("reactor-python") == {workload.name for workload in WORKLOADS}
    assert workloads("reactor-node") == {workload.name for workload in WORKLOADS}
    # For HTTP by both of ours in Node there is no room in the hour.
    inline = {one.name for one in WORKLOADS if "throughput" in one.measures and one.kind != "http"}
    assert workloads(INLINE) == inline


def test_ours_in_an_event_loop_take_part_where_a_goal_is_about_them_and_in_one_count() -> None:
    found = {
        one.name: [system.label for system in one.systems if system.label in HOSTED]
        for one in units("full")
        if any(system.label in HOSTED for system in one.systems)
    }
    assert found == {
        "echo-64x50.throughput": list(HOSTED),
        "echo-64x50.instructions": list(HOSTED),
        "frames.throughput": ["reactor-protocol-asyncio", "reactor-protocol-uvloop"],
    }


def test_ours_in_rust_and_c_run_twenty_times_and_the_rest_six() -> None:
    found = unit("core", "echo-16-deep.throughput")
    runs = [turn.system for turn in found.turns(1)]
    assert (runs.count("reactor-rust"), runs.count("reactor-c")) == (20, 20)
    assert {runs.count(system.label) for system in found.systems[3:]} == {6}


@pytest.mark.parametrize("name", sorted({goal.workload for goal in GOALS if goal.language == "Python"}))
def test_those_that_goals_are_about_run_as_often_as_their_bounds_need(name: str) -> None:
    found = unit("core", f"{name}.throughput")
    turns = found.turns(1)
    runs = {
        system.label: {turn.round for turn in turns if turn.system == system.label}
        for system in found.systems
        if system.label != LIMIT
    }
    about = compared(name) - {LIMIT}
    assert about and all(len(runs[label]) == 9 for label in about)
    # Of 9, unlike of 6, the lowest and the highest are no bounds; and all of them ran in the same rounds.
    assert (rank(6), rank(9)) == (1, 2)
    assert len({frozenset(runs[label]) for label in about}) == 1
    others = [system.label for system in found.systems[3:] if system.label not in about]
    assert all(len(runs[label]) == 6 for label in others if label in runs)


def test_every_goal_is_about_those_who_take_part_and_counted_where_instructions_are_asked() -> None:
    for goal in GOALS:
        assert {goal.ours, goal.peer} <= set(labels("core", f"{goal.workload}.throughput"))
        assert goal.instructions is None or goal.ours in labels("core", f"{goal.workload}.instructions")


def test_latency_brings_the_rate_that_it_is_a_share_of() -> None:
    assert [unit.name for unit in units("core", ["latency-80"])][0] == "echo-64x50.throughput"
    assert {unit.workload.name for unit in units("core", ["latency-80"])} == {"echo-64x50", "latency-80"}


def test_what_is_counted_is_counted_once() -> None:
    counted = unit("core", "echo-64x50.syscalls")
    assert not counted.repeats
    assert [turn.system for turn in counted.turns(1)] == [system.label for system in counted.systems]


def test_instructions_are_counted_three_times_in_python_once() -> None:
    counted = unit("core", "echo-64x50.instructions")
    assert not counted.repeats
    turns = [turn.system for turn in counted.turns(1)]
    assert {system.label: turns.count(system.label) for system in counted.systems} == {
        system.label: 1 if system.language == "python" else 3 for system in counted.systems
    }


def test_more_than_64_bytes_are_echoed_by_ours_and_what_ours_in_node_is_beside() -> None:
    base, *others = (unit("core", f"{name}.throughput") for name in ("echo-64x50", "echo-68x50", "echo-512x50"))
    assert [one.workload.load for one in others] == [base.workload.load | {"size": size} for size in (68, 512)]
    everywhere = tuple(system for system in base.systems if system.label in OF_NODE)
    assert len(everywhere) == len(OF_NODE) and [one.systems for one in others] == [everywhere] * 2


def test_every_peer_in_python_takes_part_where_uvloop_does() -> None:
    for one in units("full"):
        here = {system.label for system in one.systems}
        # The cache is written once for each way to cut commands, and not for each loop.
        assert here.issuperset(PEERS_IN_PYTHON) == ("uvloop" in here and one.workload.kind != "kv"), one.name


def test_what_interprets_or_compiles_while_it_runs_warms_up() -> None:
    slow = {system.label for system in SYSTEMS if system.warm_up >= 1.5}
    assert slow == {system.label for system in SYSTEMS if system.language in ("python", "node", "java")}


def test_what_is_counted_needs_no_warm_up() -> None:
    systems = {system.label: system for system in SYSTEMS}
    throughput, memory = unit("core", "echo-64x50.throughput"), unit("core", "idle-100.memory")
    more = [one.seconds_of_start(systems["asyncio"], 20_000) - one.seconds_of_start(systems["gnet"], 20_000)
            for one in (throughput, memory)]
    assert more == [pytest.approx(systems["asyncio"].warm_up - systems["gnet"].warm_up), 0.0]


def test_callgrind_is_given_the_interpreter_of_what_is_in_python() -> None:
    commands = [command for system in SYSTEMS if system.language == "python" for command in system.commands.values()]
    assert {command[0] for command in commands} == {"target/bench/venv/bin/python", "target/venv/bin/python"}


def test_the_whole_takes_an_hour_at_most() -> None:
    assert ALLOWED["core"] == 3_600
