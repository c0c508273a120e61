"""Keys of the store, held in memory: found, ended, used; and what that costs."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from hub.core.audit import AuditTrail
from hub.core.credentials import Door
from hub.core.key_ring import KeyRing
from hub.core.keys import Keys
from hub.core.standings import Standings
from hub.core.tasks import ended
from hub.domain.audit import Action
from hub.domain.errors import HubError, Reason
from hub.domain.keys import NewKey, new_secret
from hub.domain.principals import Principal, Scope
from hub.domain.times import now
from hub.store.api_keys import ApiKeyStore, StoredKey
from hub.store.audit import AuditStore
from hub.store.client import open_store
from tests.waiting import until

ADMIN = Principal("acme", frozenset({Scope.ADMIN}), None, "the-admin")
READER = NewKey("a reader", frozenset({Scope.NOTIFICATIONS_READ}))


class Counting(ApiKeyStore):
    """Counts how often it is asked; may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.away = False

    async def changed_since(self, moment: Any) -> list[StoredKey]:
        self.asked += 1
        if self.away:
            raise HubError(Reason.STORE_UNREACHABLE, "away")
        return await super().changed_since(moment)


class Office:
    """One process: its ring, and its use cases."""

    def __init__(self) -> None:
        self.store = Counting()
        self.standings = Standings()
        self.ring = KeyRing(self.store, self.standings)
        self.door = Door(None, self.ring)
        self.audit = AuditTrail(AuditStore(timedelta(days=1)))
        self.keys = Keys(self.store, self.audit)

    async def lets_in(self, secret: str) -> bool:
        try:
            await self.door.authenticate(secret)
        except HubError as error:
            if error.reason is not Reason.UNAUTHENTICATED:
                raise
            return False
        return True


@pytest.fixture
async def offices(mongo_url: str, run_id: str) -> AsyncIterator[tuple[Office, Office]]:
    """Two processes on one store."""
    database = f"hub_test_{run_id}_keys"
    async with open_store(mongo_url, database, timedelta(seconds=10)):
        both = Office(), Office()
        tasks = [asyncio.get_running_loop().create_task(office.ring.run()) for office in both]
        yield both
        for task in tasks:
            await ended(task)
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        await client.drop_database(database)


async def test_a_key_opens_every_process_from_the_moment_it_is_made(offices: tuple[Office, Office]) -> None:
    here, there = offices
    issued = await here.keys.create(ADMIN, READER)
    principal = await there.door.authenticate(issued.secret)
    assert (principal.tenant, principal.scopes, principal.credential) == ("acme", READER.scopes, issued.key.id)
    assert await here.lets_in(issued.secret)
    assert not await here.lets_in(issued.secret[:-1] + ("A" if issued.secret[-1] != "A" else "B"))


async def test_a_known_key_costs_no_question_and_garbage_hardly_any(offices: tuple[Office, Office]) -> None:
    here, _ = offices
    issued = await here.keys.create(ADMIN, READER)
    assert await here.lets_in(issued.secret)
    asked = here.store.asked
    async with asyncio.timeout(5):
        for _ in range(2000):
            await here.lets_in(issued.secret)
            await here.lets_in("garbage")
    # By the clock alone, once a second.
    assert here.store.asked - asked <= 5


async def test_however_many_unknown_keys_are_shown_they_share_a_few_looks(offices: tuple[Office, Office]) -> None:
    here, _ = offices
    asked, began = here.store.asked, time.monotonic()
    outcomes: Counter[str] = Counter()

    async def show() -> None:
        try:
            await here.door.authenticate(new_secret("live")[1])
        except HubError as error:
            outcomes[error.reason] += 1

    for _ in range(20):
        await asyncio.gather(*(show() for _ in range(100)))
    assert set(outcomes) == {"UNAUTHENTICATED", "OVERLOADED"}
    assert outcomes["UNAUTHENTICATED"] == 20 * 32
    assert here.store.asked - asked <= 2 + (time.monotonic() - began) * 6


async def test_a_revoked_key_is_refused_everywhere_within_two_seconds_and_its_streams_end(
    offices: tuple[Office, Office],
) -> None:
    here, there = offices
    issued = await here.keys.create(ADMIN, READER)
    principal = await there.door.authenticate(issued.secret)
    told: list[str] = []
    with there.standings.while_standing(principal, lambda: told.append("ended")):
        revoked = await here.keys.revoke(ADMIN, issued.key.id)
        assert revoked.revoked_at is not None
        await until(lambda: told == ["ended"], 2)
    assert not await there.lets_in(issued.secret)
    assert (await here.keys.revoke(ADMIN, issued.key.id)).revoked_at == revoked.revoked_at


async def test_a_rotated_key_goes_on_for_the_overlap_and_then_ends(offices: tuple[Office, Office]) -> None:
    here, there = offices
    old = await here.keys.create(ADMIN, READER)
    principal = await there.door.authenticate(old.secret)
    told: list[str] = []
    with there.standings.while_standing(principal, lambda: told.append("ended")):
        new = await here.keys.rotate(ADMIN, old.key.id, timedelta(seconds=3))
        assert (new.key.name, new.key.scopes) == (old.key.name, old.key.scopes)
        assert await there.lets_in(new.secret)
        assert await there.lets_in(old.secret)
        await until(lambda: told == ["ended"], 6)
    assert not await there.lets_in(old.secret)
    assert await there.lets_in(new.secret)
    with pytest.raises(HubError) as refused:
        await here.keys.rotate(ADMIN, old.key.id)
    assert refused.value.reason is Reason.NOT_FOUND


async def test_while_the_store_is_away_known_keys_are_good_and_unknown_ones_can_not_be_judged(
    offices: tuple[Office, Office],
) -> None:
    here, there = offices
    known, unknown = await here.keys.create(ADMIN, READER), await here.keys.create(ADMIN, READER)
    assert await there.lets_in(known.secret)
    # As a process that has not seen the second one yet.
    there.ring._keys = {hashed: key for hashed, key in there.ring._keys.items() if key.id == known.key.id}
    there.store.away = True
    assert await there.lets_in(known.secret)
    with pytest.raises(HubError) as refused:
        await there.door.authenticate(unknown.secret)
    assert refused.value.reason is Reason.STORE_UNREACHABLE


async def test_when_it_was_used_last_is_kept_to_the_minute(offices: tuple[Office, Office]) -> None:
    here, _ = offices
    issued = await here.keys.create(ADMIN, READER)
    began = now()
    await here.lets_in(issued.secret)
    await here.ring._write_uses()
    [key] = await here.keys.list(ADMIN)
    assert key.last_used_at is not None
    assert timedelta(0) <= began - key.last_used_at < timedelta(minutes=1, seconds=5)
    assert here.ring._unwritten == {}


async def test_keys_of_another_tenant_do_not_exist(offices: tuple[Office, Office]) -> None:
    here, _ = offices
    issued = await here.keys.create(ADMIN, READER)
    stranger = Principal("other", frozenset(Scope), None, "stranger")
    assert await here.keys.list(stranger) == []
    for attempt in (here.keys.rotate(stranger, issued.key.id), here.keys.revoke(stranger, issued.key.id)):
        with pytest.raises(HubError) as refused:
            await attempt
        assert refused.value.reason is Reason.NOT_FOUND
    assert await here.lets_in(issued.secret)


async def test_every_deed_is_on_record_with_who_did_it(offices: tuple[Office, Office]) -> None:
    here, _ = offices
    issued = await here.keys.create(ADMIN, READER)
    rotated = await here.keys.rotate(ADMIN, issued.key.id)
    await here.keys.revoke(ADMIN, issued.key.id)
    page = await here.audit.list(ADMIN, 3)
    seen = [(entry.action.value, entry.subject, entry.actor, entry.result) for entry in page.items]
    assert seen == [
        ("key.revoked", issued.key.id, "the-admin", {}),
        ("key.created", rotated.key.id, "the-admin", {}),
        ("key.rotated", issued.key.id, "the-admin", {}),
    ]
    rest = await here.audit.list(ADMIN, 3, page.next_cursor)
    assert [entry.action.value for entry in rest.items] == ["key.created"]
    assert not rest.has_next


async def test_a_deed_that_failed_stays_incomplete(offices: tuple[Office, Office]) -> None:
    here, _ = offices
    with pytest.raises(ZeroDivisionError):
        async with here.audit.deed(ADMIN, Action.USER_UPDATED, "ann"):
            raise ZeroDivisionError
    [entry] = (await here.audit.list(ADMIN, 1)).items
    assert (entry.subject, entry.result) == ("ann", None)
    await here.audit.forget("acme", "ann")
    [entry] = (await here.audit.list(ADMIN, 1)).items
    assert entry.subject is not None
    assert entry.subject.startswith("deleted:")
