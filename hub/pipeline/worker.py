"""The worker: takes ids from its lanes, no more than it can start at once, and acknowledges last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

from hub.core.delivery import Delivery
from hub.domain.channels import Channel
from hub.domain.errors import HubError
from hub.domain.notifications import Lane
from hub.log import get_logger
from hub.pipeline.topology import lanes
from hub.pipeline.transport import Handed, Transport

log = get_logger(__name__)


class Worker:
    """Every lane has slots of its own, so that a hung provider or a bulk send holds up nobody else."""

    def __init__(self, transport: Transport, channels: Mapping[str, Channel], delivery: Delivery) -> None:
        self._transport = transport
        self._channels = channels
        self._delivery = delivery
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Takes nothing new; `run` returns once everything under way is dealt with."""
        self._stopping.set()

    async def run(self) -> None:
        """Works until stopped. If it is cancelled, sends under way are cut and count as ambiguous."""
        async with asyncio.TaskGroup() as group:
            for lane in lanes(self._channels):
                group.create_task(self._lane(lane, self._channels[lane.channel].concurrency))

    async def _lane(self, lane: Lane, concurrency: int) -> None:
        slots = asyncio.Semaphore(concurrency)
        # Left in reverse order: first the deliveries end and acknowledge, then the lane is given up.
        async with self._transport.consume(lane, concurrency) as messages, asyncio.TaskGroup() as deliveries:
            feeder = deliveries.create_task(self._feed(messages, slots, deliveries))
            await self._stopping.wait()
            feeder.cancel()

    async def _feed(
        self, messages: AsyncIterator[Handed], slots: asyncio.Semaphore, deliveries: asyncio.TaskGroup
    ) -> None:
        async for message in messages:
            rest = _Rest(message)
            for notification_id in message.ids:
                await slots.acquire()
                deliveries.create_task(self._deliver(notification_id, slots, rest))

    async def _deliver(self, notification_id: UUID, slots: asyncio.Semaphore, rest: _Rest) -> None:
        try:
            await self._delivery.deliver(notification_id)
        except HubError as error:
            # The store is away: the document still holds what is to be done, and the sweep will say so.
            log.warning("delivery_put_off", notification_id=str(notification_id), reason=error.reason)
        except Exception:
            log.exception("delivery_failed", notification_id=str(notification_id))
        finally:
            slots.release()
        await rest.one_done()


class _Rest:
    """What is left of a message; acknowledged with the last of it."""

    def __init__(self, message: Handed) -> None:
        self._left = len(message.ids)
        self._message = message

    async def one_done(self) -> None:
        self._left -= 1
        if self._left == 0:
            await self._message.acknowledge()
