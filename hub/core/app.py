"""The core object that every protocol is handed: all use cases, built once by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.core.credentials import Credentials
from hub.core.dead_letters import DeadLetters
from hub.core.health import HealthService
from hub.core.inbox import Inbox
from hub.core.notifications import Notifications
from hub.core.statistics import StatisticsService
from hub.core.users import Users


@dataclass(frozen=True, slots=True)
class Core:
    """All use cases."""

    notifications: Notifications
    inbox: Inbox
    dead_letters: DeadLetters
    users: Users
    statistics: StatisticsService
    health: HealthService
    credentials: Credentials
    """Who a bearer key belongs to: the protocols only extract it."""
    ready: Callable[[], Awaitable[bool]]
    """Whether the store answers: what readiness of an API process means (the broker is no part of it)."""
