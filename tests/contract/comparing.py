"""The same question in all three protocols: one answer, or one refusal, as serialised text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.contract.conftest import Drivers
from tests.contract.drivers import Driver, Refused, text
from tests.waiting import until

Ask = Callable[[Driver], Awaitable[Any]]


async def everywhere(drivers: Drivers, ask: Ask) -> Any:
    """The answer that all three protocols give."""
    answers = [await ask(driver) for driver in drivers.all()]
    texts = {driver.name: text(answer) for driver, answer in zip(drivers.all(), answers, strict=True)}
    assert len(set(texts.values())) == 1, texts
    return answers[0]


async def refused(ask: Awaitable[Any]) -> Refused:
    """The refusal of what must be refused."""
    try:
        answer = await ask
    except Refused as refusal:
        return refusal
    raise AssertionError(f"not refused: {answer}")


async def refused_everywhere(drivers: Drivers, ask: Ask) -> Refused:
    """The refusal that all three protocols give: code, reason, fields and metadata."""
    refusals = [await refused(ask(driver)) for driver in drivers.all()]
    shown = {
        driver.name: (r.code, r.reason, r.fields, sorted(r.metadata.items()))
        for driver, r in zip(drivers.all(), refusals, strict=True)
    }
    assert len({str(refusal) for refusal in shown.values()}) == 1, shown
    assert all(refusal.correlation_id for refusal in refusals)
    return refusals[0]


async def status_becomes(driver: Driver, notification_id: str, *statuses: str, seconds: float = 15) -> Any:
    """The notification once it has one of these statuses."""
    found: dict[str, Any] = {}

    async def reached() -> bool:
        found.update(await driver.get(notification_id))
        return found["status"] in statuses

    await until(reached, seconds)
    return found
