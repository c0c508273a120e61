"""The clients: they create over all three protocols, repeat as a good client would, cancel some and mark some read."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.chaos.evidence import Claim, Ending, Evidence, Try, Wish
from tests.chaos.speakers import Command, GraphQlSpeaker, GrpcSpeaker, Reply, RestSpeaker, Speaker, rfc3339, timed

TYPES = {"in_app": 40, "email": 35, "sms": 25}
_WAYS = {"single": 92, "many": 8}
_MANY = (4, 12)
_WISHES_PER_ARRIVAL = 0.92 + 0.08 * (_MANY[0] + _MANY[1]) / 2
_BACKOFF = (0.1, 0.6)
_ALREADY = {Ending.DONE, Ending.DENIED}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where one api listens."""

    url: str
    grpc_target: str


class Clients:
    """All clients of a run; everything that they see goes into the evidence."""

    def __init__(self, evidence: Evidence, apis: Sequence[Addresses], users: Sequence[str], patience: float) -> None:
        self._evidence = evidence
        self._users = users
        self._chance = random.Random(evidence.seed)
        self._made = 0
        self._tag = f"{evidence.seed}-{int(evidence.began)}"
        self.speakers: list[Mapping[str, RestSpeaker | GraphQlSpeaker | GrpcSpeaker]] = [
            {
                "rest": RestSpeaker(api.url, patience),
                "graphql": GraphQlSpeaker(api.url, patience),
                "grpc": GrpcSpeaker(api.grpc_target, patience),
            }
            for api in apis
        ]
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """No new wishes; those under way are pursued to their end."""
        self._stopping.set()

    async def aclose(self) -> None:
        """Closes every connection."""
        for speakers in self.speakers:
            for speaker in speakers.values():
                await speaker.aclose()

    async def run(self, rate: float) -> None:
        """New wishes at this rate a second, whatever becomes of the earlier ones; returns when the last has its answer."""
        arrivals = rate / _WISHES_PER_ARRIVAL
        async with asyncio.TaskGroup() as group:
            while not self._stopping.is_set():
                if self._chance.choices(list(_WAYS), list(_WAYS.values()))[0] == "single":
                    group.create_task(self._want_one(group))
                else:
                    group.create_task(self._want_many())
                await asyncio.sleep(self._chance.expovariate(arrivals))

    async def _want_one(self, group: asyncio.TaskGroup) -> None:
        wish, command = self._wish()
        await self._pursue(wish, command)
        if not wish.answers:
            return
        if self._chance.random() < 0.08:
            # A repeat, maybe in another protocol, has to find the same notification.
            await self._pursue(wish, command)
        scheduled = "scheduled_at" in command
        if self._chance.random() < (0.5 if scheduled else 0.05):
            group.create_task(self._claim(wish.answers[0][1], "cancelled"))
        elif wish.type == "in_app" and self._chance.random() < 0.3:
            group.create_task(self._claim(wish.answers[0][1], "read", after=self._chance.uniform(0.2, 1.5)))

    async def _want_many(self) -> None:
        wishes = [self._wish() for _ in range(self._chance.randint(*_MANY))]
        failed = None
        while waiting := [(wish, command) for wish, command in wishes if not _is_answered(wish)]:
            api, speaker = self._speaker(failed)
            failed = api
            began = time.time()
            replies = await speaker.create_many([command for _, command in waiting])
            for (wish, command), reply in zip(waiting, replies, strict=True):
                tried = Try(speaker.name, api, began, time.time(), reply.ending, reply.said)
                self._note(wish, command, tried, reply)
            if self._given_up(began):
                return
            if not all(_is_answered(wish) for wish, _ in waiting):
                await self._back_off()

    async def _pursue(self, wish: Wish, command: Command) -> None:
        """Tries until there is an answer that counts, each try in whatever protocol and at whichever api."""
        began, failed = time.time(), None
        while True:
            api, speaker = self._speaker(failed)
            failed = api
            tried, reply = await timed(speaker, api, lambda one: one.create(command))
            reply = self._note(wish, command, tried, reply)
            if reply.ending in _ALREADY or reply.ending is Ending.WRONG or self._given_up(began):
                return
            await self._back_off()

    async def _claim(self, notification_id: str, status: str, after: float = 0.0) -> None:
        await asyncio.sleep(after)
        claim = Claim(notification_id, status)
        self._evidence.claims.append(claim)
        began, failed = time.time(), None
        while True:
            api, speaker = self._speaker(failed)
            failed = api
            tried, reply = await timed(speaker, api, lambda one: one.claim(notification_id, status))
            claim.tries.append(tried)
            # Not delivered yet: it can be read a little later.
            waits = status == "read" and reply.said == "ILLEGAL_TRANSITION" and time.time() - began < 5
            if (reply.ending in _ALREADY and not waits) or reply.ending is Ending.WRONG or self._given_up(began):
                return
            await self._back_off()

    def _note(self, wish: Wish, command: Command, tried: Try, reply: Reply) -> Reply:
        """Puts it on record; what it was, seen with what was asked for."""
        if reply.said.startswith("INVALID_VALUE") and "expires_at" in command:
            # Its time ran out before it could be accepted: a documented answer, and the end of it.
            reply = Reply(Ending.DENIED, reply.said)
            tried.ending = reply.ending
        wish.tries.append(tried)
        if reply.ending is Ending.DONE and reply.notification_id is not None:
            wish.answers.append((time.time(), reply.notification_id))
        return reply

    def _wish(self) -> tuple[Wish, Command]:
        self._made += 1
        key = f"{self._tag}-{self._made}"
        kind = self._chance.choices(list(TYPES), list(TYPES.values()))[0]
        wish = Wish(key, self._chance.choice(self._users), kind)
        self._evidence.wishes.append(wish)
        command: dict[str, object] = {
            "user_id": wish.user_id,
            "title": f"No. {self._made}",
            "message": f"Wanted by {key}",
            "type": kind,
            "metadata": {"key": key, "priority": self._chance.choice(["low", "normal", "high"])},
            "idempotency_key": key,
        }
        if kind == "email":
            command["to"] = f"{key}@example.test"
        if kind == "sms":
            command["to"] = "+12025550123"
        soon = datetime.now(UTC)
        chance = self._chance.random()
        if chance < 0.1:
            command["scheduled_at"] = rfc3339(soon + timedelta(seconds=self._chance.uniform(1, 3)))
        elif chance < 0.14 and kind != "in_app":
            # Long enough to be accepted, short enough to run out under a fault.
            command["expires_at"] = rfc3339(soon + timedelta(seconds=self._chance.uniform(2, 5)))
        return wish, command

    def _speaker(self, failed: int | None = None) -> tuple[int, Speaker]:
        """Any protocol to any api, but for the one that has just failed."""
        api = self._chance.choice([number for number in range(len(self.speakers)) if number != failed])
        return api, self.speakers[api][self._chance.choice(["rest", "graphql", "grpc"])]

    def _given_up(self, began: float) -> bool:
        return time.time() - began > (20 if self._stopping.is_set() else 60)

    async def _back_off(self) -> None:
        await asyncio.sleep(self._chance.uniform(*_BACKOFF))


def _is_answered(wish: Wish) -> bool:
    return bool(wish.answers) or bool(wish.tries and wish.tries[-1].ending in {Ending.DENIED, Ending.WRONG})
