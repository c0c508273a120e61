"""Health through all three protocols while a process is missing."""

from __future__ import annotations

from tests.contract.comparing import everywhere
from tests.contract.conftest import Drivers
from tests.contract.drivers import Driver
from tests.contract.test_notifications import welcome
from tests.hub_process import RunningHub
from tests.waiting import until


async def test_without_a_worker_the_hub_is_degraded_accepts_all_the_same_and_recovers(
    hub: RunningHub, drivers: Drivers, user: str
) -> None:
    assert await hub.processes["worker"].stop() == 0
    try:
        report = await drivers.rest.health()
        assert report["status"] == "degraded"
        assert {(channel["status"], channel["workers"]) for channel in report["channels"]} == {("degraded", 0)}
        assert await everywhere(drivers, _word) == "degraded"
        created, _ = await drivers.grpc.create(welcome(user))
        assert (await drivers.rest.get(created["id"]))["status"] == "pending"
    finally:
        await hub.processes["worker"].start()

    async def well_again() -> bool:
        sent = bool((await drivers.rest.get(created["id"]))["status"] == "sent")
        return sent and bool((await drivers.rest.health())["status"] == "ok")

    await until(well_again, 20)


async def _word(driver: Driver) -> str:
    report = await driver.health()
    return str(report["status"])
