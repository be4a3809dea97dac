"""The programs of the guide, and of the package's README, run as they stand there."""

from __future__ import annotations

import hashlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
import reactor
from helpers import DEADLINE, Recorder, connect, exchange, finish, receive, receive_all, reset, run_program, wait_until

PACKAGE = Path(__file__).resolve().parents[1]


def program(page: str, heading: str) -> str:
    """The first program under a heading, at any free port: its own may be taken."""
    under = re.split(rf"^#+ {heading}$", (PACKAGE / page).read_text(), flags=re.M)[1]
    code = under.partition("```python\n")[2].partition("```\n")[0]
    return at_any_port(code)


def at_any_port(code: str) -> str:
    return re.sub(r'"(tcp|udp)://(127\.0\.0\.1)?:\d+"', r'"\1://127.0.0.1:0"', code)


def told(process: subprocess.Popen[str], what: str) -> str:
    """The URL that the program's next line of output tells."""
    assert process.stdout is not None
    words, _, url = process.stdout.readline().strip().rpartition(" ")
    assert words == what
    return url


def run(code: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Starts it, and waits for the URL that it tells."""
    process = run_program(sys.executable, "-u", "-W", "error", "-c", code, *arguments)
    return process, told(process, "listening on")


def stop(process: subprocess.Popen[str]) -> str:
    """Stops it gracefully; answers what it has told since."""
    process.send_signal(signal.SIGTERM)
    code, out, err = finish(process)
    assert (code, err) == (0, "")
    return out


def is_refused(url: str) -> bool:
    try:
        connect(url).close()
    except ConnectionRefusedError:
        return True
    return False


def test_the_guide_has_no_page_without_a_test_and_tells_of_all() -> None:
    pages = {path.name for path in (PACKAGE / "guide").glob("*.md")} - {"README.md"}
    linked = set(re.findall(r"\]\((\w+\.md)\)", (PACKAGE / "guide" / "README.md").read_text()))
    tested = set(re.findall(r'program\("guide/(\w+\.md)"', Path(__file__).read_text()))
    assert linked == pages == tested


def test_the_readmes_program_under_asyncio() -> None:
    process, url = run(program("README.md", "Under asyncio"))
    assert exchange(url, b"hello") == b"hello"
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (out, err.splitlines()[-1:]) == ("", ["KeyboardInterrupt"])
    assert code == -signal.SIGINT


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio has no timeout, and tasks no contexts")
def test_the_guides_program_under_asyncio() -> None:
    process, url = run(program("guide/asyncio.md", "Under asyncio"))
    first, second = b"client 1 asked for tea\n", b"client 2 asked for milk\n"
    with connect(url) as one, connect(url) as two:
        one.sendall(b"tea\n")
        assert receive(one, len(first)) == first
        two.sendall(b"milk\nmilk\nquit\n")
        assert receive(two, 2 * len(second) + 1) == second * 2
        # Whoever is served may finish.
        one.sendall(b"te")
        process.send_signal(signal.SIGTERM)
        one.sendall(b"a\nquit\n")
        assert receive(one, len(first) + 1) == first
    assert finish(process) == (0, "", "")


def test_the_guides_first_program_is_the_example_room() -> None:
    code = program("guide/first.md", "Your first protocol")
    example = (PACKAGE.parents[1] / "examples" / "python" / "room.py").read_text()
    assert at_any_port(example).endswith(f'"""\n\n{code}')
    process, url = run(code)
    # And the client below it.
    client = (PACKAGE / "guide" / "first.md").read_text().split("```python\n")[2].partition("```\n")[0]
    tried = run_program(sys.executable, "-c", client.replace("5000", url.rpartition(":")[2]))
    status, out, err = finish(tried)
    assert (status, err) == (0, "")
    assert "WELCOME ada from 127.0.0.1:" in out
    assert stop(process) == ""


def derived(line: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", line, b"salt", 20_000).hex().encode() + b"\n"


def test_the_guides_program_with_a_thread_pool() -> None:
    process, url = run(program("guide/threads.md", "Thread pools"))
    with connect(url) as gone:
        gone.sendall(b"tea\n")
        reset(gone)
    # In order, and all before the end of file counts.
    lines = [b"line %d" % number for number in range(5)]
    assert exchange(url, b"\n".join(lines) + b"\n") == b"".join(map(derived, lines))
    with connect(url) as client:
        client.sendall(b"first\n")
        assert receive(client, 65) == derived(b"first")
        # Whoever is served may finish.
        process.send_signal(signal.SIGTERM)
        client.sendall(b"last\n")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == derived(b"last")
    assert finish(process) == (0, "", "")


LINES = 600


def follow(client: socket.socket) -> tuple[list[int], int]:
    """Reads until all lines are accounted for: the numbers of those that came, and how many it is told to have missed."""
    numbers: list[int] = []
    missed = 0
    with client.makefile("rb") as lines:
        while len(numbers) + missed < LINES:
            line = lines.readline()
            said = re.fullmatch(rb"you missed (\d+) lines\n", line)
            if said:
                missed += int(said[1])
            else:
                number, _, filling = line.partition(b" ")
                assert filling == b"x" * 32768 + b"\n"
                numbers.append(int(number))
    return numbers, missed


def test_the_guides_program_that_broadcasts() -> None:
    process, url = run(program("guide/broadcasting.md", "Broadcasting"))
    with connect(url) as speaker, connect(url) as slow, connect(url) as quick:
        for client in (speaker, slow, quick):
            assert re.fullmatch(rb"\d here\n", receive(client, 7))
        speech = b"".join(b"%d %b\n" % (number, b"x" * 32768) for number in range(LINES))
        speaking = threading.Thread(target=speaker.sendall, args=(speech,))
        speaking.start()
        numbers, missed = follow(quick)
        assert (sorted(numbers), len(numbers) + missed) == (numbers, LINES)
        speaking.join(DEADLINE)
        # Far more than the kernel and the marks hold.
        numbers, missed = follow(slow)
        assert (sorted(numbers), len(numbers) + missed) == (numbers, LINES)
        assert missed > 0
        assert numbers[0] == 0
        slow.sendall(b"hello\n")
        assert receive(speaker, 6) == receive(quick, 6) == b"hello\n"
    assert stop(process) == ""


def test_the_guides_program_of_datagrams() -> None:
    process, url = run(program("guide/datagrams.md", "Datagrams"))
    host, _, port = url.rpartition("/")[2].rpartition(":")
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    for number, client in enumerate(clients):
        client.settimeout(DEADLINE)
        client.connect((host, int(port)))
        client.send(b"join")
        assert client.recv(100) == b"%d here" % (number + 1)
    clients[0].send(b"x" * 3000)  # Longer than the program takes.
    clients[0].send(b"")
    clients[0].send(b"hello")
    for client in clients[1:]:
        assert [client.recv(5000), client.recv(5000)] == [b"", b"hello"]
    clients[2].send(b"leave")
    clients[2].send(b"nobody hears this")
    clients[2].send(b"join")
    assert clients[2].recv(100) == b"3 here"
    clients[1].send(b"bye")
    assert [clients[0].recv(100), clients[2].recv(100)] == [b"bye"] * 2
    for client in clients:
        client.close()
    assert stop(process) == ""


def backend(url: str) -> reactor.Server:
    """Answers lines in capitals; other lines than "lost" it forgets."""

    def answer(conn: reactor.Conn, data: bytes) -> None:
        if data != b"lost":
            conn.write_frame(data.upper())

    server = reactor.Server(Recorder(on_data=answer), loops=1)
    server.listen(url, framing="line")
    server.start()
    return server


def test_the_guides_program_with_a_backend() -> None:
    first = backend("tcp://127.0.0.1:0")
    at = first.addresses[0]
    process, url = run(program("guide/outgoing.md", "Outgoing connections"), at)
    wait_until(lambda: first.connections == 1, "the backend's client")
    with connect(url) as one, connect(url) as two:
        one.sendall(b"tea\nmore tea\n")
        two.sendall(b"milk\n")
        assert receive(one, 13) == b"TEA\nMORE TEA\n"
        assert receive(two, 5) == b"MILK\n"
        two.sendall(b"lost\n")
        wait_until(lambda: first.metrics().messages_read == 4, "the question")
        first.stop()
        first.wait()
        assert receive(two, 11) == b"no backend\n"
        one.sendall(b"tea\n")
        assert receive(one, 11) == b"no backend\n"
        second = backend(at)
        wait_until(lambda: second.connections == 1, "the backend's client")
        one.sendall(b"tea\n")
        one.shutdown(socket.SHUT_WR)
        assert receive_all(one) == b"TEA\n"
    # It waits for the backend, too.
    process.send_signal(signal.SIGTERM)
    second.stop()
    second.wait()
    code, out, err = finish(process)
    assert (code, err) == (0, "")
    lost = [line for line in out.splitlines() if line != "backend lost: connect failed"]
    assert lost == ["backend lost: eof"] * 2


def scrape(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4"
        return dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines())


def test_the_guides_program_with_metrics() -> None:
    process, url = run(program("guide/metrics.md", "Metrics"))
    where = told(process, "metrics at").replace("tcp://", "http://")
    assert exchange(url, b"hello") == b"hello"
    with connect(url) as client:
        client.sendall(b"x")
        assert receive(client, 1) == b"x"
        # The other one may be closing yet.
        wait_until(lambda: scrape(where).get('reactor_closed{reason="eof"}') == "1", "the end of the first connection")
        metrics = scrape(where)
    counted = [metrics[f"reactor_{name}"] for name in ("accepted", "connections", "bytes_read")]
    assert counted == ["2", "1", "6"]
    assert float(metrics['reactor_delay_seconds{quantile="0.99"}']) >= 0
    process.send_signal(signal.SIGINT)
    assert finish(process) == (0, "", "")


def test_the_guides_program_to_deploy_stops_when_its_clients_have_finished() -> None:
    process, url = run(program("guide/deployment.md", "Deployment"), "tcp://127.0.0.1:0")
    with connect(url) as client:
        client.sendall(b"tea\nhello")
        assert receive(client, 4) == b"tea\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "stopping, 1 connected\n"
        wait_until(lambda: is_refused(url), "the end of listening")
        client.sendall(b" again\n")
        assert receive(client, 12) == b"hello again\n"
    assert finish(process) == (0, "", "")


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="systemd is not installed")
def test_the_guides_program_to_deploy_serves_systemds_sockets(tmp_path: Path) -> None:
    app, path = tmp_path / "app.py", tmp_path / "socket"
    app.write_text(program("guide/deployment.md", "Deployment"))
    process = run_program("systemd-socket-activate", "-l", str(path), sys.executable, "-W", "error", str(app))
    assert process.stderr is not None
    assert process.stderr.readline() == f"Listening on {path} as 3.\n"
    # It is the first client that has the program started.
    with connect(f"unix://{path}") as client:
        assert told(process, "listening on") == f"unix://{path}"
        client.sendall(b"hello\n")
        assert receive(client, 6) == b"hello\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "stopping, 1 connected\n"
    code, out, err = finish(process)
    assert (code, out) == (0, "")
    # What systemd says of its own.
    assert [line for line in err.splitlines() if not line.startswith(("Communication attempt on fd 3", "Execing "))] == []


def test_the_guides_program_for_those_who_come_from_elsewhere() -> None:
    process, url = run(program("guide/coming.md", "Coming from elsewhere"))
    with connect(url) as one, connect(url) as two:
        one.sendall(b"Ann\nhello\n")
        two.sendall(b"Bob\nquit\nmore\n")
        assert receive(one, 28) == b"who are you?\nAnn says hello\n"
        assert receive_all(two) == b"who are you?\nbye, Bob\n"
    with connect(url) as nobody:
        assert receive(nobody, 13) == b"who are you?\n"
    assert sorted(stop(process).splitlines()) == ["None left: eof", "b'Ann' left: eof", "b'Bob' left: local close"]
