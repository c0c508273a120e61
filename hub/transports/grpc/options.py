"""What one connection may ask of the gRPC server: sizes, streams, pings, and for how long."""

from __future__ import annotations

from datetime import timedelta

from hub.settings import GrpcSettings

MAX_METADATA_BYTES = 16 * 1024
"""Headers of a call, counted as HTTP/2 does; as much as over HTTP/1.1."""
PING_INTERVAL = timedelta(seconds=10)
"""Clients may ping that often, watching or idle. The third one that comes sooner ends the connection."""
HANDSHAKE_LIMIT = timedelta(seconds=10)
"""Whoever connects has begun to speak HTTP/2, and TLS before it, by then."""


def server_options(settings: GrpcSettings) -> list[tuple[str, int]]:
    """The server's channel arguments."""
    return [
        # Twice the limit that `calls` keeps: what is not far beyond it is refused with details, the rest by grpc itself.
        ("grpc.max_receive_message_length", 2 * settings.max_message_bytes),
        # A page of the longest notifications is larger than any request; the client's own limit decides.
        ("grpc.max_send_message_length", -1),
        # Between the first and the second of these grpc would refuse at random.
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.max_concurrent_streams", settings.max_concurrent_streams),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.server_handshake_timeout_ms", _milliseconds(HANDSHAKE_LIMIT)),
        # A second hub on the same port must fail to start, not take half of the first one's calls.
        ("grpc.so_reuseport", 0),
        # A peer that has gone silent is noticed within half a minute, and frees its streams.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _milliseconds(PING_INTERVAL)),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.http2.max_pings_without_data", 0),
        # New calls go over a new connection then, to whichever process and with whichever certificates there are by that
        # time. No grace is set: streams that are open go on for as long as their readers and credentials last.
        ("grpc.max_connection_age_ms", _milliseconds(settings.connection_age)),
    ]


def _milliseconds(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
