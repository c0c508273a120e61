"""What surrounds every request: its correlation id, its place, the answer to what nobody expected, and HEAD."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.core.admission import Admission, declared_bytes
from hub.domain.errors import HubError, internal
from hub.log import correlated, get_logger
from hub.transports.refusing import unhurried
from hub.transports.rest.errors import problem

CORRELATION_HEADER = "X-Correlation-Id"
_HEADER = CORRELATION_HEADER.lower().encode()

_log = get_logger(__name__)


class Correlation:
    """Runs each request under its correlation id, gives the id out, and keeps our defects off the wire."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything that is no request (such as the lifespan) through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with correlated(_given(scope)) as identifier:
            await self._answer(scope, receive, send, identifier)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, identifier: str) -> None:
        started = False

        async def tagged(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", ()), (_HEADER, identifier.encode())]}
            await send(message)

        try:
            await self._app(scope, receive, tagged)
        except ClientDisconnect:
            _log.debug("client_gone")
        except Exception:  # noqa: BLE001 - the last place where it can be logged and answered
            # The template of the path, not the path: that may hold somebody's address.
            _log.exception("request_failed", method=scope["method"], route=getattr(scope.get("route"), "path", None))
            if not started:
                await problem(internal())(scope, receive, tagged)


class Admitted:
    """Refuses a request for which there is no place, before anything of it is read; it holds its own until it is answered.

    Paths that are `always` served answer however much is under way: probes.
    """

    def __init__(self, app: ASGIApp, admission: Admission, always: Iterable[str]) -> None:
        self._app = app
        self._admission = admission
        self._always = frozenset(always)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything that is no request through."""
        if scope["type"] != "http" or scope["path"] in self._always:
            await self._app(scope, receive, send)
            return
        declared = declared_bytes(Headers(scope=scope).get("content-length"))
        try:
            place = await self._admission.admit(declared)
        except HubError as error:
            await problem(error)(scope, receive, unhurried(send, self._admission.turns))
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            # Only a body whose size nobody declared is larger than it was taken for.
            place.grow(read)
            return message

        async def leaving(message: Message) -> None:
            # From here on it is a reader's pace that counts; a stream may go on for hours.
            place.leave()
            await send(message)

        with place:
            await self._app(scope, receive if declared else counted, leaving)


class HeadAsGet:
    """Answers HEAD as GET without the body (RFC 9110, section 9.3.2); a stream ends with its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything but HEAD through."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        ended = False

        async def bodiless(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                await send(message)
            elif not ended:
                # From here on `receive` tells of a disconnect, which closes what would go on.
                ended = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app({**scope, "method": "GET"}, receive, bodiless)


def _given(scope: Scope) -> str | None:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == _HEADER), None)
