from types import TracebackType
from typing import Any, Final, Literal, final

from typing_extensions import Buffer, Self

__all__ = ["ACTIONS", "CLOSE_REASONS", "ERROR_KINDS", "LISTEN_OPTIONS", "SERVER_OPTIONS", "Conn", "Server", "__version__"]

ACTIONS: Final[dict[str, int]]
ERROR_KINDS: Final[dict[str, int]]
CLOSE_REASONS: Final[dict[str, int]]
LISTEN_OPTIONS: Final[dict[str, str]]
SERVER_OPTIONS: Final[tuple[str, ...]]
__version__: Final[str]

@final
class Conn:
    """A connection. It is usable from any thread, also when it is closed; it compares and hashes by its id. What belongs to it
    goes into `context`.
    """

    @property
    def id(self) -> int:
        """The connection's id, for `Server.write` and `Server.close`: never 0, and never used again in this
        process.
        """

    @property
    def is_open(self) -> bool:
        """Whether it takes writes."""

    @property
    def context(self) -> Any:
        """Anything of yours that belongs to the connection; None in the beginning. It stays as long as this object does, so it
        is there in on_close, too.
        """

    @context.setter
    def context(self, value: Any) -> None: ...
    def write(self, data: Buffer) -> bool:
        """Queues a copy of the bytes. True: go on. False: they are accepted, but the queue is above the
        high-water mark, so wait for `on_drain`. Never blocks; usable on any thread.

        Raises `ClosedError` if the connection is closed or closing, `FullError` if the queue would exceed the
        hard limit, which closes the connection unless `keep_on_overflow` is set, or the server its byte budget.
        """

    def close(self) -> None:
        """From now on writes raise `ClosedError`; what is queued is sent, and `on_close` is the only callback to
        come.

        Raises `ClosedError` if the connection is closed or closing already.
        """

    def hold(self) -> None:
        """Holds the connection while an answer is made elsewhere, by a pool of threads, say: until `release` it is not
        read, and the end of the peer's side does not close it. Its idle and read time-outs do not run; writes go on.
        Holds are counted. A reset, `close`, the write time-out and the server's stop end it all the same. Never blocks;
        usable on any thread.

        Raises `ClosedError` if the connection is closed or closing.
        """

    def release(self) -> None:
        """Takes one `hold` back: the connection goes on when it was released as often as it was held. What this thread has
        written before is sent before the connection ends. Never blocks; usable on any thread.

        Raises `ClosedError` if the connection is closed or closing, `WrongStateError` if it is not held.
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Server:
    """A server: listeners, event loops, and the handler whose methods they call. Usable from any thread. When
    the last reference to it is gone it stops, and ends by itself. What a callback starts, a program or a thread, has the
    signal mask of the thread that started the server. Python's signal handlers run in the main thread, as ever.

    handler: an object with callbacks, such as an instance of a class derived from `Handler`, which describes them. A method
        on_... that is none of them is an error.
    loops: event loops, each on a thread of its own, at most 1024. 0, the default: one for each processor that this process
        may use.
    high_water: bytes of unsent output above which a connection is no longer read, and `Conn.write` returns False. 0, the
        default: 1 MiB.
    low_water: bytes of unsent output at which `on_drain` is called and reading resumes. 0, the default: half of high_water.
    hard_limit: bytes of unsent output that a connection may hold at most; a write beyond it raises `FullError`. 0, the
        default: 64 MiB.
    read_budget: bytes read from one connection before the others of its loop have their turn. 0, the default: 256 KiB.
    linger: seconds that a connection closed by this side waits for the peer to close, too. 0.0, the default: 2 seconds.
    look: whether a busy loop polls for a moment before it sleeps: "adaptive", the default, where trials show that it brings
        the loop more work; or "never".
    byte_budget: bytes that all connections together may hold, unsent output and unfinished input. Above it, whoever holds much
        and moves little is closed with `CloseReason.OVERFLOW`, and `Server.write` raises `FullError`. 0, the default: a quarter
        of the memory that this process may use.
    stall_limit: seconds in which the peer of a connection that is being closed takes none of what is queued, after which it is
        reset with `CloseReason.TIME_OUT`. 0.0, the default: 30 seconds.
    keep_on_overflow: whether a connection stays open after a write beyond hard_limit, which raises `FullError`. False, the
        default: it is closed with `CloseReason.OVERFLOW`.

    Raises `InvalidArgumentError` for a value out of range and for a callback that is unknown, `SystemCallError` when
    descriptors have run out, `TypeError` for an argument that is unknown or of another type.
    """

    def __new__(
        cls,
        handler: object,
        *,
        loops: int = 0,
        high_water: int = 0,
        low_water: int = 0,
        hard_limit: int = 0,
        read_budget: int = 0,
        linger: float = 0.0,
        look: Literal["adaptive", "never"] = "adaptive",
        byte_budget: int = 0,
        stall_limit: float = 0.0,
        keep_on_overflow: bool = False,
    ) -> Self: ...
    def listen(self, url: str) -> str:
        """Binds and listens at `[scheme://]address[?option=value&...]` and returns the address really bound.

        Options: reuseport=BOOL, backlog=N, nodelay=BOOL, keepalive=BOOL|IDLE[,INTERVAL[,COUNT]] in seconds,
        rcvbuf=N and sndbuf=N in bytes, device=NAME, ipv6only=BOOL, mode=OCTAL of a Unix socket's path,
        shared=BOOL (other processes accept from the socket, too, so that a stop does not end the listening), for UDP
        datagram=N in bytes, broadcast=BOOL and join=GROUP[@INTERFACE]; and of each connection the time-outs idle=MS, read=MS and
        write=MS, in milliseconds, half_open=BOOL, framing=FRAMING. BOOL is true or false. FRAMING is line,
        fixed:LENGTH, delimiter:BYTES (any byte as % and two hexadecimal digits: delimiter:%0D%0A) or length:WIDTH
        (1, 2, 3, 4, 8 or varint); behind it, after commas, max_frame=N; of lines and delimiters keep_delimiter=BOOL,
        deliver_rest=BOOL, and of delimiters or=BYTES for each further one; of a length field order=big|little,
        offset=N, adjustment=N, strip=N|header. With a framing each on_data has one whole frame.

        Raises `InvalidAddressError`, which says what options there are, or what form one has; `AddressInUseError`,
        `SystemCallError`, or once the server stops `WrongStateError`.
        """

    def start(self) -> None:
        """Calls `on_start` on this thread, then starts the loops and returns. A server can be started once.
        Raises `StoppedError` if on_start returned STOP or stop was called before, `HandlerFailedError` if
        on_start raised an `Exception` (`KeyboardInterrupt` and its kin are raised on), `SystemCallError`, or
        if it was started before, or the interpreter ends, `WrongStateError`.
        """

    def run(self) -> None:
        """Starts, and waits until the server has stopped; in the main thread signals are handled meanwhile.
        Ctrl-C (`KeyboardInterrupt`) stops the server and makes this return; another exception of a signal
        handler stops it and is raised on. Raises what `start` and `wait` raise.
        """

    def wait(self) -> None:
        """Blocks until the server has stopped, on_stop has returned and its threads have ended. An exception of
        a signal handler, such as `KeyboardInterrupt`, is raised on; the server keeps running. Raises
        `WrongThreadError` in a callback, `WrongStateError` if the server was not started.
        """

    def stop(self) -> None:
        """Asks the server to stop: connections are closed with `CloseReason.SHUTDOWN`. Asynchronous, usable from
        any thread and callback, may be repeated; before the start, the start is refused.
        """

    def write(self, id: int, data: Buffer) -> bool:
        """Writes to a connection by its id, like `Conn.write`."""

    def close(self, id: int) -> None:
        """Closes a connection by its id, like `Conn.close`."""

    def hold(self, id: int) -> None:
        """Holds a connection by its id, like `Conn.hold`."""

    def release(self, id: int) -> None:
        """Takes a hold back by the connection's id, like `Conn.release`."""

    @property
    def addresses(self) -> list[str]:
        """The addresses really bound, as URLs without a query, in the order of the listen calls."""

    @property
    def loops(self) -> int:
        """The number of event loops; 0 before the start."""

    @property
    def connections(self) -> int:
        """Connections that are open, those being closed included."""

    @property
    def queued_bytes(self) -> int:
        """Bytes written to connections and not yet taken by the kernel."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
        /,
    ) -> None: ...
