"""The operation of health, in REST: what people and dashboards ask. Probes are another matter."""

from __future__ import annotations

from fastapi import APIRouter, Response

from hub.core.app import Core
from hub.domain.health import Health
from hub.transports.rest.answers import answer
from hub.transports.rest.auth import Guest
from hub.transports.rest.openapi import KEY_OR_NONE, PREFIX, operation
from hub.transports.rest.reports import HealthReport, health_body

STATUS_OF_HEALTH: dict[Health, int] = {Health.OK: 200, Health.DEGRADED: 200, Health.DOWN: 503}
"""A degraded hub accepts what it is given: whoever watches the status alone need not know."""


class HealthRoutes:
    """Each handler parses, makes one call and maps the answer."""

    def __init__(self, core: Core) -> None:
        self._core = core.health

    def add_to(self, router: APIRouter) -> None:
        """The route."""
        router.add_api_route(
            f"{PREFIX}/health",
            self.report,
            methods=["GET"],
            response_model=HealthReport,
            responses={503: {"model": HealthReport, "description": "The same, where the status is `down`."}},
            **operation("getHealth", "How the hub is", "health", "The report.", security=KEY_OR_NONE),
        )

    async def report(self, principal: Guest) -> Response:
        """Every process, the store, the broker and each channel, by what they left behind; nothing is probed.

        Where keys are configured and none is given, the overall word alone: `version` is null, the lists are empty.
        """
        report = await self._core.report(principal)
        return answer(health_body(report), STATUS_OF_HEALTH[report.status])
