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
"""Of what is in the inbox and unread."""


def absent(field: str) -> Row:
    """Whether a field is null or not there at all."""
    return {"$eq": [{"$ifNull": [f"${field}", None]}, None]}


def read() -> Row:
    """What reading sets: what is read was seen."""
    return {"read_at": NOW, "unread_until": REMOVE, **seen()}


def unread() -> Row:
    """What taking that mark away sets; it stays seen, also where reading alone said so."""
    in_inbox = {"$not": [absent("inbox_at")]}
    return {
        "read_at": None,
        "unread_until": {"$cond": [in_inbox, UNREAD_UNTIL, REMOVE]},
        "seen_at": {"$ifNull": ["$seen_at", "$read_at"]},
    }


def seen() -> Row:
    """What seeing sets; the first time counts."""
    return {"seen_at": {"$ifNull": ["$seen_at", {"$ifNull": ["$read_at", NOW]}]}}


def unseen() -> Row:
    """What taking that mark away sets: what nobody has seen nobody has read."""
    return {**unread(), "seen_at": REMOVE}


def archived() -> Row:
    """What putting away sets: it leaves the inbox and its counts, and keeps its other marks."""
    return {"archived_at": NOW, "inbox_at": REMOVE, "unread_until": REMOVE}


def unarchived() -> Row:
    """What taking it out again sets: an inbox item that has not expired is back in its place."""
    lasts = {"$or": [absent("expires_at"), {"$gt": ["$expires_at", NOW]}]}
    belongs = {"$and": [{"$eq": ["$type", "in_app"]}, {"$eq": ["$status", Status.DELIVERED.value]}, lasts]}
    return {
        "archived_at": REMOVE,
        "inbox_at": {"$cond": [belongs, "$delivered_at", REMOVE]},
        "unread_until": {"$cond": [{"$and": [belongs, absent("read_at")]}, UNREAD_UNTIL, REMOVE]},
    }


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
            # A late bounce leaves the inbox and keeps its marks.
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
    # What is delivered anew may have been archived before.
    in_inbox = {"$and": [in_app, absent("archived_at")]}
    return {
        "delivered_at": NOW,
        "inbox_at": {"$cond": [in_inbox, NOW, REMOVE]},
        "unread_until": {"$cond": [{"$and": [in_inbox, absent("read_at")]}, UNREAD_UNTIL, REMOVE]},
        # An inbox item that expires has to leave the inbox, or the archive: the sweep sees to it.
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
        "archived_at": REMOVE,
        "inbox_at": REMOVE,
        "unread_until": REMOVE,
    }
