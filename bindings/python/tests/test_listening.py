"""Listening: its options by keyword, listeners by number, inherited sockets."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import socket
import stat
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import reactor
from helpers import Recorder, Running, connect, echo, exchange, receive, wait_until
from reactor import _native, _options

#: A value of each option, and another one, which is wrong: its part of the error.
VALUES: dict[str, tuple[Any, Any, str]] = {
    "reuseport": (True, 1, "reuseport must be True or False, not 1"),
    "backlog": (7, 0, "backlog must be a number of connections above 0, not 0"),
    "nodelay": (False, "no", "nodelay must be True or False, not 'no'"),
    "keepalive": ((60, 10, 3), (60, 0), r"keepalive must be True, False, or whole seconds .*, not \(60, 0\)"),
    "recv_buffer": (5000, 5e3, "recv_buffer must be a number of bytes above 0, not 5000.0"),
    "send_buffer": (6000, -1, "send_buffer must be a number of bytes above 0, not -1"),
    "device": ("lo", 1, "device must be an interface's name, not 1"),
    "ipv6_only": (True, "", "ipv6_only must be True or False, not ''"),
    "unix_mode": (0o600, "0600", "unix_mode must be the permission bits .*, such as 0o600, not '0600'"),
    "shared": (True, [], r"shared must be True or False, not \[\]"),
    "datagram_size": (100, True, "datagram_size must be a number of bytes above 0, not True"),
    "broadcast": (True, 0, "broadcast must be True or False, not 0"),
    "multicast": (["239.1.2.3@lo"], ["nobody"], r"multicast must be GROUP or GROUP@INTERFACE.*, not \['nobody'\]"),
    "bind": ("127.0.0.1", "nobody", "bind must be an IP address, or one with a port, not nobody"),
    "idle": (1.5, -1, "idle must be a number of seconds, 0 or more, not -1"),
    "read": (0, "1", "read must be a number of seconds, not '1'"),
    "write": (30, float("nan"), "write must be a number of seconds, 0 or more, not nan"),
    "half_open": (True, "yes", "half_open must be True or False, not 'yes'"),
    "framing": ("line", "lines", "framing must be .*line, .* not lines"),
}


def keywords(call: object) -> list[str]:
    """The keyword arguments of a call."""
    parameters = inspect.signature(call).parameters.values()  # type: ignore[arg-type]
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def test_the_keywords_are_the_options_of_the_engine() -> None:
    assert keywords(reactor.Server.listen) == list(_native.LISTEN_MEMBERS)
    assert keywords(reactor.Server.listen_inherited) == list(_native.LISTEN_MEMBERS)
    assert keywords(reactor.Server.connect) == ["timeout", "loop", "context", *_native.CONNECT_MEMBERS]
    assert keywords(reactor.Server.enroll) == ["loop", "context", *_native.CONN_MEMBERS]
    assert list(_options.ListenOptions.__annotations__) == list(_native.LISTEN_MEMBERS)
    assert list(_options.ServerOptions.__annotations__) == list(_native.SERVER_OPTIONS)
    assert not set(_native.LISTEN_MEMBERS) & set(_native.SERVER_OPTIONS), "serve() takes both"


def test_every_option_of_the_engine_can_be_given_and_is_checked() -> None:
    """What the table has and this package cannot take would be named here."""
    server = reactor.Server(Recorder())
    assert VALUES.keys() == {*_native.LISTEN_MEMBERS, *_native.CONNECT_MEMBERS}
    for call, members in ((server.listen, _native.LISTEN_MEMBERS), (server.connect, _native.CONNECT_MEMBERS)):
        for name in members:
            value, wrong, text = VALUES[name]
            # The value is taken, None asks for nothing, and then the address is none.
            for taken in (value, None):
                with pytest.raises(reactor.InvalidAddressError, match="unknown scheme"):
                    call("none://", **{name: taken})
            with pytest.raises((reactor.InvalidArgumentError, TypeError), match=f"^{text}"):
                call("none://", **{name: wrong})
    assert server.listeners == []


def test_what_is_no_option_is_refused_with_those_that_are() -> None:
    with pytest.raises(TypeError) as raised:
        reactor.Server(Recorder()).listen("tcp://127.0.0.1:0", reuse_port=True)  # type: ignore[call-arg]
    known = ", ".join(_native.LISTEN_MEMBERS)
    assert str(raised.value) == f"listen() got an unexpected keyword argument 'reuse_port' (known: {known})"


def test_an_option_that_does_not_apply_is_named_as_it_was_given() -> None:
    server = reactor.Server(Recorder())
    with pytest.raises(reactor.InvalidAddressError, match="the option unix_mode does not apply to the scheme tcp"):
        server.listen("tcp://127.0.0.1:0", unix_mode=0o600)


def test_options_reach_the_socket_and_the_query_wins(tmp_path: Path) -> None:
    server = reactor.Server(Recorder())
    server.listen(f"unix://{tmp_path}/a", unix_mode=0o600)
    server.listen(f"unix://{tmp_path}/b?mode=640", unix_mode=0o600)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert modes == [0o600, 0o640]


def test_options_reach_the_connections() -> None:
    recorder = Recorder(on_data=echo)
    server = reactor.Server(recorder)
    framed = server.listen("tcp://127.0.0.1:0", framing="line")
    valued = server.listen("tcp://127.0.0.1:0", framing=reactor.Line(keep_delimiter=True))
    measured = server.listen("tcp://127.0.0.1:0", framing=lambda data: 3 if len(data) >= 3 else None)
    unframed = server.listen("tcp://127.0.0.1:0?framing=none", framing="line")
    idle = server.listen("tcp://127.0.0.1:0", idle=0.02)
    with server:
        server.start()
        assert exchange(framed, b"one\ntwo\n") == b"onetwo"
        assert exchange(valued, b"one\ntwo\n") == b"one\ntwo\n"
        assert exchange(measured, b"onetwo") == b"onetwo"
        assert b"one" in [event[2] for event in recorder.events if event[0] == "on_data"]
        assert exchange(unframed, b"one\ntwo\n") == b"one\ntwo\n"
        with connect(idle) as client:
            assert client.recv(1) == b""
        recorder.wait_for("on_close", 5)
    assert recorder.closed()[4] == (reactor.CloseReason.IDLE, None)


def test_a_listener_is_its_address_and_knows_its_number() -> None:
    server = reactor.Server(Recorder())
    first = server.listen("tcp://127.0.0.1:0")
    second = server.listen("tcp://127.0.0.1:0")
    assert type(first) is reactor.Listening
    assert (first.listener, second.listener) == (1, 2)
    assert server.listeners == server.addresses == [first, second]
    assert [listening.listener for listening in server.listeners] == [1, 2]
    assert json.loads(json.dumps(first)) == first
    again = pickle.loads(pickle.dumps(first))
    assert (again, again.listener, type(again)) == (first, 1, reactor.Listening)


def test_a_closed_listener_leaves_its_address_and_its_connections() -> None:
    recorder = Recorder(on_data=echo)
    with Running(recorder) as running, connect(running.url) as client:
        recorder.wait_for("on_open")
        (listening,) = running.server.listeners
        running.server.close_listener(listening)
        assert running.server.listeners == []
        assert str(running.server.listen(listening)) == listening
        client.sendall(b"x")
        assert receive(client, 1) == b"x"
        running.server.close_listener(running.server.listeners[0].listener, refuse=True)
        with pytest.raises(ConnectionRefusedError):
            connect(running.url)


@pytest.mark.parametrize("number", [0, 99, -1, 1 << 40])
def test_a_listener_that_is_none_is_told(number: int) -> None:
    with pytest.raises(reactor.InvalidArgumentError, match=f"there is no listener {number}"):
        reactor.Server(Recorder()).close_listener(number)


def test_what_is_no_listener_is_told() -> None:
    with pytest.raises(TypeError, match="listener must be a listener's number, or what listen returned, not 'tcp'"):
        reactor.Server(Recorder()).close_listener("tcp")  # type: ignore[arg-type]


def test_an_inherited_socket_is_listened_at() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = "tcp://{}:{}".format(*listener.getsockname())
    server = reactor.Server(Recorder(on_data=echo))
    assert server.listen(f"fd://{listener.detach()}", framing="line") == url
    with server:
        server.start()
        assert exchange(url, b"one\ntwo\n") == b"onetwo"


def test_without_a_service_manager_nothing_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    server = reactor.Server(Recorder())
    assert server.listen_inherited(backlog=5) == []
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "many")
    with pytest.raises(reactor.InvalidArgumentError, match="LISTEN_FDS"):
        server.listen_inherited()


def test_listeners_can_be_added_while_the_server_runs() -> None:
    with Running(Recorder(on_data=echo)) as running:
        url = running.server.listen("tcp://127.0.0.1:0")
        assert exchange(url, b"late") == b"late"
        wait_until(lambda: running.server.connections == 0)


def test_types_of_the_options_are_known() -> None:
    """For who reads them: they are not only for type checkers."""
    assert get_type_hints(_options.ServerOptions)["loops"] is int
