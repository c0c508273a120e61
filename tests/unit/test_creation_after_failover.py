"""A new primary may not know yet what a majority has: nothing certain can be said then, least of all that it is gone."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from hub.admin.metrics import Metrics
from hub.core.addresses import Addresses
from hub.core.creation import Creation
from hub.domain.errors import HubError, Reason
from hub.domain.notifications import NewNotification, Notification
from hub.store.keys import KeyStore, Reservation
from hub.store.notifications import NotificationStore
from hub.store.users import UserStore
from tests.assembly import Forgetful, ScriptedChannel


class Behind(NotificationStore):
    """Its inserts meet what is there already, and a majority read does not show it yet."""

    def __init__(self) -> None:
        self.reads = 0

    async def insert_many(self, notifications: Sequence[Notification]) -> list[bool | Exception]:
        return [False for _ in notifications]

    async def get(
        self, tenant: str, notification_id: UUID, *, majority: bool = False, deleted: bool = False
    ) -> Notification | None:
        self.reads += 1
        return None


class Fresh(KeyStore):
    """Nobody has used any key before."""

    def __init__(self) -> None:
        """Needs no database."""

    async def reserve_many(self, wanted: Sequence[Reservation]) -> list[Reservation | Exception]:
        return list(wanted)


class Nobody(UserStore):
    """Not asked: the channel has no contact point."""

    def __init__(self) -> None:
        """Needs no database."""


@pytest.mark.parametrize("key", [None, "key-1"])
async def test_what_a_new_primary_does_not_show_yet_is_unknown_and_not_gone(key: str | None) -> None:
    channels = {"in_app": ScriptedChannel()}
    store = Behind()
    creation = Creation(store, Fresh(), channels, Addresses(Nobody(), channels, None), Forgetful(), Metrics())
    command = NewNotification("user123", "Hello", "Hello there", "in_app")
    with pytest.raises(HubError) as refused:
        await creation.create("default", command, key, "c-1")
    assert refused.value.reason is Reason.STORE_UNREACHABLE
    assert refused.value.retry_after is not None
    assert store.reads
