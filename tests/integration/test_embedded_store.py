"""The embedded mongod: it starts, keeps what it acknowledged, is shared, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection

from hub.store import embedded_server
from hub.store.embedded import EmbeddedMongodError, embedded_mongod

# A hub's process, as far as this is concerned: it says where its store is and stays until its input is closed.
_PROCESS = """
import asyncio, sys
from pathlib import Path
from hub.store.embedded import embedded_mongod

async def main():
    async with embedded_mongod(Path(sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@asynccontextmanager
async def _collection(url: str) -> AsyncIterator[AsyncCollection[dict[str, Any]]]:
    async with AsyncMongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=10_000) as client:
        yield client.get_database("t").get_collection("t", write_concern=WriteConcern("majority", j=True))


@asynccontextmanager
async def _other_process(data_dir: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROCESS, str(data_dir), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stdin
    try:
        async with asyncio.timeout(30):
            yield process, (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


def _mongods(data_dir: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        arguments = process.info["cmdline"] or []
        if str(data_dir / "mongod") in arguments and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


async def _gone(data_dir: Path) -> None:
    async with asyncio.timeout(20):
        while _mongods(data_dir):
            await asyncio.sleep(0.05)


async def test_starts_takes_writes_and_keeps_them_over_a_restart(tmp_path: Path) -> None:
    async with embedded_mongod(tmp_path) as url, _collection(url) as collection:
        await collection.insert_one({"_id": 1})
        # A change stream needs a replica set.
        async with await collection.watch():
            pass
    assert _mongods(tmp_path) == []
    async with embedded_mongod(tmp_path) as url, _collection(url) as collection:
        assert await collection.find_one() == {"_id": 1}


async def test_listens_on_loopback_alone(tmp_path: Path) -> None:
    async with embedded_mongod(tmp_path):
        (server,) = _mongods(tmp_path)
        listening = [each.laddr.ip for each in server.net_connections() if each.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]


async def test_a_killed_mongod_comes_back_at_the_same_place_with_all_it_acknowledged(tmp_path: Path) -> None:
    async with embedded_mongod(tmp_path) as url, _collection(url) as collection:
        await collection.insert_many({"_id": number} for number in range(1000))
        (server,) = _mongods(tmp_path)
        server.kill()
        assert await collection.count_documents({}) == 1000


async def test_a_second_process_joins_and_does_not_end_the_first_ones_server(tmp_path: Path) -> None:
    async with embedded_mongod(tmp_path) as url, _collection(url) as collection:
        async with _other_process(tmp_path) as (_, joined):
            assert joined == url
            assert len(_mongods(tmp_path)) == 1
        await collection.insert_one({"_id": 1})


async def test_after_the_end_of_the_first_process_the_next_one_starts_its_own(tmp_path: Path) -> None:
    async with _other_process(tmp_path) as (_, first):
        assert first
    async with embedded_mongod(tmp_path) as url, _collection(url) as collection:
        await collection.insert_one({"_id": 1})


async def test_a_parent_killed_with_9_leaves_no_child_and_loses_nothing(tmp_path: Path) -> None:
    async with _other_process(tmp_path) as (process, url):
        async with _collection(url) as collection:
            await collection.insert_one({"_id": 1})
        process.kill()
        await process.wait()
        # At once, while the old server may still be on its way out.
        async with embedded_mongod(tmp_path) as next_url, _collection(next_url) as next_collection:
            assert await next_collection.find_one() == {"_id": 1}
    await _gone(tmp_path)


async def test_an_interrupt_meant_for_the_parent_does_not_reach_the_server(tmp_path: Path) -> None:
    async with embedded_mongod(tmp_path) as url, _collection(url) as collection:
        (server,) = _mongods(tmp_path)
        assert os.getsid(server.pid) != os.getsid(0)
        assert os.getpgid(server.pid) != os.getpgid(0)
        await collection.insert_one({"_id": 1})


async def test_the_callers_own_error_comes_out_as_it_is_and_the_server_ends(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with embedded_mongod(tmp_path):
            raise ValueError("mine")
    assert _mongods(tmp_path) == []


async def test_a_mongod_that_cannot_start_is_an_error_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'error while loading shared libraries: libcurl.so.4'; exit 127\n")
    broken.chmod(0o755)
    monkeypatch.setattr(embedded_server, "find_mongod", lambda: broken)
    with pytest.raises(EmbeddedMongodError, match="apt-get install libcurl4"):
        async with embedded_mongod(tmp_path / "a"):
            pass
    broken.write_text("#!/bin/sh\necho 'no such luck'; exit 3\n")
    with pytest.raises(EmbeddedMongodError, match=r"(?s)code 3.*no such luck"):
        async with embedded_mongod(tmp_path / "b"):
            pass


async def test_stopping_a_hub_by_ctrl_c_while_the_server_starts_leaves_no_child(tmp_path: Path) -> None:
    async def enter() -> None:
        async with embedded_mongod(tmp_path):
            await asyncio.sleep(60)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(enter())
        while not _mongods(tmp_path):
            await asyncio.sleep(0.01)
        task.cancel()
    assert task.cancelled()
    assert _mongods(tmp_path) == []


def test_without_any_mongod_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(EmbeddedMongodError, match="HUB_MONGO__URL"):
        embedded_server.find_mongod()


async def test_a_stuck_server_is_killed_after_its_grace(tmp_path: Path) -> None:
    server = embedded_server.Mongod(tmp_path / "mongod")
    await server.start()
    assert server.pid
    os.kill(server.pid, signal.SIGSTOP)
    await server.stop(grace_seconds=0.5)
    assert _mongods(tmp_path) == []


async def test_its_log_holds_nothing_of_what_is_stored(tmp_path: Path) -> None:
    """mongod would write down whole commands that took long."""
    async with embedded_mongod(tmp_path) as url, _collection(url) as rows:
        await rows.insert_one({"title": "a s3cret"})
        slow = {"title": "a s3cret", "$where": "sleep(300) || true"}
        assert await rows.find_one(slow)
        assert (await rows.update_many(slow, {"$set": {"message": "a s3cret"}})).modified_count == 1
        said = "".join(log.read_text() for log in tmp_path.glob("*.log*"))
    assert "Waiting for connections" in said
    assert "s3cret" not in said
