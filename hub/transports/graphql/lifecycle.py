"""What surrounds each operation, over HTTP and sockets alike: cached documents, loaders of its own, its deadline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

from graphql import GraphQLError
from strawberry.extensions import SchemaExtension

from hub.core.deadlines import deadline
from hub.transports.graphql.context import Context
from hub.transports.graphql.documents import MAX_TOKENS, Documents


class Lifecycle(SchemaExtension):
    """Made anew for every operation; of a subscription, the deadline bounds its opening alone."""

    def __init__(self, documents: Documents, request_timeout: timedelta) -> None:
        self._documents = documents
        self._request_timeout = request_timeout

    def on_operation(self) -> Iterator[None]:
        """A socket has one context for all its operations: each gets loaders of its own."""
        shared: Context = self.execution_context.context
        self.execution_context.context = Context.fresh(shared.core, shared.principal)
        # For documents that can't be parsed, which Strawberry then tries itself.
        self.execution_context.parse_options["max_tokens"] = MAX_TOKENS
        yield

    def on_parse(self) -> Iterator[None]:
        """The document from the cache. What can't be parsed is left to Strawberry: it reports errors, hooks may not."""
        try:
            self.execution_context.graphql_document = self._documents.parse(self.execution_context.query or "").ast
        except GraphQLError:
            self.execution_context.graphql_document = None
        yield

    def on_validate(self) -> Iterator[None]:
        """What limits and validation say, from the cache; setting it keeps Strawberry from validating again."""
        context = self.execution_context
        schema = context.schema._schema  # noqa: SLF001 - as Strawberry's own ValidationCache does
        text = context.query or ""
        refusal = self._documents.refusal(text, context.variables, context.operation_name, schema)
        if refusal is None:
            context.pre_execution_errors = self._documents.validate(text, schema)
        else:
            context.pre_execution_errors = [GraphQLError(refusal.message, original_error=refusal)]
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        """Bounds the execution, down to the store."""
        async with deadline(self._request_timeout):
            yield
