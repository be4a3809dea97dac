"""The exceptions: one class for each kind of error of the engine."""

from __future__ import annotations


class Error(Exception):
    """An error of the engine. The text says what was tried and what was wrong."""

    kind: str = ""
    """The kind's name, the same in every language: `ADDRESS_IN_USE`."""


class InvalidArgumentError(Error, ValueError):
    """An argument is outside what the call accepts."""

    kind = "INVALID_ARGUMENT"


class InvalidAddressError(Error, ValueError):
    """A listen address cannot be parsed, or carries an unknown or malformed option."""

    kind = "INVALID_ADDRESS"


class SystemCallError(Error, OSError):
    """The operating system refused; `errno` says why, where it gave a number."""

    kind = "SYSTEM"

    def __str__(self) -> str:
        # The text has the system's reason in it already.
        return str(self.strerror)


class AddressInUseError(SystemCallError):
    """The address of a listener is taken."""

    kind = "ADDRESS_IN_USE"


class ClosedError(Error, ConnectionError):
    """The connection is closed or closing, or the id belongs to another server."""

    kind = "CLOSED"


class FullError(Error):
    """The connection's queue is at its hard limit, or the server at its byte budget; nothing was queued."""

    kind = "FULL"


class WrongStateError(Error, RuntimeError):
    """The call does not fit the server's state, for example starting it twice."""

    kind = "WRONG_STATE"


class WrongThreadError(Error, RuntimeError):
    """The call is not allowed on this thread, for example waiting for a server in one of its callbacks."""

    kind = "WRONG_THREAD"


class StoppedError(Error):
    """The start was refused: `on_start` returned STOP, or stop was called before."""

    kind = "STOPPED"


class HandlerFailedError(Error):
    """`on_start` raised an exception, which is this one's `__cause__`."""

    kind = "HANDLER_FAILED"


class UnsupportedError(Error, ValueError):
    """The call has no meaning for this kind of socket, or this way of delivery."""

    kind = "UNSUPPORTED"


class InternalError(Error, RuntimeError):
    """A defect of the engine, caught at its border."""

    kind = "INTERNAL"


# The native module makes exceptions on any thread, also while the interpreter ends, when no Python code may run: so no
# class here has a constructor of its own.
CLASSES: dict[str, type[Error]] = {
    error.kind: error
    for error in (
        InvalidArgumentError,
        InvalidAddressError,
        AddressInUseError,
        SystemCallError,
        ClosedError,
        FullError,
        WrongStateError,
        WrongThreadError,
        StoppedError,
        HandlerFailedError,
        InternalError,
        UnsupportedError,
    )
}
