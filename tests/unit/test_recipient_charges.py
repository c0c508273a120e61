"""What a create counts against its recipient where it ends halfway: as often as something new may have come of it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from hub.admin.metrics import Metrics
from hub.core import creation as creation_module
from hub.core.addresses import Addresses
from hub.core.creation import Creation
from hub.core.rates import Limiter, Rates, StoreClock
from hub.domain.errors import HubError, Reason
from hub.domain.ids import new_id
from hub.domain.notifications import NewNotification, Notification
from hub.domain.rates import Rate, Slice, Wish
from hub.store.keys import KeyStore, Reservation
from hub.store.notifications import NotificationStore
from hub.store.users import UserStore
from tests.assembly import Forgetful, ScriptedChannel

COMMAND = NewNotification("ann", "Hello", "Hello there", "in_app")
AMOUNT = 5


class Notifications(NotificationStore):
    """Keeps what is inserted, or does with it what a test says."""

    def __init__(self) -> None:
        self.kept: dict[UUID, Notification] = {}
        self.fault: Exception | None = None
        self.others_first = False

    async def insert_many(self, notifications: Sequence[Notification]) -> list[bool | Exception]:
        if self.fault is not None:
            return [self.fault for _ in notifications]
        self.kept |= {notification.id: notification for notification in notifications}
        return [not self.others_first for _ in notifications]

    async def get(
        self, tenant: str, notification_id: UUID, *, majority: bool = False, deleted: bool = False
    ) -> Notification | None:
        return self.kept.get(notification_id)


class Keys(KeyStore):
    """Everybody's first use, or the second of a call that is under way still."""

    def __init__(self) -> None:
        self.earlier: UUID | None = None

    async def reserve_many(self, wanted: Sequence[Reservation]) -> list[Reservation | Exception]:
        earlier = self.earlier
        if earlier is None:
            return list(wanted)
        return [Reservation(w.tenant, w.key, w.user_id, w.fingerprint, earlier) for w in wanted]


class Nobody(UserStore):
    """Not asked: the channel has no contact point."""

    def __init__(self) -> None:
        """Needs no database."""


class Plenty:
    """Gives whatever is asked for; the limiter's own count decides."""

    async def lease(self, rate: Rate, tenant: str, subject: str, wish: Wish) -> Slice:
        return Slice(0, 0.0, rate.amount, 0)


class World:
    def __init__(self) -> None:
        self.store, self.keys = Notifications(), Keys()
        clock = StoreClock(lambda: 0.0, lambda: 0.0)
        self.limiter = Limiter(Rate("recipient", AMOUNT, 60), Plenty(), clock)
        channels = {"in_app": ScriptedChannel()}
        self.creation = Creation(
            self.store,
            self.keys,
            channels,
            Addresses(Nobody(), channels, None),
            Forgetful(),
            Metrics(),
            Rates(None, self.limiter),
        )

    async def create(self, key: str | None = None) -> tuple[Notification, bool]:
        return await self.creation.create("default", COMMAND, key, "c-1")

    async def left(self) -> int:
        count = 0
        while True:
            try:
                await self.limiter.take("default", "ann")
            except HubError:
                return count
            count += 1


@pytest.mark.parametrize("key", [None, "k-1"])
async def test_one_that_is_made_counts_one(key: str | None) -> None:
    world = World()
    await world.create(key)
    assert await world.left() == AMOUNT - 1


async def test_of_two_that_insert_the_same_the_one_that_made_it_counts() -> None:
    """Both found the key reserved and nothing made of it: the second one meets what the first one has just inserted."""
    world = World()
    world.keys.earlier = new_id()
    world.store.others_first = True
    await world.create("k-1")
    assert await world.left() == AMOUNT


@pytest.mark.parametrize("key", [None, "k-1"])
async def test_one_whose_outcome_nobody_knows_counts(key: str | None) -> None:
    world = World()
    world.store.fault = HubError(Reason.STORE_UNREACHABLE, "Away.")
    with pytest.raises(HubError):
        await world.create(key)
    assert await world.left() == AMOUNT - 1


@pytest.mark.parametrize("key", [None, "k-1"])
async def test_one_that_certainly_was_not_accepted_does_not(key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation_module, "WAITING_LIMIT", 0)
    world = World()
    with pytest.raises(HubError) as caught:
        await world.create(key)
    assert caught.value.reason is Reason.OVERLOADED
    assert await world.left() == AMOUNT
