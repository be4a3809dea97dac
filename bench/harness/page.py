"""The report: a page in Markdown, beside it a chart per workload."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from . import charts
from .goals import GOALS, Goal
from .machine import Run
from .rows import Pair, Row, noise, pair, pairs, rows, troubles
from .runner import Measured
from .systems import CLOSELY, LIMIT, OURS_IN_PYTHON
from .workloads import MEASURES, METRICS, Workload


# What decides a workload's figures besides the systems, by its name.
DEPENDS = {
    "connects": (
        "How far ours are ahead of the bare loop here says as much of the machine as of them. The client is busy all the time, "
        "and pays for waking a server that sleeps. Where the server has a processor for itself, ours find out that looking "
        "before they sleep pays, sleep less than half as often as the bare loop, and made 1.05 to 1.25 times its connections; with "
        "looking taken out, as many. Where other programs use the processors too, connections queue up while the server waits "
        "for its turn: nobody sleeps much, ours do not look, and processor time per connection decides, of which they take a few "
        "per cent more: 0.9 to 1.0. What was tried, and what is not settled: [bench/README.md](../README.md)."
    ),
}


def figure(value: float | None) -> str:
    """Three digits that matter, or more where there are more before the point."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else "0"


def ratio(middle: float | None, low: float | None, high: float | None) -> str:
    if middle is None or low is None or high is None:
        return "–"
    return f"{middle:.2f}" if low == middle == high else f"{middle:.2f} ({low:.2f} – {high:.2f})"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(head)
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [head, rule, *escaped]) + "\n"


# What must be known of the peers that ours are asked something beside.
ASKED = {
    "Python": "`uvloop` cuts messages in the tight loop and walks commands, `uvloop-split` cuts them at line ends, and "
    "`uvloop-hiredis` has them read by hiredis.",
    "Node": "`node-net` cuts messages and commands by hand, in a tight loop, and joins the answers of a read; ours have a callback and a "
    "write for each.",
}


class Page:
    """Everything that the report shows of one run."""

    def __init__(self, run: Run, measured: Sequence[Measured]) -> None:
        self.run, self.measured = run, measured
        self.rows, self.pairs, self.troubles = rows(measured), pairs(measured), troubles(measured)

    def write(self, folder: Path) -> None:
        """Replaces what an earlier run wrote there."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.svg"):
            old.unlink()
        for workload in self.workloads():
            charts.draw(workload.name, self.rows_of(workload), folder / f"{workload.name}.svg")
        (folder / "README.md").write_text(self.text(), encoding="utf-8")

    def workloads(self) -> list[Workload]:
        return list({measured.unit.workload.name: measured.unit.workload for measured in self.measured}.values())

    def rows_of(self, workload: Workload) -> list[Row]:
        return [row for row in self.rows if row.workload == workload.name]

    def text(self) -> str:
        parts = ["# Every system in one run\n\n", self._conditions(), self._goals(), self._behind(), self._troubles()]
        parts += [self._workload(workload) for workload in self.workloads()]
        return "".join([*parts, self._all_rows()])

    def _conditions(self) -> str:
        facts = {"command": f"`{self.run.command}`", "date": self.run.date, "seed": str(self.run.seed)} | self.run.machine
        return (
            "How to read this, and what it does not say: [bench/README.md](../README.md). A ratio is the median of the "
            f"ratios of runs that lay side by side, in brackets the bounds of that median; `{LIMIT}` is the bare loop.\n\n"
            + table(["run", ""], ([name, value] for name, value in facts.items()))
            + table(["system", "version"], ([label, version] for label, version in self.run.versions.items()))
        )

    def _goals(self) -> str:
        return "".join(self._goals_of(language, says) for language, says in ASKED.items())

    def _goals_of(self, language: str, says: str) -> str:
        asked = [goal for goal in GOALS if goal.language == language]
        lines = [self._goal(goal) for goal in asked if any(row.label == goal.ours for row in self._throughputs(goal))]
        if not lines:
            return ""
        head = ["", "workload", "ours", "peer", "throughput, ours of the peer's", "asked"]
        head += ["instructions, ours", "asked", "the peer's"]
        return f"## {language}\n\nWhat is asked of ours in {language}, and what they do. {says}\n\n" + table(head, lines)

    def _throughputs(self, goal: Goal) -> list[Row]:
        return [row for row in self.rows if (row.workload, row.metric) == (goal.workload, "throughput")]

    def _goal(self, goal: Goal) -> list[str]:
        counted = {
            row.label: figure(row.value)
            for row in self.rows
            if (row.workload, row.metric) == (goal.workload, "instructions_per_request") and row.value is not None
        }
        asked = [f"≥ {goal.ratio:.2f}" if goal.ratio else "", f"≤ {goal.instructions:,}" if goal.instructions else ""]
        line = [goal.says, goal.workload, goal.ours, goal.peer, self._share(goal), asked[0]]
        return [*line, counted.get(goal.ours, ""), asked[1], counted.get(goal.peer, "")]

    def _share(self, goal: Goal) -> str:
        """The ratio of throughputs: of the limit by the runs beside, of a peer round by round."""
        if goal.peer == LIMIT:
            (ours,) = [row for row in self._throughputs(goal) if row.label == goal.ours]
            return ratio(ours.vs_limit, ours.low, ours.high)
        (measured,) = [one for one in self.measured if one.unit.name == f"{goal.workload}.throughput"]
        return over(pair(measured, "throughput", goal.ours, goal.peer)) or "–"

    def _behind(self) -> str:
        behind = [pair for pair in self.pairs if pair.behind]
        if not behind:
            none = "Nowhere in this run." if self.pairs else "No peer took part in this run."
            return f"## Where we are behind\n\n{none}\n\n"
        behind.sort(key=lambda pair: (not pair.certain, pair.workload, pair.metric, pair.peer, pair.ours))
        lines = (
            [pair.workload, pair.metric, pair.ours, pair.peer, ratio(pair.ratio, pair.low, pair.high), clear(pair)]
            for pair in behind
        )
        return (
            "## Where we are behind\n\nOurs divided by the peer's, round by round; one per cent or less is no difference.\n\n"
            + table(["workload", "metric", "ours", "peer", "ratio", "certain"], lines)
        )

    def _troubles(self) -> str:
        if not self.troubles:
            return ""
        lines = ([one.unit, one.system, f"{one.runs} of {one.of}", one.what] for one in self.troubles)
        return (
            "## What gave no figure\n\nThese runs are in no average. Who ever answered wrongly has no figure in that "
            "workload at all.\n\n" + table(["measured", "system", "runs", "why"], lines)
        )

    def _workload(self, workload: Workload) -> str:
        says = workload.says.format(limit=LIMIT)
        parts = [f"## {workload.name}\n\n{says[0].upper()}{says[1:]}.\n\n"]
        if workload.name in DEPENDS:
            parts.append(f"{DEPENDS[workload.name]}\n\n")
        own = [measured for measured in self.measured if measured.unit.workload == workload]
        parts += [f"{note}\n\n" for measured in own for note in notes(measured)]
        if charts.charted(self.rows_of(workload)):
            parts.append(f"![{workload.name}]({workload.name}.svg)\n\n")
        for measured in own:
            for metric in metrics_of(self.rows_of(workload), measured):
                parts.append(self._metric(measured, metric))
        return "".join(parts)

    def _metric(self, measured: Measured, metric: str) -> str:
        said = METRICS[metric]
        mine = [row for row in self.rows if row.workload == measured.unit.workload.name and row.metric == metric]
        same = [pair for pair in self.pairs if (pair.workload, pair.metric) == (mine[0].workload, metric)]
        against = {(pair.ours, pair.peer): pair for pair in same}
        compared = (*CLOSELY, *(ours for ours in OURS_IN_PYTHON if any(pair.ours == ours for pair in same)))
        head = ["system", said.unit, f"against {LIMIT}", *(f"{ours} against it" for ours in compared)]
        lines = [
            [row.label, self._value(row, measured), ratio(row.vs_limit, row.low, row.high)]
            + [over(against.get((ours, row.label))) for ours in compared]
            for row in ranked(mine)
        ]
        better = "more" if said.higher_is_better else "less"
        return f"**{metric}**, {said.says}; {better} is better.\n\n" + table(head, lines)

    def _value(self, row: Row, measured: Measured) -> str:
        """The figure, or why there is none."""
        why = [one.what for one in self.troubles if one.unit == measured.unit.name and one.system == row.label]
        return figure(row.value) if row.value is not None or not why else why[0].partition(" (")[0]

    def _all_rows(self) -> str:
        lines = (
            [row.workload, row.label, row.language, row.metric, figure(row.value), row.unit]
            + [figure(number) for number in (row.vs_limit, row.low, row.high)]
            for row in self.rows
        )
        head = ["workload", "system", "language", "metric", "value", "unit", "vs_limit", "low", "high"]
        return "## All rows\n\n" + table(head, lines)


def clear(pair: Pair) -> str:
    if pair.certain:
        return "yes"
    return f"no: only {pair.rounds} rounds" if pair.clearly else "no: the bounds include 1"


def over(pair: Pair | None) -> str:
    return ratio(pair.ratio, pair.low, pair.high) if pair else ""


def metrics_of(rows: Sequence[Row], measured: Measured) -> list[str]:
    return [metric for metric in MEASURES[measured.unit.measure] if any(row.metric == metric for row in rows)]


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Best first; those without a figure last."""
    sign = -1 if METRICS[rows[0].metric].higher_is_better else 1
    return sorted(rows, key=lambda row: (row.value is None, sign * (row.vs_limit or row.value or 0.0), row.label))


def notes(measured: Measured) -> list[str]:
    """What has to be known beside the figures of a unit."""
    found = []
    values = {name: {sample.notes[name] for sample in measured.samples if name in sample.notes} for name in ("held", "offered")}
    if values["held"]:
        found.append(f"Held: {' to '.join(f'{held:,.0f}' for held in sorted({min(values['held']), max(values['held'])}))}.")
    if values["offered"]:
        found.append(f"Offered ({measured.unit.measure}): {max(values['offered']):,.0f} requests/s.")
    if measured.unit.measure == "instructions" and any(system.language == "python" for system in measured.unit.systems):
        found.append("Instructions in Python are its interpreter's, of the build named above, with hashes that are not random.")
    losers = sorted({sample.system for sample in measured.samples if sample.notes.get("lost")})
    if losers:
        found.append(f"Datagrams were lost with {', '.join(losers)}.")
    if bounds := noise(measured, "throughput"):
        found.append(f"Noise: nine of ten runs of {LIMIT} were {bounds[0]:.2f} to {bounds[1]:.2f} of those beside them.")
    return found
