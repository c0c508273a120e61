"""What the peers have in common: the request, the document, and the two writes that are durable with a majority."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from beanie import Document, init_beanie
from fastapi import FastAPI
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, AsyncMongoClient, IndexModel, MongoClient

AMQP_URL = os.environ["PEER_AMQP_URL"]
DATABASE = os.environ["PEER_DATABASE"]
QUEUE = "notifications"
UNDER_WAY = 100
"""Messages a worker has under way."""
THREADS = 32
"""Of a worker that has threads."""
_MONGO_URL = os.environ["PEER_MONGO_URL"]
_OPTIONS: dict[str, Any] = {"w": "majority", "journal": True, "uuidRepresentation": "standard", "tz_aware": True}


class NewNotification(BaseModel):
    """The body of a request."""

    user_id: str = Field(min_length=1, max_length=128)
    title: str = Field(min_length=1, max_length=255)
    message: str = Field(min_length=1, max_length=20_000)
    type: str
    metadata: dict[str, Any] = Field(default_factory=dict)


class Notification(Document):
    """As it is stored and answered."""

    id: UUID = Field(default_factory=uuid4)  # type: ignore[assignment]  # Beanie declares an optional ObjectId
    user_id: str
    title: str
    message: str
    type: str
    metadata: dict[str, Any] = Field(default_factory=dict)
    status: str = "pending"
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    delivered_at: datetime | None = None

    class Settings:
        """Of the collection."""

        name = "notifications"
        indexes: ClassVar = [IndexModel([("user_id", ASCENDING), ("created_at", DESCENDING)])]


Publish = Callable[[str], Awaitable[object]]
"""Hands an id over to the worker; returns once the broker has confirmed it."""


@asynccontextmanager
async def store() -> AsyncIterator[None]:
    """Beanie over a client whose writes are durable."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(_MONGO_URL, **_OPTIONS)
    try:
        await init_beanie(client[DATABASE], document_models=[Notification])
        yield
    finally:
        await client.close()


def app_of(publish: Publish, opened: Callable[[], AbstractAsyncContextManager[object]]) -> FastAPI:
    """The API: insert, publish, answer. `opened` is what publishing needs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with store(), opened():
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/notifications", status_code=201)
    async def create(body: NewNotification) -> Notification:
        notification = Notification(**body.model_dump())
        await notification.insert()
        await publish(str(notification.id))
        return notification

    return app


async def deliver(notification_id: str) -> None:
    """Loads it, sends it nowhere, and writes that it is delivered."""
    found = await Notification.get(UUID(notification_id))
    if found is None:
        return
    rows = Notification.get_pymongo_collection()
    await rows.update_one({"_id": found.id}, _DELIVERED)


def blocking_delivery() -> Callable[[str], None]:
    """The same for workers with threads."""
    client: MongoClient[dict[str, Any]] = MongoClient(_MONGO_URL, **_OPTIONS)
    rows = client[DATABASE]["notifications"]

    def deliver_now(notification_id: str) -> None:
        found = rows.find_one({"_id": UUID(notification_id)})
        if found is not None:
            rows.update_one({"_id": found["_id"]}, _DELIVERED)

    return deliver_now


_DELIVERED: list[dict[str, Any]] = [{"$set": {"status": "delivered", "delivered_at": "$$NOW"}}]
