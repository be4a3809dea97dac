from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, ClassVar, Final, Literal, final

from typing_extensions import Buffer, Self

from ._framing import Framing, Measure
from ._types import ConnInfo, Credentials

__all__ = [
    "ACTIONS",
    "CLOSE_REASONS",
    "ERROR_KINDS",
    "LISTEN_OPTIONS",
    "SERVER_OPTIONS",
    "Conn",
    "Datagram",
    "Server",
    "Timer",
    "__version__",
    "check_framing",
]

ACTIONS: Final[dict[str, int]]
ERROR_KINDS: Final[dict[str, int]]
CLOSE_REASONS: Final[dict[str, int]]
LISTEN_OPTIONS: Final[dict[str, str]]
SERVER_OPTIONS: Final[tuple[str, ...]]
__version__: Final[str]

def check_framing(framing: Framing) -> None:
    """Raises what is wrong with a framing of the package's."""

@final
class Conn:
    """A connection. It is usable from any thread, also when it is closed; it compares and hashes by its id. What belongs to it
    goes into `context`.
    """

    @property
    def id(self) -> int:
        """The connection's id, for the calls of `Server` that take one: never 0, and never used again in this process."""

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

    @property
    def server(self) -> Server:
        """The server that the connection belongs to. Raises `ClosedError` if that is gone."""

    @property
    def remote_address(self) -> str:
        """The peer's address: "127.0.0.1:5000", "[::1]:5000", "[fe80::1%2]:5000", "/run/x.sock", "@name", or "" for an unnamed one.
        On the connection's loop in `on_close`, too: that of an outgoing connection which could not be made is the last that was
        tried.

        Raises `ClosedError` if the connection is gone, `SystemCallError` if the socket has no peer.
        """

    @property
    def local_address(self) -> str:
        """The address of this side; otherwise as `remote_address`. An outgoing connection which could not be made may have none in
        `on_close`.
        """

    @property
    def peer_credentials(self) -> Credentials:
        """Who is at the other end of a Unix connection, as it was when it connected: a `Credentials`.

        Raises `ClosedError` if the connection is gone, `SystemCallError` if it is no Unix socket.
        """

    def info(self) -> ConnInfo:
        """What can be read of the connection now: a `ConnInfo`. On the connection's loop in `on_close` and `on_detach`, too.

        Raises `ClosedError` if the connection is gone.
        """

    def write(self, data: Buffer, *, on_complete: Callable[[bool], object] | None = None) -> bool:
        """Queues a copy of the bytes. True: go on. False: they are accepted, but the queue is above the
        high-water mark, so wait for `on_drain`. Never blocks; usable on any thread. In `on_datagram` it answers the sender.

        on_complete: called exactly once if the write is accepted, on the connection's loop and never from inside the call: with
            True after the kernel took the last byte, which does not say that the peer has it; or with False before `on_close` and
            `on_detach` if it did not.

        Raises `ClosedError` if the connection is closed or closing, `FullError` if the queue would exceed the
        hard limit, which closes the connection unless `keep_on_overflow` is set, or the server its byte budget;
        `UnsupportedError` for a UDP endpoint outside the callback of a datagram.
        """

    def writelines(self, lines: Iterable[Buffer], *, on_complete: Callable[[bool], object] | None = None) -> bool:
        """Queues several bytes-like objects, in order, as one write: what other threads write does not come between.
        Otherwise as `write`.
        """

    def write_frame(self, payload: Buffer) -> bool:
        """Writes one frame, as the connection's framing cuts them: with its length in front, or its delimiter behind. Otherwise
        as `write`.

        Raises what `write` raises; `InvalidArgumentError` also if the connection has no framing, or one of the program's own, or
        the payload does not fit it.
        """

    def send_to(self, address: str | tuple[str, int] | tuple[str, int, int, int], data: Buffer) -> bool:
        """Sends a datagram from a UDP endpoint to any address: "127.0.0.1:5000", "[::1]:5000", or a pair of host and port. The
        host is an IP address: names are not looked up. Otherwise as `write`.

        Raises what `write` raises; `InvalidArgumentError` for what is no such address, and more bytes than a datagram can have;
        `UnsupportedError` for a connection.
        """

    def end(self) -> None:
        """Shuts the writing side down, behind what is queued: the peer sees end of file. Reading goes on; the connection is
        closed when the peer's side has ended, too. Never blocks; usable on any thread.

        Raises `ClosedError` if the connection is closed or closing, or was ended before; `UnsupportedError` for a UDP endpoint.
        """

    def close(self) -> None:
        """From now on writes raise `ClosedError`; what is queued is sent, and `on_close` is the only callback to
        come. Never blocks; usable on any thread.

        Raises `ClosedError` if the connection is closed or closing already; `UnsupportedError` for a UDP endpoint.
        """

    def abort(self) -> None:
        """Resets the connection at once: what is queued is dropped. Also one that is being closed. Never blocks; usable on any
        thread.

        Raises `ClosedError` if the connection is gone; `UnsupportedError` for a UDP endpoint.
        """

    def detach(self) -> None:
        """Takes the connection out of the engine: completions are told False, one attempt is made to send what is queued, then
        `on_detach` gets the socket. One that is broken, or not made yet, has nothing to hand out, and is closed. Never blocks;
        usable on any thread. `return Action.DETACH` does the same.

        Raises `ClosedError` if the connection is closed or closing; `UnsupportedError` for a UDP endpoint.
        """

    def pause(self) -> None:
        """Stops reading, until `resume`: the peer feels it as backpressure. Frames that were read already wait, too, and so does
        the peer's end of file; but a reset ends the connection at once, with what was not read. Never blocks; usable on any
        thread.

        Raises `ClosedError` if the connection is closed or closing.
        """

    def resume(self) -> None:
        """Reads again. Never blocks; usable on any thread.

        Raises `ClosedError` if the connection is closed or closing.
        """

    def hold(self) -> None:
        """Holds the connection while an answer is made elsewhere, by a pool of threads, say: until `release` it is not
        read, and the end of the peer's side does not close it. Its idle and read time-outs do not run; writes go on.
        Holds are counted. A reset, `close`, the write time-out and the server's stop end it all the same. Never blocks;
        usable on any thread.

        Raises `ClosedError` if the connection is closed or closing; `UnsupportedError` for a UDP endpoint.
        """

    def release(self) -> None:
        """Takes one `hold` back: the connection goes on when it was released as often as it was held. What this thread has
        written before is sent before the connection ends. Never blocks; usable on any thread.

        Raises `ClosedError` if the connection is closed or closing, `WrongStateError` if it is not held.
        """

    def keep(self, count: int) -> None:
        """In `on_data`: the last `count` bytes of the input do not count as consumed; they come again, in front of the next. The
        last call counts. More than 16 MiB is a protocol error: a handler that waits for more than that takes the bytes itself.

        Raises `InvalidArgumentError` if the input has fewer bytes, `WrongStateError` outside `on_data` of this connection, with a
        framing and on UDP, `WrongThreadError` elsewhere than on its loop, `ClosedError` if it is gone.
        """

    def wake(self) -> None:
        """Has `on_wake` called on the connection's loop. Several calls before it comes are one. Never blocks; usable on any
        thread.

        Raises `ClosedError` if the connection is closed or closing.
        """

    def run_on_loop(self, function: Callable[[Conn], object]) -> None:
        """Has a function called on the connection's loop, with this object; also if the connection has closed meanwhile. What
        it raises is reported, and ends nothing. Never blocks; usable on any thread.

        Raises `ClosedError` if the connection is closed or closing; then the function is not called.
        """

    def set_timer(self, delay: float, repeat: float = 0.0) -> Timer:
        """Calls `on_timer` after `delay` seconds, and again after each `repeat` seconds if that is not 0; both to the millisecond,
        rounded up. The timer ends with the connection, or by its `cancel`. Only on the connection's loop, which is where its
        callbacks run; `run_on_loop` leads there.

        Raises `WrongThreadError` elsewhere, `ClosedError` if the connection is closed or closing, `WrongStateError` before
        `on_open`, `InvalidArgumentError` for a negative time and beyond 16,777,216 timers on one loop.
        """

    def set_timeouts(self, *, idle: float = 0.0, read: float = 0.0, write: float = 0.0) -> None:
        """Changes when the connection is closed for want of traffic: in seconds, 0 for never. All three begin anew.

        idle: nothing came or went for this long: `CloseReason.IDLE`. What the peer takes of bytes that the kernel holds for it is
            traffic, too.
        read: nothing came for this long while it was read: `CloseReason.TIME_OUT`.
        write: output waited for this long without the kernel or the peer taking any: it is reset, with `CloseReason.TIME_OUT`.

        Raises `ClosedError` if the connection is closed or closing, `InvalidArgumentError` for a negative time.
        """

    def set_framing(self, framing: Framing | Measure | None) -> None:
        """Changes how the connection's input is cut into frames, from the next byte that `on_data` has not had: a `Framing`, such as
        `Line()`; a function that measures frames, which stands for `Custom(function)`; or None: `on_data` gets whatever there is.

        Raises `ClosedError` if the connection is closed or closing, `UnsupportedError` for a UDP endpoint, `TypeError` for anything
        else.
        """

    def set_options(
        self,
        *,
        nodelay: bool | None = None,
        keepalive: bool | float | tuple[float] | tuple[float, float] | tuple[float, float, int] | None = None,
        recv_buffer: int | None = None,
        send_buffer: int | None = None,
        ttl: int | None = None,
        broadcast: bool | None = None,
        multicast_ttl: int | None = None,
        multicast_loop: bool | None = None,
    ) -> None:
        """Sets options of the connection's socket, at once; what is None stays as it is.

        nodelay: whether small writes leave at once (TCP_NODELAY). TCP.
        keepalive: whether the kernel probes a silent connection: True, False, or the seconds of silence before the first probe; or
            these, the seconds between probes and the number of unanswered probes that end it, as a tuple of up to three, in which
            0 is the system's default. TCP.
        recv_buffer, send_buffer: bytes of the kernel's receive and send buffer, above 0. It caps the number and then doubles it.
        ttl: hops that packets may go, 1 to 255. TCP and UDP.
        broadcast: whether datagrams may go to broadcast addresses. UDP.
        multicast_ttl: hops that multicast datagrams may go, 0 to 255. UDP.
        multicast_loop: whether this machine hears the multicast datagrams that it sends. UDP.

        Raises `InvalidArgumentError` for a value out of range, `SystemCallError` where such a socket does not have the option,
        `ClosedError` if the connection is gone.
        """

    def join_multicast(self, group: str) -> None:
        """Receives from a multicast group, too: "ADDRESS" or "ADDRESS@INTERFACE", the interface by name, or for IPv4 also by one
        of its addresses. UDP.

        Raises what `set_options` raises.
        """

    def leave_multicast(self, group: str) -> None:
        """No longer receives from a multicast group that was joined in the same words.

        Raises what `set_options` raises.
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Timer:
    """A timer. It compares and hashes by its id: the one that `Conn.set_timer` returned equals the one that `on_timer` is given."""

    @property
    def id(self) -> int:
        """The timer's number: never 0, and never used again in this process."""

    def cancel(self) -> bool:
        """Ends the timer; says whether there was one to end: False if it has ended before, with its connection or by being due.
        Only on the thread of its loop, which is where callbacks run.

        Raises `WrongThreadError` elsewhere.
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Datagram:
    """What came with a datagram: who sent it, and where to."""

    @property
    def sender(self) -> str:
        """The sender's address, as `Conn.send_to` takes it: "127.0.0.1:5000" or "[::1]:5000"."""

    @property
    def destination(self) -> str | None:
        """The IP address that it was sent to: one of this machine's, a multicast group, or everybody's. None of a connected socket."""

    @property
    def interface(self) -> int | None:
        """The number of the network interface by which it came, as `socket.if_indextoname` takes it; None if that is not known."""

    @property
    def truncated(self) -> bool:
        """Whether the datagram was longer than the listener's option `datagram` allows, and its end is lost."""

    def __eq__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

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
        handler stops it and is raised on. A callback's `KeyboardInterrupt` counts as Ctrl-C, and its `sys.exit()`
        stops the server and is raised here. Raises what `start` and `wait` raise.
        """

    def wait(self) -> None:
        """Blocks until the server has stopped, on_stop has returned and its threads have ended. An exception of
        a signal handler, such as `KeyboardInterrupt`, is raised on; the server keeps running. What a callback
        raised to end the program, by `sys.exit()` or as `KeyboardInterrupt`, stopped the server and is raised here, once. Raises
        `WrongThreadError` in a callback, `WrongStateError` if the server was not started.
        """

    def stop(self) -> None:
        """Asks the server to stop: connections are closed with `CloseReason.SHUTDOWN`. Asynchronous, usable from
        any thread and callback, may be repeated; before the start, the start is refused.
        """

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

    # ---- connections by their ids ----

    def conn(self, id: int) -> Conn:
        """The object of a connection by its id, which has every call on it: the one that callbacks are given.

        Raises `ClosedError` if the connection is gone, or belongs to another server.
        """

    def write(self, id: int, data: Buffer, *, on_complete: Callable[[bool], object] | None = None) -> bool:
        """Writes to a connection by its id, like `Conn.write`."""

    def writelines(self, id: int, lines: Iterable[Buffer], *, on_complete: Callable[[bool], object] | None = None) -> bool:
        """Writes several bytes-like objects as one write to a connection by its id, like `Conn.writelines`."""

    def write_frame(self, id: int, payload: Buffer) -> bool:
        """Writes a frame to a connection by its id, like `Conn.write_frame`."""

    def send_to(
        self, id: int, address: str | tuple[str, int] | tuple[str, int, int, int], data: Buffer
    ) -> bool:
        """Sends a datagram from a UDP endpoint by its id, like `Conn.send_to`."""

    def end(self, id: int) -> None:
        """Shuts the writing side of a connection down by its id, like `Conn.end`."""

    def close(self, id: int) -> None:
        """Closes a connection by its id, like `Conn.close`."""

    def abort(self, id: int) -> None:
        """Resets a connection by its id, like `Conn.abort`."""

    def detach(self, id: int) -> None:
        """Takes a connection out of the engine by its id, like `Conn.detach`."""

    def wake(self, id: int) -> None:
        """Has `on_wake` called for a connection by its id, like `Conn.wake`."""

    def pause(self, id: int) -> None:
        """Stops reading a connection by its id, like `Conn.pause`."""

    def resume(self, id: int) -> None:
        """Reads a connection again by its id, like `Conn.resume`."""

    def hold(self, id: int) -> None:
        """Holds a connection by its id, like `Conn.hold`."""

    def release(self, id: int) -> None:
        """Takes a hold back by the connection's id, like `Conn.release`."""

    def run_on_conn(self, id: int, function: Callable[[Conn], object]) -> None:
        """Has a function called on the loop of a connection by its id, like `Conn.run_on_loop`."""

    def info(self, id: int) -> ConnInfo:
        """What can be read of a connection by its id, like `Conn.info`."""

    def remote_address(self, id: int) -> str:
        """The peer's address of a connection by its id, like `Conn.remote_address`."""

    def local_address(self, id: int) -> str:
        """The address of this side of a connection by its id, like `Conn.local_address`."""
