"""The embedded MongoDB: the store of a hub that was given none, started with it and stopped with it."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TextIO

import structlog
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from hub.store.embedded_server import EmbeddedMongodError, Mongod

__all__ = ["EmbeddedMongodError", "embedded_mongod"]

log = structlog.get_logger(__name__)

# How long a second process waits for the first one's server: longer than a start with recovery takes.
_JOIN_SECONDS = 60.0
_RESTART_PAUSE_SECONDS = 1.0


@asynccontextmanager
async def embedded_mongod(data_dir: Path) -> AsyncIterator[str]:
    """The URL of a mongod over `data_dir`: a replica set of one on loopback that takes writes already.

    The first process over a folder starts the server, restarts it should it die, and stops it at the end; others join it
    and lose it with the first. Data survive a kill -9 of the hub and of mongod, and neither leaves a process behind.
    Enter it in the main thread (`embedded_child.spawn` says why). EmbeddedMongodError, with advice, if it can't be had.
    """
    with _opened_lock(data_dir) as lock:
        if (url := await _join(lock)) is not None:
            yield url
            return
        _publish(lock, "")
        server = Mongod(data_dir / "mongod")
        await server.start()
        # A task of our own, kept, cancelled and awaited below; a TaskGroup would hand the caller's errors back in a group.
        keeper = asyncio.get_running_loop().create_task(_keep_running(server))
        try:
            _publish(lock, server.url)
            yield server.url
        finally:
            _publish(lock, "")
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
            await server.stop()


def _opened_lock(data_dir: Path) -> TextIO:
    data_dir.mkdir(parents=True, exist_ok=True)
    return (data_dir / "mongod.lock").open("a+", encoding="ascii")


async def _join(lock: TextIO) -> str | None:
    """The URL of the server that another process runs over this folder; None if from now on that is us."""
    try:
        async with asyncio.timeout(_JOIN_SECONDS):
            while not _locked(lock):
                lock.seek(0)
                if (url := lock.read().strip()) and await _takes_writes(url):
                    return url
                await asyncio.sleep(0.1)
    except TimeoutError:
        message = (
            f"another process holds {lock.name}, but its MongoDB does not answer: stop it, or choose another folder"
        )
        raise EmbeddedMongodError(message) from None
    return None


def _locked(lock: TextIO) -> bool:
    # The kernel lets go of it however we end, so that it can't be left behind.
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _publish(lock: TextIO, url: str) -> None:
    lock.truncate(0)
    lock.write(url)
    lock.flush()


async def _takes_writes(url: str) -> bool:
    async with AsyncMongoClient[dict[str, object]](url, serverSelectionTimeoutMS=1000, socketTimeoutMS=2000) as client:
        try:
            hello = await client.admin.command("hello")
        except PyMongoError:
            return False
        return bool(hello["isWritablePrimary"])


async def _keep_running(server: Mongod) -> None:
    while True:
        code = await server.ended()
        log.error("embedded_mongod_ended", exit_code=code, log=str(server.log_path))
        try:
            await server.start()
        except EmbeddedMongodError as error:
            log.error("embedded_mongod_not_restarted", error=str(error))  # noqa: TRY400 -- the text says it all
            await asyncio.sleep(_RESTART_PAUSE_SECONDS)
