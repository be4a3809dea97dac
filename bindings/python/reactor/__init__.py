"""A multi-loop network engine: servers for protocols of your own, through callbacks.

A `Server` runs several event loops, each on a thread of its own, and calls the methods of a handler (see `Handler`) as
connections open, receive bytes and close. A `Conn` is a connection; its `id` names it on any thread.
"""

from ._errors import (
    AddressInUseError,
    ClosedError,
    Error,
    FullError,
    HandlerFailedError,
    InternalError,
    InvalidAddressError,
    InvalidArgumentError,
    StoppedError,
    SystemCallError,
    UnsupportedError,
    WrongStateError,
    WrongThreadError,
)
from ._handler import Handler
from ._native import Conn, Server
from ._native import __version__ as __version__
from ._types import Action, CloseReason

__all__ = [
    "Action",
    "AddressInUseError",
    "CloseReason",
    "ClosedError",
    "Conn",
    "Error",
    "FullError",
    "Handler",
    "HandlerFailedError",
    "InternalError",
    "InvalidAddressError",
    "InvalidArgumentError",
    "Server",
    "StoppedError",
    "SystemCallError",
    "UnsupportedError",
    "WrongStateError",
    "WrongThreadError",
]

# Tracebacks, help() and pickles name them as programs do.
for _public in list(vars().values()):
    if isinstance(_public, type) and _public.__module__.startswith("reactor._"):
        _public.__module__ = "reactor"
del _public
