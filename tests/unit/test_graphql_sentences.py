"""What GraphQL refuses is told without the values that were sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from graphql import GraphQLError, execute_sync, parse, validate

from hub.transports.graphql.documents import Documents
from hub.transports.graphql.errors import public
from hub.transports.graphql.schema import build_schema

SCHEMA = build_schema(Documents(), timedelta(seconds=5))._schema
MARK = "ada@secret.example"
# As whoever wants to be quoted would write it.
SECRET = f"{MARK}, found: x value: {MARK}' does not exist in '{MARK}' enum. {MARK}"
CREATE = "mutation ($i: CreateNotificationInput!) { createNotification(input: $i) { notification { id } } }"
LIST = "query ($a: Int, $b: NotificationStatus, $c: DateTime) { notifications(first: $a, status: $b, createdAfter: $c) { edges { cursor } } }"
RFC = "must be an RFC 3339 time with an offset, such as 2030-01-31T08:00:00Z"


def listed(arguments: str) -> str:
    return f"{{ notifications({arguments}) {{ edges {{ cursor }} }} }}"


def created(fields: str) -> str:
    return f"mutation {{ createNotification(input: {fields}) {{ notification {{ id }} }} }}"


def refusals(query: str, variables: dict[str, Any]) -> list[GraphQLError]:
    """What graphql-core says by itself."""
    try:
        document = parse(query)
    except GraphQLError as error:
        return [error]
    errors = validate(SCHEMA, document) or execute_sync(SCHEMA, document, variable_values=variables).errors
    return errors or []


WRONG = [
    (LIST, {"a": SECRET}, "Variable '$a' has invalid value: Int cannot represent non-integer value."),
    (LIST, {"b": SECRET}, "Variable '$b' has invalid value: Expected a value of the enum 'NotificationStatus'."),
    (
        LIST,
        {"c": SECRET},
        f"Variable '$c' has invalid value: Expected value of type 'DateTime', but encountered error '{RFC}'.",
    ),
    (
        CREATE,
        {"i": SECRET},
        "Variable '$i' has invalid value: Expected value of type 'CreateNotificationInput' to be an object.",
    ),
    (
        CREATE,
        {"i": {"userId": "u", "title": [SECRET], "message": "m", "type": "email"}},
        "Variable '$i' has invalid value at .title: String cannot represent a non string value.",
    ),
    (
        CREATE,
        {"i": {"userId": "u", "title": "t", "message": SECRET}},
        "Variable '$i' has invalid value: Expected value of type 'CreateNotificationInput' to include required field 'type'.",
    ),
    (
        CREATE,
        {"i": {"userId": "u", "title": "t", "message": SECRET, "type": "email", "bogus": 1}},
        "Variable '$i' has invalid value: Expected value of type 'CreateNotificationInput' not to include unknown field 'bogus'.",
    ),
    (listed(f'first: "{SECRET}"'), {}, "Int cannot represent non-integer value."),
    (
        listed(f'first: 1, status: "{SECRET}"'),
        {},
        "Enum 'NotificationStatus' cannot represent non-enum value.",
    ),
    (
        listed(f'first: 1, createdAfter: "{SECRET}"'),
        {},
        f"Expected value of type 'DateTime', but encountered error '{RFC}'.",
    ),
    (
        created(f'{{userId: "u", title: "{SECRET}", message: "m"}}'),
        {},
        "Expected value of type 'CreateNotificationInput' to include required field 'type'.",
    ),
    (f'query ($a: Int = "{SECRET}") ' + listed("first: $a"), {}, "Int cannot represent non-integer value."),
    (created(f'{{title "{SECRET}"}}'), {}, "Syntax Error: Expected ':', found String."),
    (created(f'{{title: """{SECRET}""" """{SECRET}"""}}'), {}, "Syntax Error: Expected Name, found BlockString."),
]


@pytest.mark.parametrize(("query", "variables", "sentence"), WRONG)
def test_a_refusal_names_what_is_wrong_without_the_value(query: str, variables: dict[str, Any], sentence: str):
    errors = refusals(query, variables)
    assert any(MARK in error.message for error in errors), "graphql-core quotes it no more"
    shown = [public(error).message for error in errors]
    assert sentence in shown
    assert MARK not in str(shown)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (listed("first: 1, status: UNHEARD_OF"), "Expected a value of the enum 'NotificationStatus'."),
        ("{ no }", "Cannot query field 'no' on type 'Query'."),
        (listed("frist: 1"), "Unknown argument 'frist' on field 'Query.notifications'."),
        ('{ node(id: "\\q") { id } }', "Syntax Error: Invalid character escape sequence."),
    ],
)
def test_names_are_told_as_they_are(query: str, sentence: str):
    assert sentence in [public(error).message.partition(" Did you mean")[0] for error in refusals(query, {})]
