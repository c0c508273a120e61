"""Real processes killed, and the broker stopped under load: what was accepted is delivered, and nothing is doubled."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx2

from tests.hub_process import RunningHub, running_hub
from tests.servers import RabbitServer
from tests.waiting import until

SHORT_LEASE = {
    "HUB_PIPELINE__LEASE": "8",
    "HUB_CHANNELS__EMAIL__SEND_TIMEOUT": "3",
    "HUB_CHANNELS__SMS__SEND_TIMEOUT": "3",
    "HUB_CHANNELS__WEBHOOK__SEND_TIMEOUT": "3",
}


async def create(client: httpx2.AsyncClient, user: str, kind: str) -> str:
    body = {"user_id": user, "title": "Hello", "message": "Hello there", "type": kind}
    response = await client.post("/api/v1/notifications", json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def all_settled(client: httpx2.AsyncClient, user: str, count: int) -> bool:
    """Whether everything of this user has reached its end."""
    statuses: Counter[str] = Counter()
    cursor: str | None = None
    while True:
        parameters = {"limit": "100"} | ({"after": cursor} if cursor else {})
        page: dict[str, Any] = (await client.get(f"/api/v1/users/{user}/notifications", params=parameters)).json()
        statuses.update(item["status"] for item in page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return statuses["sent"] + statuses["delivered"] == count


async def doubled(hub: RunningHub, client: httpx2.AsyncClient) -> list[str]:
    """Mails that were taken twice without more than one attempt on record."""
    taken = Counter(str(mail["notification_id"]) for mail in await hub.outbox())
    twice = [notification_id for notification_id, times in taken.items() if times > 1]
    found = [(await client.get(f"/api/v1/notifications/{notification_id}")).json() for notification_id in twice]
    return [item["id"] for item in found if len(item["attempts"]) < taken[item["id"]]]


async def test_a_worker_killed_in_mid_delivery_loses_nothing(
    mongo_url: str, mongo_database: str, own_amqp_url: str
) -> None:
    user = f"user-{uuid4().hex[:8]}"
    async with (
        running_hub(mongo_url, f"{mongo_database}_kill", own_amqp_url, more=SHORT_LEASE) as hub,
        httpx2.AsyncClient(base_url=hub.base_url, timeout=20) as client,
    ):
        worker = hub.processes["worker"]
        ids = []
        for _ in range(3):
            ids += await asyncio.gather(*(create(client, user, "email") for _ in range(50)))
            await worker.kill()
            ids += await asyncio.gather(*(create(client, user, "in_app") for _ in range(20)))
            await worker.start()
        await until(lambda: all_settled(client, user, len(ids)), 60)
        assert {str(mail["notification_id"]) for mail in await hub.outbox()} <= set(ids)
        assert await doubled(hub, client) == []


async def says(client: httpx2.AsyncClient, status: str, broker: str) -> dict[str, Any] | None:
    """The health report, if it says this of the whole and of the broker."""
    report: dict[str, Any] = (await client.get("/api/v1/health")).json()
    details = {part["name"]: part["detail"] for part in report["components"]}
    return report if (report["status"], details["broker"]) == (status, broker) else None


async def is_well(client: httpx2.AsyncClient) -> bool:
    return await says(client, "ok", "3 processes are connected.") is not None


async def test_a_broker_stopped_for_twenty_seconds_fails_no_create_and_loses_nothing(
    mongo_url: str, mongo_database: str
) -> None:
    """Health tells meanwhile who is cut off, and how long the oldest work has been waiting."""
    user = f"user-{uuid4().hex[:8]}"
    async with (
        RabbitServer() as rabbit,
        running_hub(mongo_url, f"{mongo_database}_away", rabbit.url, more=SHORT_LEASE) as hub,
        httpx2.AsyncClient(base_url=hub.base_url, timeout=20) as client,
    ):
        ids: list[str] = []
        stopping = asyncio.Event()
        await until(lambda: is_well(client), 20)

        async def load() -> None:
            while not stopping.is_set():
                kind = ("email", "sms", "in_app")[len(ids) % 3]
                ids.append(await create(client, user, kind))
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as group:
            group.create_task(load())
            await asyncio.sleep(1)
            await rabbit.stop()
            away = time.monotonic()
            await asyncio.sleep(18)
            for _ in range(4):
                report = await says(client, "degraded", "3 of 3 processes have no connection.")
                assert report is not None
                # What came right after the stop has been waiting ever since, and nothing for longer.
                assert abs(report["oldest_due_seconds"] - (time.monotonic() - away)) < 3
                await asyncio.sleep(0.5)
            await rabbit.start()
            await asyncio.sleep(1)
            stopping.set()
        assert len(ids) > 200
        await until(lambda: all_settled(client, user, len(ids)), 60)
        assert await doubled(hub, client) == []
        await until(lambda: is_well(client), 20)


async def test_a_process_that_is_told_to_stop_finishes_what_it_holds(
    mongo_url: str, mongo_database: str, own_amqp_url: str
) -> None:
    user = f"user-{uuid4().hex[:8]}"
    async with (
        running_hub(mongo_url, f"{mongo_database}_drain", own_amqp_url) as hub,
        httpx2.AsyncClient(base_url=hub.base_url, timeout=20) as client,
    ):
        worker = hub.processes["worker"]
        ids = await asyncio.gather(*(create(client, user, "email") for _ in range(60)))
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0
        await worker.start()
        await until(lambda: all_settled(client, user, len(ids)), 40)
        taken = Counter(str(mail["notification_id"]) for mail in await hub.outbox())
        assert taken == dict.fromkeys(ids, 1)
