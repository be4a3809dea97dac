"""What users write, for the type checkers: nothing runs it. What is wrong is marked, and has to be told."""

from __future__ import annotations

import asyncio
import socket
import typing

import reactor
import reactor.asyncio

if typing.TYPE_CHECKING:
    from typing_extensions import assert_type


class Session:
    """What a program keeps of a connection."""

    def __init__(self, name: str) -> None:
        self.name = name


class Rooms(reactor.Handler):
    """Every callback, as the base class has them."""

    def __init__(self) -> None:
        self.members: dict[int, Session] = {}
        self.upstream = 0

    def on_start(self, server: reactor.Server) -> None:
        assert_type(server.addresses, typing.List[str])

    def on_open(self, conn: reactor.Conn) -> None:
        conn.context = Session(conn.remote_address)
        conn.set_timeouts(idle=30, write=5.5)
        conn.set_options(nodelay=True, keepalive=(60, 5, 3))
        assert_type(conn.set_timer(1.5, repeat=2), reactor.Timer)

    def on_data(self, conn: reactor.Conn, data: bytes) -> reactor.Action | None:
        if not data:
            return reactor.Action.CLOSE
        assert_type(conn.write(data), bool)
        conn.write(memoryview(data), on_complete=lambda sent: print(sent))
        conn.writelines([data, bytearray(b"x"), memoryview(b"y")])
        conn.write_frame(b"payload")
        self.members[conn.id] = conn.context
        return None

    def on_datagram(self, conn: reactor.Conn, data: bytes, datagram: reactor.Datagram) -> None:
        conn.send_to(datagram.sender, data)
        conn.send_to(("127.0.0.1", 5000), data)
        assert_type(datagram.destination, typing.Optional[str])

    def on_eof(self, conn: reactor.Conn) -> None:
        conn.end()

    def on_drain(self, conn: reactor.Conn) -> None:
        conn.resume()

    def on_wake(self, conn: reactor.Conn) -> reactor.Action:
        return reactor.Action.DETACH

    def on_timer(self, conn: reactor.Conn, timer: reactor.Timer) -> None:
        timer.cancel()

    def on_detach(self, conn: reactor.Conn, sock: socket.socket, input: bytes, output: bytes) -> None:
        sock.sendall(output + input)

    def on_close(self, conn: reactor.Conn, reason: reactor.CloseReason, errno: int | None) -> None:
        if reason is reactor.CloseReason.IDLE:
            self.members.pop(conn.id, None)
        print(f"{conn.info().age:.3f} {reason} {errno}")

    def on_tick(self, server: reactor.Server) -> float | None:
        metrics = server.metrics()
        assert_type(metrics.accepted, int)
        return 0.5 if metrics.connections else None

    def on_stopping(self, server: reactor.Server) -> None:
        for number in server.connection_ids():
            server.write(number, b"bye")

    def on_error(self, conn: reactor.Conn | None, exc: BaseException) -> None:
        print(conn.id if conn else None, exc)


app = reactor.Handlers()


@app.on_open
def greet(conn: reactor.Conn) -> None:
    conn.write(b"hello")


@app.on_data
def answer(conn: reactor.Conn, data: bytes) -> reactor.Action | None:
    conn.hold()
    conn.server.run_on_conn(conn.id, lambda again: again.release())
    return None


lists = reactor.Handlers()


@lists.on_frames
def frames(conn: reactor.Conn, frames: list[bytes]) -> None:
    conn.write(b"".join(frames))


@lists.on_command
def command(conn: reactor.Conn, arguments: list[bytes]) -> reactor.Action | None:
    return reactor.Action.CLOSE if arguments == [b"QUIT"] else None


class Commands(reactor.Handler):
    def on_commands(self, conn: reactor.Conn, commands: list[list[bytes]]) -> None:
        assert_type(commands[0][0], bytes)
        conn.set_framing(reactor.Resp(max_arguments=1000))


# The functions stay what they are.
greet(conn=typing.cast(reactor.Conn, None))


def measure(head: bytes) -> int | None:
    """A framing of a program's own."""
    return 1 + head[0] if head else None


def serve_everything() -> None:
    reactor.serve(app, "tcp://:5000", "udp://:5000", loops=2, balance="least-connections", framing="line", idle=30)
    reactor.serve(Rooms(), "unix:///run/rooms", unix_mode=0o600, framing=reactor.LengthField(2), stop_deadline=5)


def serve_step_by_step() -> None:
    with reactor.Server(Rooms(), high_water=1 << 16, byte_budget=None) as server:
        listening = server.listen("tcp://127.0.0.1:0", framing=measure, keepalive=(60, 5, 3), multicast=["ff02::1"])
        assert_type(listening, reactor.Listening)
        server.start()
        upstream = server.connect("tcp://localhost:6379", timeout=2.5, context=Session("upstream"), framing=reactor.Line())
        assert_type(upstream, int)
        server.enroll(socket.socket(), loop=0)
        try:
            server.write(upstream, b"PING")
        except reactor.FullError:
            server.abort(upstream)
        except (reactor.ClosedError, OSError) as error:
            print(error)
        server.run_on_loop(0, print, "on the loop", 1)
        server.close_listener(listening, refuse=True)
        server.stop_gracefully(deadline=2)
        assert_type(server.wait(timeout=10), bool)


class Coroutines(reactor.Handler):
    async def on_open(self, conn: reactor.Conn) -> None:
        await conn.write_async(b"hello")
        await conn.drain()

    async def on_data(self, conn: reactor.Conn, data: bytes) -> reactor.Action | None:
        await asyncio.sleep(1)
        return reactor.Action.CLOSE


async def serve_under_asyncio() -> None:
    async with reactor.serve_async(Coroutines(), "tcp://:5000", framing="line", idle=60) as server:
        assert_type(server, reactor.Server)
        server.stop_gracefully()
        await server.wait_closed()
    await reactor.serve_async(Coroutines(), "tcp://:5000")
    await reactor.Server(Coroutines(), hosted=True).serve()


class Protocol(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        print(transport.get_extra_info("peername"))


async def asyncio_too() -> None:
    async with await reactor.asyncio.create_server(Protocol, "tcp://:5000") as server:
        assert_type(server.addresses, typing.List[str])
        transport, protocol = await reactor.asyncio.create_connection(Protocol, "tcp://localhost:5000")
        assert_type(protocol, Protocol)
        transport.write(b"hello")
        reader, writer = await reactor.asyncio.open_connection("localhost", 5000)
        writer.write(await reader.readexactly(5))
        await server.serve_forever()


def mistakes(conn: reactor.Conn, server: reactor.Server) -> None:
    conn.write("text")  # type: ignore[arg-type]
    conn.write(b"x", on_completed=print)  # type: ignore[call-arg]
    conn.send_to(5000, b"x")  # type: ignore[arg-type]
    conn.id = 5  # type: ignore[misc]
    conn.colour = "red"  # type: ignore[attr-defined]
    server.listen("tcp://:5000", colour="red")  # type: ignore[call-arg]
    server.listen("tcp://:5000", idle="30")  # type: ignore[arg-type]
    reactor.Server(app, balance="fair")  # type: ignore[arg-type]
    reactor.serve(app, "tcp://:5000", colour="red")  # type: ignore[call-arg]
    reactor.serve(app, "tcp://:5000", loops="two")  # type: ignore[arg-type]
    reactor.Line(max_frame=None)  # type: ignore[arg-type]
    app.on_message  # type: ignore[attr-defined]
    app.on_open(answer)  # type: ignore[type-var]
    lists.on_frames(answer)  # type: ignore[type-var]
    lists.on_commands(command)  # type: ignore[type-var]
    reactor.Resp(max_arguments="many")  # type: ignore[arg-type]


class Mistaken(reactor.Handler):
    def on_data(self, conn: reactor.Conn, data: str) -> None: ...  # type: ignore[override]

    def on_open(self, conn: reactor.Conn) -> bool:  # type: ignore[override]
        return True
