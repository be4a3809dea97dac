"""Handlers that are plain functions."""

from __future__ import annotations

import socket
import types
import typing

from ._errors import InvalidArgumentError, WrongStateError
from ._handler import Handler
from ._native import Conn, Datagram, Server, Timer
from ._types import Action, CloseReason

CALLBACKS = tuple(name for name in vars(Handler) if name.startswith("on_"))
"""The names of all callbacks."""

if typing.TYPE_CHECKING:
    from ._handler import _Answer, _Done

_Function = typing.TypeVar("_Function")
_OnStart = typing.TypeVar("_OnStart", bound="typing.Callable[[Server], Action | None]")
_OnServer = typing.TypeVar("_OnServer", bound="typing.Callable[[Server], None]")
_OnTick = typing.TypeVar("_OnTick", bound="typing.Callable[[Server], float | None]")
_OnConn = typing.TypeVar("_OnConn", bound="typing.Callable[[Conn], _Answer]")
_OnData = typing.TypeVar("_OnData", bound="typing.Callable[[Conn, bytes], _Answer]")
_OnFrames = typing.TypeVar("_OnFrames", bound="typing.Callable[[Conn, list[bytes]], _Answer]")
_OnCommands = typing.TypeVar("_OnCommands", bound="typing.Callable[[Conn, list[list[bytes]]], _Answer]")
_OnDatagram = typing.TypeVar("_OnDatagram", bound="typing.Callable[[Conn, bytes, Datagram], _Answer]")
_OnTimer = typing.TypeVar("_OnTimer", bound="typing.Callable[[Conn, Timer], _Answer]")
_OnDetach = typing.TypeVar("_OnDetach", bound="typing.Callable[[Conn, socket.socket, bytes, bytes], _Done]")
_OnClose = typing.TypeVar("_OnClose", bound="typing.Callable[[Conn, CloseReason, int | None], _Answer]")
_OnError = typing.TypeVar("_OnError", bound="typing.Callable[[Conn | None, BaseException], None]")


class Handlers:
    """A handler that is made of plain functions, each chosen by a decorator:

        app = reactor.Handlers()

        @app.on_data
        def echo(conn, data):
            conn.write(data)

        reactor.Server(app)

    The callbacks are those of `Handler`, without `self`. A callback takes one function, and none any more once a server was made
    of them: several servers may be. The functions stay what they are.
    """

    def __init__(self) -> None:
        self._chosen = types.SimpleNamespace()
        self._taken = False

    def on_start(self, function: _OnStart) -> _OnStart:
        """Chooses the function that is called as `Handler.on_start`."""
        return self._choose("on_start", function)

    def on_open(self, function: _OnConn) -> _OnConn:
        """Chooses the function that is called as `Handler.on_open`."""
        return self._choose("on_open", function)

    def on_data(self, function: _OnData) -> _OnData:
        """Chooses the function that is called as `Handler.on_data`."""
        return self._choose("on_data", function)

    def on_frames(self, function: _OnFrames) -> _OnFrames:
        """Chooses the function that is called as `Handler.on_frames`."""
        return self._choose("on_frames", function)

    def on_command(self, function: _OnFrames) -> _OnFrames:
        """Chooses the function that is called as `Handler.on_command`."""
        return self._choose("on_command", function)

    def on_commands(self, function: _OnCommands) -> _OnCommands:
        """Chooses the function that is called as `Handler.on_commands`."""
        return self._choose("on_commands", function)

    def on_datagram(self, function: _OnDatagram) -> _OnDatagram:
        """Chooses the function that is called as `Handler.on_datagram`."""
        return self._choose("on_datagram", function)

    def on_eof(self, function: _OnConn) -> _OnConn:
        """Chooses the function that is called as `Handler.on_eof`."""
        return self._choose("on_eof", function)

    def on_drain(self, function: _OnConn) -> _OnConn:
        """Chooses the function that is called as `Handler.on_drain`."""
        return self._choose("on_drain", function)

    def on_wake(self, function: _OnConn) -> _OnConn:
        """Chooses the function that is called as `Handler.on_wake`."""
        return self._choose("on_wake", function)

    def on_timer(self, function: _OnTimer) -> _OnTimer:
        """Chooses the function that is called as `Handler.on_timer`."""
        return self._choose("on_timer", function)

    def on_detach(self, function: _OnDetach) -> _OnDetach:
        """Chooses the function that is called as `Handler.on_detach`."""
        return self._choose("on_detach", function)

    def on_close(self, function: _OnClose) -> _OnClose:
        """Chooses the function that is called as `Handler.on_close`."""
        return self._choose("on_close", function)

    def on_tick(self, function: _OnTick) -> _OnTick:
        """Chooses the function that is called as `Handler.on_tick`."""
        return self._choose("on_tick", function)

    def on_pre_write(self, function: _OnServer) -> _OnServer:
        """Chooses the function that is called as `Handler.on_pre_write`."""
        return self._choose("on_pre_write", function)

    def on_stopping(self, function: _OnServer) -> _OnServer:
        """Chooses the function that is called as `Handler.on_stopping`."""
        return self._choose("on_stopping", function)

    def on_stop(self, function: _OnServer) -> _OnServer:
        """Chooses the function that is called as `Handler.on_stop`."""
        return self._choose("on_stop", function)

    def on_error(self, function: _OnError) -> _OnError:
        """Chooses the function that is called as `Handler.on_error`."""
        return self._choose("on_error", function)

    def _choose(self, name: str, function: _Function) -> _Function:
        if self._taken:
            raise WrongStateError(f"{name} is chosen too late: a server was made of these handlers, and would not call it")
        if hasattr(self._chosen, name):
            raise InvalidArgumentError(f"{name} was chosen before: {getattr(self._chosen, name)!r}")
        setattr(self._chosen, name, function)
        return function

    def _take(self) -> types.SimpleNamespace:
        """What a server looks the functions up in."""
        self._taken = True
        return self._chosen

    if not typing.TYPE_CHECKING:  # It would let every name through.

        def __getattr__(self, name: str) -> object:
            known = f" (known: {', '.join(CALLBACKS)})" if name.startswith("on_") else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{known}")
