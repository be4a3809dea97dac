"""Who is compared: every system, the kinds of server it offers, and the command that starts each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# The bare epoll loop, which every figure is compared with.
LIMIT = "limit-epoll"
# Ours in Python with a callback for each read's messages, beside the one with a callback for each message.
LISTS = "reactor-python-lists"
# Ours in Node without a thread: driven by Node's own event loop.
INLINE = "reactor-node-inline"
# Ours in Node, both ways.
OURS_IN_NODE = ("reactor-node", INLINE)
# Ours inside the event loop of asyncio and of uvloop: with callbacks of ours, and with the peers' own protocols.
HOSTED = tuple(f"reactor-{way}-{loop}" for way in ("python", "protocol") for loop in ("asyncio", "uvloop"))
# Ours whose figures are followed most closely, and compared with each peer.
CLOSELY = ("reactor-rust", "reactor-c")
# Ours in Python, compared with each peer in Python.
OURS_IN_PYTHON = ("reactor-python", LISTS)
# Seconds of load before what an interpreter runs is measured: its first second can be five times slower than the next.
# A virtual machine that compiles on the way needs longer.
INTERPRETER, VIRTUAL_MACHINE = 1.5, 3.0


@dataclass(frozen=True)
class System:
    name: str
    language: str
    # Kind → command, from the root of the repository. `{url}` is where to listen, `{port}` a port that is free.
    commands: Mapping[str, tuple[str, ...]]
    # Seconds of load before it is measured, for what compiles or tunes itself while it runs.
    warm_up: float = 0.2
    # Compiled ahead of time, and at home under valgrind.
    native: bool = False
    # The units that it takes part in, as "echo-64x50.throughput", where they are not all that it offers the kind of.
    only: tuple[str, ...] = ()
    # The same for measures.
    measures: tuple[str, ...] = ()

    @property
    def countable(self) -> bool:
        """Whether callgrind counts its instructions: of what is native, and of Python's interpreter with what it runs."""
        return self.native or self.language == "python"

    @property
    def label(self) -> str:
        """Its name, unique among all systems."""
        return f"reactor-{self.language}" if self.name == "reactor" else self.name

    @property
    def ours(self) -> bool:
        return self.name == "reactor" or self.name.startswith("reactor-")


def example(*command: str) -> tuple[str, ...]:
    """An example of the repository, by what examples/run would execute, or by examples/run itself."""
    return (*command, "--listen", "{url}", "--loops", "1")


def peer(name: str, language: str, kinds: str, warm_up: float = 0.2, native: bool = False) -> System:
    """A system whose one program offers all its kinds."""
    commands = {kind: (f"target/bench/bin/{name}", kind, "{url}") for kind in kinds.split()}
    return System(name, language, commands, warm_up, native)


def native(name: str, language: str, kinds: str) -> System:
    return peer(name, language, kinds, native=True)


def in_python(name: str, kinds: str) -> System:
    """A peer in Python, by its interpreter: under callgrind a script that starts it would be what is counted."""
    server = ("target/bench/venv/bin/python", "bench/peers/python/server.py", name)
    return System(name, "python", {kind: (*server, kind, "{url}") for kind in kinds.split()}, INTERPRETER)


def in_node(name: str, kinds: str) -> System:
    server = ("node", "bench/peers/node/server.mjs")
    return System(name, "node", {kind: (*server, kind, "{url}") for kind in kinds.split()}, INTERPRETER)


def uvloop_kv(name: str, kind: str, only: tuple[str, ...] = ()) -> System:
    """A peer in Python that cuts commands in a way of its own."""
    command = in_python("uvloop", kind).commands[kind]
    return System(name, "python", {"kv": command}, INTERPRETER, only=only)


def example_in_python(name: str) -> tuple[str, ...]:
    return example("target/venv/bin/python", f"examples/python/{name}.py")


def ours_in_python(kind: str) -> tuple[str, ...]:
    return ("target/venv/bin/python", "bench/servers/python/server.py", kind, "{url}")


def hosted(name: str) -> System:
    """Ours inside the event loop of another, in the few units that tell it from ours alone."""
    _, way, loop = name.split("-")
    server = ("target/venv/bin/python", "bench/servers/python/hosted.py", loop)
    if way == "protocol":
        commands = {kind: (*server, "protocols", kind, "{url}") for kind in ("echo", "frames")}
    else:
        commands = {"echo": (*server, "callbacks", "echo", "{url}")}
    return System(name, "python", commands, INTERPRETER, only=("echo-64x50.throughput", "echo-64x50.instructions", "frames.throughput"))


# What the benchmark's own server in Node offers beside the example.
SERVED_IN_NODE = ("frames", "answers", "kv", "broadcast", "budget")


def ours_in_node(mode: str, kind: str) -> tuple[str, ...]:
    return ("node", "bench/servers/node/server.mjs", mode, kind, "{url}")


def closely(language: str, examples: str, servers: str) -> System:
    """Rust or C: examples where there are some, and a program of the benchmark's own for the rest."""
    commands = {kind: example(f"{examples}/{kind}") for kind in ("echo", "http", "kv")}
    commands["udp"] = commands["echo"]
    for kind in ("frames", "answers", "broadcast", "budget"):
        commands[kind] = (servers, kind, "{url}")
    return System("reactor", language, commands, native=True)


REDIS = ("redis-server", "--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port", "{port}")

SYSTEMS = (
    closely("rust", "target/release", "target/release/reactor-bench-servers"),
    closely("c", "target/examples/c", "target/bench/bin/reactor-c"),
    System(
        "reactor",
        "python",
        {
            "echo": example_in_python("echo"),
            "udp": example_in_python("echo"),
            "http": example_in_python("http_server"),
            "kv": example_in_python("kv"),
            **{kind: ours_in_python(kind) for kind in ("frames", "answers", "broadcast", "budget")},
        },
        INTERPRETER,
    ),
    System(LISTS, "python", {"frames": ours_in_python("lists"), "kv": ours_in_python("kv")}, INTERPRETER),
    *(hosted(name) for name in HOSTED),
    System(
        "reactor",
        "node",
        {
            "echo": example("examples/run", "node", "echo"),
            "udp": example("examples/run", "node", "echo"),
            "http": example("examples/run", "node", "http"),
            **{kind: ours_in_node("threads", kind) for kind in SERVED_IN_NODE},
        },
        INTERPRETER,
    ),
    System(
        INLINE,
        "node",
        {kind: ours_in_node("inline", kind) for kind in ("echo", "udp", *SERVED_IN_NODE)},
        INTERPRETER,
        measures=("throughput", "syscalls"),
    ),
    native("limit-epoll", "c", "echo frames answers http kv udp broadcast"),
    peer("limit-uring", "c", "echo frames udp"),  # valgrind does not know io_uring.
    peer("evio", "go", "echo frames http udp"),
    peer("gnet", "go", "echo frames http udp broadcast"),
    peer("gev", "go", "echo frames broadcast"),
    peer("netpoll", "go", "echo frames broadcast"),
    peer("go-net", "go", "echo frames http udp broadcast"),
    native("libuv", "c", "echo frames udp broadcast"),
    native("libevent", "c", "echo frames http broadcast"),
    native("tokio", "rust", "echo frames http udp broadcast"),
    native("mio", "rust", "echo frames udp broadcast"),
    in_python("asyncio", "echo frames udp broadcast"),
    in_python("uvloop", "echo frames udp broadcast kv"),
    uvloop_kv("uvloop-split", "kv-split", only=("kv-set.throughput", "kv-get.throughput")),
    uvloop_kv("uvloop-hiredis", "kv-hiredis"),
    in_python("rloop", "echo frames udp broadcast"),
    in_python("aiofastnet-asyncio", "echo frames udp broadcast"),
    in_python("aiofastnet-uvloop", "echo frames udp broadcast"),
    in_node("node-net", "echo frames kv http udp broadcast"),
    peer("netty", "java", "echo frames http udp broadcast", VIRTUAL_MACHINE),
    System("redis-server", "c", {"kv": REDIS}),
)
