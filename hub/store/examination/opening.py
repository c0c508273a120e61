"""Opens a store to be examined: nothing is built in it, nothing written, and what goes wrong is one error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pymongo.errors import PyMongoError

from hub.domain.errors import HubError
from hub.store.client import Store, open_store, store_deadline, translated
from hub.store.documents import DOCUMENTS, KeyDocument, NotificationDocument
from hub.store.examination.walk import STEP_SECONDS


class ExaminationError(Exception):
    """The store can't be examined, or not to the end; the text says why in a sentence."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A store as it was found."""

    now: datetime
    """By the store's own clock."""
    notifications: int
    """About how many."""
    keys: int
    """About how many."""


@asynccontextmanager
async def opened(url: str, database: str, command_timeout: timedelta) -> AsyncIterator[Opened]:
    """Opens it, and turns what MongoDB says against being examined into ExaminationError."""
    try:
        async with open_store(url, database, command_timeout, build_indexes=False) as store:
            with store_deadline(STEP_SECONDS), translated():
                found = await _opened(store, database)
            yield found
    except HubError as error:
        msg = f"the store can't be reached, or did not answer in time ({error.reason})"
        raise ExaminationError(msg) from error
    except PyMongoError as error:
        # By its name alone: the text may hold a document, or an address with credentials.
        msg = f"the store refuses to be examined: {type(error).__name__} {getattr(error, 'code', None) or ''}".rstrip()
        raise ExaminationError(msg) from error


async def _opened(store: Store, database: str) -> Opened:
    ours = {document.get_pymongo_collection().name for document in DOCUMENTS}
    if not ours.intersection(await store.database.list_collection_names()):
        msg = f"the database {database} holds nothing of a hub"
        raise ExaminationError(msg)
    clock: datetime = (await store.database.command("hello"))["localTime"]
    return Opened(
        now=clock.replace(tzinfo=clock.tzinfo or UTC),
        notifications=await NotificationDocument.get_pymongo_collection().estimated_document_count(),
        keys=await KeyDocument.get_pymongo_collection().estimated_document_count(),
    )
