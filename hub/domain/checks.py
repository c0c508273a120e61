"""Checks of what callers send, made once, before anything is written; each refusal names the field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.domain.errors import Violation, invalid
from hub.domain.notifications import NewNotification, Priority
from hub.domain.text import address_fault, label_fault, line_fault, lines_fault, text_fault
from hub.domain.times import to_milliseconds

USER_ID = re.compile(r"[A-Za-z0-9._:@+=~|-]{1,128}", re.ASCII)
TITLE_LENGTH = 255
MESSAGE_LENGTH = 20_000
HTML_BYTES = 256 * 1024
METADATA_BYTES = 16 * 1024
METADATA_LEVELS = 8
METADATA_KEY_LENGTH = 128
CATEGORY_LENGTH = 64
REASON_LENGTH = 64
LARGEST_INTEGER = 2**53 - 1
LONGEST_AHEAD = timedelta(days=3660)
"""Times further ahead than ten years are mistakes more often than wishes."""


@dataclass(frozen=True, slots=True)
class CheckedNotification:
    """A command that stands: text is clean, metadata and times are canonical."""

    command: NewNotification
    priority: Priority
    category: str | None


class _Refusal(ValueError):
    """A wrong field deep in the metadata."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.violation = Violation(field, message)


def is_user_id(text: str) -> bool:
    """Whether a text can be a user id: 1 to 128 of `A-Za-z0-9._:@+=~|-`, and neither `.` nor `..`."""
    return USER_ID.fullmatch(text) is not None and text not in {".", ".."}


def check_user_id(text: str, field: str = "user_id") -> str:
    """The user id, or INVALID_VALUE naming `field`."""
    if not is_user_id(text):
        raise invalid(_user_id_violation(field))
    return text


def check_new(command: NewNotification, now: datetime) -> CheckedNotification:
    """The command in canonical form, or INVALID_VALUE naming every wrong field at once."""
    violations = [*_text_violations(command)]
    metadata: dict[str, Any] = {}
    try:
        metadata = canonical_metadata(command.metadata)
    except _Refusal as refusal:
        violations.append(refusal.violation)
    violations += _time_violations(command, now)
    violations += _meaning_violations(metadata)
    if violations:
        raise invalid(*violations)
    checked = replace(
        command,
        metadata=metadata,
        scheduled_at=_milliseconds(command.scheduled_at),
        expires_at=_milliseconds(command.expires_at),
    )
    return CheckedNotification(checked, Priority(metadata.get("priority", Priority.NORMAL)), metadata.get("category"))


def _user_id_violation(field: str) -> Violation:
    return Violation(field, "must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ + = ~ | - and neither . nor ..")


def _milliseconds(moment: datetime | None) -> datetime | None:
    return None if moment is None else to_milliseconds(moment)


def is_in_utc(moment: datetime) -> bool:
    """Whether UTC has it: years 1 and 9999 end elsewhere in other offsets."""
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return False
    return True


def _length_violation(field: str, text: str, longest: int) -> Violation | None:
    if 1 <= len(text) <= longest:
        return None
    return Violation(field, f"must be 1 to {longest:,} characters long")


_RULES: dict[str, Callable[[str], str | None]] = {
    "title": line_fault,
    "message": lines_fault,
    "type": text_fault,
    "html": lines_fault,
    "to": address_fault,
}


def _text_violations(command: NewNotification) -> list[Violation]:
    violations: list[Violation | None] = []
    if not is_user_id(command.user_id):
        violations.append(_user_id_violation("user_id"))
    violations.append(_length_violation("title", command.title, TITLE_LENGTH))
    violations.append(_length_violation("message", command.message, MESSAGE_LENGTH))
    if command.html is not None:
        if command.type != "email":
            violations.append(Violation("html", "is for notifications of type email only"))
        if not command.html or len(command.html.encode(errors="replace")) > HTML_BYTES:
            violations.append(Violation("html", f"must be 1 to {HTML_BYTES:,} bytes long"))
    for field, fault_of in _RULES.items():
        text = getattr(command, field)
        fault = fault_of(text) if text is not None else None
        if fault:
            violations.append(Violation(field, fault))
    return [violation for violation in violations if violation is not None]


def _time_violations(command: NewNotification, now: datetime) -> list[Violation]:
    violations = []
    for field in ("scheduled_at", "expires_at"):
        moment = getattr(command, field)
        if moment is None:
            continue
        if moment.utcoffset() is None:
            violations.append(Violation(field, "must have an offset"))
        elif not is_in_utc(moment):
            violations.append(Violation(field, "is not a real moment in time"))
        elif moment > now + LONGEST_AHEAD:
            violations.append(Violation(field, "must lie within ten years"))
        elif field == "expires_at" and to_milliseconds(moment) <= now:
            violations.append(Violation(field, "must lie in the future"))
    if not violations and command.scheduled_at is not None and command.expires_at is not None:  # noqa: SIM102
        if to_milliseconds(command.expires_at) <= to_milliseconds(command.scheduled_at):
            violations.append(Violation("expires_at", "must lie after scheduled_at"))
    return violations


def _meaning_violations(metadata: dict[str, Any]) -> list[Violation]:
    """The two keys that mean something to the hub."""
    violations = []
    if "priority" in metadata and metadata["priority"] not in list(Priority):
        violations.append(Violation("metadata.priority", "must be low, normal or high"))
    category = metadata.get("category", "")
    if not isinstance(category, str) or len(category) > CATEGORY_LENGTH or ("category" in metadata and not category):
        violations.append(Violation("metadata.category", f"must be a text of 1 to {CATEGORY_LENGTH} characters"))
    elif fault := label_fault(category):
        violations.append(Violation("metadata.category", fault))
    return violations


def canonical_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata as the hub keeps it: integral doubles are integers, so that 1.0 and 1 are the same.

    Raises ValueError for what a JSON object may not hold here; the limit of 16 KiB is on compact UTF-8 JSON.
    """
    canonical = _canonical(metadata, "metadata", 1)
    if not isinstance(canonical, dict):
        raise _Refusal("metadata", "must be a JSON object")
    if len(json.dumps(canonical, ensure_ascii=False, separators=(",", ":")).encode()) > METADATA_BYTES:
        raise _Refusal("metadata", f"must be at most {METADATA_BYTES:,} bytes of JSON")
    return canonical


def _canonical(value: Any, path: str, level: int) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            return _canonical_text(value, path)
        case int() | float():
            return _canonical_number(value, path)
        case dict() | list() if level > METADATA_LEVELS:
            raise _Refusal(path, f"must be at most {METADATA_LEVELS} levels deep")
        case list():
            return [_canonical(item, f"{path}.{index}", level + 1) for index, item in enumerate(value)]
        case dict():
            return {
                _checked_key(key, path): _canonical(item, f"{path}.{key}", level + 1) for key, item in value.items()
            }
        case _:
            raise _Refusal(path, "must be JSON")


def _canonical_text(text: str, path: str) -> str:
    fault = text_fault(text)
    if fault:
        raise _Refusal(path, fault)
    return text


def _canonical_number(number: float, path: str) -> float:
    if isinstance(number, float):
        if not math.isfinite(number):
            raise _Refusal(path, "must be a finite number")
        if not number.is_integer():
            return number
        number = int(number)
    if abs(number) > LARGEST_INTEGER:
        raise _Refusal(path, "must be an integer between -(2^53-1) and 2^53-1")
    return number


def _checked_key(key: Any, path: str) -> str:
    if not isinstance(key, str) or not 1 <= len(key) <= METADATA_KEY_LENGTH:
        raise _Refusal(path, f"must have keys of 1 to {METADATA_KEY_LENGTH} characters")
    if key.startswith("$") or "." in key or text_fault(key):
        raise _Refusal(path, "must have keys without NUL, without '.' and without a leading '$'")
    return key
