"""What a process knows of itself: its heartbeat, how late its event loop is, how its channels' attempts end."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Sequence

from hub import __version__
from hub.domain.errors import HubError
from hub.domain.notifications import Notification, OutcomeKind
from hub.domain.status import Status
from hub.domain.times import now
from hub.log import get_logger
from hub.store.heartbeats import ChannelOutcome, Heartbeat, HeartbeatStore

log = get_logger(__name__)

INTERVAL = 5.0
_FAILED = frozenset({OutcomeKind.TEMPORARY, OutcomeKind.THROTTLED, OutcomeKind.AMBIGUOUS})


class Vitals:
    """An observer that keeps the last outcome of each channel, and leaves heartbeats in the store."""

    def __init__(
        self, store: HeartbeatStore, role: str, channels: Sequence[str], broker: Callable[[], bool | None]
    ) -> None:
        self._store = store
        self._role = role
        self._channels = tuple(sorted(channels))
        self._broker = broker
        self._id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._started_at = now()
        self._outcomes: dict[str, ChannelOutcome] = {}
        self.lag_seconds = 0.0
        """How late the event loop was when it was last looked at."""

    def accepted(self, notification: Notification) -> None:
        """Says nothing of health."""

    def attempted(self, notification: Notification, outcome: OutcomeKind, status: Status) -> None:  # noqa: ARG002 - port
        """Keeps the last outcome and how many in a row were bad."""
        before = self._outcomes.get(notification.type)
        failures = (before.failures if before else 0) + 1 if outcome in _FAILED else 0
        self._outcomes[notification.type] = ChannelOutcome(notification.type, outcome.value, now(), failures)

    async def run(self) -> None:
        """Beats until cancelled, then takes the heartbeat away: who stops in order is not missed."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._beat()
                due = loop.time() + INTERVAL
                await asyncio.sleep(INTERVAL)
                self.lag_seconds = max(0.0, loop.time() - due)
        finally:
            await self._leave()

    async def _beat(self) -> None:
        heartbeat = Heartbeat(
            id=self._id,
            role=self._role,
            version=__version__,
            started_at=self._started_at,
            lag_ms=round(self.lag_seconds * 1000, 3),
            broker=self._broker(),
            channels=self._channels,
            outcomes=tuple(self._outcomes.values()),
        )
        try:
            await self._store.beat(heartbeat)
        except HubError:
            log.debug("heartbeat_missed")

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(1):
                await self._store.leave(self._id)
        except (HubError, TimeoutError):
            log.debug("heartbeat_left_behind")
