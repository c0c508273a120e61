"""The short cut for long lists answers what graphql-core would, errors included, and is taken where it should be."""

import inspect
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from operator import itemgetter
from typing import Any, NewType, cast

import pytest
import strawberry
import structlog
from graphql import Undefined, experimental_execute_incrementally, parse
from graphql.execution import Executor as GraphQLExecutor
from graphql.execution.incremental import IncrementalExecutor
from strawberry.extensions import SchemaExtension
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter

from hub.core.app import Core
from hub.domain.ids import new_id
from hub.domain.notifications import Attempt, Fault, Notification, OutcomeKind, Priority
from hub.domain.paging import Page
from hub.domain.principals import ANONYMOUS_LOCAL
from hub.domain.statistics import Bucket, Row, Statistics, StatisticsQuery
from hub.domain.status import STORED, Status
from hub.log import correlated
from hub.transports.graphql import columns
from hub.transports.graphql.columns import Executor
from hub.transports.graphql.context import Context
from hub.transports.graphql.documents import Documents
from hub.transports.graphql.schema import Schema, build_schema

MOMENT = datetime(2030, 1, 31, 8, tzinfo=UTC)
ALL = "start type category status count"


class Counting(Executor):
    """Notes the fields of rows that graphql-core runs one by one: none where the short cut is taken."""

    run: list[str]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        type(self).run = []

    def execute_field(self, parent_type: Any, source: Any, details: Any, path: Any, position_context: Any) -> Any:
        if parent_type.name in {"StatisticsRow", "Thing", "Inner", "NotificationEdge", "Notification"}:
            self.run.append(path.key)
        return super().execute_field(parent_type, source, details, path, position_context)


@dataclass
class Counted:
    """What is counted, made anew for each who asks."""

    rows: Callable[[], list[Any]]

    async def get(self, *_: object, **__: object) -> Statistics:
        query = StatisticsQuery(MOMENT, MOMENT + timedelta(hours=1), Bucket.HOUR)
        return Statistics(query, tuple(self.rows()), ())


@dataclass
class OnlyStatistics:
    statistics: Counted


def schema_of(executor: type[StrawberryGraphQLCoreExecutionContext]) -> Schema:
    schema = build_schema(Documents(), timedelta(seconds=5))
    schema.execution_context_class = executor
    return schema


@pytest.fixture(scope="module")
def fast() -> Schema:
    return schema_of(Counting)


@pytest.fixture(scope="module")
def stock() -> Schema:
    return schema_of(StrawberryGraphQLCoreExecutionContext)


async def answered(
    schema: strawberry.Schema, query: str, rows: Callable[[], list[Any]], variables: dict[str, Any] | None = None
) -> str:
    """Data and errors as text: the order of keys and 1 beside 1.0 or true count."""
    context = Context.fresh(cast("Core", OnlyStatistics(Counted(rows))), ANONYMOUS_LOCAL)
    # What is reported is logged with everything around it, which takes seconds to be laid out for people.
    with correlated("abc"), structlog.testing.capture_logs():
        result = await schema.execute(query, variable_values=variables, context_value=context)
    return json.dumps([result.data, [error.formatted for error in result.errors or ()]])


def good_rows() -> list[Any]:
    kinds = [(type_, category) for type_ in ("email", "sms") for category in (None, "", "é")]
    return [
        Row(MOMENT + timedelta(hours=hour), *kind, status, 10**count)
        for hour in range(3)
        for kind in kinds
        for count, status in enumerate(sorted(STORED))
    ]


def test_the_hub_runs_with_the_short_cut():
    assert build_schema(Documents(), timedelta(seconds=5)).execution_context_class is Executor


PLAIN_SELECTIONS = [
    ALL,
    "count",
    "count start",
    "__typename",
    "kind: __typename start __typename",
    "a: count b: count count",
    "count count count",
    "count: type type: count",
    "... { start } ... on StatisticsRow { status }",
    "...F ...G count",
    "...F @skip(if: $yes) ...G @include(if: $no) count",
    "start @skip(if: $no) type @skip(if: $yes) category @include(if: $yes) status @include(if: $no)",
    "count @skip(if: $yes) ... @skip(if: $no) { count }",
]
FRAGMENTS = (
    "fragment F on StatisticsRow { start c: category ...G } fragment G on StatisticsRow { status type c: category }"
)


def document(selection: str) -> str:
    variables = "($yes: Boolean = true, $no: Boolean!)" if "$" in selection else ""
    fragments = FRAGMENTS if "...F" in selection else ""
    return f"query Q{variables} {{ statistics {{ rows {{ {selection} }} bucket }} }} {fragments}"


@pytest.mark.parametrize("selection", PLAIN_SELECTIONS)
async def test_every_selection_is_answered_alike(fast: Schema, stock: Schema, selection: str):
    variables = {"no": False} if "$" in selection else None
    found = await answered(fast, document(selection), good_rows, variables)
    assert '"rows": [{' in found
    assert Counting.run == []
    assert found == await answered(stock, document(selection), good_rows, variables)


async def test_rows_selected_twice_are_merged(fast: Schema, stock: Schema):
    query = "{ statistics { rows { count } rows { start } more: rows { type } } statistics { rows { count status } } }"
    found = await answered(fast, query, good_rows)
    assert Counting.run == []
    assert found == await answered(stock, query, good_rows)


@pytest.mark.parametrize("rows", [good_rows, list])
async def test_nothing_selected_of_rows_and_no_rows(fast: Schema, stock: Schema, rows: Callable[[], list[Any]]):
    query = "query($no: Boolean = false) { statistics { rows { count @include(if: $no) } } }"
    assert await answered(fast, query, rows) == await answered(stock, query, rows)
    empty = "{ statistics { rows { count } } }"
    assert await answered(fast, empty, list) == '[{"statistics": {"rows": []}}, []]'


class Text(StrEnum):
    EMAIL = "email"


class OddRow(Row):
    """Not exactly a row."""


class Awaited:
    def __await__(self) -> Any:
        yield from ()
        return "later"


# Alike and yet not the same: what is serialised once must not be taken for the other.
STILL_PLAIN: list[dict[str, Any]] = [
    {"count": True},
    {"count": 1.0},
    {"count": "7"},
    {"type": 1},
    {"type": True},
    {"type": Text.EMAIL},
    {"start": (MOMENT + timedelta(hours=1)).astimezone(timezone(timedelta(hours=5)))},
    {"start": MOMENT + timedelta(microseconds=1999)},
    {"status": "sent"},
    {"status": Status.READ},
]
NOT_PLAIN: list[dict[str, Any]] = [
    {"count": None},
    {"count": 2**31},
    {"count": 1.5},
    {"count": "many"},
    {"count": Undefined},
    {"count": [1]},
    {"type": None},
    {"category": [1]},
    {"category": Undefined},
    {"category": RuntimeError("secret")},
    {"category": Awaited()},
    {"start": "yesterday"},
    {"start": None},
    {"status": "nonsense"},
    {"status": []},
]


def with_odd(fields: dict[str, Any]) -> list[Any]:
    """Good rows, and odd ones between them."""
    plain: dict[str, Any] = {"start": MOMENT, "type": "email", "category": "1", "status": Status.SENT, "count": 1}
    return [Row(**plain), Row(**(plain | fields)), Row(**plain), Row(**(plain | fields))]


@pytest.mark.parametrize("fields", STILL_PLAIN)
async def test_odd_values_are_serialised_alike(fast: Schema, stock: Schema, fields: dict[str, Any]):
    found = await answered(fast, document(ALL), lambda: with_odd(fields))
    assert Counting.run == []
    assert found == await answered(stock, document(ALL), lambda: with_odd(fields))


@pytest.mark.parametrize("fields", NOT_PLAIN)
async def test_wrong_values_are_reported_alike(fast: Schema, stock: Schema, fields: dict[str, Any]):
    found = await answered(fast, document(ALL), lambda: with_odd(fields))
    assert Counting.run != []
    assert found == await answered(stock, document(ALL), lambda: with_odd(fields))
    shown = {"category": "later"} if isinstance(fields.get("category"), Awaited) else {"category": None}
    if "category" in fields:
        assert json.loads(found)[0]["statistics"]["rows"][3]["category"] == shown["category"]
    else:
        assert json.loads(found)[1][0]["path"] == ["statistics", "rows", 1, *fields]


@pytest.mark.parametrize(
    "odd", [None, RuntimeError("secret"), {"count": 1}, OddRow(MOMENT, "email", None, Status.SENT, 1)]
)
async def test_items_that_are_no_rows_are_answered_alike(fast: Schema, stock: Schema, odd: Any):
    for selection in (ALL, "__typename"):
        found = await answered(fast, document(selection), lambda: [*good_rows(), odd])
        assert Counting.run != []
        assert found == await answered(stock, document(selection), lambda: [*good_rows(), odd])


# ------------------------------------------------------------------------------------------------ pages of notifications
@dataclass
class Listed:
    """A page of notifications, each unlike the others."""

    async def list(self, *_: object, **__: object) -> Page:
        made = [
            Notification(
                new_id(), "t", "u", "Title", "Text", "email", None, None, {"a": [1.0, None]}, Priority.HIGH, category,
                status, reason, attempts, None, MOMENT, None, MOMENT, MOMENT, None, MOMENT, read_at, 3, "c",
            )
            for category, status, reason, attempts, read_at in (
                (None, Status.DELIVERED, None, (), MOMENT),
                ("news", Status.FAILED, Fault("NO", "Never."), (), None),
                ("news", Status.SENT, None, (Attempt(1, "p", None, MOMENT, MOMENT, OutcomeKind.ACCEPTED, None),), None),
            )
        ]  # fmt: skip
        return Page(tuple(made), ("x", "y", "z"), has_next=True, has_previous=False)


@dataclass
class OnlyNotifications:
    notifications: Listed


EVERY = (
    "id userId title message type html to metadata priority category status scheduledAt expiresAt nextAttemptAt createdAt "
    "updatedAt sentAt deliveredAt readAt seenAt archivedAt version"
)


@pytest.mark.parametrize(
    ("selection", "plain"),
    [
        ("edges { cursor node { id title readAt status } }", True),
        (f"edges {{ node {{ {EVERY} __typename }} }} pageInfo {{ endCursor }}", True),
        ("edges { place: cursor node { ...N } node { ... on Node { key: id } title } }", True),
        ("edges { node { id attempts { number } } }", False),
        ("edges { cursor node { id statusReason { code } } }", False),
    ],
)
async def test_pages_are_answered_alike(fast: Schema, stock: Schema, selection: str, *, plain: bool):
    fragment = "fragment N on Notification { version updatedAt }" if "...N" in selection else ""
    query = f"{{ notifications(first: 3) {{ {selection} }} }} {fragment}"
    page = Listed()
    found = []
    for schema in (fast, stock):
        context = Context.fresh(cast("Core", OnlyNotifications(page)), ANONYMOUS_LOCAL)
        result = await schema.execute(query, context_value=context)
        assert result.data
        assert not result.errors
        found.append(re.sub(r"[0-9a-f-]{36}", "id", json.dumps(result.data)))
        assert len(result.data["notifications"]["edges"]) == 3
        if schema is fast:
            assert (Counting.run == []) is plain
    assert found[0] == found[1]


# ------------------------------------------------------------------------------------------- what a type may have besides
class Allowed(BasePermission):
    message = "No."

    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return bool(source.plain != 2)


Void = NewType("Void", int)
SCALARS = cast("Any", {Void: strawberry.scalar(name="Void", serialize=lambda _value: None, parse_value=int)})


@strawberry.type
class Inner:
    x: int


@strawberry.type
class Thing:
    plain: int
    renamed: str = strawberry.field(name="called")
    inner: Inner
    tags: list[str]
    void: Void | None
    guarded: int | None = strawberry.field(permission_classes=[Allowed])

    @strawberry.field
    def times(self, by: int = 2) -> int:
        return self.plain * by


def things() -> list[Thing]:
    return [Thing(plain=n, renamed=f"n{n}", inner=Inner(x=n), tags=["a"], void=Void(n), guarded=n) for n in range(1, 4)]


@strawberry.type
class Query:
    @strawberry.field
    def things(self) -> list[Thing]:
        return things()

    @strawberry.field
    def maybe(self) -> list[Thing | None]:
        return [*things()]

    @strawberry.field
    def gaps(self) -> list[Thing | None] | None:
        return [*things(), None]

    @strawberry.field
    def nested(self) -> list[list[Thing]]:
        return [things(), things()]

    @strawberry.field
    def once(self) -> list[Thing]:
        return cast("list[Thing]", (thing for thing in things()))

    @strawberry.field
    def streamed(self) -> list[Thing]:
        async def stream() -> AsyncIterator[Thing]:
            for thing in things():
                yield thing

        return cast("list[Thing]", stream())


def schema_of_things(config: StrawberryConfig | None = None, **options: Any) -> strawberry.Schema:
    return strawberry.Schema(query=Query, config=config or StrawberryConfig(scalar_map=SCALARS), **options)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(columns.PLAIN, Thing, Thing)


async def compare(query: str, *, plain: bool, config: StrawberryConfig | None = None, **options: Any) -> Any:
    results = []
    for executor in (StrawberryGraphQLCoreExecutionContext, Counting):
        schema = schema_of_things(config, execution_context_class=executor, **options)
        results.append(await schema.execute(query))
    assert (Counting.run == []) is plain
    assert json.dumps(results[0].data) == json.dumps(results[1].data)
    assert [error.formatted for error in results[0].errors or ()] == [
        error.formatted for error in results[1].errors or ()
    ]
    return results[1].data


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("query", "plain"),
    [
        ("{ things { plain called } }", True),
        ("{ maybe { plain } }", True),
        ("{ nested { plain } }", True),
        ("{ gaps { plain } }", False),
        ("{ once { plain } }", False),
        ("{ streamed { plain } }", False),
        ("{ things { void } }", False),
        ("{ things { plain inner { x } } }", False),
        ("{ things { plain tags } }", False),
        ("{ things { plain times } }", False),
        ("{ things { times(by: 3) } }", False),
        ("{ things { plain guarded } }", False),
    ],
)
async def test_only_plain_attributes_take_the_short_cut(query: str, *, plain: bool):
    assert await compare(query, plain=plain)


async def test_only_registered_types_take_the_short_cut():
    await compare("{ things { plain } }", plain=False)


class MoreInner(Inner):
    """Not exactly an inner."""


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("inner", "plain"),
    [(Inner(x=1), True), (None, False), (MoreInner(x=1), False), (Inner(x=cast("int", "many")), False)],
)
async def test_objects_within_are_plain_if_they_are_registered_too(
    inner: Any, *, plain: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(columns.PLAIN, Inner, Inner)
    listed = [*things(), replace(things()[0], inner=inner)]
    monkeypatch.setitem(globals(), "things", lambda: listed)
    await compare("{ things { inner { x ...F } plain } } fragment F on Inner { y: x kind: __typename }", plain=plain)


class Doubling(SchemaExtension):
    def resolve(self, _next: Any, root: Any, info: Any, *arguments: Any, **named: Any) -> Any:
        found = _next(root, info, *arguments, **named)
        return found * 2 if isinstance(found, int) else found


@pytest.mark.usefixtures("registered")
async def test_extensions_that_wrap_fields_are_asked():
    found = await compare("{ things { plain } }", plain=False, extensions=[Doubling])
    assert found["things"][0] == {"plain": 2}


@pytest.mark.usefixtures("registered")
async def test_another_default_resolver_is_asked():
    attribute = {"plain": 7, "things": None}
    found = await compare(
        "{ things { plain } }",
        plain=False,
        config=StrawberryConfig(scalar_map=SCALARS, default_resolver=lambda _source, name: itemgetter(name)(attribute)),
    )
    assert found["things"][0] == {"plain": 7}


@pytest.mark.usefixtures("registered")
async def test_a_type_that_looks_at_its_items_is_asked(monkeypatch: pytest.MonkeyPatch):
    def is_type_of(_item: Any, _info: Any) -> bool:
        return False

    monkeypatch.setattr(Thing.__strawberry_definition__, "is_type_of", is_type_of)  # type: ignore[attr-defined] # Strawberry's decorator puts it there
    schema = schema_of_things(execution_context_class=Counting)
    errors = (await schema.execute("{ things { plain } }")).errors or []
    assert [error.path for error in errors] == [["things", 0]]


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    "query",
    [
        "{ things @stream(initialCount: 1) { plain } }",
        "{ things { ... @defer { plain } } }",
        "{ ... @defer { things { plain } } }",
        "{ things { plain } ... @defer { things { called } } }",
    ],
)
async def test_what_is_to_come_in_parts_comes_in_parts(query: str):
    config = StrawberryConfig(scalar_map=SCALARS, enable_experimental_incremental_execution=True)
    schema = schema_of_things(config)._schema
    seen = []
    for executor in (StrawberryGraphQLCoreExecutionContext, Counting):
        found: Any = experimental_execute_incrementally(schema, parse(query), executor_class=executor)
        parts = [part.formatted async for part in found.subsequent_results]
        seen.append([found.initial_result.formatted, *parts])
    assert len(seen[0]) > 1
    assert seen[0] == seen[1]


# -------------------------------------------------------------------------------- names that nobody promised to leave alone
def test_strawberry_runs_operations_with_the_class_that_the_short_cut_is_made_from():
    assert schema_of_things().execution_context_class is StrawberryGraphQLCoreExecutionContext
    assert issubclass(StrawberryGraphQLCoreExecutionContext, IncrementalExecutor)


def test_lists_are_completed_by_a_method_of_this_name_and_these_arguments():
    own = inspect.signature(Executor.complete_list_value).parameters
    assert [*own] == [*inspect.signature(GraphQLExecutor.complete_list_value).parameters]
    assert "complete_list_value" not in vars(IncrementalExecutor) | vars(StrawberryGraphQLCoreExecutionContext)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("get_stream_usage", ["self", "field_details_list", "path"]),
        ("collect_subfields", ["self", "return_type", "field_details_list"]),
    ],
)
def test_the_selection_is_asked_of_methods_with_these_arguments(method: str, parameters: list[str]):
    assert [*inspect.signature(getattr(GraphQLExecutor, method)).parameters] == parameters


def test_types_and_fields_of_graphql_core_know_those_of_strawberry():
    thing: Any = schema_of_things()._schema.type_map["Thing"]
    assert thing.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].origin is Thing
    field = thing.fields["called"].extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    assert (field.python_name, field.default_resolver) == ("renamed", getattr)


def test_strawberry_knows_fields_that_only_read_an_attribute():
    thing: Any = schema_of_things()._schema.type_map["Thing"]
    fields = {name: field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF] for name, field in thing.fields.items()}
    assert {name for name, field in fields.items() if field.is_basic_field} == {
        "plain",
        "called",
        "inner",
        "tags",
        "void",
    }
