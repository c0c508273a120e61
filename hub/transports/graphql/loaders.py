"""What one operation asks for more than once is read once: a data loader for each kind of look-up."""

from __future__ import annotations

from functools import cached_property

from strawberry.dataloader import DataLoader

from hub.core.app import Core
from hub.domain.errors import HubError, Reason
from hub.domain.events import CappedCount
from hub.domain.notifications import Notification, User
from hub.domain.principals import Principal


class Loaders:
    """Made anew for every operation: nothing outlives it, nothing is shared between callers."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    # Each is made when it is asked for: most operations, and every subscription, ask for none.
    @cached_property
    def notifications(self) -> DataLoader[str, Notification | None]:
        """Notifications by id."""
        return DataLoader(self._notifications)

    @cached_property
    def unread_counts(self) -> DataLoader[str, CappedCount]:
        """Unread items by user."""
        # Both fields of a user ask for it in the same turn. It isn't kept longer than that: in one document a
        # mutation may come between two questions.
        return DataLoader(self._unread_counts, cache=False)

    @cached_property
    def users(self) -> DataLoader[str, User | None]:
        """Records by user."""
        # All fields of a record ask for it in the same turn, and a mutation may come between two, likewise.
        return DataLoader(self._users, cache=False)

    async def _notifications(self, ids: list[str]) -> list[Notification | BaseException | None]:
        found = await self._core.notifications.get_many(self._principal, ids)
        return [found.get(notification_id) for notification_id in ids]

    async def _unread_counts(self, user_ids: list[str]) -> list[CappedCount | BaseException]:
        counts = {
            user_id: await self._core.inbox.unread_count(self._principal, user_id)
            for user_id in dict.fromkeys(user_ids)
        }
        return [counts[user_id] for user_id in user_ids]

    async def _users(self, user_ids: list[str]) -> list[User | BaseException | None]:
        records = {user_id: await self._user(user_id) for user_id in dict.fromkeys(user_ids)}
        return [records[user_id] for user_id in user_ids]

    async def _user(self, user_id: str) -> User | HubError | None:
        """None where there is no record; any other refusal is that of the fields that asked for it."""
        try:
            return await self._core.users.get(self._principal, user_id)
        except HubError as error:
            return None if error.reason is Reason.NOT_FOUND else error
