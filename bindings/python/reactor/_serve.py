"""The short way to serve."""

from __future__ import annotations

import contextlib
import signal
import threading
import typing

from ._errors import InvalidArgumentError, StoppedError
from ._native import LISTEN_MEMBERS, Server

if typing.TYPE_CHECKING:
    from types import FrameType as _FrameType

    from typing_extensions import Unpack as _Unpack

    from ._options import ServeOptions as _ServeOptions

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""Those that end what is served."""


def serve(handler: object, *urls: str, **options: _Unpack[_ServeOptions]) -> None:
    """Listens at the URLs, serves, and returns when the server has stopped: by SIGTERM or Ctrl-C, by `Server.stop` or
    `Server.stop_gracefully`, or by `Action.STOP`.

    At the first SIGTERM or SIGINT the server stops gracefully: it listens no more, and its connections may finish until the
    deadline, which is the option `stop_deadline`. At the second it stops at once. Then the signals are as they were before, so
    that further ones end a program whose callbacks hang. A signal that was ignored before, as a shell has it for programs in its
    background, stops the server, too. All this is so in the main thread, where Python handles signals; in another one signals
    are left alone, and somebody has to stop the server, which `on_start` is given.

    handler: as `Server` has it.
    urls: where to listen, as `Server.listen` has it. Without any, the sockets that the service manager passed on, as
        `Server.listen_inherited` has them. Where that really is, `Server.listeners` says in on_start.
    options: those of `Server`, and those of `Server.listen` for every URL. What one URL alone is to have, such as the framing of TCP
        beside UDP, stands in its query: `"tcp://:5000?framing=line", "udp://:5000"`.

    Raises what `Server`, `Server.listen` and `Server.run` raise; and `InvalidArgumentError` if there is nothing to listen at.
    """
    of_server, of_listeners = split_options(options)
    server = Server(handler, **of_server)
    stopper = Stopper(server)
    with contextlib.ExitStack() as signals:
        if threading.current_thread() is threading.main_thread():
            signals.enter_context(stopper)
        listen(server, urls, of_listeners)
        try:
            server.run()
        except StoppedError:
            # A signal came before the start.
            if not stopper.stops:
                raise


def split_options(options: _ServeOptions) -> tuple[dict[str, typing.Any], dict[str, typing.Any]]:
    """The options of the server, and those of its listeners. `Server` checks what is left to it."""
    of_listeners = {name: value for name, value in options.items() if name in LISTEN_MEMBERS}
    of_server = {name: value for name, value in options.items() if name not in LISTEN_MEMBERS}
    return of_server, of_listeners


def listen(server: Server, urls: tuple[str, ...], options: dict[str, typing.Any]) -> None:
    """Listens at each of them, or where the service manager does."""
    for url in urls:
        server.listen(url, **options)
    if not urls and not server.listen_inherited(**options):
        raise InvalidArgumentError("there is nothing to serve: no URL was given, and no socket inherited (LISTEN_FDS)")


class Stopper:
    """The handlers of the signals, while it is entered."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.before: dict[signal.Signals, typing.Any] = {}
        self.stops = 0

    def __enter__(self) -> None:
        for number in SIGNALS:
            before = signal.signal(number, self.stop)
            # None: something else than Python had set it, and Python cannot set it again.
            self.before[number] = signal.SIG_DFL if before is None else before

    def __exit__(self, *_: object) -> None:
        self.restore()

    def restore(self) -> None:
        while self.before:
            number, before = self.before.popitem()
            signal.signal(number, before)

    def stop(self, number: int, frame: _FrameType | None) -> None:
        """What a signal does."""
        self.stops += 1
        if self.stops == 1:
            self.server.stop_gracefully()
        else:
            self.server.stop()
            self.restore()
