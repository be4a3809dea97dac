"""run: what is no example is an error that names those that there are."""

from __future__ import annotations

import subprocess

import pytest

from harness import LIMIT, ROOT

ALL_HAVE = {"chat", "echo", "http", "kv", "proxy", "quickstart", "work"}
BESIDES = {"python": {"room"}, "node": {"room"}}
"""What a language has beside those that all have."""


def refused(*arguments: str) -> str:
    """What it says of arguments with which it runs nothing."""
    found = subprocess.run([ROOT / "examples" / "run", *arguments], capture_output=True, text=True, timeout=LIMIT)
    assert (found.returncode, found.stdout) == (2, "")
    return found.stderr


# Parts of examples, what all examples share, the file that has another name than its example, and what there is not.
@pytest.mark.parametrize("app", ["launch", "kv_resp", "kv_store", "http_server", "nothing", "", "../python/echo", ".*"])
def test_what_is_no_example_is_refused_with_the_names_of_those_that_are(language: str, app: str) -> None:
    error, names = refused(language, app, "--listen", "tcp://127.0.0.1:0").rstrip(")\n").split(" (known: ")
    assert error == f'examples/run: unknown example "{app}" for {language}'
    assert names.split(", ") == sorted(ALL_HAVE | BESIDES.get(language, set()))


def test_what_is_no_language_is_refused_with_the_names_of_those_that_are() -> None:
    error = refused("perl", "echo")
    assert error == 'examples/run: unknown language "perl" (known: rust, c, python, node)\n'


def test_less_than_an_example_is_refused_with_the_usage(language: str) -> None:
    for arguments in [(), (language,)]:
        assert refused(*arguments).startswith("examples/run: usage: examples/run {rust|c|python|node} APP --listen URL")
