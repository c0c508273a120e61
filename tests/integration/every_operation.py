"""Everything that callers can do, done once, among much that it must not look at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hub.core.access import Operation
from hub.core.app import Core
from hub.core.dead_letters import Selection
from hub.core.notifications import NewItem
from hub.domain.ids import new_id
from hub.domain.notifications import NewNotification, Notification
from hub.domain.paging import Filter, PageRequest
from hub.domain.principals import ANONYMOUS_LOCAL
from hub.domain.statistics import Bucket
from hub.domain.status import Status
from hub.domain.times import now
from hub.domain.users import UserRecord
from hub.store.documents import NotificationDocument
from hub.store.mapping import END_OF_TIME, to_new_row
from tests.assembly import ME
from tests.driver_commands import Row
from tests.waiting import until

USER = "ann"
PAGE = PageRequest(5)
AT_ONCE = 10
CROWD = 3000
TENANTS = (ME.tenant, "t1", "t2")


def new(user_id: str = USER, **fields: Any) -> NewNotification:
    return NewNotification(user_id, **{"title": "T", "message": "M", "type": "in_app", **fields})


async def crowd(template: Notification) -> None:
    """Much that must not be looked at: other users and tenants, delivered, failed, and due much later."""
    rows = NotificationDocument.get_pymongo_collection()
    kinds: list[Row] = [
        {"status": "delivered", "inbox_at": now(), "delivered_at": now(), "unread_until": END_OF_TIME},
        # None in our tenant: looking for some there must not be a walk over all of it.
        {"status": "failed", "tenant": TENANTS[-1]},
        {"status": "scheduled", "due": now() + timedelta(days=1)},
        {"status": "delivered", "archived_at": now(), "delivered_at": now(), "read_at": now()},
    ]
    made = []
    for number in range(CROWD):
        one = replace(template, id=new_id(), tenant=TENANTS[number % 3], user_id=f"crowd{number % 7}")
        row = to_new_row(one, timedelta(hours=1))
        del row["due"]
        made.append(row | kinds[number % len(kinds)])
    await rows.insert_many(made)


async def drained(items: AsyncIterator[Any]) -> None:
    """The first event of a stream, which comes at once."""
    await anext(items)
    await items.aclose()  # type: ignore[attr-defined]  # streams are generators


class Scenario:
    """Goes through all that callers can do, on inboxes of a few items."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._made: list[Notification] = []

    async def delivered(self, **fields: Any) -> Notification:
        created = await self._core.notifications.create(
            ANONYMOUS_LOCAL, new(**fields), idempotency_key=None, correlation_id="c"
        )
        found = created.notification

        async def there() -> bool:
            nonlocal found
            found = await self._core.notifications.get(ME, str(found.id))
            return found.status is Status.DELIVERED

        await until(there, 10)
        return found

    async def go(self) -> set[Operation]:
        """Returns what was done."""
        done: set[Operation] = set()
        for operations in (self._creating, self._listing, self._marking, self._watching, self._ending, self._managing):
            for operation, act in (await operations()).items():
                await act()
                done.add(operation)
        return done

    async def _creating(self) -> dict[Operation, Callable[[], Awaitable[Any]]]:
        many = [NewItem(new(metadata={"category": "news"}), f"key-{number}") for number in range(AT_ONCE)]

        async def create() -> None:
            self._made = [await self.delivered(metadata={"category": "news"}) for _ in range(AT_ONCE)]
            for _ in range(2):
                await self._core.notifications.create_many(ME, many, correlation_id="c")
            soon = now() + timedelta(seconds=0.3)
            for fields in ({"scheduled_at": soon}, {"scheduled_at": now() + timedelta(hours=1), "expires_at": None}):
                await self._core.notifications.create(ME, new(**fields), idempotency_key=None, correlation_id="c")
            await self.delivered(expires_at=soon)
            await asyncio.sleep(0.5)

        return {Operation.CREATE: create}

    async def _listing(self) -> dict[Operation, Callable[[], Awaitable[Any]]]:
        notifications, inbox, some = self._core.notifications, self._core.inbox, self._made
        narrowed = (Filter(), Filter(unread=True), Filter(category="news"))

        async def everywhere(
            read: Callable[[Filter, PageRequest], Awaitable[Any]], filters: tuple[Filter, ...] = narrowed
        ) -> None:
            for wanted in filters:
                first = await read(wanted, PAGE)
                for page in (
                    replace(PAGE, backwards=True),
                    replace(PAGE, after=first.cursors[-1], exact_ends=True),
                    replace(PAGE, before=first.cursors[-1], backwards=True, exact_ends=True),
                ):
                    await read(wanted, page)

        # Other filters of the whole tenant walk its list until a page is full.
        tenant_wide = (Filter(), Filter(user_id=USER), Filter(created_after=some[-1].created_at))

        async def inboxes() -> None:
            await everywhere(lambda wanted, page: inbox.list(ME, USER, wanted, page))
            await inbox.list(ME, USER, Filter(archived=True), PAGE)

        return {
            Operation.GET: lambda: notifications.get_many(ME, [str(item.id) for item in some]),
            Operation.LIST: lambda: everywhere(lambda wanted, page: notifications.list(ME, wanted, page), tenant_wide),
            Operation.LIST_OF_USER: lambda: everywhere(
                lambda wanted, page: notifications.list_of_user(ME, USER, wanted, page)
            ),
            Operation.INBOX: inboxes,
            Operation.UNREAD_COUNT: lambda: inbox.unread_count(ME, USER),
            Operation.INBOX_COUNTS: lambda: inbox.counts(ME, USER, ["news", "none"]),
        }

    async def _marking(self) -> dict[Operation, Callable[[], Awaitable[Any]]]:
        notifications, inbox = self._core.notifications, self._core.inbox
        one = str(self._made[0].id)

        async def mark() -> None:
            for change in (
                notifications.mark_seen, notifications.mark_unseen, notifications.mark_read, notifications.mark_unread,
                notifications.archive, notifications.unarchive,
            ):  # fmt: skip
                await change(ME, one)
                await change(ME, one)

        async def mark_all() -> None:
            await inbox.mark_all_seen(ME, USER, category="news")
            await inbox.mark_all_read(ME, USER)

        async def undo() -> None:
            await notifications.mark_unread(ME, one)
            marked = await inbox.mark_all_read(ME, USER)
            assert await inbox.undo_mark_all(ME, USER, str(marked.operation_id)) == 1

        return {Operation.MARK: mark, Operation.MARK_ALL: mark_all, Operation.UNDO_MARK_ALL: undo}

    async def _watching(self) -> dict[Operation, Callable[[], Awaitable[Any]]]:
        async def watch() -> None:
            stream = await self._core.inbox.watch(ME, USER, None)
            cursor = (await anext(stream)).cursor
            await stream.aclose()
            await drained(await self._core.inbox.watch(ME, USER, cursor))

        async def watch_one() -> None:
            await drained(await self._core.notifications.watch(ME, str(self._made[0].id)))

        return {Operation.WATCH: watch, Operation.WATCH_ONE: watch_one}

    async def _ending(self) -> dict[Operation, Callable[[], Awaitable[Any]]]:
        notifications, letters = self._core.notifications, self._core.dead_letters

        async def replay() -> None:
            for item in self._made[:3]:
                await notifications.update_status(ME, str(item.id), Status.FAILED)
            for dry_run in (True, False):
                await letters.replay(ME, Selection(ids=(str(self._made[0].id),)), dry_run=dry_run)
                await letters.replay(ME, Selection(filters=Filter(user_id=USER, category="news")), dry_run=dry_run)

        async def purge() -> None:
            await notifications.update_status(ME, str(self._made[4].id), Status.FAILED)
            for dry_run in (True, False):
                await letters.purge(ME, Selection(filters=Filter(user_id=USER)), dry_run=dry_run)

        return {
            Operation.REPLAY_DEAD_LETTERS: replay,
            Operation.LIST_DEAD_LETTERS: lambda: letters.list(ME, Filter(), PAGE),
            Operation.PURGE_DEAD_LETTERS: purge,
            Operation.DELETE: lambda: notifications.delete(ME, str(self._made[-1].id)),
        }

    async def _managing(self) -> dict[Operation, Callable[[], Awaitable[Any]]]:
        users, hour = self._core.users, now().replace(minute=0, second=0, microsecond=0)
        return {
            Operation.UPDATE_USER: lambda: users.update(ME, USER, UserRecord({}, None, None)),
            Operation.GET_USER: lambda: users.get(ME, USER),
            Operation.STATISTICS: lambda: self._core.statistics.get(
                ME, start=hour, end=hour + timedelta(hours=1), bucket=Bucket.HOUR
            ),
            Operation.DELETE_USER: lambda: users.delete(ME, USER),
            Operation.HEALTH: lambda: self._core.health.report(ME),
        }


NOT_HERE = {
    Operation.ISSUE_TOKEN: "asks the store nothing",
    Operation.METRICS: "asks the store nothing",
    Operation.PROBE: "asks the store whether it is there",
    Operation.READ_ABOUT: "asks the store nothing",
    Operation.TAKE_RECEIPT: "finds by id and claims a status, as update_status does",
    Operation.CREATE_KEY: "keys are few",
    Operation.LIST_KEYS: "keys are few",
    Operation.ROTATE_KEY: "keys are few",
    Operation.REVOKE_KEY: "keys are few",
    Operation.LIST_AUDIT: "not on a notification's way",
}
