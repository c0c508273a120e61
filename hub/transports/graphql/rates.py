"""What an operation of GraphQL counts against its caller's rate limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLSchema, OperationType

from hub.core.rates import Rates, units_of_cost
from hub.domain.principals import Principal
from hub.transports.graphql.auth import is_public
from hub.transports.graphql.documents import Document, Documents


async def count(rates: Rates, principal: Principal, document: Document | None, units: int = 1) -> None:
    """Counts an operation before it is executed; None stands for a text that is no document. Raises RATE_LIMITED.

    Health alone is never limited.
    """
    if document is None or not is_public(document.ast):
        await rates.operation(principal, units)


def units_of(
    documents: Documents,
    document: Document,
    variables: Mapping[str, Any] | None,
    operation_name: str | None,
    schema: GraphQLSchema,
) -> int:
    """One for each field at the root, which is an operation elsewhere; a query no less than what it costs.

    The core counts the items of a batch by itself. What is beyond the limit of cost is refused, and does nothing: one.
    """
    measure = documents.measure(document, schema)
    cost = measure.cost(variables, operation_name)
    if cost > documents.limits.cost:
        return 1
    is_query = document.operation(operation_name) is OperationType.QUERY
    return max(measure.roots(operation_name), units_of_cost(cost) if is_query else 1)
