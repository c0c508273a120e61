"""Receipts that come before the hub knows what became of the attempt itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pymongo import AsyncMongoClient

from hub.core.receipts import Receipts
from hub.domain.errors import HubError, Reason
from hub.domain.notifications import Notification
from hub.domain.receipts import Callback, Receipt
from hub.domain.status import Status
from hub.store.notifications import NotificationStore
from tests.assembly import ACCEPTED, AMBIGUOUS, ME, Assembly, ScriptedChannel, assembled
from tests.waiting import until

DELIVERED, FAILED = Status.DELIVERED, Status.FAILED


class ReportingChannel(ScriptedChannel):
    """A channel whose provider reports what a test says."""

    def __init__(self) -> None:
        super().__init__("sms", usually=ACCEPTED, longest_delay=timedelta(minutes=1))
        self.receipts = self
        self.reported: Receipt | None = None

    def read(self, callback: Callback) -> Receipt | None:
        assert callback.body == b"signed"
        return self.reported


class Interrupted(NotificationStore):
    """A store in which something happens between a receipt's look and its write."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def find(self, notification_id: UUID) -> Notification | None:
        found = await super().find(notification_id)
        if self.meanwhile is not None:
            now, self.meanwhile = self.meanwhile, None
            await now()
        return found


class World:
    """A hub that delivers when told, and its receipts."""

    def __init__(self, hub: Assembly, channel: ReportingChannel) -> None:
        self.hub = hub
        self.channel = channel
        self.store = Interrupted(hub.timing.periods)
        self._receipts = Receipts(self.store, {"sms": channel}, hub.announcements)

    async def take(self, notification: Notification, status: Status, attempt: int | None = 1) -> Notification:
        self.channel.reported = Receipt(notification.id, status, attempt=attempt)
        await self._receipts.take("sms", Callback("", {}, b"signed"))
        return await self.hub.get(notification)

    async def attempted(self, *outcomes: Any) -> Notification:
        """A notification after attempts with these outcomes."""
        notification = await self.hub.created(type="sms")
        self.channel.script.extend(outcomes)
        for _ in outcomes:
            await self.due(notification)
            await self.hub.delivery.deliver(notification.id)
        return await self.hub.get(notification)

    async def due(self, notification: Notification) -> None:
        await self.hub.rows.update_one({"_id": notification.id}, [{"$set": {"next_attempt_at": "$$NOW"}}])


@pytest.fixture
async def world(mongo_url: str, run_id: str) -> AsyncIterator[World]:
    database = f"hub_test_{run_id}_receipts_in_time"
    channel = ReportingChannel()
    async with assembled(mongo_url, database, channel, running="") as hub:
        yield World(hub, channel)
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        await client.drop_database(database)


@pytest.mark.parametrize("status", [DELIVERED, FAILED])
@pytest.mark.parametrize("attempt", [1, None])
async def test_while_it_is_being_sent_it_counts_and_the_attempt_is_on_record(
    world: World, status: Status, attempt: int | None
) -> None:
    world.channel.gate.clear()
    notification = await world.hub.created(type="sms")
    delivering = world.hub.group.create_task(world.hub.delivery.deliver(notification.id))
    await until(lambda: bool(world.channel.begun))
    assert (await world.take(notification, status, attempt)).status is status
    world.channel.gate.set()
    await delivering
    found = await world.hub.get(notification)
    assert (found.status, [a.provider_id for a in found.attempts]) == (status, ["p-1"])


async def test_the_channel_is_told_the_number_of_the_attempt(world: World) -> None:
    await world.attempted(AMBIGUOUS, ACCEPTED)
    assert [message.attempt for message in world.channel.begun] == [1, 2]


async def test_that_it_arrived_after_all_waits_until_the_next_attempt_is_over(world: World) -> None:
    notification = await world.attempted(AMBIGUOUS)
    with pytest.raises(HubError) as refusal:
        await world.take(notification, DELIVERED)
    error = refusal.value
    assert (error.reason, error.metadata) == (Reason.NOT_SETTLED, {"status": "retrying"})
    assert error.retry_after is not None
    assert notification.next_attempt_at is not None
    assert timedelta(seconds=5) <= error.retry_after <= timedelta(seconds=65)
    await world.due(notification)
    await world.hub.delivery.deliver(notification.id)
    assert (await world.take(notification, DELIVERED)).status is DELIVERED


async def test_a_failure_of_what_is_tried_again_anyway_is_no_news(world: World) -> None:
    notification = await world.attempted(AMBIGUOUS)
    assert await world.take(notification, FAILED) == notification


async def test_a_failure_of_the_attempt_before_does_not_end_this_one(world: World) -> None:
    notification = await world.attempted(AMBIGUOUS, ACCEPTED)
    assert await world.take(notification, FAILED, 1) == notification
    assert (await world.take(notification, FAILED, 2)).status is FAILED


async def test_replayed_and_sent_again_in_that_very_moment_it_stays_sent(world: World) -> None:
    notification = await world.attempted(ACCEPTED)

    async def replayed() -> None:
        for status in (FAILED, Status.PENDING):
            await world.hub.notifications.update_status(ME, str(notification.id), status)
        await world.hub.delivery.deliver(notification.id)

    world.store.meanwhile = replayed
    found = await world.take(notification, FAILED, 1)
    assert (found.status, len(found.attempts)) == (Status.SENT, 2)


async def test_of_another_tenant_it_is_found_all_the_same_and_changes_that_alone(world: World) -> None:
    notification = await world.attempted(ACCEPTED)
    await world.hub.rows.update_one({"_id": notification.id}, {"$set": {"tenant": "theirs"}})
    bystander = await world.attempted(ACCEPTED)
    world.channel.reported = Receipt(notification.id, DELIVERED, attempt=1)
    await world._receipts.take("sms", Callback("", {}, b"signed"))
    row = await world.hub.row(notification)
    assert (row["status"], row["tenant"]) == ("delivered", "theirs")
    assert world.hub.announcements.hints[-1].tenant == "theirs"
    assert await world.hub.get(bystander) == bystander
