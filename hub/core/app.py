"""The core object that every protocol is handed: all use cases, built once by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.core.audit import AuditTrail
from hub.core.credentials import Credentials
from hub.core.dead_letters import DeadLetters
from hub.core.health import HealthService
from hub.core.inbox import Inbox
from hub.core.keys import Keys
from hub.core.notifications import Notifications
from hub.core.rates import Rates
from hub.core.receipts import Receipts
from hub.core.standings import Standings
from hub.core.statistics import StatisticsService
from hub.core.user_tokens import UserTokens
from hub.core.users import Users


@dataclass(frozen=True, slots=True)
class Core:
    """All use cases."""

    notifications: Notifications
    inbox: Inbox
    dead_letters: DeadLetters
    receipts: Receipts
    users: Users
    statistics: StatisticsService
    health: HealthService
    keys: Keys
    tokens: UserTokens
    audit: AuditTrail
    credentials: Credentials
    """Who a bearer token belongs to: the protocols only extract it."""
    standings: Standings
    """Which credentials have ended since their callers were let in."""
    rates: Rates
    """How much callers may do in a while: the protocols count each operation before it is done."""
    ready: Callable[[], Awaitable[bool]]
    """Whether the store answers: what readiness of an API process means (the broker is no part of it)."""
