"""What an operation of GraphQL counts against its caller's rate limit."""

from __future__ import annotations

from hub.core.rates import Rates
from hub.domain.principals import Principal
from hub.transports.graphql.auth import is_public
from hub.transports.graphql.documents import Document


async def count(rates: Rates, principal: Principal, document: Document | None) -> None:
    """Counts an operation before it is executed; None stands for a text that is no document. Raises RATE_LIMITED.

    Health alone is never limited.
    """
    if document is None or not is_public(document.ast):
        await rates.operation(principal)
