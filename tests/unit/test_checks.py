"""Every rule of the contract about what callers send, at its boundary."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.checks import LARGEST_INTEGER, canonical_metadata, check_new, check_user_id, is_user_id
from hub.domain.errors import HubError, Reason
from hub.domain.notifications import NewNotification, Priority

NOW = datetime(2030, 1, 1, tzinfo=UTC)
GOOD = NewNotification("user123", "Welcome!", "Welcome to our platform", "email")
SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)

EDGES_OF_TIME = (datetime.min, datetime.max)  # noqa: DTZ901 - each is given an offset below
NAUGHTY = ["\0", "a\0b", "\ud800", "a\udfffb", "\udc00\ud800"]


def violations(command: NewNotification) -> dict[str, str]:
    """What is refused, by field; empty if it stands."""
    try:
        check_new(command, NOW)
    except HubError as caught:
        error = caught
    else:
        return {}
    assert error.reason is Reason.INVALID_VALUE
    return {violation.field: violation.message for violation in error.violations}


def refused(**fields: Any) -> list[str]:
    return sorted(violations(replace(GOOD, **fields)))


def metadata(value: dict[str, Any]) -> dict[str, Any]:
    return check_new(replace(GOOD, metadata=value), NOW).command.metadata


def nested(levels: int, *, lists: bool = False) -> Any:
    """A structure of so many levels, itself level 1."""
    value: Any = [] if lists else {}
    for _ in range(levels - 1):
        value = [value] if lists else {"k": value}
    return value


class TestUserIds:
    @pytest.mark.parametrize("text", ["a", "x" * 128, "A.Z_a:z@0+9=~|-", "...", "a..", ".a", "-", "user:1|x@y.z"])
    def test_taken(self, text: str) -> None:
        assert is_user_id(text)
        assert check_user_id(text) == text
        assert refused(user_id=text) == []

    @pytest.mark.parametrize(
        "text",
        [
            "",
            ".",
            "..",
            "x" * 129,
            "a b",
            "a/b",
            "a%2F",
            "ä",
            "a\n",
            "\na",
            "a\0",
            "\ud800",
            "a,b",
            "\uff11",
            "a\u200b",
        ],
    )
    def test_refused(self, text: str) -> None:
        assert not is_user_id(text)
        assert refused(user_id=text) == ["user_id"]
        with pytest.raises(HubError) as caught:
            check_user_id(text, "to_whom")
        assert [violation.field for violation in caught.value.violations] == ["to_whom"]


class TestText:
    @pytest.mark.parametrize(("field", "longest"), [("title", 255), ("message", 20_000), ("to", 512)])
    def test_lengths_are_in_characters(self, field: str, longest: int) -> None:
        for character in ("x", "é", "😀"):
            assert refused(**{field: character * longest}) == []
            assert refused(**{field: character * (longest + 1)}) == [field]
        assert refused(**{field: "x"}) == []
        assert refused(**{field: ""}) == [field]

    def test_html_is_for_email_and_measured_in_bytes(self) -> None:
        most = 256 * 1024
        assert refused(html="x" * most) == []
        assert refused(html="x" * (most + 1)) == ["html"]
        assert refused(html="é" * (most // 2)) == []
        assert refused(html="é" * (most // 2) + "x") == ["html"]
        assert refused(html="") == ["html"]
        assert refused(html="<p>", type="sms") == ["html"]

    @pytest.mark.parametrize("text", NAUGHTY)
    @pytest.mark.parametrize("field", ["title", "message", "html", "to", "type"])
    def test_nul_and_lone_surrogates_are_refused_everywhere(self, field: str, text: str) -> None:
        assert field in refused(**{field: text})

    @pytest.mark.parametrize("text", ["a\nb", "a\rb", "\r\n", "a\n"])
    def test_a_title_is_one_line_and_a_message_may_have_many(self, text: str) -> None:
        assert refused(title=text) == ["title"]
        assert refused(message=text) == []
        assert refused(html=text) == []

    def test_pairs_of_surrogates_are_characters(self) -> None:
        assert refused(title="😀", message="😀", metadata={"😀": "😀"}) == []

    def test_all_wrong_fields_are_named_at_once(self) -> None:
        fields = refused(
            user_id="",
            title="",
            message="",
            to="",
            metadata={"a.b": 1},
            scheduled_at=datetime(2030, 1, 1),  # noqa: DTZ001
        )
        assert fields == ["message", "metadata", "scheduled_at", "title", "to", "user_id"]


class TestMetadata:
    def test_sixteen_kib_of_compact_utf8_json(self) -> None:
        frame = len(json.dumps({"k": ""}, separators=(",", ":")))
        room = 16 * 1024 - frame
        assert refused(metadata={"k": "x" * room}) == []
        assert refused(metadata={"k": "x" * (room + 1)}) == ["metadata"]
        assert refused(metadata={"k": "é" * (room // 2)}) == []
        assert refused(metadata={"k": "é" * (room // 2 + 1)}) == ["metadata"]
        # What JSON escapes is measured as escaped.
        assert refused(metadata={"k": '"' * (room // 2)}) == []
        assert refused(metadata={"k": '"' * (room // 2 + 1)}) == ["metadata"]

    def test_eight_levels_the_object_itself_is_the_first(self) -> None:
        assert metadata(nested(8)) == nested(8)
        assert metadata({"k": nested(7, lists=True)}) == {"k": nested(7, lists=True)}
        assert refused(metadata=nested(9)) == ["metadata" + ".k" * 8]
        assert refused(metadata={"k": nested(8, lists=True)}) == ["metadata.k" + ".0" * 7]

    @pytest.mark.parametrize("lists", [False, True])
    def test_100_000_levels_are_refused_and_crash_nothing(self, lists: bool) -> None:  # noqa: FBT001
        assert len(refused(metadata={"k": nested(100_000, lists=lists)})) == 1
        assert sys.getrecursionlimit() < 100_000

    @pytest.mark.parametrize("key", ["k" * 128, "é" * 128, " ", "k$", "a$b", "_id", "__proto__", "-", "😀"])
    def test_keys_taken(self, key: str) -> None:
        assert metadata({key: {key: 1}}) == {key: {key: 1}}

    @pytest.mark.parametrize("key", ["", "k" * 129, "$", "$set", "a.b", ".", "a.", *NAUGHTY])
    @pytest.mark.parametrize("depth", [0, 1, 2])
    def test_keys_refused_at_every_depth(self, key: str, depth: int) -> None:
        value: dict[str, Any] = {key: 1}
        for _ in range(depth):
            value = {"k": [value]}
        assert refused(metadata=value) == ["metadata" + ".k.0" * depth]

    @pytest.mark.parametrize("key", [1, None, True, 1.5, ("a",), b"a"])
    def test_keys_are_text(self, key: Any) -> None:
        assert refused(metadata={key: 1}) == ["metadata"]

    @pytest.mark.parametrize("text", NAUGHTY)
    def test_texts_within_are_checked(self, text: str) -> None:
        assert refused(metadata={"a": {"b": ["ok", text]}}) == ["metadata.a.b.1"]

    @pytest.mark.parametrize("value", [NOW, b"x", {1}, (1,), object(), 1j])
    def test_nothing_but_json(self, value: Any) -> None:
        assert refused(metadata={"k": value}) == ["metadata.k"]

    @pytest.mark.parametrize("value", [[], "text", None, 1, "{}"])
    def test_it_is_an_object(self, value: Any) -> None:
        assert refused(metadata=value) == ["metadata"]

    @pytest.mark.parametrize(
        ("given_number", "kept"),
        [
            (1.0, "1"),
            (-0.0, "0"),
            (0.0, "0"),
            (1.5, "1.5"),
            (-1.5, "-1.5"),
            (1e3, "1000"),
            (5e-324, "5e-324"),
            (float(LARGEST_INTEGER), str(2**53 - 1)),
            (-float(LARGEST_INTEGER), str(-(2**53 - 1))),
            (LARGEST_INTEGER, str(2**53 - 1)),
            (-LARGEST_INTEGER, str(-(2**53 - 1))),
            (True, "true"),
            (False, "false"),
        ],
    )
    def test_numbers_have_one_form(self, given_number: float, kept: str) -> None:
        """Compared as text: Python takes 1 for 1.0, and True for 1."""
        assert json.dumps(metadata({"k": [given_number]})["k"]) == f"[{kept}]"

    @pytest.mark.parametrize(
        "number",
        [2**53, -(2**53), 2.0**53, 1e300, -1e300, 10**5000, -(10**5000), math.nan, math.inf, -math.inf],
        # pytest can't name an integer of 5,000 digits, and neither must any message of ours try.
        ids=[f"n{index}" for index in range(10)],
    )
    def test_numbers_refused(self, number: float) -> None:
        assert refused(metadata={"k": {"n": number}}) == ["metadata.k.n"]

    json_values = st.recursive(
        st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )

    @given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
    def test_the_canonical_form_is_stable_and_equal(self, value: dict[str, Any]) -> None:
        try:
            once = canonical_metadata(value)
        except ValueError:
            return
        assert once == value
        assert json.dumps(canonical_metadata(once)) == json.dumps(once)
        assert json.dumps(canonical_metadata(json.loads(json.dumps(value)))) == json.dumps(once)

    def test_what_was_given_is_left_alone(self) -> None:
        value = {"a": [1.0, {"b": 2.0}]}
        metadata(value)
        assert json.dumps(value) == '{"a": [1.0, {"b": 2.0}]}'


class TestMeaning:
    @pytest.mark.parametrize("priority", list(Priority))
    def test_priorities(self, priority: Priority) -> None:
        assert check_new(replace(GOOD, metadata={"priority": priority.value}), NOW).priority is priority

    def test_without_priority_it_is_normal(self) -> None:
        checked = check_new(GOOD, NOW)
        assert (checked.priority, checked.category) == (Priority.NORMAL, None)

    @pytest.mark.parametrize("priority", ["urgent", "High", "", None, 1, True, ["high"], {"high": 1}, "high "])
    def test_other_priorities_are_refused(self, priority: Any) -> None:
        assert refused(metadata={"priority": priority}) == ["metadata.priority"]

    @pytest.mark.parametrize("category", ["w", "w" * 64, "é" * 64])
    def test_categories(self, category: str) -> None:
        assert check_new(replace(GOOD, metadata={"category": category}), NOW).category == category

    @pytest.mark.parametrize("category", ["w" * 65, "", None, 1, ["w"], {}])
    def test_other_categories_are_refused(self, category: Any) -> None:
        assert refused(metadata={"category": category}) == ["metadata.category"]

    def test_they_mean_something_at_the_top_alone(self) -> None:
        assert refused(metadata={"k": {"priority": "urgent", "category": 1}}) == []


class TestTimes:
    @pytest.mark.parametrize("field", ["scheduled_at", "expires_at"])
    def test_an_offset_is_needed(self, field: str) -> None:
        assert refused(**{field: datetime(2030, 1, 2)}) == [field]  # noqa: DTZ001

    def test_kept_in_utc_with_finer_digits_cut(self) -> None:
        moment = datetime(2030, 1, 2, 2, 0, 0, 1999, timezone(timedelta(hours=2)))
        checked = check_new(replace(GOOD, scheduled_at=moment, expires_at=moment + SECOND), NOW).command
        assert checked.scheduled_at == datetime(2030, 1, 2, 0, 0, 0, 1000, UTC)
        assert checked.expires_at == datetime(2030, 1, 2, 0, 0, 1, 1000, UTC)
        assert checked.scheduled_at is not None
        assert checked.scheduled_at.tzinfo is UTC

    def test_a_past_schedule_means_now(self) -> None:
        assert refused(scheduled_at=NOW - timedelta(days=1)) == []
        assert refused(scheduled_at=datetime(1, 1, 1, tzinfo=UTC)) == []

    def test_a_past_expiry_is_refused(self) -> None:
        assert refused(expires_at=NOW - SECOND) == ["expires_at"]
        assert refused(expires_at=NOW) == ["expires_at"]
        assert refused(expires_at=NOW + timedelta(microseconds=999)) == ["expires_at"]
        assert refused(expires_at=NOW + MILLISECOND) == []

    def test_the_expiry_lies_after_the_schedule(self) -> None:
        later = NOW + SECOND
        assert refused(scheduled_at=later, expires_at=later) == ["expires_at"]
        assert refused(scheduled_at=later, expires_at=later + timedelta(microseconds=999)) == ["expires_at"]
        assert refused(scheduled_at=later, expires_at=later + MILLISECOND) == []
        assert refused(scheduled_at=later, expires_at=later - MILLISECOND) == ["expires_at"]
        assert refused(scheduled_at=NOW - SECOND, expires_at=later) == []

    def test_ten_years_ahead_at_most(self) -> None:
        assert refused(scheduled_at=NOW + timedelta(days=3660)) == []
        assert refused(scheduled_at=NOW + timedelta(days=3661)) == ["scheduled_at"]
        assert refused(scheduled_at=datetime.max.replace(tzinfo=UTC)) == ["scheduled_at"]

    @pytest.mark.parametrize("hours", [-23, 23])
    @pytest.mark.parametrize("edge", EDGES_OF_TIME)
    @pytest.mark.parametrize("field", ["scheduled_at", "expires_at"])
    def test_moments_that_utc_does_not_have_are_refused(self, field: str, edge: datetime, hours: int) -> None:
        """Never an OverflowError. What lies in the past and can be told is judged as the past."""
        moment = edge.replace(tzinfo=timezone(timedelta(hours=hours)))
        past_schedule = field == "scheduled_at" and edge is EDGES_OF_TIME[0] and hours < 0
        assert refused(**{field: moment}) == ([] if past_schedule else [field])
