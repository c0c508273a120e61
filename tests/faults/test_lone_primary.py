"""A primary that nobody follows any more: what it has taken alone may be rolled back, and is told to nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pymongo import WriteConcern

from tests.assembly import ME, assembled
from tests.replica_set import ReplicaSet

DATABASE = "hub_lone_primary"


async def test_watchers_are_told_what_a_majority_has() -> None:
    async with (
        ReplicaSet(election_milliseconds=6000) as replica_set,
        assembled(replica_set.url, DATABASE, running="") as hub,
    ):
        notification = await hub.created()
        await hub.delivery.deliver(notification.id)
        delivered = await hub.get(notification)
        number = await replica_set.primary()
        others = [member for index, member in enumerate(replica_set.members) if index != number]
        for member in others:
            member.pause()
        paused_at = datetime.now(UTC)
        async with replica_set.members[number].client() as client:
            alone = {"$set": {"version": 99, "unread_until": datetime(1970, 1, 1, tzinfo=UTC)}}
            rows = client[DATABASE].get_collection("notifications", write_concern=WriteConcern(w=1))
            await rows.update_one({"_id": notification.id}, alone)
        known_until = await hub.inbox_store.known_until()
        since = datetime.now(UTC) - timedelta(hours=1)
        latest = await hub.inbox_store.latest(ME.tenant, [notification.id])
        changed = await hub.inbox_store.changed_since(ME.tenant, "user123", since, 10)
        traces = await hub.inbox_store.traces(ME.tenant, ["user123"], since, 10)
        unread = await hub.inbox_store.unread_count(ME.tenant, "user123")
        for member in others:
            member.resume()
    assert [one.notification.version for one in latest] == [delivered.version]
    assert [one.version for one in changed] == [delivered.version]
    assert [one.version for one in traces] == [delivered.version]
    assert unread.count == 1
    # What it has taken alone is looked for again until a majority has it.
    assert known_until <= paused_at
