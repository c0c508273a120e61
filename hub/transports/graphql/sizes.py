"""How long the lists of an answer may be: as the arguments ask for, or as they usually are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLOutputType,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

from hub.transports.graphql.points import MOST, Amount, Variables

PAGE = 100
"""Of a list whose arguments don't say how long a page is: the longest there is."""
_PAGE_ARGUMENTS = ("first", "last")
_DIGITS = 10

USUAL = 10
"""Of a list without such arguments."""
SIZES: Mapping[tuple[str, str], int] = {
    ("Notification", "attempts"): 3,
    ("OperationError", "violations"): 3,
    ("Statistics", "rows"): 1000,
    ("Query", "keys"): 100,
    # Introspection: what the schema has, roughly.
    ("__Schema", "types"): 50,
    ("__Type", "fields"): 4,
    ("__Type", "inputFields"): 2,
    ("__Type", "interfaces"): 1,
    ("__Type", "possibleTypes"): 1,
    ("__Type", "enumValues"): 2,
    ("__Field", "args"): 1,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the arguments of a field say."""

    size: Amount
    """Of the list beneath it."""
    items: Amount = 0
    """In the lists it was given, beyond the first: each of them is work of its own."""


def is_list(kind: GraphQLOutputType) -> bool:
    """Whether a field returns a list."""
    return bool(is_list_type(get_nullable_type(kind)))


def own_size(parent: str, field: str) -> int | None:
    """How long a list usually is; None if the arguments of the field above it say so: pages, and results of items."""
    if (parent.endswith("Connection") and field in {"edges", "nodes"}) or parent.endswith("Payload"):
        return None
    return SIZES.get((parent, field), USUAL)


def asked_for(node: FieldNode, definition: GraphQLField) -> Asked | None:
    """How much a field asks for; None if it takes neither page sizes nor lists."""
    given = {argument.name.value: argument for argument in node.arguments or ()}
    pages = [given[name] for name in _PAGE_ARGUMENTS if name in given and name in definition.args]
    if any(name in definition.args for name in _PAGE_ARGUMENTS):
        return Asked(_page_size(pages))
    for name, argument in definition.args.items():
        lists = _lists_of(argument.type)
        if lists and name in given:
            items = _items(given[name].value, lists)
            return Asked(items, _beyond_the_first(items))
    return None


def _page_size(pages: list[ArgumentNode]) -> Amount:
    def size(variables: Variables) -> int:
        found = [number for page in pages if (number := _number(outline(page.value, variables))) is not None]
        return max(found, default=PAGE)

    return size if any(isinstance(page.value, VariableNode) for page in pages) else size({})


def _number(value: Any) -> int | None:
    """A page size as JSON and documents have it; None for null and for what coercion will refuse."""
    if isinstance(value, IntValueNode):
        value = outline(value, {})
    if isinstance(value, float) and value.is_integer():
        value = int(min(value, MOST))
    return None if isinstance(value, bool) or not isinstance(value, int) else max(0, min(value, MOST))


def _lists_of(kind: GraphQLInputType) -> frozenset[str]:
    """The fields of an input object that take lists."""
    named = get_named_type(kind)
    if not isinstance(named, GraphQLInputObjectType):
        return frozenset()
    return frozenset(name for name, each in named.fields.items() if is_list_type(get_nullable_type(each.type)))


def _items(node: ValueNode, lists: frozenset[str]) -> Amount:
    """How many items there are in the lists of an input."""

    def items(variables: Variables) -> int:
        value = outline(node, variables)
        given = [outline(value[name], variables) for name in lists if name in value] if isinstance(value, dict) else []
        # A list of one may be given as its item (GraphQL specification, section 3.11).
        return sum(len(each) if isinstance(each, list) else 1 for each in given if each is not None)

    return items


def outline(value: Any, variables: Variables) -> Any:
    """A value of a document as far as sizes need it: what is in its lists and objects stays as it is written.

    No deeper than that, for it may be nested as deeply as the parser allows.
    """
    match value:
        case VariableNode():
            return variables.get(value.name.value)
        case ListValueNode():
            return list(value.values)
        case ObjectValueNode():
            return {each.name.value: each.value for each in value.fields}
        case IntValueNode():
            return int(value.value) if len(value.value) <= _DIGITS else MOST * (not value.value.startswith("-"))
        case NullValueNode():
            return None
        case ValueNode():
            return ...
        case _:
            return value


def _beyond_the_first(items: Amount) -> Amount:
    return max(0, items - 1) if isinstance(items, int) else lambda variables: max(0, items(variables) - 1)
