"""One run of one system, measured the way a unit says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .cores import RESERVED
from .counting import per_request
from .loads import KV_FIRST, KV_SECONDS, Load, Report, redis_benchmark, wrk
from .plan import Unit
from .probe import PROBES
from .samples import Fault
from .servers import Fleet, Server
from .systems import System
from .workloads import RATE

# A system that answers less than this part of what is offered has not met the load, and gets no figure.
MET = 0.95


@dataclass(frozen=True)
class Figures:
    values: dict[str, float]
    notes: dict[str, float]


@dataclass
class Meter:
    """Measures the systems of one unit. `base` tells the limit's closed-loop rate, which latency is measured against."""

    unit: Unit
    fleet: Fleet
    load: Load
    descriptors: int
    base: Callable[[], float]
    # What redis-benchmark has a server answer in a second, by its system's label, as its warm-up has found.
    _kv_rates: dict[str, float] = field(default_factory=dict)

    def figures(self, system: System) -> Figures:
        if self.unit.measure == "memory":
            return self._memory(system)
        if not self.unit.repeats:
            counted = per_request(self.unit.measure, self.fleet, self.load, system, self.unit.workload)
            return Figures({f"{self.unit.measure}_per_request": counted}, {})
        server, fresh = self.fleet.get(system)
        if fresh:
            self._warm_up(server)
        if self.unit.measure == "throughput":
            return self._throughput(server)
        return self._cost(server) if self.unit.measure == "cost" else self._latency(server)

    def _warm_up(self, server: Server) -> None:
        workload = self.unit.workload
        if workload.kind in PROBES:
            PROBES[workload.kind](server.url)
        if workload.tool == "redis-benchmark":
            first = redis_benchmark(workload, server.url, server.pid, KV_FIRST)
            requests = round(first.throughput * server.system.warm_up)
            warm = redis_benchmark(workload, server.url, server.pid, requests)
            self._kv_rates[server.system.label] = warm.throughput
        elif workload.tool == "wrk":
            wrk(server.url, server.pid, max(1, round(server.system.warm_up)))
        else:
            self.load.timed(workload, server.url, server.pid, 0.0, server.system.warm_up)

    def _throughput(self, server: Server) -> Figures:
        workload, rounds = self.unit.workload, self.unit.rounds
        if workload.tool == "wrk":
            report = wrk(server.url, server.pid, 1)
        elif workload.tool == "redis-benchmark":
            requests = round(self._kv_rates[server.system.label] * KV_SECONDS)
            report = redis_benchmark(workload, server.url, server.pid, requests)
        else:
            report = self.load.timed(workload, server.url, server.pid, rounds.warm_up, rounds.seconds)
        if not report.requests:
            raise Fault("failed: no request was answered")
        values = {"throughput": report.throughput} | cost(report, "cpu_per_request_saturated")
        return Figures(values, lost(report))

    def _cost(self, server: Server) -> Figures:
        report = self._offered(server, RATE)
        return Figures(cost(report, "cpu_per_request"), {"offered": RATE} | lost(report))

    def _latency(self, server: Server) -> Figures:
        rate = round(self.base() * self.unit.workload.share, -3)
        report = self._offered(server, int(rate))
        if self.unit.workload.load.get("hoarders") and not report.content["cut_off"]:
            raise Fault("failed: nobody who holds much was cut off")
        latency = report.content["latency"]
        values = {f"latency_{name}": float(latency[name]) for name in ("p50", "p99", "p999", "max")}
        return Figures(values, {"offered": rate})

    def _offered(self, server: Server, rate: int) -> Report:
        rounds = self.unit.rounds
        report = self.load.timed(self.unit.workload, server.url, server.pid, rounds.warm_up, rounds.seconds, rate)
        if report.throughput < rate * MET:
            raise Fault(f"too slow: {report.throughput:,.0f} of {rate:,} requests/s")
        return report

    def _memory(self, system: System) -> Figures:
        connections = min(self.unit.workload.connections, self.descriptors - RESERVED)
        with self.fleet.own(system) as server:
            report = self.load.idle(self.unit.workload, server.url, server.pid, connections)
        held = float(report.content["connections"])
        return Figures({"bytes_per_connection": float(report.content["bytes_per_connection"])}, {"held": held})


def cost(report: Report, metric: str) -> dict[str, float]:
    """Nanoseconds of the server's processor per request, where the load could see it."""
    if report.processor_seconds is None:
        return {}
    return {metric: report.processor_seconds / report.requests * 1e9}


def lost(report: Report) -> dict[str, float]:
    datagrams = report.content.get("lost")
    return {"lost": float(datagrams)} if datagrams else {}
