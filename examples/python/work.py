#!/usr/bin/env python3
"""Answers that take time come from a pool of threads, while the loops go on: in order for each client.

work.py --listen URL [--listen URL]... [--loops N] [--threads N]. Each line is a request:

- `sleep MILLISECONDS TEXT` is answered with the text, that much later,
- `primes N` with how many primes there are below N.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import os
import threading

import launch
import reactor

MAX_LINE = 64 << 10
"""The longest request, in bytes."""
MAX_OUTSTANDING = 64
"""Requests of one client that may be outstanding; then it is read again when half of them are answered. How many clients there
may be is not limited here."""
MAX_SLEEP = 60_000
MAX_PRIMES = 10_000_000


class Client:
    """What a connection remembers. Only its loop touches it, so it needs no lock."""

    def __init__(self) -> None:
        # In the order of the requests.
        self.answers: collections.deque[concurrent.futures.Future[str]] = collections.deque()
        self.is_paused = False
        self.is_ended = False


def number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
        raise ValueError(f'"{text}" is not a number from 0 to {most}')
    return int(text)


def primes_below(end: int) -> int:
    """The sieve of Eratosthenes."""
    is_prime = bytearray([1]) * end
    is_prime[:2] = bytes(min(end, 2))
    for factor in range(2, int(end**0.5) + 1):
        if is_prime[factor]:
            is_prime[factor * factor :: factor] = bytes(len(range(factor * factor, end, factor)))
    return sum(is_prime)


class Work(launch.Handler):
    def __init__(self, pool: concurrent.futures.Executor) -> None:
        self.pool = pool
        self.stopped = threading.Event()

    def answer(self, conn: reactor.Conn, request: str) -> str:
        """Works an answer out, on a thread of the pool."""
        if not conn.is_open:
            return ""  # Nobody waits for it.
        command, _, rest = request.partition(" ")
        try:
            if command == "sleep":
                milliseconds, _, text = rest.partition(" ")
                self.stopped.wait(number(milliseconds, MAX_SLEEP) / 1000)
                return text
            if command == "primes":
                return str(primes_below(number(rest, MAX_PRIMES)))
            raise ValueError("unknown request: there are sleep MILLISECONDS TEXT and primes N")
        except ValueError as wrong:
            return f"error: {wrong}"

    def send_answers(self, conn: reactor.Conn) -> None:
        """Sends those that are there and have their turn."""
        client: Client = conn.context
        # The client may be gone. If there is no room for an answer, the engine closes its connection.
        with contextlib.suppress(reactor.ClosedError, reactor.FullError):
            while client.answers and client.answers[0].done():
                conn.write(f"{client.answers.popleft().result()}\n".encode())
            if client.is_paused and len(client.answers) <= MAX_OUTSTANDING // 2:
                client.is_paused = False
                conn.resume()
            if client.is_ended and not client.answers:
                conn.close()

    def on_open(self, conn: reactor.Conn) -> None:
        conn.context = Client()

    def on_data(self, conn: reactor.Conn, data: bytes) -> None:
        """One line."""
        client: Client = conn.context
        answer = self.pool.submit(self.answer, conn, data.decode(errors="replace"))
        client.answers.append(answer)
        if len(client.answers) >= MAX_OUTSTANDING:
            client.is_paused = True
            conn.pause()

        def answered(_: concurrent.futures.Future[str]) -> None:
            with contextlib.suppress(reactor.ClosedError):
                conn.run_on_loop(self.send_answers)

        answer.add_done_callback(answered)

    def on_eof(self, conn: reactor.Conn) -> reactor.Action | None:
        """The client asks no more, but it waits for answers."""
        client: Client = conn.context
        client.is_ended = True
        return None if client.answers else reactor.Action.CLOSE

    def on_stop(self, server: reactor.Server) -> None:
        self.stopped.set()


def main() -> None:
    parser = launch.Parser(__doc__)
    parser.add_argument("--threads", metavar="N", type=int, default=os.cpu_count() or 1)
    flags = parser.parse()
    if flags.threads < 1:
        parser.error("--threads: there must be at least one")
    with concurrent.futures.ThreadPoolExecutor(flags.threads, "work") as pool:
        launch.serve(Work(pool), flags, half_open=True, framing=reactor.Line(max_frame=MAX_LINE))


if __name__ == "__main__":
    main()
