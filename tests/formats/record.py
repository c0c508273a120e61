"""Records the present formats, for the versions that come after: see README.md beside this.

python -m tests.formats.record FOLDER
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from hub.core.ports import AllRead, Change
from hub.domain.events import InboxPosition
from hub.domain.ids import new_id
from hub.domain.notifications import Lane, Notification, Outcome, Priority
from hub.domain.paging import Filter, Page
from hub.domain.status import Status
from hub.domain.times import now
from hub.domain.users import UserRecord
from hub.live import cursors
from hub.live import wire as live_wire
from hub.live.cursors import Progress
from hub.live.rabbit import EXCHANGE
from hub.pipeline import wire
from hub.pipeline.topology import queues, work_queue
from hub.store.heartbeats import ChannelOutcome, Heartbeat, HeartbeatStore
from hub.store.users import UserStore
from tests.assembly import (
    ACCEPTED,
    AMBIGUOUS,
    DELIVERED,
    ME,
    PERMANENT,
    TEMPORARY,
    Assembly,
    ScriptedChannel,
    Timing,
    assembled,
)
from tests.formats.recorded import write
from tests.servers import MongoServer

DATABASE = "formats"
USER = "user123"
TIMING = Timing(handover_grace=timedelta(seconds=5), requeue_after=timedelta(seconds=10), lease=timedelta(seconds=60))
HOUR = timedelta(hours=1)
KEY = "key-1"
COMMAND: dict[str, Any] = {
    "title": "Keyed",
    "message": "Only once",
    "type": "in_app",
    "metadata": {"priority": "low", "category": "keyed", "n": 1},
}


def _channels() -> list[ScriptedChannel]:
    patient: dict[str, Any] = {"give_up_after": timedelta(hours=24), "longest_delay": HOUR}
    return [
        ScriptedChannel("in_app", usually=DELIVERED, **patient),
        ScriptedChannel("email", usually=ACCEPTED, contact_point="email", **patient),
        ScriptedChannel("sms", usually=ACCEPTED, **patient),
    ]


async def _tried(hub: Assembly, notification: Notification, *outcomes: Outcome) -> Notification:
    """One attempt with the outcome that a channel is told to have."""
    hub.channels[notification.type].script.extend(outcomes)
    await hub.delivery.deliver(notification.id)
    return await hub.get(notification)


async def _delivered(hub: Assembly, **fields: Any) -> Notification:
    return await _tried(hub, await hub.created(USER, **fields))


async def _waiting(hub: Assembly) -> dict[str, Notification]:
    """Examples of what is still under way."""
    everything = {
        "title": "Grüße",
        "message": "Hallo *there*",
        "html": "<p>Hallo</p>",
        "to": "Ann@example.com",
        "metadata": {"priority": "high", "category": "welcome", "n": 1, "x": 1.5, "deep": {"list": [None, True, "ß"]}},
    }
    made = {
        "pending": await hub.created(USER, type="email", **everything),
        "scheduled": await hub.created(USER, type="sms", scheduled_at=now() + HOUR, expires_at=now() + 2 * HOUR),
        "sending": await hub.created(USER, type="sms"),
        "retrying": await hub.created(USER, type="sms", metadata={"priority": "low"}),
        "replayed": await hub.created(USER, type="sms"),
    }
    await hub.work.claim_many([made["sending"].id])
    await _tried(hub, made["retrying"], TEMPORARY)
    await _tried(hub, made["replayed"], AMBIGUOUS)
    await hub.notifications.update_status(ME, str(made["replayed"].id), Status.FAILED)
    await hub.notifications.update_status(ME, str(made["replayed"].id), Status.PENDING)
    return made


async def _settled(hub: Assembly) -> dict[str, Notification]:
    """Examples of what has come to its end, and of marks on it."""
    made = {"all_read": await _delivered(hub)}
    await hub.inbox.mark_all_read(ME, USER)
    made |= {
        "sent": await _delivered(hub, type="email"),
        "delivered": await _delivered(hub, metadata={"category": "welcome"}),
        "expiring": await _delivered(hub, expires_at=now() + timedelta(days=3600)),
        "read": await _delivered(hub),
        "unread_again": await _delivered(hub),
        "deleted": await _delivered(hub),
        "failed": await _tried(hub, await hub.created(USER, type="sms"), PERMANENT),
        "cancelled": await hub.created(USER, type="sms"),
        "expired": await hub.created(USER, type="sms", expires_at=now() + timedelta(seconds=1)),
    }
    await hub.notifications.mark_read(ME, str(made["read"].id))
    await hub.notifications.mark_read(ME, str(made["unread_again"].id))
    await hub.notifications.mark_unread(ME, str(made["unread_again"].id))
    await hub.notifications.update_status(ME, str(made["cancelled"].id), Status.CANCELLED)
    await hub.notifications.delete(ME, str(made["deleted"].id))
    # Its time has passed when the sweep looks.
    await asyncio.sleep(1)
    await hub.sweep.sweep()
    return made


async def _others(hub: Assembly) -> dict[str, Notification]:
    """A user, a heartbeat, and a key with its notification."""
    await UserStore(TIMING.periods).replace(
        "default", USER, UserRecord({"email": "ann@example.com", "phone": "+4930123456"}, "de-DE", "Europe/Berlin")
    )
    outcome = ChannelOutcome("sms", "temporary", now(), 2)
    await HeartbeatStore(hub.outbox).beat(
        Heartbeat("host-17-abc", "worker", "0.1.0", now(), 1.5, broker=True, channels=("sms",), outcomes=(outcome,))
    )
    return {"keyed": (await hub.create(USER, key=KEY, **COMMAND)).notification}


async def _rows(url: str, names: Mapping[str, Notification]) -> dict[str, Any]:
    by_id = {notification.id: name for name, notification in names.items()}
    collections = ("notifications", "idempotency_keys", "users", "inbox_operations", "heartbeats")
    async with AsyncMongoClient[dict[str, Any]](url, uuidRepresentation="standard", tz_aware=True) as client:
        rows = {name: await client[DATABASE][name].find().sort("_id", 1).to_list() for name in collections}
    return {
        name: {by_id.get(row["_id"], f"example_{number}"): row for number, row in enumerate(found)}
        for name, found in rows.items()
    }


def _cursor(kind: str, page: Page, filters: Mapping[str, Any], place: int) -> dict[str, Any]:
    """A cursor in the middle of a list, and what comes after it."""
    rest = [str(item.id) for item in page.items[place + 1 :]]
    return {"list": kind, "filter": dict(filters), "after": page.cursors[place], "then": rest}


async def _cursors(hub: Assembly) -> list[dict[str, Any]]:
    filtered: dict[str, Any] = {"status": Status.DELIVERED, "unread": True}
    return [
        _cursor("list_of", await hub.list_of(USER, limit=100), {}, 3),
        _cursor("list_of", await hub.list_of(USER, Filter(type="sms"), limit=100), {"type": "sms"}, 2),
        _cursor("inbox_of", await hub.inbox_of(USER, limit=100), {}, 1),
        _cursor("inbox_of", await hub.inbox_of(USER, Filter(**filtered), limit=100), filtered, 0),
    ]


def _messages() -> dict[str, Any]:
    """What lies on the broker, as text, and where."""
    identifier, moment = new_id(), now()
    hints: list[Change | AllRead] = [
        Change("default", USER, identifier),
        AllRead("default", USER, InboxPosition(moment, identifier), "welcome"),
    ]
    lane = Lane("email", Priority.HIGH)
    return {
        "work": {"queue": work_queue(lane).name, "ids": [str(identifier)], "body": wire.encode([identifier]).decode()},
        "hint": {
            "exchange": EXCHANGE,
            "user_id": USER,
            "notification_id": str(identifier),
            "delivered_at": moment.isoformat(),
            "routing_key": live_wire.routing_key("default", USER),
            "body": live_wire.encode("default", USER, hints).decode(),
        },
        "queues": [asdict(queue) for queue in queues(["email"])],
    }


async def _record(folder: Path) -> None:
    folder.mkdir(parents=True)
    async with (
        MongoServer() as server,
        assembled(server.url, DATABASE, *_channels(), timing=TIMING, running="") as hub,
    ):
        made = await _others(hub) | await _settled(hub) | await _waiting(hub)
        moment = now()
        write(folder / "documents.json", {"recorded_at": moment, **await _rows(server.url, made)})
        tokens = {"events": cursors.encode("default", USER, Progress(moment, moment)), "lists": await _cursors(hub)}
        write(folder / "cursors.json", tokens)
        write(folder / "keys.json", {"key": KEY, "command": COMMAND})
        write(folder / "messages.json", _messages())


if __name__ == "__main__":
    asyncio.run(_record(Path(sys.argv[1])))
