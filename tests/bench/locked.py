"""One hub process over a mongod of its own, whose callers need keys; in-process transport."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

from hub.admin.keys import new_key
from hub.domain.principals import Scope
from tests.bench.filled import Row
from tests.hub_process import running_hub
from tests.servers import MongoServer

_DATABASE = "bench"


@dataclass(frozen=True, slots=True)
class LockedHub:
    """Where it listens, the key to it, and what it runs on."""

    http_port: int
    grpc_target: str
    key: str
    rows: AsyncCollection[Row]
    """The collection of notifications, as pymongo has it."""
    pids: Mapping[str, int]


@asynccontextmanager
async def locked_hub(tenant: str) -> AsyncIterator[LockedHub]:
    """Starts it; at the end nothing is left."""
    key, entry = new_key(tenant, list(Scope), "bench")
    with TemporaryDirectory(prefix="hub-bench-") as folder:
        keys_file = Path(folder) / "keys.json"
        keys_file.write_text(json.dumps([json.loads(entry)]))
        more = {"HUB_AUTH__KEYS_FILE": str(keys_file)}
        async with (
            MongoServer(cache_gb=1.0) as mongo,
            running_hub(mongo.url, _DATABASE, None, roles=("all",), more=more) as hub,
            AsyncMongoClient[Row](mongo.url) as client,
        ):
            options = CodecOptions[Row](tz_aware=True, uuid_representation=UuidRepresentation.STANDARD)
            rows = client[_DATABASE].get_collection("notifications", codec_options=options)
            assert mongo.pid is not None
            pids = {"mongod": mongo.pid, "hub": hub.processes["all"].pid}
            yield LockedHub(hub.http_port, hub.grpc_target, key, rows, pids)
