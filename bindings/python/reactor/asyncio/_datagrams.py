"""Datagram endpoints: what `loop.create_datagram_endpoint` makes."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
import socket
import typing

from reactor._errors import InvalidArgumentError
from reactor._native import Engine

from ._arguments import datagram_url, url_of
from ._clients import _engine, connected_endpoint
from ._sockets import borrow

P = typing.TypeVar("P", bound=asyncio.BaseProtocol)
Address = typing.Tuple[typing.Any, ...]

_HIGH = 64 << 10
_LONGEST = 65_507


class DatagramTransport(asyncio.DatagramTransport):
    """What asyncio.DatagramTransport is, for an endpoint of the engine's. It belongs to its event loop's thread. Made by
    `create_datagram_endpoint`."""

    def __init__(self, engine: Engine, id: int, listener: int, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self._engine, self._id, self._listener = engine, id, listener
        self._loop = engine.event_loop
        self._protocol: typing.Any = protocol
        self._context = contextvars.copy_context()
        self._sockname: Address = engine.address_of(id, False)
        self._peername: Address | None = None if listener else engine.address_of(id, True)
        self._borrowed: tuple[socket.socket, typing.Any] | None = None
        self._closing = self._ended_now = self._paused = self._blocked = False
        self._low, self._high = _HIGH // 4, _HIGH

    def _start(self) -> None:
        """Tells the protocol; what comes, and has come, goes to it from now on."""
        self._call("connection_made", self)
        if not self._closing:
            self._attach()

    def _attach(self) -> None:
        received = getattr(self._protocol, "datagram_received", None)
        if received is None:
            raise TypeError(f"{type(self._protocol).__name__} has no method datagram_received")
        self._engine.attach(self._id, received, self, self._context)

    def __repr__(self) -> str:
        state = "closed" if self._ended_now else "closing" if self._closing else "open"
        return f"<reactor.asyncio.DatagramTransport {self._sockname} {state}>"

    # ---- sending ----

    def sendto(self, data: bytes | bytearray | memoryview, addr: typing.Any = None) -> None:
        """Sends a datagram, an empty one, too: to an address, or of an endpoint that has one to its peer. In a callback of the engine's it
        leaves at its end, together with others; elsewhere at once. The host of an address is an IP address; a name is
        looked up, and the event loop waits meanwhile.

        What cannot be sent is told to `error_received`: more than a datagram can have, a network that cannot be reached, a peer
        that refuses. Raises `TypeError` for what is no bytes-like object, `ValueError` for an address of an endpoint that has
        another peer, or none where there is no peer. After a close that has nothing left to send, nothing happens.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):  # pyright: ignore[reportUnnecessaryIsInstance]  # Without types.
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._peername is None and addr is None:
            raise ValueError("sendto needs an address: the endpoint was made without remote")
        if self._peername is not None:
            if addr is not None and addr[:2] != self._peername[:2]:
                raise ValueError(f"Invalid address: must be None or {self._peername}")
            addr = None
        try:
            left = self._engine.send(self._id, data, addr, self._high)
            if left is None:
                left = self._engine.send(self._id, data, self._looked_up(addr), self._high)
        except InvalidArgumentError as error:
            number = errno.EMSGSIZE if memoryview(data).nbytes > _LONGEST else errno.EINVAL
            self._tell_error(OSError(number, f"{os.strerror(number)}: {error}"))
            return
        except OSError as error:
            self._tell_error(error)
            return
        self._check_pressure(left or 0)

    def _looked_up(self, addr: Address) -> Address:
        family = socket.AF_INET if len(self._sockname) == 2 else socket.AF_INET6
        flags = 0 if family == socket.AF_INET else socket.AI_V4MAPPED
        found: Address = socket.getaddrinfo(addr[0], addr[1], family=family, type=socket.SOCK_DGRAM, flags=flags)[0][4]
        return found

    def _tell_error(self, error: OSError) -> None:
        if self._protocol is not None:
            self._protocol.error_received(error)

    def _undelivered(self, number: int) -> None:
        """The engine: the system says so of a datagram."""
        self._tell_error(OSError(number, os.strerror(number)))

    # ---- how much waits ----

    def _check_pressure(self, left: int) -> None:
        if left > self._high and not self._paused:
            self._paused = True
            self._wait()
            self._run("pause_writing")

    def _wait(self) -> None:
        if not self._blocked:
            self._blocked = True
            self._engine.look_after(self)

    def _look_after(self) -> bool:
        """The engine, after a turn: whether it is to do that again."""
        if not self._ended_now:
            left = self._engine.unsent(self._id)
            if self._paused and left <= self._low:
                self._paused = False
                self._call("resume_writing")
            if self._closing and left == 0:
                self._end(None)
        self._blocked = not self._ended_now and (self._paused or self._closing)
        return self._blocked

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When `pause_writing` and `resume_writing` are called: above `high` bytes that the kernel has not taken, and at `low`. What
        the engine notes for each datagram counts, too. The default is 65,536 and a quarter of `high`."""
        if high is None:
            high = _HIGH if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._low, self._high = low, high
        self._check_pressure(self.get_write_buffer_size())

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The marks, low and high, in bytes."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel has not taken, with what the engine notes for each datagram."""
        return 0 if self._ended_now else self._engine.unsent(self._id)

    # ---- the protocol ----

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Gives what comes to another protocol from now on."""
        self._protocol = protocol
        if not self._closing:
            self._attach()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who is given what comes; None after `connection_lost`."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def get_extra_info(self, name: str, default: typing.Any = None) -> typing.Any:
        """`socket`, `sockname`, and `peername`, which is None without a peer; the default for anything else."""
        if name == "socket":
            if self._borrowed is None:
                self._borrowed = borrow(None if self._ended_now else self._engine.descriptor_of(self._id))
            return self._borrowed[1]
        if name == "sockname":
            return self._sockname
        return self._peername if name == "peername" else default

    def _call(self, name: str, *args: object) -> None:
        """As `_run`, in the context of callbacks, where none is running."""
        self._context.run(self._run, name, *args)

    def _run(self, name: str, *args: object) -> None:
        """Calls a method of the protocol that asks for nothing, in the context that there is: its failure is told, and changes nothing."""
        protocol = self._protocol
        try:
            getattr(protocol, name)(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            context = {"message": f"protocol.{name}() failed", "exception": error, "transport": self, "protocol": protocol}
            self._loop.call_exception_handler(context)

    # ---- the end ----

    def is_closing(self) -> bool:
        """Whether it is closed or closing."""
        return self._closing

    def close(self) -> None:
        """Receives nothing more, sends what waits, then closes; `connection_lost` follows."""
        if self._closing:
            return
        self._closing = True
        self._engine.detach(self._id)
        if self._engine.unsent(self._id) == 0:
            self._end(None)
        else:
            self._wait()

    def abort(self) -> None:
        """Closes at once; what waits is dropped. `connection_lost` follows."""
        self._closing = True
        self._end(None, abort=True)

    def _ended(self, number: int | None) -> None:
        """The engine has closed it by itself."""
        self._closing = True
        self._end(None if number is None else OSError(number, os.strerror(number)))

    def _end(self, error: OSError | None, abort: bool = False) -> None:
        if self._ended_now:
            return
        self._ended_now = True
        if self._borrowed is not None:
            self._borrowed[0].detach()
        self._engine.end_endpoint(self._id, self._listener, abort)
        self._loop.call_soon(self._lose, error, context=self._context)

    def _lose(self, error: OSError | None) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(error)


async def create_datagram_endpoint(
    protocol_factory: typing.Callable[[], P],
    local: str | None = None,
    remote: str | None = None,
    *,
    local_addr: tuple[str, int] | None = None,
    remote_addr: tuple[str, int] | None = None,
    family: int = socket.AF_UNSPEC,
    reuse_port: bool | None = None,
    allow_broadcast: bool | None = None,
) -> tuple[DatagramTransport, P]:
    """Makes a datagram endpoint, as `loop.create_datagram_endpoint` does: at a URL, `local="udp://:5000"`; or one that has its peer at a
    URL, `remote="udp://example.org:5000"`, and receives from nobody else; or both. Both take the options that the engine has for
    them, such as `"udp://:5000?join=239.1.2.3"`; with both they stand in `remote`.

    local_addr, remote_addr: the same as a host and a port, as asyncio has them. family: `AF_INET` or `AF_INET6`, for these. reuse_port,
    allow_broadcast: the options of that name.

    Raises `OSError`, `socket.gaierror` for a name that is not found, `reactor.InvalidAddressError`.
    """
    # Never in a callback of the engine's, which an eager task begins in.
    await asyncio.sleep(0)
    local = await _given("local", local, local_addr, family)
    remote = await _given("remote", remote, remote_addr, family)
    loop = asyncio.get_running_loop()
    engine = _engine(loop)
    if remote is not None:
        id, listener = await connected_endpoint(_to(remote, local, reuse_port, allow_broadcast)), 0
    elif local is not None:
        listener, id = engine.open_endpoint(local, reuse_port, allow_broadcast)
    else:
        raise ValueError('neither local nor remote was given; an endpoint at any port is local="udp://:0"')
    try:
        protocol = protocol_factory()
        transport = DatagramTransport(engine, id, listener, protocol)
        transport._start()
    except BaseException:
        engine.end_endpoint(id, listener, True)
        raise
    return transport, protocol


async def _given(name: str, url: str | None, address: tuple[str, int] | None, family: int) -> str | None:
    """The URL that was given, or the one of a host and a port, looked up as asyncio does it."""
    if url is not None and address is not None:
        raise ValueError(f"{name} and {name}_addr can not be specified at the same time")
    if url is not None or address is None:
        return None if url is None else datagram_url(url)
    if len(address) != 2:
        raise TypeError(f"{name}_addr has to be a host and a port, not {address!r}")
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address[0], address[1], family=family, type=socket.SOCK_DGRAM)
    urls = [url_of(kind, at, "udp") for kind, _, _, _, at in found if kind in (socket.AF_INET, socket.AF_INET6)]
    if not urls:
        raise OSError(f"getaddrinfo({address[0]!r}) returned no address")
    return urls[0]


def _to(remote: str, local: str | None, reuse_port: bool | None, broadcast: bool | None) -> str:
    """The URL of a peer, with the address of this side and options in the query."""
    options = [f"{name}={str(value).lower()}" for name, value in (("reuseport", reuse_port), ("broadcast", broadcast)) if value]
    if local is not None:
        if "?" in local:
            raise ValueError(f"options of an endpoint with a peer stand in remote, not in {local!r}")
        options.insert(0, f"bind={local.partition('://')[2] or local}")
    return remote + "".join(("&" if "?" in remote or at else "?") + option for at, option in enumerate(options))
