"""Every process stopped in order and started again under load: clients with ordinary retries see nothing of it."""

from __future__ import annotations

import asyncio
import signal
import time

import grpc
import httpx2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.hub_process import running_hub
from tests.waiting import until

DRAIN_DELAY = 2.5


async def test_a_process_that_is_about_to_stop_says_so_as_long_as_it_lasts(
    mongo_url: str, mongo_database: str, own_amqp_url: str
) -> None:
    """Load balancers look at either protocol's health, at moments of their own, while everything is still served."""
    settings = {"HUB_DRAIN_DELAY": str(DRAIN_DELAY)}
    async with (
        running_hub(mongo_url, f"{mongo_database}_drain_delay", own_amqp_url, roles=("api",), more=settings) as hub,
        httpx2.AsyncClient(base_url=hub.base_url) as client,
        grpc.aio.insecure_channel(hub.grpc_target) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)

        async def says() -> tuple[bool, bool]:
            answer = await health.Check(health_pb2.HealthCheckRequest())
            serving = answer.status == health_pb2.HealthCheckResponse.SERVING
            return (await client.get("/readyz")).status_code == 200, serving

        await until(lambda: well(says))
        api = hub.processes["api"]
        api.signal(signal.SIGTERM)
        await until(lambda: not_ready(client))
        ends = time.monotonic() + DRAIN_DELAY - 0.7
        while time.monotonic() < ends:
            assert await says() == (False, False)
            body = {"user_id": "user123", "title": "Hello", "message": "Still served", "type": "in_app"}
            assert (await client.post("/api/v1/notifications", json=body)).status_code == 201
            await asyncio.sleep(0.1)
        assert await api.ended() == 0


async def well(says) -> bool:
    return await says() == (True, True)


async def not_ready(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 503
