"""What is measured: every workload by name, what its server does, the load on it, and which metrics it gives."""

from __future__ import annotations

from dataclasses import dataclass, field

# Requests a second that cost (processor time per request) is measured at: the same for all.
RATE = 40_000
# Shares of the limit's closed-loop rate that latency is measured at, and whose rate that is.
BASE = "echo-64x50"


@dataclass(frozen=True)
class Metric:
    name: str
    unit: str
    higher_is_better: bool
    says: str


METRICS = {
    metric.name: metric
    for metric in (
        Metric("throughput", "requests/s", True, "answers checked per second"),
        Metric("cpu_per_request", "ns", False, f"the server's processor time per request at {RATE:,} requests/s"),
        Metric("cpu_per_request_saturated", "ns", False, "the server's processor time per request at full load"),
        Metric("syscalls_per_request", "calls", False, "system calls per request, by strace"),
        Metric("instructions_per_request", "instructions", False, "user-space instructions per request, by callgrind"),
        Metric("bytes_per_connection", "bytes", False, "resident memory of the process per idle connection"),
        Metric("latency_p50", "us", False, "latency, median, counted from when the request was due"),
        Metric("latency_p99", "us", False, "latency, 99 of 100 are below"),
        Metric("latency_p999", "us", False, "latency, 999 of 1,000 are below"),
        Metric("latency_max", "us", False, "latency, the worst"),
    )
}

# How something is measured, and the metrics that this gives.
MEASURES = {
    "throughput": ("throughput", "cpu_per_request_saturated"),
    "cost": ("cpu_per_request",),
    "latency": ("latency_p50", "latency_p99", "latency_p999", "latency_max"),
    "memory": ("bytes_per_connection",),
    "syscalls": ("syscalls_per_request",),
    "instructions": ("instructions_per_request",),
}


@dataclass(frozen=True)
class Workload:
    name: str
    kind: str
    says: str
    # The arguments of `load` that make it; wrk and redis-benchmark have theirs in loads.py.
    load: dict[str, int | str] = field(default_factory=dict)
    measures: tuple[str, ...] = ("throughput",)
    tool: str = "load"
    scheme: str = "tcp"
    # Only `make bench-full` runs it.
    full: bool = False
    # Fewer rounds are enough: it confirms what another workload says.
    brief: bool = False
    # Latency: at which share of the base's rate.
    share: float = 0.0
    # Systems by label, where not every one that offers the kind takes part.
    only: tuple[str, ...] = ()

    @property
    def connections(self) -> int:
        return int(self.load.get("connections", 50)) + int(self.load.get("idle", 0)) + int(self.load.get("hoarders", 0))

    @property
    def depth(self) -> int:
        """Requests outstanding on each connection."""
        return int(self.load.get("depth", 1))


def echo(name: str, says: str, connections: int = 50, size: int = 64, depth: int = 1, **more: object) -> Workload:
    load: dict[str, int | str] = {"connections": connections, "size": size, "depth": depth}
    return Workload(name, "echo", says, load, **more)  # type: ignore[arg-type]


def latency(percent: int) -> Workload:
    says = f"64 bytes over 50 connections, sent when due, at {percent} % of what {{limit}} does of {BASE}"
    load: dict[str, int | str] = {"connections": 50, "size": 64}
    return Workload(f"latency-{percent}", "echo", says, load, ("latency",), share=percent / 100)


def idle(connections: int) -> Workload:
    says = f"{connections:,} connections asked for, each served once, then silent"
    load: dict[str, int | str] = {"connections": connections, "size": 64, "sources": -(-connections // 25_000)}
    return Workload(f"idle-{connections}", "echo", says, load, ("memory",))


def growth(connections: int) -> Workload:
    says = f"64 bytes, {RATE:,} requests/s in all, over {connections:,} active connections"
    load: dict[str, int | str] = {"connections": connections, "size": 64}
    return Workload(f"growth-{connections}", "echo", says, load, ("cost",), brief=True)


def http(tool: str, name: str, says: str, measures: tuple[str, ...], brief: bool = False) -> Workload:
    return Workload(name, "http", says, {"protocol": "http", "connections": 50}, measures, tool, brief=brief)


def frames(name: str, says: str, depth: int, measures: tuple[str, ...], only: tuple[str, ...] = ()) -> Workload:
    load: dict[str, int | str] = {"protocol": "frames", "connections": 50, "size": 64, "depth": depth}
    return Workload(name, "frames", says, load, measures, only=only)


def kv(command: str) -> Workload:
    says = f"{command.upper()} by redis-benchmark, 50 connections, 16 deep (it does not check the answers)"
    return Workload(f"kv-{command}", "kv", says, {"connections": 50}, tool="redis-benchmark")


# Every system in Python that cuts messages.
IN_PYTHON = (
    "reactor-python",
    "reactor-python-lists",
    "asyncio",
    "uvloop",
    "rloop",
    "aiofastnet-asyncio",
    "aiofastnet-uvloop",
)
# The same in Node.
IN_NODE = ("reactor-node", "reactor-node-inline", "node-net")
# Who is asked what Node's memory costs: ours, and what ours in Node is beside.
OF_NODE = ("reactor-rust", "reactor-c", "reactor-python", *IN_NODE, "limit-epoll")
EVERY = ("throughput", "cost", "syscalls", "instructions")

WORKLOADS = (
    echo("echo-64x50", "64 bytes there and back, 50 connections, one request at a time each", measures=EVERY),
    # Node's Buffer.allocUnsafeSlow keeps up to 64 bytes in V8's own heap and asks for memory above that: what 64 bytes cost is
    # not what 68 do.
    echo("echo-68x50", "68 bytes there and back, 50 connections, one request at a time each", size=68, brief=True, only=OF_NODE),
    echo("echo-512x50", "512 bytes there and back, 50 connections, one request at a time each", size=512, brief=True, only=OF_NODE),
    echo(
        "echo-64x1000",
        "64 bytes there and back, one request at a time on each of 1,000 connections",
        connections=1_000,
        brief=True,
    ),
    echo(
        "echo-16-deep",
        "64 bytes, 50 connections, 16 requests outstanding on each",
        depth=16,
        measures=("throughput", "syscalls", "instructions"),
    ),
    echo("echo-16k", "16 KiB there and back, 50 connections", size=16_384),
    echo("echo-1m", "1 MiB there and back, 10 connections", connections=10, size=1_048_576, brief=True),
    frames("frames", "64 bytes behind a length, 50 connections", 1, EVERY),
    frames("frames-16-deep", "the same, 16 requests outstanding on each", 16, ("throughput", "instructions")),
    frames(
        "frames-64-deep",
        "the same, 64 requests outstanding on each: those in Python and Node",
        64,
        ("throughput", "instructions"),
        only=("limit-epoll", *IN_PYTHON, *IN_NODE),
    ),
    Workload(
        "answers-16k",
        "answers",
        "a request of 64 bytes, an answer of 16 KiB that the server makes, 50 connections",
        {"protocol": "answers", "connections": 50, "size": 64, "reply-size": 16_384},
        full=True,
    ),
    http("load", "http", "GET / with keep-alive, 50 connections, whole answers compared", ("throughput", "cost", "syscalls")),
    http("wrk", "http-wrk", "GET / by wrk, 50 connections (it looks at the status only)", ("throughput",), brief=True),
    kv("ping"),
    kv("set"),
    kv("get"),
    Workload(
        "udp-echo",
        "udp",
        "datagrams of 64 bytes, 10 sockets, 16 outstanding on each; the client offloads segmentation",
        {"connections": 10, "size": 64, "depth": 16},
        ("throughput", "cost", "syscalls"),
        scheme="udp",
    ),
    Workload(
        "udp-plain",
        "udp",
        "the same by a client that leaves segmentation and receive offload alone",
        {"connections": 10, "size": 64, "depth": 16, "offload": "off"},
        scheme="udp",
        brief=True,
    ),
    Workload(
        "connects",
        "echo",
        "connect, one request of 64 bytes, its answer, close; 50 at a time",
        {"mode": "churn", "connections": 50, "size": 64, "sources": 4},
        brief=True,
    ),
    Workload(
        "broadcast",
        "broadcast",
        "a message of 64 bytes from one connection to all 1,000; a request is a delivery",
        {"mode": "broadcast", "connections": 1_000, "size": 64},
        brief=True,
    ),
    latency(50),
    latency(80),
    Workload(
        "latency-attacked",
        "budget",
        f"64 bytes behind a length over 50 connections, at 10 % of what {{limit}} does of {BASE}, beside 100 that begin messages "
        "of 4 MiB and come again when the server, which may hold 16 MiB, cuts them off",
        {"protocol": "frames", "connections": 50, "size": 64, "hoarders": 100, "sources": 4},
        ("latency",),
        share=0.1,
    ),
    *(idle(connections) for connections in (100, 1_000, 10_000, 100_000)),
    *(growth(connections) for connections in (10, 50, 1_000, 10_000)),
    echo(
        "unix-echo",
        "64 bytes over 50 Unix sockets",
        scheme="unix",
        full=True,
        only=("reactor-rust", "reactor-c", "reactor-python", "reactor-node", "reactor-node-inline", "limit-epoll"),
    ),
    Workload(
        "echo-idle-10000",
        "echo",
        "64 bytes over 50 connections beside 10,000 idle ones",
        {"connections": 50, "size": 64, "idle": 10_000},
        full=True,
        brief=True,
    ),
    Workload(
        "echo-slow-readers",
        "echo",
        "64 bytes over 50 connections beside 50 that ask for much and read little",
        {"connections": 50, "size": 64, "slow-readers": 50},
        full=True,
        brief=True,
    ),
)


def named(name: str) -> Workload:
    return next(workload for workload in WORKLOADS if workload.name == name)
