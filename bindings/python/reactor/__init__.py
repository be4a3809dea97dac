"""A multi-loop network engine: servers for protocols of your own, through callbacks.

A `Server` runs several event loops, each on a thread of its own, and calls the methods of a handler (see `Handler`), or plain
functions (see `Handlers`), as connections open, receive bytes and close. A `Conn` is a connection; its `id` names it on any
thread. A `Framing` cuts a connection's input into messages.
"""

# First: at a second import it puts the other modules of the first in their places.
from ._native import Conn, Datagram, Histogram, Hosted, Server, Timer, set_log_level  # isort: skip
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
from ._framing import Custom, Delimiter, Fixed, Framing, LengthField, Line, Resp
from ._handler import Handler
from ._handlers import Handlers
from ._hosting import serve_async
from ._metrics import Metrics
from ._native import __version__ as __version__
from ._serve import serve
from ._types import Action, CloseReason, ConnInfo, Credentials, Listening

__all__ = [
    "Action",
    "AddressInUseError",
    "CloseReason",
    "ClosedError",
    "Conn",
    "ConnInfo",
    "Credentials",
    "Custom",
    "Datagram",
    "Delimiter",
    "Error",
    "Fixed",
    "Framing",
    "FullError",
    "Handler",
    "HandlerFailedError",
    "Handlers",
    "Histogram",
    "Hosted",
    "InternalError",
    "InvalidAddressError",
    "InvalidArgumentError",
    "LengthField",
    "Line",
    "Listening",
    "Metrics",
    "Resp",
    "Server",
    "StoppedError",
    "SystemCallError",
    "Timer",
    "UnsupportedError",
    "WrongStateError",
    "WrongThreadError",
    "serve",
    "serve_async",
    "set_log_level",
]

def _name_publicly() -> None:
    """Tracebacks, help() and pickles name them as programs do."""
    for public in list(globals().values()):
        if callable(public) and public.__module__.startswith("reactor._"):
            public.__module__ = "reactor"


_name_publicly()
del _name_publicly
