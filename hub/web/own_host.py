"""A hub without credentials, on loopback: what pages of others make a browser of this machine send is refused.

Whoever can connect may do anything there, and every page that somebody on the machine looks at can make their browser
connect: by a form or a plain POST, which need no preflight (fetch.spec.whatwg.org, section 3.3), or under a name of its
own that it has let point here since (DNS rebinding), as which it even reads the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address

from hub.domain.errors import HubError, Reason
from hub.web.site import Asgi, Receive, Scope, Send

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
Refusal = Callable[[HubError], Asgi]
"""How refusals look over HTTP."""


class OwnHost:
    """Lets through what is meant for this machine and comes from a page of its own or none."""

    def __init__(self, app: Asgi, hosts: Iterable[str], origins: Iterable[str], refusal: Refusal) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origin.lower() for origin in origins)
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses with PERMISSION_DENIED; sockets at their upgrade."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        fault = self._fault(scope)
        if fault is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._refusal(HubError(Reason.PERMISSION_DENIED, fault))(scope, receive, send)

    def _fault(self, scope: Scope) -> str | None:
        given = {name: value.decode("latin-1").lower() for name, value in scope["headers"]}
        host, origin = given.get(b"host"), given.get(b"origin")
        if host is not None and not self._is_own(host):
            return (
                "This hub needs no credentials, so it answers to names of this machine only (HUB_HTTP__ALLOWED_HOSTS)."
            )
        if origin is None or scope.get("method") in _SAFE or origin in self._origins:
            return None
        if host is None or origin.partition("://")[2] != host:
            return "This hub needs no credentials, so pages of others may change nothing (HUB_HTTP__ALLOWED_ORIGINS)."
        return None

    def _is_own(self, host: str) -> bool:
        name = _without_port(host)
        if name in self._hosts or name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return False


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
