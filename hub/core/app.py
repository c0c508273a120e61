"""The core object that every protocol is handed: all use cases, built once by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.core.dead_letters import DeadLetters
from hub.core.inbox import Inbox
from hub.core.notifications import Notifications


@dataclass(frozen=True, slots=True)
class Core:
    """All use cases."""

    notifications: Notifications
    inbox: Inbox
    dead_letters: DeadLetters
    ready: Callable[[], Awaitable[bool]]
    """Whether the store answers: what readiness of an API process means (the broker is no part of it)."""
