"""Datagram endpoints: what asyncio's do not have, a socket that takes no more, and what is left of them."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import gc
import socket
import threading
import weakref
from typing import Any

import pytest
import reactor
import reactor.asyncio
from datagram_endpoints import HERE, Datagrams, Full, endpoint, make, peer, received, turn
from harness import run, steps

pytestmark = pytest.mark.usefixtures("on_each_event_loop")


def test_urls_and_their_options() -> None:
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


def test_a_socket_of_both_families_tells_each_as_it_is() -> None:
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
def test_what_comes_before_there_is_a_protocol_waits_for_it(connected: bool) -> None:
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


def test_broadcast_needs_leave() -> None:
    async def main() -> None:
        protocol = Datagrams()
        transport, _ = await reactor.asyncio.create_datagram_endpoint(lambda: protocol, local_addr=(HERE, 0), allow_broadcast=True)
        assert transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 1
        transport.abort()

    run(main())


def test_wrong_use_says_what_is_wrong() -> None:
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


def test_a_socket_that_takes_no_more_pauses_its_protocol() -> None:
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


def test_a_close_waits_for_what_the_socket_did_not_take() -> None:
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


def test_callbacks_run_in_the_context_of_who_made_the_endpoint() -> None:
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


@pytest.mark.not_on_rloop("what rloop still polled at its end, it keeps for ever")
def test_nothing_is_left_of_endpoints() -> None:
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


def test_a_connect_that_is_cancelled_leaves_nothing() -> None:
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
