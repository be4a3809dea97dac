"""Calls by id, from callbacks, from other threads, and from many at once: D4, L3, R5."""

from __future__ import annotations

from collections import Counter

import pytest
from conftest import Serve

from harness import Client, Subject, eventually, needs, pattern, promises

pytestmark = needs("calls")

#: Every call that any thread may make by id, and what it answers on an open TCP connection.
ANYWHERE = {
    "write 10": "ok",
    "text hello": "ok",
    "bytes 00ff": "ok",
    "gather 1 2 3": "ok",
    "write-then last 5": "ok",
    "wake": "ok",
    "pause": "ok",
    "resume": "ok",
    "timeouts 0 0 0": "ok",
    "framing none": "ok",
    "option nodelay off": "ok",
    "run info": "ok",
    "end": "ok",
    "close": "ok",
    "abort": "ok",
    "detach": "ok",
}


def gone(server: Subject) -> str:
    """The id of a connection that has been closed."""
    client = server.connect()
    conn = client.id()
    client.close()
    server.expect("close", id=conn)
    return conn


def survives(server: Subject, client: Client) -> None:
    assert client.ask("echo fine") == "fine"
    assert server.control("call server loops") > 0


@promises("D4")
@pytest.mark.parametrize("place", ["control", "other loop", "own loop", "own callback"])
def test_bytes_written_from_anywhere_arrive_in_order(serve: Serve, place: str) -> None:
    server = serve(loops=1 if place == "own loop" else 2)
    client, other = server.connect(), server.connect()
    conn = client.id()
    other.id()
    calls = ["write 300", "text between", "gather 1 0 200 500", "bytes 00ff0a", "gather 5", "text last"]
    expected = pattern(300) + b"between\n" + pattern(701) + b"\x00\xff\n" + pattern(5) + b"last\n"
    for call in calls:
        if place == "control":
            assert server.control(f"call {conn} {call}") == "ok"
        elif place == "own callback":
            client.command(f"note-call self {call}")
        else:
            assert other.ask(f"call {conn} {call}") == "ok"
    assert client.exactly(len(expected)) == expected


@promises("D4", "L3", "R5")
@pytest.mark.parametrize("call", [call for call in ANYWHERE if call != "detach"])
def test_every_call_answers_from_anywhere_and_closed_on_a_dead_id(serve: Serve, call: str) -> None:
    expect_answers(serve(loops=2), call)


@promises("D4", "L3", "R5")
@needs("detach")
def test_so_does_detach(serve: Serve) -> None:
    expect_answers(serve(loops=2), "detach")


def expect_answers(server: Subject, call: str) -> None:
    dead, talker = gone(server), server.connect()
    talker.id()
    for place in ("control", "callback"):
        client = server.connect()
        conn = client.id()
        asking = (lambda line: server.control(line)) if place == "control" else talker.ask
        assert asking(f"call {conn} {call}") == ANYWHERE[call]
        for _ in range(2):
            assert asking(f"call {dead} {call}") == "CLOSED"
            assert asking(f"call 0 {call}") == "CLOSED"
        # Also one that is not read.
        server.control(f"call {conn} abort")
        client.close()
    survives(server, talker)


@promises("L3", "R5")
@pytest.mark.parametrize("call", [call for call in ANYWHERE if call != "detach"])
def test_an_id_of_another_server_answers_closed_and_does_nothing(serve: Serve, call: str) -> None:
    expect_closed(serve(), call)


@promises("L3", "R5")
@needs("detach")
def test_so_does_detach_of_another_servers(serve: Serve) -> None:
    expect_closed(serve(), "detach")


def expect_closed(server: Subject, call: str) -> None:
    # The first use starts the other one.
    assert server.control("call other:0 wake") == "CLOSED"
    server.remember_descriptors()
    client = server.connect()
    conn = client.id()
    assert server.control(f"call other:{conn} {call}") == "CLOSED"
    assert client.ask(f"call other:{conn} {call}") == "CLOSED"
    survives(server, client)
    assert server.events("wake", "completed", "ran", "close", "detach") == []


@promises("D4")
def test_a_refused_call_says_what_was_wrong(serve: Serve) -> None:
    server = serve()
    dead = gone(server)
    server.tell(f"call {dead} close")
    reply = server.expect("reply", command=f"call {dead} close", result="CLOSED")
    assert "closed" in reply["message"]
    server.tell("call server loops")
    assert server.expect("reply", command="call server loops")["message"] is None


@promises("D4", "L2")
@pytest.mark.parametrize("loops", [1, 2])
def test_each_threads_writes_stay_in_order_and_whole(serve: Serve, loops: int) -> None:
    server = serve(loops=loops)
    client = server.connect()
    conn = client.id()
    assert server.control(f"threads 8 200 {conn} text %t %n") == {"ok": 1600}
    lines = [client.line().split(" ") for _ in range(1600)]
    for thread in map(str, range(8)):
        assert [number for own, number in lines if own == thread] == [str(n) for n in range(200)]


@promises("D4")
def test_a_gathered_write_is_not_broken_up_by_others(serve: Serve) -> None:
    server = serve(loops=2)
    client = server.connect()
    conn = client.id()
    sizes = " ".join(["97", "1", "0", "402"] * 5)
    assert server.control(f"threads 6 50 {conn} gather {sizes}") == {"ok": 300}
    assert client.exactly(300 * 2500) == pattern(2500) * 300


@promises("D4")
def test_ten_thousand_completions_come_once_each_in_order(serve: Serve) -> None:
    server = serve(loops=2)
    client = server.connect()
    conn = client.id()
    assert server.control(f"threads 1 10000 {conn} write-then %n 10") == {"ok": 10_000}
    assert client.exactly(100_000) == pattern(10) * 10_000
    eventually("every completion", lambda: len(server.events("completed")) == 10_000)
    completed = server.events("completed")
    assert [event["tag"] for event in completed] == [str(n) for n in range(10_000)]
    assert {(event["id"], event["result"]) for event in completed} == {(conn, "sent")}


@promises("D4")
@pytest.mark.parametrize("way", ["abort", "hard"])
def test_what_was_not_sent_is_cancelled_before_on_close(serve: Serve, way: str) -> None:
    """The peer reads nothing: the kernel takes some writes, and the others are cancelled, all of them once."""
    server = serve(high_water=1 << 20, hard_limit=1 << 28)
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    for number in range(100):
        assert server.control(f"call {conn} write-then {number} 100000") in ("ok", "high")
    if way == "abort":
        assert server.control(f"call {conn} abort") == "ok"
    else:
        client.reset()
    closed = server.expect("close", id=conn)
    assert closed["reason"] == ("abort" if way == "abort" else "reset")
    kinds = [event["event"] for event in server.events("completed", "close")]
    assert kinds == ["completed"] * 100 + ["close"]
    completed = server.events("completed")
    assert [event["tag"] for event in completed] == [str(n) for n in range(100)]
    results = [event["result"] for event in completed]
    assert results == sorted(results, reverse=True), "sent ones first"
    assert results[-1] == "cancelled"


@promises("D4")
def test_a_completion_never_comes_from_inside_the_write(serve: Serve) -> None:
    server = serve(loops=1)
    client = server.connect()
    conn = client.id()
    client.command("note-call self write-then first 10", "note-call self write-then second 10")
    assert client.exactly(20) == pattern(10) * 2
    for tag in ("first", "second"):
        server.expect("completed", id=conn, tag=tag, result="sent")
    kinds = [event["event"] for event in server.events("note", "completed")]
    assert kinds == ["note", "note", "completed", "completed"]


@promises("D4")
def test_a_refused_write_has_no_completion(serve: Serve) -> None:
    server = serve(hard_limit=1000, keep_on_overflow=True)
    client = server.connect()
    conn, dead = client.id(), gone(server)
    assert server.control(f"call {conn} write-then full 5000000") == "FULL"
    assert server.control(f"call {dead} write-then dead 5") == "CLOSED"
    assert server.control(f"call {conn} write-then fits 5") == "ok"
    assert client.exactly(5) == pattern(5)
    server.expect("completed", id=conn, tag="fits", result="sent")
    assert len(server.events("completed")) == 1


@promises("D4", "R4")
def test_a_completion_that_fails_is_only_reported(serve: Serve) -> None:
    server = serve()
    client = server.connect()
    conn = client.id()
    assert server.control(f"call {conn} write-then fail 5") == "ok"
    assert client.exactly(5) == pattern(5)
    server.expect("completed", id=conn, tag="fail")
    survives(server, client)


@promises("D4", "L2")
@pytest.mark.parametrize("loops", [1, 3])
def test_a_function_runs_on_the_connections_loop(serve: Serve, loops: int) -> None:
    server = serve(loops=loops)
    clients = [server.connect() for _ in range(6)]
    for client in clients:
        conn = client.id()
        opened = server.expect("open", id=conn)
        assert server.control(f"call {conn} run text from the loop") == "ok"
        ran = server.expect("ran", id=conn, call="text from the loop", result="ok")
        assert ran["thread"] == opened["thread"]
        assert client.line() == "from the loop"
        clients[0].command(f"note-call {conn} run text from a callback")
        assert client.line() == "from a callback"
        server.expect("ran", id=conn, thread=opened["thread"], call="text from a callback")


@promises("D4", "R4")
def test_a_function_that_fails_is_only_reported(serve: Serve) -> None:
    server = serve()
    client = server.connect()
    conn = client.id()
    assert server.control(f"call {conn} run fail") == "ok"
    assert server.control("call server run 0 fail") == "ok"
    assert server.control("call server run 0 loops") == "ok"
    server.expect("ran", id=None, call="loops")
    survives(server, client)
    assert server.events("close") == []


@promises("D4")
def test_wakes_coalesce_and_none_is_lost(serve: Serve) -> None:
    server = serve(loops=2, on_wake="echo woken")
    client = server.connect()
    conn = client.id()
    for _ in range(20):
        assert server.control(f"call {conn} wake") == "ok"
        assert client.line() == "woken"
    # While its callback sleeps, many become one or two: one may have been taken up before the sleep.
    server.expect("open", id=conn)
    before = len(server.events("wake"))
    client.command("sleep 500", "note-write slept")
    assert server.control(f"threads 4 250 {conn} wake") == {"ok": 1000}
    server.expect("note", id=conn)
    client.command("echo last")
    lines = [client.line()]
    while lines[-1] != "last":
        lines.append(client.line())
    assert lines[0] in ("woken", "slept")
    assert set(lines) == {"woken", "slept", "last"}
    server.stats()  # Its reply comes behind the events.
    assert 1 <= len(server.events("wake")) - before <= 1000


@promises("D4", "D5")
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_reading_pauses_and_resumes(serve: Serve, kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    url = "tcp://127.0.0.1:0" if kind == "tcp" else f"unix://{tmp_path_factory.mktemp('s')}/s"
    server = serve(url)
    client = server.connect()
    conn = client.id()
    assert server.control(f"call {conn} pause") == "ok"
    client.command("echo waited")
    # The loop has served others meanwhile.
    other = server.connect()
    for number in range(50):
        assert other.ask(f"echo {number}") == str(number)
    assert server.control(f"call {conn} info")["received"] == 3
    assert server.control(f"call {conn} resume") == "ok"
    assert client.line() == "waited"


@promises("D4", "L4")
def test_an_abort_resets_at_once(serve: Serve) -> None:
    server = serve()
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    assert server.control(f"write {conn} 20000000") == "high"
    assert server.control(f"call {conn} abort") == "ok"
    assert server.expect("close", id=conn)["reason"] == "abort"
    with pytest.raises(ConnectionResetError):
        client.to_the_end()


@promises("D4", "L5")
def test_end_sends_the_queue_and_goes_on_reading(serve: Serve) -> None:
    server = serve()
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    assert server.control(f"write {conn} 3000000") == "high"
    assert server.control(f"call {conn} end") == "ok"
    assert server.control(f"call {conn} end") == "CLOSED"
    assert server.control(f"text {conn} late") == "CLOSED"
    assert client.to_the_end() == pattern(3_000_000)
    client.command("note-write heard")
    assert server.expect("note", id=conn)["text"] == "CLOSED"
    client.end()
    assert server.expect("close", id=conn)["reason"] == "eof"


@promises("D4")
def test_calls_of_many_threads_race_the_end_of_a_connection(serve: Serve) -> None:
    server = serve(loops=2)
    for way in ("close", "abort", "end", *(["detach"] if server.has("detach") else [])):
        client = server.connect()
        conn = client.id()
        server.tell(f"threads 4 300 {conn} text %t %n")
        client.command(f"call self {way}")
        tally: Counter[str] = Counter(server.expect("reply", command=f"threads 4 300 {conn} text %t %n")["result"])
        assert set(tally) <= {"ok", "high", "CLOSED"} and tally.total() == 1200
        client.close()
        eventually(f"the end by {way}", lambda: not server.stats()["connections"])
