"""What is served, to whom, and how much of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from hub.settings.values import Origin, Port, RateText, Seconds, Slice


class HttpSettings(Slice):
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


class GrpcSettings(Slice):
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


class GraphQLSettings(Slice):
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


class StreamSettings(Slice):
    """Open live streams: sockets, server-sent events, and gRPC's."""

    per_user: int = Field(default=20, gt=0)
    """Streams that one end user may have open in a process."""
    in_total: int = Field(default=20_000, gt=0)
    """Streams that a process has open at most."""


class LimitSettings(Slice):
    """How much may be done in a while, such as `100/second` or `5000/hour`; unset: as much as can be. See docs/limits.md."""

    per_credential: RateText | None = None
    """Operations of one key, or of one end user; an item of a batch or stream counts one, a GraphQL document by its cost."""
    per_recipient: RateText | None = None
    """Notifications created for one user, whoever creates them."""


class AuthSettings(Slice):
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


class MetricsSettings(Slice):
    """Prometheus asks processes without HTTP of their own (relay, worker) here; the others answer on their HTTP port."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port | None = None
    """Unset: a relay or worker listens nowhere."""
