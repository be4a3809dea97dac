"""The promises of the contract, and the marks that tie cases to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from harness.poller import MISSING

Case = TypeVar("Case", bound=Callable[..., None])

SUBJECTS = ("rust", "c", "python", "python-asyncio", "node", "node-inline")

#: Subjects whose server has one loop, on the thread of its host, however many a case asks for.
ONE_LOOP = frozenset({"python-asyncio", "node-inline"})

CONTRACT = tuple(
    f"{chapter}{number}"
    for chapter, count in {"A": 6, "B": 3, "L": 8, "D": 9, "T": 4, "S": 4, "R": 5, "M": 2}.items()
    for number in range(1, count + 1)
)

#: Promises that must have a case for every subject; the run fails without one.
REQUIRED = frozenset(
    ["A1", "A2", "A3", "A4", "A5", "A6", "B2", "L1", "L2", "L3", "L4", "L5", "L8"]
    + ["D1", "D2", "D3", "D4", "D5", "T3", "T4", "S1", "S2", "R1", "R2", "R4", "R5"]
)

#: The parts of PROTOCOL.md that a subject may not have yet.
PARTS = {
    "calls": "the calls, their control commands, the flags and events not named below",
    "outgoing": "connect, enroll",
    "udp": "UDP addresses, send-to, endpoints",
    "framing": "framings, frame, mode keep",
    "custom": "the framing custom",
    "timers": "timer, cancel, --ticks, time-outs",
    "detach": "the action and the call detach",
    "context": "context",
    "let-go": "the event context-destroyed",
    "hosted": "--hosted",
    "fork": "--fork, the control command fork",
    "signals": "--signals",
    "log": "--log",
    "metrics": "metrics",
    "in-turn": "callbacks within the loop's turn: while one blocks, its loop stands still",
    "budget": "--byte-budget, --stall-limit-ms, --keep-on-overflow",
}

_ALL = frozenset(PARTS) - MISSING

_NODE = frozenset(
    {"calls", "outgoing", "udp", "framing", "timers", "detach", "context", "log", "signals", "metrics", "budget"}
)

#: What each subject has. A case that needs more is left out for it.
CAPABILITIES: dict[str, frozenset[str]] = {
    "rust": _ALL,
    "c": _ALL,
    "python": _ALL,
    "python-asyncio": _ALL,
    "node": _NODE,
    "node-inline": _NODE | {"hosted", "custom", "in-turn"},
}

_NEVER_NODE = {
    "fork": "JavaScript has no fork(2)",
    "let-go": "JavaScript's machine lets an object go when it likes, and says nothing",
}

#: Parts that a subject cannot have, and why.
NEVER: dict[str, dict[str, str]] = {
    "node": {
        **_NEVER_NODE,
        "hosted": "who hosts a server in Node is Node's event loop: mode 'inline', the subject node-inline",
        "in-turn": "no JavaScript runs on a loop's thread, so none stands still while a callback blocks",
    },
    "node-inline": _NEVER_NODE,
}


def promises(*numbers: str) -> pytest.MarkDecorator:
    """Marks a case with the promises that it proves."""
    unknown = set(numbers) - set(CONTRACT)
    if unknown or not numbers:
        raise ValueError(f"no promise of the contract: {sorted(unknown)}")
    return pytest.mark.promises(*numbers)


def needs(*parts: str) -> pytest.MarkDecorator:
    """Marks a case with the parts of the protocol that it uses, beyond what every subject has."""
    unknown = set(parts) - PARTS.keys()
    if unknown or not parts:
        raise ValueError(f"no part of the protocol: {sorted(unknown)}")
    return pytest.mark.needs(*parts)


def not_for(subject: str, reason: str) -> pytest.MarkDecorator:
    """Leaves a subject out of a case, for a reason that the table prints; and with a language its other subjects."""
    if subject not in SUBJECTS:
        raise ValueError(f"no subject: {subject}")
    return pytest.mark.not_for(subject, reason)


#: Why whole subjects are left out.
NO_SUBJECT = dict.fromkeys(ONE_LOOP, "poll(2) has no descriptor that a host could poll") if "hosted" in MISSING else {}


def several_loops(case: Case) -> Case:
    """Leaves subjects out of a case of which the promise is about several loops."""
    for subject in ONE_LOOP:
        case = not_for(subject, "an event loop hosts a server of one loop")(case)
    return case
