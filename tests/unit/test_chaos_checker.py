"""The checker of scripts/chaos, given evidence that is made up: it must notice every promise that was not kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.chaos.chart import Chart
from tests.chaos.checker import UNDER_WAY, check, too_many_doubled
from tests.chaos.evidence import Claim, Ending, Evidence, Injection, Sight, Taken, Transcript, Try, Wish
from tests.chaos.report import Table

START = 1_800_000_000.0
USER = "user-1"


def moment(second: float) -> datetime:
    return datetime.fromtimestamp(START + second, UTC)


def name(number: int) -> str:
    return str(UUID(int=number))


def attempt(number: int, outcome: str, began: float = 1.0) -> dict[str, Any]:
    return {"number": number, "outcome": outcome, "started_at": moment(began), "error": None}


def row(number: int, status: str, *attempts: dict[str, Any], **more: Any) -> dict[str, Any]:
    arrived = moment(2) if status == "delivered" else None
    return {
        "_id": UUID(int=number), "user_id": USER, "type": "email", "status": status, "attempts": list(attempts),
        "attempt_count": len(attempts), "created_at": moment(0), "updated_at": moment(3), "delivered_at": arrived,
        "sent_at": moment(2) if status == "sent" else None, "read_at": None, "expires_at": None, "version": 3,
        "metadata": {"key": f"k{number}"}, **more,
    }  # fmt: skip


def sound() -> Evidence:
    """A run in which everything went well: one of each."""
    evidence = Evidence(1, "rabbitmq", START, healed_at=START + 10, quiet_at=START + 12)
    evidence.stored = [
        row(1, "sent", attempt(1, "accepted")),
        row(2, "delivered", attempt(1, "delivered"), type="in_app", inbox_at=moment(2)),
        row(3, "failed", attempt(1, "temporary"), attempt(2, "permanent")),
        row(4, "cancelled"),
        row(5, "sent", attempt(1, "ambiguous"), attempt(2, "accepted", 2.0)),
        # Cancelled after its lease ran out; the worker that had it went on all the same.
        row(6, "cancelled", attempt(1, "ambiguous", 1.0)),
    ]
    for number in range(1, 7):
        wish = Wish(f"k{number}", USER, "email", [Try("rest", 0, START, START + 0.1, Ending.DONE)])
        wish.answers = [(START + 0.1, name(number))]
        evidence.wishes.append(wish)
    evidence.taken = [
        Taken(name(1), "email", START + 1, START + 1, forced=False),
        Taken(name(5), "email", START + 1, START + 1, forced=True),
        Taken(name(5), "email", START + 2, START + 2, forced=False),
        Taken(name(6), "email", START + 5, START + 5, forced=False),
    ]
    evidence.claims = [Claim(name(4), "cancelled", [Try("grpc", 0, START + 1, START + 1, Ending.DONE)])]
    sights = [Sight(START + 2, 1, name(2), 2, listed=False), Sight(START + 3, 1, name(2), 3, listed=False)]
    evidence.transcripts = [Transcript("sse", USER, START, sights)]
    evidence.injections = [Injection("kill -9 api", "api-0", START + 1, START + 2)]
    return evidence


def stored(evidence: Evidence, number: int) -> dict[str, Any]:
    return next(one for one in evidence.stored if one["_id"] == UUID(int=number))


def failing(ending: Ending, began: float, api: int = 0) -> Try:
    return Try("rest", api, START + began, START + began + 0.1, ending)


def not_stored(evidence: Evidence) -> None:
    evidence.stored.remove(stored(evidence, 4))


def unsettled(evidence: Evidence) -> None:
    stored(evidence, 4)["status"] = "pending"


def said_not_to_exist(evidence: Evidence) -> None:
    evidence.claims[0].tries.insert(0, Try("rest", 0, START, START, Ending.DENIED, "NOT_FOUND"))


def two_for_one_key(evidence: Evidence) -> None:
    evidence.wishes[0].answers.append((START + 1, name(2)))


def stored_twice(evidence: Evidence) -> None:
    evidence.stored.append(row(7, "cancelled", metadata={"key": "k1"}))


def never_taken(evidence: Evidence) -> None:
    del evidence.taken[0]


def in_no_inbox(evidence: Evidence) -> None:
    del stored(evidence, 2)["inbox_at"]


def given_up_early(evidence: Evidence) -> None:
    stored(evidence, 3)["attempts"].pop()
    stored(evidence, 3)["attempt_count"] = 1


def sent_after_it_was_cancelled(evidence: Evidence) -> None:
    evidence.taken.append(Taken(name(4), "email", START + 5, START + 5, forced=False))


def cancelled_and_sent(evidence: Evidence) -> None:
    stored(evidence, 4).update(status="sent", attempts=[attempt(1, "accepted")], attempt_count=1)
    evidence.taken.append(Taken(name(4), "email", START + 2, START + 2, forced=False))


def marked_and_unread(evidence: Evidence) -> None:
    evidence.claims.append(Claim(name(2), "read", [failing(Ending.DONE, 4)]))


def attempts_written_over(evidence: Evidence) -> None:
    stored(evidence, 5)["attempts"][1]["number"] = 1


def taken_without_an_attempt(evidence: Evidence) -> None:
    evidence.taken.append(Taken(name(3), "email", START + 1, START + 1, forced=False))


def sent_and_unknown(evidence: Evidence) -> None:
    evidence.taken.append(Taken(name(99), "email", START + 1, START + 1, forced=False))


def never_seen(evidence: Evidence) -> None:
    evidence.transcripts[0].sights.clear()


def behind_at_the_end(evidence: Evidence) -> None:
    evidence.transcripts[0].sights.pop()


def gone_back(evidence: Evidence) -> None:
    sights = evidence.transcripts[0].sights
    sights += [Sight(START + 4, 2, name(2), 2, listed=False), Sight(START + 5, 2, name(2), 3, listed=False)]


def undocumented(evidence: Evidence) -> None:
    evidence.wishes[0].tries.insert(0, failing(Ending.WRONG, 0))


def hanging(evidence: Evidence) -> None:
    evidence.wishes[0].tries.insert(0, failing(Ending.SILENT, 1, api=1))


def broken_without_a_fault(evidence: Evidence) -> None:
    evidence.wishes[0].tries.insert(0, failing(Ending.BROKEN, 9))


def a_process_that_ended(evidence: Evidence) -> None:
    evidence.complaints.append("api-1 ended by itself")


def doubled_with_too_few_attempts(evidence: Evidence) -> None:
    evidence.taken.append(Taken(name(1), "email", START + 2, START + 2, forced=False))


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (not_stored, "lost"),
        (unsettled, "lost"),
        (said_not_to_exist, "lost"),
        (two_for_one_key, "untrue"),
        (stored_twice, "untrue"),
        (never_taken, "untrue"),
        (in_no_inbox, "untrue"),
        (given_up_early, "untrue"),
        (sent_after_it_was_cancelled, "untrue"),
        (cancelled_and_sent, "untrue"),
        (marked_and_unread, "untrue"),
        (attempts_written_over, "untrue"),
        (taken_without_an_attempt, "untrue"),
        (sent_and_unknown, "untrue"),
        (never_seen, "unseen"),
        (behind_at_the_end, "unseen"),
        (gone_back, "unseen"),
        (undocumented, "answer"),
        (hanging, "answer"),
        (broken_without_a_fault, "answer"),
        (a_process_that_ended, "process"),
        (doubled_with_too_few_attempts, "doubled"),
    ],
)
def test_what_is_wrong_is_noticed(spoil: Callable[[Evidence], None], kind: str) -> None:
    evidence = sound()
    spoil(evidence)
    assert check(evidence).of_kind(kind)


def test_a_sound_run_is_sound_and_its_numbers_are_told() -> None:
    verdict = check(sound())
    assert verdict.violations == []
    numbers = verdict.numbers
    assert (numbers["accepted"], numbers["taken"], numbers["doubled"]) == (6, 4, 0)
    assert numbers["doubled by the provider"] == 1
    assert numbers["sent though ended, by attempts begun before"] == 1


def test_a_broken_connection_is_excused_by_a_fault_on_that_very_api() -> None:
    evidence = sound()
    evidence.wishes[0].tries.insert(0, failing(Ending.BROKEN, 1.5))
    assert check(evidence).violations == []


def test_what_a_network_swallowed_after_it_was_taken_is_forced() -> None:
    evidence = sound()
    evidence.taken[1:2] = [Taken(name(5), "email", START + 1, START + 1, forced=False)]
    assert check(evidence).numbers["doubled"] == 1
    evidence.injections.append(Injection("network of a provider", "email", START + 0.5, START + 1.5))
    assert check(evidence).numbers["doubled"] == 0


@pytest.mark.parametrize(("after_healing", "doubled"), [(0.4, 0), (1.4, 1)])
def test_so_is_what_it_had_held_back_until_it_was_healed(after_healing: float, doubled: int) -> None:
    evidence = sound()
    evidence.taken[1:2] = [Taken(name(5), "email", START + 1, START + 1, forced=False)]
    healed_at = START + 1 - after_healing
    evidence.injections.append(Injection("network of a provider", "email", healed_at - 2, healed_at))
    assert check(evidence).numbers["doubled"] == doubled


def test_more_doubled_than_one_crash_explains_or_half_a_percent_is_too_much() -> None:
    evidence = sound()
    for number in range(100, 100 + UNDER_WAY):
        evidence.stored.append(row(number, "sent", attempt(1, "ambiguous"), attempt(2, "accepted", 2)))
        evidence.taken += [Taken(name(number), "email", START + at, START + at, forced=False) for at in (1, 2)]
    verdict = check(evidence)
    assert verdict.violations == []
    assert not too_many_doubled([verdict])
    assert too_many_doubled([verdict, verdict])
    verdict.numbers["taken"] = UNDER_WAY * 200
    assert not too_many_doubled([verdict, verdict])


def test_the_table_lays_what_was_wrong_at_the_door_of_the_fault_before() -> None:
    evidence = sound()
    not_stored(evidence)
    table = Table()
    table.add(evidence, check(evidence))
    assert table.lines["kill -9 api"].lost == 1
    assert "kill -9 api" in table.text()
    assert table.markdown().count("\n") == 2
    assert "| 1 |" in table.summary()


def test_the_chart_shows_each_fault() -> None:
    svg = Chart(sound()).svg()
    assert svg.startswith("<svg")
    assert "kill -9 api" in svg
