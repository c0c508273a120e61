"""What a service may set of its client, and what becomes of it in the channel."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta

import grpc

from hub.client.retries import Backoff

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Tls:
    """A channel that is encrypted; PEM all of it."""

    root_certificates: bytes | None = None
    """Whom to believe; None: the authorities that grpc brings."""
    private_key: bytes | None = field(default=None, repr=False)
    """Of the client, where the other side asks for a certificate."""
    certificate_chain: bytes | None = None
    """Of the client, likewise."""
    server_name: str | None = None
    """The name in the server's certificate, if it is not that of the address."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Everything that can be set; the defaults fit a service in the same network."""

    key: str | None = field(default=None, repr=False)
    """The bearer key, where the hub has keys. Without TLS it goes over the network as it is."""
    tls: Tls | None = None
    """None: not encrypted."""
    user_agent: str = "hub-client"
    """Names the service in the logs of proxies."""
    timeout: timedelta = timedelta(seconds=30)
    """Of a call, all its tries and waits together, where the call does not say.

    In a stream of creates: how long the hub may stay away, or an item fail for passing reasons.
    """
    try_timeout: timedelta = timedelta(seconds=10)
    """Of one try: an answer that was lost leaves time for another."""
    backoff: Backoff = field(default_factory=Backoff)
    """Between tries."""
    silence: timedelta = timedelta(seconds=45)
    """A watch without even a heartbeat (one every 15 seconds) for so long is taken for dead, and opened again."""
    keepalive: timedelta = timedelta(seconds=20)
    """How often the connection is asked whether it lives; the hub allows every 10 seconds."""
    max_answer_bytes: int = 64 * 1024 * 1024
    """A page of 100 of the longest notifications is larger than the 4 MiB that grpc takes."""

    def metadata(self) -> Metadata:
        """What goes with every call."""
        return () if self.key is None else (("authorization", f"Bearer {self.key}"),)

    def open(self, target: str) -> grpc.aio.Channel:
        """A channel to the target; it connects when it is first used."""
        arguments = self._arguments()
        if self.tls is None:
            return grpc.aio.insecure_channel(target, arguments)
        if self.tls.server_name is not None:
            arguments.append(("grpc.ssl_target_name_override", self.tls.server_name))
        credentials = grpc.ssl_channel_credentials(
            self.tls.root_certificates, self.tls.private_key, self.tls.certificate_chain
        )
        return grpc.aio.secure_channel(target, credentials, arguments)

    def _arguments(self) -> list[tuple[str, str | int]]:
        return [
            ("grpc.primary_user_agent", self.user_agent),
            ("grpc.max_receive_message_length", self.max_answer_bytes),
            ("grpc.max_send_message_length", -1),
            # A hub that has gone silent is noticed, while a stream waits and while nothing goes on.
            ("grpc.keepalive_time_ms", round(self.keepalive.total_seconds() * 1000)),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            # grpc's own waits (a second, growing to two minutes) would outlast ours.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 3_000),
            ("grpc.max_reconnect_backoff_ms", 3_000),
            # All addresses of a name share the calls, and one that goes away is left out.
            ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
        ]
