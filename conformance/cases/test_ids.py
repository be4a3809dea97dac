"""Ids and calls by id: L3, D4."""

from __future__ import annotations

import pytest
from conftest import Serve

from harness import eventually, needs, pattern, promises


@promises("L3")
def test_an_id_never_comes_twice(serve: Serve) -> None:
    server = serve(loops=2)
    ids = []
    for _ in range(12):
        clients = [server.connect() for _ in range(25)]
        ids += [client.id() for client in clients]
        for client in clients:
            client.close()
        # So that slots become free, and are used again.
        server.expect_nothing_left()
    assert len(set(ids)) == len(ids) == 300
    assert "0" not in ids


@promises("L3", "R5")
def test_calls_on_a_dead_id_answer_closed(serve: Serve) -> None:
    server = serve()
    gone, other = server.connect(), server.connect()
    conn = gone.id()
    gone.close()
    server.expect("close", id=conn)
    for _ in range(2):
        assert server.control(f"write {conn} 100") == "CLOSED"
        assert server.control(f"text {conn} hello") == "CLOSED"
        assert server.control(f"close {conn}") == "CLOSED"
        assert other.ask(f"to {conn} hello") == "CLOSED"
        assert other.ask(f"close-id {conn}") == "CLOSED"
    assert other.ask("echo fine") == "fine"


@promises("L3", "R5")
def test_ids_that_are_not_this_servers_answer_closed(serve: Serve) -> None:
    server = serve()
    client = server.connect()
    conn = int(client.id())
    # No id at all; the same slot of another loop; another generation; another slot.
    strangers = [0, 1, (1 << 64) - 1, conn ^ (1 << 20), conn ^ (1 << 32), conn ^ 1]
    for stranger in strangers:
        assert server.control(f"text {stranger} hello") == "CLOSED", stranger
        assert server.control(f"close {stranger}") == "CLOSED", stranger
        assert client.ask(f"to {stranger} hello") == "CLOSED", stranger
        assert client.ask(f"close-id {stranger}") == "CLOSED", stranger
    assert client.ask("echo only mine") == "only mine"


@promises("L3")
def test_a_stale_id_never_reaches_who_has_its_descriptor_now(serve: Serve) -> None:
    server = serve(loops=1)
    stale: list[str] = []
    for number in range(20):
        client = server.connect()
        conn = client.id()
        for dead in stale:
            assert server.control(f"text {dead} for the dead") == "CLOSED"
            assert server.control(f"close {dead}") == "CLOSED"
        assert server.control(f"text {conn} {number}") == "ok"
        assert client.line() == str(number)
        assert client.ask("echo still") == "still"
        client.close()
        server.expect("close", id=conn)
        stale.append(conn)


@promises("L3", "D4")
def test_writes_that_race_with_the_end_reach_the_right_one_or_nobody(serve: Serve) -> None:
    server = serve(loops=2, trace=False)
    talker = server.connect()
    talker.id()
    for number in range(100):
        client = server.connect()
        conn = client.id()
        talker.command(*(f"to {conn} {number}" for _ in range(20)))
        client.close()
        answers = [talker.line() for _ in range(20)]
        assert set(answers) <= {"ok", "CLOSED"}, answers
        assert answers == sorted(answers, reverse=True), "once closed, closed for ever"


@promises("D4")
@pytest.mark.parametrize("loops", [1, 2])
def test_the_order_of_one_threads_writes_is_kept(serve: Serve, loops: int) -> None:
    server = serve(loops=loops)
    from_loop, target = server.connect(), server.connect()
    from_loop.id()
    conn = target.id()
    for number in range(100):
        server.tell(f"text {conn} control {number}")
    from_loop.command(*(f"to {conn} loop {number}" for number in range(500)))
    lines = [target.line() for _ in range(600)]
    assert [line for line in lines if line.startswith("loop")] == [f"loop {n}" for n in range(500)]
    assert [line for line in lines if line.startswith("control")] == [f"control {n}" for n in range(100)]
    assert {from_loop.line() for _ in range(500)} == {"ok"}
    for number in range(100):
        server.expect("reply", command=f"text {conn} control {number}", result="ok")


@promises("D4")
def test_writes_of_many_threads_at_once_arrive_whole(serve: Serve) -> None:
    server = serve()
    client = server.connect()
    conn = client.id()
    assert set(server.control(f"burst {conn} 40 5000").split(" ")) == {"ok"}
    assert client.exactly(40 * 5000) == pattern(5000) * 40


@promises("D4", "D5")
@needs("budget")
def test_beyond_the_hard_limit_calls_by_id_answer_full_and_do_nothing_where_it_is_kept(serve: Serve) -> None:
    server = serve(high_water=100_000, hard_limit=1_000_000, keep_on_overflow=True)
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    taken, results = 0, set()
    while (result := server.control(f"write {conn} 300000")) != "FULL":
        assert result in ("ok", "high")
        results.add(result)
        taken += 1
    assert "high" in results
    assert server.stats()["queued"] <= 1_000_000
    assert server.control(f"write {conn} 1000001") == "FULL"
    assert server.events("close") == []
    # Every byte that was taken arrives, none of those that were refused, and then there is room again.
    assert client.exactly(taken * 300_000) == pattern(300_000) * taken
    server.expect("drain", id=conn)
    eventually("an empty queue", lambda: server.stats()["queued"] == 0)
    assert server.control(f"text {conn} room again") == "ok"
    assert client.line() == "room again"


@promises("D4")
def test_a_close_by_id_comes_behind_the_writes_before_it(serve: Serve) -> None:
    server = serve()
    client = server.connect(receive_buffer=1 << 14)
    conn = client.id()
    for command in (f"write {conn} 3000000", f"text {conn} last", f"close {conn}", f"text {conn} late"):
        server.tell(command)
    assert client.to_the_end() == pattern(3_000_000) + b"last\n"
    client.close()
    server.expect("reply", command=f"close {conn}", result="ok")
    server.expect("reply", command=f"text {conn} late", result="CLOSED")
