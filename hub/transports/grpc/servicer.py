"""What all parts of the service stand on: the core, and who calls."""

from __future__ import annotations

from hub.core.app import Core
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceServicer
from hub.transports.grpc.auth import PrincipalOf


class Servicer(NotificationServiceServicer):
    """Base of the parts that `app` composes into one service; `calls` gives each call its deadline and its errors."""

    def __init__(self, core: Core, principal_of: PrincipalOf) -> None:
        self.core = core
        self.principal_of = principal_of
