"""How far a run is: a bar with the time left, and a line per finished unit."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .plan import Unit
from .samples import Sample


class Bar:
    """Drawn between runs only: a thread of its own would disturb them."""

    def __init__(self, units: Sequence[Unit], descriptors: int) -> None:
        self._descriptors = descriptors
        self._total = sum(unit.seconds(descriptors) for unit in units)
        self._console = Console(highlight=False)
        columns = (
            TextColumn("{task.percentage:3.0f} %"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self._progress = Progress(*columns, console=self._console, auto_refresh=False, speed_estimate_period=600)
        self._task = self._progress.add_task("", total=self._total)
        self._unit = ""

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def begin(self, unit: Unit) -> None:
        self._unit = unit.name

    def advance(self, seconds: float, doing: str) -> None:
        self._progress.update(self._task, advance=seconds, description=f"{self._unit}: {doing}")
        self._progress.refresh()

    def finish(self, unit: Unit, samples: Sequence[Sample], kept: bool) -> None:
        if kept:
            self._total -= unit.seconds(self._descriptors)
            self._progress.update(self._task, total=self._total)
        good = sum(sample.fault is None for sample in samples)
        how = "kept from before" if kept else f"{good} runs, {len(samples) - good} without a figure"
        self._console.print(f"{unit.name}: {how}")
