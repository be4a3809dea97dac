import asyncio
from asyncio import Future
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context
from socket import socket
from types import TracebackType
from typing import Any, ClassVar, Final, Literal, final

from typing_extensions import Buffer, Self

from ._framing import Framing, Measure
from ._metrics import Metrics
from ._options import Framed
from ._types import ConnInfo, Credentials, Listening

__all__ = [
    "ACTIONS",
    "CLOSE_REASONS",
    "CONNECT_MEMBERS",
    "CONN_MEMBERS",
    "COUNTERS",
    "ERROR_KINDS",
    "LISTEN_MEMBERS",
    "LISTEN_OPTIONS",
    "SERVER_OPTIONS",
    "Conn",
    "Datagram",
    "Engine",
    "Histogram",
    "Hosted",
    "Server",
    "Timer",
    "Transport",
    "__version__",
    "check_framing",
    "host",
    "set_log_level",
]

ACTIONS: Final[dict[str, int]]
ERROR_KINDS: Final[dict[str, int]]
CLOSE_REASONS: Final[dict[str, int]]
LISTEN_OPTIONS: Final[dict[str, str]]
SERVER_OPTIONS: Final[tuple[str, ...]]
LISTEN_MEMBERS: Final[tuple[str, ...]]
CONNECT_MEMBERS: Final[tuple[str, ...]]
CONN_MEMBERS: Final[tuple[str, ...]]
COUNTERS: Final[tuple[str, ...]]
__version__: Final[str]

def check_framing(framing: Framing) -> None:
    """Raises what is wrong with a framing of the package's."""
def set_log_level(level: int | str) -> None:
    """From which level on messages of the engine reach the logger "reactor": `logging.DEBUG`, "DEBUG", or a number; 5 for all there
    is. What the logger does with them is its own level's matter. In the beginning it is `logging.ERROR`, which are those that an
    operator must know, each kind at most once a second; what is below is told for debugging, and costs time. It is so for the
    whole process.

    Raises `InvalidArgumentError` for a name that `logging` does not have, `TypeError` for another type.
    """
@final
class Histogram:
    """Delays in magnitudes: how many there were, of which length, and below which most of them were."""

    @property
    def count(self) -> int:
        """How many delays were counted."""
    @property
    def buckets(self) -> list[int]:
        """How many delays each magnitude has: the first those of 0 and 1 nanoseconds, and the one at index n those from 2**n to
        2**(n+1) - 1 nanoseconds.
        """
    def percentile(self, q: float) -> float:
        """A delay, in seconds, that at least the fraction `q` of all did not exceed: `percentile(0.99)`. It is the upper bound of
        a magnitude, so up to twice the true one. A `q` outside 0 to 1 counts as the nearer of the two. 0.0 if nothing was
        counted.
        """
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

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
            `on_detach` if it did not. No `async def`: nobody would await it.

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
        """In `on_data`, or `on_frames`: the last `count` bytes of the input do not count as consumed; they come again, in front of the next. The
        last call counts. More than 16 MiB is a protocol error: a handler that waits for more than that takes the bytes itself.

        Raises `InvalidArgumentError` if the input has fewer bytes, `WrongStateError` outside these callbacks of this connection, with a
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

        Raises `ClosedError` if the connection is closed or closing; then the function is not called. `TypeError` for what cannot be
        called, and for a coroutine function, which nobody would await.
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

    # ---- under asyncio ----

    def drain(self) -> Coroutine[Any, Any, None]:
        """Under asyncio: returns when the writer may go on: at once unless more is queued than the high-water mark, or else when the
        kernel has taken all that is queued now.

        Raises `ClosedError` if the connection is closed, or ends before that; `RuntimeError` if no event loop runs.
        """

    def write_async(self, data: Buffer) -> Future[None]:
        """Under asyncio: writes like `write`, within this call, and returns a future: it is done when the kernel has taken the last
        byte, which does not say that the peer has it; or it raises `ClosedError` if the connection ended before. Whether the queue is
        above the high-water mark, it does not say: whoever awaits it need not know. Usable with a server on threads, too.

        Raises what `write` raises; `RuntimeError` if no event loop runs.
        """

    @property
    def _takes_events(self) -> bool:
        """Whether callbacks before the last are still to come."""

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
    hosted: whether another event loop drives the server: asyncio's, by `serve`, or any, by `Hosted`. Then it has one loop and no
        thread, and callbacks of connections may be `async def`, for asyncio. False, the default: it has threads of its own.
    loops: event loops, each on a thread of its own, at most 1024. 0, the default: one for each processor that this process
        may use; or, hosted, one.
    high_water: bytes of unsent output above which a connection is no longer read, and `Conn.write` returns False. 0, the
        default: 1 MiB.
    low_water: bytes of unsent output at which `on_drain` is called and reading resumes. 0, the default: half of high_water.
    hard_limit: bytes of unsent output that a connection may hold at most; a write beyond it raises `FullError`. 0, the
        default: 64 MiB.
    read_budget: bytes read from one connection before the others of its loop have their turn. 0, the default: 256 KiB.
    linger: seconds that a connection closed by this side waits for the peer to close, too, at most 3600. 0.0, the default: 2
        seconds. None: it does not wait.
    look: whether a busy loop polls for a moment before it sleeps: "adaptive", the default, where trials show that it brings
        the loop more work; or "never".
    byte_budget: bytes that all connections together may hold: unsent output, unfinished input, datagrams and completions that
        wait. Above it, whoever holds much and moves little is closed with `CloseReason.OVERFLOW`, and `Server.write` raises
        `FullError`. 0, the default: a quarter of the memory that this process may use. None: no budget.
    stall_limit: seconds in which the peer of a connection that is being closed takes none of what is queued, after which it is
        reset with `CloseReason.TIME_OUT`; at most 3600. 0.0, the default: 30 seconds.
    keep_on_overflow: whether a connection stays open after a write beyond hard_limit, which raises `FullError`. False, the
        default: it is closed with `CloseReason.OVERFLOW`.
    balance: how incoming connections are spread over the loops: "round-robin", the default, each loop in its turn;
        "least-connections", the loop with the fewest; "random"; "source-hash", by the client's address, so that a client always
        meets the same loop; or "reuseport", one listening socket for each loop, among which the kernel deals them out.
    pin: whether each loop's thread is bound to one of the processors that this process may use. False, the default: it is not.
    max_connections: incoming connections that may be open at once; further ones are closed without a callback. 0, the default:
        no limit.
    max_connections_per_address: the same for each client address; Unix sockets do not count. 0, the default: no limit.
    stop_deadline: seconds that a graceful stop waits for the connections to finish if it does not say itself, at most 3600. 0.0,
        the default: 30 seconds.

    Raises `InvalidArgumentError` for a value out of range and for a callback that is unknown, `SystemCallError` when
    descriptors have run out, `TypeError` for an argument that is unknown or of another type.
    """

    def __new__(
        cls,
        handler: object,
        *,
        hosted: bool = False,
        loops: int = 0,
        balance: Literal["round-robin", "least-connections", "random", "source-hash", "reuseport"] = "round-robin",
        pin: bool = False,
        high_water: int = 0,
        low_water: int = 0,
        hard_limit: int = 0,
        keep_on_overflow: bool = False,
        byte_budget: int | None = 0,
        read_budget: int = 0,
        linger: float | None = 0.0,
        stall_limit: float = 0.0,
        max_connections: int = 0,
        max_connections_per_address: int = 0,
        stop_deadline: float = 0.0,
        look: Literal["adaptive", "never"] = "adaptive",
    ) -> Self: ...
    def listen(
        self,
        url: str,
        *,
        reuseport: bool | None = None,
        backlog: int | None = None,
        nodelay: bool | None = None,
        keepalive: bool | int | tuple[int, ...] | None = None,
        recv_buffer: int | None = None,
        send_buffer: int | None = None,
        device: str | None = None,
        ipv6_only: bool | None = None,
        unix_mode: int | None = None,
        shared: bool | None = None,
        datagram_size: int | None = None,
        broadcast: bool | None = None,
        multicast: str | Iterable[str] | None = None,
        idle: float | None = None,
        read: float | None = None,
        write: float | None = None,
        half_open: bool | None = None,
        framing: Framed = None,
    ) -> Listening:
        """Binds and listens at `[scheme://]address[?option=value&...]` and returns the address really bound, a string whose
        `listener` is the listener's number. Before the start, in `on_start`, and while the server runs; usable on any thread.
        A host name is looked up, which may block.

        The schemes are tcp, also without a scheme, tcp4, tcp6, udp, udp4, udp6, unix (a path, or @NAME of Linux's abstract
        names), and fd (the number of a descriptor that was inherited, which the engine owns from then on). Port 0 picks a free
        one. The options stand in the query, where they win, or are arguments of this call, whose names are given in brackets
        where they are others. An argument that is None, as each is by default, asks for nothing. In the query BOOL is true or
        false; as an argument True or False.

        Of sockets:
        reuseport=BOOL: several sockets share the address, and the kernel deals out what arrives (tcp, udp). Default: no.
        backlog=N: connections that the kernel queues before they are accepted, above 0 (tcp, unix). Default: 4096.
        nodelay=BOOL: small writes leave at once (tcp). Default: yes.
        keepalive=BOOL|IDLE[,INTERVAL[,COUNT]]: the kernel probes silent connections: seconds before the first probe, between
            probes, and how many; as an argument True, False, IDLE or a tuple (tcp). Default: no.
        rcvbuf=N: bytes of the kernel's receive buffer (tcp, udp) [recv_buffer]. Default: the system's.
        sndbuf=N: bytes of the kernel's send buffer [send_buffer]. Default: the system's.
        device=NAME: the one network interface to be reached through (tcp, udp). Default: all.
        ipv6only=BOOL: an IPv6 socket leaves IPv4 alone [ipv6_only]. Default: yes, unless the host is left out.
        mode=OCTAL: the permission bits of a Unix socket's path, whatever the umask; as an argument an integer, such as 0o600
            [unix_mode]. Default: what the umask leaves.
        shared=BOOL: other processes accept from the socket, too, so that a stop does not end the listening (tcp, unix).
            Default: yes for a socket that was inherited, or opened before a fork and started after it.
        datagram=N: bytes of a datagram that are received at most (udp) [datagram_size]. Default: 65535.
        broadcast=BOOL: datagrams may go to broadcast addresses (udp). Default: no.
        join=GROUP[@INTERFACE]: a multicast group to receive from, once for each; as an argument a string or a sequence of
            strings (udp) [multicast]. Default: none.

        Of each connection:
        idle=MS: milliseconds without traffic after which it is closed with `CloseReason.IDLE`; as an argument seconds; 0 for
            never. Default: never.
        read=MS: milliseconds in which nothing came while it was read, after which it is closed with `CloseReason.TIME_OUT`; as
            an argument seconds; 0 for never. Default: never.
        write=MS: milliseconds in which neither the kernel nor the peer took output, after which it is reset with
            `CloseReason.TIME_OUT`; as an argument seconds; 0 for never. Default: never.
        half_open=BOOL: it goes on after the peer's end of file. Default: no, it is closed then, once everything is answered.
        framing=FRAMING: how input is cut into frames, of which on_data gets one at a time and on_frames those of a read. FRAMING is line, fixed:LENGTH,
            delimiter:BYTES (any byte as % and two hexadecimal digits: delimiter:%0D%0A), length:WIDTH (1, 2, 3, 4, 8 or
            varint) or resp; behind it, after commas, max_frame=N; of lines and delimiters keep_delimiter=BOOL, deliver_rest=BOOL, and
            of delimiters or=BYTES for each further one; of a length field order=big|little, offset=N, adjustment=N,
            strip=N|header; of resp max_arguments=N. resp cuts the commands of Redis's clients, which
            on_command gets as lists of arguments. Default: none, on_data gets whatever there is.

        Raises `InvalidAddressError`, which says what options there are, or what form one has; `InvalidArgumentError` and
        `TypeError` for an argument, by its name; `AddressInUseError`, `SystemCallError`, or once the server stops
        `WrongStateError`. Then nothing is left behind.
        """
    def listen_inherited(
        self,
        *,
        reuseport: bool | None = None,
        backlog: int | None = None,
        nodelay: bool | None = None,
        keepalive: bool | int | tuple[int, ...] | None = None,
        recv_buffer: int | None = None,
        send_buffer: int | None = None,
        device: str | None = None,
        ipv6_only: bool | None = None,
        unix_mode: int | None = None,
        shared: bool | None = None,
        datagram_size: int | None = None,
        broadcast: bool | None = None,
        multicast: str | Iterable[str] | None = None,
        idle: float | None = None,
        read: float | None = None,
        write: float | None = None,
        half_open: bool | None = None,
        framing: Framed = None,
    ) -> list[Listening]:
        """Listens on every descriptor that the service manager passed on, by the LISTEN_PID and LISTEN_FDS of systemd, and
        returns what `listen` would for each: an empty list if there are no such variables, or they are another process's. The
        engine owns the descriptors from then on. The options are those of `listen`, for all of them; where they
        differ, such as streams beside datagrams, `listen("fd://3?framing=line")`, `listen("fd://4")` and so on take one each.

        Raises what `listen` raises, and `InvalidArgumentError` if the variables are malformed; the descriptors before the one
        that failed stay.
        """
    def close_listener(self, listener: int | Listening, refuse: bool = False) -> None:
        """Stops listening: when this returns connects are refused, and the address is free. Connections of the listener go on,
        and whoever the kernel had connected before is taken in and served, or with `refuse` reset. Of a UDP listener the
        datagrams that wait are delivered and answered first, for which this waits, 5 seconds at most; in a callback of its own
        loop they are lost, and in one of another loop nobody waits. Usable on any thread.

        listener: its number, or what `listen` returned.
        refuse: whether those who wait to be accepted are reset. False, the default: they are served.

        Raises `InvalidArgumentError` if the server has no such listener any more.
        """
    @property
    def listeners(self) -> list[Listening]:
        """The listeners, as `listen` returned them, in the order of its calls. Closed ones are none any more."""
    @property
    def addresses(self) -> list[str]:
        """The addresses really bound, as URLs without a query, in the order of the listen calls."""
    def endpoints(self, listener: int | Listening) -> list[int]:
        """The ids of a UDP listener's endpoints, by which `Conn` methods of this server send: from `on_start` on, one, or with
        reuseport one for each loop. Empty for other listeners, and before the start.

        listener: its number, or what `listen` returned.
        """
    def connect(
        self,
        url: str,
        *,
        timeout: float | None = 30.0,
        loop: int | None = None,
        context: object = None,
        nodelay: bool | None = None,
        keepalive: bool | int | tuple[int, ...] | None = None,
        recv_buffer: int | None = None,
        send_buffer: int | None = None,
        device: str | None = None,
        broadcast: bool | None = None,
        bind: str | None = None,
        idle: float | None = None,
        read: float | None = None,
        write: float | None = None,
        half_open: bool | None = None,
        framing: Framed = None,
    ) -> int:
        """Connects to `[scheme://]address[?option=value&...]` and returns the connection's id at once. The callbacks are those of
        every connection: `on_open` when it is made; or if that fails `on_close` alone, with `CloseReason.CONNECT_FAILED` or
        `TIME_OUT`. What is written by the id before that is queued, but not over UDP. Usable on any thread; it never blocks.

        The schemes are tcp, also without a scheme, tcp4, tcp6, udp, udp4, udp6 and unix. A name is looked up, and its addresses
        are tried as RFC 8305 says: the next is begun when one fails or has been silent for 250 ms. Options stand in the query,
        where they win, or are arguments of this call, whose names are given in brackets where they are others. None, the
        default of each, asks for nothing.

        timeout: seconds that looking up the name and connecting may take together. Default: 30. None: for ever. It is no option
            of the query, and neither are the next two.
        loop: the loop that the connection lives on, from 0. Default: the calling loop, or else each in its turn.
        context: what `Conn.context` is from the beginning. Default: None.

        nodelay=BOOL, keepalive=BOOL|IDLE[,INTERVAL[,COUNT]], rcvbuf=N [recv_buffer], sndbuf=N [send_buffer], device=NAME,
        broadcast=BOOL, idle=MS, read=MS, write=MS, half_open=BOOL, framing=FRAMING: as `listen` has them.
        bind=IP[:PORT]: the local address to connect from (tcp, udp). Default: the system's choice.

        Raises `InvalidAddressError`; `InvalidArgumentError` and `TypeError` for an argument, by its name, and for a loop that
        there is not; `WrongStateError` before the start and after a stop.
        """
    def enroll(
        self,
        socket: socket | int,
        *,
        loop: int | None = None,
        context: object = None,
        idle: float | None = None,
        read: float | None = None,
        write: float | None = None,
        half_open: bool | None = None,
        framing: Framed = None,
    ) -> int:
        """Gives a connected TCP or Unix stream to the engine, which owns its descriptor from then on, and returns the connection's
        id; `on_open` follows. Usable on any thread.

        socket: a `socket.socket`, which is detached by this and has no descriptor afterwards, or the number of a descriptor. If
            this raises, it stays yours.
        loop, context, idle, read, write, half_open and framing: as `connect` has them.

        Raises `InvalidArgumentError` if it is no connected stream socket, `TypeError` for a socket with TLS, whose plaintext is
        not the descriptor's, `SystemCallError`, and otherwise what `connect` raises.
        """
    def start(self) -> None:
        """Calls `on_start` on this thread, then starts the loops and returns. A server can be started once.
        Raises `StoppedError` if on_start returned STOP or stop was called before, `HandlerFailedError` if
        on_start raised an `Exception` (`KeyboardInterrupt` and its kin are raised on), `SystemCallError`, or
        if it was started before, or made to be hosted, or the interpreter ends, `WrongStateError`.
        """

    def run(self) -> None:
        """Starts, and waits until the server has stopped; in the main thread signals are handled meanwhile.
        Ctrl-C (`KeyboardInterrupt`) stops the server and makes this return; another exception of a signal
        handler stops it and is raised on. A callback's `KeyboardInterrupt` counts as Ctrl-C, and its `sys.exit()`
        stops the server and is raised here. Raises what `start` and `wait` raise.
        """

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks until the server has stopped, on_stop has returned and its threads have ended: returns True then. An exception of
        a signal handler, such as `KeyboardInterrupt`, is raised on; the server keeps running. What a callback raised to end the
        program, by `sys.exit()` or as `KeyboardInterrupt`, stopped the server and is raised here, once.

        timeout: seconds to wait at most; False is returned when they are over, and the server keeps running. None, the
            default: for ever.

        Raises `WrongThreadError` in a callback, `WrongStateError` if the server was not started.
        """

    def serve(self) -> Coroutine[Any, Any, None]:
        """Serves in the running event loop of asyncio, and returns when the server has stopped: by `stop`, `stop_gracefully` or
        `Action.STOP`. All callbacks come on that loop's thread, each connection's in a `contextvars` context of its own, and those
        of connections may be `async def`: `Handler` says how. Several servers may be served in one loop. Where one is served
        already, this waits for its end; where it has ended, it returns at once.

        Cancelling it stops the server at once; CancelledError is raised when it has ended, coroutines of callbacks included. For a
        graceful stop call `stop_gracefully`, and go on waiting.

        Raises `StoppedError` and `HandlerFailedError` as `start` does; `InvalidArgumentError` for a server of several loops: make it
        with hosted=True; `WrongStateError` if it was started elsewhere, `RuntimeError` if no event loop runs, NotImplementedError for
        one that has no `add_reader`.
        """

    def wait_closed(self) -> Coroutine[Any, Any, None]:
        """Under asyncio: returns when the server has stopped, coroutines of callbacks have ended and `on_stop` was called; at once if
        that is so. Cancelling it stops nothing. So a graceful stop is `server.stop_gracefully(5)` and `await server.wait_closed()`.

        Raises `WrongStateError` if no event loop serves the server, or another one than that which runs.
        """

    def stop(self) -> None:
        """Asks the server to stop: connections are closed with `CloseReason.SHUTDOWN`. Asynchronous, usable from
        any thread and callback, may be repeated; before the start, the start is refused.
        """

    def stop_gracefully(self, deadline: float | None = None) -> None:
        """Asks the server to stop when its connections have finished: `on_stopping` is called, whoever the kernel has connected
        is taken in, the listeners are closed, and the connections go on until all have ended or the deadline is over; what is
        left is then closed as by `stop`. A further call can only bring the deadline forward. Asynchronous, usable from any
        thread and callback.

        deadline: seconds from now. None, the default: the `stop_deadline` of the server.

        Raises `InvalidArgumentError` for a deadline that is none.
        """
    @property
    def is_stopping(self) -> bool:
        """Whether `stop` or `stop_gracefully` was called, by whomever."""
    @property
    def loops(self) -> int:
        """The number of event loops; 0 before the start."""

    @property
    def connections(self) -> int:
        """How many connections are open, those being made or closed included."""

    @property
    def queued_bytes(self) -> int:
        """Bytes written to connections and not yet taken by the kernel."""

    def run_on_loop(self, loop: int, function: Callable[..., object], *args: object) -> None:
        """Runs a function on a loop's thread, soon: behind what this thread has asked of that loop before. What it returns is
        dropped. One that raises is reported to the handler's `on_error`, with None for the connection, or without that to the
        logger "reactor". Usable on any thread; it never blocks. A function that a loop has not come to when it ends is not run.

        loop: from 0. function: any callable but an `async def`, which nobody would await. args: its arguments.

        Raises `InvalidArgumentError` for a loop that there is not, `WrongStateError` before the start and after the loop's end,
        `TypeError` for what cannot be called, and for a coroutine function.
        """
    def set_timer(self, delay: float, function: Callable[..., object], *args: object, repeat: float = 0.0) -> Timer:
        """Calls a function on the calling loop's thread after a time, and returns its `Timer`. One that raises is reported as by
        `run_on_loop`; a timer that repeats goes on all the same. Only on the thread of a loop of this server, which is where
        callbacks run; from elsewhere, let `run_on_loop` call it.

        delay: seconds, to the millisecond, rounded up, counted from the beginning of the loop's turn. function: any callable
        but an `async def`, which nobody would await. args: its arguments.
        repeat: seconds between further calls. 0.0, the default: it is called once.

        Raises `WrongThreadError` elsewhere, `InvalidArgumentError` for a time that is none, and beyond 16,777,216 timers on a
        loop, `TypeError` for what cannot be called, and for a coroutine function.
        """
    def current_loop(self) -> int | None:
        """The loop, from 0, whose thread the calling one is, as in callbacks; None elsewhere."""
    def connection_ids(self) -> list[int]:
        """The ids of the connections that are open, those being made or closed included. Usable on any thread."""
    def metrics(self, loop: int | None = None) -> Metrics:
        """What happened so far: a `Metrics`, whose attributes it explains. After the stop, too. It walks over all connections, for
        `queued_bytes`: cheap enough to take every second. Usable on any thread.

        loop: the loop, from 0, that it is of. What is refused, or fails to be accepted, is counted where that happens: with
            several loops on a thread that accepts for them, and so in none of theirs. None, the default: of the whole server.

        Raises `InvalidArgumentError` for a loop that there is not.
        """
    def delay_percentile(self, q: float, loop: int | None = None) -> float:
        """A delay, in seconds, that at least the fraction `q` of all did not exceed, from the moment the poller reported a
        connection to the call of its handler: `delay_percentile(0.99)`. Up to twice the true one; 0.0 if nothing was sampled.

        q: from 0 to 1. loop: as `metrics` has it.
        """
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

@final
class Transport(asyncio.Transport):
    """What asyncio.Transport is, for a connection of the engine's. It belongs to its event loop's thread."""

    _sendfile_compatible: ClassVar[Any]
    # By position alone: a call with a keyword takes longer, and uvloop's name for it is another one than asyncio's.
    def write(self, data: bytes | bytearray | memoryview[Any], /) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Queues the bytes, and sends what the kernel takes: in a callback at its end, otherwise at once.

        Raises `RuntimeError` after `write_eof` and on another thread than the event loop's; after a close that has nothing left
        to send, nothing happens.
        """

    def writelines(self, list_of_data: Iterable[Buffer]) -> None:
        """Writes what is in the list, as one write."""

    def write_eof(self) -> None:
        """Ends the writing side behind what was written."""

    def can_write_eof(self) -> bool:
        """Whether there is `write_eof`: always."""

    def pause_reading(self) -> None:
        """No `data_received` and no `eof_received` until `resume_reading`."""

    def resume_reading(self) -> None:
        """Reading goes on, not inside this call."""

    def is_reading(self) -> bool:
        """Whether `data_received` can come: not when it is paused or closing."""

    def is_closing(self) -> bool:
        """Whether it is closed or closing."""

    def close(self) -> None:
        """Sends what was written, then closes; `connection_lost` follows."""

    def abort(self) -> None:
        """Closes at once; `connection_lost` follows. What the kernel has not taken is dropped, and then the peer sees a reset."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When `pause_writing` and `resume_writing` are called: above `high` bytes that the kernel has not taken, and at `low`.
        The default is 65,536 and a quarter of `high`. Raises `ValueError` unless high >= low >= 0.
        """

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The marks, low and high, in bytes."""

    def get_write_buffer_size(self) -> int:
        """Bytes written that the kernel has not taken."""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Gives what comes to another protocol from now on."""

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who is given what comes; None after `connection_lost`."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`socket`, `sockname` or `peername`; the default for anything else."""

@final
class Engine:
    """The engine of one server, or of an event loop's outgoing connections."""

    def __new__(
        cls,
        event_loop: asyncio.AbstractEventLoop,
        factory: Callable[[], asyncio.BaseProtocol] | None = None,
        context: Context | None = None,
    ) -> Self: ...
    def listen(self, url: str, backlog: int = 0, reuse_port: bool | None = None) -> tuple[int, str]:
        """Listens; answers the listener's number and its address."""

    def copy_of_listener(self, listener: int) -> int:
        """A copy of a listener's descriptor, which is the caller's to close, before `close_listener`."""

    def close_listener(self, listener: int) -> None:
        """Stops listening."""

    def start(self) -> int:
        """Starts, and answers the descriptor for which the event loop is to call `turn`."""

    def turn(self) -> None:
        """Handles what is ready. Raises what ends a program and was raised in a callback."""

    def connect(
        self, url: str, factory: Callable[[], Any] | None, context: Context, waiter: asyncio.Future[Any], timeout: float
    ) -> int:
        """Connects; the waiter, a future, becomes the transport and the protocol. Without a factory it is a datagram endpoint, and the
        waiter becomes its id.
        """

    def open_endpoint(self, url: str, reuse_port: bool | None, broadcast: bool | None) -> tuple[int, int]:
        """Opens an endpoint: the listener's number, and the endpoint's. What comes for it waits until it is `attach`ed."""

    def attach(self, id: int, received: Callable[[bytes, Any], object], transport: Any, context: Context) -> None:
        """Gives what comes for an endpoint to `received`, in the context, beginning with what has come before; and what else happens to
        the methods `_undelivered` and `_ended` of the transport.
        """

    def detach(self, id: int) -> None:
        """Nothing more is received."""

    def send(self, id: int, data: Buffer, address: tuple[Any, ...] | None, high: int) -> int | None:
        """Sends a datagram, to the peer without an address: how much has not left. It is tried at once if that is above `high`. None: the
        address has a name that is to be looked up.
        """

    def unsent(self, id: int) -> int:
        """How much has not left, when that was tried."""

    def look_after(self, transport: Any) -> None:
        """Has `_look_after` of a transport called after each turn, until that is false."""

    def end_endpoint(self, id: int, listener: int, abort: bool) -> None:
        """Closes an endpoint: of a listener, or 0. What has not left is dropped."""

    def address_of(self, id: int, of_peer: bool) -> tuple[Any, ...]:
        """An address of an endpoint: its own, or the peer's."""

    def descriptor_of(self, id: int) -> int:
        """The number of its descriptor, which is good until it ends."""

    def enroll(self, descriptor: int, factory: Callable[[], Any], context: Context, waiter: asyncio.Future[Any]) -> int:
        """Takes a connected socket over, whose descriptor is the engine's from now on; the waiter as with `connect`."""

    def give_up(self, id: int) -> None:
        """Nobody waits for an outgoing connection any more."""

    @property
    def open(self) -> int:
        """Transports whose `connection_lost` was not called yet."""

    @property
    def connections(self) -> int:
        """Connections of the engine's, those included that wait for their peers to close, too."""

    @property
    def event_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that turns it."""

    @property
    def is_over(self) -> bool:
        """Whether it was shut."""

    def set_idle(self, idle: Callable[[], None] | None) -> None:
        """Has this called whenever the last transport is lost."""

    def set_ended(self, ended: Callable[[], None] | None) -> None:
        """Has the event loop call this after each end of a connection."""

    def transports(self) -> list[Transport]:
        """The transports that there are."""

    def shut(self) -> None:
        """Ends it, and closes what it has. No protocol is told."""

@final
class Hosted:
    """A server of one loop without a thread of its own. Its host, the thread that makes this, waits until the descriptor `fileno()`
    is readable, by whatever event loop it has, and calls `turn`: all callbacks come in there, with the interpreter lock held
    from the first to the last. Other threads go on calling the server and its connections, which makes the descriptor readable.
    `Server.serve` and `serve_async` do all that under asyncio.

    server: one that was made with hosted=True, or loops=1, and was not started. It is kept alive.

    Close it, or leave it as a context manager: one that is dropped on another thread cannot be closed any more. Raises
    `InvalidArgumentError` for a server of several loops, `WrongStateError` for one that was started, `SystemCallError` when
    descriptors have run out, `UnsupportedError` for callbacks that are `async def`, and where the engine waits by poll(2).
    """

    def __new__(cls, server: Server) -> Self: ...
    def fileno(self) -> int:
        """The descriptor to wait for: readable whenever `turn` has something to do, timers and what was put off included. A host
        may wait for its level, or for its edges and then call one turn for each. It stays the same. Usable on any thread.
        Raises `WrongStateError` once this is closed.
        """

    def turn(self, timeout: float | None = 0.0) -> bool:
        """Handles what is ready, after waiting for something for at most `timeout` seconds; None waits for ever. While it waits
        other threads run and signals are handled. The first turn calls `on_start`. Returns whether the server goes on: False in
        the turn that calls `on_stop`, and from then on.

        KeyboardInterrupt and SystemExit that a callback raises stop the server, and are raised here when the turn is over.
        Raises `StoppedError` and `HandlerFailedError` if on_start refuses the
        start or fails it: the server has ended then, without on_stop; `WrongThreadError` on another thread than the host's;
        `WrongStateError` in a callback of this server, or in a forked child.
        """

    def close(self) -> None:
        """Ends the server at once, if it runs still: connections get one more attempt to send what is queued and are closed with
        `CloseReason.SHUTDOWN`, then on_stop is called, all of that in this call. May be repeated. Raises `WrongThreadError`
        and `WrongStateError` as `turn` does, and what `turn` would raise on.
        """

    def _ended(self, name: str, conn: Conn, returned: object, raised: BaseException | None, told: bool) -> None:
        """A callback that a session has run later has ended: does what it asks for. `told`: a failure is to be reported."""

    def _all_ended(self) -> None:
        """No coroutine of a callback is left: calls `on_stop`, if that waited for them. Raises what ends the program."""

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""

    @property
    def server(self) -> Server:
        """The server."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
        /,
    ) -> None: ...

def host(server: Server, plain: Callable[[Conn], Context], session: Callable[[Conn], object]) -> Hosted:
    """Makes a `Hosted` whose callbacks run in scopes.

    plain: makes one for a connection if no callback is a coroutine function: a `contextvars.Context`.
    session: makes one if some are: an object with `run(name, callback, *args)`, and `end` for the last callback.
    """
