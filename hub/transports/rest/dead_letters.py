"""Operations on dead letters, in REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from hub.core.app import Core
from hub.transports.rest.answers import Count, NotificationPage, answer, page_answer
from hub.transports.rest.auth import Caller
from hub.transports.rest.notifications import PAGE_RESPONSE
from hub.transports.rest.openapi import BODY_PROBLEMS, PREFIX, operation
from hub.transports.rest.schemas import DeadLetterSelection, TenantListQuery

_TAG = "dead-letters"


class DeadLetterRoutes:
    """Each handler parses, makes one call and maps the answer."""

    def __init__(self, core: Core) -> None:
        self._core = core.dead_letters

    def add_to(self, router: APIRouter) -> None:
        """The routes, in the order of the contract."""
        base = f"{PREFIX}/dead-letters"
        router.add_api_route(
            base,
            self.list_dead_letters,
            methods=["GET"],
            response_model=NotificationPage,
            responses={200: PAGE_RESPONSE},
            **operation("listDeadLetters", "List dead letters", _TAG, "A page."),
        )
        router.add_api_route(
            f"{base}/replay",
            self.replay,
            methods=["POST"],
            response_model=Count,
            **operation(
                "replayDeadLetters",
                "Replay dead letters",
                _TAG,
                "How many were (or would be) replayed.",
                problems=BODY_PROBLEMS,
            ),
        )
        router.add_api_route(
            f"{base}/purge",
            self.purge,
            methods=["POST"],
            response_model=Count,
            **operation(
                "purgeDeadLetters",
                "Purge dead letters",
                _TAG,
                "How many are (or would be) gone.",
                problems=BODY_PROBLEMS,
            ),
        )

    async def list_dead_letters(
        self, request: Request, query: Annotated[TenantListQuery, Query()], principal: Caller
    ) -> Response:
        """Failed notifications of the tenant, newest first."""
        return page_answer(request, await self._core.list(principal, query.filters(), query.page()))

    async def replay(self, body: DeadLetterSelection, principal: Caller) -> Response:
        """Makes them pending again, with a new retry budget."""
        return answer({"count": await self._core.replay(principal, body.selection(), dry_run=body.dry_run)})

    async def purge(self, body: DeadLetterSelection, principal: Caller) -> Response:
        """Deletes them for good."""
        return answer({"count": await self._core.purge(principal, body.selection(), dry_run=body.dry_run)})
