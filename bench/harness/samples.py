"""What was measured: one sample per run, kept in a file per workload and measure, so that a long run can be taken up again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


class Fault(Exception):
    """Why a run gave no figure, in the words that the report shows."""


class Absent(Fault):
    """Nothing to measure, now or later in this run: the kind is not offered, or the program is not there."""


class WrongAnswer(Fault):
    """The system answered something else than it should: none of its figures of this workload counts."""

    def __init__(self, count: int) -> None:
        super().__init__(f"wrong answers: {count:,}")


@dataclass(frozen=True)
class Sample:
    """One run of a system, by its label. With a fault it has no values."""

    system: str
    round: int
    place: int
    values: Mapping[str, float] = field(default_factory=dict)
    fault: str | None = None
    wrong: bool = False
    absent: bool = False
    # What the report tells beside the figures: how many connections were held, datagrams lost, the rate offered.
    notes: Mapping[str, float] = field(default_factory=dict)


class Store:
    """Files `<workload>.<measure>.<digest of the configuration>.json` in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str, configuration: Mapping[str, object]) -> Path:
        text = json.dumps(configuration, sort_keys=True)
        return self.folder / f"{name}.{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"

    def get(self, name: str, configuration: Mapping[str, object]) -> list[Sample] | None:
        try:
            content = json.loads(self.path(name, configuration).read_text())
        except FileNotFoundError:
            return None
        return [Sample(**sample) for sample in content["samples"]]

    def put(self, name: str, configuration: Mapping[str, object], samples: list[Sample]) -> None:
        """Whole or not at all: what was interrupted is measured again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(name, configuration)
        content = {"configuration": configuration, "samples": [asdict(sample) for sample in samples]}
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
        unfinished.rename(path)

    def forget(self) -> None:
        for path in self.folder.glob("*.json"):
            path.unlink()
