"""Ticks, timers and time-outs: T1, T2, T3. Times are lower bounds only."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from conftest import Serve

from harness import Subject, eventually, needs, not_for, pattern, promises
from harness.client import HANG_GUARD
from harness.subject import TCP

pytestmark = needs("calls", "timers")


def loop_thread(server: Subject, index: int) -> int:
    """The number of a loop's thread, as events have it."""
    server.control(f"call server run {index} current-loop")
    return int(server.expect("ran", call="current-loop", result=index)["thread"])


# ---- T1 ----


@promises("T1")
@pytest.mark.parametrize("loops", [1, 3])
def test_ticks_come_on_loop_0_and_say_when_the_next_is(serve: Serve, loops: int) -> None:
    began = time.monotonic()
    server = serve(loops=loops, ticks="0,100,200")
    for _ in range(3):
        server.expect("tick")
    # The third tick is due 0 + 100 ms after the first.
    assert time.monotonic() - began >= 0.1
    thread = loop_thread(server, 0)
    # The last delay leads to one more tick, which has none to return: no event, and no more ticks.
    assert [event["thread"] for event in server.events("tick")] == [thread] * 3
    assert server.connect().ask("echo fine") == "fine"


@promises("T1", "R4")
def test_a_tick_that_fails_is_reported_and_they_go_on(serve: Serve) -> None:
    server = serve(loops=2, ticks="10,fail,10,10")
    for _ in range(4):
        server.expect("tick")
    assert server.connect().ask("echo fine") == "fine"


@promises("T1", "S2")
def test_a_tick_may_stop_the_server(serve: Serve) -> None:
    server = serve(loops=2, ticks="50,50,stop")
    server.expect("ended")
    assert len(server.events("tick")) == 3


@promises("T1", "T4")
@not_for("node", "timers are Node's own, on its one thread, and the engine does not count them")
def test_no_tick_comes_after_one_that_returned_none(serve: Serve) -> None:
    server = serve(loops=1, ticks="1,1")
    server.expect("tick")
    server.expect("tick")
    # Timers filed behind the last tick's delay come: it was asked a third time, and is asked no more.
    client = server.connect()
    for _ in range(5):
        assert client.ask("call self timer 20 0").isdigit()
        server.expect("timer")
    assert len(server.events("tick")) == 2
    before = server.control("call server metrics")["timers_fired"]
    client.ask("call self timer 50 0")
    server.expect("timer")
    assert server.control("call server metrics")["timers_fired"] == before + 1


# ---- T2 ----


@promises("T2")
@pytest.mark.parametrize("loops", [1, 2])
def test_a_one_shot_timer_comes_once_and_not_early(serve: Serve, loops: int) -> None:
    server = serve(loops=loops, on_timer="echo due")
    client = server.connect()
    conn = client.id()
    opened = server.expect("open", id=conn)
    began = time.monotonic()
    number = int(client.ask("call self timer 150 0"))
    assert client.line() == "due"
    assert time.monotonic() - began >= 0.15
    event = server.expect("timer", id=conn, timer=number, result=None)
    assert event["thread"] == opened["thread"], "on the connection's loop"
    assert client.ask(f"call self cancel {number}") == "gone"
    server.stats()
    assert len(server.events("timer")) == 1


@promises("T2")
def test_a_repeating_timer_comes_until_it_is_cancelled(serve: Serve) -> None:
    server = serve(on_timer="echo due")
    client = server.connect()
    client.id()
    began = time.monotonic()
    number = int(client.ask("call self timer 20 30"))
    for _ in range(6):
        assert client.line() == "due"
    assert time.monotonic() - began >= 0.02 + 5 * 0.03
    client.command(f"call self cancel {number}")
    lines = [client.line()]
    while lines[-1] != "ok":
        lines.append(client.line())
    assert set(lines) <= {"ok", "due"}
    server.stats()  # Its reply comes behind the events.
    fired = len(server.events("timer"))
    assert client.ask(f"call self cancel {number}") == "gone"
    assert client.ask("call self timer 100 0").isdigit()
    assert client.line() == "due"
    server.stats()
    assert {event["timer"] for event in server.events("timer")[:fired]} == {number}
    assert len(server.events("timer")) == fired + 1


@promises("T2")
def test_timers_come_in_the_order_of_their_time(serve: Serve) -> None:
    server = serve(loops=1)
    client = server.connect()
    delays = [130, 20, 90, 50, 20, 170, 0]
    client.command("note-write started", *(f"call self timer {delay} 0" for delay in delays))
    server.expect("note")
    assert client.line() == "started"
    numbers = [int(client.line()) for _ in delays]
    for _ in delays:
        server.expect("timer")
    expected = sorted(zip(delays, numbers, strict=True), key=lambda due: due[0])
    order = [event["timer"] for event in server.events("timer")]
    assert order == [number for _, number in expected]


@promises("T2")
@not_for("node", "timers are Node's own, on its one thread, and the engine does not count them")
def test_a_loops_timers_come_on_that_loop_and_are_cancelled_there(serve: Serve) -> None:
    server = serve(loops=3)
    for index in range(1 if server.has_one_loop else 3):
        call = "timer 10 10 current-loop"
        assert server.control(f"call server run {index} {call}") == "ok"
        started = server.expect("ran", call=call)
        number = started["result"]
        for _ in range(3):
            event = server.expect("timer", id=None, timer=number)
            assert (event["thread"], event["result"]) == (started["thread"], index)
        assert server.control(f"call server run {index} cancel {number}") == "ok"
        assert server.expect("ran", call=f"cancel {number}")["result"] == "ok"
        assert server.control(f"call server run {index} cancel {number}") == "ok"
        assert server.expect("ran", call=f"cancel {number}")["result"] == "gone"


@promises("T2", "R5")
@not_for("node", "timers are Node's own, on its one thread, and the engine does not count them")
def test_a_timer_is_started_on_a_loop_only(serve: Serve) -> None:
    server = serve()
    assert server.control("call server timer 10 0") == "WRONG_THREAD"
    assert server.control("call server cancel 12345678") in ("WRONG_THREAD", "INVALID_ARGUMENT")


@promises("T2", "R4")
def test_a_timer_that_fails_is_reported_and_a_connections_closes_it(serve: Serve) -> None:
    server = serve(loops=1, on_timer="fail")
    assert server.control("call server run 0 timer 10 10 fail") == "ok"
    number = server.expect("ran")["result"]
    client, other = server.connect(), server.connect()
    conn = client.id()
    assert client.ask("call self timer 10 10").isdigit()
    assert server.expect("close", id=conn)["reason"] == "handler error"
    assert other.ask("echo fine") == "fine"
    # The loop's one repeats though it fails.
    assert server.control(f"call server run 0 cancel {number}") == "ok"
    assert server.expect("ran", call=f"cancel {number}")["result"] == "ok"


@promises("T2", "L1")
@not_for("node", "timers are Node's own, on its one thread, and the engine does not count them")
def test_a_connections_timers_end_with_it(serve: Serve) -> None:
    server = serve(loops=1)
    client, other = server.connect(), server.connect()
    conn = client.id()
    before = server.control("call server metrics")["timers_fired"]
    for _ in range(20):
        assert client.ask("call self timer 1000 50").isdigit()
    client.close()
    server.expect("close", id=conn)
    assert other.ask("call self timer 1200 0").isdigit()
    server.expect("timer")
    assert len(server.events("timer")) == 1
    assert server.control("call server metrics")["timers_fired"] == before + 1


@promises("T2", "L4")
def test_a_timer_may_end_its_connection(serve: Serve) -> None:
    server = serve(on_timer="echo last;close")
    client = server.connect()
    conn = client.id()
    assert client.ask("call self timer 10 10").isdigit()
    assert client.to_the_end() == b"last\n"
    client.close()
    assert server.expect("close", id=conn)["reason"] == "local close"
    assert len(server.events("timer")) == 1


@promises("T2", "T4")
@not_for("node", "timers are Node's own, on its one thread, and the engine does not count them")
def test_a_timer_costs_no_more_than_its_turn(serve: Serve) -> None:
    """One far timer and one near one: no wake-up in between."""
    server = serve(loops=1, trace=False)
    client = server.connect()
    for delay in (3_600_000, 86_400_000 * 30, 1_000):
        assert client.ask(f"call self timer {delay} 0").isdigit()
    before = server.control("call server metrics")["polls"]
    server.expect("timer")
    assert server.control("call server metrics")["polls"] - before <= 1 + 1


# ---- T3 ----


@promises("T3")
@pytest.mark.parametrize("way", ["listener", "call", "self"])
def test_an_idle_connection_is_closed(serve: Serve, way: str) -> None:
    server = serve(listen_options="idle=300" if way == "listener" else "nodelay=true")
    began = time.monotonic()
    client = server.connect()
    conn = client.id()
    if way == "call":
        assert server.control(f"call {conn} timeouts 300 0 0") == "ok"
    elif way == "self":
        assert client.ask("call self timeouts 300 0 0") == "ok"
    assert client.to_the_end() == b""
    assert time.monotonic() - began >= 0.3
    client.close()
    assert server.expect("close", id=conn)["reason"] == "idle"


@promises("T3")
def test_traffic_in_either_direction_is_not_idle(serve: Serve) -> None:
    server = serve(listen_options="idle=800")
    client, listener = server.connect(), server.connect()
    conn, quiet = client.id(), listener.id()
    began = time.monotonic()
    while time.monotonic() - began < 1.6:
        assert client.ask("echo busy") == "busy"
        assert server.control(f"text {quiet} news") == "ok"
        assert listener.line() == "news"
    assert server.events("close") == []
    assert server.control(f"call {conn} info")["age_ms"] >= 1500


@promises("T3")
def test_a_peer_that_sends_nothing_is_timed_out_though_it_is_written_to(serve: Serve) -> None:
    server = serve(listen_options="read=400")
    client, lively = server.connect(), server.connect()
    conn = client.id()
    while not server.events("close"):
        server.control(f"text {conn} news")
        assert lively.ask("echo there") == "there"
    assert server.expect("close", id=conn)["reason"] == "time-out"
    assert lively.ask("echo still") == "still"
    assert set(client.to_the_end().split(b"\n")) <= {b"news", b""}


@promises("T3", "D5")
def test_a_connection_that_is_not_read_has_no_read_timeout(serve: Serve) -> None:
    server = serve(listen_options="read=300")
    client, witness = server.connect(), server.connect()
    conn = client.id()
    assert server.control(f"call {conn} pause") == "ok"
    witnessed = witness.id()
    assert server.expect("close", id=witnessed)["reason"] == "time-out"
    assert server.control(f"call {conn} info")["queued"] == 0
    assert server.control(f"call {conn} resume") == "ok"
    assert client.ask("echo fine") == "fine"


@promises("T3")
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_peer_that_takes_nothing_is_timed_out(serve: Serve, kind: str, tmp_path: Path) -> None:
    url = TCP if kind == "tcp" else f"unix://{tmp_path}/s"
    server = serve(url, listen_options="write=400", hard_limit=1 << 28)
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    assert server.control(f"call {conn} write-then stuck 8000000") == "high"
    assert server.expect("close", id=conn)["reason"] == "time-out"
    assert server.expect("completed", tag="stuck")["result"] == "cancelled"
    assert server.events("completed", "close")[0]["event"] == "completed"
    if kind == "tcp":
        with pytest.raises(ConnectionResetError):
            client.to_the_end()


@promises("T3")
def test_a_slow_reader_is_not_timed_out(serve: Serve) -> None:
    """The write time-out is of a standstill, not of the whole."""
    server = serve(listen_options="write=700")
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    assert server.control(f"write {conn} 6000000") == "high"
    got = bytearray()
    began = time.monotonic()
    while server.control(f"call {conn} info")["queued"]:
        got += client.exactly(200_000)
        if time.monotonic() - began < 1.5:
            time.sleep(0.05)  # The slow reader; nothing is waited for.
    got += client.exactly(6_000_000 - len(got))
    assert got == pattern(6_000_000)
    assert server.events("close") == []


@promises("T3")
@pytest.mark.parametrize("timeout", ["idle", "write"])
def test_a_peer_that_takes_what_the_kernel_holds_is_not_timed_out(serve: Serve, timeout: str) -> None:
    """Though the kernel takes nothing more meanwhile: it has to be rid of a good part of its queue first."""
    server = serve(listen_options=f"{timeout}=1000", hard_limit=1 << 28)
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    assert server.control(f"write {conn} 16000000") == "high"
    got = bytearray()
    began = time.monotonic()
    while time.monotonic() - began < 2.5:
        got += client.exactly(10_000)
        assert server.events("close") == []
        time.sleep(0.04)  # The slow reader; nothing is waited for.
    got += client.exactly(16_000_000 - len(got))
    assert got == pattern(16_000_000)


@promises("T3", "L4")
def test_the_write_timeout_holds_while_a_connection_is_closed(serve: Serve) -> None:
    server = serve(listen_options="write=400")
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    assert server.control(f"write {conn} 6000000") == "high"
    assert server.control(f"close {conn}") == "ok"
    # The peer takes nothing more, so the queue cannot be sent: without a time-out it would be waited for.
    assert server.expect("close", id=conn)["reason"] == "time-out"


@promises("T3")
def test_timeouts_are_taken_back(serve: Serve) -> None:
    server = serve(listen_options="idle=400 read=400")
    client, witness = server.connect(), server.connect()
    conn = client.id()
    assert server.control(f"call {conn} timeouts 0 0 0") == "ok"
    witnessed = witness.id()
    server.expect("close", id=witnessed)
    assert client.ask("echo fine") == "fine"


@promises("T3", "D7")
@needs("outgoing")
def test_an_outgoing_connection_has_timeouts(serve: Serve) -> None:
    server = serve()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(HANG_GUARD)
        port = listener.getsockname()[1]
        conn = server.control(f"call server connect tcp://127.0.0.1:{port} idle=200")
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(HANG_GUARD)
            assert peer.recv(10) == b""
        assert server.expect("close", id=conn)["reason"] == "idle"


@promises("T2")
def test_ten_thousand_timers_at_once_come_each_once(serve: Serve) -> None:
    server = serve(loops=1, trace=False)
    client = server.connect()
    count = 10_000
    client.send(b"".join(b"call self timer %d 0\n" % (200 + n % 300) for n in range(count)))
    numbers = {client.line() for _ in range(count)}
    assert len(numbers) == count
    eventually("all of them", lambda: len(server.events("timer")) >= count)
    assert {str(event["timer"]) for event in server.events("timer")} == numbers
    assert len(server.events("timer")) == count
