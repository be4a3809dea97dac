"""Datagram endpoints, beside asyncio's own. The peers are raw sockets."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import gc
import socket
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import reactor
import reactor.asyncio
import uvloop
from harness import PATIENCE, Recorder, run, steps

HERE = "127.0.0.1"


class Datagrams(Recorder):
    """Writes down what it is told; not a `Protocol` by what it is asked for."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.note("datagram", (data, addr))

    def error_received(self, exc: Exception) -> None:
        self.note("error", exc)

    def datagrams(self) -> list[bytes]:
        return [value[0] for name, value in self.told if name == "datagram"]


async def make(engine: str, protocol: Datagrams, local: Any = None, remote: Any = None) -> Any:
    """The transport of an endpoint; the addresses are those of sockets."""
    if engine == "asyncio":
        loop = asyncio.get_running_loop()
        made: Any = await loop.create_datagram_endpoint(lambda: protocol, local_addr=local, remote_addr=remote)
    else:
        local, remote = (None if at is None else f"udp://{at[0]}:{at[1]}" for at in (local, remote))
        made = await reactor.asyncio.create_datagram_endpoint(lambda: protocol, local=local, remote=remote)
    assert made[1] is protocol
    assert protocol.transport is made[0]
    assert protocol.names()[0] == "made"
    return made[0]


@asynccontextmanager
async def endpoint(engine: str, remote: Any = None, **does: Callable[..., Any]) -> AsyncIterator[tuple[Any, Datagrams]]:
    protocol = Datagrams(**does)
    transport = await make(engine, protocol, None if remote else (HERE, 0), remote)
    try:
        yield transport, protocol
    finally:
        transport.abort()
        assert await protocol.has("lost") is None
        assert protocol.names()[-1] == "lost"
        assert protocol.names().count("lost") == 1


@asynccontextmanager
async def peer() -> AsyncIterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HERE, 0))
        sock.setblocking(False)
        yield sock


async def received(sock: socket.socket) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 1 << 17), PATIENCE)


@pytest.fixture
def failures() -> list[dict[str, Any]]:
    return []


def collect(failures: list[dict[str, Any]]) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))


def test_datagrams_come_with_their_senders_and_are_answered(engine: str) -> None:
    async def main() -> None:
        async with endpoint(engine) as (transport, protocol), peer() as one, peer() as other:
            at = transport.get_extra_info("sockname")
            one.sendto(b"from one", at)
            other.sendto(b"", at)
            other.sendto(b"x" * 65_507, at)
            await protocol.has("datagram", 3)
            assert sorted(value for name, value in protocol.told if name == "datagram") == sorted(
                [(b"from one", one.getsockname()), (b"", other.getsockname()), (b"x" * 65_507, other.getsockname())]
            )
            transport.sendto(b"to one", one.getsockname())
            transport.sendto(bytearray(b"to other"), other.getsockname())
            transport.sendto(memoryview(b"--and more--")[2:-2], other.getsockname())
            assert await received(one) == b"to one"
            assert [await received(other), await received(other)] == [b"to other", b"and more"]
            assert transport.get_write_buffer_size() == 0

    run(main())


def test_an_answer_in_the_callback(engine: str) -> None:
    async def main() -> None:
        def answer(protocol: Datagrams, came: Any) -> None:
            for number in range(3):
                protocol.transport.sendto(b"%d " % number + came[0], came[1])

        async with endpoint(engine, datagram=answer) as (transport, _), peer() as sock:
            for _ in range(20):
                sock.sendto(b"hello", transport.get_extra_info("sockname"))
                assert [await received(sock) for _ in range(3)] == [b"0 hello", b"1 hello", b"2 hello"]

    run(main())


def test_an_endpoint_with_a_peer_hears_nobody_else(engine: str) -> None:
    async def main() -> None:
        async with peer() as sock, peer() as stranger:
            async with endpoint(engine, sock.getsockname()) as (transport, protocol):
                at = transport.get_extra_info("sockname")
                assert transport.get_extra_info("peername") == sock.getsockname()
                transport.sendto(b"plain")
                transport.sendto(b"with its address", sock.getsockname())
                assert [await received(sock), await received(sock)] == [b"plain", b"with its address"]
                with pytest.raises(ValueError, match="Invalid address: must be None or"):
                    transport.sendto(b"elsewhere", stranger.getsockname())
                stranger.sendto(b"not heard", at)
                sock.sendto(b"heard", at)
                await protocol.has("datagram")
                assert protocol.told[1:] == [("datagram", (b"heard", sock.getsockname()))]

    run(main())


def test_both_addresses_can_be_given(engine: str) -> None:
    async def main() -> None:
        async with peer() as sock:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
                free.bind((HERE, 0))
                local = free.getsockname()
            protocol = Datagrams()
            transport = await make(engine, protocol, local, sock.getsockname())
            assert transport.get_extra_info("sockname") == local
            assert transport.get_extra_info("peername") == sock.getsockname()
            transport.close()
            await protocol.has("lost")

    run(main())


def test_what_can_be_asked(engine: str) -> None:
    async def main() -> None:
        async with endpoint(engine) as (transport, protocol):
            # Of 3.11 is none.
            assert engine == "asyncio" or isinstance(transport, asyncio.DatagramTransport)
            assert engine == "asyncio" or transport.get_protocol() is protocol
            assert transport.get_extra_info("peername") is None
            assert transport.get_extra_info("peername", "nobody") is None
            assert transport.get_extra_info("anything") is None
            assert transport.get_extra_info("anything", 5) == 5
            sock = transport.get_extra_info("socket")
            assert sock.getsockname() == transport.get_extra_info("sockname")
            assert sock.type == socket.SOCK_DGRAM
            assert sock.fileno() >= 0
            assert transport.is_closing() is False
            transport.close()
            assert transport.is_closing() is True
            await protocol.has("lost")
            await steps()
            assert sock.fileno() == -1

    run(main())


def test_a_refusal_is_told_and_the_endpoint_lives(engine: str) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.bind((HERE, 0))
            at = gone.getsockname()
        async with endpoint(engine, at) as (transport, protocol):
            transport.sendto(b"nobody is there")
            assert isinstance(await protocol.has("error"), ConnectionRefusedError)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(at)
                sock.setblocking(False)
                transport.sendto(b"now somebody is")
                assert await received(sock) == b"now somebody is"
                sock.sendto(b"and answers", transport.get_extra_info("sockname"))
                await protocol.has("datagram")

    run(main())


@pytest.mark.parametrize("connected", [True, False])
def test_what_is_too_long_is_told(engine: str, connected: bool) -> None:
    async def main() -> None:
        async with peer() as sock:
            async with endpoint(engine, sock.getsockname() if connected else None) as (transport, protocol):
                to = None if connected else sock.getsockname()
                transport.sendto(b"x" * 70_000, to)
                assert (await protocol.has("error")).errno == errno.EMSGSIZE
                transport.sendto(b"short", to)
                assert await received(sock) == b"short"

    run(main())


def test_a_network_that_cannot_be_reached_is_told(engine: str) -> None:
    async def main() -> None:
        async with endpoint(engine) as (transport, protocol), peer() as sock:
            # Without the socket's leave.
            transport.sendto(b"to everybody", ("255.255.255.255", 9))
            assert isinstance(await protocol.has("error"), OSError)
            transport.sendto(b"to one", sock.getsockname())
            assert await received(sock) == b"to one"

    run(main())


def test_a_name_is_looked_up(engine: str) -> None:
    async def main() -> None:
        async with endpoint(engine) as (transport, protocol), peer() as sock:
            transport.sendto(b"by name", ("localhost", sock.getsockname()[1]))
            assert await received(sock) == b"by name"
            transport.sendto(b"to nobody", ("no-such-name.invalid", 9))
            assert isinstance(await protocol.has("error"), socket.gaierror)

    run(main())


def test_what_is_no_datagram_is_refused(engine: str) -> None:
    async def main() -> None:
        async with endpoint(engine) as (transport, _):
            for data in ("text", 5, None, [b"list"]):
                with pytest.raises(TypeError, match="data argument must be a bytes-like object, not"):
                    transport.sendto(data, (HERE, 9))

    run(main())


@pytest.mark.parametrize("way", ["close", "abort"])
def test_nothing_comes_after_the_end(engine: str, way: str) -> None:
    async def main() -> None:
        async with peer() as sock:

            def end(protocol: Datagrams, _: Any) -> None:
                getattr(protocol.transport, way)()
                protocol.transport.close()
                protocol.transport.abort()

            protocol = Datagrams(datagram=end)
            transport = await make(engine, protocol, (HERE, 0))
            for _ in range(5):
                sock.sendto(b"one of five", transport.get_extra_info("sockname"))
            assert await protocol.has("lost") is None
            await steps(10)
            assert protocol.names() == ["made", "datagram", "lost"]
            if engine != "asyncio":
                # There, an AttributeError of its own.
                transport.sendto(b"ignored", sock.getsockname())
                await steps(10)
                assert protocol.names() == ["made", "datagram", "lost"]
            with pytest.raises(BlockingIOError):
                sock.recv(100)

    run(main())


def test_what_was_sent_before_a_close_leaves(engine: str) -> None:
    async def main() -> None:
        def send_and_close(protocol: Datagrams, came: Any) -> None:
            for number in range(50):
                protocol.transport.sendto(b"%d" % number, came[1])
            protocol.transport.close()

        protocol = Datagrams(datagram=send_and_close)
        transport = await make(engine, protocol, (HERE, 0))
        async with peer() as sock:
            sock.sendto(b"go", transport.get_extra_info("sockname"))
            assert [await received(sock) for _ in range(50)] == [b"%d" % number for number in range(50)]
            await protocol.has("lost")

    run(main())


def test_the_address_is_free_after_the_end(engine: str) -> None:
    async def main() -> None:
        at: Any = (HERE, 0)
        for _ in range(20):
            protocol = Datagrams()
            transport = await make(engine, protocol, at)
            at = transport.get_extra_info("sockname")
            transport.close()
            await protocol.has("lost")
            await steps()

    run(main())


@pytest.mark.not_on_rloop("rloop gives exception handlers one argument too few")
def test_an_exception_of_the_protocol_is_told_and_changes_nothing(engine: str, failures: list[dict[str, Any]]) -> None:
    async def main() -> None:
        def fail(protocol: Datagrams, _: Any) -> None:
            raise ZeroDivisionError("deliberate")

        collect(failures)
        async with endpoint(engine, datagram=fail, made=fail) as (transport, protocol), peer() as sock:
            sock.sendto(b"first", transport.get_extra_info("sockname"))
            sock.sendto(b"second", transport.get_extra_info("sockname"))
            await protocol.has("datagram", 2)
            assert protocol.datagrams() == [b"first", b"second"]
        assert [str(failure["exception"]) for failure in failures] == ["deliberate"] * 3

    run(main())


def test_the_limits_are_asyncios(engine: str) -> None:
    async def main() -> None:
        async with endpoint(engine) as (transport, _):
            all_limits = [({"high": 0}, (0, 0)), ({"low": 10}, (10, 40)), ({"high": 100, "low": 7}, (7, 100)), ({}, (16384, 65536))]
            for given, limits in all_limits:
                transport.set_write_buffer_limits(**given)
                if hasattr(transport, "get_write_buffer_limits"):
                    assert transport.get_write_buffer_limits() == limits
            with pytest.raises(ValueError, match=r"high \(5\) must be >= low \(6\) must be >= 0"):
                transport.set_write_buffer_limits(high=5, low=6)

    run(main())


def test_another_protocol_takes_over(engine: str) -> None:
    async def main() -> None:
        other = Datagrams()
        async with endpoint("reactor") as (transport, first), peer() as sock:
            sock.sendto(b"to the first", transport.get_extra_info("sockname"))
            await first.has("datagram")
            transport.set_protocol(other)
            sock.sendto(b"to the other", transport.get_extra_info("sockname"))
            await other.has("datagram")
            assert (first.datagrams(), other.datagrams()) == ([b"to the first"], [b"to the other"])
            transport.set_protocol(first)

    if engine != "asyncio":
        run(main())


def test_a_factory_that_fails_leaves_nothing(engine: str) -> None:
    async def main() -> None:
        def fail() -> Any:
            raise ZeroDivisionError("deliberate")

        async with peer() as sock:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
                free.bind((HERE, 0))
                url = f"udp://{HERE}:{free.getsockname()[1]}"
            for _ in range(3):
                with pytest.raises(ZeroDivisionError):
                    await reactor.asyncio.create_datagram_endpoint(fail, url)
            with pytest.raises(ZeroDivisionError):
                await reactor.asyncio.create_datagram_endpoint(fail, remote=f"udp://{HERE}:{sock.getsockname()[1]}")

    if engine != "asyncio":
        run(main())


# ---- what is ours ----


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop_of(request: pytest.FixtureRequest) -> Any:
    if request.param == "uvloop":
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    yield request.param
    asyncio.set_event_loop_policy(None)


def test_urls_and_their_options(event_loop_of: str) -> None:
    async def main() -> None:
        first, second = Datagrams(), Datagrams()
        one, _ = await reactor.asyncio.create_datagram_endpoint(lambda: first, f"udp://{HERE}:0?reuseport=true&rcvbuf=300000")
        assert one.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 300_000
        at = one.get_extra_info("sockname")
        two, _ = await reactor.asyncio.create_datagram_endpoint(lambda: second, local_addr=at, reuse_port=True)
        assert two.get_extra_info("sockname") == at
        third = Datagrams()
        six, _ = await reactor.asyncio.create_datagram_endpoint(lambda: third, "[::1]:0")
        assert len(six.get_extra_info("sockname")) == 4
        talker = Datagrams()
        host, port = six.get_extra_info("sockname")[:2]
        talk, _ = await reactor.asyncio.create_datagram_endpoint(lambda: talker, remote=f"udp6://[{host}]:{port}")
        talk.sendto(b"over IPv6")
        data, sender = await third.has("datagram")
        assert (data, sender) == (b"over IPv6", talk.get_extra_info("sockname"))
        six.sendto(b"back", sender)
        assert (await talker.has("datagram"))[0] == b"back"
        for transport, protocol in ((one, first), (two, second), (six, third), (talk, talker)):
            transport.close()
            await protocol.has("lost")

    run(main())


def test_a_socket_of_both_families_tells_each_as_it_is(event_loop_of: str) -> None:
    async def main() -> None:
        protocol = Datagrams()
        transport, _ = await reactor.asyncio.create_datagram_endpoint(lambda: protocol, "udp://:0")
        port = transport.get_extra_info("sockname")[1]
        for family, host in ((socket.AF_INET, HERE), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.bind((host, 0))
                sock.setblocking(False)
                sock.sendto(b"hello", (host, port))
                await protocol.has("datagram")
                sender = protocol.told.pop()[1][1]
                assert sender == sock.getsockname()
                transport.sendto(b"answer", sender)
                assert await received(sock) == b"answer"
        transport.close()
        await protocol.has("lost")

    run(main())


@pytest.mark.parametrize("connected", [True, False])
def test_what_comes_before_there_is_a_protocol_waits_for_it(event_loop_of: str, connected: bool) -> None:
    async def main() -> None:
        sent = [b"%d" % number for number in range(100)]
        protocol = Datagrams()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind((HERE, 0))
            at = free.getsockname()
        async with peer() as sock:
            # Room for all.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)

            def factory() -> Datagrams:
                for data in sent:
                    sock.sendto(data, at)
                for _ in range(3):
                    reactor.asyncio._clients._engine(asyncio.get_running_loop()).turn()
                return protocol

            remote = f"udp://{HERE}:{sock.getsockname()[1]}?rcvbuf=1000000" if connected else None
            local = f"udp://{HERE}:{at[1]}" + ("" if connected else "?rcvbuf=1000000")
            transport, _ = await reactor.asyncio.create_datagram_endpoint(factory, local, remote)
            await protocol.has("datagram", len(sent))
            assert protocol.names() == ["made"] + ["datagram"] * len(sent)
            assert protocol.datagrams() == sent
            transport.close()
            await protocol.has("lost")

    run(main())


def test_broadcast_needs_leave(event_loop_of: str) -> None:
    async def main() -> None:
        protocol = Datagrams()
        transport, _ = await reactor.asyncio.create_datagram_endpoint(lambda: protocol, local_addr=(HERE, 0), allow_broadcast=True)
        assert transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 1
        transport.abort()

    run(main())


def test_wrong_use_says_what_is_wrong(event_loop_of: str) -> None:
    create: Any = reactor.asyncio.create_datagram_endpoint

    async def main() -> None:
        with pytest.raises(ValueError, match='neither local nor remote was given; .* local="udp://:0"'):
            await create(Datagrams)
        with pytest.raises(ValueError, match="local and local_addr"):
            await create(Datagrams, "udp://:0", local_addr=(HERE, 0))
        with pytest.raises(ValueError, match="remote and remote_addr"):
            await create(Datagrams, remote="udp://:0", remote_addr=(HERE, 1))
        with pytest.raises(reactor.UnsupportedError, match="tcp://:0.*datagrams"):
            await create(Datagrams, "tcp://:0")
        with pytest.raises(TypeError, match="a URL is a string"):
            await create(Datagrams, 5)
        with pytest.raises(TypeError, match="a host and a port"):
            await create(Datagrams, local_addr=(HERE, 0, 0))
        with pytest.raises(reactor.Error, match="idle"):
            await create(Datagrams, f"udp://{HERE}:0?idle=5")
        with pytest.raises(ValueError, match="options of an endpoint with a peer stand in remote"):
            await create(Datagrams, f"udp://{HERE}:0?rcvbuf=5000", f"udp://{HERE}:9")
        with pytest.raises(socket.gaierror):
            await create(Datagrams, remote="udp://no-such-name.invalid:9")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind((HERE, 0))
            with pytest.raises(OSError, match="udp") as raised:
                await create(Datagrams, f"udp://{HERE}:{taken.getsockname()[1]}")
            assert raised.value.errno == errno.EADDRINUSE
        protocol = Datagrams()
        transport = await make("reactor", protocol, (HERE, 0))
        with pytest.raises(ValueError, match="sendto needs an address"):
            transport.sendto(b"to nobody")
        told: list[BaseException] = []

        def elsewhere() -> None:
            try:
                transport.sendto(b"x", (HERE, 9))
            except RuntimeError as error:
                told.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert "call_soon_threadsafe" in str(told[0])
        transport.close()

    run(main())


class Full:
    """The engine as if the kernel took nothing until it is told to: over loopback it takes everything, always."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.left = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def send(self, id: int, data: bytes, address: Any, high: int) -> int:
        self.left += len(data)
        return self.left

    def unsent(self, id: int) -> int:
        return self.left


async def turn(transport: Any) -> None:
    """Has the engine turn: something comes for the endpoint."""
    async with peer() as sock:
        seen = transport.get_protocol().names().count("datagram")
        sock.sendto(b"turn", transport.get_extra_info("sockname"))
        await transport.get_protocol().has("datagram", seen + 1)


def test_a_socket_that_takes_no_more_pauses_its_protocol(event_loop_of: str) -> None:
    async def main() -> None:
        async with endpoint("reactor") as (transport, protocol):
            full = transport._engine = Full(transport._engine)
            transport.set_write_buffer_limits(high=100, low=30)
            transport.sendto(b"x" * 100, (HERE, 9))
            assert "pause" not in protocol.names()
            transport.sendto(b"x", (HERE, 9))
            assert protocol.names() == ["made", "pause"]
            assert transport.get_write_buffer_size() == 101
            transport.sendto(b"x" * 50, (HERE, 9))
            full.left = 31
            await turn(transport)
            assert protocol.names() == ["made", "pause", "datagram"]
            full.left = 30
            await turn(transport)
            await protocol.has("resume")
            # Again, by new marks.
            transport.set_write_buffer_limits(high=0)
            assert protocol.names()[-1] == "pause"
            full.left = 0
            await turn(transport)
            await protocol.has("resume", 2)
            assert protocol.names().count("pause") == 2

    run(main())


def test_a_close_waits_for_what_the_socket_did_not_take(event_loop_of: str) -> None:
    async def main() -> None:
        other = Datagrams()
        turning = await make("reactor", other, (HERE, 0))
        async with endpoint("reactor") as (transport, protocol):
            full = transport._engine = Full(transport._engine)
            transport.sendto(b"x" * 10, (HERE, 9))
            transport.close()
            assert transport.is_closing()
            async with peer() as sock:
                sock.sendto(b"not heard any more", transport.get_extra_info("sockname"))
            for _ in range(3):
                await turn(turning)
            assert protocol.names() == ["made"]
            full.left = 0
            await turn(turning)
            await protocol.has("lost")
        turning.close()
        await other.has("lost")

    run(main())


def test_callbacks_run_in_the_context_of_who_made_the_endpoint(event_loop_of: str) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[str] = []

    async def main() -> None:
        # The engine has its reader from here on.
        async with endpoint("reactor"):
            variable.set("of the maker")
            does = {"datagram": lambda *_: seen.append(variable.get())}
            async with endpoint("reactor", **does) as (transport, protocol), peer() as sock:
                variable.set("later")
                sock.sendto(b"x", transport.get_extra_info("sockname"))
                await protocol.has("datagram")

    run(main())
    assert seen == ["of the maker"]


def test_nothing_is_left_of_endpoints(event_loop_of: str) -> None:
    gone: list[weakref.ref[object]] = []

    async def main() -> None:
        for _ in range(3):
            for remote in (None, (HERE, 9)):
                async with endpoint("reactor", remote) as (transport, protocol):
                    gone.extend([weakref.ref(transport), weakref.ref(protocol)])
                del transport, protocol
        # And one that nobody closes.
        protocol = Datagrams()
        gone.extend([weakref.ref(await make("reactor", protocol, (HERE, 0))), weakref.ref(protocol)])

    run(main())
    gc.collect()
    assert [reference() for reference in gone] == [None] * len(gone)


def test_a_connect_that_is_cancelled_leaves_nothing(event_loop_of: str) -> None:
    async def main() -> None:
        made: list[Datagrams] = []

        def factory() -> Any:
            made.append(Datagrams())
            return made[-1]

        for turns in range(8):
            making = asyncio.ensure_future(reactor.asyncio.create_datagram_endpoint(factory, remote=f"udp://{HERE}:9"))
            await steps(turns)
            making.cancel()
            done = (await asyncio.gather(making, return_exceptions=True))[0]
            if not isinstance(done, BaseException):
                done[0].abort()
        for protocol in made:
            await protocol.has("lost")
        engine = reactor.asyncio._clients._engine(asyncio.get_running_loop())
        while engine.connections:
            await asyncio.sleep(0.001)

    run(main())
