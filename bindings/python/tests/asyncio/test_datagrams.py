"""Datagram endpoints, beside asyncio's own. The peers are raw sockets."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest
import reactor
import reactor.asyncio
from datagram_endpoints import HERE, Datagrams, endpoint, make, peer, received
from harness import run, steps


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
