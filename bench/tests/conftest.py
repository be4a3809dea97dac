"""What the tests share: systems that are small Python programs, a runner for them, and units made of samples by hand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.loads import Load
from harness.plan import Rounds, Unit
from harness.runner import Measured, Runner
from harness.samples import Sample, Store
from harness.systems import System
from harness.workloads import BASE, named

HERE = Path(__file__).resolve().parent


def fake(name: str, language: str, behaviour: str) -> System:
    """A system for kind echo that does what fake_server.py says of the behaviour."""
    command = (sys.executable, str(HERE / "fake_server.py"), behaviour, "{url}")
    return System(name, language, {"echo": command}, warm_up=0.0)


def made(samples: Sequence[Sample], systems: Sequence[System], workload: str = BASE) -> Measured:
    """A unit of throughput with these samples."""
    return Measured(Unit(named(workload), "throughput", tuple(systems), Rounds(20, 7, 0.5)), samples)


@dataclass
class Recorder:
    """Progress that is looked at afterwards."""

    finished: list[tuple[str, bool]] = field(default_factory=list)
    turns: int = 0

    def begin(self, unit: Unit) -> None: ...

    def advance(self, seconds: float, doing: str) -> None:
        self.turns += 1

    def finish(self, unit: Unit, samples: Sequence[Sample], kept: bool) -> None:
        self.finished.append((unit.name, kept))


@dataclass
class Bench:
    """A runner with its parts at hand."""

    runner: Runner
    progress: Recorder
    store: Store


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    progress, store = Recorder(), Store(tmp_path / "samples")
    load = Load([sys.executable, str(HERE / "fake_load.py")])
    return Bench(Runner(tmp_path, load, store, progress, 20_000, 1, "build"), progress, store)
