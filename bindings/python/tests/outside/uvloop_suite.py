"""Runs uvloop's own tests of TCP, Unix sockets and contexts with `reactor.asyncio` in the place of the event loop's functions, on
asyncio's event loop and on uvloop's. They are fetched from the package index for the run, into `target/`, and no part of this
repository. It is not part of `make test`, as it needs the network:

    target/venv/bin/python bindings/python/tests/outside/uvloop_suite.py

Each test that ends otherwise with us than with the event loop itself has to stand in `DIFFERENCES`, with the reason; one that
stands there and ends alike is an error, too.
"""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
import tarfile
import unittest
import unittest.mock
from pathlib import Path
from typing import Any

import uvloop

import reactor.asyncio

VERSION = "0.23.0"
ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "target" / "outside"

FUNCTIONS = ("create_server", "create_unix_server", "create_connection", "create_unix_connection")

# The classes with the tests' bodies, by module.
CLASSES = {"tests.test_tcp": "_TestTCP", "tests.test_unix": "_TestUnix"}

DIFFERENCES = {
    "test_create_server_4": "an address in use is OSError with the same errno; the text is the engine's",
    "test_create_unix_server_1": "the file of a Unix socket goes when the server is closed, as with asyncio from Python 3.13 on",
    "test_create_unix_server_2": "as test_create_server_4",
}


def fetch() -> None:
    """uvloop's source distribution, unpacked, whose tests the installed package is tested with."""
    source = FOLDER / f"uvloop-{VERSION}"
    if not source.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        download = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(FOLDER), f"uvloop=={VERSION}"]
        subprocess.run([sys.executable, "-m", "pip", *download], check=True)
        with tarfile.open(FOLDER / f"uvloop-{VERSION}.tar.gz") as archive:
            archive.extractall(FOLDER, [member for member in archive if "/tests/" in member.name], filter="data")
    sys.path.insert(0, str(source))


def cases(own: bool) -> dict[str, type[unittest.TestCase]]:
    """The tests' classes on each event loop, with its own functions or with ours."""
    from uvloop import _testbase

    # Their tests of TLS want it, which are not run.
    sys.modules.setdefault("OpenSSL", unittest.mock.MagicMock())

    made: dict[str, type[unittest.TestCase]] = {}
    for module, name in CLASSES.items():
        body = getattr(importlib.import_module(module), name)
        for loop, base in (("asyncio", _testbase.AIOTestCase), ("uvloop", _testbase.UVTestCase)):

            def new_loop(self: Any, loop: str = loop) -> asyncio.AbstractEventLoop:
                new = asyncio.new_event_loop() if loop == "asyncio" else uvloop.new_event_loop()
                if not own:
                    for function in FUNCTIONS:
                        setattr(new, function, getattr(reactor.asyncio, function))
                return new

            made[f"{name.lstrip('_')} on {loop}"] = type(name, (body, base), {"new_loop": new_loop})
    return made


def outcomes(own: bool, only: str) -> dict[str, str]:
    """What came of each test: "passed", "skipped", or the last line of its failure."""
    ended: dict[str, str] = {}
    for name, case in cases(own).items():
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(case):
            assert isinstance(test, unittest.TestCase)
            key = f"{name}: {test._testMethodName}"
            if only not in key:
                continue
            result = unittest.TestResult()
            test.run(result)
            failed = [text for _, text in result.failures + result.errors]
            ended[key] = failed[0].strip().splitlines()[-1] if failed else "skipped" if result.skipped else "passed"
            if failed and only:
                print(failed[0])
    return ended


def main() -> int:
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    fetch()
    theirs, ours = outcomes(True, only), outcomes(False, only)
    wrong = 0
    for key, outcome in ours.items():
        same = (outcome == "passed") == (theirs[key] == "passed")
        explained = DIFFERENCES.get(key.split(": ")[1], "")
        if not same:
            print(f"{key}: {outcome}; with the event loop itself: {theirs[key]}\n    {explained or 'NOT EXPLAINED'}")
        wrong += not same and not explained
    stale = {name for name in DIFFERENCES if all((ours[k] == "passed") == (theirs[k] == "passed") for k in ours if k.endswith(name))}
    if not only:
        for name in stale:
            print(f"{name}: stands among the differences, and is none")
        wrong += len(stale)
    passed = sum(outcome == "passed" for outcome in ours.values())
    print(f"uvloop's tests: {passed} of {len(ours)} pass with reactor.asyncio, {wrong} of them not as expected")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
