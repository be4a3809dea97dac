"""What ours in Python are to reach beside the peers in Python, each in the workload that shows it."""

from __future__ import annotations

from dataclasses import dataclass

from .systems import HOSTED, LIMIT, LISTS


@dataclass(frozen=True)
class Goal:
    says: str
    workload: str
    ours: str
    peer: str
    # The ratio of throughputs that is asked at least, and the instructions that are at most; without them it is only told.
    ratio: float | None = None
    instructions: int | None = None


ONE_BY_ONE = "frames, a callback and a write for each"


def frames(workload: str, ratio: float, instructions: int) -> Goal:
    return Goal(ONE_BY_ONE, workload, "reactor-python", "uvloop", ratio, instructions)


def kv(command: str) -> tuple[Goal, ...]:
    """Of the example, which has many commands and more, and of what has only those that the peers have."""
    says = {"reactor-python": "the example kv", LISTS: "the peers' cache, commands as a list for each read"}
    asked = [
        Goal(says[ours], f"kv-{command}", ours, peer, ratio)
        for ours in says
        for peer, ratio in (("uvloop", 2.0), ("uvloop-hiredis", 1.2))
    ]
    if command != "ping":
        asked.append(Goal(says[LISTS], f"kv-{command}", LISTS, "uvloop-split"))
    return tuple(asked)


def hosted(ours: str) -> tuple[Goal, ...]:
    if "protocol" not in ours:
        return (Goal("raw echo inside an event loop", "echo-64x50", ours, "uvloop", 1.1),)
    asked = (("uvloop", 1.1), ("aiofastnet-uvloop", 1.0))
    return tuple(Goal("raw echo by the peers' protocol", "echo-64x50", ours, peer, ratio) for peer, ratio in asked)


GOALS = (
    Goal("raw echo", "echo-64x50", "reactor-python", LIMIT, 1.0, 1_400),
    frames("frames", 1.3, 2_750),
    frames("frames-16-deep", 1.8, 1_450),
    frames("frames-64-deep", 1.4, 1_350),
    Goal("frames as a list for each read", "frames-64-deep", LISTS, "uvloop", 1.8, 750),
    *(goal for command in ("ping", "set", "get") for goal in kv(command)),
    *(goal for ours in HOSTED for goal in hosted(ours)),
)


def compared(workload: str) -> frozenset[str]:
    """Whose throughput the goals of a workload are about."""
    return frozenset(label for goal in GOALS if goal.workload == workload for label in (goal.ours, goal.peer))
