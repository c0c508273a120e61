"""What each step of the pipeline takes by the size of its batch: the hub's own code against a real store and broker."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from statistics import fmean
from uuid import UUID

from hub.channels.in_app import PROVIDER, InAppChannel
from hub.core.tasks import ended
from hub.domain.ids import first_id_at, new_id, time_of
from hub.domain.notifications import Attempt, Lane, Notification, OutcomeKind, Priority
from hub.domain.retry import Decision
from hub.domain.statistics import Bucket, floor
from hub.domain.status import Status
from hub.pipeline.rabbit import RabbitTransport
from hub.pipeline.transport import Handed
from hub.store.client import open_store
from hub.store.documents import NotificationDocument
from hub.store.keys import KeyStore, Reservation
from hub.store.notifications import NotificationStore, Periods
from hub.store.statistics import DirtyHour, StatisticsStore
from hub.store.work import Record, WorkStore
from tests.bench.callers import Http
from tests.bench.simulated import Service
from tests.waiting import until

SIZES = (1, 8, 64)
_WARM_UP = 2
_PAUSE_SECONDS = 0.05
LANE = Lane(InAppChannel.name, Priority.NORMAL)
_HOUR = timedelta(hours=1)
_PERIODS = Periods(_HOUR, _HOUR, _HOUR, 90 * 24 * _HOUR, 49 * _HOUR, 25 * _HOUR)
_HALF_A_MILLISECOND = 0.0005

Seen = dict[int, list[float]]
"""Seconds, by the size of the batch."""


def fitted(seen: Seen) -> Service:
    """The line through the means, each as near as its own size allows, and how the trips lay about it."""
    means = {size: fmean(values) for size, values in seen.items()}
    # Least squares of relative errors: a lone item's trip counts as much as that of sixty-four.
    weight = {size: 1 / mean**2 for size, mean in means.items()}
    total = sum(weight.values())
    middle = sum(weight[size] * size for size in means) / total
    level = sum(weight[size] * mean for size, mean in means.items()) / total
    spread = sum(weight[size] * (size - middle) ** 2 for size in means)
    slope = sum(weight[size] * (size - middle) * (mean - level) for size, mean in means.items()) / spread
    factors = [value / means[size] for size, values in seen.items() for value in values]
    return Service(level - slope * middle, slope, factors)


async def measure(mongo_url: str, amqp_url: str, database: str, enough: asyncio.Event) -> dict[str, Seen]:
    """Insert, publish and carry, claim, record and stamp, of batches of every size in turns, a few a second, until it is enough."""
    seen: dict[str, Seen] = defaultdict(lambda: defaultdict(list))
    async with open_store(mongo_url, database, timedelta(seconds=10)), _transport(amqp_url) as transport:
        steps = _Steps(transport)
        async with transport.consume(LANE, 100) as messages:
            for turn in count():
                if enough.is_set():
                    return seen
                for size in SIZES:
                    for name, seconds in (await steps.passed(size, messages)).items():
                        if turn >= _WARM_UP:
                            seen[name][size].append(seconds)
                    # Seldom enough to be no load of its own.
                    await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError("there is no end of numbers")


async def lone(port: int, key: str, enough: asyncio.Event) -> list[float]:
    """Seconds until a create was answered, of a caller who sends one at a time, until it is enough."""
    caller = await Http.opened(port, key)
    seen = []
    while not enough.is_set():
        body = {"user_id": "lone", "title": "Your order is on its way", "message": "Tomorrow.", "type": LANE.channel}
        began = time.perf_counter()
        await caller.post("/api/v1/notifications", body)
        seen.append(time.perf_counter() - began)
        await asyncio.sleep(_PAUSE_SECONDS)
    await caller.close()
    return seen


def joined(runs: Sequence[Mapping[str, Seen]]) -> dict[str, Seen]:
    """What several runs saw, as one."""
    seen: dict[str, Seen] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for name, by_size in run.items():
            for size, values in by_size.items():
                seen[name][size] += values
    return seen


async def reserve(mongo_url: str, database: str, number: int) -> None:
    """Reserves idempotency keys, as keyed creates do."""
    async with open_store(mongo_url, database, timedelta(seconds=10)):
        store = KeyStore(48 * _HOUR)
        for start in range(0, number, 500):
            wanted = [
                Reservation("bench", f"order-{order}", f"user-{order}", new_id().bytes * 2, new_id())
                for order in range(start, min(start + 500, number))
            ]
            assert await store.reserve_many(wanted) == wanted


async def counted(mongo_url: str, database: str, tenant: str) -> tuple[int, float]:
    """How many notifications of the tenant this hour has, and how long it takes to count them anew for statistics."""
    async with open_store(mongo_url, database, timedelta(minutes=1)):
        now = datetime.now(UTC)
        dirty = DirtyHour(tenant, floor(now, Bucket.HOUR), now)
        statistics = StatisticsStore()
        began = time.perf_counter()
        await statistics.count(dirty)
        seconds = time.perf_counter() - began
        rows = NotificationDocument.get_pymongo_collection()
        number = await rows.count_documents({"tenant": tenant, "_id": {"$gte": first_id_at(dirty.hour)}})
    return number, seconds


class _Steps:
    """The steps of the way, one batch after the other."""

    def __init__(self, transport: RabbitTransport) -> None:
        self._notifications = NotificationStore(_PERIODS)
        self._work = WorkStore(_PERIODS)
        self._rows = NotificationDocument.get_pymongo_collection()
        self._transport = transport

    async def passed(self, size: int, messages: AsyncIterator[Handed]) -> dict[str, float]:
        """A batch from its insert to its record: what each step took."""
        batch = [_notification(number) for number in range(size)]
        ids = [notification.id for notification in batch]
        found: dict[str, float] = {}
        began = time.perf_counter()
        assert all(await self._notifications.insert_many(batch))
        found["insert"] = time.perf_counter() - began
        found |= await self._handed_over(ids, messages)
        began = time.perf_counter()
        claims = await self._work.claim_many(ids)
        found["claim"] = time.perf_counter() - began
        now = datetime.now(UTC)
        attempt = Attempt(1, PROVIDER, None, now, now, OutcomeKind.DELIVERED, None)
        records = [Record(claim, Decision(Status.DELIVERED), attempt, claim.token) for claim in claims if claim]
        at, began = time.time(), time.perf_counter()
        assert await self._work.record_many(records) == [True] * size
        found["record"] = time.perf_counter() - began
        row = await self._rows.find_one({"_id": ids[0]}, {"delivered_at": 1})
        assert row is not None
        # The store's moments are whole milliseconds, rounded down.
        found["stamp"] = row["delivered_at"].timestamp() - at + _HALF_A_MILLISECOND
        return found

    async def _handed_over(self, ids: Sequence[UUID], messages: AsyncIterator[Handed]) -> dict[str, float]:
        async def taken() -> float:
            handed = await anext(messages)
            arrived = time.perf_counter()
            await handed.acknowledge()
            return arrived

        taking = asyncio.get_running_loop().create_task(taken())
        began = time.perf_counter()
        assert await self._transport.publish(LANE, ids)
        confirmed = time.perf_counter()
        return {"publish": confirmed - began, "carry": await taking - began}


def _notification(number: int) -> Notification:
    """A new one, of about the size of those that the load creates."""
    identifier = new_id()
    moment = time_of(identifier)
    return Notification(
        id=identifier,
        tenant="bench",
        user_id=f"user-{number}",
        title="Your order is on its way",
        message="It left our house this morning and will be with you tomorrow.",
        type=LANE.channel,
        html=None,
        to=None,
        metadata={"at": 1, "order": "A-1029"},
        priority=LANE.priority,
        category=None,
        status=Status.PENDING,
        status_reason=None,
        attempts=(),
        scheduled_at=None,
        expires_at=None,
        next_attempt_at=moment,
        created_at=moment,
        updated_at=moment,
        sent_at=None,
        delivered_at=None,
        read_at=None,
        version=1,
        correlation_id=f"bench-{number}",
    )


@asynccontextmanager
async def _transport(url: str) -> AsyncIterator[RabbitTransport]:
    transport = RabbitTransport(url, [LANE.channel])
    running = asyncio.get_running_loop().create_task(transport.run())
    try:
        await until(lambda: transport.connected)
        yield transport
    finally:
        await ended(running)
