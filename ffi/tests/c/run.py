#!/usr/bin/env python3
"""Builds the C library and its C tests, and runs them: linked dynamically, statically, and under valgrind.

Prints one line per test and at the end `N passed, N failed`. Needs gcc, g++, nm, readelf and valgrind.
"""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
RELEASE = ROOT / "target" / "release"
BUILT = ROOT / "target" / "ffi-tests"
EXAMPLES = ROOT / "target" / "examples" / "c"

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
INCLUDE = [f"-I{ROOT / 'include'}", "-g"]
DYNAMIC = [f"-L{RELEASE}", "-lreactor", f"-Wl,-rpath,{RELEASE}", "-lpthread"]
STATIC = [str(RELEASE / "libreactor.a"), *"-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc".split()]
VALGRIND = [
    "valgrind",
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite",
    "--fair-sched=yes",
]
# A forked child has copies of what the parent's threads own, and nobody to release them. A callback that ends its thread
# takes along what the engine had on its stack.
LOSING = {name: ["--leak-check=no"] for name in ("fork", "cancel")}
# Valgrind has masks of its own, and hands signals to the program's threads as it likes.
OWN_SIGNALS = {"signals"}

# A hang guard, far beyond what the slowest program takes.
LIMIT_SECONDS = 300


class Failure(Exception):
    """A test failed, for this reason."""


def check(condition: object, reason: str) -> None:
    if not condition:
        raise Failure(reason)


def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, **options)  # type: ignore[call-overload,no-any-return]
    except subprocess.TimeoutExpired:
        raise Failure(f"{command[0]} takes more than {LIMIT_SECONDS} s") from None


def succeed(command: list[str], **options: object) -> str:
    done = run(command, **options)
    check(done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Report:
    """Counts the tests and prints a line for each."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def add(self, name: str, failure: str | None = None) -> None:
        if failure is None:
            self.passed += 1
            print(f"ok {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED {name}: {failure}", flush=True)

    def test(self, name: str, body: Callable[[], None]) -> None:
        try:
            body()
        except Failure as failure:
            self.add(name, str(failure))
        else:
            self.add(name)

    def end(self) -> int:
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 0 if self.passed and not self.failed else 1


# ---- test programs ----


def compile_c(source: Path, program: Path, libraries: list[str], *flags: str) -> None:
    sources = [str(source), str(HERE / "test.c")]
    succeed(["gcc", "-std=c11", *WARNINGS, *INCLUDE, *flags, *sources, "-o", str(program), *libraries])


def run_program(report: Report, name: str, command: list[str]) -> None:
    """Takes over the lines that a test program prints; a bad end without a line of its own is a failure, too."""
    try:
        done = run(command)
    except Failure as failure:
        report.add(name, str(failure))
        return
    failed = False
    for line in done.stdout.splitlines():
        verdict, _, rest = line.partition(" ")
        if verdict == "ok":
            report.add(f"{name} {rest}")
        else:
            failed = True
            report.add(f"{name} {rest.split(':')[0]}", line)
    if done.returncode != 0 and not failed:
        report.add(name, f"exit {done.returncode}\n{done.stdout}{done.stderr}")
    if not done.stdout:
        report.add(name, "the program ran no test")


def run_programs(report: Report) -> None:
    for source in sorted(HERE.glob("test_*.c")):
        name = source.stem.removeprefix("test_")
        dynamic, static = BUILT / source.stem, BUILT / f"{source.stem}-static"
        try:
            compile_c(source, dynamic, DYNAMIC)
            compile_c(source, static, STATIC)
        except Failure as failure:
            report.add(name, str(failure))
            continue
        run_program(report, f"{name} (dynamic)", [str(dynamic)])
        run_program(report, f"{name} (static)", [str(static)])
        if name not in OWN_SIGNALS:
            run_program(report, f"{name} (valgrind)", [*VALGRIND, *LOSING.get(name, []), str(dynamic)])


# ---- the library and its header ----


def exported_symbols_are_the_listed_ones() -> None:
    output = succeed(["nm", "-D", "--defined-only", str(RELEASE / "libreactor.so")])
    exported = sorted(line.split()[-1] for line in output.splitlines())
    listed = (HERE.parents[1] / "symbols.txt").read_text().split()
    check(exported == listed, f"exported are {exported}, listed are {listed}")


def the_library_has_its_soname() -> None:
    output = succeed(["readelf", "-d", str(RELEASE / "libreactor.so")])
    check("Library soname: [libreactor.so.0]" in output, output)


def header(compiler: list[str], source: str) -> Callable[[], None]:
    def body() -> None:
        program = str(BUILT / source.replace(".", "-"))
        succeed([*compiler, *WARNINGS, *INCLUDE, str(HERE / source), "-o", program, *DYNAMIC])
        succeed([program])

    return body


# ---- the examples ----


class Server:
    """A server program that prints `listening on URL`; killed at the end of the block if it still lives."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=BUILT, bufsize=0
        )

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def listening(self) -> str:
        line = self.line()
        check(line.startswith("listening on "), f"the server says {line!r}")
        return line.removeprefix("listening on ").strip()

    def line(self) -> str:
        """The next line, byte by byte: what a buffer holds, select() does not see."""
        line, stdout = b"", self.process.stdout
        while stdout and not line.endswith(b"\n"):
            check(select.select([stdout], [], [], LIMIT_SECONDS)[0], f"the server says no more than {line!r}")
            byte = stdout.read(1)
            check(byte, f"the server's output ends with {line!r}")
            line += byte
        return line.decode()

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        try:
            stdout, stderr = self.process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure(f"signal {number} does not end the server") from None
        code = self.process.returncode
        check(code == 0, f"the server ends with {code}\n{stdout.decode()}{stderr.decode()}")
        check(stderr == b"", f"the server complains: {stderr.decode()}")


def connect(url: str) -> socket.socket:
    scheme, _, address = url.partition("://")
    client = socket.socket(socket.AF_UNIX if scheme == "unix" else socket.AF_INET)
    client.settimeout(LIMIT_SECONDS)
    host, _, port = address.rpartition(":")
    client.connect(address if scheme == "unix" else (host, int(port)))
    return client


def receive(client: socket.socket, length: int) -> bytes:
    """As many bytes, or fewer if the end comes before."""
    received = bytearray()
    while len(received) < length and (piece := client.recv(length - len(received))):
        received += piece
    return bytes(received)


def send_and_end(client: socket.socket, data: bytes) -> None:
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)


def expect_echo(url: str, data: bytes) -> None:
    with connect(url) as client:
        sender = threading.Thread(target=send_and_end, args=(client, data))
        sender.start()
        answer = receive(client, len(data) + 1)
        sender.join()
    check(answer == data, f"{len(data)} bytes came back as {len(answer)} other ones")


def reset(url: str, data: bytes) -> None:
    """Sends, and resets without reading."""
    with connect(url) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.setblocking(False)
        try:
            client.send(data)
        except BlockingIOError:
            pass


def load(url: str) -> None:
    failures: list[str] = []

    def client(number: int) -> None:
        try:
            for size in (1, 100_000, 17, 300_000):
                reset(url, os.urandom(size))
                expect_echo(url, os.urandom(size + number))
        except (Failure, OSError) as failure:
            failures.append(str(failure))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failures, "; ".join(failures))


def echo_under_load(prefix: list[str], number: int) -> Callable[[], None]:
    def body() -> None:
        path = BUILT / f"echo-{os.getpid()}.sock"
        listen = ["--listen", "tcp://127.0.0.1:0", "--listen", f"unix://{path}", "--loops", "2"]
        with Server([*prefix, str(EXAMPLES / "echo"), *listen]) as server:
            tcp, unix = server.listening(), server.listening()
            check(re.fullmatch(r"tcp://127\.0\.0\.1:[1-9]\d*", tcp), f"the first address is {tcp}")
            check(unix == f"unix://{path}", f"the second address is {unix}")
            load(tcp)
            load(unix)
            with connect(tcp) as idle, connect(unix) as busy:
                busy.sendall(b"x")
                check(receive(busy, 1) == b"x", "no answer")
                server.end(number)
                check(receive(idle, 1) == b"", "a byte instead of the end")
        check(not path.exists(), "the Unix path is left behind")

    return body


def echo_refuses(arguments: list[str], quoted: str) -> Callable[[], None]:
    def body() -> None:
        done = run([str(EXAMPLES / "echo"), *arguments])
        check(done.returncode > 0, f"exit {done.returncode}")
        check(done.stdout == "", f"prints {done.stdout!r}")
        check(quoted in done.stderr, f"{done.stderr!r} does not quote {quoted}")
        check(done.stderr.count("\n") == 1 and done.stderr.endswith("\n"), f"not one line: {done.stderr!r}")

    return body


def a_signal_at_any_moment_ends_echo_well() -> None:
    """Sent as soon as the first byte is printed, so that it hits the time before, in and after the start."""
    for attempt in range(60):
        number = (signal.SIGTERM, signal.SIGINT)[attempt % 2]
        listen = ["--listen", "tcp://127.0.0.1:0", "--loops", str(attempt % 4)]
        with Server([str(EXAMPLES / "echo"), *listen]) as server:
            server.listening()
            server.end(number)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def paste_quick_start(source: str, port: int) -> Path:
    """Builds it as the README says, but for another port, on loopback."""
    check(source.count('"tcp://:5000"') == 1, "it listens somewhere else")
    pasted = BUILT / "quickstart.c"
    pasted.write_text(source.replace("tcp://:5000", f"tcp://127.0.0.1:{port}"))
    flags = ["-Iinclude", "-Ltarget/release", "-lreactor", "-Wl,-rpath,target/release"]
    program = BUILT / "quickstart"
    succeed(["gcc", *WARNINGS, str(pasted), "-o", str(program), *flags], cwd=ROOT)
    return program


def the_quick_start_fails_when_the_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        program = paste_quick_start((ROOT / "examples" / "c" / "quickstart.c").read_text(), port)
        done = run([str(program)], cwd=ROOT)
    check(done.returncode > 0, f"exit {done.returncode}")
    check(done.stdout == "", f"prints {done.stdout!r}")
    check(f'"tcp://127.0.0.1:{port}"' in done.stderr, f"{done.stderr!r} does not quote the address")
    check(done.stderr.count("\n") == 1 and done.stderr.endswith("\n"), f"not one line: {done.stderr!r}")


def the_quick_start_works_when_pasted() -> None:
    source = (ROOT / "examples" / "c" / "quickstart.c").read_text()
    code = [line for line in source.splitlines() if line.strip()]
    check(len(code) <= 15, f"it has {len(code)} lines of code")
    port = free_port()
    program = paste_quick_start(source, port)
    with subprocess.Popen([str(program)], cwd=ROOT) as server:
        try:
            expect_echo_soon(server, f"tcp://127.0.0.1:{port}")
        finally:
            server.kill()


def expect_echo_soon(server: subprocess.Popen[bytes], url: str) -> None:
    """The quick start does not say when it listens: tries until it does, or has ended."""
    while True:
        try:
            return expect_echo(url, b"hello" * 1000)
        except ConnectionRefusedError:
            check(server.poll() is None, "the program has ended")


def run_others(report: Report) -> None:
    report.test("library: exported symbols", exported_symbols_are_the_listed_ones)
    report.test("library: soname", the_library_has_its_soname)
    report.test("header: C99", header(["gcc", "-std=c99"], "header_c99.c"))
    report.test("header: C++11", header(["g++", "-std=c++11"], "header_cxx.cc"))
    report.test("quickstart: pasted", the_quick_start_works_when_pasted)
    report.test("quickstart: port taken", the_quick_start_fails_when_the_port_is_taken)
    report.test("echo: load, SIGINT", echo_under_load([], signal.SIGINT))
    report.test("echo: load, SIGTERM (valgrind)", echo_under_load(VALGRIND, signal.SIGTERM))
    report.test("echo: signals at any moment", a_signal_at_any_moment_ends_echo_well)
    for arguments, quoted in (
        ([], "--listen"),
        (["--listen"], "--listen"),
        (["--listen", "gopher://x"], '"gopher://x"'),
        (["--listen", "tcp://a\nb:x"], '"tcp://a\\nb:x"'),
        (["--listen", "tcp://127.0.0.1:0", "--lost"], '"--lost"'),
        (["--listen", "tcp://127.0.0.1:0", "-x"], '"-x"'),
        (["--listen", "tcp://127.0.0.1:0", "extra"], '"extra"'),
        (["--listen", "tcp://127.0.0.1:0", "--loops", "two"], '"two"'),
        (["--listen", "tcp://127.0.0.1:0", "--loops", "a\nb"], '"a b"'),
        (["--listen", "tcp://127.0.0.1:0", "--loops", "-1"], '"-1"'),
        (["--listen", "tcp://127.0.0.1:0", "--loops", ""], '""'),
        (["--listen", "tcp://127.0.0.1:0", "--loops", "5000"], "5000"),
    ):
        report.test(f"echo: refuses {arguments}", echo_refuses(arguments, quoted))


def main() -> int:
    BUILT.mkdir(parents=True, exist_ok=True)
    report = Report()
    built = subprocess.run([str(ROOT / "examples" / "c" / "build.sh")], timeout=1800)
    if built.returncode != 0:
        report.add("build", "examples/c/build.sh failed")
        return report.end()
    run_others(report)
    run_programs(report)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
