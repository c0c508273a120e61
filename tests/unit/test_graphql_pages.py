"""What lies beyond a page's cursor is looked up where the answer shows it, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from hub.core.app import Core
from hub.domain.paging import Page, PageRequest
from hub.domain.principals import ANONYMOUS_LOCAL
from hub.transports.graphql.context import Context
from hub.transports.graphql.documents import Documents
from hub.transports.graphql.schema import build_schema


@dataclass
class Listing:
    """Notes what it is asked for."""

    asked: list[PageRequest] = field(default_factory=list)

    async def list(self, _principal: object, _filters: object, page: PageRequest) -> Page:
        self.asked.append(page)
        return Page((), (), has_next=True, has_previous=True)


@dataclass
class OnlyNotifications:
    notifications: Listing


@pytest.mark.parametrize(
    ("document", "exact"),
    [
        ('{ notifications(first: 1, after: "x") { edges { cursor } pageInfo { hasNextPage endCursor } } }', False),
        ('{ notifications(first: 1, after: "x") { pageInfo { before: hasPreviousPage } } }', True),
        ('{ notifications(last: 1, before: "x") { pageInfo { hasPreviousPage } } }', False),
        ('{ notifications(last: 1, before: "x") { pageInfo { hasNextPage } } }', True),
        (
            """{ notifications(first: 1, after: "x") { ...A } } fragment B on PageInfo { hasPreviousPage }
            fragment A on NotificationConnection { ... { pageInfo { ...B } } }""",
            True,
        ),
        (
            '{ notifications(first: 1, after: "x") { edges { cursor } } b: notifications(first: 1) { pageInfo { hasPreviousPage } } }',
            False,
        ),
    ],
)
async def test_an_end_is_exact_where_it_is_shown(document: str, *, exact: bool) -> None:
    listing = Listing()
    context = Context.fresh(cast("Core", OnlyNotifications(listing)), ANONYMOUS_LOCAL)
    result: Any = await build_schema(Documents(), timedelta(seconds=5)).execute(document, context_value=context)
    assert not result.errors
    assert listing.asked[0].exact_ends is exact
