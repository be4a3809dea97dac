"""The exceptions and what raises them."""

from __future__ import annotations

import errno
import inspect
import pickle
import sys

import pytest
import reactor
from helpers import Recorder, Running, connect, echo, wait_until
from reactor import _errors, _native


def test_there_is_a_class_for_every_kind_of_the_core() -> None:
    assert set(_errors.CLASSES) == set(_native.ERROR_KINDS)
    assert list(_native.ERROR_KINDS.values()) == list(range(1, 13))
    assert all(kind == error.kind for kind, error in _errors.CLASSES.items())


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (reactor.InvalidArgumentError, ValueError),
        (reactor.InvalidAddressError, ValueError),
        (reactor.SystemCallError, OSError),
        (reactor.AddressInUseError, reactor.SystemCallError),
        (reactor.ClosedError, ConnectionError),
        (reactor.FullError, reactor.Error),
        (reactor.WrongStateError, RuntimeError),
        (reactor.WrongThreadError, RuntimeError),
        (reactor.StoppedError, reactor.Error),
        (reactor.HandlerFailedError, reactor.Error),
        (reactor.InternalError, RuntimeError),
        (reactor.UnsupportedError, ValueError),
    ],
)
def test_the_class_tree(error: type[reactor.Error], base: type[Exception]) -> None:
    assert issubclass(error, reactor.Error)
    assert issubclass(error, base)


def made(error_class: type[reactor.Error], message: str) -> reactor.Error:
    """As the native module makes it."""
    if issubclass(error_class, reactor.SystemCallError):
        return error_class(errno.EACCES, message)
    return error_class(message)


@pytest.mark.parametrize("kind", sorted(_errors.CLASSES))
def test_every_error_says_what_was_wrong_and_can_be_pickled(kind: str) -> None:
    error = made(_errors.CLASSES[kind], "what was wrong")
    assert str(error) == "what was wrong"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (again.kind, str(again)) == (kind, "what was wrong")


def test_no_python_code_runs_when_an_error_is_made() -> None:
    """A daemon thread may make one while the interpreter ends."""
    server = reactor.Server(Recorder())
    called: list[str] = []
    raised: list[reactor.Error] = []
    sys.setprofile(lambda frame, event, arg: called.append(frame.f_code.co_name) if event == "call" else None)
    try:
        server.listen("bogus://x")
    except reactor.InvalidAddressError as error:
        raised.append(error)
    try:
        server.listen("unix:///no/such/directory/socket")
    except reactor.SystemCallError as error:
        raised.append(error)
    try:
        server.close(1)
    except reactor.ClosedError as error:
        raised.append(error)
    sys.setprofile(None)
    assert len(raised) == 3
    assert called == []


@pytest.mark.parametrize(
    ("url", "part"), [("bogus://x", "bogus"), ("tcp://127.0.0.1", "127.0.0.1"), ("tcp://:1?nodlay=1", "nodlay"), ("unix://", "unix://")]
)
def test_a_wrong_address_is_quoted(url: str, part: str) -> None:
    with pytest.raises(reactor.InvalidAddressError) as raised:
        reactor.Server(Recorder()).listen(url)
    assert part in str(raised.value)
    assert raised.value.kind == "INVALID_ADDRESS"


def test_an_address_that_is_not_unicode_is_quoted() -> None:
    with pytest.raises(reactor.InvalidAddressError, match=r"'tcp://\\udcff:1'"):
        reactor.Server(Recorder()).listen("tcp://\udcff:1")


def test_an_address_in_use_has_its_errno_and_leaves_the_server_usable() -> None:
    first, second = reactor.Server(Recorder()), reactor.Server(Recorder())
    url = first.listen("tcp://127.0.0.1:0")
    with pytest.raises(reactor.AddressInUseError) as raised:
        second.listen(url)
    assert raised.value.errno == errno.EADDRINUSE
    assert url in str(raised.value)
    with second:
        second.listen("tcp://127.0.0.1:0")
        second.start()
        connect(second.addresses[0]).close()
    assert len(second.addresses) == 1


def test_what_the_system_refuses_has_its_errno() -> None:
    with pytest.raises(reactor.SystemCallError) as raised:
        reactor.Server(Recorder()).listen("unix:///no/such/directory/socket")
    assert raised.value.errno == errno.ENOENT
    assert "/no/such/directory/socket" in str(raised.value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"loops": -1}, "loops must be between 0 and 1024, not -1"),
        ({"loops": 5000}, "loops must be between 0 and 1024, not 5000"),
        ({"high_water": -5}, "high_water must be between 0 and .*, not -5"),
        ({"low_water": 1 << 70}, "low_water must be between 0 and .*, not 1180591620717411303424"),
        ({"hard_limit": -1}, "hard_limit must be"),
        ({"read_budget": -1}, "read_budget must be"),
        ({"high_water": 1, "low_water": 2}, "2 <= 1"),
        ({"linger": -0.5}, "linger must be a number of seconds, 0 or more, not -0.5"),
        ({"linger": 1e-12}, "linger must be .* 0 or at least a nanosecond, not 1e-12"),
        ({"linger": float("inf")}, "linger must be .* not inf"),
        ({"linger": float("nan")}, "linger must be .* not nan"),
    ],
)
def test_options_out_of_range_are_refused_by_name(options: dict[str, float], text: str) -> None:
    with pytest.raises(reactor.InvalidArgumentError, match=text):
        reactor.Server(Recorder(), **options)  # type: ignore[arg-type]


class Echo:
    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        conn.write(data)


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (Echo, r"an instance, such as Echo\(\), not the class Echo"),
        (None, "must have a callback, such as on_data: None has none"),
        (["text"], r"\['text'\] has none"),
    ],
)
def test_what_cannot_be_a_handler_is_refused(handler: object, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        reactor.Server(handler)


class Misspelt:
    on_data = echo
    on_quiet: object = None

    def on_dtaa(self, conn: reactor.Conn, data: bytes) -> None:
        """Would never be called."""


def test_a_callback_that_would_never_be_called_is_refused() -> None:
    known = ", ".join(name for name in vars(reactor.Handler) if name.startswith("on_"))
    with pytest.raises(reactor.InvalidArgumentError) as raised:
        reactor.Server(Misspelt())
    assert str(raised.value) == f"Misspelt.on_dtaa is no callback, and would never be called (known: {known})"


def test_what_is_no_option_is_refused_with_those_that_are() -> None:
    known = list(inspect.signature(reactor.Server).parameters)[1:]
    with pytest.raises(TypeError) as raised:
        reactor.Server(Recorder(), threads=2)  # type: ignore[call-arg]
    told = f"Server() got an unexpected keyword argument 'threads' (known: {', '.join(known)})"
    assert str(raised.value) == told


@pytest.mark.parametrize("url", [("127.0.0.1", 5000), 5000, b"tcp://:0", None])
def test_what_is_no_url_is_told_the_form(url: object) -> None:
    with pytest.raises(TypeError) as raised:
        reactor.Server(Recorder()).listen(url)  # type: ignore[arg-type]
    assert 'the url has to be a string, such as "tcp://127.0.0.1:5000"' in str(raised.value)
    assert str(raised.value).endswith(f"not {url!r}")


def test_options_of_another_type_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match="loops"):
        reactor.Server(Recorder(), loops="2")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="linger"):
        reactor.Server(Recorder(), linger="2")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="url"):
        reactor.Server(Recorder()).listen(5000)  # type: ignore[arg-type]


def test_a_look_is_one_of_the_engines() -> None:
    for look in ("adaptive", "never"):
        reactor.Server(Recorder(), look=look)
    with pytest.raises(reactor.InvalidArgumentError, match='^look must be "adaptive" or "never", not "always"$'):
        reactor.Server(Recorder(), look="always")  # type: ignore[arg-type]


def test_options_reach_the_engine() -> None:
    """A write beyond the hard limit closes the connection, and each mark must fit the others."""
    raised: list[BaseException] = []

    # Not in on_open: a client whose connect has not returned yet would see the reset there.
    def overflow(conn: reactor.Conn, data: bytes) -> None:
        try:
            conn.write(bytes(3000))
        except reactor.FullError as error:
            raised.append(error)

    recorder = Recorder(on_data=overflow)
    with Running(recorder, high_water=1000, low_water=500, hard_limit=2000, read_budget=4096, linger=0.5) as running:
        with connect(running.url) as client:
            client.sendall(b"x")
            # What was queued is lost, and the client is told so.
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        recorder.wait_for("on_close")
    assert [str(error) for error in raised] == [
        f"connection {recorder.conns[0].id}: 3000 bytes more would exceed the hard limit of 2000 unsent bytes"
    ]
    assert recorder.closed() == [(reactor.CloseReason.OVERFLOW, None)]


def test_calls_on_a_connection_that_is_gone_raise_closed() -> None:
    recorder = Recorder()
    with Running(recorder) as running:
        connect(running.url).close()
        recorder.wait_for("on_close")
        conn = recorder.conns[0]
        for call in (
            lambda: conn.write(b"x"),
            conn.close,
            lambda: running.server.write(conn.id, b"x"),
            lambda: running.server.close(conn.id),
        ):
            with pytest.raises(reactor.ClosedError) as raised:
                call()
            assert raised.value.kind == "CLOSED"
            assert f"{conn.id}" in str(raised.value)
    with pytest.raises(reactor.ClosedError):
        conn.write(b"after the stop")


@pytest.mark.parametrize("number", [0, 1, -1, 1 << 63, (1 << 64) - 1, 1 << 64, 1 << 200])
def test_a_number_that_never_was_an_id_is_closed(number: int) -> None:
    with Running(Recorder()) as running:
        with pytest.raises(reactor.ClosedError):
            running.server.write(number, b"x")
        with pytest.raises(reactor.ClosedError):
            running.server.close(number)


@pytest.mark.parametrize("wrong", ["1", 1.0, None, b"1"])
def test_an_id_of_another_type_is_refused(wrong: object) -> None:
    with Running(Recorder()) as running:
        with pytest.raises(TypeError):
            running.server.write(wrong, b"x")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            running.server.close(wrong)  # type: ignore[arg-type]


def test_another_servers_id_is_closed() -> None:
    recorder = Recorder()
    with Running(recorder) as one, Running(Recorder()) as other, connect(one.url):
        recorder.wait_for("on_open")
        with pytest.raises(reactor.ClosedError):
            other.server.write(recorder.conns[0].id, b"x")
        with pytest.raises(reactor.ClosedError):
            other.server.close(recorder.conns[0].id)
        assert recorder.conns[0].is_open


def test_full_from_another_thread_queues_nothing_and_closes_with_overflow() -> None:
    recorder = Recorder()
    with Running(recorder, high_water=1000, hard_limit=1 << 20) as running, connect(running.url):
        recorder.wait_for("on_open")
        conn = recorder.conns[0]
        with pytest.raises(reactor.FullError):
            conn.write(bytes((1 << 20) + 1))
        with pytest.raises(reactor.ClosedError):
            conn.write(b"x")
        recorder.wait_for("on_close")
    assert recorder.closed() == [(reactor.CloseReason.OVERFLOW, None)]


def test_full_keeps_the_connection_where_it_is_told_to() -> None:
    recorder = Recorder()
    options = {"high_water": 1000, "hard_limit": 1 << 20, "keep_on_overflow": True}
    with Running(recorder, **options) as running, connect(running.url):
        recorder.wait_for("on_open")
        conn = recorder.conns[0]
        with pytest.raises(reactor.FullError) as raised:
            conn.write(bytes((1 << 20) + 1))
        assert raised.value.kind == "FULL"
        assert conn.is_open
        assert running.server.queued_bytes == 0


def test_calls_in_the_wrong_state() -> None:
    running = Running(Recorder())
    server = running.server
    with pytest.raises(reactor.WrongStateError, match="not started"):
        server.wait()
    with running:
        for call in (server.start, server.run):
            with pytest.raises(reactor.WrongStateError, match="started already"):
                call()
    for call in (server.start, server.run):
        with pytest.raises(reactor.WrongStateError):
            call()
    with pytest.raises(reactor.WrongStateError):
        server.listen("tcp://127.0.0.1:0")


def test_waiting_in_a_callback_is_the_wrong_thread() -> None:
    raised: list[BaseException] = []
    running = Running(recorder := Recorder())

    def wait(conn: reactor.Conn) -> None:
        for call in (running.server.wait, running.server.run):
            try:
                call()
            except reactor.Error as error:
                raised.append(error)

    recorder.act["on_open"] = wait
    with running, connect(running.url):
        wait_until(lambda: len(raised) == 2)
        assert recorder.conns[0].is_open
    assert [type(error) for error in raised] == [reactor.WrongThreadError] * 2


def test_an_old_id_closes_no_connection_that_came_after() -> None:
    """The newer connection has the place of the older one on its loop."""
    recorder = Recorder()
    with Running(recorder, loops=1) as running:
        connect(running.url).close()
        recorder.wait_for("on_close")
        with connect(running.url) as client:
            recorder.wait_for("on_open", 2)
            older, newer = (conn.id for conn in recorder.conns)
            assert older != newer
            with pytest.raises(reactor.ClosedError):
                running.server.close(older)
            client.sendall(b"x")
            recorder.wait_for("on_data")
    assert recorder.events[-3][:2] == ("on_data", recorder.conns[1])
