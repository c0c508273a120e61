"""How many SMS a text takes: GSM 03.38 (3GPP TS 23.038) with its extension table, UCS-2 for anything else."""

from __future__ import annotations

from collections.abc import Iterable

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
"""Each takes two septets: an escape and its own."""
_GSM_SINGLE, _GSM_PART = 160, 153
_UCS2_SINGLE, _UCS2_PART = 70, 67
"""A part of a longer text gives up six bytes to the header that joins them (section 9.2.3.24.1 of TS 23.040)."""


def is_gsm(text: str) -> bool:
    """Whether the text can be sent in the 7-bit alphabet."""
    return all(character in _BASIC or character in _EXTENDED for character in text)


def count_segments(text: str) -> int:
    """The SMS this text takes; an escape pair or a surrogate pair is never cut in two."""
    if is_gsm(text):
        return _parts((2 if character in _EXTENDED else 1 for character in text), _GSM_SINGLE, _GSM_PART)
    return _parts((2 if ord(character) > 0xFFFF else 1 for character in text), _UCS2_SINGLE, _UCS2_PART)  # noqa: PLR2004


def _parts(widths: Iterable[int], single: int, part: int) -> int:
    total, parts, used = 0, 1, 0
    for width in widths:
        total += width
        if used + width > part:
            parts, used = parts + 1, 0
        used += width
    return 1 if total <= single else parts
