"""Start and stop: S1, S2, and wrong use: R5."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Serve

from harness import Client, Subject, eventually, not_for, process, promises, several_loops
from harness.subject import TCP


def kinds(server: Subject) -> list[str]:
    return [event["event"] for event in server.events()]


def expect_refused(server: Subject) -> None:
    """Nobody listens any more."""
    for url in server.urls:
        with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
            Client(url)


@promises("S1")
def test_on_start_comes_first_and_on_stop_last(serve: Serve) -> None:
    server = serve(loops=2)
    clients = [server.connect() for _ in range(10)]
    for client in clients:
        client.id()
    loops = server.loop_threads()
    server.tell("stop")
    server.expect("ended")
    seen = [kind for kind in kinds(server) if kind != "reply"]
    assert seen[:2] == ["listening", "start"]
    assert seen[-2:] == ["stop", "ended"]
    assert (seen.count("start"), seen.count("stop")) == (1, 1)
    assert (seen.count("open"), seen.count("close")) == (10, 10)
    (start,) = server.events("start")
    assert start["thread"] not in loops, "on_start comes on the thread that starts"
    expect_refused(server)


@promises("S1")
@pytest.mark.parametrize(
    ("script", "kind"),
    [("stop", "STOPPED"), ("stop-call", "STOPPED"), ("fail", "HANDLER_FAILED")],
)
def test_on_start_can_refuse_the_start(serve: Serve, script: str, kind: str, tmp_path: Path) -> None:
    server = serve(f"unix://{tmp_path}/s", start=False, on_start=script)
    error = server.expect("error", kind=kind, errno=None)
    if script == "fail":
        # C has no text to fail with, only a number that is no action.
        assert ("which is no action" if server.name == "c" else "told to fail") in error["message"]
    assert [k for k in kinds(server) if k != "failed"] == ["listening", "start", "error"]


@promises("S1", "R5")
def test_a_stop_before_the_start_refuses_it(serve: Serve) -> None:
    server = serve(start=False)
    assert server.control("listen tcp://127.0.0.1:0").startswith("tcp://127.0.0.1:")
    assert server.control("stop") == "ok"
    assert server.control("start") == "STOPPED"
    assert "start" not in kinds(server)


@promises("S2", "L1")
@pytest.mark.parametrize("loops", [1, 3])
@pytest.mark.parametrize("way", ["action", "callback", "control", "on-close"])
def test_a_stop_ends_every_connection(serve: Serve, way: str, loops: int) -> None:
    server = serve(loops=loops, on_close="stop-call" if way == "on-close" else "")
    clients = [server.connect() for _ in range(20)]
    for client in clients:
        client.id()
    # Some have input that is not a whole command, some have more output than the kernel takes.
    for client in clients[5:10]:
        client.send(b"echo half a comm")
    for client in clients[10:13]:
        client.command("write 6000000")
        assert client.exactly(1)
    if way == "action":
        clients[0].command("stop")
    elif way == "callback":
        clients[0].command("stop-call")
    elif way == "control":
        server.tell("stop")
    else:
        clients[0].close()
    server.expect("ended")
    for client in clients[1:]:
        try:
            client.to_the_end()
        except ConnectionResetError:
            assert client in clients[10:13], "only those that did not read"
    reasons = [event["reason"] for event in server.events("close")]
    expected = ["eof"] if way == "on-close" else ["shutdown"]
    assert sorted(reasons) == sorted(expected + ["shutdown"] * 19)
    expect_refused(server)


@promises("S2")
def test_a_stop_from_on_open_ends_the_server(serve: Serve) -> None:
    server = serve(on_open="stop")
    client = server.connect()
    assert client.to_the_end() == b""
    assert server.expect("close")["reason"] == "shutdown"
    server.expect("ended")


@promises("S2", "R5")
def test_a_stop_may_be_repeated(serve: Serve) -> None:
    server = serve(loops=2)
    client = server.connect()
    client.id()
    client.command("stop-call", "stop-call", "stop")
    for _ in range(3):
        server.tell("stop")
    server.expect("ended")
    assert client.to_the_end() == b""
    assert kinds(server).count("stop") == 1


@promises("S2")
def test_the_end_of_standard_input_stops_the_server(serve: Serve) -> None:
    """That is the protocol's, and so a stop from yet another place: a thread that ends."""
    server = serve()
    client = server.connect()
    client.id()
    server.end_commands()
    server.expect("ended")
    assert client.to_the_end() == b""


@promises("S2")
def test_wait_returns_when_all_has_ended(serve: Serve) -> None:
    server = serve()
    client = server.connect()
    client.id()
    server.tell("wait")
    if server.language != "node" and server.name != "python-asyncio":  # There, the wait is a promise, and blocks nobody.
        eventually("two threads that wait", lambda: process.polling_threads(server.pid) >= 2)
    client.command("stop")
    assert server.expect("reply", command="wait")["result"] == "ok"
    seen = kinds(server)
    assert seen.index("stop") < seen.index("reply", seen.index("close"))
    server.expect("ended")


@promises("S2", "R5")
@not_for("node", "wait gives a promise, and so blocks nobody wherever it is called")
def test_wait_is_an_error_in_a_callback(serve: Serve) -> None:
    server = serve()
    client = server.connect()
    for _ in range(2):
        # Nobody waits for a hosted one, wherever.
        assert client.ask("wait") == ("WRONG_STATE" if server.is_hosted else "WRONG_THREAD")
    assert client.ask("echo fine") == "fine"


@promises("R5")
def test_calls_in_the_wrong_state_answer_so(serve: Serve) -> None:
    server = serve(start=False)
    assert server.control("wait") == "WRONG_STATE"
    url = server.control("listen tcp://127.0.0.1:0")
    assert server.control("start") == "ok"
    server.urls = [url]
    server.started()
    client = server.connect()
    for _ in range(2):
        assert server.control("start") == "WRONG_STATE"
        assert client.ask("start") == "WRONG_STATE"
    assert client.ask("free") == ("WRONG_THREAD" if server.name == "c" else "n/a")
    assert client.ask("echo fine") == "fine"


@promises("R5")
@pytest.mark.parametrize(
    ("high_water", "low_water", "hard_limit", "quoted"),
    [(10, 20, 0, "20"), (10, 5, 7, "7")],
    ids=["low water", "hard limit"],
)
def test_options_that_contradict_each_other_are_refused(
    serve: Serve, high_water: int, low_water: int, hard_limit: int, quoted: str
) -> None:
    server = serve(TCP, start=False, high_water=high_water, low_water=low_water, hard_limit=hard_limit)
    expect_only_an_error(server, quoted)


@promises("R5")
@several_loops
def test_too_many_loops_are_refused(serve: Serve) -> None:
    expect_only_an_error(serve(TCP, start=False, loops=5000), "5000")


def expect_only_an_error(server: Subject, quoted: str) -> None:
    error = server.expect("error", kind="INVALID_ARGUMENT", errno=None)
    assert quoted in error["message"]
    assert kinds(server) == ["error"]
