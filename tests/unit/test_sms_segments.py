"""Segments are counted as handsets count them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.channels.segments import count_segments, is_gsm


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("a" * 1530, 10),
        ("a" * 1531, 11),
        # The extension table: two septets each, in one part or the next but never in both.
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 158 + "€", 1),
        ("a" * 159 + "€", 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("a" * 151 + "€" + "a" * 153, 2),
        # UCS-2.
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("a" * 69 + "ж", 1),
        ("a" * 70 + "ж", 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        # 67 code units a part hold 33 pairs: the odd one stays empty.
        ("😀" * 66, 2),
        ("😀" * 67, 3),
        ("çédille" * 10, 1),
    ],
)
def test_boundaries(text, segments):
    assert count_segments(text) == segments


def test_alphabet():
    assert is_gsm("@£$¥ ÄÖÑÜ äöñüà ΔΦΓΛΩΠΨΣΘΞ [~] {|} \\ ^ € \f\r\n")
    assert not is_gsm("`")
    assert not is_gsm("ç")
    assert is_gsm("Ç")
    assert not is_gsm("\t")


@given(st.text(max_size=400), st.characters())
def test_more_text_never_takes_fewer_segments(text, character):
    assert count_segments(text + character) >= count_segments(text)
