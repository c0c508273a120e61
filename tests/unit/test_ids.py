"""UUIDv7: ordered, dated, and read in one spelling."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.ids import first_id_at, new_id, parse_id, time_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
milliseconds = st.integers(0, int((datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - EPOCH).total_seconds()) * 1000)


def test_ids_are_of_version_7_and_sort_as_they_were_made() -> None:
    made = [new_id() for _ in range(20_000)]
    assert all(identifier.version == 7 and identifier.variant == RFC_4122 for identifier in made)
    assert made == sorted(made)
    assert [identifier.bytes for identifier in made] == sorted(identifier.bytes for identifier in made)
    assert len(set(made)) == len(made)


def test_ids_stay_ordered_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [new_id() for _ in range(3)]
    past = time.time_ns() - 3_600_000_000_000
    monkeypatch.setattr("hub.domain.ids.time.time_ns", lambda: past)
    after = [new_id() for _ in range(5_000)]
    assert before + after == sorted(before + after)
    assert abs(time_of(after[-1]) - time_of(before[-1])) < timedelta(seconds=1)


def test_an_id_tells_when_it_was_made() -> None:
    # Ids made in a rush, as in the test above, may run ahead of the clock by a little.
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    made = time_of(new_id())
    assert before <= made <= datetime.now(UTC) + timedelta(milliseconds=100)
    assert made.microsecond % 1000 == 0


def test_the_random_part_is_random() -> None:
    low = {new_id().int & (2**62 - 1) for _ in range(1000)}
    assert len(low) == 1000


@given(milliseconds)
def test_the_first_id_of_a_moment_is_exactly_at_it(offset: int) -> None:
    moment = EPOCH + timedelta(milliseconds=offset)
    assert time_of(first_id_at(moment)) == moment
    # Finer digits are cut.
    assert first_id_at(moment + timedelta(microseconds=999)) == first_id_at(moment)


@given(milliseconds, milliseconds)
def test_ranges_over_time_are_ranges_of_ids(one: int, other: int) -> None:
    first, second = (first_id_at(EPOCH + timedelta(milliseconds=offset)) for offset in (one, other))
    assert (first < second) is (one < other)


def test_before_the_epoch_is_before_every_id() -> None:
    assert first_id_at(datetime.min.replace(tzinfo=UTC)) == UUID(int=0)
    assert first_id_at(datetime.max.replace(tzinfo=UTC)) > new_id()


def test_an_id_reads_back() -> None:
    for identifier in (new_id(), uuid4(), UUID(int=0), UUID(int=2**128 - 1)):
        assert parse_id(str(identifier)) == identifier


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "\0",
        "018f",
        "00000000000000000000000000000001",
        "{00000000-0000-0000-0000-000000000001}",
        "urn:uuid:00000000-0000-0000-0000-000000000001",
        " 00000000-0000-0000-0000-000000000001",
        "00000000-0000-0000-0000-000000000001\n",
        "00000000-0000-0000-0000-00000000000１",  # noqa: RUF001 - a full-width digit, which int() takes
        "0000000-00000-0000-0000-000000000001",
        "00000000-0000-0000-0000-00000000000g",
        "-" * 36,
        "\ud800" * 36,
        "0" * 1_000_000,
        "user:00000000-0000-0000-0000-000000000001",
    ],
)
def test_what_cannot_be_an_id_is_none(text: str) -> None:
    assert parse_id(text) is None


@given(st.text())
def test_any_text_is_an_id_or_none(text: str) -> None:
    parsed = parse_id(text)
    assert parsed is None or str(parsed) == text.lower()


def test_ids_made_in_threads_are_all_different() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: new_id(), range(4000)))
    assert len(set(made)) == 4000
