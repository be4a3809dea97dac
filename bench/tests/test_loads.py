"""What the programs that make load and count say, and how it is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import counting, loads, measuring, plan
from harness.counting import calls, instructions, tool
from harness.loads import KV_FIRST, KV_SECONDS, Load, Report, redis_benchmark, wrk
from harness.measuring import Meter
from harness.samples import Fault, WrongAnswer
from harness.servers import Fleet
from harness.systems import SYSTEMS, System
from harness.workloads import Workload, named

WRK = """Running 1s test @ http://127.0.0.1:7998/
  1 threads and 50 connections
    Req/Sec   138.75k    15.17k  171.19k    70.00%
  137877 requests in 1.00s, 11.05MB read
{more}Requests/sec: 137645.76
"""
REDIS = '"test","rps","avg_latency_ms"\n"SET","1485148.50","0.354"\n'
STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 50.00    0.000300          13        20         1 epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.000383          13        29{errors} total
"""
REPORT = '{{"requests": 5, "seconds": 0.5, "throughput": 10.0, "wrong": {wrong}, "errors": {errors}}}'


class Said:
    """Stands for the programs: remembers the command, prints what it was told to."""

    def __init__(self, text: str) -> None:
        self.text, self.command = text, [""]

    def __call__(self, command: Sequence[str], seconds: float) -> str:
        self.command = list(command)
        return self.text


def saying(monkeypatch: pytest.MonkeyPatch, text: str) -> Said:
    said = Said(text)
    monkeypatch.setattr(loads, "run", said)
    return said


def test_wrk(monkeypatch: pytest.MonkeyPatch) -> None:
    said = saying(monkeypatch, WRK.format(more=""))
    report = wrk("tcp://127.0.0.1:7998", os.getpid(), 1)
    assert (report.requests, report.throughput) == (137_877, 137_645.76)
    assert said.command == ["wrk", "-t1", "-c50", "-d1s", "http://127.0.0.1:7998/"]


def test_wrk_that_got_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    saying(monkeypatch, WRK.format(more="  Non-2xx or 3xx responses: 12\n"))
    with pytest.raises(WrongAnswer, match="^wrong answers: 12$"):
        wrk("tcp://127.0.0.1:7998", os.getpid(), 1)


def test_wrk_with_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    saying(monkeypatch, WRK.format(more="  Socket errors: connect 0, read 5, write 0, timeout 0\n"))
    with pytest.raises(Fault, match="^failed: connect 0, read 5, write 0, timeout 0$"):
        wrk("tcp://127.0.0.1:7998", os.getpid(), 1)


def test_redis_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    said = saying(monkeypatch, REDIS)
    report = redis_benchmark(named("kv-set"), "tcp://127.0.0.1:7999", os.getpid(), 600)
    assert (report.requests, report.throughput) == (600, 1_485_148.5)
    assert said.command[:5] == ["redis-benchmark", "-p", "7999", "-c", "50"]
    assert said.command[said.command.index("-t") + 1] == "set"


def test_redis_benchmark_asks_for_as_long_of_the_slow_as_of_the_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def benchmark(workload: Workload, url: str, pid: int, requests: int) -> Report:
        asked.append(requests)
        rate = 100_000.0 * len(asked)
        return Report(requests, requests / rate, rate, 1.0, {})

    monkeypatch.setattr(measuring, "redis_benchmark", benchmark)
    monkeypatch.setattr(measuring, "PROBES", {})
    (unit,) = (unit for unit in plan.units("core", ["kv-set"]) if unit.measure == "throughput")
    server = SimpleNamespace(system=SimpleNamespace(label="any", warm_up=1.5), url="tcp://127.0.0.1:7999", pid=os.getpid())
    fresh = iter((True, False))
    fleet: Any = SimpleNamespace(get=lambda system: (server, next(fresh)))
    meter = Meter(unit, fleet, Load([]), 0, lambda: 0.0)
    for _ in range(2):
        assert meter.figures(server.system).values["throughput"] == 100_000.0 * len(asked)
    # The first, the warm-up at the rate of that, and each run at the rate of the warm-up.
    assert asked == [KV_FIRST, 150_000, *[round(200_000 * KV_SECONDS)] * 2]


def test_load_is_asked_for_the_workload(monkeypatch: pytest.MonkeyPatch) -> None:
    said = saying(monkeypatch, REPORT.format(wrong=0, errors=0))
    report = Load(["load"]).timed(named("echo-16-deep"), "tcp://127.0.0.1:1", 7, 0.1, 0.5, 40_000)
    assert report.throughput == 10.0
    words = "load --connections 50 --size 64 --depth 16 --mode open --rate 40000"
    assert said.command == f"{words} --warmup 0.1 --duration 0.5 --watch 7 --target tcp://127.0.0.1:1".split()


def test_idle_asks_for_what_can_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    said = saying(monkeypatch, REPORT.format(wrong=0, errors=0))
    Load(["load"]).idle(named("idle-100000"), "tcp://127.0.0.1:1", 7, 19_800)
    words = "load --mode idle --connections 19800 --size 64 --sources 4 --watch 7 --target tcp://127.0.0.1:1"
    assert said.command == words.split()


@pytest.mark.parametrize(("wrong", "errors", "what"), [(3, 0, "wrong answers: 3"), (0, 2, "failed: 2 errors of connections")])
def test_what_load_complains_of_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, wrong: int, errors: int, what: str
) -> None:
    saying(monkeypatch, REPORT.format(wrong=wrong, errors=errors))
    with pytest.raises(Fault, match=f"^{what}$"):
        Load(["load"]).counted(named("frames"), "tcp://127.0.0.1:1", 10)


def test_a_load_without_a_report_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    saying(monkeypatch, "")
    with pytest.raises(Fault, match="^failed: the load printed no report$"):
        Load(["load"]).counted(named("frames"), "tcp://127.0.0.1:1", 10)


def test_a_load_that_fails_gives_its_last_words() -> None:
    with pytest.raises(Fault, match="^failed: no route$"):
        loads.run(["sh", "-c", "echo first >&2; echo no route >&2; exit 1"], 1)


@pytest.mark.parametrize("errors", ["         1", ""])
def test_calls_are_the_total_of_the_table(errors: str) -> None:
    assert calls(STRACE.format(errors=errors)) == 29


def test_instructions_are_the_total_of_the_profile() -> None:
    assert instructions("events: Ir\nfn=(1)\n12 40\nsummary: 4567\n") == 4567
    assert instructions("events: Ir\n\ntotals: 89\n") == 89


def test_the_server_becomes_callgrind_with_hashes_that_are_the_same_every_time() -> None:
    under = tool("instructions", Path("counted"))
    assert not under.parent
    assert list(under.command[:4]) == ["env", "PYTHONHASHSEED=0", "valgrind", "--quiet"]
    assert under.command[-1] == "--callgrind-out-file=counted"


@pytest.mark.parametrize(("name", "runs"), [("echo-64x50", [1_000, 11_000]), ("echo-16-deep", [16_000, 176_000])])
def test_what_start_and_stop_cost_cancels_out(monkeypatch: pytest.MonkeyPatch, name: str, runs: list[int]) -> None:
    asked: list[int] = []

    def count(measure: str, fleet: Fleet, load: Load, system: System, workload: Workload, requests: int) -> int:
        asked.append(requests)
        return 500 + 2 * requests

    monkeypatch.setattr(counting, "_count", count)
    fleet = Fleet("echo", "tcp", Path(), Path())
    assert counting.per_request("syscalls", fleet, Load([]), SYSTEMS[0], named(name)) == 2.0
    assert asked == runs


@pytest.mark.parametrize("read", [calls, instructions])
def test_nothing_counted_is_a_fault(read: object) -> None:
    assert callable(read)
    with pytest.raises(Fault):
        read("")
