"""A client as the contract wants it: idempotency keys, a few addresses, ordinary retries of what passes by itself."""

from __future__ import annotations

import asyncio
import random
import time
from bisect import bisect
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx2

PASSING = {
    (503, "STORE_UNREACHABLE"),
    (503, "OVERLOADED"),
    (504, "DEADLINE_EXCEEDED"),
}
"""Answers after which the same request, repeated, is the same wish."""
DEADLINE_SECONDS = 20.0
"""More than the hub's own: no request may hang beyond it."""
CHANNELS = ("email", "sms", "in_app")


@dataclass(slots=True)
class Record:
    """What one client saw."""

    accepted: dict[str, str] = field(default_factory=dict)
    """Ids by idempotency key."""
    successes: list[float] = field(default_factory=list)
    """Moments of the monotonic clock."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Answers that pass, and connections that broke, each tried again."""
    refused_at: list[float] = field(default_factory=list)
    slowest: float = 0.0
    """The longest that one try took."""

    def note(self, refusal: str) -> None:
        self.refusals[refusal] += 1
        self.refused_at.append(time.monotonic())

    @property
    def longest_refusal(self) -> float:
        """The longest time from a refusal to the next success, in seconds."""
        places = ((moment, bisect(self.successes, moment)) for moment in self.refused_at)
        return max((self.successes[place] - moment for moment, place in places), default=0.0)

    @property
    def longest_outage(self) -> float:
        """The longest time without a success, in seconds."""
        return max((later - earlier for earlier, later in zip(self.successes, self.successes[1:], strict=False)))


class GoodClient:
    """Creates over REST at any of a hub's addresses; an answer that no client could expect is an AssertionError."""

    def __init__(self, base_urls: Sequence[str], user_id: str, *, message: str = "Hello there") -> None:
        self.record = Record()
        self._message = message
        self._user_id = user_id
        self._base_urls = list(base_urls)
        self._http = httpx2.AsyncClient(timeout=DEADLINE_SECONDS, limits=httpx2.Limits(max_connections=200))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def create(self, kind: str = "email") -> str:
        """The id of a new notification, however often it has to be asked for."""
        key = uuid4().hex
        body = {"user_id": self._user_id, "title": "Hello", "message": self._message, "type": kind}
        while True:
            wait = await self._try(key, body)
            if wait is None:
                return self.record.accepted[key]
            await asyncio.sleep(wait * random.uniform(1, 1.2))

    @asynccontextmanager
    async def load(
        self, streams: int = 8, pause: float = 0.02, channels: Sequence[str] = CHANNELS
    ) -> AsyncIterator[None]:
        """Creates all the time, in so many streams at once, of every channel in turn; ends with the block."""
        ending = asyncio.Event()

        async def stream(number: int) -> None:
            turn = number
            while not ending.is_set():
                await self.create(channels[turn % len(channels)])
                turn += 1
                await asyncio.sleep(pause)

        async with asyncio.TaskGroup() as group:
            for number in range(streams):
                group.create_task(stream(number))
            yield
            ending.set()

    async def _try(self, key: str, body: dict[str, Any]) -> float | None:
        """One try; None if it was accepted, else how long to wait before the next."""
        address = random.choice(self._base_urls)
        began = time.monotonic()
        try:
            response = await self._http.post(
                f"{address}/api/v1/notifications", json=body, headers={"Idempotency-Key": key}
            )
        except httpx2.TimeoutException as error:
            raise AssertionError(f"no answer within {DEADLINE_SECONDS:g} s: {error!r}") from error
        except httpx2.TransportError as error:
            self.record.note(type(error).__name__)
            return 0.1
        finally:
            self.record.slowest = max(self.record.slowest, time.monotonic() - began)
        if response.status_code == 201:
            self.record.successes.append(time.monotonic())
            notification_id = str(response.json()["id"])
            assert self.record.accepted.setdefault(key, notification_id) == notification_id
            return None
        problem = response.json()
        assert (response.status_code, problem["reason"]) in PASSING, response.text
        assert response.status_code != 503 or "Retry-After" in response.headers, response.headers
        self.record.note(problem["reason"])
        return float(response.headers.get("Retry-After", "1"))
