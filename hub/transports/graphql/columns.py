"""Lists of plain rows, completed column by column.

graphql-core runs each field of each item by itself, at 5 µs apiece: 600 ms for the 24,000 rows that statistics may have, and
more than the rest of the request together for a page of notifications. Where nothing is selected but attributes that hold a
scalar, an enum or an object of which the same is true, what comes out is the attributes, each serialised by its type, under
the names the selection gives them. That is done here. Everything else, any error among the values included, is
left to graphql-core, which then begins anew: whatever it answers and reports stays its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from datetime import datetime
from enum import Enum
from itertools import repeat
from operator import attrgetter
from types import NoneType
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLID,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLString,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.executor import Executor as GraphQLCoreExecutor
from graphql.pyutils import AwaitableOrValue, Path, Undefined
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter

from hub.domain.statistics import Row
from hub.transports.graphql.connections import NotificationEdge
from hub.transports.graphql.schemas import Notification
from hub.transports.graphql.statistics import StatisticsRow

PLAIN: dict[object, type] = {
    StatisticsRow: Row,
    NotificationEdge: NotificationEdge,
    Notification: Notification,
}
"""Types whose lists are long enough to be worth it, each with what its items are."""
_VALUES = (str, int, float, datetime, Enum, dict)
"""What an attribute may hold besides None: nothing to be awaited, no error."""
_TEXTS = (GraphQLString, GraphQLID)
"""Types that answer text as it is."""


class _NotPlain(Exception):
    """A list that is graphql-core's to complete."""


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's, with a short cut for lists of `PLAIN`."""

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: AsyncIterable[Any] | Iterable[Any],
        position_context: Any,
    ) -> AwaitableOrValue[list[Any]]:
        """The items as they are answered, by the short cut if there is one."""
        row_type = get_nullable_type(return_type.of_type)
        if isinstance(row_type, GraphQLObjectType) and isinstance(result, list) and position_context is None:
            try:
                return self._rows(row_type, field_details_list, path, result)
            except Exception:  # noqa: BLE001, S110 - whatever is wrong, graphql-core finds it again and says where
                pass
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def _rows(
        self, row_type: GraphQLObjectType, field_details_list: FieldDetailsList, path: Path, items: list[Any]
    ) -> list[Any]:
        """The items by the short cut; whatever there is against it is raised."""
        definition: Any = row_type.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        origin = getattr(definition, "origin", None)
        kind = PLAIN.get(origin)
        # All of exactly that class: there is no null, no error and nothing to be awaited among them.
        if kind is None or set(map(type, items)) != {kind}:
            raise _NotPlain
        # Strawberry has what implements an interface asked whether it is of its type; an instance of that very class is.
        if row_type.is_type_of and (kind is not origin or definition.is_type_of):
            raise _NotPlain
        if self.get_stream_usage(field_details_list, path) or getattr(self.middleware_manager, "middlewares", None):
            raise _NotPlain
        selected, deferred, _ = self.collect_subfields(row_type, field_details_list)
        if deferred or not selected:
            raise _NotPlain
        columns = [self._column(row_type, details, path, items) for details in selected.values()]
        return list(map(dict, map(zip, repeat(tuple(selected)), zip(*columns, strict=False))))

    def _column(
        self, row_type: GraphQLObjectType, details: FieldDetailsList, path: Path, items: list[Any]
    ) -> list[Any]:
        """What one selected field is for each of the items: a scalar, an enum, or an object of which the same holds."""
        node = details[0].node
        if node.name.value == "__typename":
            return [row_type.name] * len(items)
        field = row_type.fields[node.name.value]
        values = list(map(attrgetter(_attribute(field)), items))
        kind = get_nullable_type(field.type)
        if isinstance(kind, GraphQLObjectType):
            return self._rows(kind, details, path, values)
        if not is_leaf_type(kind):
            raise _NotPlain
        return _completed(field, values)


class Reticent(Executor):
    """The same, where the schema may not be asked for: what is wrong with variables is told without names that would do."""

    @classmethod
    def build(cls, *args: Any, **kwargs: Any) -> list[GraphQLError] | GraphQLCoreExecutor[Any]:
        """What graphql-core runs an operation with, or what is wrong with its variables."""
        return super().build(*args, **{**kwargs, "hide_suggestions": True})


def _attribute(field: GraphQLField) -> str:
    """The attribute that a field without a resolver of its own shows."""
    definition = field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    if not definition.is_basic_field or definition.default_resolver is not getattr:
        raise _NotPlain
    name: str = definition.python_name
    return name


def _completed(field: GraphQLField, values: list[Any]) -> list[Any]:
    """The values as they are answered: each object is serialised once, however many of the rows share it."""
    leaf: Any = get_nullable_type(field.type)
    kinds = set(map(type, values))
    if leaf in _TEXTS and kinds <= ({str} if is_non_null_type(field.type) else {str, NoneType}):
        return values
    keys = list(map(id, values))
    distinct = dict(zip(keys, values, strict=True))
    nothing = {} if is_non_null_type(field.type) else {id(None): distinct.pop(id(None), None)}
    if not all(issubclass(kind, _VALUES) for kind in set(map(type, distinct.values()))):
        raise _NotPlain
    coerced = dict(zip(distinct, map(leaf.coerce_output_value, distinct.values()), strict=True))
    if not {id(None), id(Undefined)}.isdisjoint(map(id, coerced.values())):
        raise _NotPlain
    return list(map((coerced | nothing).__getitem__, keys))
