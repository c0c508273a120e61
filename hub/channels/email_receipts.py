"""Receipts for e-mail: a signed JSON webhook of whatever sees delivery reports and bounces.

The body is `{"type", "message_id" or "notification_id", "at"}`: what became of the mail, its Message-ID (which is made
of the notification's id, so that nothing has to be looked up by) or the id itself, and when. Further members are passed
over. The signature is that of Standard Webhooks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hub.channels.standard_webhooks import is_signed
from hub.domain.errors import HubError, Reason, Violation, invalid
from hub.domain.ids import parse_id
from hub.domain.receipts import Callback, Receipt, unsigned
from hub.domain.status import Status

MEANINGS = {
    "delivered": Status.DELIVERED,
    "complained": Status.DELIVERED,
    "bounced": Status.FAILED,
    "failed": Status.FAILED,
    "rejected": Status.FAILED,
}
"""Who complains of a mail has got it. All other words, such as `deferred` and `opened`, change nothing."""


def utc_now() -> datetime:
    """The clock that signatures are compared with."""
    return datetime.now(UTC)


class EmailReceipts:
    """Reads what is reported of mails."""

    def __init__(self, key: bytes, clock: Callable[[], datetime] = utc_now) -> None:
        self._key = key
        self._clock = clock

    def read(self, callback: Callback) -> Receipt | None:
        """The receipt; None for a mail that is none of ours, or a report of nothing final."""
        if not is_signed(self._key, callback.headers, callback.body, self._clock()):
            raise unsigned()
        report = _json_object(callback.body)
        kind, moment = report.get("type"), _moment(report.get("at"))
        violations = []
        if not isinstance(kind, str) or not kind:
            violations.append(Violation("type", "must be a word such as delivered or bounced"))
        if moment is None:
            violations.append(Violation("at", "must be a time with an offset, as RFC 3339 has it"))
        if not any(isinstance(report.get(name), str) for name in ("notification_id", "message_id")):
            violations.append(Violation("message_id", "must be a Message-ID, unless there is a notification_id"))
        if violations:
            raise invalid(*violations)
        status, notification_id = MEANINGS.get(str(kind).lower()), _notification_id(report)
        if status is None or notification_id is None:
            return None
        return Receipt(notification_id, status, at=moment, code=str(kind).lower() if status is Status.FAILED else None)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise HubError(Reason.MALFORMED, "The body is not a JSON object.")
    return value


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return None if moment is None or moment.utcoffset() is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _notification_id(report: dict[str, Any]) -> UUID | None:
    """The id given, or the one that the Message-ID is made of."""
    given = report.get("notification_id")
    if isinstance(given, str):
        return parse_id(given)
    return parse_id(str(report.get("message_id")).strip().strip("<>").partition("@")[0])
