"""How long MongoDB keeps what goes by age: TTL indexes, brought to what this version and its settings say at every start."""

from __future__ import annotations

from datetime import timedelta

from beanie import Document
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

from hub.store.documents import DOCUMENTS
from hub.store.mapping import Row
from hub.store.rollup_documents import DayRollupDocument, RollupDocument

FOR_EVER_SECONDS = 2**31 - 1
"""The longest that MongoDB takes: 68 years."""
_DAY = timedelta(days=1)
_SECONDS = "expireAfterSeconds"

Ttl = tuple[type[Document], IndexModel]
"""A TTL index and whose it is."""


def ttls_of_settings(rollups: timedelta | None) -> list[Ttl]:
    """Those whose span the settings decide; None means for ever.

    The roll-up of a day stays until the last of its hours has gone: it alone says by then what the whole day held.
    """
    return [
        (RollupDocument, _purging("hour", rollups)),
        (DayRollupDocument, _purging("day", None if rollups is None else rollups + _DAY)),
    ]


def declared_ttls() -> list[Ttl]:
    """Those whose span this version decides; mostly zero, with the moment in the document."""
    of_documents = ((document, index) for document in DOCUMENTS for index in getattr(document.Settings, "indexes", []))
    return [(document, index) for document, index in of_documents if _SECONDS in index.document]


async def settle_ttls(database: AsyncDatabase[Row], rollups: timedelta | None) -> None:
    """Builds the missing ones, and gives those that stand another span where it has changed.

    To be built anew with another span MongoDB refuses. What is too old by the new one goes within a minute or so.
    """
    for document, index in [*declared_ttls(), *ttls_of_settings(rollups)]:
        rows = database[document.Settings.name]
        name, seconds = index.document["name"], index.document[_SECONDS]
        present = (await rows.index_information()).get(name)
        if present is None:
            await rows.create_indexes([index])
        elif present.get(_SECONDS, seconds) != seconds:
            await database.command("collMod", rows.name, index={"name": name, _SECONDS: seconds})


def _purging(field: str, span: timedelta | None) -> IndexModel:
    seconds = FOR_EVER_SECONDS if span is None else min(int(span.total_seconds()), FOR_EVER_SECONDS)
    return IndexModel([(field, ASCENDING)], name="purge", expireAfterSeconds=seconds)
