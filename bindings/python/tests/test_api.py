"""Names, values and properties."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import os
import pickle
import re
import threading
import traceback
import types
import weakref
from functools import partial
from pathlib import Path
from types import MethodType, SimpleNamespace
from typing import Any

import pytest
import reactor
from helpers import DEADLINE, Recorder, Running, connect, echo, exchange, receive, reset, send_all, wait_until, writes
from reactor import _native, _types


def test_close_reasons_are_the_cores() -> None:
    assert {str(reason): reason.value for reason in reactor.CloseReason} == _native.CLOSE_REASONS


def test_a_close_reason_that_is_unknown_stays_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(_types.KNOWN_REASONS, reactor.CloseReason.EOF.value)
    recorder = Recorder()
    with Running(recorder) as running:
        connect(running.url).close()
        recorder.wait_for("on_close")
    (reason, _), = recorder.closed()
    assert reason == 1
    assert type(reason) is int


def test_actions_have_the_cores_numbers() -> None:
    assert [(action.name, action.value) for action in reactor.Action] == [
        ("NONE", 0),
        ("CLOSE", 1),
        ("STOP", 2),
        ("DETACH", 3),
    ]
    assert {action.name.lower(): action.value for action in reactor.Action} == _native.ACTIONS


def test_the_options_of_a_server_are_the_cores() -> None:
    assert tuple(inspect.signature(reactor.Server).parameters) == ("handler", "hosted", *_native.SERVER_OPTIONS)
    for name in ("hosted", *_native.SERVER_OPTIONS):
        with pytest.raises(TypeError, match=f"^{name} must be "):
            reactor.Server(Recorder(), **{name: object()})  # type: ignore[arg-type]


def test_the_documentation_of_listen_has_every_option_with_its_form() -> None:
    said = (reactor.Server.listen.__doc__ or "").split()
    words = {word.strip(",;.:") for word in said}
    missing = {f"{name}={form}" for name, form in _native.LISTEN_OPTIONS.items()} - words
    assert missing == set()


def test_everything_public_is_listed() -> None:
    # But for what is a module to import by itself.
    values = {name: value for name, value in vars(reactor).items() if not name.startswith("_")}
    public = {name for name, value in values.items() if not isinstance(value, types.ModuleType)}
    assert public == set(reactor.__all__)


def test_everything_public_is_named_as_programs_name_it() -> None:
    for name in reactor.__all__:
        public = getattr(reactor, name)
        assert (public.__module__, public.__qualname__) == ("reactor", name)
        assert pickle.loads(pickle.dumps(public)) is public
    assert traceback.format_exception_only(reactor.ClosedError, reactor.ClosedError("gone")) == ["reactor.ClosedError: gone\n"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", reactor.__version__)
    assert reactor.__version__ == importlib.metadata.version("reactor-engine")


def test_help_tells_the_meaning_and_the_default_of_every_option() -> None:
    told = inspect.getdoc(reactor.Server) or ""
    options = inspect.signature(reactor.Server).parameters
    for name in options:
        meaning = re.search(rf"^{name}: (.*(?:\n    .*)*)", told, re.M)
        assert meaning, f"{name} is not explained"
        assert name == "handler" or "default" in meaning[1], f"{name} has no default"
    assert "linger: seconds" in told
    for name in ("high_water", "low_water", "hard_limit", "read_budget"):
        assert f"{name}: bytes" in told


def test_the_stubs_say_what_the_module_says() -> None:
    tree = ast.parse((Path(reactor.__file__).parent / "_native.pyi").read_text())
    compared = set()
    for stub in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        native = getattr(_native, stub.name)
        assert ast.get_docstring(stub) == inspect.getdoc(native)
        for member in (node for node in stub.body if isinstance(node, ast.FunctionDef)):
            is_setter = any(isinstance(decorator, ast.Attribute) for decorator in member.decorator_list)
            if not member.name.startswith("_") and not is_setter:
                assert ast.get_docstring(member) == inspect.getdoc(getattr(native, member.name)), member.name
                compared.add((stub.name, member.name))
    classes = [native for native in vars(_native).values() if isinstance(native, type)]
    public = {(native.__name__, name) for native in classes for name in vars(native) if not name.startswith("_")}
    assert compared == public


def test_callbacks_come_in_order_with_one_object_per_connection() -> None:
    recorder = Recorder(on_data=echo)
    with Running(recorder) as running:
        assert exchange(running.url, b"hello") == b"hello"
        recorder.wait_for("on_close")
    assert recorder.names() == ["on_start", "on_open", "on_data", "on_close", "on_stop"]
    start, opened, data, closed, stop = recorder.events
    assert start[1] is running.server
    assert stop[1] is running.server
    assert opened[1] is data[1] is closed[1]
    assert type(data[2]) is bytes
    assert data[2] == b"hello"
    assert closed[2] is reactor.CloseReason.EOF
    assert closed[3] is None
    assert recorder.errors == []


def test_a_reset_carries_the_errno() -> None:
    recorder = Recorder()
    with Running(recorder) as running:
        client = connect(running.url)
        recorder.wait_for("on_open")
        reset(client)
        recorder.wait_for("on_close")
    assert recorder.closed() == [(reactor.CloseReason.RESET, 104)]


def test_callbacks_of_a_connection_run_on_one_native_thread() -> None:
    threads: list[int] = []
    recorder = Recorder(on_open=lambda conn: threads.append(threading.get_native_id()))
    recorder.act["on_data"] = lambda conn, data: threads.append(threading.get_native_id())
    recorder.act["on_close"] = lambda *args: threads.append(threading.get_native_id())
    with Running(recorder, loops=2) as running:
        with connect(running.url) as client:
            client.sendall(b"x")
            recorder.wait_for("on_data")
        recorder.wait_for("on_close")
    assert len(threads) == 3
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_native_id()


def test_thread_locals_last_from_callback_to_callback() -> None:
    local = threading.local()

    def count(conn: reactor.Conn, data: bytes) -> None:
        local.count = getattr(local, "count", 0) + 1
        conn.write(b"%d" % local.count)

    with Running(Recorder(on_data=count), loops=1) as running, connect(running.url) as client:
        for expected in (b"1", b"2", b"3"):
            client.sendall(b"x")
            assert receive(client, 1) == expected


def test_any_thread_reads_and_sets_a_context_by_id() -> None:
    recorder = Recorder()
    recorder.act["on_data"] = lambda conn, data: writes(str(conn.context).encode())(conn)
    with Running(recorder, loops=1) as running, connect(running.url) as client:
        client.sendall(b"?")
        assert receive(client, 4) == b"None"
        (conn,) = recorder.conns
        assert running.server.conn(conn.id).context is None
        running.server.conn(conn.id).context = "mine"
        client.sendall(b"?")
        assert receive(client, 4) == b"mine"
        assert conn.context == "mine"


def test_a_conn_has_a_context_and_hashes_by_id() -> None:
    recorder = Recorder()

    def remember(conn: reactor.Conn) -> None:
        assert conn.context is None
        conn.context = {"name": "kept"}

    recorder.act["on_open"] = remember
    recorder.act["on_data"] = lambda conn, data: writes(conn.context["name"].encode())(conn)
    with Running(recorder) as running, connect(running.url) as client, connect(running.url):
        client.sendall(b"?")
        assert receive(client, 4) == b"kept"
        recorder.wait_for("on_open", 2)
        first, second = recorder.conns
        assert first.id != second.id
        assert first.id > 0
        assert first == first
        assert first != second
        assert first != first.id
        assert hash(first) == hash(first.id)
        assert {first, second, first} == {first, second}
        assert first.is_open
        assert repr(first) == f"<reactor.Conn {first.id} open>"
        assert weakref.ref(first)() is first
    recorder.wait_for("on_close", 2)
    assert first.context == second.context == {"name": "kept"}
    assert first.context is not second.context
    first.context = None
    assert first.context is None
    assert [conn.is_open for conn in recorder.conns] == [False, False]
    assert repr(first) == f"<reactor.Conn {first.id} closed>"


def test_a_conn_is_not_made_by_hand_and_keeps_its_id() -> None:
    with pytest.raises(TypeError):
        reactor.Conn()
    recorder = Recorder()
    with Running(recorder) as running, connect(running.url):
        recorder.wait_for("on_open")
        for name in ("id", "wirte"):
            with pytest.raises(AttributeError):
                setattr(recorder.conns[0], name, 1)
        with pytest.raises(AttributeError):
            recorder.conns[0].wirte(b"x")  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            del recorder.conns[0].context


def test_properties(tmp_path: Path) -> None:
    server = reactor.Server(Recorder(), loops=3)
    assert (server.addresses, server.loops, server.connections, server.queued_bytes) == ([], 0, 0, 0)
    tcp = server.listen("tcp://127.0.0.1:0")
    unix = server.listen(f"unix://{tmp_path}/socket")
    assert tcp.startswith("tcp://127.0.0.1:")
    assert not tcp.endswith(":0")
    assert unix == f"unix://{tmp_path}/socket"
    assert server.addresses == [tcp, unix]
    assert repr(server) == f"<reactor.Server {tcp} {unix}>"
    with server:
        server.start()
        assert server.loops == 3
        with connect(tcp), connect(unix):
            wait_until(lambda: server.connections == 2)
    assert server.connections == 0


def test_queued_bytes_counts_what_the_peer_does_not_take() -> None:
    recorder = Recorder(on_open=writes(bytes(16 << 20)))
    with Running(recorder) as running, connect(running.url) as client:
        recorder.wait_for("on_open")
        assert 0 < running.server.queued_bytes <= 16 << 20
        assert len(receive(client, 16 << 20)) == 16 << 20
        wait_until(lambda: running.server.queued_bytes == 0)


def test_a_write_says_when_to_wait_for_drain() -> None:
    answers: list[bool] = []

    def fill(conn: reactor.Conn) -> None:
        answers.append(conn.write(bytes(1000)))
        answers.append(conn.write(bytes(8 << 20)))

    recorder = Recorder(on_open=fill, on_drain=writes(b"drained"))
    with Running(recorder, high_water=2000, low_water=1000) as running, connect(running.url) as client:
        total = 1000 + (8 << 20)
        assert receive(client, total + 7) == bytes(total) + b"drained"
    assert answers == [True, False]
    assert recorder.names().count("on_drain") == 1


def test_any_object_is_a_handler_and_missing_methods_are_not_called() -> None:
    with Running(SimpleNamespace(on_data=echo)) as running:
        assert exchange(running.url, b"abc") == b"abc"
    with Running(SimpleNamespace(on_open=lambda conn: None)) as running:
        assert exchange(running.url, b"abc") == b""


class Ways:
    """Callbacks of every kind of callable."""

    @staticmethod
    def static(conn: reactor.Conn, data: bytes) -> None:
        conn.write(data)

    @classmethod
    def of_class(cls, conn: reactor.Conn, data: bytes) -> None:
        conn.write(data)

    def method(self, conn: reactor.Conn, data: bytes) -> None:
        conn.write(data)

    def __call__(self, conn: reactor.Conn, data: bytes) -> None:
        conn.write(data)

    def defaults(self, *args: Any, more: bytes = b"") -> None:
        conn, data = args
        conn.write(data + more)


@pytest.mark.parametrize(
    "callback",
    [
        echo,
        Ways.static,
        Ways.of_class,
        Ways().method,
        Ways(),
        Ways().defaults,
        partial(Ways.method, Ways()),
        partial(Ways().defaults, more=b""),
        MethodType(Ways.method, "any object"),
        MethodType(partial(lambda more, conn, data: conn.write(data)), b"more"),
    ],
    ids=lambda callback: type(callback).__name__,
)
def test_any_callable_is_a_callback(callback: Any) -> None:
    with Running(SimpleNamespace(on_data=callback)) as running:
        assert exchange(running.url, b"abc") == b"abc"


def test_methods_are_looked_up_once() -> None:
    looked_up: list[str] = []

    class Counting(reactor.Handler):
        def __getattribute__(self, name: str) -> Any:
            looked_up.append(name)
            return super().__getattribute__(name)

        def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            conn.write(data)

    with Running(Counting()) as running:
        assert exchange(running.url, b"1") == b"1"
        assert exchange(running.url, b"2") == b"2"
    callbacks = {"on_start", "on_open", "on_data", "on_drain", "on_close", "on_stop", "on_error"}
    assert sorted(name for name in looked_up if name in callbacks) == sorted(callbacks)


def test_the_base_classes_own_methods_are_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = lambda self, conn, data: [conn.write(b"called")] and None  # noqa: E731
    # The function stays the same object; what it does would show.
    monkeypatch.setattr(reactor.Handler.on_data, "__code__", answer.__code__)

    class Derived(reactor.Handler):
        pass

    class Calling(reactor.Handler):
        def on_data(self, conn: reactor.Conn, data: bytes) -> None:
            super().on_data(conn, data)

    for handler, expected in [(reactor.Handler(), b""), (Derived(), b""), (Calling(), b"called")]:
        with Running(handler) as running:
            assert exchange(running.url, b"x") == expected


def test_a_handlers_attribute_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="on_data is not callable: 'text'"):
        reactor.Server(SimpleNamespace(on_data="text"))


def test_an_exception_of_a_property_is_not_swallowed() -> None:
    class Broken:
        @property
        def on_open(self) -> object:
            raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        reactor.Server(Broken())


def test_large_blocks_come_back_whole() -> None:
    recorder = Recorder(on_data=echo)
    block = os.urandom(1 << 20)
    with Running(recorder, loops=2) as running:
        results: dict[int, bytes] = {}

        def client(number: int) -> None:
            with connect(running.url) as peer:
                sender = threading.Thread(target=send_all, args=(peer, block))
                sender.start()
                results[number] = receive(peer, len(block) + 1)
                sender.join(DEADLINE)

        clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join(DEADLINE)
    assert results == {number: block for number in range(8)}
    assert recorder.errors == []
