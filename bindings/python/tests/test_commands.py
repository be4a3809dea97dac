"""Commands, one by one and as lists for each read, and which callbacks may be told of input."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import reactor
from frame_lists import Lists, Serving, answering
from helpers import DEADLINE, connect, exchange, receive, receive_all, wait_until
from reactor import CloseReason, Line, Resp

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


def test_names_that_look_alike_are_told_apart_however_often_they_come() -> None:
    handler = Commands()
    alike = [b"", *(byte * count for byte in (b"a", b"\0") for count in range(1, 11))]
    alike += [b"abcd" + middle + b"efgh" for middle in (b"", b"x", b"y")]
    # More than are kept, so that they take each other's places.
    names = alike + [b"%d" % number for number in range(300)] + alike
    sent = b"".join(b"*2\r\n$%d\r\n%b\r\n$1\r\nx\r\n" % (len(name), name) for name in names)
    with Serving(handler, Resp()) as running:
        assert exchange(running.url, sent) == b"+OK\r\n" * len(names)
    assert handler.told == [[name, b"x"] for name in names]


def test_a_name_that_comes_again_is_the_same_object() -> None:
    handler = Commands()
    with Serving(handler, Resp()) as running:
        assert exchange(running.url, b"*1\r\n$8\r\nHINCRBY8\r\n" * 2) == b"+OK\r\n" * 2
    (first,), (second,) = handler.told
    assert first is second


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
