"""What stands while the live feed is measured: servers, a hub in its roles, a crowd of clients, each a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psutil

from hub.client import ClientOptions, HubClient
from hub.rpc.v1 import notifications_pb2 as pb
from tests.hub_process import ROOT, HubProcess, RunningHub, running_hub
from tests.servers import MongoServer, RabbitServer

PROBED = ("tests.bench.live.probed",)
LINE_BYTES = 2**26
"""Of an answer: a line for some ten thousand notifications."""


class Helper:
    """A process of ours that is told what to do by lines of JSON, and answers each by one."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module,
            cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    @property
    def usage(self) -> Usage:
        """What it has used so far."""
        assert self._process is not None
        return Usage.of(self._process.pid)

    async def answer(self) -> Any:
        """Its next line."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._module} has ended")
        return json.loads(line)

    async def do(self, do: str, **parameters: object) -> Any:
        """Tells it something, and waits for the answer."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **parameters}).encode() + b"\n")
        await self._process.stdin.drain()
        return await self.answer()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far."""

    resident_bytes: int
    cpu_seconds: float

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Of a process that runs."""
        process = psutil.Process(pid)
        times = process.cpu_times()
        return cls(process.memory_info().rss, times.user + times.system)


class Probe:
    """What a probed hub has noted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.hint: dict[str, int] = {}
        """When the process heard that a notification had changed."""
        self.made: dict[str, int] = {}
        """When the event had been made of what was read."""
        self.collections: list[float] = []
        """For how many milliseconds each full garbage collection has stopped the process."""

    def read(self) -> None:
        """Takes in what was noted since."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            lines = file.read()
            self._offset = file.tell()
        for line in lines.decode().splitlines():
            what, identifier, at = line.split()
            if what == "collected":
                self.collections.append(int(at) / 1e6)
                continue
            (self.hint if what == "hint" else self.made).setdefault(identifier, int(at))


@dataclass(slots=True)
class Stage:
    """Everything that runs."""

    hub: RunningHub
    crowd: Helper
    client: HubClient
    probe: Probe

    @property
    def where(self) -> dict[str, Any]:
        """Where clients find the hub."""
        return {"host": "127.0.0.1", "port": self.hub.http_port, "grpc_port": self.hub.grpc_port, "path": "/graphql"}

    @property
    def api(self) -> HubProcess:
        """The process that the streams hang on."""
        return self.hub.processes["api"]

    def usage(self) -> Usage:
        """Of that process."""
        return Usage.of(self.api.pid)

    async def send(self, users: Sequence[str], rate: float | None = None, message: str = "It is on its way.") -> Sent:
        """One notification in the app for each, at so many a second or as fast as they go; when each was asked for."""
        asked: dict[int, int] = {}
        sent = Sent({}, 0)

        async def requests() -> AsyncIterator[pb.CreateNotificationRequest]:
            began = time.monotonic()
            for index, user in enumerate(users):
                if rate is not None:
                    await asyncio.sleep(max(0.0, began + index / rate - time.monotonic()))
                asked[index] = time.monotonic_ns()
                yield pb.CreateNotificationRequest(user_id=user, title="Your parcel", message=message, type="in_app")

        async with contextlib.aclosing(self.client.create_many(requests())) as answers:
            async for answer in answers:
                if answer.HasField("notification"):
                    sent.asked[answer.notification.id] = asked[answer.index]
                else:
                    sent.refused += 1
        return sent


@dataclass(slots=True)
class Sent:
    """What was created."""

    asked: dict[str, int]
    """By notification: when it was asked for, on the system's monotonic clock."""
    refused: int


@asynccontextmanager
async def standing(more: Mapping[str, str] | None = None) -> AsyncIterator[Stage]:
    """A hub in three roles with a broker, its API process probed; a crowd that has no streams open yet."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-bench-")))
        store, broker = MongoServer(), RabbitServer()
        await asyncio.gather(stack.enter_async_context(store), stack.enter_async_context(broker))
        probe = folder / "probe"
        probe.touch()
        env = {"BENCH_PROBE": str(probe), "PYTHONUNBUFFERED": "1", **(more or {})}
        database = f"bench_{uuid4().hex[:8]}"
        hub = await stack.enter_async_context(
            running_hub(store.url, database, broker.url, more=env, modules={"api": PROBED})
        )
        crowd = await stack.enter_async_context(Helper("tests.bench.live.crowd"))
        client = await stack.enter_async_context(HubClient(hub.grpc_target, ClientOptions()))
        yield Stage(hub, crowd, client, Probe(probe))
