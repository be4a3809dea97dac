#!/usr/bin/env python3
"""Measures every system beside the others and writes target/bench.json and the report."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType

from harness import plan
from harness.cores import WANTED, raise_descriptors
from harness.loads import Load, program
from harness.machine import Run, machine, versions
from harness.page import Page
from harness.plan import Unit
from harness.progress import Bar
from harness.runner import Measured, Runner, fingerprint
from harness.samples import Store
from harness.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "target" / "bench"
COMMANDS = {"core": "make bench", "full": "make bench-full", "quick": "make bench-quick"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--mode", choices=COMMANDS, default="core")
    parser.add_argument(
        "--workload",
        action="append",
        default=[],
        metavar="NAME",
        choices=[one.name for one in WORKLOADS],
        help="only this one; may be repeated; bench/report is left alone",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the order of runs (%(default)s)")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs measured")
    return parser.parse_args()


def measure(units: Sequence[Unit], seed: int, fresh: bool, descriptors: int) -> list[Measured]:
    store = Store(TARGET / "samples")
    if fresh:
        store.forget()
    with Bar(units, descriptors) as bar:
        runner = Runner(ROOT, Load(program(ROOT)), store, bar, descriptors, seed, fingerprint(ROOT))
        return runner.run(units)


def publish(page: Page, committed: bool) -> None:
    rows = [row.content() for row in page.rows]
    (ROOT / "target" / "bench.json").write_text(json.dumps(rows, indent=1) + "\n")
    page.write(TARGET / "report")
    if committed:
        shutil.rmtree(ROOT / "bench" / "report", ignore_errors=True)
        shutil.copytree(TARGET / "report", ROOT / "bench" / "report")


def end(number: int, frame: FrameType | None) -> None:
    """As Ctrl-C does, so that every server is stopped."""
    raise KeyboardInterrupt


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, end)
    descriptors = raise_descriptors()
    if descriptors < WANTED:
        print(f"bench: {descriptors:,} descriptors per process is all we get: workloads with more hold that many")
    units = plan.units(options.mode, options.workload)
    print(f"bench: {len(units)} units, about {plan.seconds(units, descriptors) / 60:.0f} minutes")
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    try:
        measured = measure(units, options.seed, options.fresh, descriptors)
    except KeyboardInterrupt:
        print("\nbench: interrupted; finished workloads are kept: the same command without --fresh goes on")
        return 130
    labels = sorted({system.label for unit in units for system in unit.systems})
    command = COMMANDS[options.mode]
    if options.workload:
        command = " ".join([f"bench/run.py --mode {options.mode}", *(f"--workload {name}" for name in options.workload)])
    run = Run(command, date, options.seed, machine(ROOT, descriptors), versions(ROOT, labels))
    publish(Page(run, measured), committed=options.mode == "core" and not options.workload)
    print("bench: target/bench.json, target/bench/report/README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
