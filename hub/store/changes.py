"""Change streams: how a hub without a broker learns what any process changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from hub.domain.events import InboxPosition
from hub.store.client import Row, Store
from hub.store.documents import InboxMarkDocument, InboxOperationDocument, NotificationDocument
from hub.store.marks import SEEN


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A notification has a new version."""

    tenant: str
    user_id: str
    notification_id: UUID


@dataclass(frozen=True, slots=True)
class MarkedAll:
    """An inbox was marked read, or seen."""

    tenant: str
    user_id: str
    up_to: InboxPosition
    category: str | None
    marked_at: datetime | None
    seen: bool


@dataclass(frozen=True, slots=True)
class MarksUndone:
    """Such a mark was taken back."""

    tenant: str
    user_id: str


StoredChange = ChangedRow | MarkedAll | MarksUndone

_NOTIFICATIONS = NotificationDocument.Settings.name
_OPERATIONS = InboxOperationDocument.Settings.name
_MARKS = InboxMarkDocument.Settings.name

_PIPELINE: list[dict[str, Any]] = [
    {
        "$match": {
            "ns.coll": {"$in": [_NOTIFICATIONS, _OPERATIONS, _MARKS]},
            "operationType": {"$in": ["insert", "update"]},
            # What a mark-all touches is told once, by the operation's own document; older processes set the second alone.
            "updateDescription.updatedFields.operation": {"$exists": False},
            "updateDescription.updatedFields.read_operation": {"$exists": False},
        }
    },
    {
        "$project": {
            "ns": 1,
            "documentKey": 1,
            "fullDocument.tenant": 1,
            "fullDocument.user_id": 1,
            "fullDocument.kind": 1,
            "fullDocument.category": 1,
            "fullDocument.marked_at": 1,
            "fullDocument.up_to_at": 1,
            "fullDocument.up_to_id": 1,
        }
    },
]


async def watch_changes(store: Store) -> AsyncIterator[StoredChange | None]:
    """Every change from now on; None once the stream stands. Ends with the driver's error when it breaks."""
    async with await store.changes.watch(_PIPELINE, full_document="updateLookup", max_await_time_ms=500) as stream:
        yield None
        async for event in stream:
            document = event.get("fullDocument")
            if document is None:
                continue
            yield _hint(event, document)


def _hint(event: Row, document: Row) -> StoredChange:
    owner = (document["tenant"], document["user_id"])
    if event["ns"]["coll"] == _NOTIFICATIONS:
        return ChangedRow(*owner, event["documentKey"]["_id"])
    seen = document.get("kind") == SEEN
    if event["ns"]["coll"] == _MARKS and not seen:
        return MarksUndone(*owner)
    up_to = InboxPosition(document["up_to_at"], document["up_to_id"])
    return MarkedAll(*owner, up_to, document["category"], document.get("marked_at"), seen)
