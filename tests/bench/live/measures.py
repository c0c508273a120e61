"""What is measured of the live feed; each takes a minute or so, and answers plain numbers."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx2
import psutil

from tests.bench.live.stage import Helper, Sent, Stage, Usage, standing

MILLION = 1e6
Figures = dict[str, float]
RATE = 200.0
SUBSCRIBERS = 1000
BURST = 60
"""Events at once; fewer than a reader's queue holds, so that none falls behind."""
ROUNDS = 3
_QUIET_SECONDS = 3.0
"""After opening, until memory is looked at."""


def say(text: str) -> None:
    """How far it is."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")


def spread(milliseconds: Iterable[float]) -> dict[str, float]:
    """Median, 99th percentile, and the worst."""
    found = sorted(milliseconds)
    if not found:
        return {"p50": 0.0, "p99": 0.0, "max": 0.0, "count": 0}
    return {
        "p50": found[len(found) // 2],
        "p99": found[min(len(found) - 1, int(len(found) * 0.99))],
        "max": found[-1],
        "count": len(found),
    }


def _latencies(stage: Stage, sent: Sent, told: Mapping[str, Sequence[int]]) -> dict[str, dict[str, float]]:
    """From three moments until the client had it, in milliseconds."""
    stage.probe.read()
    starts = {"event": stage.probe.made, "heard": stage.probe.hint, "asked": sent.asked}
    return {
        name: spread((told[one][2] - at[one]) / MILLION for one in sent.asked if one in told and one in at)
        for name, at in starts.items()
    }


async def many(*, quick: bool) -> dict[str, Any]:
    """Many subscriptions, each for a user of its own, and 200 events a second among them."""
    count, seconds = (1000, 5) if quick else (10_000, 20)
    users = [f"user-{index}" for index in range(count)]
    async with standing() as stage:
        before = stage.usage()
        opened = await stage.crowd.do("open", kind="ws", where=stage.where, users=users)
        say(f"{count:,} subscriptions are open")
        await asyncio.sleep(_QUIET_SECONDS)
        after = stage.usage()
        drawn = random.Random(1).choices(users, k=int(RATE * seconds))
        sent = await stage.send(drawn, RATE)
        received = await stage.crowd.do("received", deliveries=len(sent.asked), seconds=10)
        say(f"{len(received['told']):,} events have arrived")
        used = stage.usage()
        return {
            "subscriptions": count,
            "opened_a_second": count / opened["seconds"],
            "kib_each": (after.resident_bytes - before.resident_bytes) / count / 1024,
            "kib_each_after_load": (used.resident_bytes - before.resident_bytes) / count / 1024,
            "cpu_share": (used.cpu_seconds - after.cpu_seconds) / seconds,
            "events": len(sent.asked),
            "missing": len(sent.asked) - len(received["told"]),
            "closed": received["closed"],
            **_latencies(stage, sent, received["told"]),
            "collections": spread(stage.probe.collections),
        }


async def screen(*, quick: bool) -> dict[str, Any]:
    """From a create to the client: 200 a second, a thousand users connected."""
    seconds = 5 if quick else 20
    users = [f"user-{index}" for index in range(SUBSCRIBERS)]
    async with standing() as stage:
        await stage.crowd.do("open", kind="ws", where=stage.where, users=users)
        sent = await stage.send(random.Random(2).choices(users, k=int(RATE * seconds)), RATE)
        received = await stage.crowd.do("received", deliveries=len(sent.asked), seconds=10)
        return {
            "users": SUBSCRIBERS,
            "events": len(sent.asked),
            "missing": len(sent.asked) - len(received["told"]),
            **_latencies(stage, sent, received["told"]),
        }


@dataclass(slots=True)
class Target:
    """Somebody who tells a thousand subscribers of an event."""

    name: str
    crowd: Helper

    async def prepare(self, events: int) -> None:
        """Whatever can be done before so many events are made."""

    async def fire(self, events: int) -> None:
        """Has them made."""
        raise NotImplementedError

    async def made(self) -> Iterable[int]:
        """When each of them was, once they have arrived."""
        raise NotImplementedError

    def usage(self) -> Usage:
        """Of the process that tells."""
        raise NotImplementedError

    async def measured(self, events: int) -> dict[str, float]:
        """Milliseconds until the last one had the last of so many, deliveries a second, microseconds of CPU each."""
        await self.prepare(events)
        before = self.usage()
        await self.fire(events)
        received = await self.crowd.do("received", deliveries=events * SUBSCRIBERS, seconds=60)
        if received["deliveries"] != events * SUBSCRIBERS:
            raise RuntimeError(f"{self.name}: {received['deliveries']} of {events * SUBSCRIBERS} deliveries")
        took = max(last for _, _, last in received["told"].values()) - min(await self.made())
        return {
            "milliseconds": took / MILLION,
            "deliveries": events * SUBSCRIBERS / (took / 1e9),
            "cpu_microseconds": (self.usage().cpu_seconds - before.cpu_seconds) / (events * SUBSCRIBERS) * MILLION,
        }


@dataclass(slots=True)
class HubTarget(Target):
    """The hub, by a protocol of its."""

    stage: Stage
    user: str
    sent: Sent = field(default_factory=lambda: Sent({}, 0))

    async def prepare(self, events: int) -> None:
        # Created while the worker stands still: what is measured is telling of them, not making them.
        self.stage.hub.processes["worker"].signal(signal.SIGSTOP)
        self.sent = await self.stage.send([self.user] * events)

    async def fire(self, events: int) -> None:
        self.stage.hub.processes["worker"].signal(signal.SIGCONT)

    async def made(self) -> Iterable[int]:
        self.stage.probe.read()
        return [self.stage.probe.made[one] for one in self.sent.asked]

    def usage(self) -> Usage:
        return self.stage.usage()


@dataclass(slots=True)
class OtherTarget(Target):
    """What the hub is compared with."""

    server: Helper
    client: httpx2.AsyncClient
    payload: dict[str, Any]
    fired: list[tuple[str, int]] = field(default_factory=list)

    async def fire(self, events: int) -> None:
        order = {"path": self.name, "events": events, "payload": self.payload}
        self.fired = (await self.client.post("/fire", json=order)).json()

    async def made(self) -> Iterable[int]:
        return [at for _, at in self.fired]

    def usage(self) -> Usage:
        return self.server.usage


async def fan(*, quick: bool) -> dict[str, Any]:
    """One event, and many, to a thousand subscribers: the hub, a bare handler, stock Strawberry, in turns."""
    singles = 3 if quick else 10
    async with standing() as stage, AsyncExitStack() as stack:
        user = ["many"] * SUBSCRIBERS
        await stage.crowd.do("open", kind="ws", where=stage.where, users=user)
        hub = HubTarget("hub", stage.crowd, stage, user[0])
        await stage.send(user[:1])
        sample = (await stage.crowd.do("received", deliveries=SUBSCRIBERS, seconds=30))["sample"]
        targets: list[Target] = [hub, *await _others(stack, sample, user)]
        rounds: list[dict[str, Figures]] = []
        for number in range(1 if quick else ROUNDS):
            rounds.append({})
            for target in targets:
                one = _medians([await target.measured(1) for _ in range(singles)])
                many = await target.measured(BURST if target.name != "/stock" else BURST // 6)
                rounds[-1][target.name] = {"one": one["milliseconds"], **many}
            say(f"round {number + 1} is over")
    return {"subscribers": SUBSCRIBERS, "burst": BURST, "frame_bytes": len(sample), "rounds": rounds}


async def _others(stack: AsyncExitStack, sample: str, users: list[str]) -> list[Target]:
    server = await stack.enter_async_context(Helper("tests.bench.live.bare"))
    port = (await server.answer())["port"]
    client = await stack.enter_async_context(httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60))
    targets: list[Target] = []
    for path in ("/bare", "/stock"):
        crowd = await stack.enter_async_context(Helper("tests.bench.live.crowd"))
        await crowd.do("open", kind="ws", where={"host": "127.0.0.1", "port": port, "path": path}, users=users)
        targets.append(OtherTarget(path, crowd, server, client, json.loads(sample)["payload"]))
    return targets


def _medians(runs: Sequence[Figures]) -> Figures:
    return {what: statistics.median(one[what] for one in runs) for what in runs[0]}


async def protocols(*, quick: bool) -> dict[str, Any]:
    """One event, and many, to a thousand streams of each other protocol."""
    found: dict[str, list[Figures]] = {}
    async with standing() as stage:
        for kind in ("ws", "rest-sse", "graphql-sse", "grpc"):
            user = f"many-{kind}"
            await stage.crowd.do("open", kind=kind, where=stage.where, users=[user] * SUBSCRIBERS)
            target = HubTarget(kind, stage.crowd, stage, user)
            # The first of all may have to warm something up.
            await target.measured(1)
            for _ in range(1 if quick else ROUNDS):
                one = await target.measured(1)
                found.setdefault(kind, []).append({"one": one["milliseconds"], **await target.measured(BURST)})
            await stage.crowd.do("close")
            say(f"{kind} is over")
    return {"subscribers": SUBSCRIBERS, "burst": BURST, "kinds": found}


FLOOD = 900
"""Notifications for somebody who does not read; no more than are replayed."""
LONG = "All work and no play makes a long message. " * 350
OTHERS = 50


async def slow(*, quick: bool) -> dict[str, Any]:
    """A reader who stops: what it costs, whom it harms, whether it catches up, when it is dropped, how long a stop takes."""
    seconds = 4 if quick else 10
    async with standing() as stage:
        others = [f"user-{index}" for index in range(OTHERS)]
        await stage.crowd.do("open", kind="ws", where=stage.where, users=[*others, "quick"])
        plan = random.Random(3).choices(others, k=OTHERS * seconds)
        _, plain = await _flooded(stage, "quick", plan, reads=True)
        number = (await stage.crowd.do("slow", where=stage.where, user="slow"))["slow"]
        before = stage.usage()
        flood, beside = await _flooded(stage, "slow", plan, reads=False)
        grown = stage.usage().resident_bytes - before.resident_bytes
        caught = await stage.crowd.do("resume", slow=number, expected=len(flood.asked), seconds=20)
        dropped = await _dropped_after(stage)
        return {
            "flood": len(flood.asked),
            "flood_bytes": len(flood.asked) * len(LONG),
            "grown_bytes": grown,
            "others_before": plain,
            "others_beside": beside,
            "told_before_it_stopped": caught["before"],
            "told_on_the_same_socket": caught["told"],
            "lost": caught["lost"],
            "caught_up_seconds": caught["seconds"],
            "dropped_after_seconds": dropped,
            "shutdown_seconds": await _shutdown(stage),
        }


async def _flooded(stage: Stage, user: str, plan: Sequence[str], *, reads: bool) -> tuple[Sent, Figures]:
    """Much for one user, and how the others are served meanwhile."""
    flood, sent = await asyncio.gather(stage.send([user] * FLOOD, 300, LONG), stage.send(plan, OTHERS))
    expected = len(sent.asked) + (len(flood.asked) if reads else 0)
    received = await stage.crowd.do("received", deliveries=expected, seconds=10)
    return flood, _latencies(stage, sent, received["told"])["event"]


async def _dropped_after(stage: Stage) -> float | None:
    """Seconds from when a reader was flooded until its connection was gone; None if it still was there in the end."""
    before = _connections(stage)
    await stage.crowd.do("slow", where=stage.where, user="never")
    await stage.send(["never"] * 300, message=LONG)
    began = time.monotonic()
    while _connections(stage) > before:
        if time.monotonic() - began > 60:
            return None
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def _shutdown(stage: Stage) -> float:
    """Seconds that the process takes to stop while somebody does not read."""
    await stage.crowd.do("slow", where=stage.where, user="last")
    await stage.send(["last"] * 300, message=LONG)
    began = time.monotonic()
    stage.api.signal(signal.SIGTERM)
    await stage.api.ended(120)
    return time.monotonic() - began


def _connections(stage: Stage) -> int:
    port = stage.hub.http_port
    return sum(one.laddr.port == port and one.status == "ESTABLISHED" for one in psutil.Process(stage.api.pid).net_connections("tcp"))  # fmt: skip


MEASURES = {"many": many, "fan": fan, "protocols": protocols, "screen": screen, "slow": slow}
