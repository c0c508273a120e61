"""A rate limit while MongoDB stands still: nobody waits long, each process goes by its own count, and settles it afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from hub.core.rates import Limiter, StoreClock
from hub.domain.errors import HubError
from hub.domain.rates import Rate
from hub.store.access_documents import RateDocument
from hub.store.client import open_store
from hub.store.rates import RateStore, key_of
from tests.servers import MongoServer
from tests.waiting import until

RATE = Rate("credential", 1000, 86_400)


@pytest.fixture
async def server() -> AsyncIterator[MongoServer]:
    async with MongoServer() as own, open_store(own.url, "rates", timedelta(seconds=10)):
        yield own


async def taken(limiter: Limiter, wanted: int) -> int:
    count = 0
    for _ in range(wanted):
        with contextlib.suppress(HubError):
            await limiter.take("ours", "key-1")
            count += 1
    return count


async def test_a_store_that_stands_still(server: MongoServer) -> None:
    await until(lambda: time.time() % RATE.seconds < RATE.seconds - 60, 70)
    one = Limiter(RATE, RateStore(), StoreClock(), patience=timedelta(milliseconds=300))
    assert await taken(one, 100) == 100
    server.pause()
    try:
        began = time.monotonic()
        assert await taken(one, 500) == 500
        assert time.monotonic() - began < 5
    finally:
        server.resume()
    rows = RateDocument.get_pymongo_collection()

    async def settled() -> bool:
        assert await taken(one, 1) == 1
        row = await rows.find_one({"_id": key_of(RATE, "ours", "key-1")})
        return row is not None and row["taken"] >= 600

    await until(settled, 20)
    through = 1000 - one._allowances["ours", "key-1"].used
    other = Limiter(RATE, RateStore(), StoreClock(), patience=timedelta(seconds=10))
    assert abs(await taken(other, 1000) - through) <= 2 * RATE.slice
