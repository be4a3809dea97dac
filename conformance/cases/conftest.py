"""The fixtures of the cases: every case runs for every subject."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from socket import socket
from typing import Protocol

import pytest

from harness.promises import CAPABILITIES, NEVER, NO_SUBJECT, ONE_LOOP, SUBJECTS
from harness.subject import TCP, Subject
from harness.table import TABLE

#: Whether a case has passed, for its fixtures.
PASSED = pytest.StashKey[bool]()


class Serve(Protocol):
    """Starts a subject; `finish` of every one is checked when the case is over.

    It has the sockets of `inherit` by the LISTEN_FDS convention, and is started by the command `prefix`, if any.
    """

    def __call__(
        self,
        *listen: str,
        start: bool = True,
        trace: bool = True,
        stderr: str = "",
        inherit: Sequence[socket] = (),
        prefix: Sequence[str] = (),
        **options: object,
    ) -> Subject: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--subjects", default=",".join(SUBJECTS), help="whom to run the cases for")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = metafunc.definition
    numbers = [number for mark in marks.iter_markers("promises") for number in mark.args]
    if not numbers:
        raise pytest.UsageError(f"{marks.nodeid} proves no promise")
    if "subject" not in metafunc.fixturenames:
        raise pytest.UsageError(f"{marks.nodeid} runs no subject")
    subjects = metafunc.config.getoption("--subjects").split(",")
    named = dict(mark.args for mark in marks.iter_markers("not_for"))
    known = {subject: subject if subject in named else subject.partition("-")[0] for subject in subjects}
    misfits = {subject: named[name] for subject, name in known.items() if name in named}
    misfits.update({subject: NO_SUBJECT[subject] for subject in subjects if subject in NO_SUBJECT})
    table = metafunc.config.stash.get(TABLE, None)
    for subject in misfits:
        case = "every case" if subject in NO_SUBJECT else metafunc.function.__name__
        if table is not None:
            table.leave_out(numbers, subject, case, misfits[subject])
    fitting = [name for name in subjects if name not in misfits]
    needed = {part for mark in marks.iter_markers("needs") for part in mark.args}
    for subject in fitting:
        lacking = needed - CAPABILITIES[subject]
        never = [why for part, why in NEVER.get(subject, {}).items() if part in lacking]
        if table is not None and never:
            table.leave_out(numbers, subject, metafunc.function.__name__, never[0])
        elif table is not None and lacking:
            table.put_off(numbers, subject, lacking)
    metafunc.parametrize("subject", [name for name in fitting if needed <= CAPABILITIES[name]])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drops what pytest makes of a case that fits none of the subjects, and a case with several loops for one that has one, where
    the same case has one loop, too."""
    items[:] = [item for item in items if _params(item)["subject"] in SUBJECTS and _has_framing(item)]
    with_one = {_but_loops(item) for item in items if _params(item).get("loops") == 1}
    items[:] = [item for item in items if not (_is_clamped(item) and _but_loops(item) in with_one)]


def _params(item: pytest.Item) -> dict[str, object]:
    return item.callspec.params  # type: ignore[attr-defined, no-any-return]


def _has_framing(item: pytest.Item) -> bool:
    """Whether the subject has the framing that the case has among its parameters, if any."""
    params = _params(item)
    is_custom = any(isinstance(value, str) and value.startswith("custom") for value in params.values())
    return not is_custom or "custom" in CAPABILITIES[str(params["subject"])]


def _is_clamped(item: pytest.Item) -> bool:
    """Whether it asks for several loops of a subject that has one."""
    params = _params(item)
    return params["subject"] in ONE_LOOP and params.get("loops", 1) != 1


def _but_loops(item: pytest.Item) -> str:
    """The case and its parameters without the number of loops."""
    others = {name: value for name, value in _params(item).items() if name != "loops"}
    return f"{item.nodeid.partition('[')[0]} {others}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Lets the teardown know how the case went."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
def serve(subject: str, request: pytest.FixtureRequest) -> Iterator[Serve]:
    running: list[Subject] = []

    def start_one(
        *listen: str,
        start: bool = True,
        trace: bool = True,
        stderr: str = "",
        inherit: Sequence[socket] = (),
        prefix: Sequence[str] = (),
        **options: object,
    ) -> Subject:
        arguments = [] if trace else ["--no-trace"]
        for url in listen or ((TCP,) if start and not inherit else ()):
            arguments += ["--listen", url]
        for name, value in options.items():
            # True is a flag without a value.
            arguments += ["--" + name.replace("_", "-"), *([] if value is True else [str(value)])]
        server = Subject(subject, arguments, stderr, inherit, prefix)
        running.append(server)
        if start:
            server.urls = server.expect("listening")["urls"]
            server.started()
        return server

    try:
        yield start_one
        if request.node.stash.get(PASSED, False):
            for server in running:
                server.finish()
    finally:
        for server in running:
            server.kill()
