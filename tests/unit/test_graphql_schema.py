"""The contract as a file, the documents clients run, and the pieces under the schema."""

import json
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    get_introspection_query,
    parse,
    validate,
)

from hub.domain import events
from hub.domain.health import Health
from hub.domain.notifications import OutcomeKind, Priority
from hub.domain.statistics import Bucket
from hub.domain.status import Status
from hub.transports.graphql.documents import KEPT_DOCUMENTS, LONGEST_KEPT, MAX_TOKENS, Documents
from hub.transports.graphql.export import sdl
from hub.transports.graphql.health import HealthStatus
from hub.transports.graphql.schema import build_schema as build_hub_schema
from hub.transports.graphql.schemas import (
    AttemptOutcome,
    EventKind,
    NotificationPriority,
    NotificationStatus,
    domain_status,
)
from hub.transports.graphql.statistics import StatisticsBucket, domain_bucket
from hub.transports.graphql.wire import dump_json, load_json, ranked

CONTRACT = Path(__file__).parents[2] / "graphql"
OPERATIONS = sorted((CONTRACT / "operations").glob("*.graphql"))


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((CONTRACT / "schema.graphql").read_text())


def test_the_committed_contract_is_what_the_code_says():
    assert (CONTRACT / "schema.graphql").read_text() == sdl(), (
        "run: python -m hub.transports.graphql.export > graphql/schema.graphql"
    )


def test_the_folder_of_the_contract_is_no_package():
    assert list(CONTRACT.rglob("*.py")) == []


def _undescribed(schema: GraphQLSchema) -> Iterator[str]:
    for name, kind in schema.type_map.items():
        if name.startswith("__") or name in {"String", "Int", "Float", "Boolean", "ID"}:
            continue
        if not kind.description:
            yield name
        if isinstance(kind, GraphQLEnumType):
            yield from (f"{name}.{key}" for key, value in kind.values.items() if not value.description)
        if isinstance(kind, GraphQLInputObjectType):
            yield from (f"{name}.{key}" for key, part in kind.fields.items() if not part.description)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            yield from (f"{name}.{key}" for key, part in kind.fields.items() if not part.description)
            for key, part in kind.fields.items():
                yield from (f"{name}.{key}({arg})" for arg, value in part.args.items() if not value.description)


def test_everything_is_described(schema: GraphQLSchema):
    assert list(_undescribed(schema)) == []


def test_the_operations_are_those_of_the_contract(schema: GraphQLSchema):
    assert schema.query_type
    assert schema.mutation_type
    assert schema.subscription_type
    assert set(schema.query_type.fields) == {
        "notification",
        "node",
        "notifications",
        "user",
        "deadLetters",
        "statistics",
        "keys",
        "auditEntries",
        "health",
    }
    assert set(schema.mutation_type.fields) == {
        "createNotification",
        "createNotifications",
        "updateNotificationStatus",
        "markRead",
        "markUnread",
        "markSeen",
        "markUnseen",
        "archiveNotification",
        "unarchiveNotification",
        "deleteNotification",
        "markAllRead",
        "markAllSeen",
        "undoMarkAll",
        "replayDeadLetters",
        "purgeDeadLetters",
        "updateUser",
        "deleteUser",
        "createKey",
        "rotateKey",
        "revokeKey",
        "issueUserToken",
    }
    assert set(schema.subscription_type.fields) == {"inboxEvents", "notificationEvents"}


@pytest.mark.parametrize(
    ("shown", "domain"),
    [
        (NotificationStatus, Status),
        (NotificationPriority, Priority),
        (AttemptOutcome, OutcomeKind),
        (EventKind, events.EventKind),
        (HealthStatus, Health),
        (StatisticsBucket, Bucket),
    ],
)
def test_enums_are_the_domains_with_upper_case_names(shown: type[Enum], domain: type[Enum]):
    assert {member.name: member.value for member in shown} == {member.name: member for member in domain}


def test_a_status_is_the_domains_own():
    assert {domain_status(shown) for shown in NotificationStatus} == set(Status)


def test_a_bucket_is_the_domains_own():
    assert {domain_bucket(shown) for shown in StatisticsBucket} == set(Bucket)
    assert domain_bucket(None) is Bucket.HOUR


@pytest.mark.parametrize("path", OPERATIONS, ids=lambda path: path.stem)
def test_each_document_is_one_named_valid_operation(path: Path, schema: GraphQLSchema):
    document = parse(path.read_text())
    assert validate(schema, document) == []
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    assert len(operations) == 1
    assert operations[0].name
    assert operations[0].name.value == path.stem.title().replace("_", "")


def test_the_documents_use_every_root_field(schema: GraphQLSchema):
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    expected = {field for root in roots if root for field in root.fields}
    used = {
        selection.name.value
        for path in OPERATIONS
        for definition in parse(path.read_text()).definitions
        for selection in definition.selection_set.selections  # type: ignore[attr-defined]
    }
    assert used == expected


def test_introspection_is_well_within_the_bound_of_tokens():
    documents = Documents()
    strawberry_schema = build_hub_schema(documents, timedelta(seconds=1))
    query = get_introspection_query()
    documents.parse(query)
    assert documents.validate(query, strawberry_schema._schema) == []


def test_a_document_is_parsed_and_validated_once(schema: GraphQLSchema):
    documents = Documents()
    assert documents.parse("{ nope }") is documents.parse("{ nope }")
    first, second = (documents.validate("{ nope }", schema) for _ in range(2))
    assert first[0] is second[0]
    assert first is not second


def test_the_cache_is_bounded_and_keeps_no_long_texts():
    documents = Documents()
    first = documents.parse("{ a }")
    for number in range(KEPT_DOCUMENTS):
        documents.parse(f"{{ a{number} }}")
    assert documents.parse("{ a }") is not first
    long = "{ a }" + " " * LONGEST_KEPT
    assert documents.parse(long) is not documents.parse(long)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{" + "a " * MAX_TOKENS + "}",
        "#\n" * MAX_TOKENS * 2 + "{a}",
        "{a" * 100_000,
        "{a(x:" + "[" * 100_000,
        "\0",
    ],
)
def test_what_cannot_be_parsed_is_a_clean_error(text: str):
    with pytest.raises(GraphQLError):
        Documents().parse(text)


def test_the_operation_that_would_run():
    document = Documents().parse("query A { a } mutation B { b }")
    assert document.operation("A") is OperationType.QUERY
    assert document.operation("B") is OperationType.MUTATION
    assert document.operation("C") is None
    assert document.operation(None) is None
    assert document.is_ambiguous(None)
    assert not document.is_ambiguous("A")
    assert not Documents().parse("query A { a }").is_ambiguous(None)


OFFERS = ("application/json", "application/graphql-response+json", "text/event-stream", "text/html")


@pytest.mark.parametrize(
    ("accept", "best"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/graphql-response+json", "application/graphql-response+json"),
        ("application/graphql-response+json, application/json", "application/graphql-response+json"),
        ("application/json;q=0.5, application/graphql-response+json;q=0.4", "application/json"),
        ("*/*, application/graphql-response+json", "application/graphql-response+json"),
        ("text/event-stream", "text/event-stream"),
        ("application/json, text/event-stream", "application/json"),
        # urql
        (
            "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, */*;q=0.1",
            "application/graphql-response+json",
        ),
        # a browser
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/json;q=0, */*;q=0.1", "application/graphql-response+json"),
        ("image/png", None),
        ("*/*;q=nonsense", None),
    ],
)
def test_the_best_media_type(accept: str, best: str | None):
    assert next(iter(ranked(accept, OFFERS)), None) == best


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "9" * 5000, "[" * 20, '{"a":', "", "\ufeff1"])
def test_what_is_no_json_is_told_in_one_way(text: str):
    with pytest.raises(json.JSONDecodeError):
        load_json(text)


def test_json_that_is_sent_can_always_be_encoded():
    assert dump_json({"a": "é🏃"}) == '{"a":"é🏃"}'
    assert dump_json("\ud800").encode() == b'"\\ud800"'
    assert dump_json({"é": ["\ud83c", None, 1.5, True]}).encode() == '{"é":["\\ud83c",null,1.5,true]}'.encode()
    deep: list[object] = []
    for _ in range(600):
        deep = [deep]
    assert dump_json(deep) == "[" * 601 + "]" * 601
