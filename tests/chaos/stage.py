"""What the load scenarios run on: every process real and started here, and a look at their memory and the broker's queues."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aio_pika
import psutil
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient

from hub.pipeline.topology import DEAD_LETTERS, LANE_LIMIT, lanes, work_queue
from hub.store.embedded_child import spawn, stopped
from tests.hub_process import RunningHub, free_ports, running_hub
from tests.servers import MongoServer, RabbitServer

ROOT = Path(__file__).parents[2]
DATABASE = "load"
CHANNELS = ("email", "sms", "in_app")
SETTLED = ("sent", "delivered", "failed", "cancelled", "expired")
_MIB = 1024 * 1024
_SAMPLE_SECONDS = 0.5


@dataclass(slots=True)
class Stage:
    """Everything that runs, and where it is."""

    hub: RunningHub
    mongo: MongoServer
    rabbit: RabbitServer
    folder: Path
    rows: Any
    """The collection of notifications, as pymongo has it."""

    @property
    def taken(self) -> Path:
        return self.folder / "taken.log"

    @property
    def hang(self) -> Path:
        """While this file exists the SMS gateway never answers."""
        return self.folder / "hang"

    def pids(self) -> dict[str, int]:
        """Of every process whose memory is bounded."""
        found = {role: process.pid for role, process in self.hub.processes.items()}
        assert self.mongo.pid is not None
        assert self.rabbit.pid is not None
        return found | {"mongod": self.mongo.pid, "rabbitmq": self.rabbit.pid}

    async def unsettled(self, more: Mapping[str, object] | None = None) -> int:
        """How many are not settled yet."""
        return int(await self.rows.count_documents({"status": {"$nin": list(SETTLED)}, **(more or {})}))

    async def found(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        """The documents of these ids."""
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(ids), 5000):
            query = {"_id": {"$in": [UUID(text) for text in ids[start : start + 5000]]}}
            wanted = {"status": 1, "type": 1, "created_at": 1, "sent_at": 1, "delivered_at": 1, "attempt_count": 1}
            async for row in self.rows.find(query, wanted):
                found[str(row["_id"])] = row
        return found


@asynccontextmanager
async def staged(more: Mapping[str, str] | None = None) -> AsyncIterator[Stage]:
    """Starts mongod, a broker, the sinks and one process of each role; at the end nothing is left."""
    folder = Path(tempfile.mkdtemp(prefix="hub-load-"))
    smtp_port, sms_port = free_ports(2)
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        # As large a cache as a small production machine would give it; the rest of the file system's is not ours.
        mongo = await stack.enter_async_context(MongoServer(cache_gb=1.0))
        rabbit = await stack.enter_async_context(RabbitServer())
        sinks = [str(smtp_port), str(sms_port), str(folder / "taken.log"), str(folder / "hang")]
        process = spawn([sys.executable, "-m", "tests.chaos.sinks", *sinks], folder / "sinks.log", _environment())
        stack.push_async_callback(stopped, process, 5)
        env = _channels(smtp_port, sms_port) | dict(more or {})
        hub = await stack.enter_async_context(running_hub(mongo.url, DATABASE, rabbit.url, more=env))
        options: CodecOptions[dict[str, Any]] = CodecOptions(
            tz_aware=True, uuid_representation=UuidRepresentation.STANDARD
        )
        client = await stack.enter_async_context(AsyncMongoClient[dict[str, Any]](mongo.url))
        rows = client[DATABASE].get_collection("notifications", codec_options=options)
        yield Stage(hub, mongo, rabbit, folder, rows)


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _channels(smtp_port: int, sms_port: int) -> dict[str, str]:
    return {
        "HUB_DEV__CAPTURE": "false",
        "HUB_PIPELINE__HANDOVER_GRACE": "5",
        "HUB_CHANNELS__EMAIL__HOST": "127.0.0.1",
        "HUB_CHANNELS__EMAIL__PORT": str(smtp_port),
        "HUB_CHANNELS__EMAIL__SECURITY": "none",
        "HUB_CHANNELS__EMAIL__SENDER_ADDRESS": "hub@example.test",
        "HUB_CHANNELS__SMS__BASE_URL": f"http://127.0.0.1:{sms_port}",
        "HUB_CHANNELS__SMS__ACCOUNT_SID": "ACload",
        "HUB_CHANNELS__SMS__AUTH_TOKEN": "load",
        "HUB_CHANNELS__SMS__SENDER": "+12025550100",
        # A provider that hangs holds its slots for this long.
        "HUB_CHANNELS__SMS__SEND_TIMEOUT": "5",
    }


@dataclass(slots=True)
class Peak:
    """The first and the largest of many looks."""

    first: float = 0.0
    most: float = 0.0
    looks: int = 0

    def see(self, value: float) -> None:
        if not self.looks:
            self.first = value
        self.looks += 1
        self.most = max(self.most, value)


@dataclass(slots=True)
class Sampler:
    """Looks twice a second at the memory of every process and at the depth of every queue."""

    stage: Stage
    memory: defaultdict[str, Peak] = field(default_factory=lambda: defaultdict(Peak))
    """MiB of resident memory, by process."""
    depths: defaultdict[str, Peak] = field(default_factory=lambda: defaultdict(Peak))
    """Messages that lie ready, by queue."""

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        connection = await aio_pika.connect(self.stage.rabbit.url)
        async with connection, asyncio.TaskGroup() as group:
            task = group.create_task(self._look(await connection.channel()))
            yield
            task.cancel()

    async def _look(self, channel: aio_pika.abc.AbstractChannel) -> None:
        queues = [work_queue(lane).name for lane in lanes(CHANNELS)] + [DEAD_LETTERS.name]
        while True:
            for name, pid in self.stage.pids().items():
                # A process that was stopped on purpose is looked at again when it is back.
                if psutil.pid_exists(pid):
                    self.memory[name].see(psutil.Process(pid).memory_info().rss / _MIB)
            for queue in queues:
                declared = await channel.declare_queue(queue, passive=True)
                self.depths[queue].see(declared.declaration_result.message_count or 0)
            await asyncio.sleep(_SAMPLE_SECONDS)


BOUNDS = dict.fromkeys((work_queue(lane).name for lane in lanes(CHANNELS)), LANE_LIMIT) | {DEAD_LETTERS.name: 100_000}
"""Messages that each queue may hold."""


def start_load(plan: Path, result: Path, log: Path) -> subprocess.Popen[bytes]:
    """A load generator."""
    return spawn([sys.executable, "-m", "tests.chaos.load", str(plan), str(result)], log, _environment())


def say(text: str) -> None:
    """A line for whoever watches, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def table(title: str, rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under a title, in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    say(f"\n{title}")
    for row in rows:
        say("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def quantile(values: list[float], part: float) -> float:
    """The smallest value that so large a part of all does not exceed; 0 of none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(part * len(ranked)))] if ranked else 0.0


@dataclass(slots=True)
class Verdict:
    """What was promised, and whether it held."""

    lines: list[tuple[bool, str]] = field(default_factory=list)

    def expect(self, holds: bool, text: str) -> None:  # noqa: FBT001 - the one thing it is about
        self.lines.append((holds, text))

    def tell(self) -> int:
        """Prints it; the exit code."""
        say("\nPromise")
        for holds, text in self.lines:
            say(f"  {'holds ' if holds else 'BROKEN'}  {text}")
        return 0 if all(holds for holds, _ in self.lines) else 1


def complaints(hub: RunningHub) -> list[str]:
    """What no log may show: a traceback, or an error."""
    found = []
    for role, process in hub.processes.items():
        lines = [line for line in process.log_text().splitlines() if "Traceback" in line or '"level": "error"' in line]
        found += [f"{role}: {line[:300]}" for line in lines]
    return found


async def wait_for(condition: Callable[[], Any], seconds: float) -> float:
    """How long it took to come true; raises TimeoutError."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.25)
    return time.monotonic() - began
