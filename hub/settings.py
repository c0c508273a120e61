"""Settings: read once from `HUB_…` environment variables, frozen, handed out in slices.

Nested names are joined by two underscores: `HUB_MONGO__URL` is `mongo.url`.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[timedelta, Field(gt=timedelta(0))]
"""A duration: a number of seconds, or ISO 8601 such as `PT1H`."""
Port = Annotated[int, Field(ge=0, le=65535)]


class _Slice(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HttpSettings(_Slice):
    """REST, GraphQL and the pages."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8000
    """0 picks a free one."""
    max_body_bytes: int = Field(default=8 * 1024 * 1024, gt=0)
    """Larger request bodies are answered 413."""


class GrpcSettings(_Slice):
    """The gRPC server."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 50051
    """0 picks a free one."""
    max_message_bytes: int = Field(default=8 * 1024 * 1024, gt=0)
    """Larger messages are answered RESOURCE_EXHAUSTED."""
    reflection: bool = True
    """Whether callers may ask the server for its protos."""


class MongoSettings(_Slice):
    """The store. Without a URL the hub starts a mongod of its own."""

    url: SecretStr | None = None
    """A replica set or sharded cluster; one that weakens write concern `majority` with journal is refused."""
    database: str = Field(default="hub", pattern=r"^[A-Za-z0-9_-]{1,60}$")
    timeout: Seconds = timedelta(seconds=10)
    """After this long a store that does not answer counts as unreachable."""


class AmqpSettings(_Slice):
    """The broker. Without a URL work is handed over inside the process."""

    url: SecretStr | None = None
    """A RabbitMQ node or cluster, `amqp://…` or `amqps://…`."""


class PipelineSettings(_Slice):
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


class RetentionSettings(_Slice):
    """How long data is kept."""

    settled: Seconds = timedelta(days=90)
    """Settled notifications."""
    idempotency_keys: Annotated[timedelta, Field(ge=timedelta(hours=24))] = timedelta(hours=48)
    """Idempotency keys, at least 24 hours."""


class DevSettings(_Slice):
    """For development only."""

    capture: bool | None = None
    """Take what is sent by local sinks instead of real providers; by default on with the embedded store."""
    demo: bool = False
    """Send a few notifications a second for show."""


class LogSettings(_Slice):
    """Logs go to standard error."""

    level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    format: str = Field(default="auto", pattern="^(auto|json|console)$")
    """`auto`: readable in a terminal, JSON elsewhere."""


class Role(StrEnum):
    """What a process does."""

    ALL = "all"
    API = "api"
    RELAY = "relay"
    WORKER = "worker"


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix="HUB_", env_nested_delimiter="__", frozen=True, extra="forbid", nested_model_default_partial_update=True
    )

    role: Role = Role.ALL
    """`all`, or one of `api`, `relay` and `worker` beside others (needs `HUB_AMQP__URL`)."""
    data_dir: Path = Path(".hub")
    """Where the embedded store keeps its data."""
    request_timeout: Seconds = timedelta(seconds=15)
    """Deadline of every operation; a gRPC client's own shortens it."""
    drain_timeout: Seconds = timedelta(seconds=20)
    """How long a stopping process waits for work in flight."""
    http: HttpSettings = HttpSettings()
    grpc: GrpcSettings = GrpcSettings()
    mongo: MongoSettings = MongoSettings()
    amqp: AmqpSettings = AmqpSettings()
    pipeline: PipelineSettings = PipelineSettings()
    retention: RetentionSettings = RetentionSettings()
    dev: DevSettings = DevSettings()
    log: LogSettings = LogSettings()
    channels: dict[str, dict[str, object]] = Field(default_factory=dict)
    """Settings of each channel, validated by the channel itself: `HUB_CHANNELS__EMAIL__HOST`."""
