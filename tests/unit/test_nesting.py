"""How deep the JSON of a request may be: told from its text, at once, and right about every bracket that counts."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.errors import HubError, Reason
from hub.transports.nesting import MAX_CONTAINERS, MAX_LEVELS, check_nesting


def refusal(text: str) -> HubError | None:
    try:
        check_nesting(text)
    except HubError as error:
        return error
    return None


@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_so_many_levels_and_no_more(pair: str):
    opening, closing = ("[", "]") if pair == "[]" else ('{"a":', "}")
    innermost = pair

    def nested(levels: int) -> str:
        return opening * (levels - 1) + innermost + closing * (levels - 1)

    json.loads(nested(MAX_LEVELS))
    assert refusal(nested(MAX_LEVELS)) is None
    error = refusal(nested(MAX_LEVELS + 1))
    assert error is not None
    assert error.reason is Reason.MALFORMED
    assert error.message == f"The body is nested too deeply: at most {MAX_LEVELS} levels are read."


def test_so_many_arrays_and_objects_and_no_more():
    assert refusal("[" + "[]," * (MAX_CONTAINERS - 2) + "{}]") is None
    error = refusal("[" + "[]," * (MAX_CONTAINERS - 1) + "{}]")
    assert error is not None
    assert error.reason is Reason.TOO_LARGE
    assert error.message == f"The body may have at most {MAX_CONTAINERS:,} arrays and objects."


@pytest.mark.parametrize("inside", ["[" * 200_000, '\\"' + "[" * 1000, '\\\\\\"' + "{" * 1000, "]" * 1000])
def test_brackets_in_texts_count_nothing(inside: str):
    text = '["' + inside + '"]'
    json.loads(text)
    assert refusal(text) is None


def test_a_text_that_ends_takes_no_bracket_with_it():
    # A parser that took the quote before the brackets for an escaped one would see none of them.
    assert refusal('["\\\\", ' + "[" * 1000) is not None
    assert refusal('["]]]]", ' * (MAX_LEVELS + 1)) is not None


json_values = st.recursive(
    st.none() | st.booleans() | st.text('[]{}"\\a', max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[]{}"\\', max_size=3), inner, max_size=3),
    max_leaves=60,
)


@given(json_values, st.integers(0, 40))
def test_it_agrees_with_the_parser(value: object, more: int):
    for _ in range(more):
        value = [value]
    deep = depth(value) > MAX_LEVELS
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert (refusal(text) is not None) is deep


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 8_000_000,
        "[" + "[]," * 2_700_000,
        "[]" * 40 + "]" * 8_000_000,
        "[" * 33 + '"' + '\\"' * 4_000_000,
        "[" * 33 + '"' + "\\" * 8_000_001,
        "[]" * 40 + '"' * 7_999_999,
    ],
    ids=["deep", "flat", "closed", "quotes", "escapes", "empty"],
)
def test_the_worst_text_of_eight_megabytes_takes_no_time_to_speak_of(text: str):
    began = time.process_time()
    refusal(text)
    # A tenth of it on a machine of its own; what goes over it by the square of its length takes hours.
    assert time.process_time() - began < 5
