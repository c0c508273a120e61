"""Probes: whether to restart this process (`/livez`), and whether to send it requests (`/readyz`)."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response

from hub.core.app import Core
from hub.domain.errors import HubError, Reason
from hub.transports.rest.answers import Probe, answer
from hub.transports.rest.openapi import NO_KEY, operation
from hub.transports.rest.streams import Streams

READY_SECONDS = 2.0
"""A store that answers later than this is down, as far as a probe is concerned."""
PATHS = ("/livez", "/readyz")
"""Answered however much is under way."""
_TAG = "probes"


class ProbeRoutes:
    """The probes of an API process."""

    def __init__(self, core: Core, streams: Streams) -> None:
        self._ready = core.ready
        self._streams = streams

    def add_to(self, router: APIRouter) -> None:
        """The routes."""
        router.add_api_route(
            "/livez",
            self.livez,
            methods=["GET"],
            response_model=Probe,
            **operation("livez", "Is it alive?", _TAG, "It is.", security=NO_KEY),
        )
        router.add_api_route(
            "/readyz",
            self.readyz,
            methods=["GET"],
            response_model=Probe,
            **operation("readyz", "Is it ready?", _TAG, "It is.", security=NO_KEY),
        )

    async def livez(self) -> Response:
        """The event loop turns; says nothing of anything outside."""
        return answer({"status": "ok"})

    async def readyz(self) -> Response:
        """The store answers and the process is not stopping; 503 otherwise. The broker is no part of it."""
        if self._streams.draining:
            raise HubError(Reason.OVERLOADED, "This process is stopping.")
        if not await self._store_answers():
            raise HubError(Reason.STORE_UNREACHABLE, "The store does not answer.")
        return answer({"status": "ok"})

    async def _store_answers(self) -> bool:
        try:
            async with asyncio.timeout(READY_SECONDS):
                return await self._ready()
        except TimeoutError:
            return False
