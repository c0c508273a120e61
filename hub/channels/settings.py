"""What every channel can be told, beside what its provider needs."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hub.domain.retry import OnAmbiguous, RetryPolicy
from hub.settings.values import Seconds

EARLIER = 0.9
"""A channel gives up at this share of its send timeout: it knows how far it got, the worker's cancel does not."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts to which credentials may travel without TLS."""


class ChannelSettings(BaseModel):
    """Base of every channel's settings; set as `HUB_CHANNELS__<CHANNEL>__<FIELD>`."""

    # A refused password must not be quoted in the refusal.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    concurrency: Annotated[int, Field(ge=1, le=1000)] = 8
    """Sends one worker process has under way at most, for each priority."""
    send_timeout: Seconds = timedelta(seconds=25)
    """How long one attempt may take; must be under half of `HUB_PIPELINE__LEASE`."""
    give_up_after: Seconds = timedelta(hours=24)
    """How long after its first attempt a notification is given up."""
    on_ambiguous: OnAmbiguous = OnAmbiguous.RESEND
    """`resend`, or `hold`: what may have been taken is never sent again and ends as OUTCOME_UNKNOWN."""

    def policy(self, longest_delay: timedelta) -> RetryPolicy:
        """The retry policy these settings make; `longest_delay` caps the backoff."""
        return RetryPolicy(self.give_up_after, longest_delay, self.on_ambiguous)
