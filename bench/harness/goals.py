"""What ours in Python and in Node are to reach beside the peers of their language, each in the workload that shows it."""

from __future__ import annotations

from dataclasses import dataclass

from .systems import HOSTED, INLINE, LIMIT, LISTS, OURS_IN_NODE


@dataclass(frozen=True)
class Goal:
    says: str
    workload: str
    ours: str
    peer: str
    # The ratio of throughputs that is asked at least, and the instructions that are at most; without them it is only told.
    ratio: float | None = None
    instructions: int | None = None

    @property
    def language(self) -> str:
        return "Node" if self.ours in OURS_IN_NODE else "Python"


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


def in_node(says: str, workload: str, inline: tuple[float | None, float], threads: tuple[float | None, float]) -> tuple[Goal, ...]:
    """What is asked of both ways, of the bare loop, if anything, and of node:net."""
    asked = {INLINE: inline, "reactor-node": threads}
    return tuple(
        Goal(says, workload, ours, peer, ratio)
        for ours, ratios in asked.items()
        for peer, ratio in zip((LIMIT, "node-net"), ratios, strict=True)
        if ratio is not None
    )


GOALS = (
    Goal("raw echo", "echo-64x50", "reactor-python", LIMIT, 1.0, 1_400),
    frames("frames", 1.3, 2_750),
    frames("frames-16-deep", 1.8, 1_450),
    frames("frames-64-deep", 1.4, 1_350),
    Goal("frames as a list for each read", "frames-64-deep", LISTS, "uvloop", 1.8, 750),
    *(goal for command in ("ping", "set", "get") for goal in kv(command)),
    *(goal for ours in HOSTED for goal in hosted(ours)),
    *in_node("raw echo", "echo-64x50", (0.85, 1.8), (0.75, 1.5)),
    *in_node("raw echo", "echo-16k", (0.75, 1.2), (0.6, 1.0)),
    *in_node(ONE_BY_ONE, "frames-16-deep", (0.8, 1.8), (0.65, 1.7)),
    *in_node(ONE_BY_ONE, "frames-64-deep", (0.4, 1.8), (None, 1.6)),
    *(goal for command in ("ping", "set", "get") for goal in in_node("the peers' cache", f"kv-{command}", (None, 1.3), (None, 1.4))),
)


def compared(workload: str) -> frozenset[str]:
    """Whose throughput the goals of a workload are about that need narrow bounds: those in Python, many of which are close."""
    asked = [goal for goal in GOALS if goal.workload == workload and goal.language == "Python"]
    return frozenset(label for goal in asked for label in (goal.ours, goal.peer))
