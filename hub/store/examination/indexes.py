"""Whether the store has the indexes that this version declares, as it declares them."""

from __future__ import annotations

from datetime import timedelta

from beanie import Document
from pymongo import IndexModel

from hub.domain.findings import Code, Found
from hub.store.client import store_deadline, translated
from hub.store.documents import DOCUMENTS
from hub.store.examination.walk import STEP_SECONDS
from hub.store.mapping import Row
from hub.store.retention import ttls_of_settings

_OPTIONS = ("partialFilterExpression", "expireAfterSeconds", "unique")


async def examined_indexes(rollups: timedelta | None) -> list[Found]:
    """The missing ones, and those of the same name that are something else, by `<collection>.<name>`.

    `rollups` is how long roll-ups are to be kept.
    """
    by_settings = ttls_of_settings(rollups)
    missing: list[str] = []
    different: list[str] = []
    for document in DOCUMENTS:
        rows = document.get_pymongo_collection()
        with store_deadline(STEP_SECONDS), translated():
            present = await rows.index_information()
        settled = [dict(index.document) for owner, index in by_settings if owner is document]
        for wanted in [*_declared(document), *settled]:
            name = wanted["name"]
            if name not in present:
                missing.append(f"{rows.name}.{name}")
            elif _essence(wanted | {"key": list(wanted["key"].items())}) != _essence(dict(present[name])):
                different.append(f"{rows.name}.{name}")
    both = ((Code.INDEX_MISSING, missing), (Code.INDEX_DIFFERS, different))
    return [Found(code, len(names), tuple(names)) for code, names in both if names]


def _declared(document: type[Document]) -> list[Row]:
    declared: list[IndexModel] = getattr(document.Settings, "indexes", [])
    return [dict(index.document) for index in declared]


def _essence(index: Row) -> Row:
    return {"key": [tuple(part) for part in index["key"]]} | {name: index.get(name) for name in _OPTIONS}
