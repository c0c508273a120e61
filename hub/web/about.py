"""What the pages say of the hub that serves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class About:
    """Nothing that may not be shown to whoever can connect."""

    version: str
    channels: tuple[str, ...]
    grpc_host: str
    """As it listens: the address of one interface, or of all."""
    grpc_port: int
    grpc_reflection: bool
    graphiql: bool
    """Whether a browser is shown GraphiQL."""
    credentials: bool
    """Whether callers need any."""
    capture: bool
    """Whether the outbox page is served."""

    def as_json(self) -> dict[str, Any]:
        """The body of `/about.json`."""
        return {
            "version": self.version,
            "channels": list(self.channels),
            "grpc": {"host": self.grpc_host, "port": self.grpc_port, "reflection": self.grpc_reflection},
            "graphql": {"graphiql": self.graphiql},
            "credentials": self.credentials,
            "capture": self.capture,
        }
