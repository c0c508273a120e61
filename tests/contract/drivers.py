"""What every driver offers: the contract's operations, answers as REST's JSON, refusals as the catalogue's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

Body = dict[str, Any]


@dataclass
class Refused(Exception):
    """A refusal as the catalogue has it."""

    code: str
    reason: str
    fields: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    correlation_id: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.reason} {self.fields}"


class Events(Protocol):
    """An open stream."""

    def __aiter__(self) -> AsyncIterator[Body]: ...
    async def __anext__(self) -> Body: ...


class Driver(Protocol):
    """One protocol. Filters and page arguments bear the contract's names; `limit` is each protocol's page size."""

    name: str

    async def create(self, command: Body, key: str | None = None) -> tuple[Body, bool]: ...
    async def get(self, notification_id: str) -> Body: ...
    async def list(self, **arguments: Any) -> Body: ...
    async def list_of_user(self, user_id: str, **arguments: Any) -> Body: ...
    async def inbox(self, user_id: str, **arguments: Any) -> Body: ...
    async def unread_count(self, user_id: str) -> Body: ...
    async def update_status(self, notification_id: str, status: str) -> Body: ...
    async def mark_read(self, notification_id: str) -> Body: ...
    async def mark_unread(self, notification_id: str) -> Body: ...
    async def mark_all_read(self, user_id: str, **arguments: Any) -> int: ...
    async def dead_letters(self, **arguments: Any) -> Body: ...
    async def replay(self, **selection: Any) -> int: ...
    async def purge(self, **selection: Any) -> int: ...
    def watch(self, user_id: str, after: str | None = None) -> AbstractAsyncContextManager[AsyncIterator[Body]]: ...
    def watch_one(self, notification_id: str) -> AbstractAsyncContextManager[AsyncIterator[Body]]: ...


def text(answer: Any) -> str:
    """An answer as serialised text: the only comparison that tells 1 from 1.0 and a field that is null from none."""
    return json.dumps(answer, sort_keys=True, ensure_ascii=False)
