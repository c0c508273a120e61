"""The store's disk runs full while notifications are created: what was accepted is kept, and all recovers with room.

    python -m tests.chaos.disk_full [embedded | external …]

`embedded`: a hub with a MongoDB of its own, which it brings back by itself. `external`: one that was given a URL; whoever
runs the server starts it again. Each on a small memory file system in a mount namespace of its own, which goes with the
process: for that it needs root, or a kernel that lets users have namespaces.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from hub.store.embedded_server import Mongod
from tests.good_client import GoodClient, Record
from tests.hub_process import HubProcess, free_ports
from tests.waiting import until

DISK_MIB = 160
ROOM_MIB = 24
"""What the load may fill before the disk is full."""
MESSAGE = "Enough text to fill a disk. " * 700
USER = "user123"
MOST_ANSWER_SECONDS = 16.0
"""The hub's own deadline, and a second for the way."""
SILENCE_SECONDS = 3.0
"""So long without a success, and the disk counts as full."""
FULL_SECONDS = 20.0
"""How long the disk stays full once nothing is accepted any more."""
RECOVERY_SECONDS = 60.0
SETTLE_SECONDS = 120.0
_INSIDE = "HUB_TEST_INSIDE_NAMESPACE"
_MIB = 1024 * 1024


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stdout.flush()


@dataclass
class Disk:
    """A small one, and the ballast that makes it smaller."""

    folder: Path

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def load(self) -> None:
        """Leaves no more than `ROOM_MIB`."""
        with (self.folder / "ballast").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.free_bytes - ROOM_MIB * _MIB)

    async def keep_full(self) -> None:
        """Takes whatever room there is, until cancelled: a server that starts again finds some that it had held."""
        with (self.folder / "more ballast").open("wb", buffering=0) as file:
            while True:
                with contextlib.suppress(OSError):
                    file.write(bytes(self.free_bytes))
                await asyncio.sleep(0.05)

    def unload(self) -> None:
        """Gives the room back."""
        for file in self.folder.glob("*ballast"):
            file.unlink()


@asynccontextmanager
async def small_disk() -> AsyncIterator[Disk]:
    """Ours alone: nobody outside the namespace sees it."""
    folder = Path(tempfile.mkdtemp(prefix="hub-test-disk-"))
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", folder], check=True)
        yield Disk(folder)
        subprocess.run(["umount", "--lazy", folder], check=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def hub_on(env: dict[str, str]) -> AsyncIterator[tuple[HubProcess, str]]:
    """A whole hub in one process, and where it listens."""
    http_port, grpc_port = free_ports(2)
    ports = {"HUB_HTTP__PORT": str(http_port), "HUB_GRPC__PORT": str(grpc_port)}
    process = HubProcess("all", env | ports | {"HUB_DEV__CAPTURE": "true", "HUB_LOG__FORMAT": "json"})
    with contextlib.closing(process):
        async with asyncio.timeout(60):
            await process.start()
        yield process, f"http://127.0.0.1:{http_port}"
        assert await process.stop() == 0, process.log_text()[-3000:]


async def nobody() -> None:
    """The embedded server is the hub's own to bring back."""


@asynccontextmanager
async def embedded(disk: Disk) -> AsyncIterator[tuple[HubProcess, str, Callable[[], Awaitable[None]]]]:
    async with hub_on({"HUB_DATA_DIR": str(disk.folder / "hub")}) as (process, url):
        yield process, url, nobody


@asynccontextmanager
async def external(disk: Disk) -> AsyncIterator[tuple[HubProcess, str, Callable[[], Awaitable[None]]]]:
    server = Mongod(disk.folder / "mongod")
    await server.start()
    try:
        async with hub_on({"HUB_MONGO__URL": server.url}) as (process, url):

            async def restart() -> None:
                if server.pid is None:
                    say(f"mongod had ended; its log: {last_words(server.log_path)}")
                    await server.start()

            yield process, url, restart
    finally:
        await server.stop()


def last_words(log: Path) -> str:
    fatal = [line for line in log.read_text(errors="replace").splitlines() if '"s":"F"' in line or "No space" in line]
    return fatal[0][:300] if fatal else "nothing of note"


SCENARIOS = {"embedded": embedded, "external": external}


Verdict = list[tuple[bool, str]]


async def scenario(name: str) -> bool:
    """Runs one; whether every promise was kept."""
    say(f"{name}: a disk of {DISK_MIB} MiB")
    verdict: Verdict = []
    async with (
        small_disk() as disk,
        SCENARIOS[name](disk) as (process, url, restart),
        GoodClient([url], USER, message=MESSAGE) as client,
    ):
        record = client.record
        async with client.load(channels=("email", "in_app")):
            await until(lambda: len(record.accepted) > 50, 30)
            disk.load()
            say(f"{len(record.accepted)} accepted; {disk.free_bytes // _MIB} MiB are left")
            await until(lambda: disk.free_bytes < _MIB, 120)
            verdict += await full(disk, record)
            disk.unload()
            freed = time.monotonic()
            await restart()
            await until(lambda: record.successes[-1] > freed, RECOVERY_SECONDS)
            say(f"accepted again {record.successes[-1] - freed:.1f} s after there was room")
            await asyncio.sleep(2)
        verdict.append((record.slowest < MOST_ANSWER_SECONDS, f"slowest answer {record.slowest:.1f} s"))
        verdict += await judged(url, set(record.accepted.values()))
        traces = process.log_text().count("Traceback")
        verdict.append((not traces, f"{traces} tracebacks in the log"))
    for good, text in verdict:
        say(f"  {'kept  ' if good else 'BROKEN'}  {text}")
    return all(good for good, _ in verdict)


async def full(disk: Disk, record: Record) -> Verdict:
    """What clients are told as long as it lasts."""
    say(f"full after {len(record.accepted)} accepted")
    filling = asyncio.get_running_loop().create_task(disk.keep_full())
    await until(lambda: time.monotonic() - record.successes[-1] > SILENCE_SECONDS, 60)
    accepted, before = len(record.accepted), Counter(record.refusals)
    say(f"nothing is accepted any more after {accepted}")
    await asyncio.sleep(FULL_SECONDS)
    filling.cancel()
    said = record.refusals - before
    return [
        # Whatever else is said is no answer that a client could expect, and ends the run.
        (said["STORE_UNREACHABLE"] > 0, f"while it was full: {dict(said)}"),
        (len(record.accepted) == accepted, f"while it was full: {len(record.accepted) - accepted} accepted"),
    ]


async def judged(url: str, accepted: set[str]) -> Verdict:
    """Whether all that was accepted is there, and comes to its end."""
    found: dict[str, str] = {}
    began = time.monotonic()
    async with httpx2.AsyncClient(base_url=url, timeout=20) as client:
        while time.monotonic() - began < SETTLE_SECONDS:
            found = await listed(client)
            if accepted <= set(found) and set(found.values()) <= {"sent", "delivered"}:
                break
            await asyncio.sleep(0.5)
    lost = accepted - set(found)
    unsettled = Counter(status for status in found.values() if status not in {"sent", "delivered"})
    took = time.monotonic() - began
    return [
        (not lost, f"{len(accepted)} accepted, {len(lost)} lost"),
        (set(found) == accepted, f"{len(set(found) - accepted)} stored besides"),
        (not unsettled, f"all delivered {took:.1f} s after the end{f': {dict(unsettled)}' if unsettled else ''}"),
    ]


async def listed(client: httpx2.AsyncClient) -> dict[str, str]:
    """The status of everything there is."""
    found: dict[str, str] = {}
    parameters = {"limit": "100"}
    while True:
        page = (await client.get(f"/api/v1/users/{USER}/notifications", params=parameters)).raise_for_status().json()
        found |= {item["id"]: item["status"] for item in page["items"]}
        if page["next_cursor"] is None:
            return found
        parameters["after"] = page["next_cursor"]


def enter_namespace() -> None:
    """Goes on in a mount namespace of our own, or ends with a sentence that says why not."""
    namespaces = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    command = ["unshare", *namespaces]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode:
        raise SystemExit("a disk can't be made full here: run it as root, or where users may have namespaces")
    os.environ[_INSIDE] = "1"
    os.execvp(command[0], [*command, sys.executable, "-m", "tests.chaos.disk_full", *sys.argv[1:]])  # noqa: S606 - ours


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", default=list(SCENARIOS), help=", ".join(SCENARIOS))
    chosen = parser.parse_args().scenarios
    if _INSIDE not in os.environ:
        enter_namespace()
    good = [asyncio.run(scenario(name)) for name in chosen]
    say("every promise was kept" if all(good) else "RED: see above")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
