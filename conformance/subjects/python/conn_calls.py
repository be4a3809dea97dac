"""Calls on a connection."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Union

import framings
import reactor
import terms
from report import complain, emit, thread
from text import pattern, seconds, slices, word
from world import Context, World

Target = Union[reactor.Conn, "tuple[reactor.Server, int]"]


class On:
    """A connection that a call is made on: its own methods, or the server's by its id."""

    def __init__(self, world: World, target: Target) -> None:
        self.world = world
        self._target = target

    @property
    def id(self) -> int:
        return self._target[1] if isinstance(self._target, tuple) else self._target.id

    def method(self, name: str) -> Callable[..., Any]:
        """A method that both have."""
        if isinstance(self._target, tuple):
            server, conn = self._target
            return functools.partial(getattr(server, name), conn)
        method: Callable[..., Any] = getattr(self._target, name)
        return method

    def conn(self) -> reactor.Conn:
        """The object, for what a server does not have by id."""
        if isinstance(self._target, tuple):
            server, conn = self._target
            return server.conn(conn)
        return self._target

    def address(self, name: str) -> object:
        """An address: a property, or a method by id."""
        found = getattr(self._target, name) if not isinstance(self._target, tuple) else self.method(name)()
        return str(found)

    def run(self, function: Callable[[reactor.Conn], object]) -> None:
        self.method("run_on_conn" if isinstance(self._target, tuple) else "run_on_loop")(function)


def make(on: On, line: str) -> object:
    """Makes a call: its result."""
    name, rest = word(line)
    if name in PLAIN:
        return done(on.method(name))
    if name not in CALLS:
        complain(f"unknown call {line}")
        return "unknown"
    return CALLS[name](on, rest)


def done(method: Callable[..., object], *arguments: object, **options: object) -> str:
    """Makes a call: what the protocol calls RESULT. Only a write answers False."""
    return "high" if method(*arguments, **options) is False else "ok"


# ---- writing ----


def write_then(on: On, rest: str) -> str:
    tag, sizes = word(rest)
    conn = str(on.id)

    def complete(sent: bool) -> None:
        emit("completed", id=conn, tag=tag, result="sent" if sent else "cancelled", thread=thread())
        if tag == "fail":
            raise RuntimeError("told to fail")

    return done(on.method("writelines"), slices(sizes.split()), on_complete=complete)


def send_to(on: On, rest: str) -> str:
    address, text = word(rest)
    return done(on.method("send_to"), address, text.encode())


# ---- changing ----


def set_framing(on: On, spec: str) -> str:
    framing, frames = framings.parse(spec)
    on.conn().set_framing(framing)
    on.world.conns[on.id] = frames
    return "ok"


def set_timeouts(on: On, rest: str) -> str:
    idle, read, write = map(seconds, rest.split())
    return done(on.conn().set_timeouts, idle=idle, read=read, write=write)


#: What makes the value of a socket's option; the others are numbers.
OPTIONS: dict[str, Callable[[str], object]] = {
    "nodelay": terms.is_on,
    "broadcast": terms.is_on,
    "multicast-loop": terms.is_on,
    "keepalive": terms.keepalive,
}


def set_option(on: On, rest: str) -> str:
    name, value = word(rest)
    conn = on.conn()
    if name == "join":
        return done(conn.join_multicast, value)
    if name == "leave":
        return done(conn.leave_multicast, value)
    return done(conn.set_options, **{name.replace("-", "_"): OPTIONS.get(name, int)(value)})


# ---- looking ----


def info(on: On, _: str) -> object:
    found: reactor.ConnInfo = on.method("info")()
    return {
        "listener": found.listener,
        "loop": found.loop,
        "age_ms": round(found.age * 1000),
        "received": found.bytes_received,
        "sent": found.bytes_sent,
        "queued": found.queued_bytes,
    }


# ---- on its loop ----


def run(on: On, call: str) -> str:
    """Has the connection's loop make a call."""
    world = on.world

    def job(conn: reactor.Conn) -> None:
        if call == "fail":
            raise RuntimeError("told to fail")
        try:
            result = make(On(world, conn), call)
        except reactor.Error as error:
            result = error.kind
        emit("ran", id=str(conn.id), call=call, result=result, thread=thread())

    return done(on.run, job)


def start_timer(on: On, rest: str) -> int:
    delay, repeat = map(seconds, rest.split())
    return on.world.remember(on.conn().set_timer(delay, repeat))


def context(on: On, text: str) -> str | None:
    conn = on.conn()
    if text:
        conn.context = Context(text)
        return "ok"
    return conn.context.text if isinstance(conn.context, Context) else None


PLAIN = frozenset("end close abort detach wake pause resume hold release".split())

CALLS: dict[str, Callable[[On, str], object]] = {
    "write": lambda on, size: done(on.method("write"), pattern(size)),
    "text": lambda on, text: done(on.method("write"), f"{text}\n".encode()),
    "bytes": lambda on, digits: done(on.method("write"), bytes.fromhex(digits)),
    "gather": lambda on, sizes: done(on.method("writelines"), slices(sizes.split())),
    "write-then": write_then,
    "frame": lambda on, text: done(on.method("write_frame"), text.encode()),
    "send-to": send_to,
    "framing": set_framing,
    "timeouts": set_timeouts,
    "option": set_option,
    "info": info,
    "remote": lambda on, _: on.address("remote_address"),
    "local": lambda on, _: on.address("local_address"),
    "credentials": lambda on, _: on.conn().peer_credentials._asdict(),
    "run": run,
    "keep": lambda on, count: done(on.conn().keep, int(count)),
    "timer": start_timer,
    "cancel": lambda on, number: on.world.cancel(number),
    "context": context,
}
