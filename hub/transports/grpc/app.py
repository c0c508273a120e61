"""The gRPC server: `hub.v1`, health and reflection on one port."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE

from hub.core.admission import Admission
from hub.core.app import Core
from hub.core.tasks import checkpoint, ended
from hub.log import get_logger
from hub.rpc.v1 import access_pb2, health_pb2, notifications_pb2, users_pb2
from hub.settings import GrpcSettings
from hub.transports.grpc.access import AccessService
from hub.transports.grpc.calls import Calls
from hub.transports.grpc.certificates import certificates
from hub.transports.grpc.dead_letters import DeadLetterRpcs
from hub.transports.grpc.health import HealthService
from hub.transports.grpc.inbox import InboxRpcs
from hub.transports.grpc.notifications import NotificationRpcs
from hub.transports.grpc.options import server_options
from hub.transports.grpc.probes import REFLECTION_SERVICES, Health, Reflection
from hub.transports.grpc.statistics import StatisticsRpcs
from hub.transports.grpc.streams import OpenStreams
from hub.transports.grpc.users import UserService

log = get_logger(__name__)

READINESS_INTERVAL = timedelta(seconds=1)
"""How often health looks at the core's readiness."""
READY_WITHIN = timedelta(seconds=2)
"""A store that answers later than this is down, as far as health is concerned; the same as for REST's probe."""


class NotificationService(NotificationRpcs, InboxRpcs, DeadLetterRpcs, StatisticsRpcs):
    """`hub.v1.NotificationService`, put together from its parts."""


SERVICES = {
    notifications_pb2.DESCRIPTOR.services_by_name["NotificationService"]: NotificationService,
    users_pb2.DESCRIPTOR.services_by_name["UserService"]: UserService,
    access_pb2.DESCRIPTOR.services_by_name["AccessService"]: AccessService,
    health_pb2.DESCRIPTOR.services_by_name["HealthService"]: HealthService,
}
"""Every service of `hub.v1`, and what serves it."""


class GrpcServer:
    """A running server. Leaves in three steps: `announce_drain` when the process is told to stop, `drain`, `stop`."""

    def __init__(
        self, core: Core, settings: GrpcSettings, request_timeout: timedelta, admission: Admission, *, reflects: bool
    ) -> None:
        self._core = core
        self._streams = OpenStreams()
        self._probes = OpenStreams()
        names = [service.full_name for service in SERVICES]
        self._health = Health(names, self._probes)
        self._server = grpc.aio.server(options=server_options(settings))
        calls = Calls(request_timeout, settings.max_message_bytes, self._streams, admission, core.standings)
        self._server.add_generic_rpc_handlers(
            [calls.handlers(descriptor, service(core)) for descriptor, service in SERVICES.items()]
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if reflects:
            listed = [*names, HEALTH_SERVICE, REFLECTION_SERVICES[0]]
            self._server.add_generic_rpc_handlers(Reflection(listed, self._probes).handlers())
        self.port = self._listen(settings)
        self._readiness: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serves; health says SERVING from the moment the core is ready."""
        await self._health.set_serving(await self._is_ready())
        await self._server.start()
        # Owned by this object until `announce_drain` cancels it.
        self._readiness = asyncio.get_running_loop().create_task(self._follow_readiness())

    async def announce_drain(self) -> None:
        """Health says NOT_SERVING from now on, however ready the core is; everything goes on being served."""
        if self._readiness is not None:
            # Not cancelled once: it asks the store, and may miss that.
            await ended(self._readiness)
            self._readiness = None
        # A watcher of health that does not read holds the library's lock: nobody waits for it.
        with suppress(TimeoutError):
            async with asyncio.timeout(READINESS_INTERVAL.total_seconds()):
                await self._health.enter_graceful_shutdown()

    async def drain(self) -> None:
        """Open streams end with a retryable UNAVAILABLE; unary calls are still served."""
        await self.announce_drain()
        self._streams.end()

    async def stop(self, grace: timedelta) -> None:
        """Refuses new calls at once and waits for those under way, at most `grace`."""
        await self.drain()
        self._probes.end()
        await self._server.stop(grace.total_seconds())

    def _listen(self, settings: GrpcSettings) -> int:
        address, found = _address(settings.host, settings.port), certificates(settings)
        if found is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, found.credentials())

    async def _follow_readiness(self) -> None:
        while True:
            checkpoint()
            await asyncio.sleep(READINESS_INTERVAL.total_seconds())
            await self._health.set_serving(await self._is_ready())

    async def _is_ready(self) -> bool:
        try:
            async with asyncio.timeout(READY_WITHIN.total_seconds()):
                return await self._core.ready()
        except Exception as error:  # noqa: BLE001 - whatever it is, ready is something else
            log.warning("readiness_unknown", error=type(error).__name__)
            return False


async def serve(
    core: Core,
    settings: GrpcSettings,
    *,
    request_timeout: timedelta,
    admission: Admission | None = None,
    reflects: bool = True,
) -> GrpcServer:
    """A started server; `port` says where it listens.

    Raises RuntimeError if the port is taken, CertificateError if the files of TLS can't be used.
    """
    server = GrpcServer(core, settings, request_timeout, admission or Admission(), reflects=reflects)
    await server.start()
    return server


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
