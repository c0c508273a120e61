"""What a caller may say of a user, and the rules of it that no channel owns."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from zoneinfo import available_timezones

from hub.domain.errors import Violation

_LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user record as a caller writes it: it replaces the one before.

    `locale` is a language tag (BCP 47), `timezone` a name of the IANA time zone database.
    """

    contact_points: dict[str, str] = field(default_factory=dict)
    locale: str | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class DeletedUser:
    """What deleting a user removed; all zero when there was nothing (any more)."""

    notifications: int
    cancelled: int
    keys: int
    contact_points: int


def record_violations(record: UserRecord) -> list[Violation]:
    """What is wrong with locale and timezone."""
    violations = []
    if record.locale is not None and _LOCALE.fullmatch(record.locale) is None:
        violations.append(Violation("locale", "must be a language tag such as en or pt-BR"))
    if record.timezone is not None and record.timezone not in available_timezones():
        violations.append(Violation("timezone", "must be a name of the IANA database such as Europe/Paris"))
    return violations
