"""From samples to figures: the rows of bench.json, ours against each peer, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from .ratios import paired, spread
from .runner import Measured
from .systems import CLOSELY, LIMIT, OURS_IN_PYTHON, System
from .workloads import MEASURES, METRICS

# Ratios that differ from one by no more than this are no difference.
EQUAL = 0.01
# From so many rounds on the bounds of a median hold with 95 %.
ENOUGH = 6


@dataclass(frozen=True)
class Row:
    """One line of bench.json. Without a figure the numbers are null; the limit's own ratio is one, if it is not zero."""

    workload: str
    system: str
    language: str
    metric: str
    value: float | None
    unit: str
    vs_limit: float | None
    low: float | None
    high: float | None

    @property
    def label(self) -> str:
        return System(self.system, self.language, {}).label

    @property
    def ours(self) -> bool:
        return System(self.system, self.language, {}).ours

    def content(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Pair:
    """One of ours against a peer: the median of the ratios of runs of the same round, and its bounds."""

    workload: str
    metric: str
    ours: str
    peer: str
    ratio: float
    low: float
    high: float
    rounds: int

    @property
    def behind(self) -> bool:
        if METRICS[self.metric].higher_is_better:
            return self.ratio < 1 - EQUAL
        return self.ratio > 1 + EQUAL

    @property
    def clearly(self) -> bool:
        """Whether the bounds leave out that both are equal."""
        return self.high < 1 or self.low > 1

    @property
    def certain(self) -> bool:
        """Whether they do so with 95 %: too few rounds cannot. What is counted once comes out the same every time."""
        return self.clearly and (self.rounds == 1 or self.rounds >= ENOUGH)


@dataclass(frozen=True)
class Trouble:
    """Something that went wrong: in how many runs of a unit, and in which words."""

    unit: str
    system: str
    runs: int
    of: int
    what: str


def row(measured: Measured, system: System, metric: str) -> Row:
    runs = measured.runs(system.label, metric)
    value = median(value for _, value in runs) if runs else None
    ratio: tuple[float, float, float] | tuple[None, None, None] = (None, None, None)
    if system.label == LIMIT and value:
        ratio = (1.0, 1.0, 1.0)
    elif ratios := paired(runs, limit_runs(measured, metric)):
        ratio = spread(ratios)
    name, unit = measured.unit.workload.name, METRICS[metric].unit
    return Row(name, system.name, system.language, metric, value, unit, *ratio)


def limit_runs(measured: Measured, metric: str) -> list[tuple[int, float]]:
    return measured.runs(measured.unit.limit, metric) if measured.unit.limit else []


def rows(all_measured: Sequence[Measured]) -> list[Row]:
    return [
        row(measured, system, metric)
        for measured in all_measured
        for metric in MEASURES[measured.unit.measure]
        for system in measured.unit.systems
    ]


def noise(measured: Measured, metric: str) -> tuple[float, float] | None:
    """The middle nine tenths of the limit's runs, each divided by its neighbours: what the machine does by itself."""
    runs = limit_runs(measured, metric)
    ratios = sorted(
        ratio
        for index, run in enumerate(runs)
        for ratio in paired([run], runs[:index][-1:] + runs[index + 1 :][:1])
    )
    if len(ratios) < 10:
        return None
    cut = len(ratios) // 20
    return ratios[cut], ratios[-1 - cut]


def by_round(measured: Measured, system: str, metric: str) -> dict[int, float]:
    usable = dict(measured.runs(system, metric))
    return {sample.round: usable[sample.place] for sample in measured.samples if sample.place in usable}


def pair(measured: Measured, metric: str, ours: str, peer: str) -> Pair | None:
    left, right = by_round(measured, ours, metric), by_round(measured, peer, metric)
    ratios = [left[number] / right[number] for number in left.keys() & right.keys() if right[number] > 0]
    if not ratios:
        return None
    return Pair(measured.unit.workload.name, metric, ours, peer, *spread(ratios), len(ratios))


def rivals(peer: System) -> tuple[str, ...]:
    """Who of ours is compared with a peer."""
    return (*CLOSELY, *OURS_IN_PYTHON) if peer.language == "python" else CLOSELY


def pairs(all_measured: Sequence[Measured]) -> list[Pair]:
    """Those followed closely against every system that is neither ours nor the limit, and ours in Python against those in Python."""
    found = [
        pair(measured, metric, ours, system.label)
        for measured in all_measured
        for metric in MEASURES[measured.unit.measure]
        for system in measured.unit.systems
        if not system.ours and system.label != LIMIT
        for ours in rivals(system)
    ]
    return [one for one in found if one is not None]


def troubles(all_measured: Sequence[Measured]) -> list[Trouble]:
    found = []
    for measured in all_measured:
        for system in measured.unit.systems:
            own = [sample for sample in measured.samples if sample.system == system.label]
            faults = [sample.fault for sample in own if sample.fault is not None]
            if faults:
                found.append(Trouble(measured.unit.name, system.label, len(faults), len(own), faults[-1]))
    return found
