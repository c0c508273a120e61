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
from typing import Annotated, Literal
from urllib.parse import urlsplit

import limits
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)


def _plain_number(value: object) -> object:
    """The environment has only text: a bare number in it means seconds."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Duration = Annotated[timedelta, BeforeValidator(_plain_number)]
Seconds = Annotated[Duration, Field(gt=timedelta(0))]
"""A duration: a number of seconds, or ISO 8601 such as `PT1H`."""
Port = Annotated[int, Field(ge=0, le=65535)]


def _with_a_port(origin: str) -> str:
    # Only looking at it tells: ValueError for a port beyond 65,535, and for brackets around what is no address.
    _ = urlsplit(origin).port
    return origin


Origin = Annotated[
    str,
    Field(pattern=r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$"),
    AfterValidator(_with_a_port),
]
"""Scheme, host and port of a page, as browsers send them (RFC 6454, section 7); a host beyond ASCII in its `xn--` form."""


LONGEST_WINDOW = timedelta(days=366)
LARGEST_AMOUNT = 1_000_000_000


def _rate(text: str) -> str:
    try:
        (item,) = limits.parse_many(text)
        fits = 0 < item.amount <= LARGEST_AMOUNT and item.get_expiry() <= LONGEST_WINDOW.total_seconds()
    except ValueError:
        fits = False
    if not fits:
        msg = f"must be such as 100/second or 5000 per 2 hours: 1 to {LARGEST_AMOUNT:,}, in a year at most"
        raise ValueError(msg)
    return text


RateText = Annotated[str, AfterValidator(_rate)]
"""How much in which time, as the library `limits` writes it: one limit, not several."""


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
    max_connections: int = Field(default=25_000, gt=0)
    """Connections that a process has open at most, sockets and streams included; further ones are answered 503, probes apart."""
    head_timeout: Seconds = timedelta(seconds=10)
    """So long a request's line and headers may take to come."""
    keep_alive: Annotated[Seconds, Field(ge=timedelta(seconds=1))] = timedelta(seconds=75)
    """How long a connection is kept between requests: longer than a proxy keeps its own (60 s is usual), or it sends a
    request into one that is just being closed."""
    allowed_origins: tuple[Origin, ...] = ()
    """Origins of pages beside the hub's own whose scripts may call it and open sockets, such as `["https://app.example"]`."""
    allowed_hosts: tuple[str, ...] = ()
    """Names besides those of loopback under which a hub on loopback that needs no credentials is called."""


class GrpcSettings(_Slice):
    """The gRPC server."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 50051
    """0 picks a free one."""
    max_message_bytes: int = Field(default=1024 * 1024, gt=0)
    """Larger messages are answered RESOURCE_EXHAUSTED. The largest create has less than half of this; grpc holds the
    messages of all calls that wait before the hub can refuse any, so that this bounds its memory."""
    reflection: bool | None = None
    """Whether callers may ask the server for its protos; by default where callers need no credentials."""
    tls_certificate: Path | None = None
    """The server's certificate chain, PEM. With it (and its key) only TLS is spoken."""
    tls_key: Path | None = None
    """The certificate's private key, PEM."""
    tls_client_ca: Path | None = None
    """Mutual TLS: callers must show a certificate that one of these, PEM, has signed. They need a key or token besides."""
    allow_plaintext: bool = False
    """Serve addresses beyond loopback without TLS, such as behind a proxy that ends it. Keys then travel readably."""
    max_concurrent_streams: int = Field(default=1000, gt=0)
    """Calls that one connection may have under way."""
    max_connections: int = Field(default=5000, gt=0)
    """Connections that a process has open at most; one more is closed at once."""
    connection_age: Seconds = timedelta(minutes=30)
    """After this long a connection takes no new calls: clients open another one. Calls and streams that are open on it go on."""

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self.tls_certificate is not None


class GraphQLSettings(_Slice):
    """What a GraphQL document may ask for."""

    introspection: bool | None = None
    """Whether the schema may be asked for; by default where callers need no credentials."""
    graphiql: bool | None = None
    """Whether a browser is shown GraphiQL; by default where callers need no credentials and any document is run."""
    trusted_documents: Path | None = None
    """A manifest of documents by id, as Relay's compiler writes it. With it nothing else is executed. See docs/limits.md."""
    max_depth: int = Field(default=15, gt=0)
    """Fields within fields."""
    max_aliases: int = Field(default=30, ge=0)
    """Aliases in a document."""
    max_directives: int = Field(default=30, ge=0)
    """Directives in a document."""
    max_cost: int = Field(default=20_000, gt=0)
    """What a document may cost: a point for each object it may return, page sizes multiplied."""


class StreamSettings(_Slice):
    """Open live streams: sockets, server-sent events, and gRPC's."""

    per_user: int = Field(default=20, gt=0)
    """Streams that one end user may have open in a process."""
    in_total: int = Field(default=20_000, gt=0)
    """Streams that a process has open at most."""


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


class AuthSettings(_Slice):
    """Credentials of callers: keys, and tokens of end users."""

    required: bool | None = None
    """Whether callers need a credential; by default once a keys file, a token secret or a JWKS is set."""
    keys_file: Path | None = None
    """A secrets file with hashed keys, beside those in the store (`python -m hub keys new --file` makes entries)."""
    token_secret: SecretStr | None = Field(default=None, min_length=32)
    """Signs the tokens that the hub issues for end users, HS256; 32 characters or more."""
    jwks_url: str | None = Field(default=None, pattern=r"^https?://[^\s/@]+(/\S*)?$")
    """Keys of an identity provider whose tokens open inboxes; https, or http on loopback. They are public: no password."""
    jwks_algorithms: tuple[Literal["RS256", "ES256"], ...] = ("RS256", "ES256")
    """The only algorithms accepted of it."""
    token_issuer: str = "notification-hub"  # noqa: S105 -- a name
    """The `iss` that tokens must bear."""
    token_audience: str = "notification-hub"  # noqa: S105 -- a name
    """The `aud` that tokens must bear."""
    tenant_claim: str = "tenant"
    """The claim that names the tenant."""
    token_lifetime: Annotated[Seconds, Field(le=timedelta(hours=24))] = timedelta(minutes=15)
    """How long the tokens live that the hub issues, unless it is asked for less. None may live longer than 24 hours, whoever
    issued it."""

    @property
    def demanded(self) -> bool:
        """Whether callers need a credential."""
        given = (self.keys_file, self.token_secret, self.jwks_url)
        return any(one is not None for one in given) if self.required is None else self.required


class LimitSettings(_Slice):
    """How much may be done in a while, such as `100/second` or `5000/hour`; unset: as much as can be. See docs/limits.md."""

    per_credential: RateText | None = None
    """Operations of one key, or of one end user; an item of a batch or stream counts one, a GraphQL document by its cost."""
    per_recipient: RateText | None = None
    """Notifications created for one user, whoever creates them."""


class MetricsSettings(_Slice):
    """Prometheus asks processes without HTTP of their own (relay, worker) here; the others answer on their HTTP port."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port | None = None
    """Unset: a relay or worker listens nowhere."""


class DevSettings(_Slice):
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
