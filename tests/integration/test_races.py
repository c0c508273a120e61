"""What happens between two looks of one operation: each was seen in a run of scripts/chaos, and is staged here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from hub.core.addresses import Addresses
from hub.core.delivery import Clocks, Delivery
from hub.domain.errors import HubError, Reason
from hub.domain.notifications import Attempt, Fault, Mark, Notification, OutcomeKind
from hub.domain.retry import Decision
from hub.domain.status import Status
from hub.domain.times import now
from hub.store.notifications import NotificationStore
from hub.store.users import UserStore
from hub.store.work import Record, WorkStore
from tests.assembly import ME, TEMPORARY, Assembly, ScriptedChannel, Timing, assembled
from tests.waiting import until

Meanwhile = Callable[[], Awaitable[object]]


class Interrupted(NotificationStore):
    """A store in which something happens right after the first compare-and-set that found nothing to do."""

    def __init__(self, timing: Timing) -> None:
        super().__init__(timing.periods)
        self.meanwhile: list[Meanwhile] = []

    async def mark(self, current: Notification, mark: Mark, *, on: bool) -> Notification | None:
        return await self._then(await super().mark(current, mark, on=on))

    async def change_status(
        self, current: Notification, target: Status, allowed: Any, reason: Fault | None, **more: Any
    ) -> Notification | None:
        return await self._then(await super().change_status(current, target, allowed, reason, **more))

    async def _then(self, changed: Notification | None) -> Notification | None:
        if changed is None and self.meanwhile:
            await self.meanwhile.pop()()
        return changed


class Flaky(WorkStore):
    """A store that takes claims, and is away for a while when their outcome is to be written."""

    def __init__(self, timing: Timing, seconds: float) -> None:
        super().__init__(timing.periods)
        self._back_at = time.monotonic() + seconds

    async def record_many(self, records: Sequence[Record]) -> list[bool | Exception]:
        if time.monotonic() < self._back_at:
            raise HubError(Reason.STORE_UNREACHABLE, "away")
        return await super().record_many(records)


@pytest.fixture
async def hub(mongo_url: str, run_id: str) -> AsyncIterator[Assembly]:
    database = f"hub_test_{run_id}_races"
    async with assembled(mongo_url, database, ScriptedChannel(), running="") as hub:
        yield hub
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        await client.drop_database(database)


def interrupted(hub: Assembly, meanwhile: Meanwhile) -> None:
    store = Interrupted(hub.timing)
    store.meanwhile.append(meanwhile)
    hub.notifications._store = store


async def test_marked_in_the_moment_of_its_delivery_it_is_marked(hub: Assembly) -> None:
    notification = await hub.created()
    interrupted(hub, lambda: hub.delivery.deliver(notification.id))
    answer = await hub.notifications.mark_read(ME, str(notification.id))
    assert answer.read_at is not None
    assert (await hub.get(notification)).read_at == answer.read_at


async def test_cancelled_in_the_moment_its_attempt_failed_it_is_cancelled(hub: Assembly) -> None:
    channel = hub.channels["in_app"]
    channel.script.append(TEMPORARY)
    channel.gate.clear()
    notification = await hub.created()
    delivering = hub.group.create_task(hub.delivery.deliver(notification.id))
    await hub.comes_to(notification, Status.SENDING)

    async def failed() -> None:
        channel.gate.set()
        await delivering

    interrupted(hub, failed)
    answer = await hub.notifications.update_status(ME, str(notification.id), Status.CANCELLED)
    assert answer.status is Status.CANCELLED


def over_a_store_that_is_away(hub: Assembly, seconds: float, lease: timedelta) -> Delivery:
    return Delivery(
        Flaky(hub.timing, seconds), dict(hub.channels), Addresses(UserStore(hub.timing.periods), {}, None),
        hub.announcements, hub.graves, hub.metrics, Clocks(now, lambda: 0.5), lease,
    )  # fmt: skip


async def test_the_outcome_of_an_attempt_outlasts_a_store_that_is_away(hub: Assembly) -> None:
    lease = timedelta(seconds=1)
    delivery = over_a_store_that_is_away(hub, lease.total_seconds() * 2, lease)
    notification = await hub.created()
    await delivery.deliver(notification.id)
    found = await hub.get(notification)
    assert (found.status, [attempt.outcome for attempt in found.attempts]) == (Status.DELIVERED, ["delivered"])


async def test_while_an_outcome_cannot_be_recorded_nothing_more_is_sent(hub: Assembly) -> None:
    delivery = over_a_store_that_is_away(hub, 1.5, timedelta(seconds=60))
    first, second = await hub.created(), await hub.created()
    sent = hub.channels["in_app"].sent
    delivering = [hub.group.create_task(delivery.deliver(first.id))]
    await asyncio.sleep(0.5)
    delivering.append(hub.group.create_task(delivery.deliver(second.id)))
    await hub.comes_to(second, Status.SENDING)
    await asyncio.sleep(0.3)
    assert [message.id for message in sent] == [first.id]
    await asyncio.gather(*delivering)
    assert [message.id for message in sent] == [first.id, second.id]
    assert (await hub.get(second)).status is Status.DELIVERED


class TestClaimedWhileItIsBeingSent:
    """A receipt may be faster than the worker's own record of the attempt it is about."""

    @pytest.mark.parametrize("claimed", [Status.DELIVERED, Status.FAILED])
    async def test_the_claim_stands_and_the_attempt_is_on_record(self, hub: Assembly, claimed: Status) -> None:
        notification, delivering = await _sending(hub)
        await hub.notifications.update_status(ME, str(notification.id), claimed)
        hub.channels["in_app"].gate.set()
        await delivering
        found = await hub.get(notification)
        assert (found.status, [attempt.outcome for attempt in found.attempts]) == (claimed, ["delivered"])
        # Pending, sending, claimed, and the attempt: each a version that callers could see, and are told of.
        assert (found.version, hub.announcements.of(notification.id)) == (4, 3)
        row = await hub.row(notification)
        assert (row["attempt_count"], row["budget"]["counted"]) == (1, 1)
        assert not {"claim", "overtaken", "due"} & row.keys()

    async def test_a_bounce_after_it_still_finds_the_attempt_on_record(self, hub: Assembly) -> None:
        notification, delivering = await _sending(hub)
        for claimed in (Status.DELIVERED, Status.FAILED):
            await hub.notifications.update_status(ME, str(notification.id), claimed)
        hub.channels["in_app"].gate.set()
        await delivering
        found = await hub.get(notification)
        assert (found.status, len(found.attempts)) == (Status.FAILED, 1)

    async def test_its_record_repeated_is_harmless(self, hub: Assembly) -> None:
        notification = await hub.created()
        claim = (await hub.work.claim_many([notification.id]))[0]
        assert claim is not None
        await hub.notifications.update_status(ME, str(notification.id), Status.DELIVERED)
        attempt = Attempt(1, "script", "p-1", now(), now(), OutcomeKind.TEMPORARY, None)
        record = Record(claim, Decision(Status.RETRYING, next_attempt_at=now()), attempt)
        assert [await hub.work.record_many([record]) for _ in range(2)] == [[True], [True]]
        found = await hub.get(notification)
        assert (found.status, found.next_attempt_at, len(found.attempts)) == (Status.DELIVERED, None, 1)

    async def test_replayed_meanwhile_the_old_attempt_is_nobodys(self, hub: Assembly) -> None:
        notification, delivering = await _sending(hub)
        for claimed in (Status.FAILED, Status.PENDING):
            await hub.notifications.update_status(ME, str(notification.id), claimed)
        hub.channels["in_app"].gate.set()
        await delivering
        found = await hub.get(notification)
        assert (found.status, found.attempts) == (Status.PENDING, ())

    async def test_deleted_meanwhile_nothing_comes_back(self, hub: Assembly) -> None:
        notification, delivering = await _sending(hub)
        await hub.notifications.update_status(ME, str(notification.id), Status.DELIVERED)
        await hub.notifications.delete(ME, str(notification.id))
        hub.channels["in_app"].gate.set()
        await delivering
        row = await hub.row(notification)
        assert (row["attempts"], row.keys() & {"claim", "overtaken"}) == ([], set())


async def _sending(hub: Assembly) -> tuple[Notification, asyncio.Task[None]]:
    """A notification that its channel is busy with until the gate opens."""
    hub.channels["in_app"].gate.clear()
    notification = await hub.created()
    delivering = hub.group.create_task(hub.delivery.deliver(notification.id))
    await hub.comes_to(notification, Status.SENDING)
    await until(lambda: bool(hub.channels["in_app"].begun))
    return notification, delivering
