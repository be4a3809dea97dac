"""Frames that are told as one list for each read, and commands."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
import reactor
from helpers import DEADLINE, Running, connect, exchange, receive, receive_all, wait_until
from reactor import Action, CloseReason, Custom, Fixed, LengthField, Line, Resp


class Lists(reactor.Handler):
    """Remembers what it is told, and does what `act` says with each list of frames."""

    def __init__(self, act: Callable[[reactor.Conn, list[bytes]], Action | None] | None = None) -> None:
        self.act = act
        self.told: list[Any] = []
        self.errors: list[BaseException] = []
        self.conns: list[reactor.Conn] = []

    def on_open(self, conn: reactor.Conn) -> None:
        self.conns.append(conn)

    def on_frames(self, conn: reactor.Conn, frames: list[bytes]) -> Action | None:
        self.told.append(frames)
        return self.act(conn, frames) if self.act else None

    def on_eof(self, conn: reactor.Conn) -> None:
        self.told.append("eof")
        conn.end()

    def on_detach(self, conn: reactor.Conn, sock: socket.socket, input: bytes, output: bytes) -> None:
        self.told.append((input, output))
        sock.close()

    def on_close(self, conn: reactor.Conn, reason: CloseReason, errno: int | None) -> None:
        self.told.append(reason)

    def on_error(self, conn: reactor.Conn | None, exc: BaseException) -> None:
        self.errors.append(exc)

    def wait_for(self, told: object) -> None:
        wait_until(lambda: told in self.told, f"{told}, told {self.told}")


class Serving(Running):
    """A server whose connections begin with a framing and more options."""

    def __init__(self, handler: object, framing: Any = None, **options: Any) -> None:
        self.server = reactor.Server(handler, loops=1)
        self.url = self.server.listen("tcp://127.0.0.1:0", framing=framing, **options)


def answering(conn: reactor.Conn, frames: list[bytes]) -> None:
    conn.write(b"[" + b",".join(frames) + b"]")


# ---- what comes ----


@pytest.mark.parametrize(
    ("framing", "sent", "frames"),
    [
        (Line(), b"one\r\n\ntwo\n", [b"one", b"", b"two"]),
        (Fixed(3), b"onetwo", [b"one", b"two"]),
        (LengthField(2), b"\0\3one\0\0\0\1x", [b"one", b"", b"x"]),
        (LengthField(2, strip=0), b"\0\3one\0\1x", [b"\0\3one", b"\0\1x"]),
        (lambda data: 2, b"onetwo", [b"on", b"et", b"wo"]),
        (None, b"one\ntwo", [b"one\ntwo"]),
    ],
)
def test_the_frames_of_a_read_are_one_list(framing: Any, sent: bytes, frames: list[bytes]) -> None:
    handler = Lists(answering)
    with Serving(handler, framing) as running, connect(running.url) as client:
        for times in (1, 2):
            client.sendall(sent)
            answer = b"[" + b",".join(frames) + b"]"
            assert receive(client, len(answer)) == answer
            assert handler.told == [frames] * times
    assert handler.errors == []


def test_a_frame_that_is_not_whole_comes_with_a_later_list() -> None:
    handler = Lists(answering)
    with Serving(handler, Line()) as running, connect(running.url) as client:
        for sent, answer in [(b"one\ntw", b"[one]"), (b"o\nthree\nf", b"[two,three]"), (b"our\n", b"[four]")]:
            client.sendall(sent)
            assert receive(client, len(answer)) == answer
    assert handler.told[:3] == [[b"one"], [b"two", b"three"], [b"four"]]


def test_however_much_comes_a_list_is_of_one_read_and_nothing_is_lost() -> None:
    handler = Lists()
    frames = [b"%07d" % number for number in range(300_000)]
    with Serving(handler, Line(), half_open=True) as running, connect(running.url) as client:
        client.sendall(b"".join(frame + b"\n" for frame in frames))
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b""
        handler.wait_for(CloseReason.EOF)
    *lists, eof, closed = handler.told
    assert (eof, closed) == ("eof", CloseReason.EOF)
    assert [frame for frames in lists for frame in frames] == frames
    assert max(map(len, lists)) <= (1 << 16) // 8 + 1
    assert min(map(len, lists)) > 0


def test_frames_come_before_the_end_and_so_does_the_rest() -> None:
    handler = Lists(answering)
    with Serving(handler, Line(deliver_rest=True)) as running:
        assert exchange(running.url, b"one\ntwo\nrest") == b"[one,two][rest]"
        handler.wait_for(CloseReason.EOF)
    assert handler.told == [[b"one", b"two"], [b"rest"], CloseReason.EOF]


def test_lists_belong_to_their_connections() -> None:
    handler = Lists(answering)
    with Serving(handler, Line()) as running:
        with connect(running.url) as one, connect(running.url) as two:
            one.sendall(b"a\nb\nc")
            assert receive(one, 5) == b"[a,b]"
            two.sendall(b"x\ny\nz")
            assert receive(two, 5) == b"[x,y]"
            one.sendall(b"d\n")
            assert receive(one, 4) == b"[cd]"
            two.sendall(b"!\n")
            assert receive(two, 4) == b"[z!]"


def test_without_framing_the_end_can_be_kept() -> None:
    handler = Lists(lambda conn, frames: conn.keep(len(frames[0]) % 3))
    with Serving(handler) as running, connect(running.url) as client:
        client.sendall(b"abcd")
        handler.wait_for([b"abcd"])
        client.sendall(b"ef")
        handler.wait_for([b"def"])
    assert handler.errors == []


def test_frames_cannot_be_kept() -> None:
    handler = Lists(lambda conn, frames: conn.keep(1))
    with Serving(handler, Line()) as running:
        assert exchange(running.url, b"one\ntwo\n") == b""
        handler.wait_for(CloseReason.HANDLER_ERROR)
    (error,) = handler.errors
    assert isinstance(error, reactor.WrongStateError)
    assert "a framing has cut this input" in str(error)


# ---- what is done with it ----


@pytest.mark.parametrize("close", ["action", "call", "abort"])
def test_after_a_close_no_list_comes(close: str) -> None:
    def end(conn: reactor.Conn, frames: list[bytes]) -> Action | None:
        answering(conn, frames)
        if close == "action":
            return Action.CLOSE
        if close == "call":
            conn.close()
        else:
            conn.abort()
        return None

    handler = Lists(end)
    with Serving(handler, Line()) as running, connect(running.url) as client:
        client.sendall(b"one\ntwo\nth")
        if close == "abort":
            with pytest.raises(ConnectionResetError):
                receive(client, 1)
        else:
            assert receive(client, 9) == b"[one,two]"
            client.sendall(b"ree\nfour\n")
            assert receive_all(client) == b""
        client.close()
        reason = CloseReason.ABORT if close == "abort" else CloseReason.LOCAL_CLOSE
        handler.wait_for(reason)
    assert handler.told == [[b"one", b"two"], reason]
    assert handler.errors == []


def test_a_list_that_fails_closes_its_connection_and_no_other() -> None:
    def fail(conn: reactor.Conn, frames: list[bytes]) -> None:
        if frames[0] == b"bad":
            raise LookupError("deliberate")
        answering(conn, frames)

    handler = Lists(fail)
    with Serving(handler, Line()) as running, connect(running.url) as other:
        assert exchange(running.url, b"bad\nworse\nworst") == b""
        handler.wait_for(CloseReason.HANDLER_ERROR)
        other.sendall(b"good\n")
        assert receive(other, 6) == b"[good]"
    assert handler.told[:3] == [[b"bad", b"worse"], CloseReason.HANDLER_ERROR, [b"good"]]
    assert [repr(error) for error in handler.errors] == ["LookupError('deliberate')"]


@pytest.mark.parametrize(("stop", "go_on"), [("hold", "release"), ("pause", "resume")])
def test_nothing_comes_while_the_connection_is_held_or_paused(stop: str, go_on: str) -> None:
    handler = Lists(lambda conn, frames: getattr(conn, stop)())
    with Serving(handler, Line(), half_open=True) as running, connect(running.url) as client, connect(running.url) as other:
        client.sendall(b"one\ntwo\nth")
        handler.wait_for([b"one", b"two"])
        client.sendall(b"ree\n")
        client.shutdown(socket.SHUT_WR)
        # Whatever was there for the other is told, so the loop has been past the first.
        other.sendall(b"other\n")
        handler.wait_for([b"other"])
        assert handler.told == [[b"one", b"two"], [b"other"]]
        getattr(handler.conns[0], go_on)()
        handler.wait_for([b"three"])
        getattr(handler.conns[0], go_on)()
        handler.wait_for("eof")
        assert receive_all(client) == b""
    assert handler.told[:4] == [[b"one", b"two"], [b"other"], [b"three"], "eof"]


def test_the_rest_is_cut_by_the_framing_that_a_list_sets() -> None:
    """Also one that would not be a whole frame by the framing before."""
    handler = Lists(lambda conn, frames: conn.set_framing(Line()))
    with Serving(handler, Fixed(8)) as running, connect(running.url) as client:
        client.sendall(b"8 bytes,16 bytesab\ncd")
        handler.wait_for([b"ab"])
        client.sendall(b"\nef\n")
        handler.wait_for([b"cd", b"ef"])
        assert handler.told == [[b"8 bytes,", b"16 bytes"], [b"ab"], [b"cd", b"ef"]]


def test_commands_may_follow_frames() -> None:
    class Both(Lists):
        def on_commands(self, conn: reactor.Conn, commands: list[list[bytes]]) -> None:
            self.told.append(("commands", commands))

    handler = Both(lambda conn, frames: conn.set_framing(Resp()))
    with Serving(handler, Fixed(4)) as running, connect(running.url) as client:
        client.sendall(b"nameG\r\n")
        handler.wait_for(("commands", [[b"G"]]))
    assert handler.told[0] == [b"name"]


def test_a_list_can_take_the_framing_away() -> None:
    handler = Lists(lambda conn, frames: conn.set_framing(None))
    with Serving(handler, Line()) as running, connect(running.url) as client:
        client.sendall(b"one\ntwo")
        handler.wait_for([b"two"])
        assert handler.told == [[b"one"], [b"two"]]


def test_what_is_detached_takes_the_rest_along() -> None:
    handler = Lists(lambda conn, frames: Action.DETACH)
    with Serving(handler, Line()) as running, connect(running.url) as client:
        client.sendall(b"one\ntwo\nrest")
        handler.wait_for((b"rest", b""))
    assert handler.told == [[b"one", b"two"], (b"rest", b"")]


def test_what_cannot_be_cut_ends_the_connection_after_the_frames_before() -> None:
    handler = Lists(answering)
    with Serving(handler, Line(max_frame=8)) as running, connect(running.url) as client:
        client.sendall(b"one\ntwo\nmuch too long")
        assert receive_all(client) == b"[one,two]"
        client.close()
        handler.wait_for(CloseReason.PROTOCOL_ERROR)
    assert handler.told == [[b"one", b"two"], CloseReason.PROTOCOL_ERROR]


def test_what_cannot_be_cut_waits_while_the_frames_before_are_held() -> None:
    handler = Lists(lambda conn, frames: conn.hold())
    with Serving(handler, Line(max_frame=8)) as running, connect(running.url) as client, connect(running.url) as other:
        client.sendall(b"one\ntwo\nmuch too long")
        handler.wait_for([b"one", b"two"])
        other.sendall(b"other\n")
        handler.wait_for([b"other"])
        handler.conns[0].write(b"answer")
        handler.conns[0].release()
        assert receive_all(client) == b"answer"
        client.close()
        handler.wait_for(CloseReason.PROTOCOL_ERROR)


# ---- functions that measure ----


def test_a_function_that_fails_ends_the_connection_after_the_frames_before() -> None:
    def measure(data: bytes) -> int:
        if data[:1] == b"!":
            raise ValueError("malformed")
        return 3

    handler = Lists(answering)
    with Serving(handler, Custom(measure)) as running:
        assert exchange(running.url, b"onetwo!") == b"[one,two]"
        handler.wait_for(CloseReason.PROTOCOL_ERROR)


@pytest.mark.parametrize("end", ["close", "abort"])
def test_what_a_function_closes_is_told_nothing_more_and_neither_is_another_connection(end: str) -> None:
    def measure(data: bytes) -> int:
        if data[:1] == b"!":
            getattr(handler.conns[0], end)()
        return 3

    handler = Lists(answering)
    with Serving(handler, Custom(measure)) as running:
        with connect(running.url) as client:
            client.sendall(b"onetwo!!!")
            wait_until(lambda: len(handler.conns) == 1 and not handler.conns[0].is_open, "the close")
        wait_until(lambda: bool(handler.told), "on_close")
        assert exchange(running.url, b"new") == b"[new]"
    assert handler.told[1:] == [[b"new"], CloseReason.EOF]
    assert isinstance(handler.told[0], CloseReason)


def test_a_function_that_sets_another_framing_parts_frames_and_commands() -> None:
    class Both(Lists):
        def on_commands(self, conn: reactor.Conn, commands: list[list[bytes]]) -> None:
            self.told.append(("commands", commands))

    def measure(data: bytes) -> int:
        if data[:1] == b"!":
            handler.conns[0].set_framing(Resp())
        return 3

    handler = Both()
    with Serving(handler, Custom(measure)) as running, connect(running.url) as client:
        client.sendall(b"onetwo!!!PING\r\nGET k\r\n")
        handler.wait_for(("commands", [[b"PING"], [b"GET", b"k"]]))
    assert handler.told[0] == [b"one", b"two", b"!!!"]


# ---- commands ----

SENT = b"PING\r\n*2\r\n$3\r\nGET\r\n$1\r\n\0\r\n*0\r\nSET 'a b' \"\"\r\n"
COMMANDS = [[b"PING"], [b"GET", b"\0"], [b"SET", b"a b", b""]]
ERROR = b"-ERR Protocol error: expected '$', got '!'\r\n"


class Commands(reactor.Handler):
    def __init__(self) -> None:
        self.told: list[list[bytes]] = []

    def on_command(self, conn: reactor.Conn, arguments: list[bytes]) -> None:
        self.told.append(arguments)
        conn.write(b"+OK\r\n")


def test_a_command_is_a_call_with_its_arguments() -> None:
    handler = Commands()
    with Serving(handler, Resp()) as running:
        assert exchange(running.url, SENT + b"*1\r\n!") == b"+OK\r\n" * 3 + ERROR
    assert handler.told == COMMANDS


class CommandLists(reactor.Handler):
    def __init__(self) -> None:
        self.told: list[list[list[bytes]]] = []
        self.conns: list[reactor.Conn] = []
        self.hold = False

    def on_open(self, conn: reactor.Conn) -> None:
        self.conns.append(conn)

    def on_commands(self, conn: reactor.Conn, commands: list[list[bytes]]) -> None:
        self.told.append(commands)
        if self.hold:
            return conn.hold()
        conn.write(b"+OK\r\n" * len(commands))


def test_the_commands_of_a_read_are_one_list_and_the_answer_to_what_is_none_comes_behind() -> None:
    handler = CommandLists()
    with Serving(handler, Resp()) as running:
        assert exchange(running.url, SENT + b"*1\r\n!") == b"+OK\r\n" * 3 + ERROR
    assert handler.told == [COMMANDS]


def test_the_answer_to_what_is_no_command_waits_for_those_that_are_held() -> None:
    handler = CommandLists()
    handler.hold = True
    with Serving(handler, Resp()) as running, connect(running.url) as client, connect(running.url) as other:
        client.sendall(SENT + b"*1\r\n!")
        wait_until(lambda: len(handler.told) == 1, "the commands")
        other.sendall(b"PING\r\n")
        wait_until(lambda: len(handler.told) == 2, "the other's")
        handler.conns[0].write(b"+LATE\r\n")
        handler.conns[0].release()
        assert receive_all(client) == b"+LATE\r\n" + ERROR
    assert handler.told == [COMMANDS, [[b"PING"]]]


def test_commands_are_told_where_other_input_is_if_there_is_nothing_for_them() -> None:
    lists = Lists()
    with Serving(lists, Resp()) as running:
        assert exchange(running.url, SENT) == b""
        lists.wait_for(CloseReason.EOF)
    assert lists.told[0] == COMMANDS

    told: list[Any] = []
    app = reactor.Handlers()
    app.on_data(lambda conn, data: told.append(data))
    with Serving(app, Resp()) as running:
        assert exchange(running.url, SENT) == b""
    assert told == COMMANDS


def test_commands_and_other_frames_have_callbacks_of_their_own() -> None:
    app = reactor.Handlers()

    @app.on_data
    def data(conn: reactor.Conn, data: bytes) -> None:
        conn.write(b"data " + data)

    @app.on_command
    def command(conn: reactor.Conn, arguments: list[bytes]) -> None:
        conn.write(b"command " + b" ".join(arguments))

    with Serving(app, Resp()) as running:
        lines = running.server.listen("tcp://127.0.0.1:0", framing=Line())
        assert exchange(running.url, b"GET k\r\n") == b"command GET k"
        assert exchange(lines, b"GET k\r\n") == b"data GET k"


def test_frames_and_lists_of_commands_by_decorators() -> None:
    app = reactor.Handlers()

    @app.on_frames
    def frames(conn: reactor.Conn, frames: list[bytes]) -> None:
        answering(conn, frames)

    @app.on_commands
    def commands(conn: reactor.Conn, commands: list[list[bytes]]) -> None:
        conn.write(repr(commands).encode())

    with Serving(app, Resp()) as running:
        lines = running.server.listen("tcp://127.0.0.1:0", framing=Line())
        assert exchange(running.url, b"GET k\r\n\r\nPING\r\n") == b"[[b'GET', b'k'], [b'PING']]"
        assert exchange(lines, b"GET k\r\n\r\nPING\r\n") == b"[GET k,,PING]"


def test_a_command_has_no_more_arguments_than_the_framing_says() -> None:
    assert Resp() == Resp(0, 0)
    with Serving(Commands(), Resp(max_arguments=2, max_frame=40)) as running:
        assert exchange(running.url, b"GET k\r\nGET k v\r\n").startswith(b"+OK\r\n-ERR Protocol error: ")
        assert exchange(running.url, b"*2\r\n$3\r\nGET\r\n$40\r\n").startswith(b"-ERR Protocol error: ")
        with connect(running.url) as client:
            client.sendall(b"GET k\r\n")
            assert receive(client, 5) == b"+OK\r\n"


def test_commands_are_not_written_as_frames() -> None:
    raised: list[BaseException] = []
    app = reactor.Handlers()

    @app.on_command
    def command(conn: reactor.Conn, arguments: list[bytes]) -> None:
        with pytest.raises(reactor.InvalidArgumentError) as error:
            conn.write_frame(b"x")
        raised.append(error.value)

    with Serving(app, Resp()) as running:
        assert exchange(running.url, b"PING\r\n") == b""
    assert len(raised) == 1


# ---- which callbacks there may be ----


def twice(*names: str) -> object:
    return type("Twice", (), {name: lambda self, conn, data: None for name in names})()


@pytest.mark.parametrize(("one", "many"), [("on_data", "on_frames"), ("on_command", "on_commands")])
def test_the_same_input_is_not_told_twice(one: str, many: str) -> None:
    with pytest.raises(reactor.InvalidArgumentError, match=f"^Twice has both {one} and {many}, which take the same input"):
        reactor.Server(twice(one, many))
    app = reactor.Handlers()
    getattr(app, one)(lambda conn, data: None)
    getattr(app, many)(lambda conn, data: None)
    with pytest.raises(reactor.InvalidArgumentError, match=f"^Handlers has both {one} and {many}"):
        reactor.Server(app)


def test_other_pairs_are_taken() -> None:
    for names in [("on_data", "on_commands"), ("on_frames", "on_command"), ("on_frames", "on_commands")]:
        reactor.Server(twice(*names))


def test_datagrams_are_no_frames() -> None:
    class Datagrams(Lists):
        def on_datagram(self, conn: reactor.Conn, data: bytes, datagram: reactor.Datagram) -> None:
            conn.write(data)

    handler = Datagrams()
    with Serving(handler) as running:
        host, _, port = running.server.listen("udp://127.0.0.1:0").partition("://")[2].rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(DEADLINE)
            client.connect((host, int(port)))
            client.send(b"datagram")
            assert client.recv(100) == b"datagram"
    assert handler.told == []
