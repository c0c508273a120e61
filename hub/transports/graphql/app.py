"""GraphQL at `/graphql`: one ASGI application for HTTP and WebSockets, mounted in front of everything else."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from hub.core.admission import Admission
from hub.core.app import Core
from hub.settings import Settings
from hub.transports.graphql.documents import Documents
from hub.transports.graphql.drain import Drain
from hub.transports.graphql.fanout import Fanout
from hub.transports.graphql.http import HttpEndpoint, Page
from hub.transports.graphql.schema import build_schema
from hub.transports.graphql.sockets import Sockets
from hub.transports.metering import Metered


class GraphQLApp:
    """Whatever path it is mounted at; it looks at none."""

    def __init__(self, http: HttpEndpoint, sockets: Sockets, drain: Drain) -> None:
        self._http = Metered(http)
        self._sockets = sockets
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application for the scopes `http` and `websocket`."""
        endpoint = self._sockets if scope["type"] == "websocket" else self._http
        await endpoint(scope, receive, send)

    async def drain(self) -> None:
        """Closes sockets with 1012 and ends event streams, so that clients come back; opens none any more.

        Returns when all are gone. Queries and mutations by HTTP go on being answered.
        """
        await self._drain.run()


def build(
    core: Core, settings: Settings, *, page: Page | None = None, admission: Admission | None = None
) -> GraphQLApp:
    """The application; nothing is opened or started. `page` is what a browser sees at the endpoint.

    ValueError with a sentence for trusted documents that can't be used.
    """
    documents = Documents.of(settings)
    schema = build_schema(documents, settings.request_timeout)
    documents.check_trusted(schema.definition)
    drain = Drain()
    admission = admission or Admission()
    fanout = Fanout(schema, documents, core)
    return GraphQLApp(
        HttpEndpoint(schema, documents, core, admission, settings, drain, fanout, page),
        Sockets(schema, documents, core, admission, settings, drain, fanout),
        drain,
    )


def check_documents(settings: Settings) -> None:
    """ValueError with a sentence for trusted documents that can't be used: known before anything is started."""
    if settings.graphql.trusted_documents is not None:
        documents = Documents.of(settings)
        documents.check_trusted(build_schema(documents, settings.request_timeout).definition)
