"""The REST protocol as one ASGI application, built from the core by the composition root."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from hub import __version__
from hub.core.admission import Admission
from hub.core.app import Core
from hub.settings import Settings
from hub.transports.metering import Metered
from hub.transports.rest import errors, openapi
from hub.transports.rest.access import AccessRoutes
from hub.transports.rest.dead_letters import DeadLetterRoutes
from hub.transports.rest.health import HealthRoutes
from hub.transports.rest.inbox import InboxRoutes
from hub.transports.rest.middleware import Admitted, Correlation, HeadAsGet
from hub.transports.rest.notifications import NotificationRoutes
from hub.transports.rest.probes import PATHS, ProbeRoutes
from hub.transports.rest.receipts import ReceiptRoutes
from hub.transports.rest.requests import route_class
from hub.transports.rest.statistics import StatisticsRoutes
from hub.transports.rest.streams import Streams
from hub.transports.rest.users import UserRoutes


class RestApp(FastAPI):
    """FastAPI with our OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = openapi.document(self)
        return self.openapi_schema


def build(
    core: Core, settings: Settings, *, streams: Streams | None = None, admission: Admission | None = None
) -> FastAPI:
    """The application. `app.state.streams` is what a stopping process announces its drain to, and drains."""
    streams = streams or Streams()
    app = RestApp(
        title="Notification hub",
        version=__version__,
        summary="E-mail, SMS and in-app notifications.",
        description=openapi.DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        openapi_tags=openapi.TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.streams = streams
    app.router.route_class = route_class(settings, core.credentials, core.rates)
    NotificationRoutes(core, streams).add_to(app.router)
    InboxRoutes(core, streams).add_to(app.router)
    DeadLetterRoutes(core).add_to(app.router)
    UserRoutes(core).add_to(app.router)
    StatisticsRoutes(core).add_to(app.router)
    AccessRoutes(core).add_to(app.router)
    HealthRoutes(core).add_to(app.router)
    ReceiptRoutes(core).add_to(app.router)
    ProbeRoutes(core, streams).add_to(app.router)
    errors.install(app)
    app.add_middleware(HeadAsGet)
    app.add_middleware(Metered)
    app.add_middleware(Admitted, admission=admission or Admission(), always=PATHS)
    app.add_middleware(Correlation)  # added last: the outermost
    return app
