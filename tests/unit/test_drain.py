"""What a stopping process waits for fits together."""

from __future__ import annotations

from hub.channels.registry import CHANNELS
from hub.settings import Settings


def test_a_stopping_worker_waits_longer_than_any_send_takes() -> None:
    """Otherwise a slow provider's answer is never heard, and the mail goes out twice."""
    timeouts = {name: entry.settings.model_fields["send_timeout"].default for name, entry in CHANNELS.items()}
    assert max(timeouts.values()) < Settings().drain_timeout, timeouts
