"""What a run does: its units (a workload measured one way), how often each system runs in each, and how long it takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .counting import REQUESTS
from .cores import RESERVED
from .goals import compared
from .loads import KV_SECONDS
from .schedule import Turn, alternating, in_order
from .systems import CLOSELY, LIMIT, SYSTEMS, System
from .workloads import BASE, WORKLOADS, Workload, named

# What `make bench` and `make bench-quick` may take, in seconds.
ALLOWED = {"core": 60 * 60, "quick": 4 * 60}
QUICK_SYSTEMS = ("reactor-rust", "reactor-c", "limit-epoll", "limit-uring")
QUICK_WORKLOADS = ("echo-64x50", "echo-16-deep", "echo-16k", "frames", "udp-echo", "connects")
QUICK_MEASURES = ("throughput", "syscalls", "instructions")
# Estimates, in seconds: a process of the load or a server started and ended; a connection made and ended; a request
# under strace or callgrind; a server under callgrind, or one in Java, until it listens; one in Python under callgrind;
# memory until it is steady; the report.
PROCESS, CONNECTION, TRACED = 0.05, 100e-6, 100e-6
WINDOWS = {"wrk": 1.0, "redis-benchmark": KV_SECONDS}  # They take no fraction of a second, or no time at all.
CALLGRIND, JAVA, INTERPRETED, SETTLING, REPORT = 0.4, 0.5, 4.5, 0.3, 15.0


@dataclass(frozen=True)
class Rounds:
    """Runs of the systems followed most closely, runs of the others, and each run's seconds; and how many of those that a goal is
    about, if that is more."""

    closely: int
    others: int
    seconds: float
    warm_up: float = 0.1
    goals: int = 0

    def of(self, system: System) -> int:
        return self.closely if system.label in CLOSELY else self.others


# By mode and measure; a workload marked `brief` has a line of its own. What is measured once has no line.
ROUNDS = {
    ("core", "throughput"): Rounds(20, 6, 0.3, goals=9),
    ("core", "throughput", "brief"): Rounds(10, 5, 0.3),
    ("core", "cost"): Rounds(6, 3, 0.4),
    ("core", "cost", "brief"): Rounds(4, 3, 0.3),
    ("core", "latency"): Rounds(6, 3, 0.4),
    ("full", "throughput"): Rounds(20, 20, 0.5),
    ("full", "throughput", "brief"): Rounds(20, 11, 0.5),
    ("full", "cost"): Rounds(20, 11, 0.5),
    ("full", "cost", "brief"): Rounds(11, 7, 0.5),
    ("full", "latency"): Rounds(20, 11, 1.0),
    ("quick", "throughput"): Rounds(9, 6, 0.5),
    ("quick", "throughput", "brief"): Rounds(9, 6, 0.5),
}
ONCE = Rounds(1, 1, 0.0, 0.0)
# A loop's own instructions are shared by the requests that are ready at once, and how many are is chance. In Python they
# are lost among the interpreter's, which takes seconds to start under callgrind: there one count has to do.
INSTRUCTIONS = Rounds(3, 3, 0.0, 0.0)
TIMED = ("throughput", "cost", "latency")


@dataclass(frozen=True)
class Unit:
    """One workload, measured one way."""

    workload: Workload
    measure: str
    systems: tuple[System, ...]
    rounds: Rounds

    @property
    def name(self) -> str:
        return f"{self.workload.name}.{self.measure}"

    @property
    def repeats(self) -> bool:
        """Whether it takes turns in time; the rest is counted, with a server of its own for each run."""
        return self.measure in TIMED

    @property
    def limit(self) -> str | None:
        return LIMIT if any(system.label == LIMIT for system in self.systems) else None

    def turns(self, seed: int) -> list[Turn]:
        if not self.repeats:
            return in_order({system.label: self.counts(system) for system in self.systems})
        counts = {system.label: self.runs(system) for system in self.systems if system.label != LIMIT}
        return alternating(counts, self.limit, seed)

    def runs(self, system: System) -> int:
        """How often it is timed."""
        return max(self.rounds.of(system), self.rounds.goals if system.label in compared(self.workload.name) else 0)

    def counts(self, system: System) -> int:
        """How often it is counted."""
        return ONCE.others if system.language == "python" else self.rounds.others

    def seconds_of_turn(self, system: System, descriptors: int) -> float:
        """What one run of it is expected to take."""
        connections = min(self.workload.connections, descriptors - RESERVED) * CONNECTION
        if self.measure == "memory":
            return 4 * PROCESS + connections + SETTLING
        if self.measure == "syscalls":
            return 8 * PROCESS + sum(REQUESTS[self.measure]) * TRACED
        if self.measure == "instructions":
            start = INTERPRETED if system.language == "python" else CALLGRIND
            return 2 * start + sum(REQUESTS[self.measure]) * TRACED
        window = WINDOWS.get(self.workload.tool, self.rounds.warm_up + self.rounds.seconds)
        return window + PROCESS + connections

    def seconds_of_start(self, system: System, descriptors: int) -> float:
        """A system's start, its warm-up if it takes turns, and its end."""
        runtime = JAVA if system.language == "java" else 0.0
        if not self.repeats:
            return 2 * PROCESS + runtime
        connections = min(self.workload.connections, descriptors - RESERVED)
        return 2 * PROCESS + runtime + system.warm_up + connections * CONNECTION

    def seconds(self, descriptors: int) -> float:
        starts = sum(self.seconds_of_start(system, descriptors) for system in self.systems)
        by_label = {system.label: system for system in self.systems}
        return starts + sum(self.seconds_of_turn(by_label[turn.system], descriptors) for turn in self.turns(0))


def rounds_of(mode: str, workload: Workload, measure: str) -> Rounds:
    if measure == "instructions":
        return INSTRUCTIONS
    brief = ROUNDS.get((mode, measure, "brief")) if workload.brief else None
    return brief or ROUNDS.get((mode, measure), ONCE)


def members(workload: Workload, measure: str, mode: str, systems: Sequence[System] = SYSTEMS) -> tuple[System, ...]:
    """Who takes part: the limit first, then in the order of the table."""
    found = [
        system
        for system in systems
        if workload.kind in system.commands
        and (not workload.only or system.label in workload.only)
        and (not system.only or f"{workload.name}.{measure}" in system.only)
        and (not system.measures or measure in system.measures)
        and (mode != "quick" or system.label in QUICK_SYSTEMS)
        and (measure != "instructions" or system.countable)
    ]
    return tuple(sorted(found, key=lambda system: system.label != LIMIT))


def measures_of(workload: Workload, mode: str) -> list[str]:
    if mode == "quick" and workload.name not in QUICK_WORKLOADS:
        return []
    if mode == "core" and workload.full:
        return []
    return [measure for measure in workload.measures if mode != "quick" or measure in QUICK_MEASURES]


def units(mode: str, names: Collection[str] = ()) -> list[Unit]:
    """All of a mode's, or those of the named workloads; latency needs the base's rate, so that it brings it along."""
    wanted = set(names)
    if any(named(name).share for name in names):
        wanted.add(BASE)
    return [
        Unit(workload, measure, members(workload, measure, mode), rounds_of(mode, workload, measure))
        for workload in WORKLOADS
        if not wanted or workload.name in wanted
        for measure in measures_of(workload, mode)
    ]


def seconds(units: Sequence[Unit], descriptors: int) -> float:
    return sum(unit.seconds(descriptors) for unit in units) + REPORT
