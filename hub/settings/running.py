"""Stores, the pipeline, what is kept, and what is for development."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, SecretStr

from hub.settings.values import Duration, Port, Seconds, Slice


class MongoSettings(Slice):
    """The store. Without a URL the hub starts a mongod of its own."""

    url: SecretStr | None = None
    """A replica set or sharded cluster; one that weakens write concern `majority` with journal is refused."""
    database: str = Field(default="hub", pattern=r"^[A-Za-z0-9_-]{1,60}$")
    timeout: Seconds = timedelta(seconds=10)
    """After this long a store that does not answer counts as unreachable."""


class AmqpSettings(Slice):
    """The broker. Without a URL work is handed over inside the process."""

    url: SecretStr | None = None
    """A RabbitMQ node or cluster, `amqp://…` or `amqps://…`."""


class PipelineSettings(Slice):
    """Relay, workers and retries."""

    sweep_interval: Seconds = timedelta(milliseconds=500)
    """How often the relay looks for what is due."""
    handover_grace: Seconds = timedelta(seconds=5)
    """How long the hand-over from memory has before the sweep takes a notification up."""
    requeue_after: Seconds = timedelta(seconds=10)
    """How long what the sweep has published may wait for a worker before it is published again."""
    lease: Seconds = timedelta(seconds=60)
    """How long a claim holds; every channel's send timeout must be under half of it."""
    longest_retry_delay: Seconds = timedelta(hours=1)
    """Cap of the exponential backoff."""


class RetentionSettings(Slice):
    """How long data is kept."""

    settled: Seconds = timedelta(days=90)
    """Settled notifications."""
    idempotency_keys: Annotated[Duration, Field(ge=timedelta(hours=24))] = timedelta(hours=48)
    """Idempotency keys, at least 24 hours."""
    audit: Seconds = timedelta(days=365)
    """Entries of the audit trail."""
    rollups: Annotated[Duration, Field(ge=timedelta(hours=24))] | None = None
    """Statistics, at least 24 hours; by default for ever."""

    @property
    def countable(self) -> timedelta:
        """How far back an hour's statistics can still be counted from its notifications, and are worth it."""
        return self.settled if self.rollups is None else min(self.settled, self.rollups)


class DevSettings(Slice):
    """For development only."""

    capture: bool | None = None
    """Take what is sent by local sinks instead of real providers; by default on with the embedded store.

    Whoever reaches the hub can read what they took: beyond loopback it must be set, and `HUB_ALLOW_ANONYMOUS` with it.
    """
    capture_smtp_port: Port = 0
    """Port of the SMTP sink on loopback; 0 picks a free one, which only roles in the same process can find."""
    capture_sms_port: Port = 0
    """Port of the SMS gateway on loopback; likewise."""
    capture_webhook_port: Port = 0
    """Port of the webhook sink on loopback; likewise."""
    demo: bool = False
    """Send a few notifications a second for show."""


class LogSettings(Slice):
    """Logs go to standard error."""

    level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    format: str = Field(default="auto", pattern="^(auto|json|console)$")
    """`auto`: readable in a terminal, JSON elsewhere."""
