"""One event to many subscribers: executed and encoded once for each plan, whoever has subscribed by it.

A subscription begins as Strawberry has it: parsed, measured, validated, its resolver called, which checks everything. What the
resolver hands over (`streams.taking`) is followed here. Each of its events is executed by the public `Schema.execute`, with the
event as the root value, as graphql-core itself does it; the schema stays the truth.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    Node,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    get_operation_ast,
    visit,
)
from strawberry.types import ExecutionResult

from hub.core.app import Core
from hub.domain.events import Event as Entity
from hub.transports.graphql.auth import GUEST
from hub.transports.graphql.context import Context
from hub.transports.graphql.documents import KEPT_DOCUMENTS, LONGEST_KEPT, Documents
from hub.transports.graphql.schema import Schema
from hub.transports.graphql.schemas import Event
from hub.transports.graphql.streams import taking
from hub.transports.graphql.wire import body_of, dump_json
from hub.transports.sharing import Renderings

KEPT_PLANS = 2 * KEPT_DOCUMENTS
_LONGEST_VARIABLES = 1024
"""Of those that a plan depends on; whoever sends more is rendered for alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What an event's rendering depends on besides the event. Who subscribes with the same gets the very same object."""

    query: str
    operation_name: str | None


@dataclass(frozen=True, slots=True)
class Subscriber:
    """How one subscriber wants its events."""

    plan: Plan
    variables: Mapping[str, Any] | None


class Fanout:
    """Renders events. What it shares, it shares by the event itself: see `Renderings`."""

    def __init__(self, schema: Schema, documents: Documents, core: Core) -> None:
        self._schema = schema
        self._documents = documents
        # A rendering may read its event alone, whoever asks for it: nobody's context, so that whatever asks the core is refused.
        self._core = core
        self._texts: Renderings[str] = Renderings()
        self._plan = lru_cache(maxsize=KEPT_PLANS)(_plan)
        self._names = lru_cache(maxsize=KEPT_PLANS)(self._read_below)

    def subscriber(self, query: str, operation_name: str | None, variables: Mapping[str, Any] | None) -> Subscriber:
        """Of a subscription that has begun."""
        if len(query) > LONGEST_KEPT:
            return Subscriber(Plan(query, operation_name), variables)
        given = variables or {}
        below = dump_json({name: given[name] for name in self._names(query, operation_name) if name in given})
        shared = len(below) <= _LONGEST_VARIABLES
        return Subscriber(
            self._plan(query, operation_name, below) if shared else Plan(query, operation_name), variables
        )

    def shared(self, event: Entity, subscriber: Subscriber) -> str | None:
        """The payload as JSON, if somebody with the same plan was told of this event before."""
        return self._texts.get(event, subscriber.plan)

    async def payload(self, event: Entity, subscriber: Subscriber) -> str | ExecutionResult:
        """The payload as JSON, to be shared; or a result with errors, which are each subscriber's own: they name its correlation id.

        Nothing below an event does I/O, so this never waits: of a thousand who are told at once, the first one renders.
        """
        result = await self._schema.execute(
            subscriber.plan.query,
            variable_values=None if subscriber.variables is None else dict(subscriber.variables),
            context_value=Context.fresh(self._core, GUEST),
            root_value=Event.of(event),
            operation_name=subscriber.plan.operation_name,
        )
        if result.errors or result.extensions:
            return result
        text = dump_json({"data": result.data})
        self._texts.keep(event, text, subscriber.plan)
        return text

    async def payloads(
        self,
        results: AsyncGenerator[Any, None],
        query: str,
        operation_name: str | None,
        variables: Mapping[str, Any] | None,
    ) -> AsyncGenerator[str, None]:
        """All payloads of a subscription as JSON; what goes wrong is the last of them."""
        async with aclosing(results):
            # Not around a `yield`: what is set here would be seen by whoever asks for the next payload.
            with taking() as taken:
                first = await anext(results, None)
            if first is not None:
                yield dump_json(body_of(first))
                async for result in results:
                    yield dump_json(body_of(result))
        if taken.feed is None:
            return
        subscriber = self.subscriber(query, operation_name, variables)
        async with aclosing(taken.feed):
            try:
                async for event in taken.feed:
                    payload = self.shared(event, subscriber) or await self.payload(event, subscriber)
                    yield payload if isinstance(payload, str) else dump_json(body_of(payload))
            except Exception as error:  # noqa: BLE001 - told as Strawberry tells of a source that breaks
                yield dump_json(body_of(self.broken(error)))

    def broken(self, error: Exception) -> ExecutionResult:
        """The last result of a feed that ends with an error."""
        errors = [GraphQLError(str(error), original_error=error)]
        self._schema.process_errors(errors)
        return ExecutionResult(None, errors)

    def _read_below(self, query: str, operation_name: str | None) -> tuple[str, ...]:
        operation = get_operation_ast(self._documents.parse(query).ast, operation_name)
        found = _Variables(operation)
        visit(self._documents.parse(query).ast, found)
        return tuple(sorted(found.names))


def _plan(query: str, operation_name: str | None, below: str) -> Plan:
    del below
    return Plan(query, operation_name)


class _Variables(Visitor):
    """The names of variables that are used, other than by the arguments of the operation's own fields: those went to the resolver."""

    def __init__(self, operation: OperationDefinitionNode | None) -> None:
        super().__init__()
        self.names: set[str] = set()
        fields = () if operation is None else operation.selection_set.selections
        self._roots = {
            id(argument) for field in fields if isinstance(field, FieldNode) for argument in field.arguments or ()
        }

    def enter_variable_definition(self, *_: object) -> Any:
        return self.SKIP

    def enter_argument(self, node: Node, *_: object) -> Any:
        return self.SKIP if id(node) in self._roots else None

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.names.add(node.name.value)
