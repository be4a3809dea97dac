"""What is kept between runs."""

from __future__ import annotations

from pathlib import Path

from harness.samples import Sample, Store

SAMPLES = [
    Sample("gnet", 0, 1, {"throughput": 5.0}, notes={"lost": 2.0}),
    Sample("gev", 0, 2, fault="wrong answers: 1", wrong=True),
    Sample("evio", 0, 3, fault="not built", absent=True),
]


def test_samples_come_back_as_they_were(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("echo.throughput", {"seed": 1}, SAMPLES)
    assert store.get("echo.throughput", {"seed": 1}) == SAMPLES


def test_another_configuration_has_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("echo.throughput", {"seed": 1}, SAMPLES)
    assert store.get("echo.throughput", {"seed": 2}) is None
    assert store.get("frames.throughput", {"seed": 1}) is None


def test_fresh_forgets_all(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("echo.throughput", {"seed": 1}, SAMPLES)
    store.forget()
    assert store.get("echo.throughput", {"seed": 1}) is None
    assert list(tmp_path.iterdir()) == []
