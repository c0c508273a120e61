"""Times: RFC 3339 in and out, UTC, milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.times import format_time, now, parse_time, to_milliseconds

offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=offsets)  # noqa: DTZ001 - it adds one


@given(moments)
def test_every_moment_survives_its_spelling(moment: datetime) -> None:
    text = format_time(moment)
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z", text)
    assert parse_time(text) == to_milliseconds(moment)
    assert format_time(parse_time(text)) == text


@given(moments)
def test_isoformat_is_read_with_finer_digits_cut(moment: datetime) -> None:
    parsed = parse_time(moment.isoformat())
    assert parsed == to_milliseconds(moment)
    assert parsed.utcoffset() == timedelta(0)
    assert parsed <= moment
    assert moment - parsed < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-31T08:00:00Z", "2030-01-31T08:00:00.000Z"),
        ("2030-01-31t08:00:00z", "2030-01-31T08:00:00.000Z"),
        ("2030-01-31 08:00:00Z", "2030-01-31T08:00:00.000Z"),
        ("2030-01-31T08:00:00+02:00", "2030-01-31T06:00:00.000Z"),
        ("2030-01-31T08:00:00-00:00", "2030-01-31T08:00:00.000Z"),
        ("2030-01-31T08:00:00.5Z", "2030-01-31T08:00:00.500Z"),
        ("2030-01-31T08:00:00.9999999999Z", "2030-01-31T08:00:00.999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00.000Z"),
    ],
)
def test_read(text: str, expected: str) -> None:
    assert format_time(parse_time(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2030-01-31",
        "2030-01-31T08:00:00",
        "2030-01-31T08:00Z",
        "20300131T080000Z",
        "2030-W05-4T08:00:00Z",
        "2030-01-31T08:00:00.Z",
        "2030-01-31T08:00:00+0200",
        "2030-01-31T08:00:00+2",
        "2030-01-31T08:00:00Z ",
        "2030-01-31T08:00:00Z\n",
        "2030-13-01T08:00:00Z",
        "2030-02-29T08:00:00Z",
        "2030-01-31T24:00:00Z",
        "2030-01-31T08:60:00Z",
        "2030-01-31T08:00:60Z",
        "2030-01-31T08:00:00+24:00",
        "2030-01-31T08:00:00+99:99",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "10000-01-01T00:00:00Z",
        "+2030-01-31T08:00:00Z",
        "２０３０-01-31T08:00:00Z",  # noqa: RUF001 - full-width digits
        "1893484800",
        "now",
        "2030-01-31T08:00:00." + "9" * 1_000_000,
    ],
)
def test_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(must be|is not) ") as caught:
        parse_time(text)
    assert len(str(caught.value)) < 100


def test_now_is_utc_to_the_millisecond() -> None:
    moment = now()
    assert moment.tzinfo is UTC
    assert moment.microsecond % 1000 == 0
    assert abs(moment - datetime.now(UTC)) < timedelta(seconds=1)
