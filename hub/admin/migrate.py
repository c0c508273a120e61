"""Brings a store up to this version in one step: builds what indexes are missing, and never drops one."""

from __future__ import annotations

from collections.abc import AsyncIterator

from hub.settings import Settings
from hub.store.client import open_store
from hub.store.embedded import embedded_mongod


async def migrate(settings: Settings) -> AsyncIterator[str]:
    """Does it, and says of each collection which indexes it has now."""
    if settings.mongo.url is None:
        async with embedded_mongod(settings.data_dir) as url:
            async for line in _migrate(url, settings):
                yield line
    else:
        async for line in _migrate(settings.mongo.url.get_secret_value(), settings):
            yield line


async def _migrate(url: str, settings: Settings) -> AsyncIterator[str]:
    rollups = settings.retention.rollups
    async with open_store(url, settings.mongo.database, settings.mongo.timeout, rollups=rollups) as store:
        for name in sorted(await store.database.list_collection_names()):
            indexes = sorted(await store.database[name].index_information())
            yield f"{name}: {', '.join(indexes)}"
