"""The programs that make load: `load`, wrk and redis-benchmark, each run on its processor and its report read."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cores import LOAD, pinned, processor_seconds
from .samples import Fault, WrongAnswer
from .workloads import Workload

# redis-benchmark takes no duration. So many requests tell how fast a server is; then it is asked as many as take so long.
KV_FIRST, KV_SECONDS = 100_000, 0.5
KV_TESTS = {"kv-ping": "ping_mbulk", "kv-set": "set", "kv-get": "get"}
# Seconds that a run may take whose end is a number of requests or connections.
LONG = 60.0
# So much beyond what it should take, a run is given up; more than the load's own patience with a silent server.
PATIENCE = 15.0


@dataclass(frozen=True)
class Report:
    """What a run of any of them tells."""

    requests: int
    seconds: float
    throughput: float
    processor_seconds: float | None
    # The JSON object of `load`; empty for the others.
    content: Mapping[str, Any]


def run(command: Sequence[str], seconds: float) -> str:
    """Its output. The message of a load that fails becomes the fault."""
    try:
        ended = subprocess.run(
            pinned(LOAD, command), capture_output=True, text=True, timeout=seconds + PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise Fault(f"failed: no end after {seconds + PATIENCE:.0f} s") from None
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines()
        raise Fault(f"failed: {said[-1][:200] if said else f'the load ended with {ended.returncode}'}")
    return ended.stdout


def parsed(text: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError:
        raise Fault("failed: the load printed no report") from None
    return content


def options(workload: Workload) -> list[str]:
    return [word for name, value in workload.load.items() for word in (f"--{name}", str(value))]


class Load:
    """Our own load generator; `program` starts it."""

    def __init__(self, program: Sequence[str]) -> None:
        self._program = program

    def timed(self, workload: Workload, url: str, pid: int, warm_up: float, seconds: float, rate: int = 0) -> Report:
        # A measure that offers a rate says so; otherwise the mode is the workload's own, or a closed loop.
        offered = ["--mode", "open", "--rate", str(rate)] if rate else []
        window = ["--warmup", str(warm_up), "--duration", str(seconds), "--watch", str(pid)]
        return self._report([*options(workload), *offered, *window, "--target", url], warm_up + seconds)

    def counted(self, workload: Workload, url: str, requests: int) -> Report:
        return self._report([*options(workload), "--requests", str(requests), "--target", url], LONG)

    def idle(self, workload: Workload, url: str, pid: int, connections: int) -> Report:
        held = workload.load | {"connections": connections}
        words = [word for name, value in held.items() for word in (f"--{name}", str(value))]
        return self._report(["--mode", "idle", *words, "--watch", str(pid), "--target", url], LONG)

    def _report(self, arguments: Sequence[str], seconds: float) -> Report:
        content = parsed(run([*self._program, *arguments], seconds))
        if content["wrong"]:
            raise WrongAnswer(content["wrong"])
        if content["errors"]:
            raise Fault(f"failed: {content['errors']:,} errors of connections")
        return Report(
            content["requests"],
            content["seconds"],
            content["throughput"],
            content.get("server_cpu_seconds"),
            content,
        )


def wrk(url: str, pid: int, seconds: int) -> Report:
    before = processor_seconds(pid)
    text = run(["wrk", "-t1", "-c50", f"-d{seconds}s", url.replace("tcp:", "http:") + "/"], seconds)
    spent = processor_seconds(pid) - before
    if bad := re.search(r"Non-2xx or 3xx responses: (\d+)", text):
        raise WrongAnswer(int(bad[1]))
    if errors := re.search(r"Socket errors: (.*)", text):
        raise Fault(f"failed: {errors[1]}")
    requests = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not requests or not rate or not int(requests[1]):
        raise Fault("failed: wrk counted no request")
    return Report(int(requests[1]), int(requests[1]) / float(rate[1]), float(rate[1]), spent, {})


def redis_benchmark(workload: Workload, url: str, pid: int, requests: int) -> Report:
    port = url.rpartition(":")[2]
    before = processor_seconds(pid)
    test = KV_TESTS[workload.name]
    text = run(
        ["redis-benchmark", "-p", port, "-c", "50", "-P", "16", "-t", test, "-n", str(requests), "-e", "--csv"], 2
    )
    spent = processor_seconds(pid) - before
    rows = [row for row in csv.reader(text.splitlines()) if len(row) > 1 and row[0] != "test"]
    if not rows:
        raise Fault("failed: redis-benchmark printed no figure")
    rate = float(rows[0][1])
    return Report(requests, requests / rate, rate, spent, {})


def program(root: Path) -> list[str]:
    return [str(root / "target" / "release" / "load")]
