"""The report made of samples.json, which no run changes."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness import charts
from harness import machine as machines
from harness.interpreter import described
from harness.machine import Run, machine, matched, module, printed, versions
from harness.page import DEPENDS, Page, figure, notes, ranked, ratio
from harness.plan import ONCE, Rounds, Unit
from harness.rows import Row
from harness.runner import Measured
from harness.samples import Sample
from harness.systems import HOSTED, INLINE, SYSTEMS
from harness.workloads import named

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RUN = Run("make bench", "2026-01-02 03:04 UTC", 1, {"processor": "Abacus"}, {"gnet": "2.9.1"})
TIMED = Rounds(20, 7, 0.5)


def measured() -> list[Measured]:
    by_label = {system.label: system for system in SYSTEMS}
    return [
        Measured(
            Unit(
                named(unit["workload"]),
                unit["measure"],
                tuple(by_label[label] for label in unit["systems"]),
                TIMED if unit["measure"] == "throughput" else ONCE,
            ),
            [Sample(**sample) for sample in unit["samples"]],
        )
        for unit in json.loads((HERE / "samples.json").read_text())
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "echo-of-old.svg").write_text("of an earlier run")
    Page(RUN, measured()).write(folder)
    return folder


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return (folder / "README.md").read_text()


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def cells(text: str, first: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_it_says_where_and_with_what(text: str) -> None:
    said = [cells(text, first)[1] for first in ("command", "date", "processor", "gnet")]
    assert said == ["`make bench`", "2026-01-02 03:04 UTC", "Abacus", "2.9.1"]


def test_throughput_has_value_ratio_and_ours_against_it(text: str) -> None:
    echo = section(text, "echo-64x50")
    gnet = cells(echo, "gnet")
    assert re.fullmatch(r"1[3-6]\d,\d{3}", gnet[1])
    assert re.fullmatch(r"0\.8\d \(0\.[78]\d – 0\.9\d\)", gnet[2])
    assert all(re.fullmatch(r"1\.\d\d \(\d\.\d\d – 1\.\d\d\)", cell) for cell in gnet[3:])
    assert cells(echo, "limit-epoll")[2] == "1.00"


def test_what_comes_out_the_same_has_no_spread(text: str) -> None:
    counted = section(text, "echo-64x50").split("**syscalls_per_request**")[1]
    assert cells(counted, "gnet") == ["gnet", "2.5", "1.24", "0.81", "0.81"]


def test_the_best_comes_first(text: str) -> None:
    kv = section(text, "kv-set").split("**throughput**")[1]
    assert re.findall(r"^\| (\S+) \| [\d,]+ \|", kv, re.MULTILINE)[:4] == [
        "limit-epoll", "reactor-rust", "reactor-c", "redis-server",
    ]


def test_kv_shows_ours_against_redis(text: str) -> None:
    redis = cells(section(text, "kv-set"), "redis-server")
    assert redis == ["redis-server", "1,250,000", "0.62", "1.20", "1.12"]


def test_wrong_answers_and_failures_are_told(text: str) -> None:
    told = section(text, "What gave no figure")
    assert "| echo-64x50.throughput | libuv | 1 of 1 | wrong answers: 12 |" in told
    assert "| 1 of 1 | failed: ended before it listened (no \\| such file) |" in told
    echo = section(text, "echo-64x50")
    assert cells(echo, "libuv")[1:3] == ["wrong answers: 12", "–"]
    assert cells(echo, "libevent")[1:3] == ["failed: ended before it listened", "–"]


def test_where_we_are_behind(text: str) -> None:
    behind = section(text, "Where we are behind")
    lines = [line for line in behind.splitlines() if "| throughput |" in line]
    assert [line.split(" | ")[2:4] for line in lines] and all("| tokio |" in line for line in lines)
    assert "redis-server" not in behind and "idle-100000" not in behind


def test_connects_says_on_what_it_depends(text: str) -> None:
    connects = Page(RUN, [Measured(Unit(named("connects"), "throughput", SYSTEMS[:1], TIMED), [])]).text()
    assert "50 at a time.\n\nHow far ours are ahead of the bare loop here says as much of the machine" in connects
    assert "How far ours are ahead" not in text
    assert {named(name).name for name in DEPENDS} == {"connects"}


def test_instructions_of_python_are_the_interpreters() -> None:
    by_label = {system.label: system for system in SYSTEMS}
    said = [
        notes(Measured(Unit(named("frames"), measure, (by_label["limit-epoll"], by_label[label]), ONCE), []))
        for measure, label in (("instructions", "uvloop"), ("instructions", "libuv"), ("syscalls", "uvloop"))
    ]
    assert [len(found) for found in said] == [1, 0, 0]
    assert said[0][0].startswith("Instructions in Python are its interpreter's, of the build named above")


def goals_of(workload: str, throughputs: dict[str, list[float]], counts: dict[str, float]) -> str:
    """The page of rounds in which these systems ran beside each other, and of counts."""
    by_label = {system.label: system for system in SYSTEMS}
    systems = tuple(by_label[label] for label in throughputs)
    width = len(systems)
    timed = [
        Sample(label, number, number * width + place, {"throughput": values[number]})
        for place, (label, values) in enumerate(throughputs.items())
        for number in range(len(values))
    ]
    counted = [Sample(label, 0, place, {"instructions_per_request": value}) for place, (label, value) in enumerate(counts.items())]
    of_throughput = Measured(Unit(named(workload), "throughput", systems, TIMED), sorted(timed, key=lambda one: one.place))
    return Page(RUN, [of_throughput, Measured(Unit(named(workload), "instructions", systems, ONCE), counted)]).text()


def test_what_is_asked_of_ours_in_python() -> None:
    rates = {"limit-epoll": [100.0] * 6, "reactor-python": [50.0] * 5 + [90.0], "reactor-python-lists": [80.0] * 6}
    rates["uvloop"] = [25.0] * 6
    counts = {"limit-epoll": 169.0, "reactor-python": 1_205.0, "uvloop": 2_674.0}
    said = goals_of("frames-64-deep", rates, counts)
    lines = [line.strip("|").split(" | ") for line in section(said, "Python").splitlines() if "| frames-64-deep |" in line]
    assert [[cell.strip() for cell in line] for line in lines] == [
        ["frames, a callback and a write for each", "frames-64-deep", "reactor-python", "uvloop",
         "2.00 (2.00 – 3.60)", "≥ 1.40", "1,205", "≤ 1,350", "2,674"],
        ["frames as a list for each read", "frames-64-deep", "reactor-python-lists", "uvloop", "3.20", "≥ 1.80", "", "≤ 750", "2,674"],
    ]
    timed = section(said, "frames-64-deep").split("**throughput**")[1]
    assert cells(timed, "uvloop")[3:] == ["", "", "2.00 (2.00 – 3.60)", "3.20"]


def test_a_goal_may_be_about_the_limit_and_needs_its_peer() -> None:
    rates = {"limit-epoll": [80.0, 120.0] * 3, "reactor-python": [90.0] * 6, **{name: [80.0] * 6 for name in HOSTED}}
    lines = section(goals_of("echo-64x50", rates, {}), "Python").splitlines()
    assert "| raw echo | echo-64x50 | reactor-python | limit-epoll | 0.90 (0.75 – 0.90) | ≥ 1.00 |  | ≤ 1,400 |  |" in lines
    assert "| raw echo inside an event loop | echo-64x50 | reactor-python-uvloop | uvloop | – | ≥ 1.10 |  |  |  |" in lines


def test_without_python_nothing_is_asked_of_it(text: str) -> None:
    assert "## Python" not in text
    assert "reactor-python against it" not in text


def test_idle_tells_what_was_held(text: str) -> None:
    idle = section(text, "idle-100000")
    assert "100,000 connections asked for" in idle
    assert "Held: 19,800." in idle


def test_the_machines_noise_is_told(text: str) -> None:
    assert re.search(r"Noise: nine of ten runs of limit-epoll were 0\.\d\d to 1\.\d\d of those beside them", text)


def test_all_rows_are_there(text: str) -> None:
    lines = section(text, "All rows").strip().splitlines()
    assert len(lines) - 2 == 7 * 2 + 4 + 3 + 4 * 2
    assert "| idle-100000 | reactor-rust | rust | bytes_per_connection | 520 | bytes | 8.12 | 8.12 | 8.12 |" in lines


def test_a_chart_per_workload_and_none_of_old(folder: Path, text: str) -> None:
    names = {path.name for path in folder.glob("*.svg")}
    assert names == {"echo-64x50.svg", "idle-100000.svg", "kv-set.svg"}
    assert set(re.findall(r"!\[.*?\]\((.*?)\)", text)) == names


def test_a_chart_names_systems_and_metrics_and_shows_ours_apart(folder: Path) -> None:
    svg = (folder / "echo-64x50.svg").read_text()
    said = {text.text for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}
    assert {"reactor-rust", "tokio", "libuv", "throughput", "syscalls_per_request", "(more is better)"} <= said
    assert "cpu_per_request_saturated" not in said
    # Two panels with Rust and C each, and nobody else in that colour.
    assert svg.count("fill: #d9480f") == 4


def test_the_same_samples_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    Page(RUN, measured()).write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_no_path_of_this_machine_and_no_date_in_charts(folder: Path) -> None:
    for path in folder.iterdir():
        assert not re.search(r"(?<![\w./])/(home|root|tmp|work|usr)/", path.read_text()), path
        assert path.suffix == ".md" or "<dc:date>" not in path.read_text()


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (1_234_567.8, "1,234,568"), (99.95, "100"), (2.034, "2.03"), (0.0123, "0.0123"), (0.0, "0")],
)
def test_figures(value: float | None, said: str) -> None:
    assert figure(value) == said


def test_ratios() -> None:
    assert ratio(1.0, 1.0, 1.0) == "1.00"
    assert ratio(0.987, 0.9, 1.2) == "0.99 (0.90 – 1.20)"
    assert ratio(None, None, None) == "–"


def test_who_has_no_figure_comes_last() -> None:
    values = {"a": None, "b": 2.0, "c": 1.0}
    rows = [Row("w", name, "c", "latency_p99", value, "us", value, value, value) for name, value in values.items()]
    assert [row.system for row in ranked(rows)] == ["c", "b", "a"]


def test_every_system_has_a_version() -> None:
    labels = [system.label for system in SYSTEMS]
    found = versions(ROOT, labels)
    assert list(found) == labels
    assert found["reactor-c"] == found["reactor-rust"] == matched("Cargo.toml", r'^version = "([\d.]+)"')(ROOT)
    # Pinned in the repository: known whatever is installed.
    for label in ("evio", "gnet", "gev", "netpoll", "tokio", "mio", "uvloop", "rloop", "aiofastnet-uvloop", "netty"):
        assert re.fullmatch(r"\d+\.\d+\.\d+\S*", found[label]), label
    (evio,) = re.findall(r"tidwall/evio v(\S+)$", (ROOT / "bench/peers/go/evio/go.mod").read_text(), re.MULTILINE)
    assert found["evio"] == evio


def test_every_system_in_python_has_the_same_packages() -> None:
    """Ours run in another environment than the peers, on the same uvloop."""
    pinned = [matched(path, r"^uvloop==(\S+)")(ROOT) for path in ("bench/requirements.txt", "tools/requirements.txt")]
    assert pinned[0] == pinned[1] != "unknown"


def test_a_module_is_not_taken_for_another_whose_path_ends_or_begins_alike(tmp_path: Path) -> None:
    folder = tmp_path / "bench/peers/go/gev"
    folder.mkdir(parents=True)
    lines = ["module peers/gev", "require (", "\tx.org/fork/a.org/gev v0.0.1", "\ta.org/gev/extra v0.0.2"]
    (folder / "go.mod").write_text("\n".join([*lines, "\ta.org/gev v1.2.3-rc.1 // indirect", ")"]))
    assert module("a.org/gev", "gev")(tmp_path) == "1.2.3-rc.1"
    (folder / "go.mod").write_text("module peers/gev\n\nrequire a.org/gev v0.5.0\n")
    assert module("a.org/gev", "gev")(tmp_path) == "0.5.0"
    assert module("a.org/gev")(tmp_path) == "unknown"


def test_a_machine_is_described() -> None:
    found = machine(ROOT, 20_000)
    assert found["descriptors"] == "20,000 per process"
    assert found["kernel"].startswith("Linux ")
    assert int(found["processors"]) >= 1
    assert found["python"].startswith(f"{platform.python_version()} (")


def test_an_interpreter_is_described_without_paths() -> None:
    options = "'--prefix=/opt/python' '--enable-shared' 'LDFLAGS=-L/opt/lib -Wl,-rpath,/opt/lib' '--with-lto'"
    said = described("3.11.7 (main, May  9 2026) \n[GCC 12.2.0]", options, "-g -O2 -Wall -O3")
    assert said == "3.11.7 (main, May 9 2026) [GCC 12.2.0] configured --enable-shared --with-lto compiled -O3"
    assert described("3.13.0", "", "") == "3.13.0 configured without options compiled"


def test_two_interpreters_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def builds(peers: str, ours: str) -> dict[str, str]:
        said = {machines.PEERS_PYTHON: peers, machines.OUR_PYTHON: ours}
        monkeypatch.setattr(machines, "printed", lambda python, script: lambda root: said[python])
        return machines.interpreters(ROOT)

    assert builds("3.11", "3.11") == builds("3.11", "unknown") == {"python": "3.11"}
    assert builds("3.11", "3.12") == {"python": "3.11", "python of reactor-python": "3.12"}


def test_what_is_not_there_is_unknown(tmp_path: Path) -> None:
    assert matched("go.mod", r"(.+)")(tmp_path) == "unknown"
    assert printed("no-such-command")(tmp_path) == "unknown"


def test_where_the_limit_is_zero_a_chart_shows_the_values(tmp_path: Path) -> None:
    values = {"limit-epoll": 0.0, "gnet": 640.0, "netty": 6_400.0}
    plain = Row("idle-100", "", "c", "bytes_per_connection", None, "bytes", None, None, None)
    rows = [replace(plain, system=name, value=value) for name, value in values.items()]
    assert charts.draw("idle-100", rows, tmp_path / "chart.svg")
    svg = (tmp_path / "chart.svg").read_text()
    assert "bytes_per_connection, bytes themselves" in svg
    assert charts.order(rows) == ["netty", "gnet", "limit-epoll"]
    assert [bar.length for bar in charts.bars(rows)] == [0.0, 640.0, 6_400.0]
    assert charts.order([replace(rows[1], value=None), rows[2]]) == ["gnet", "netty"]


def test_all_of_ours_have_the_colour_of_ours() -> None:
    plain = Row("echo-64x50", "", "", "throughput", 1.0, "requests/s", 1.0, 1.0, 1.0)
    rows = [replace(plain, system=system.name, language=system.language) for system in SYSTEMS]
    ours = {"reactor-rust", "reactor-c", "reactor-python", "reactor-python-lists", "reactor-node", INLINE, *HOSTED}
    assert {bar.label for bar in charts.bars(rows) if bar.ours} == ours
