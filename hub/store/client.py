"""The connection to MongoDB: durable by construction, bounded in time, its failures in the catalogue's words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pymongo
from beanie import init_beanie
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ExecutionTimeout,
    InvalidURI,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from hub.domain.errors import HubError, Reason
from hub.log import get_logger
from hub.store.documents import DOCUMENTS
from hub.store.driver import mend
from hub.store.retention import settle_ttls

Row = dict[str, Any]
Rows = AsyncCollection[Row]

log = get_logger(__name__)
MAJORITY = ReadConcern("majority")
_WATCHFUL = {"connectTimeoutMS": 3000, "heartbeatFrequencyMS": 2000}
"""A server that goes silent is noticed after five seconds, not thirty, and what waits for it goes to its successor."""
_SELECTION_SECONDS = 5.0
"""How long a command waits for a primary: with the one that it queues behind, well within a request's deadline."""
_ID_INDEX = "_id_"
_NOT_ADMITTED = frozenset({13, 18})
"""Unauthorized, AuthenticationFailed."""


@dataclass(frozen=True, slots=True)
class Store:
    """An open store: one client for commands, one for change streams, which may idle for as long as they like."""

    database: AsyncDatabase[Row]
    changes: AsyncDatabase[Row]

    async def ready(self) -> bool:
        """Whether a primary answers."""
        try:
            with pymongo.timeout(2):
                await self.database.command("ping")
                return bool((await self.database.command("hello")).get("isWritablePrimary"))
        except PyMongoError:
            return False


def check_url(url: str) -> None:
    """Raises ValueError with a sentence if the URL is none, or would weaken what an answer promises."""
    try:
        parsed = parse_uri(url, validate=True, warn=False)
    except (InvalidURI, ConfigurationError, ValueError):
        msg = "is not a MongoDB connection string"
        raise ValueError(msg) from None
    except OSError as error:
        msg = f"names a file that can't be read ({error.strerror})"
        raise ValueError(msg) from None
    # A / in a password ends the hosts too early, and the rest of it becomes the database's name.
    if "@" in f"{parsed['database']}{parsed['collection']}":
        msg = "is not a MongoDB connection string"
        raise ValueError(msg)
    options = parsed["options"]
    if options.get("w", "majority") != "majority" or options.get("journal", True) is not True:
        msg = "must not set w or journal to anything weaker than w=majority and journal=true"
        raise ValueError(msg)
    if "readConcernLevel" in options and options["readConcernLevel"] not in ("local", "majority"):
        msg = "must not set readConcernLevel to anything but local or majority"
        raise ValueError(msg)
    if "readPreference" in options and str(options["readPreference"]).lower() != "primary":
        msg = "must not read from secondaries: they may not know yet what was answered"
        raise ValueError(msg)


@asynccontextmanager
async def open_store(
    url: str,
    database: str,
    command_timeout: timedelta,
    *,
    build_indexes: bool = True,
    rollups: timedelta | None = None,
) -> AsyncIterator[Store]:
    """Connects, builds missing indexes (never drops one), and closes at the end. `command_timeout` bounds every command.

    Roll-ups are kept for `rollups` from now on, None means for ever. Without `build_indexes` nothing is written.
    """
    check_url(url)
    mend()
    common: dict[str, Any] = {"tz_aware": True, "uuidRepresentation": "standard", **_unless_given(url, _WATCHFUL)}
    patience: dict[str, Any] = _unless_given(url, {"serverSelectionTimeoutMS": int(_SELECTION_SECONDS * 1000)})
    client: AsyncMongoClient[Row] = AsyncMongoClient(
        url,
        timeoutMS=int(command_timeout.total_seconds() * 1000),
        w="majority",
        journal=True,
        appname="hub",
        **common,
        **patience,
    )
    idle: AsyncMongoClient[Row] = AsyncMongoClient(url, appname="hub-live", **common)
    try:
        db = client.get_database(database, write_concern=WriteConcern(w="majority", j=True))
        with translated(), _admitted():
            if build_indexes:
                await settle_ttls(db, rollups)
            await init_beanie(
                database=db, document_models=DOCUMENTS, allow_index_dropping=False, skip_indexes=not build_indexes
            )
        yield Store(db, idle.get_database(database))
    finally:
        await idle.close()
        await client.close()


@contextmanager
def _admitted() -> Iterator[None]:
    """Turns what a store says to a stranger into a sentence; its own text is nobody else's."""
    try:
        yield
    except OperationFailure as error:
        if error.code not in _NOT_ADMITTED:
            raise
        msg = f"HUB_MONGO__URL: the store does not let its user in (code {error.code})"
        raise ValueError(msg) from None


def _unless_given(url: str, defaults: dict[str, int]) -> dict[str, int]:
    """Those options that the URL does not set itself."""
    given = {name.lower() for name in parse_uri(url, validate=False, warn=False)["options"]}
    return {name: value for name, value in defaults.items() if name.lower() not in given}


def with_majority(rows: Rows) -> Rows:
    """The collection, read as a majority of the replica set has it."""
    return rows.with_options(codec_options=CodecOptions(tz_aware=True, uuid_representation=4), read_concern=MAJORITY)


@contextmanager
def store_deadline(seconds: float) -> Iterator[None]:
    """Bounds the store's commands inside, on the server too."""
    with pymongo.timeout(max(seconds, 0.001)):
        yield


@contextmanager
def translated() -> Iterator[None]:
    """Turns the driver's exceptions into the catalogue's errors; the text never leaves the log."""
    try:
        yield
    except (AutoReconnect, NetworkTimeout, ExecutionTimeout, WTimeoutError) as error:
        raise unreachable(error) from error
    except OperationFailure as error:
        if error.timeout or _passes(error):
            raise unreachable(error) from error
        raise
    except PyMongoError as error:
        if error.timeout:
            raise unreachable(error) from error
        raise


def _passes(error: OperationFailure) -> bool:
    """Whether the next try may end better."""
    # Written, but nobody knows by how many: nothing that a single item could be told apart by.
    unsure = isinstance(error, BulkWriteError) and error.details.get("writeConcernErrors")
    return bool(unsure) or error.code in _PASSING


class RefusedWriteError(Exception):
    """The server refused a write for good. Carries its code alone: the driver's text quotes what was to be written."""


def refusals(error: BulkWriteError) -> dict[int, Exception]:
    """What became of those items of a bulk that were refused, by their positions; the others were written."""
    return {
        item["index"]: unreachable(error) if item.get("code") in _PASSING else RefusedWriteError(item.get("code"))
        for item in error.details["writeErrors"]
    }


def unreachable(error: Exception) -> HubError:
    """The refusal while no primary answers; what was asked for may have been done."""
    log.warning("store_unreachable", error=type(error).__name__)
    return HubError(
        Reason.STORE_UNREACHABLE,
        "The store can't be reached; the outcome may be unknown: repeat with the same idempotency key.",
        retry_after=timedelta(seconds=1),
    )


# Not primary, shutting down, stepping down, write concern not satisfied in time, out of disk space; reads that such a
# moment interrupts: cursor gone or killed, plan killed, no majority known yet, interrupted.
_PASSING = frozenset(
    {6, 7, 43, 64, 79, 89, 91, 100, 133, 134, 175, 189, 237, 262, 317, 358}
    | {9001, 10107, 11600, 11601, 11602, 13435, 13436, 14031}
)
