"""What texts may hold, by what they are for; each rule gives a sentence, and None where there is nothing wrong.

Nothing is taken out or replaced in silence: what one reader shows, another one obeys or hides.
"""

from __future__ import annotations

import re
import unicodedata

ADDRESS_LENGTH = 512

_NOWHERE = re.compile("[\0\ud800-\udfff]")
_LINE_ENDS = re.compile("[\r\n\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_CONTROLS_IN_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Marks, embeddings, overrides and isolates of direction; spaces and joins without width, but for the two joiners that
# emoji and Indic and Persian words are spelled with.
_DECEPTIVE = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of what no reader sees: controls, formats, halves of characters, separators of lines."""

_CONTROL_SENTENCE = "must not contain control characters"
_UNSEEN_SENTENCE = "must not contain characters that are invisible or change the direction of writing"


def text_fault(text: str) -> str | None:
    """What is wrong with a text anywhere: NUL and lone surrogates can neither be stored nor sent."""
    found = _NOWHERE.search(text)
    if found is None:
        return None
    return "must not contain NUL" if found[0] == "\0" else "must not contain lone surrogates"


def lines_fault(text: str) -> str | None:
    """What is wrong with a text of many lines: of all control characters it may hold tabs and ends of lines."""
    return text_fault(text) or (_CONTROL_SENTENCE if _CONTROLS_IN_LINES.search(text) else None)


def line_fault(text: str) -> str | None:
    """What is wrong with a text of one line, such as a subject: a second line would be another header."""
    if _LINE_ENDS.search(text):
        return "must be one line"
    return text_fault(text) or (_CONTROL_SENTENCE if _CONTROLS.search(text) else None)


def label_fault(text: str) -> str | None:
    """What is wrong with a name that people tell apart by its looks: two that look alike must be one."""
    return line_fault(text) or (_UNSEEN_SENTENCE if _DECEPTIVE.search(text) else None)


def address_fault(text: str) -> str | None:
    """What is wrong with an address of any kind; its channel decides whether it is one.

    Rules for domain names drop invisible characters in silence: what people were shown and what is sent to would differ.
    """
    if not 1 <= len(text) <= ADDRESS_LENGTH:
        return f"must be 1 to {ADDRESS_LENGTH:,} characters long"
    fault = line_fault(text)
    if fault is not None or text.isascii():
        return fault
    return _UNSEEN_SENTENCE if any(unicodedata.category(character) in _UNSEEN for character in text) else None
