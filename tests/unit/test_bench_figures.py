"""What benchmarks make of their figures: ratios within a round, goals by the median, what is missed said plainly."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.bench import beside, charts, load
from tests.bench.contenders import HUB, PEERS
from tests.bench.figures import Figures
from tests.bench.report import Goal, Row, markdown, plain
from tests.bench.rows import rows


def row(*values: float, goal: Goal = Goal("at least", 6)) -> Row:  # noqa: B008 - frozen
    return Row("delivered", "what", "measure", goal, values)


def test_the_median_decides() -> None:
    assert row(5.9, 6.1, 6.2).holds
    assert not row(5.9, 5.8, 9.0).holds
    assert row(0.1, 0.2, 0.3, goal=Goal("at most", 0.2)).holds
    assert not row().holds


def test_what_is_missed_is_named() -> None:
    missed = row(1.0)
    assert "1 of 2 miss: delivered" in plain([missed, row(7.0)])
    assert "**no**" in markdown([missed])
    assert "all reached" in plain([row(7.0)])


def test_the_best_peer_is_the_best_of_that_round() -> None:
    figures = Figures()
    for name, values in {"hub": (10.0, 12.0), "one": (2.0, 1.0), "two": (1.0, 4.0)}.items():
        for value in values:
            figures.add(name, value)
    assert figures.against("hub", ["one", "two"], max) == [5.0, 3.0]
    assert figures.against("hub", ["one", "two"], min) == [10.0, 12.0]


async def test_a_run_that_was_never_calm_is_counted_and_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench.figures.DISTURBED", -1.0)
    figures, runs = Figures(tries=2), []

    async def measure() -> int:
        runs.append(1)
        return len(runs)

    assert await figures.calm("busy", measure) == 2
    assert figures.disturbed == {"busy"}


def test_rows_are_those_for_which_there_are_figures() -> None:
    figures = Figures()
    for name in (HUB, *PEERS):
        for what in ("delivered_a_second", "cpu_per_10k"):
            figures.add(f"{name}/32 {what}", 12.0 if name == HUB else 3.0)
    assert {one.name: one.holds for one in rows(figures)} == {"delivered-32": False, "cpu-32": False}
    assert [one.middle for one in rows(figures)] == [4.0, 4.0]


def test_charts_are_pictures() -> None:
    for svg in (
        charts.bars("Delivered", "a second", {"hub": [3.0, 4.0], "A & B": [1.0]}, "hub"),
        charts.lines("Growth", "notifications", "ms", {"REST": [(0.0, 1.0), (10.0, 2.0)]}),
    ):
        assert ET.fromstring(svg).tag.endswith("svg")  # noqa: S314 - made here


def test_the_page_says_what_is_not_reached() -> None:
    assert "Not reached: what: measure." in beside._page([row(1.0)], {})
    assert "Not reached: nothing." in beside._page([row(7.0)], {"a.svg": ""})


def test_a_request_says_who_and_when() -> None:
    plan = load.Plan([1], "/path", '{"user_id":"user-%u","at":%t}', {"X": "y"}, 1, 1, users=10)
    raw = load.Load(plan).request(12.345)
    assert raw.startswith(b"POST /path HTTP/1.1\r\n")
    assert raw.endswith(b'Content-Length: 31\r\n\r\n{"user_id":"user-1","at":12345}')
