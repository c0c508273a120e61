"""The operation of statistics, in REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from hub.core.app import Core
from hub.transports.rest.answers import answer
from hub.transports.rest.auth import Caller
from hub.transports.rest.openapi import PREFIX, operation
from hub.transports.rest.reports import Statistics, statistics_body
from hub.transports.rest.schemas import StatisticsQuery


class StatisticsRoutes:
    """Each handler parses, makes one call and maps the answer."""

    def __init__(self, core: Core) -> None:
        self._core = core.statistics

    def add_to(self, router: APIRouter) -> None:
        """The route."""
        router.add_api_route(
            f"{PREFIX}/statistics",
            self.get,
            methods=["GET"],
            response_model=Statistics,
            **operation("getStatistics", "Count notifications", "statistics", "The statistics."),
        )

    async def get(self, query: Annotated[StatisticsQuery, Query()], principal: Caller) -> Response:
        """Counts by type, category and status per hour or day of `created_at`, and how each channel did.

        At most 90 days and 1,000 buckets; fresh within 60 seconds.
        """
        found = await self._core.get(
            principal,
            start=query.start,
            end=query.end,
            bucket=query.bucket,
            type_=query.type,
            category=query.category,
            status=query.status,
        )
        return answer(statistics_body(found))
