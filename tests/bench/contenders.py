"""Who is measured: the hub, and what one would build from parts, each with one API and one worker process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from hub.store.embedded_child import spawn, stopped
from tests.hub_process import free_ports, running_hub
from tests.servers import MongoServer, RabbitServer

ROOT = Path(__file__).parents[2]
_CELERY = "celery -A tests.bench.peers.with_celery:tasks worker --pool threads --concurrency 32 --loglevel warning"
PEERS = {
    "FastAPI + Beanie + aio-pika": ("plain", "tests.bench.peers.plain"),
    "Celery": ("with_celery", f"{_CELERY} --without-gossip --without-mingle --without-heartbeat"),
    "taskiq": (
        "with_taskiq",
        "taskiq worker tests.bench.peers.with_taskiq:broker --workers 1 --ack-type when_executed --log-level WARNING",
    ),
    "FastStream": ("with_faststream", "faststream run tests.bench.peers.with_faststream:worker --log-level warning"),
    "Dramatiq": ("with_dramatiq", "dramatiq tests.bench.peers.with_dramatiq --processes 1 --threads 32"),
}
"""The module of its API, and how its worker is started."""
HUB = "hub"
_START_SECONDS = 40
TENANT = "bench"
SCOPES = ["notifications:write", "notifications:read", "inbox", "receipts", "dead-letters", "users"]


@dataclass(frozen=True, slots=True)
class Servers:
    """What all share: one mongod, one broker."""

    mongo: MongoServer
    rabbit: RabbitServer
    client: AsyncMongoClient[dict[str, Any]]
    folder: Path


@dataclass(slots=True)
class Running:
    """A contender that runs."""

    name: str
    ports: list[int]
    """Of its API processes."""
    path: str
    headers: Mapping[str, str]
    pids: dict[str, int]
    rows: Any
    """Its collection of notifications."""
    database: str = ""
    grpc_target: str = ""


def key_file(folder: Path) -> tuple[Path, str]:
    """A secrets file with one key, and the key."""
    key = "hub_bench_" + hashlib.sha256(str(folder).encode()).hexdigest()
    entry = {"id": "bench", "hash": hashlib.sha256(key.encode()).hexdigest(), "tenant": TENANT, "scopes": SCOPES}
    path = folder / "keys.json"
    path.write_text(json.dumps([entry]))
    return path, key


def hub_environment(keys: Path) -> dict[str, str]:
    """Credentials demanded, both rate limits in force, nothing captured: as in production."""
    return {
        "HUB_AUTH__KEYS_FILE": str(keys),
        "HUB_AUTH__REQUIRED": "true",
        "HUB_LIMITS__PER_CREDENTIAL": "6000000/minute",
        "HUB_LIMITS__PER_RECIPIENT": "600000/hour",
        "HUB_DEV__CAPTURE": "false",
        "HUB_PIPELINE__HANDOVER_GRACE": "5",
        "HUB_PIPELINE__LONGEST_RETRY_DELAY": "3600",
        "HUB_LOG__FORMAT": "json",
    }


@asynccontextmanager
async def hub(
    servers: Servers, *, roles: tuple[str, ...] = ("api", "relay", "worker"), broker: bool = True,
    more: Mapping[str, str] | None = None, modules: Mapping[str, tuple[str, ...]] | None = None,
    beside: Running | None = None,
) -> AsyncIterator[Running]:  # fmt: skip
    """The hub: its three roles with a broker, or one process without; further processes `beside` those of another one."""
    database = beside.database if beside else f"hub_{secrets.token_hex(4)}"
    keys, key = key_file(servers.folder)
    url = servers.rabbit.url if broker else None
    env = hub_environment(keys) | dict(more or {})
    async with running_hub(servers.mongo.url, database, url, roles=roles, more=env, modules=modules) as running:
        yield Running(
            HUB,
            [running.http_port],
            "/api/v1/notifications",
            {"Authorization": f"Bearer {key}"},
            {role: process.pid for role, process in running.processes.items()} | _pids(servers),
            servers.client[database]["notifications"],
            database=database,
            grpc_target=running.grpc_target,
        )
    if beside is None:
        await servers.client.drop_database(database)


@asynccontextmanager
async def peer(servers: Servers, name: str, python: Path) -> AsyncIterator[Running]:
    """One of the peers, on a vhost and a database of its own."""
    module, worker = PEERS[name]
    own = f"peer_{secrets.token_hex(4)}"
    await servers.rabbit.create_vhost(own)
    (port,) = free_ports(1)
    env = {
        "PEER_AMQP_URL": servers.rabbit.url_of(own),
        "PEER_MONGO_URL": servers.mongo.url,
        "PEER_DATABASE": own,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{python.parent}:{os.environ['PATH']}",
    }
    api = f"uvicorn tests.bench.peers.{module}:app --port {port} --no-access-log --log-level warning"
    async with AsyncExitStack() as stack:
        pids = {}
        for role, command in (("api", api), ("worker", worker)):
            log = servers.folder / f"{own}-{role}.log"
            process = spawn([str(python), "-m", *command.split()], log, env)
            stack.push_async_callback(stopped, process, 10)
            pids[role] = process.pid
        await until_listening(port)
        try:
            yield Running(
                name, [port], "/notifications", {}, pids | _pids(servers), servers.client[own]["notifications"]
            )
        except AssertionError as error:
            error.add_note((servers.folder / f"{own}-worker.log").read_text()[-2000:])
            raise
    await servers.client.drop_database(own)
    await servers.rabbit.delete_vhost(own)


async def until_listening(port: int) -> None:
    """Waits until something listens there."""
    async with asyncio.timeout(_START_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def _pids(servers: Servers) -> dict[str, int]:
    assert servers.mongo.pid is not None
    assert servers.rabbit.pid is not None
    return {"mongod": servers.mongo.pid, "broker": servers.rabbit.pid}


def peers_python() -> Path:
    """The interpreter of the peers' environment, which `scripts/bench` builds."""
    if found := os.environ.get("HUB_BENCH_PEERS"):
        return Path(found)
    raise SystemExit("the peers' environment is missing: start me by scripts/bench")
