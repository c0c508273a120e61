"""The REST protocol as one ASGI application, built from the core by the composition root."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

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
from hub.transports.rest.notifications import CREATE, NotificationRoutes
from hub.transports.rest.probes import PATHS, ProbeRoutes
from hub.transports.rest.receipts import ReceiptRoutes
from hub.transports.rest.requests import route_class
from hub.transports.rest.statistics import StatisticsRoutes
from hub.transports.rest.streams import Streams
from hub.transports.rest.users import UserRoutes


class RestApp(FastAPI):
    """FastAPI with our OpenAPI document, and a shorter way for the one operation that is asked for most."""

    shortcut: tuple[str, str, ASGIApp] | None = None
    """A method, a path, and what answers there."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if self.shortcut is not None and scope["type"] == "http":
            method, path, answer = self.shortcut
            if scope["path"] == path and scope["method"] == method:
                await answer(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

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
    admission = admission or Admission()
    app.add_middleware(HeadAsGet)
    app.add_middleware(Metered)
    app.add_middleware(Admitted, admission=admission, always=PATHS)
    app.add_middleware(Correlation)  # added last: the outermost
    app.shortcut = _shortcut(app, admission)
    return app


def _shortcut(app: FastAPI, admission: Admission) -> tuple[str, str, ASGIApp]:
    """Creates go through the same layers of ours, and around the twelve of FastAPI and Starlette."""
    (route,) = (route for route in app.router.routes if isinstance(route, APIRoute) and route.operation_id == CREATE)
    handle = route.get_route_handler()

    async def operate(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = route  # as Starlette's router leaves it: logs name the operation by it
        response = await errors.answered(handle, Request(scope, receive))
        await response(scope, receive, send)

    (method,) = route.methods or {"POST"}
    return method, route.path, Correlation(Admitted(Metered(operate), admission, PATHS))
