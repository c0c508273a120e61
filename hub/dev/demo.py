"""A few notifications a second, so that a newcomer has something to look at."""

from __future__ import annotations

import asyncio
import itertools
import random

from hub.core.app import Core
from hub.domain.errors import HubError
from hub.domain.notifications import NewNotification
from hub.domain.principals import ANONYMOUS_LOCAL
from hub.log import get_logger

log = get_logger(__name__)

INTERVAL_SECONDS = 0.4
USERS = ("user123", "ada", "grace", "alan")
MESSAGES = (
    ("Welcome!", "Welcome to our platform", "welcome"),
    ("Your order is on its way", "It should be with you tomorrow before noon.", "orders"),
    ("New sign-in", "Somebody signed in from a new device. Was it you?", "security"),
    ("Weekly summary", "Three people replied to you this week.", "digest"),
)


async def run_demo(core: Core) -> None:
    """Sends until cancelled."""
    for number in itertools.count():
        title, message, category = random.choice(MESSAGES)  # noqa: S311 - for show
        command = NewNotification(
            user_id=random.choice(USERS),  # noqa: S311
            title=title,
            message=message,
            type=random.choice(("email", "sms", "in_app")),  # noqa: S311
            metadata={"category": category, "priority": random.choice(("low", "normal", "high"))},  # noqa: S311
        )
        try:
            await core.notifications.create(
                ANONYMOUS_LOCAL, command, idempotency_key=None, correlation_id=f"demo-{number}"
            )
        except HubError as error:
            log.warning("demo_refused", reason=error.reason)
        await asyncio.sleep(INTERVAL_SECONDS)
