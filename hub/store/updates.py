"""Status writes as update pipelines: every one sets `updated_at` by the server's clock and raises `version`."""

from __future__ import annotations

from datetime import timedelta

from hub.domain.notifications import Fault
from hub.domain.status import SETTLED, Status
from hub.store.mapping import END_OF_TIME, Row, fault_row

NOW = "$$NOW"
REMOVE = "$$REMOVE"


def milliseconds(span: timedelta) -> int:
    """A span as MongoDB adds it to a date."""
    return int(span.total_seconds() * 1000)


def after(span: timedelta) -> Row:
    """The server's clock plus a span."""
    return {"$add": [NOW, milliseconds(span)]}


def literal(value: object) -> Row:
    """A value that is never read as an expression, whatever it holds."""
    return {"$literal": value}


def earlier_of(moment: object, expires_at: str = "$expires_at") -> Row:
    """A due time, or the expiry if that comes first (null never does)."""
    return {"$cond": [{"$and": [{"$ne": [expires_at, None]}, {"$lt": [expires_at, moment]}]}, expires_at, moment]}


def changed(fields: Row) -> list[Row]:
    """The pipeline of a change that callers can see."""
    return [{"$set": {**fields, "updated_at": NOW, "version": {"$add": ["$version", 1]}}}]


UNREAD_UNTIL: Row = {"$ifNull": ["$expires_at", literal(END_OF_TIME)]}


def into(status: Status, reason: Fault | None, retention: timedelta) -> Row:
    """What becoming `status` sets besides what the attempt itself leaves behind."""
    fields: Row = {
        "status": status.value,
        "status_reason": literal(fault_row(reason)),
        "claim": REMOVE,
        "due": REMOVE,
        "next_attempt_at": None,
    }
    if status in SETTLED:
        fields["purge_at"] = after(retention)
    match status:
        case Status.SENT:
            fields["sent_at"] = NOW
        case Status.DELIVERED:
            fields |= _delivered()
        case Status.FAILED:
            # A late bounce leaves the inbox and keeps `read_at`.
            fields |= {"inbox_at": REMOVE, "unread_until": REMOVE}
        case _:
            pass
    return fields


def claimed(status: Status, reason: Fault | None, retention: timedelta) -> Row:
    """What becoming `status` by somebody's word sets. A worker that is still sending may note its attempt later."""
    still_sending = {"$cond": [{"$eq": ["$status", Status.SENDING.value]}, "$claim", "$overtaken"]}
    return into(status, reason, retention) | {"overtaken": still_sending}


def _delivered() -> Row:
    in_app = {"$eq": ["$type", "in_app"]}
    return {
        "delivered_at": NOW,
        "inbox_at": {"$cond": [in_app, NOW, REMOVE]},
        "unread_until": {
            "$cond": [{"$and": [in_app, {"$eq": [{"$ifNull": ["$read_at", None]}, None]}]}, UNREAD_UNTIL, REMOVE]
        },
        # An inbox item that expires has to leave the inbox: the sweep sees to it.
        "due": {"$cond": [{"$and": [in_app, {"$ne": ["$expires_at", None]}]}, "$expires_at", REMOVE]},
    }


def replayed(grace: timedelta) -> Row:
    """What a replay sets: pending again, with a new budget."""
    return {
        "status": Status.PENDING.value,
        "status_reason": None,
        "budget": {"started_at": None, "counted": 0, "earlier": "$attempt_count"},
        "next_attempt_at": NOW,
        "overtaken": REMOVE,
        "sent_at": None,
        "delivered_at": None,
        "purge_at": REMOVE,
        "due": earlier_of(after(grace)),
    }


def tombstone(retention: timedelta) -> Row:
    """What deleting leaves: nothing of the content, enough to tell watchers and to refuse a resurrection."""
    return {
        # Callers choose both, and may have put anything in.
        "category": None,
        "correlation_id": "",
        "deleted_at": NOW,
        "purge_at": after(retention),
        "title": "",
        "message": "",
        "html": None,
        "to": None,
        "metadata": literal({}),
        "attempts": [],
        "claim": REMOVE,
        "overtaken": REMOVE,
        "due": REMOVE,
        "inbox_at": REMOVE,
        "unread_until": REMOVE,
    }
