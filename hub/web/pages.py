"""The pages that the hub serves itself: the start page, the inbox, Swagger UI, GraphiQL, and what they are made of.

They are built from `frontend/` by `scripts/build-frontend`; what it wrote is committed in `static/`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.web.about import About
from hub.web.files import HASHED, REVALIDATED, File, Folder
from hub.web.policy import security_headers

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
_PROTOS = (_HERE / "protos", _HERE.parents[1] / "protos")
"""In the wheel, and in the source tree."""

COMPONENT = "/notification-inbox.js"
"""Where pages load `<notification-inbox>` from; docs/inbox.md promises the path."""
PATHS = ("/", "/inbox", COMPONENT, "/docs", "/about.json", "/assets", "/protos", "/licenses.md", "/favicon.ico")
"""What `app` serves, itself or beneath; nothing is beneath `/`."""


def app(about: About) -> Starlette:
    """Serves `PATHS`."""
    assets = Folder(_STATIC / "assets", HASHED)
    protos = Folder(next(folder for folder in _PROTOS if folder.is_dir()), REVALIDATED)
    told = {**about.as_json(), "protos": protos.names}

    async def as_json(_request: Request) -> Response:
        return JSONResponse(told, headers={**security_headers(), "Cache-Control": REVALIDATED})

    application = Starlette(
        routes=[
            Route("/", File.read(_STATIC / "start.html", REVALIDATED).answer),
            Route("/inbox", File.read(_STATIC / "inbox.html", REVALIDATED).answer),
            Route(COMPONENT, File.read(_STATIC / "notification-inbox.js", REVALIDATED).shared().answer),
            Route("/docs", File.read(_STATIC / "docs.html", REVALIDATED).answer),
            Route("/licenses.md", File.read(_STATIC / "licenses.md", REVALIDATED).answer),
            Route("/favicon.ico", File.read(next(_STATIC.glob("assets/icon-*.svg")), REVALIDATED).answer),
            Route("/about.json", as_json),
            Route("/assets/{name:path}", assets.answer),
            Route("/protos/{name:path}", protos.answer),
        ]
    )
    application.router.redirect_slashes = False
    return application


def graphiql() -> Callable[[Request], Response]:
    """What answers GET and HEAD of a browser that opens the GraphQL endpoint."""
    # Its editor writes style elements and style attributes while it runs.
    return File.read(_STATIC / "graphiql.html", REVALIDATED, style_src="'self' 'unsafe-inline'").answer
