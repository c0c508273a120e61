"""A MongoDB replica set of three on loopback, for tests and runs in which a primary fails.

Enter it in the main thread: its servers are ended with the thread that started them.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bson.timestamp import Timestamp
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from hub.store.embedded_child import exited, spawn, stopped
from hub.store.embedded_server import REPLICA_SET, find_mongod
from tests.servers import ServerError

MEMBERS = 3
_HOST = "127.0.0.1"
_PRIMARY, _SECONDARY = "PRIMARY", "SECONDARY"
_NOT_YET_INITIALIZED = 94
# mongod's own: the port was taken meanwhile; the data are still held by a predecessor that is ending.
_PASSING_EXIT_CODES = {48, 100}

Client = AsyncMongoClient[dict[str, Any]]


class Member:
    """One mongod of the set. It keeps port and data over `stop` or `kill`, and `start`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the process itself listens, whatever the set calls it."""
        return f"{_HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process now running, if any."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log_path(self) -> Path:
        """All that it has said."""
        return self._folder / "mongod.log"

    async def start(self, timeout_seconds: float = 60) -> None:
        """Starts it and waits until it answers, in whichever state; harmless if it runs."""
        if self.pid is not None:
            return
        (self._folder / "data").mkdir(parents=True, exist_ok=True)
        async with asyncio.timeout(timeout_seconds):
            while not await self._attempt():
                await asyncio.sleep(0.2)

    async def stop(self, grace_seconds: float = 20) -> None:
        """Stops it in order; harmless if it does not run."""
        if self._process is not None:
            await stopped(self._process, grace_seconds)

    async def kill(self) -> None:
        """Kill -9, frozen or not."""
        if self._process is not None:
            self._process.kill()
            await exited(self._process)

    def pause(self) -> None:
        """Freezes it: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        self._signal(signal.SIGCONT)

    async def state(self) -> str:
        """PRIMARY, SECONDARY, or anything else, such as empty while it does not answer."""
        if self.pid is None:
            return ""
        async with self.client() as client:
            try:
                hello = await client.admin.command("hello")
            except PyMongoError:
                return ""
        if hello["isWritablePrimary"]:
            return _PRIMARY
        return _SECONDARY if hello["secondary"] else ""

    async def applied(self) -> Timestamp:
        """The last write that it has."""
        async with self.client() as client:
            try:
                status = await client.admin.command("replSetGetStatus")
            except PyMongoError:
                return Timestamp(0, 0)
        applied: Timestamp = status["optimes"]["appliedOpTime"]["ts"]
        return applied

    def client(self) -> Client:
        """A client of this member alone, with little patience."""
        return AsyncMongoClient(
            _HOST, self.port, directConnection=True, serverSelectionTimeoutMS=1000, socketTimeoutMS=3000,
            tz_aware=True, uuidRepresentation="standard",
        )  # fmt: skip

    async def _attempt(self) -> bool:
        self._process = process = spawn(self._argv(), self.log_path)
        while (code := process.poll()) is None:
            async with self.client() as client:
                try:
                    await client.admin.command("ping")
                except PyMongoError:
                    await asyncio.sleep(0.02)
                else:
                    return True
        if code in _PASSING_EXIT_CODES:
            return False
        said = self.log_path.read_text(errors="replace")[-2000:]
        raise ServerError(f"mongod ended with {code}:\n{said}")

    def _argv(self) -> list[str]:
        # As small as the embedded server, three times.
        return [
            *(str(find_mongod()), "--dbpath", str(self._folder / "data"), "--replSet", REPLICA_SET),
            *("--bind_ip", _HOST, "--port", str(self.port), "--nounixsocket", "--quiet"),
            *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
            *("--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # A secondary that copies from a frozen member looks for another one after two seconds instead of ten.
            *("--setParameter", "oplogNetworkTimeoutBufferSeconds=1"),
        ]

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is None:
            raise ServerError("it does not run")
        os.kill(self.pid, number)


class ReplicaSet:
    """Three members; elections take about two seconds.

    `advertised` are the addresses by which members and drivers know each other, host:port, where something stands in
    front of the members (it has to pass connections on when the set is entered). `ports` are the members' own.
    `election_milliseconds` is how long a silent primary is put up with, and how long a lone one goes on.
    """

    def __init__(
        self,
        *,
        ports: Sequence[int] | None = None,
        advertised: Sequence[str] | None = None,
        election_milliseconds: int = 2000,
    ) -> None:
        self._election_milliseconds = election_milliseconds
        self._folder = Path(tempfile.mkdtemp(prefix="hub-test-set-"))
        chosen = ports or steady_ports(MEMBERS)
        self.members = [Member(self._folder / str(number), port) for number, port in enumerate(chosen)]
        self.addresses = list(advertised) if advertised else [member.address for member in self.members]
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """All members, as the hub is to be told."""
        return f"mongodb://{','.join(self.addresses)}/?replicaSet={REPLICA_SET}"

    async def __aenter__(self) -> Self:
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        try:
            for member in self.members:
                # Killed: a frozen one would not hear anything else, and the data go anyway.
                self._stack.push_async_callback(member.kill)
            await asyncio.gather(*(member.start() for member in self.members))
            await self._initiate()
            await self.healthy()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def states(self) -> list[str]:
        """Each member's own view of itself, as `Member.state` gives it."""
        return list(await asyncio.gather(*(member.state() for member in self.members)))

    async def primary(self, seconds: float = 30) -> int:
        """The index of the primary, once there is exactly one that answers."""
        async with asyncio.timeout(seconds):
            while (states := await self.states()).count(_PRIMARY) != 1:
                await asyncio.sleep(0.05)
        return states.index(_PRIMARY)

    async def healthy(self, seconds: float = 60) -> None:
        """Waits for one primary and two secondaries that have caught up: the loss of any one is survived again."""
        async with asyncio.timeout(seconds):
            while sorted(await self.states()) != [_PRIMARY, _SECONDARY, _SECONDARY]:
                await asyncio.sleep(0.05)
            goal = max(await self._applied())
            # A member that has just come back is a secondary long before it has a source to copy from.
            while min(await self._applied()) < goal:
                await asyncio.sleep(0.05)

    async def _applied(self) -> list[Timestamp]:
        """How far each member has come."""
        return list(await asyncio.gather(*(member.applied() for member in self.members)))

    async def step_down(self) -> int:
        """The primary gives up its place in order and is no candidate for five seconds; the index of the one that did."""
        number = await self.primary()
        async with self.members[number].client() as client:
            # Older servers close the connection over it.
            with suppress(AutoReconnect):
                await client.admin.command("replSetStepDown", 5, secondaryCatchUpPeriodSecs=2)
        return number

    async def _initiate(self) -> None:
        config = {
            "_id": REPLICA_SET,
            "members": [{"_id": number, "host": address} for number, address in enumerate(self.addresses)],
            "settings": {
                "electionTimeoutMillis": self._election_milliseconds,
                "heartbeatIntervalMillis": 500,
                "heartbeatTimeoutSecs": 2,
            },
        }
        async with self.members[0].client() as client:
            try:
                await client.admin.command("replSetGetStatus")
            except OperationFailure as error:
                if error.code != _NOT_YET_INITIALIZED:
                    raise
                await client.admin.command("replSetInitiate", config)


def steady_ports(count: int) -> list[int]:
    """Free ports that no outgoing connection is given: a server that is down for a while finds its own again."""
    found: list[int] = []
    # Below the range of ephemeral ports, which begins at 32768 on Linux.
    for port in random.sample(range(20_000, 32_000), 1000):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise ServerError("no free ports")
