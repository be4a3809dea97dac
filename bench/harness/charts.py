"""One chart per workload: how each system compares with the limit, a panel per metric. The same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from .rows import Row  # noqa: E402
from .systems import LIMIT  # noqa: E402
from .workloads import METRICS  # noqa: E402

OURS, OTHERS, LINE = "#d9480f", "#adb5bd", "#212529"
# Told in the tables only.
LEFT_OUT = ("cpu_per_request_saturated", "latency_p999")
# Where the farthest is so many times the nearest, lengths are logarithms.
FAR = 20.0


@dataclass(frozen=True)
class Bar:
    label: str
    ours: bool
    length: float
    low: float
    high: float


def charted(rows: Sequence[Row]) -> list[str]:
    """The metrics that get a panel, in the order of the table of metrics."""
    present = {row.metric for row in rows if row.value is not None}
    return [name for name in METRICS if name in present and name not in LEFT_OUT]


def proportional(rows: Sequence[Row]) -> bool:
    """Whether these rows of one metric have ratios: a limit of zero (bytes per connection) has none to give."""
    return any(row.vs_limit is not None and row.label != LIMIT for row in rows)


def bars(rows: Sequence[Row]) -> list[Bar]:
    """Ratios with their bounds, or where there are none the values themselves."""
    found = []
    for row in rows:
        if not proportional(rows) and row.value is not None:
            found.append(Bar(row.label, row.ours, row.value, row.value, row.value))
        elif row.vs_limit is not None and row.low is not None and row.high is not None:
            found.append(Bar(row.label, row.ours, row.vs_limit, row.low, row.high))
    return found


def order(rows: Sequence[Row]) -> list[str]:
    """Labels from the worst to the best by the first metric, as bars are drawn upwards; those without a figure lowest."""
    first = METRICS[charted(rows)[0]]
    sign = 1 if first.higher_is_better else -1
    known = {bar.label: sign * bar.length for bar in bars([row for row in rows if row.metric == first.name])}
    ranked = sorted(known, key=lambda label: (known[label], label))
    return [*sorted({row.label for row in rows} - known.keys(), reverse=True), *ranked]


def draw(workload: str, rows: Sequence[Row], path: Path) -> bool:
    """Writes the chart; without a single figure there is none."""
    metrics = charted(rows)
    if not metrics:
        return False
    labels = order(rows)
    with matplotlib.rc_context({"svg.hashsalt": "reactor", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(2.2 + 2.9 * len(metrics), 1.1 + 0.24 * len(labels)), layout="constrained")
        figure.suptitle(f"{workload}: in proportion to {LIMIT}")
        panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for axes, metric in zip(panels, metrics):
            panel(axes, METRICS[metric].name, labels, [row for row in rows if row.metric == metric])
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    return True


def panel(axes: Axes, metric: str, labels: Sequence[str], rows: Sequence[Row]) -> None:
    shown = bars(rows)
    heights = [labels.index(bar.label) for bar in shown]
    whiskers = [[max(bar.length - bar.low, 0.0) for bar in shown], [max(bar.high - bar.length, 0.0) for bar in shown]]
    colours = [OURS if bar.ours else OTHERS for bar in shown]
    style = {"ecolor": LINE, "elinewidth": 0.8, "capsize": 2}
    axes.barh(heights, [bar.length for bar in shown], color=colours, xerr=whiskers, error_kw=style)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_yticks(range(len(labels)), labels)
    better = "more" if METRICS[metric].higher_is_better else "less"
    if proportional(rows):
        axes.axvline(1.0, color=LINE, linewidth=1.0, linestyle="--")
        axes.set_xlabel(f"{metric}\n({better} is better)")
    else:
        axes.set_xlabel(f"{metric}, {METRICS[metric].unit} themselves\n({better} is better)")
    positive = [bar.length for bar in shown if bar.length > 0]
    if positive and max(positive) > FAR * min(positive):
        axes.set_xscale("log")
