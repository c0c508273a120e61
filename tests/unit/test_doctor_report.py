"""The doctor's report and its progress display, by themselves."""

from __future__ import annotations

import io
import json
from pathlib import Path

from hub.admin.explanations import EXPLANATIONS
from hub.admin.progress import Progress, span
from hub.admin.report import Report
from hub.domain.findings import NOTES, Code, Found

DOCS = Path(__file__).parents[2] / "docs"


class Clock:
    """Turned by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_every_code_is_explained_in_two_sentences_and_in_the_documentation() -> None:
    documented = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    assert set(EXPLANATIONS) == set(Code)
    for code, explanation in EXPLANATIONS.items():
        assert f"`{code}`" in documented, code
        assert explanation.meaning.endswith(".")
        assert explanation.remedy.startswith(("Repair ", "No repair: ", "Nothing ", "Run ")), code


def test_findings_add_up_and_keep_a_few_examples() -> None:
    report = Report(examples=3, repair=True, complete=True)
    report.add(Found(Code.STUCK, 2, ("a", "b"), repaired=2, left=0), Found(Code.UNREADABLE, 0, ()))
    report.add(Found(Code.STUCK, 5, ("c", "d"), repaired=4, left=1), Found(Code.INDEX_MISSING, 1, ("n.due",)))
    report.count("notifications", 70_000)
    report.count("notifications", 7)
    stuck, index = report.findings
    assert stuck == Found(Code.STUCK, 7, ("a", "b", "c"), 6, 1)
    assert index.remaining == 1
    text = "\n".join(report.lines())
    assert "stuck: 7\n    a, b, c, …\n" in text
    assert "Repaired: 6; left: 1." in text
    assert text.endswith("Looked at: notifications 70,007. 2 kinds of findings are left.")
    assert json.loads(report.to_json())["findings"][0]["examples"] == ["a", "b", "c"]


def test_notes_alone_are_no_reason_for_alarm() -> None:
    report = Report(examples=5, repair=False, complete=True)
    for code in NOTES:
        report.add(Found(code, 3, ("x",)))
    assert (len(report.findings), report.unsettled, report.document()["healthy"]) == (len(NOTES), [], True)
    assert "\n".join(report.lines()).endswith("Nothing is wrong.")


def test_what_came_to_no_end_is_not_called_healthy() -> None:
    report = Report(examples=5, repair=True)
    report.count("notifications", 5)
    report.add(Found(Code.STUCK, 1, ("x",), repaired=1, left=0))
    assert report.document()["healthy"] is False
    assert "Repaired: 1; left: 0." in "\n".join(report.lines())
    assert list(report.lines())[-1] == "Looked at: notifications 5. Not to the end."


def test_only_a_look_that_left_something_repairable_advises_to_repair() -> None:
    for code, advised in ((Code.STUCK, True), (Code.SENT_WITHOUT_TIME, False)):
        report = Report(examples=5, repair=False, complete=True)
        report.add(Found(code, 1, ("x",)))
        assert ("--repair" in list(report.lines())[-1]) is advised


def test_elsewhere_than_on_a_terminal_progress_is_a_line_every_few_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(stream, clock)
    progress.begin("notifications", 300_000)
    for _ in range(12):
        clock.seconds += 1
        progress.advance(10_000)
    progress.end()
    assert stream.getvalue() == (
        "notifications: 50,000 of about 300,000 (16 %), 10,000/s, about 25 s left\n"
        "notifications: 100,000 of about 300,000 (33 %), 10,000/s, about 20 s left\n"
    )


def test_on_a_terminal_it_is_one_line_that_is_gone_at_the_end() -> None:
    clock, stream = Clock(), Terminal()
    progress = Progress(stream, clock)
    progress.begin("days of statistics")
    progress.advance(1)
    assert stream.getvalue() == ""
    clock.seconds += 0.5
    progress.advance(1)
    assert stream.getvalue() == "\rdays of statistics: 2, 4/s"
    progress.say("waiting")
    progress.end()
    last = stream.getvalue().split("\r")[-3:]
    assert [part.strip() for part in last] == ["waiting", "", ""]
    assert len(last[0]) == len(last[1]) == len("days of statistics: 2, 4/s")


def test_more_than_was_estimated_is_no_time_left() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(stream, clock)
    progress.begin("notifications", 10)
    clock.seconds += 10
    progress.advance(20)
    assert stream.getvalue() == "notifications: 20, 2/s\n"


def test_lengths_of_time() -> None:
    assert [span(seconds) for seconds in (0.4, 42, 99, 420, 11_100)] == ["0 s", "42 s", "99 s", "7 min", "3 h 5 min"]
