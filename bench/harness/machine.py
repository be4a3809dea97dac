"""Where and with what a run was made: the machine, and the version of every system."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .systems import HOSTED, INLINE

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Run:
    """What the report says about a run as a whole."""

    command: str
    date: str
    seed: int
    machine: dict[str, str] = field(default_factory=dict)
    # By label of the system.
    versions: dict[str, str] = field(default_factory=dict)


def matched(path: str, pattern: str) -> Callable[[Path], str]:
    """The first group of a pattern in a file of the repository."""

    def look(root: Path) -> str:
        file = root / path
        found = re.search(pattern, file.read_text(), re.MULTILINE) if file.is_file() else None
        return found[1] if found else UNKNOWN

    return look


def printed(*command: str, pattern: str = r"(.+)") -> Callable[[Path], str]:
    """The first group of a pattern in what a command prints."""

    def look(root: Path) -> str:
        try:
            ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        except OSError:
            return UNKNOWN
        found = re.search(pattern, ended.stdout + ended.stderr)
        return found[1].strip() if found else UNKNOWN

    return look


def module(path: str, folder: str = ".") -> Callable[[Path], str]:
    """A module of Go's, as go.mod in a folder of the peers in Go pins it."""
    return matched(f"bench/peers/go/{folder}/go.mod", rf"^(?:require)?\s+{re.escape(path)} v(\S+)")


def crate(name: str) -> Callable[[Path], str]:
    return matched("bench/peers/rust/Cargo.lock", rf'^name = "{name}"\nversion = "(.+)"')


def package(name: str) -> Callable[[Path], str]:
    """A package of Python's, as the benchmark's requirements pin it."""
    return matched("bench/requirements.txt", rf"^{name}==(\S+)")


OURS = matched("Cargo.toml", r'^version = "(.+)"')
COMPILER = printed("cc", "--version")
NODE = printed("node", "--version", pattern=r"v(.+)")
PEERS_PYTHON, OUR_PYTHON = "target/bench/venv/bin/python", "target/venv/bin/python"
PYTHON = printed(PEERS_PYTHON, "--version", pattern=r"Python (.+)")

VERSIONS: dict[str, Callable[[Path], str]] = {
    "reactor-rust": OURS,
    "reactor-c": OURS,
    "reactor-python": OURS,
    "reactor-python-lists": OURS,
    **dict.fromkeys(HOSTED, OURS),
    "reactor-node": OURS,
    INLINE: OURS,
    "limit-epoll": COMPILER,
    "limit-uring": printed("pkg-config", "--modversion", "liburing", pattern=r"([\d.]+)"),
    "evio": module("github.com/tidwall/evio", "evio"),
    "gnet": module("github.com/panjf2000/gnet/v2", "gnet"),
    "gev": module("github.com/Allenxuxu/gev", "gev"),
    "netpoll": module("github.com/cloudwego/netpoll"),
    "go-net": printed("go", "version", pattern=r"go(\d\S+)"),
    "libuv": printed("pkg-config", "--modversion", "libuv", pattern=r"([\d.]+)"),
    "libevent": printed("pkg-config", "--modversion", "libevent", pattern=r"([\d.]+\S*)"),
    "tokio": crate("tokio"),
    "mio": crate("mio"),
    "asyncio": PYTHON,
    "uvloop": package("uvloop"),
    "uvloop-split": package("uvloop"),
    "uvloop-hiredis": package("hiredis"),
    "rloop": package("rloop"),
    "aiofastnet-asyncio": package("aiofastnet"),
    "aiofastnet-uvloop": package("aiofastnet"),
    "node-net": NODE,
    "netty": matched("bench/peers/java/pom.xml", r"(4\.\d+\.\d+\.Final)"),
    "redis-server": printed("redis-server", "--version", pattern=r"v=(\S+)"),
}


def versions(root: Path, labels: Sequence[str]) -> dict[str, str]:
    return {label: VERSIONS[label](root) for label in labels}


def interpreters(root: Path) -> dict[str, str]:
    """The build of Python that the systems in Python run by: one line, or if ours has another, two."""
    peers, ours = (printed(python, "bench/harness/interpreter.py")(root) for python in (PEERS_PYTHON, OUR_PYTHON))
    return {"python": peers} if ours in (peers, UNKNOWN) else {"python": peers, "python of reactor-python": ours}


def machine(root: Path, descriptors: int) -> dict[str, str]:
    memory = matched("/proc/meminfo", r"^MemTotal:\s+(\d+) kB")(root)
    return {
        "processor": matched("/proc/cpuinfo", r"^model name\s*: (.+)")(root),
        "processors": str(len(re.findall(r"^processor", Path("/proc/cpuinfo").read_text(), re.MULTILINE))),
        "memory": f"{int(memory) / 2**20:.0f} GiB" if memory.isdigit() else UNKNOWN,
        "kernel": f"{platform.system()} {platform.release()}",
        "descriptors": f"{descriptors:,} per process",
        "rustc": printed("rustc", "--version")(root),
        "cc": COMPILER(root),
        **interpreters(root),
        "revision": printed("git", "rev-parse", "--short", "HEAD", pattern=r"^([0-9a-f]+)$")(root),
    }
