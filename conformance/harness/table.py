"""The table promise × subject: gathered while pytest runs, printed, and written as JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from harness.promises import CONTRACT, REQUIRED

Key = tuple[str, str]  # promise, subject


class Table:
    """A pytest plugin that learns how every case ends for every subject."""

    def __init__(self, subjects: list[str]) -> None:
        self.subjects = subjects
        self.collected = 0
        self.reasons: dict[Key, list[str]] = defaultdict(list)
        self.missing: dict[Key, set[str]] = defaultdict(set)
        self._cases: dict[str, list[Key]] = {}
        self._outcomes: dict[str, bool] = {}

    # ---- pytest's side ----

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[TABLE] = self

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            subject = item.callspec.params["subject"]  # type: ignore[attr-defined]
            self._cases[item.nodeid] = [(promise, subject) for promise in _promises(item)]
        self.collected = len(session.items)

    def leave_out(self, numbers: list[str], subject: str, case: str, reason: str) -> None:
        for promise in numbers:
            self.reasons[promise, subject].append(f"{case}: {reason}")

    def put_off(self, numbers: list[str], subject: str, parts: set[str]) -> None:
        """A case cannot run for a subject, because that has not all the parts of the protocol yet."""
        for promise in numbers:
            self.missing[promise, subject] |= parts

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        good = report.passed and self._outcomes.get(report.nodeid, True)
        self._outcomes[report.nodeid] = good

    # ---- the result ----

    def outcome(self, promise: str, subject: str) -> str:
        cases = [case for case, keys in self._cases.items() if (promise, subject) in keys]
        ran = [self._outcomes[case] for case in cases if case in self._outcomes]
        if not all(ran):
            return "fail"
        waiting = self.missing.get((promise, subject))
        if ran:
            return "part" if waiting else "pass"
        if waiting:
            return "none"
        return "n/a" if self.reasons.get((promise, subject)) else "none"

    def as_dict(self) -> dict[str, dict[str, str]]:
        return {
            promise: {subject: self.outcome(promise, subject) for subject in self.subjects}
            for promise in CONTRACT
        }

    def holes(self) -> list[str]:
        """Promises that should have a case and have none."""
        outcomes = self.as_dict()
        return [
            f"{promise} {subject}"
            for promise in CONTRACT
            for subject in self.subjects
            if promise in REQUIRED and outcomes[promise][subject] == "none"
        ]

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_dict(), indent=2) + "\n")

    def text(self) -> str:
        width = 2 + max(map(len, ("python", *self.subjects)))
        lines = ["      " + "".join(f"{subject:<{width}}" for subject in self.subjects)]
        for promise, row in self.as_dict().items():
            lines.append(f"{promise:<6}" + "".join(f"{row[subject]:<{width}}" for subject in self.subjects))
        lines = [line.rstrip() for line in lines]
        if self.reasons:
            lines += ["", "cases that do not fit a subject:"]
            lines += sorted({f"  {key[1]}: {why}" for key, found in self.reasons.items() for why in found})
        if self.missing:
            lines += ["", "parts of the protocol that a subject does not have, and its cases so wait for:"]
            lines += [f"  {subject}: {', '.join(parts)}" for subject, parts in self._missing_parts()]
        return "\n".join(lines)

    def _missing_parts(self) -> list[tuple[str, list[str]]]:
        keys = {subject: [key for key in self.missing if key[1] == subject] for subject in self.subjects}
        return [
            (subject, sorted(set().union(*(self.missing[key] for key in found))))
            for subject, found in keys.items()
            if found
        ]


TABLE = pytest.StashKey[Table]()


def _promises(item: pytest.Item) -> list[str]:
    return [number for mark in item.iter_markers("promises") for number in mark.args]
