"""What texts may hold, a row for each kind of character and each use of a text."""

from __future__ import annotations

import sys
import time
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.domain.checks import check_new
from hub.domain.errors import HubError
from hub.domain.notifications import NewNotification
from hub.domain.text import address_fault, label_fault, line_fault, lines_fault, text_fault

NUL = "must not contain NUL"
HALVES = "must not contain lone surrogates"
ONE_LINE = "must be one line"
CONTROLS = "must not contain control characters"
UNSEEN = "must not contain characters that are invisible or change the direction of writing"

# The character: anywhere, in many lines, in one line, in a label, in an address.
TABLE: list[tuple[str, str, str | None, str | None, str | None, str | None, str | None]] = [
    ("NUL", "\0", NUL, NUL, NUL, NUL, NUL),
    ("lone high surrogate", "\ud800", HALVES, HALVES, HALVES, HALVES, HALVES),
    ("lone low surrogate", "\udfff", HALVES, HALVES, HALVES, HALVES, HALVES),
    ("tab", "\t", None, None, CONTROLS, CONTROLS, CONTROLS),
    ("line feed", "\n", None, None, ONE_LINE, ONE_LINE, ONE_LINE),
    ("carriage return", "\r", None, None, ONE_LINE, ONE_LINE, ONE_LINE),
    ("bell", "\x07", None, CONTROLS, CONTROLS, CONTROLS, CONTROLS),
    ("backspace", "\x08", None, CONTROLS, CONTROLS, CONTROLS, CONTROLS),
    ("vertical tab", "\x0b", None, CONTROLS, CONTROLS, CONTROLS, CONTROLS),
    ("form feed", "\x0c", None, CONTROLS, CONTROLS, CONTROLS, CONTROLS),
    ("escape", "\x1b", None, CONTROLS, CONTROLS, CONTROLS, CONTROLS),
    ("delete", "\x7f", None, CONTROLS, CONTROLS, CONTROLS, CONTROLS),
    ("next line", "\x85", None, CONTROLS, ONE_LINE, ONE_LINE, ONE_LINE),
    ("control sequence introducer", "\x9b", None, CONTROLS, CONTROLS, CONTROLS, CONTROLS),
    ("line separator", "\u2028", None, None, ONE_LINE, ONE_LINE, ONE_LINE),
    ("paragraph separator", "\u2029", None, None, ONE_LINE, ONE_LINE, ONE_LINE),
    *[
        (f"direction {ord(character):04X}", character, None, None, None, UNSEEN, UNSEEN)
        for character in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    ],
    ("zero-width space", "\u200b", None, None, None, UNSEEN, UNSEEN),
    ("word joiner", "\u2060", None, None, None, UNSEEN, UNSEEN),
    ("byte order mark", "\ufeff", None, None, None, UNSEEN, UNSEEN),
    # Emoji and Persian words are spelled with these.
    ("zero-width joiner", "\u200d", None, None, None, None, UNSEEN),
    ("zero-width non-joiner", "\u200c", None, None, None, None, UNSEEN),
    ("soft hyphen", "\u00ad", None, None, None, None, UNSEEN),
    ("tag letter", "\U000e0041", None, None, None, None, UNSEEN),
    ("umlaut", "ü", None, None, None, None, None),
    ("Arabic", "\u0645", None, None, None, None, None),
    ("emoji", "\U0001f600", None, None, None, None, None),
]
RULES = (text_fault, lines_fault, line_fault, label_fault, address_fault)


@pytest.mark.parametrize(("name", "character", "anywhere", "lines", "line", "label", "address"), TABLE)
def test_a_character_wherever_it_stands(
    name: str, character: str, anywhere: str | None, lines: str | None, line: str | None, label: str | None,
    address: str | None,
) -> None:  # fmt: skip
    for text in (character, f"{character}b", f"a{character}b", f"a{character}"):
        assert [rule(text) for rule in RULES] == [anywhere, lines, line, label, address], name


@pytest.mark.parametrize(
    ("field", "column"), [("title", 4), ("message", 3), ("html", 3), ("type", 2), ("category", 5), ("to", 6)]
)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row[0]))
def test_a_refusal_names_the_field(field: str, column: int, row: tuple[str | None, ...]) -> None:
    text = f"a{row[1]}b"
    fields: dict[str, Any] = {"metadata": {"category": text}} if field == "category" else {field: text}
    command = replace(NewNotification("anna", "T", "M", "email"), **fields)
    try:
        check_new(command, datetime(2030, 1, 1, tzinfo=UTC))
        found = set()
    except HubError as error:
        found = {(violation.field, violation.message) for violation in error.violations}
    named = "metadata.category" if field == "category" else field
    # What can't even be stored is refused before it is asked what it is for.
    expected = {(named, row[2])} if field == "category" and row[2] else {(named, row[column])} if row[column] else set()
    assert found == expected


@pytest.mark.parametrize("text", ["", "x" * 513])
def test_addresses_have_a_length(text: str) -> None:
    assert address_fault(text) == "must be 1 to 512 characters long"


def test_of_all_of_unicode_an_address_holds_what_people_see() -> None:
    passed = [chr(code) for code in range(sys.maxunicode + 1) if address_fault(f"a{chr(code)}b") is None]
    assert {unicodedata.category(character) for character in passed} & {"Cc", "Cf", "Cs", "Zl", "Zp"} == set()
    assert len(passed) > 1_000_000


def test_the_largest_texts_cost_little() -> None:
    began = time.process_time()
    for text in ("\u200d" * 512, "ü" * 512):
        address_fault(text)
    for rule in (lines_fault, line_fault, label_fault):
        rule("ü" * 256 * 1024)
    assert time.process_time() - began < 0.1
