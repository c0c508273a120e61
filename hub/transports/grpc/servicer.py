"""What all services stand on: the core, and who calls."""

from __future__ import annotations

from hub.core.app import Core
from hub.domain.principals import Principal
from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceServicer
from hub.transports.grpc.auth import Callers
from hub.transports.sharing import Renderings


class Servicer(Callers):
    """Base of every service; `calls` gives each call its deadline and its errors."""

    def __init__(self, core: Core) -> None:
        super().__init__(core.credentials, core.rates)
        self.core = core

    def check_stream(self, principal: Principal) -> None:
        """Raises what refuses a stream of items as a whole, before any is read."""


class NotificationServicer(Servicer, NotificationServiceServicer):
    """Base of the parts that `app` composes into one service."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.told: Renderings[pb.WatchInboxResponse] = Renderings()
        """What the streams of an inbox are told, made once for all of them."""
