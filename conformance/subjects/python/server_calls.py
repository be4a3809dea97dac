"""Calls on the server."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Callable

import reactor
import terms
from conn_calls import done
from report import complain, emit, thread
from text import seconds, word
from world import World


def make(world: World, server: reactor.Server, line: str) -> object:
    """Makes a call: its result."""
    name, rest = word(line)
    if name not in CALLS:
        complain(f"unknown call server {line}")
        return "unknown"
    return CALLS[name](world, server, rest)


# ---- listeners ----


def listen_at(world: World, server: reactor.Server, url: str, text: str) -> reactor.Listening:
    """Listens, and remembers how the input of the listener's connections comes."""
    options, frames = terms.of_listener(text)
    listening = server.listen(url, **options)
    world.listeners[listening.listener] = frames
    return listening


def listen_inherited(world: World, server: reactor.Server, text: str) -> list[reactor.Listening]:
    options, frames = terms.of_listener(text)
    found = server.listen_inherited(**options)
    world.listeners.update({listening.listener: frames for listening in found})
    return found


def described(listening: reactor.Listening) -> dict[str, object]:
    return {"listener": listening.listener, "url": str(listening)}


def close_listener(_: World, server: reactor.Server, rest: str) -> str:
    number, refuse = word(rest)
    return done(server.close_listener, int(number), refuse == "refuse")


# ---- connections of its own ----


def connect(_: World, server: reactor.Server, rest: str) -> str:
    url, options = word(rest)
    return str(server.connect(url, **terms.of_connection(options)))


def enroll(_: World, server: reactor.Server, rest: str) -> str:
    url, options = word(rest)
    if url != "null":
        return str(server.enroll(dialled(url), **terms.of_connection(options)))
    number = os.open(os.devnull, os.O_RDONLY)
    try:
        return str(server.enroll(number, **terms.of_connection(options)))
    except reactor.Error:
        os.close(number)
        raise


def dialled(url: str) -> socket.socket:
    """A socket connected to a URL."""
    scheme, _, address = url.partition("://")
    if scheme == "tcp":
        host, _, port = address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)))
    connected = socket.socket(socket.AF_UNIX)
    connected.connect("\0" + address[1:] if address.startswith("@") else address)
    return connected


# ---- on its loops ----


def play(world: World, server: reactor.Server, call: str) -> object:
    """Makes a call on the server, or fails."""
    if call == "fail":
        raise RuntimeError("told to fail")
    try:
        return make(world, server, call)
    except reactor.Error as error:
        return error.kind


def run(world: World, server: reactor.Server, rest: str) -> str:
    """Has a loop make a call: `LOOP CALL`."""
    loop, call = word(rest)

    def job() -> None:
        emit("ran", id=None, call=call, result=play(world, server, call), thread=thread())

    return done(server.run_on_loop, int(loop), job)


def start_timer(world: World, server: reactor.Server, rest: str) -> int:
    """`DELAY REPEAT [CALL]`."""
    delay, times = word(rest)
    repeat, call = word(times)
    # Known when the timer is due: it cannot be before this returns.
    number: list[int] = []

    def due() -> None:
        result = play(world, server, call) if call else None
        emit("timer", id=None, timer=number[0], result=result, thread=thread())

    number.append(world.remember(server.set_timer(seconds(delay), due, repeat=seconds(repeat))))
    return number[0]


# ---- seeing inside ----


def metrics(_: World, server: reactor.Server, loop: str) -> object:
    found = server.metrics(int(loop) if loop else None)
    names = [field.name for field in dataclasses.fields(found) if field.name not in ("closed", "delay")]
    nanoseconds = {name: round(found.delay.percentile(q) * 1e9) for name, q in (("p50", 0.5), ("p99", 0.99))}
    return {
        **{name: getattr(found, name) for name in names},
        "closed": {str(reason): count for reason, count in found.closed.items()},
        "delay": {"count": found.delay.count, **nanoseconds},
    }


def stop_gracefully(_: World, server: reactor.Server, milliseconds: str) -> str:
    return done(server.stop_gracefully, seconds(milliseconds) or None)


CALLS: dict[str, Callable[[World, reactor.Server, str], object]] = {
    "listen": lambda world, server, rest: described(listen_at(world, server, *word(rest))),
    "listen-inherited": lambda world, server, rest: list(map(described, listen_inherited(world, server, rest))),
    "close-listener": close_listener,
    "listeners": lambda _, server, rest: list(map(described, server.listeners)),
    "endpoints": lambda _, server, number: list(map(str, server.endpoints(int(number)))),
    "connect": connect,
    "enroll": enroll,
    "run": run,
    "timer": start_timer,
    "cancel": lambda world, _, number: world.cancel(number),
    "current-loop": lambda _, server, rest: server.current_loop(),
    "loops": lambda _, server, rest: server.loops,
    "metrics": metrics,
    "start": lambda world, server, rest: done(world.way.start, server),
    "wait": lambda world, server, rest: done(world.way.wait, server),
    "stop": lambda _, server, rest: done(server.stop),
    "stop-gracefully": stop_gracefully,
    "free": lambda _, server, rest: "n/a",
}
