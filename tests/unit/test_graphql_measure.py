"""How documents are counted: their shape and their cost, against a count that writes every fragment out."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionNode,
    get_introspection_query,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.errors import HubError, Reason
from hub.settings import GraphQLSettings
from hub.transports.graphql.documents import MAX_TOKENS, Documents, parsed
from hub.transports.graphql.limits import Limits
from hub.transports.graphql.measure import Measure, cost_of, measured
from hub.transports.graphql.points import MOST
from hub.transports.graphql.rates import units_of
from hub.transports.graphql.schema import build_schema

SCHEMA: GraphQLSchema = build_schema(Documents(), timedelta(seconds=1)).definition
OPERATIONS = sorted((Path(__file__).parents[2] / "graphql" / "operations").glob("*.graphql"))
LARGEST: dict[str, Any] = {
    "first": 100,
    "input": {"notifications": [{"userId": "u"}] * 1000, "ids": ["x"] * 100},
}
"""The longest page, the largest batch."""

EDGES = " fragment G on NotificationConnection { edges { cursor } }"


def measure(text: str) -> Measure:
    return measured(SCHEMA, parsed(text).ast)


def cost(text: str, variables: dict[str, Any] | None = None, operation_name: str | None = None) -> int:
    return cost_of(SCHEMA, parsed(text).ast, variables, operation_name)


# ------------------------------------------------------------------------------------------------------------ shape


@pytest.mark.parametrize(
    ("text", "depth", "aliases", "directives"),
    [
        ("{ __typename }", 1, 0, 0),
        ("{ health { status } }", 2, 0, 0),
        ("{ a: health { b: status c: version status } }", 2, 3, 0),
        ("{ health @skip(if: true) { status @a @b } }", 2, 0, 3),
        ("query Q($x: Int @a) @b { ... @c { __typename } ...F @d } fragment F on Query @e { __typename }", 1, 0, 5),
        ("{ ... { ... on Query { ... { health { status } } } } }", 2, 0, 0),
        ("{ ...F } fragment F on Query { health { ...G } } fragment G on Health { a: status @x }", 2, 1, 1),
        # Wherever it is spread.
        ("{ ...F ...F x: health { status } } fragment F on Query { y: health { z: status } }", 2, 5, 0),
        # All of a document's operations are validated, and so is a fragment that nobody spreads.
        ("query A { a: __typename } query B { health { status } }", 2, 1, 0),
        ("{ __typename } fragment F on Query { a: health { status @x } }", 2, 1, 1),
        ("{ nope { b: nope @x } }", 2, 1, 1),
        ("{ ...Nope }", 0, 0, 0),
        ("{ ...A } fragment A on Query { a: __typename ...B } fragment B on Query { b: __typename ...A }", 1, 2, 0),
    ],
)
def test_the_shape_of_a_document(text: str, depth: int, aliases: int, directives: int) -> None:
    found = measure(text)
    assert (found.depth, found.aliases, found.directives) == (depth, aliases, directives)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("{ __typename }", False),
        ("{ __schema { queryType { name } } }", True),
        ('{ x: __type(name: "Query") { name } }', True),
        ("{ ...F } fragment F on Query { ... { __schema { queryType { name } } } }", True),
        ("query A { __typename } query B { __schema { queryType { name } } }", True),
        ('{ user(id: "__schema") { id } }', False),
    ],
)
def test_what_asks_for_the_schema(text: str, *, asks: bool) -> None:
    assert measure(text).introspects is asks


# ------------------------------------------------------------------------------------------------------------- cost


@pytest.mark.parametrize(
    ("text", "variables", "points"),
    [
        ("{ __typename }", None, 1),
        ("{ a: __typename b: __typename }", None, 2),
        ('{ user(id: "u") { id userId unreadCount } }', None, 1),
        ('{ notification(id: "x") { id statusReason { code } } }', None, 2),
        # The connection, its page info, and an edge and a node for each item.
        ("{ notifications(first: 20) { pageInfo { hasNextPage } edges { cursor node { id } } } }", None, 1 + 1 + 40),
        ("{ notifications(first: 20) { pageInfo { hasNextPage } } }", None, 2),
        ("{ notifications(last: 20) { edges { cursor } } }", None, 21),
        ("{ notifications(first: 5, last: 20) { edges { cursor } } }", None, 21),
        ("{ notifications { edges { cursor } } }", None, 101),
        ("{ notifications(first: null) { edges { cursor } } }", None, 101),
        ("{ notifications(first: 0) { edges { cursor } } }", None, 1),
        ("{ notifications(first: -5) { edges { cursor } } }", None, 1),
        ("{ notifications(first: 1000000) { edges { node { id } } } }", None, 2_000_001),
        ("{ notifications(first: " + "9" * 500 + ") { edges { cursor } } }", None, MOST),
        ("{ notifications(first: -" + "9" * 500 + ") { edges { cursor } } }", None, 1),
        ('{ notifications(first: "20") { edges { cursor } } }', None, 101),
        ("query($n: Int) { notifications(first: $n) { edges { cursor } } }", {"n": 7}, 8),
        ("query($n: Int) { notifications(first: $n) { edges { cursor } } }", {"n": 7.0}, 8),
        ("query($n: Int) { notifications(first: $n) { edges { cursor } } }", {"n": 1e300}, MOST),
        ("query($n: Int) { notifications(first: $n) { edges { cursor } } }", {"n": float("inf")}, 101),
        ("query($n: Int) { notifications(first: $n) { edges { cursor } } }", {"n": True}, 101),
        ("query($n: Int) { notifications(first: $n) { edges { cursor } } }", {"n": "7"}, 101),
        ("query($n: Int) { notifications(first: $n) { edges { cursor } } }", {"n": None}, 101),
        ("query($n: Int) { notifications(first: $n) { edges { cursor } } }", None, 101),
        ("query($n: Int = 9) { notifications(first: $n) { edges { cursor } } }", {}, 10),
        ("query($n: Int = 9) { notifications(first: $n) { edges { cursor } } }", {"n": 3}, 4),
        ("query($n: Int = 9) { notifications(first: $n) { edges { cursor } } }", {"n": None}, 101),
        # A list within each item of a list.
        ("{ notifications(first: 20) { edges { node { attempts { number } } } } }", None, 1 + 20 * (1 + 1 + 3)),
        ('{ user(id: "u") { inbox(first: 3) { edges { cursor } } notifications(first: 4) { edges { cursor } } } }', None, 10),
        ("{ ...F } fragment F on Query { notifications(first: 4) { ...G } }" + EDGES, None, 5),
        # One fragment below pages of different lengths.
        ("{ a: notifications(first: 4) { ...G } b: notifications(first: 6) { ...G } }" + EDGES, None, 12),
        ("{ statistics { rows { count } channels { type } } }", None, 1 + 1000 + 10),
        # A union of possibilities counts all of them.
        ('{ node(id: "x") { ... on User { inbox(first: 5) { edges { cursor } } } ... on Notification { attempts { number } } } }',
         None, 1 + 6 + 3),
        ("mutation($i: CreateNotificationInput!) { createNotification(input: $i) { notification { id } } }", {"i": {}}, 2),
        ('mutation { deleteUser(input: {userId: "u"}) { keys } }', None, 1),
        # An item is work, whatever of its result is asked for.
        ("mutation($i: CreateNotificationsInput!) { createNotifications(input: $i) { results { index } } }",
         {"i": {"notifications": [{}] * 50}}, 50 + 50),
        ("mutation($i: CreateNotificationsInput!) { createNotifications(input: $i) { __typename } }",
         {"i": {"notifications": [{}] * 50}}, 50),
        ("mutation($i: CreateNotificationsInput!) { createNotifications(input: $i) { __typename } }",
         {"i": {"notifications": {}}}, 1),
        ("mutation($i: CreateNotificationsInput!) { createNotifications(input: $i) { __typename } }", {"i": 5}, 1),
        ("mutation($i: CreateNotificationsInput!) { createNotifications(input: $i) { __typename } }", None, 1),
        ("mutation($l: [CreateNotificationInput!]!) { createNotifications(input: {notifications: $l}) { results { index } } }",
         {"l": [{}] * 4}, 8),
        ("mutation { createNotifications(input: {notifications: [{}, {}, {}]}) { results { notification { id } } } }", None, 9),
        ("mutation($ids: [ID!]) { purgeDeadLetters(input: {ids: $ids}) { count } }", {"ids": ["a"] * 30}, 30),
        ('mutation { replayDeadLetters(input: {filter: {type: "sms"}}) { count } }', None, 1),
        ('subscription { inboxEvents(userId: "u") { kind notification { id } } }', None, 2),
    ],
)  # fmt: skip
def test_the_cost_of_a_document(text: str, variables: dict[str, Any] | None, points: int) -> None:
    assert cost(text, variables) == points


def test_each_operation_costs_its_own() -> None:
    text = "query A { a: __typename } query B($n: Int = 3) { notifications(first: $n) { edges { cursor } } }"
    assert [cost(text, None, name) for name in ("A", "B", None, "nope")] == [1, 4, 1, 1]


@pytest.mark.parametrize(
    ("text", "variables", "units"),
    [
        ("{ __typename }", None, 1),
        ("{ notifications(first: 40) { edges { node { id } } } }", None, 1),
        ("{ notifications(first: 60) { edges { node { id } } } }", None, 2),
        ("query($n: Int) { notifications(first: $n) { edges { node { id } } } }", {"n": 100}, 3),
        # What are operations elsewhere are as many here, however they are written.
        ("{ " + " ".join(f'a{n}: notification(id: "x") {{ id }}' for n in range(20)) + " }", None, 20),
        ('{ __typename ...F ...F } fragment F on Query { a: notification(id: "x") { id } ... { b: node(id: "x") { id } } }', None, 4),
        ("query($n: Int) { notifications(first: $n) { edges { node { id } } } }", {"n": 1_000_000}, 1),
        # The core counts the items.
        ("mutation($i: CreateNotificationsInput!) { createNotifications(input: $i) { results { index } } }",
         {"i": {"notifications": [{}] * 1000}}, 1),
        ('mutation { a: markRead(input: {id: "x"}) { __typename } b: markRead(input: {id: "y"}) { __typename } }', None, 2),
    ],
)  # fmt: skip
def test_what_a_document_counts_against_a_rate(text: str, variables: dict[str, Any] | None, units: int) -> None:
    documents = Documents()
    assert units_of(documents, documents.parse(text), variables, None, SCHEMA) == units


# --------------------------------------------------------------------------- against a count that writes everything out

LEAVES = ["id", "x: userId", "locale @a", "y: timezone @b @c"]
LISTS = ["inbox(first: 2) { edges { cursor } }", "z: notifications(first: 3) @d { edges { node { id } } }"]


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A query of a user by fragments, each of which spreads some of those after it; none is left over."""
    count = draw(st.integers(1, 6))
    parts, spread = [], {0}
    for number in range(count):
        later = [f"...F{n}" for n in range(number + 1, count)]
        chosen = draw(st.lists(st.sampled_from([*LEAVES, *LISTS, *later]), min_size=1, max_size=5))
        if number in spread:
            spread |= {int(each[4:]) for each in chosen if each.startswith("...F")}
            body = " ".join(f"... @i {{ {each} }}" if draw(st.booleans()) else each for each in chosen)
            parts.append(f"fragment F{number} on User {{ {body} }}")
    return 'query { user(id: "u") { ...F0 } } ' + " ".join(parts)


def written_out(text: str) -> tuple[int, int, int, int]:
    """Depth, aliases, directives and cost, by going through every spread anew."""
    document = parse(text)
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    (operation,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    objects = {"user": 1, "inbox": 1, "notifications": 1, "edges": 1, "node": 1}

    def visit(nodes: tuple[SelectionNode, ...], often: int, page: int) -> tuple[int, int, int, int]:
        depth = aliases = directives = points = 0
        for node in nodes:
            directives += len(node.directives or ())
            if isinstance(node, FieldNode):
                times = often * (page if node.name.value == "edges" else 1)
                first = [int(each.value.value) for each in node.arguments or () if each.name.value == "first"]  # type: ignore[attr-defined]  # integers all
                inner = visit(
                    node.selection_set.selections if node.selection_set else (), times, first[0] if first else 1
                )
                points += times * objects.get(node.name.value, 0)
                aliases += node.alias is not None
                depth = max(depth, 1 + inner[0])
            elif isinstance(node, FragmentSpreadNode):
                inner = visit(fragments[node.name.value].selection_set.selections, often, page)
                depth = max(depth, inner[0])
            else:
                inner = visit(node.selection_set.selections, often, page)  # type: ignore[attr-defined]  # inline fragments
                depth = max(depth, inner[0])
            aliases, directives, points = aliases + inner[1], directives + inner[2], points + inner[3]
        return depth, aliases, directives, points

    return visit(operation.selection_set.selections, 1, 1)


@given(documents())
def test_what_is_counted_is_what_is_written_out(text: str) -> None:
    found = measure(text)
    assert (found.depth, found.aliases, found.directives, found.cost()) == written_out(text)


# ------------------------------------------------------------------------------------------------------------ bombs


def chain(first: str, each: str, count: int) -> str:
    links = " ".join(f"fragment F{n} on User {{ {each.format(n=n - 1)} }}" for n in range(1, count))
    return f"query($n: Int) {{ user(id: 1) {{ ...F{count - 1} }} }} fragment F0 on User {{ {first} }} {links}"


BOMBS = {
    "doubled pages": chain("inbox(first: $n) { edges { cursor } }", "...F{n} ...F{n}", 80),
    "doubled aliases": chain("a: id", "...F{n} ...F{n}", 80),
    "tripled directives": chain("id @a @b", "...F{n} ...F{n} ...F{n}", 60),
    "a long chain": chain("id", "...F{n}", 110),
    "a circle": chain("...F50", "...F{n} ...F{n}", 60),
    "inline fragments": "{ user(id: 1) " + "{ ... " * 150 + "{ id }" + " }" * 150 + " }",
}


@pytest.mark.parametrize("name", BOMBS)
def test_fragments_that_multiply_are_counted_at_once(name: str) -> None:
    ast = parsed(BOMBS[name]).ast
    began = time.process_time()
    found = measured(SCHEMA, ast)
    points = found.cost({"n": 100})
    # Two thousandths of a second each; written out, the doubled ones have 2⁸⁰ parts.
    assert time.process_time() - began < 0.5
    assert max(found.aliases, found.directives, points) <= MOST
    if "ed " in name:
        assert MOST in {found.aliases, found.directives, points}


# ----------------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("path", OPERATIONS, ids=lambda path: path.stem)
def test_the_documents_that_clients_run_are_within_the_limits(path: Path) -> None:
    Limits().check(measure(path.read_text()), LARGEST, None)


def test_the_introspection_of_graphiql_is_within_the_limits_and_thrice_of_it_is_not() -> None:
    query = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    Limits().check(measure(query), None, None)
    thrice = "a: __schema { types { ...FullType } } b: __schema { types { ...FullType } } __schema"
    three_times = measure(query.replace("__schema", thrice, 1))
    with pytest.raises(HubError, match="cost"):
        Limits().check(three_times, None, None)


@pytest.mark.parametrize(
    ("limit", "within", "beyond"),
    [
        ("depth", "{ health { status { x } } }", "{ health { status { x { y } } } }"),
        ("aliases", "{ a: __typename b: __typename }", "{ a: __typename b: __typename c: __typename }"),
        ("directives", "{ health @a @b { status } }", "{ health @a @b { status @c } }"),
        (
            "cost",
            "{ notifications(first: 9) { edges { cursor } } }",
            "{ notifications(first: 10) { edges { cursor } } }",
        ),
    ],
)
def test_a_document_beyond_a_limit_is_refused_by_its_name(limit: str, within: str, beyond: str) -> None:
    limits = Limits(depth=3, aliases=2, directives=2, cost=10)
    limits.check(measure(within), None, None)
    with pytest.raises(HubError) as refused:
        limits.check(measure(beyond), None, None)
    at_most = str(getattr(limits, limit))
    found = str(int(at_most) + 1)
    assert refused.value.reason is Reason.MALFORMED
    assert refused.value.metadata == {"limit": limit, "at_most": at_most, "found": found}
    assert all(word in refused.value.message for word in (limit, at_most, found))


def test_introspection_is_refused_where_it_is_off() -> None:
    asks = measure("{ __schema { queryType { name } } }")
    Limits(introspection=True).check(asks, None, None)
    with pytest.raises(HubError, match="introspection is off"):
        Limits(introspection=False).check(asks, None, None)
    Limits(introspection=False).check(measure("{ __typename }"), None, None)


def test_the_defaults_are_those_of_the_settings() -> None:
    plain = GraphQLSettings()
    assert Limits() == Limits(plain.max_depth, plain.max_aliases, plain.max_directives, plain.max_cost)


def test_a_document_is_measured_once() -> None:
    documents, text = Documents(), "{ health { status } }"
    first = documents.measure(documents.parse(text), SCHEMA)
    assert documents.measure(documents.parse(text), SCHEMA) is first
    assert documents.refusal(text, None, None, SCHEMA) is None


def test_the_longest_document_there_is_costs_little_to_count() -> None:
    text = "{ " + "a: __typename " * ((MAX_TOKENS - 5) // 3) + "}"
    ast = parsed(text).ast
    began = time.process_time()
    assert measured(SCHEMA, ast).aliases == (MAX_TOKENS - 5) // 3
    assert time.process_time() - began < 0.2
