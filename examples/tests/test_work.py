"""work: answers take time, come in order, and hold nobody else up."""

from __future__ import annotations

import select

from harness import LIMIT, Start, in_background


def test_answers_come_in_the_order_of_the_requests(start: Start) -> None:
    with start("work", "--threads", "4").connect() as client:
        client.send(b"sleep 300 slow\nsleep 0 fast\nprimes 100\nsleep 100 middle\n")
        assert [client.line() for _ in range(4)] == ["slow", "fast", "25", "middle"]


def test_many_requests_at_once_are_answered_completely(start: Start) -> None:
    count = 3000
    with start("work", "--threads", "4").connect() as client:

        def ask() -> None:
            for number in range(count):
                client.send(f"sleep {number % 3} answer {number}\n".encode())
            client.end()

        asker = in_background(ask)
        assert client.rest().decode().splitlines() == [f"answer {number}" for number in range(count)]
        asker.join(LIMIT)


def test_a_client_is_not_held_up_by_the_work_of_another(start: Start) -> None:
    work = start("work", "--threads", "2", loops=1)
    with work.connect() as slow, work.connect() as fast:
        slow.send(b"sleep 3000 slow\n")
        fast.ask(b"sleep 0 fast\n", b"fast\n")
        slow.socket.setblocking(False)
        try:
            assert slow.socket.recv(10) == b"", "the fast client had to wait for the slow one"
        except BlockingIOError:
            pass


def test_wrong_requests_are_answered_in_their_turn(start: Start) -> None:
    with start("work").connect() as client:
        client.send(b"sleep 100 a\ndance\nsleep x\nsleep 99999999\nprimes -1\nprimes 2\nprimes 3\n\n")
        lines = [client.line() for _ in range(8)]
    unknown = "error: unknown request: there are sleep MILLISECONDS TEXT and primes N"
    assert lines == [
        "a",
        unknown,
        'error: "x" is not a number from 0 to 60000',
        'error: "99999999" is not a number from 0 to 60000',
        'error: "-1" is not a number from 0 to 10000000',
        "0",
        "1",
        unknown,
    ]


def test_a_client_that_asks_much_at_once_is_paused(start: Start) -> None:
    with start("work", "--threads", "1").connect() as client:
        client.send(b"sleep 60000 for a long time\n")
        client.socket.setblocking(False)
        text, sent, stalls = b"sleep 0 " + b"x" * 10_000 + b"\n", 0, 0
        # Not paused, it would take this in within a second or two.
        while sent < 100_000_000 and stalls < 50:
            try:
                sent += client.socket.send(text[sent % len(text) :])
                stalls = 0
            except BlockingIOError:
                stalls += 1
                select.select([], [client.socket], [], 0.02)
        assert sent < 100_000_000


def test_a_client_that_goes_away_takes_nothing_with_it(start: Start) -> None:
    work = start("work", "--threads", "2")
    for _ in range(20):
        with work.connect() as client:
            client.send(b"sleep 50 nobody\n" * 100)
    with work.connect() as client:
        client.ask(b"sleep 1 somebody\n", b"somebody\n")
