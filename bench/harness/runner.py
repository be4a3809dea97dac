"""Carries the units of a plan out, one after the other, and keeps their samples."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Protocol

from .loads import Load
from .measuring import Meter
from .plan import Unit
from .samples import Absent, Fault, Sample, Store, WrongAnswer
from .schedule import Turn
from .servers import Fleet
from .systems import LIMIT, System
from .workloads import BASE

# After so many faults in a unit a system is left out of its remaining rounds.
FAULTS = 2

# The programs, what those of Python and Node consist of, and how they are measured.
UNDER_TEST = (
    "target/bench/bin/*",
    "target/examples/c/*",
    *(f"target/release/{name}" for name in ("libreactor.so", "echo", "http", "kv", "reactor-bench-servers", "load")),
    "examples/python/*.py",
    "bench/servers/python/*.py",
    "examples/node/*.mjs",
    "bindings/node/lib/*",
    "bench/servers/node/*.mjs",
    "target/venv/lib/*/site-packages/reactor/*.so",
    "target/venv/lib/*/site-packages/reactor/**/*.py",
    "bench/peers/python/*.py",
    # The packages that those use, and whose interpreter runs them.
    "bench/requirements.txt",
    "tools/requirements.txt",
    "target/venv/pyvenv.cfg",
    "target/bench/venv/pyvenv.cfg",
    "bench/peers/node/*.[cm]js",
    *(f"bench/harness/{name}.py" for name in ("counting", "loads", "measuring")),
)


class Progress(Protocol):
    def begin(self, unit: Unit) -> None: ...
    def advance(self, seconds: float, doing: str) -> None: ...
    def finish(self, unit: Unit, samples: Sequence[Sample], kept: bool) -> None: ...


@dataclass(frozen=True)
class Measured:
    """A unit with the samples of all its systems."""

    unit: Unit
    samples: Sequence[Sample]

    def runs(self, system: str, metric: str) -> list[tuple[int, float]]:
        """Places and values of a system's runs, by place; none if it ever gave a wrong answer."""
        own = [sample for sample in self.samples if sample.system == system]
        if any(sample.wrong for sample in own):
            return []
        return [(sample.place, sample.values[metric]) for sample in own if metric in sample.values]


def fingerprint(root: Path) -> str:
    """Changes when a program under test does, so that samples of an older build are never taken for this one's."""
    digest = hashlib.sha256()
    for pattern in UNDER_TEST:
        for path in sorted(root.glob(pattern)):
            if path.is_file():
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@dataclass
class Runner:
    root: Path
    load: Load
    store: Store
    progress: Progress
    descriptors: int
    seed: int
    build: str

    def run(self, units: Sequence[Unit]) -> list[Measured]:
        done: list[Measured] = []
        for unit in units:
            done.append(self._unit(unit, done))
        return done

    def configuration(self, unit: Unit) -> Mapping[str, object]:
        return {
            "workload": asdict(unit.workload),
            "measure": unit.measure,
            "rounds": asdict(unit.rounds),
            "systems": [asdict(system) for system in unit.systems],
            "descriptors": self.descriptors,
            "seed": self.seed,
            "build": self.build,
        }

    def _unit(self, unit: Unit, done: Sequence[Measured]) -> Measured:
        self.progress.begin(unit)
        kept = self.store.get(unit.name, self.configuration(unit))
        samples = self._samples(unit, done) if kept is None else kept
        if kept is None:
            self.store.put(unit.name, self.configuration(unit), samples)
        self.progress.finish(unit, samples, kept is not None)
        return Measured(unit, samples)

    def _samples(self, unit: Unit, done: Sequence[Measured]) -> list[Sample]:
        logs = self.root / "target" / "bench" / "logs"
        fleet = Fleet(unit.workload.kind, unit.workload.scheme, self.root, logs)
        meter = Meter(unit, fleet, self.load, self.descriptors, lambda: base_rate(done))
        systems = {system.label: system for system in unit.systems}
        faults = dict.fromkeys(systems, 0)
        samples: list[Sample] = []
        try:
            for turn in unit.turns(self.seed):
                if faults[turn.system] < FAULTS:
                    samples.append(sample(meter, systems[turn.system], turn))
                    faults[turn.system] += weight(samples[-1])
                self.progress.advance(unit.seconds_of_turn(systems[turn.system], self.descriptors), turn.system)
        finally:
            fleet.stop()
        return samples


def sample(meter: Meter, system: System, turn: Turn) -> Sample:
    try:
        figures = meter.figures(system)
    except Fault as fault:
        wrong, absent = isinstance(fault, WrongAnswer), isinstance(fault, Absent)
        return Sample(system.label, turn.round, turn.place, fault=str(fault), wrong=wrong, absent=absent)
    except OSError as error:  # A probe's connection, or a process that is gone.
        return Sample(system.label, turn.round, turn.place, fault=f"failed: {error.strerror or error}")
    return Sample(system.label, turn.round, turn.place, figures.values, notes=figures.notes)


def weight(sample: Sample) -> int:
    """How far a sample brings its system to being left out: what is not offered, or wrong, needs no second try."""
    if sample.fault is None:
        return 0
    return FAULTS if sample.wrong or sample.absent else 1


def base_rate(done: Sequence[Measured]) -> float:
    """What the limit does of the base workload."""
    for measured in done:
        if measured.unit.workload.name == BASE and measured.unit.measure == "throughput":
            rates = [value for _, value in measured.runs(LIMIT, "throughput")]
            if rates:
                return median(rates)
    raise Fault(f"failed: {LIMIT} has no figure for {BASE}")
