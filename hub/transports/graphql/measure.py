"""How deep, how long and how costly a document is, counted on its syntax before anything of it is validated or run.

Fragments count wherever they are spread, yet each is walked once: the time is that of the document's own length, however
its fragments multiply. One that spreads itself counts once; validation refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    get_named_type,
    is_composite_type,
)

from hub.transports.graphql.points import MOST, NOTHING, Points, summed, times
from hub.transports.graphql.sizes import USUAL, asked_for, is_list, outline, own_size

_META = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted of a part of a document, with its fragments written out."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    introspects: bool = False
    roots: int = 0
    once: Points = NOTHING
    """Objects that come once with the object they are selected on."""
    each: Points = NOTHING
    """Objects that come once with each item which the arguments of the field above ask for."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted of one operation."""

    points: Points
    defaults: Mapping[str, Any]
    """The variables it has values for where none are given."""
    roots: int
    """Its fields at the root, without `__typename`."""


_NONE = Counted(NOTHING, {}, 0)


@dataclass(frozen=True, slots=True)
class Measure:
    """What was counted of a document: of all its operations, the cost of each by itself."""

    depth: int
    aliases: int
    directives: int
    introspects: bool
    operations: Mapping[str | None, Counted]
    """By the operation's name."""

    def cost(self, variables: Mapping[str, Any] | None = None, operation_name: str | None = None) -> int:
        """What the operation costs that would run, at least 1; what can't be told apart is counted as the first."""
        counted = self._operation(operation_name)
        return max(1, counted.points.value({**counted.defaults, **(variables or {})}))

    def roots(self, operation_name: str | None = None) -> int:
        """How many fields at the root the operation has that would run."""
        return self._operation(operation_name).roots

    def _operation(self, name: str | None) -> Counted:
        return self.operations.get(name) or next(iter(self.operations.values()), _NONE)


def cost_of(
    schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any] | None, operation_name: str | None
) -> int:
    """What running a document costs. `Documents` keeps the measure of those that come again."""
    return measured(schema, document).cost(variables, operation_name)


def measured(schema: GraphQLSchema, document: DocumentNode) -> Measure:
    """Counts a document that could be parsed; what the schema doesn't know counts as far as it can be seen."""
    counter = _Counter(schema, document)
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    tallies = [counter.operation(node) for node in operations]
    tally = _added([*tallies, *counter.left_over()])
    counted: dict[str | None, Counted] = {}
    for node, each in zip(operations, tallies, strict=True):
        name = None if node.name is None else node.name.value
        counted.setdefault(name, Counted(each.once, _defaults(node), each.roots))
    return Measure(tally.depth, tally.aliases, tally.directives, tally.introspects, counted)


class _Counter:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._counted: dict[str, Tally] = {}

    def operation(self, node: OperationDefinitionNode) -> Tally:
        root = self._schema.get_root_type(node.operation)
        extra = Tally(directives=_directives(node) + sum(map(_directives, node.variable_definitions or ())))
        return _added([extra, self._selections(node.selection_set, root, is_root=True)])

    def left_over(self) -> list[Tally]:
        """Fragments that are spread nowhere: validation walks them all the same."""
        return [self._fragment(name) for name in self._fragments if name not in self._counted]

    def _selections(
        self, selections: SelectionSetNode | None, parent: GraphQLNamedType | None, *, is_root: bool = False
    ) -> Tally:
        # One frame for each level: with the parser's limit of tokens it can't get deeper than the stack.
        tallies: list[Tally] = []
        for node in selections.selections if selections else ():
            if isinstance(node, FragmentSpreadNode):
                tallies += [Tally(directives=_directives(node)), self._fragment(node.name.value)]
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                kind = parent if condition is None else self._schema.get_type(condition.name.value)
                tallies += [
                    Tally(directives=_directives(node)),
                    self._selections(node.selection_set, kind, is_root=is_root),
                ]
            elif isinstance(node, FieldNode):
                definition = _definition(parent, node.name.value)
                kind = None if definition is None else get_named_type(definition.type)
                below = self._selections(node.selection_set, kind)
                tallies.append(_field(node, parent, definition, below, is_root=is_root))
        return _added(tallies)

    def _fragment(self, name: str) -> Tally:
        found = self._fragments.get(name)
        if found is None:
            return Tally()
        if name not in self._counted:
            # As long as it is being counted it counts nothing by itself.
            self._counted[name] = Tally()
            kind = self._schema.get_type(found.type_condition.name.value)
            tally = self._selections(found.selection_set, kind, is_root=_is_root(self._schema, kind))
            self._counted[name] = _added([Tally(directives=_directives(found)), tally])
        return self._counted[name]


def _field(
    node: FieldNode, parent: GraphQLNamedType | None, definition: GraphQLField | None, below: Tally, *, is_root: bool
) -> Tally:
    """A field with everything beneath it."""
    points = each = NOTHING
    asked = None if definition is None else asked_for(node, definition)
    is_object = (
        node.selection_set is not None if definition is None else is_composite_type(get_named_type(definition.type))
    )
    if is_object or is_root:
        items = NOTHING if asked is None else times(asked.items, Points(1))
        content = [Points(1), below.once, times(USUAL if asked is None else asked.size, below.each)]
        points = summed([*content, items])
    if definition is not None and is_list(definition.type) and parent is not None:
        size = own_size(parent.name, node.name.value)
        points, each = (NOTHING, points) if size is None else (times(size, points), NOTHING)
    return Tally(
        depth=below.depth + 1,
        aliases=min(MOST, below.aliases + (node.alias is not None)),
        directives=min(MOST, below.directives + _directives(node)),
        introspects=below.introspects or node.name.value in _META,
        roots=int(is_root and node.name.value != "__typename"),
        once=points,
        each=each,
    )


def _added(tallies: list[Tally]) -> Tally:
    return Tally(
        depth=max((tally.depth for tally in tallies), default=0),
        aliases=min(MOST, sum(tally.aliases for tally in tallies)),
        directives=min(MOST, sum(tally.directives for tally in tallies)),
        introspects=any(tally.introspects for tally in tallies),
        roots=min(MOST, sum(tally.roots for tally in tallies)),
        once=summed([tally.once for tally in tallies]),
        each=summed([tally.each for tally in tallies]),
    )


def _definition(parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    if name in _META:
        return _META[name]
    return parent.fields.get(name) if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else None


def _is_root(schema: GraphQLSchema, kind: GraphQLNamedType | None) -> bool:
    return kind is not None and kind in {schema.query_type, schema.mutation_type, schema.subscription_type}


def _directives(node: Node) -> int:
    return len(getattr(node, "directives", None) or ())


def _defaults(node: OperationDefinitionNode) -> dict[str, Any]:
    return {
        each.variable.name.value: outline(each.default_value, {})
        for each in node.variable_definitions or ()
        if each.default_value is not None
    }
