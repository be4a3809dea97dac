"""The command line."""

from __future__ import annotations

import argparse
from typing import Any

from report import LEVELS

MODES = ("echo", "script", "keep", "data", "sink")
NUMBERS = (
    *("loops", "high-water", "low-water", "hard-limit", "read-budget"),
    *("stall-limit-ms", "max-connections", "max-connections-per-address", "stop-deadline-ms"),
)
SCRIPTS = ("start", "open", "drain", "close", "eof", "wake", "timer")
TEXTS = ("listen-options", "ticks", *(f"on-{name}" for name in SCRIPTS))
FLAGS = ("keep-on-overflow", "pin", "no-trace", "listen-inherited", "hosted", "fork", "signals", "asyncio", "lists")


def number_or_none(text: str) -> int | None:
    return None if text == "none" else int(text)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--listen", action="append", default=[])
    for name in NUMBERS:
        parser.add_argument(f"--{name}", type=int, default=0)
    for name in ("linger-ms", "byte-budget"):
        parser.add_argument(f"--{name}", type=number_or_none, default=0)
    for name in TEXTS:
        parser.add_argument(f"--{name}", default="")
    for name in FLAGS:
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--mode", choices=MODES, default="script")
    parser.add_argument("--outgoing-mode", choices=MODES, default="data")
    parser.add_argument("--balance", default="round-robin")
    parser.add_argument("--log", choices=LEVELS)
    return parser.parse_args()


def of_server(options: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of the server."""
    plain = (
        *("balance", "pin", "high_water", "low_water", "hard_limit", "keep_on_overflow", "byte_budget"),
        *("read_budget", "max_connections", "max_connections_per_address"),
    )
    loops = options.loops
    if options.asyncio and not options.hosted:
        # The cases that run anywhere do not know that an event loop has one.
        loops = 1
    times = {name: getattr(options, f"{name}_ms") for name in ("linger", "stall_limit", "stop_deadline")}
    return {
        **{name: getattr(options, name) for name in plain},
        "loops": loops,
        "hosted": options.hosted or options.asyncio,
        **{name: None if time is None else time / 1000 for name, time in times.items()},
    }
