"""Settings: read once from `HUB_…` environment variables, frozen, handed out in slices.

Nested names are joined by two underscores: `HUB_MONGO__URL` is `mongo.url`. What should not stand in the environment
can be a file of the variable's name in `HUB_SECRETS_DIR`; the variable wins over the file.
"""

from __future__ import annotations

import os
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from hub.settings.running import (
    AmqpSettings,
    DevSettings,
    LogSettings,
    MongoSettings,
    PipelineSettings,
    RetentionSettings,
)
from hub.settings.serving import (
    AuthSettings,
    GraphQLSettings,
    GrpcSettings,
    HttpSettings,
    LimitSettings,
    MetricsSettings,
    StreamSettings,
)
from hub.settings.values import Duration, Seconds

__all__ = [
    "AmqpSettings",
    "AuthSettings",
    "DevSettings",
    "GraphQLSettings",
    "GrpcSettings",
    "HttpSettings",
    "LimitSettings",
    "LogSettings",
    "MetricsSettings",
    "MongoSettings",
    "PipelineSettings",
    "RetentionSettings",
    "Role",
    "Settings",
    "StreamSettings",
    "env_name",
    "is_loopback",
    "own_address",
    "secrets_dir",
]


class Role(StrEnum):
    """What a process does."""

    ALL = "all"
    API = "api"
    RELAY = "relay"
    WORKER = "worker"


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix="HUB_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    role: Role = Role.ALL
    """`all`, or one of `api`, `relay` and `worker` beside others (needs `HUB_AMQP__URL`)."""
    data_dir: Path = Path(".hub")
    """Where the embedded store keeps its data."""
    secrets_dir: Path | None = None
    """A folder of files that stand for variables: its file `HUB_MONGO__URL` is read as that variable would be."""
    liveness_file: Path | None = None
    """Touched while the event loop turns; `python -m hub.admin.liveness` looks at it, in containers of any role."""
    request_timeout: Seconds = timedelta(seconds=15)
    """Deadline of every operation; a gRPC client's own shortens it."""
    in_flight_limit: int = Field(default=512, gt=0)
    """What an API process has under way at most; beyond it requests are refused at once with OVERLOADED. A request, a call,
    an item of a gRPC stream and an operation on a socket count one, and one more for each KiB of their bodies. Probes and
    metrics are always answered. See docs/overload.md."""
    allow_anonymous: bool = False
    """Serve addresses beyond loopback though callers need no credentials. Anybody who can connect may then do anything."""
    drain_delay: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(0)
    """How long a stopping process goes on serving after it has said that it is not ready, for load balancers to notice."""
    drain_timeout: Seconds = timedelta(seconds=30)
    """How long a stopping process waits for work in flight; what is sent when it ends may be sent again by another one.

    Longer than any channel's send timeout, so that this does not come to pass.
    """
    http: HttpSettings = HttpSettings()
    grpc: GrpcSettings = GrpcSettings()
    graphql: GraphQLSettings = GraphQLSettings()
    streams: StreamSettings = StreamSettings()
    limits: LimitSettings = LimitSettings()
    mongo: MongoSettings = MongoSettings()
    amqp: AmqpSettings = AmqpSettings()
    pipeline: PipelineSettings = PipelineSettings()
    retention: RetentionSettings = RetentionSettings()
    auth: AuthSettings = AuthSettings()
    metrics: MetricsSettings = MetricsSettings()
    dev: DevSettings = DevSettings()
    log: LogSettings = LogSettings()
    channels: dict[str, dict[str, object]] = Field(default_factory=dict)
    """Settings of each channel, validated by the channel itself: `HUB_CHANNELS__EMAIL__HOST`."""

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.role is not Role.ALL and self.amqp.url is None:
            msg = f"HUB_ROLE={self.role} needs HUB_AMQP__URL: without a broker one process does everything"
            raise ValueError(msg)
        if self.retention.settled <= self.retention.idempotency_keys:
            msg = (
                "HUB_RETENTION__SETTLED must be longer than HUB_RETENTION__IDEMPOTENCY_KEYS: a repeat would send again"
            )
            raise ValueError(msg)
        for name, host in self._listeners.items():
            if not is_loopback(host) and not self.allow_anonymous and not self.auth.demanded:
                msg = (
                    f"{name}={host} can be reached by others, and callers need no credentials: set HUB_AUTH__KEYS_FILE"
                    " or HUB_AUTH__REQUIRED, or HUB_ALLOW_ANONYMOUS"
                )
                raise ValueError(msg)
            # Not even the embedded store's default: that it is shown to others has to be said in so many words.
            if not is_loopback(host) and self.captures and not (self.allow_anonymous and self.dev.capture):
                msg = (
                    f"{name}={host} can be reached by others, and capture would show them what is sent: set"
                    " HUB_DEV__CAPTURE to false, or both it and HUB_ALLOW_ANONYMOUS to true"
                )
                raise ValueError(msg)
        self._check_grpc()
        return self

    def _check_grpc(self) -> None:
        tls = self.grpc
        if (tls.tls_certificate is None) is not (tls.tls_key is None):
            given, missing = ("CERTIFICATE", "KEY") if tls.tls_key is None else ("KEY", "CERTIFICATE")
            msg = f"HUB_GRPC__TLS_{given} needs HUB_GRPC__TLS_{missing}"
            raise ValueError(msg)
        if tls.tls_client_ca is not None and not tls.encrypted:
            msg = "HUB_GRPC__TLS_CLIENT_CA needs HUB_GRPC__TLS_CERTIFICATE and HUB_GRPC__TLS_KEY"
            raise ValueError(msg)
        if self.shows_grpc_plainly and not tls.allow_plaintext:
            msg = (
                f"HUB_GRPC__HOST={tls.host} can be reached by others, and keys would travel readably: set"
                " HUB_GRPC__TLS_CERTIFICATE and HUB_GRPC__TLS_KEY, or HUB_GRPC__ALLOW_PLAINTEXT"
            )
            raise ValueError(msg)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where settings come from, the first wins: arguments, variables, the files of `HUB_SECRETS_DIR`."""
        del settings_cls, dotenv_settings
        folder = secrets_dir()
        if folder is None:
            return init_settings, env_settings
        return init_settings, env_settings, NestedSecretsSettingsSource(file_secret_settings, secrets_dir=folder)

    @property
    def open_listeners(self) -> list[str]:
        """The addresses that others than this machine can reach."""
        return sorted({host for host in self._listeners.values() if not is_loopback(host)})

    @property
    def shows_grpc_plainly(self) -> bool:
        """Whether gRPC goes over a network as it is, readable on the way."""
        serves = self.role in {Role.ALL, Role.API}
        return serves and not is_loopback(self.grpc.host) and not self.grpc.encrypted

    @property
    def _listeners(self) -> dict[str, str]:
        """Every address that is listened on, by the variable that sets it."""
        hosts = {"HUB_HTTP__HOST": self.http.host, "HUB_GRPC__HOST": self.grpc.host}
        return hosts if self.metrics.port is None else {**hosts, "HUB_METRICS__HOST": self.metrics.host}

    @property
    def reflects(self) -> bool:
        """Whether gRPC callers may ask for the protos: as set, else where callers need no credentials."""
        return not self.auth.demanded if self.grpc.reflection is None else self.grpc.reflection

    @property
    def introspects(self) -> bool:
        """Whether GraphQL callers may ask for the schema: as set, else where callers need no credentials."""
        return not self.auth.demanded if self.graphql.introspection is None else self.graphql.introspection

    @property
    def explores(self) -> bool:
        """Whether a browser is shown GraphiQL: as set, else where callers need no credentials and any document is run."""
        if self.graphql.graphiql is not None:
            return self.graphql.graphiql
        return not self.auth.demanded and self.graphql.trusted_documents is None

    @property
    def captures(self) -> bool:
        """Whether local sinks take what is sent: as set, else with the embedded store."""
        return self.mongo.url is None if self.dev.capture is None else self.dev.capture


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def own_address(host: str) -> str:
    """The address at which this machine reaches what listens there, as it stands in a URL."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- told apart, not listened on
    return f"[{host}]" if ":" in host else host


def secrets_dir() -> Path | None:
    """The folder that `HUB_SECRETS_DIR` names; ValueError if there is none of that name."""
    named = os.environ.get("HUB_SECRETS_DIR")
    if named and not Path(named).is_dir():
        msg = f"HUB_SECRETS_DIR={named} is not a folder"
        raise ValueError(msg)
    return Path(named) if named else None


def env_name(location: tuple[int | str, ...]) -> str:
    """The environment variable of a setting."""
    return "HUB_" + "__".join(str(part) for part in location).upper()
