"""The three contracts as files: an operation, field or value that one has and another has not is a defect."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
)

from hub.core.access import Operation
from hub.rpc.v1 import access_pb2, entities_pb2, events_pb2, health_pb2, users_pb2
from hub.rpc.v1 import notifications_pb2 as pb

ROOT = Path(__file__).parents[2]

# The contract's table: core, REST's operation id (which is gRPC's name too), GraphQL's place.
OPERATIONS: dict[Operation, tuple[str, str]] = {
    Operation.CREATE: ("createNotification", "Mutation.createNotification"),
    Operation.GET: ("getNotification", "Query.notification"),
    Operation.LIST: ("listNotifications", "Query.notifications"),
    Operation.LIST_OF_USER: ("listUserNotifications", "User.notifications"),
    Operation.INBOX: ("listInbox", "User.inbox"),
    Operation.UNREAD_COUNT: ("getUnreadCount", "User.unreadCount"),
    Operation.INBOX_COUNTS: ("getInboxCounts", "User.inboxCounts"),
    Operation.MARK_ALL: ("markAllRead", "Mutation.markAllRead"),
    Operation.UNDO_MARK_ALL: ("undoMarkAll", "Mutation.undoMarkAll"),
    Operation.WATCH: ("watchInbox", "Subscription.inboxEvents"),
    Operation.WATCH_ONE: ("watchNotification", "Subscription.notificationEvents"),
    Operation.LIST_DEAD_LETTERS: ("listDeadLetters", "Query.deadLetters"),
    Operation.REPLAY_DEAD_LETTERS: ("replayDeadLetters", "Mutation.replayDeadLetters"),
    Operation.PURGE_DEAD_LETTERS: ("purgeDeadLetters", "Mutation.purgeDeadLetters"),
    Operation.DELETE: ("deleteNotification", "Mutation.deleteNotification"),
    Operation.GET_USER: ("getUser", "User.contactPoints"),
    Operation.UPDATE_USER: ("updateUser", "Mutation.updateUser"),
    Operation.DELETE_USER: ("deleteUser", "Mutation.deleteUser"),
    Operation.STATISTICS: ("getStatistics", "Query.statistics"),
    Operation.ISSUE_TOKEN: ("issueUserToken", "Mutation.issueUserToken"),
    Operation.CREATE_KEY: ("createKey", "Mutation.createKey"),
    Operation.LIST_KEYS: ("listKeys", "Query.keys"),
    Operation.ROTATE_KEY: ("rotateKey", "Mutation.rotateKey"),
    Operation.REVOKE_KEY: ("revokeKey", "Mutation.revokeKey"),
    Operation.LIST_AUDIT: ("listAuditEntries", "Query.auditEntries"),
}
# One rule of access covers all marks, marking all of an inbox, and both creates; a status change is ruled by its target.
MORE = {
    ("createNotifications", "Mutation.createNotifications"),
    ("getHealth", "Query.health"),
    ("markRead", "Mutation.markRead"),
    ("markUnread", "Mutation.markUnread"),
    ("markSeen", "Mutation.markSeen"),
    ("markUnseen", "Mutation.markUnseen"),
    ("archiveNotification", "Mutation.archiveNotification"),
    ("unarchiveNotification", "Mutation.unarchiveNotification"),
    ("markAllSeen", "Mutation.markAllSeen"),
    ("updateNotificationStatus", "Mutation.updateNotificationStatus"),
}
# For whoever runs the process, and for providers: neither calls by another protocol.
ONLY_REST = {"livez", "readyz", "takeReceipt"}
# What GraphQL has besides: Relay's look-up, the user that lists hang on, and the other fields of count and record.
ONLY_GRAPHQL = {
    "Query.node",
    "Query.user",
    "User.id",
    "User.userId",
    "User.unreadCountCapped",
    "User.locale",
    "User.timezone",
    "User.createdAt",
    "User.updatedAt",
}

FILTERS = {"status", "type", "category", "unread", "user_id", "created_after", "created_before", "reason", "archived"}


def openapi() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "docs/openapi.json").read_text())
    return document


def schema() -> GraphQLSchema:
    return build_schema((ROOT / "graphql/schema.graphql").read_text())


def snake(name: str) -> str:
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def rest_operations() -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for path in openapi()["paths"].values()
        for operation in path.values()
        if operation["operationId"] not in ONLY_REST
    }


def rest_fields(name: str) -> set[str]:
    return set(openapi()["components"]["schemas"][name]["properties"])


def graphql_fields(name: str) -> set[str]:
    found = schema().type_map[name]
    assert isinstance(found, GraphQLObjectType | GraphQLInputObjectType | GraphQLInterfaceType)
    return {snake(field) for field in found.fields}


def graphql_values(name: str) -> set[str]:
    found = schema().type_map[name]
    assert isinstance(found, GraphQLEnumType)
    return {value.lower() for value in found.values}


def grpc_fields(message: Any) -> set[str]:
    return {field.name for field in message.DESCRIPTOR.fields}


def grpc_values(enum: Any, prefix: str) -> set[str]:
    return {name.removeprefix(prefix).lower() for name in enum.keys()} - {"unspecified"}  # noqa: SIM118 - a wrapper


def test_every_operation_of_the_core_stands_in_the_table() -> None:
    only_http = {Operation.METRICS, Operation.PROBE, Operation.READ_ABOUT, Operation.TAKE_RECEIPT}
    beside = {Operation.HEALTH, *only_http}
    assert set(OPERATIONS) | {Operation.MARK} | beside == set(Operation)


def test_rest_and_grpc_have_the_operations_of_the_table_and_no_others() -> None:
    table = {rest for rest, _ in OPERATIONS.values()} | {rest for rest, _ in MORE}
    services = [
        service
        for file in (pb, users_pb2, access_pb2, health_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
    ]
    rpcs = [name for service in services for name in service.methods_by_name]
    assert set(rest_operations()) == table
    assert {name[0].lower() + name[1:] for name in rpcs} == table


def test_graphql_has_the_operations_of_the_table_and_no_others() -> None:
    table = {place for _, place in OPERATIONS.values()} | {place for _, place in MORE}
    places = {
        f"{name}.{field}"
        for name in ("Query", "Mutation", "Subscription", "User")
        for field in schema().type_map[name].fields  # type: ignore[attr-defined]  # object types all
    }
    assert places == table | ONLY_GRAPHQL


def test_a_notification_has_the_same_fields_everywhere() -> None:
    assert rest_fields("Notification") == graphql_fields("Notification") == grpc_fields(entities_pb2.Notification)
    assert rest_fields("Attempt") == graphql_fields("Attempt") == grpc_fields(entities_pb2.Attempt)
    assert graphql_fields("Fault") == grpc_fields(entities_pb2.Fault) == {"code", "message"}


def test_an_event_has_the_same_fields_everywhere() -> None:
    assert rest_fields("Event") == graphql_fields("Event") == grpc_fields(events_pb2.Event)
    assert rest_fields("Place") == graphql_fields("InboxPosition") == grpc_fields(events_pb2.InboxPosition)


def test_a_create_takes_the_same_fields_everywhere() -> None:
    key = {"idempotency_key"}
    assert rest_fields("NewNotification") | key == graphql_fields("CreateNotificationInput")
    assert rest_fields("NewNotification") | key == grpc_fields(pb.CreateNotificationRequest)


def test_credentials_and_deeds_have_the_same_fields_everywhere() -> None:
    for name, message, identifier in [
        ("ApiKey", access_pb2.ApiKey, "key_id"),
        ("AuditEntry", access_pb2.AuditEntry, "entry_id"),
    ]:
        # To Relay a field called `id` would be an identity.
        shown = {"id" if field == identifier else field for field in graphql_fields(name)}
        assert rest_fields(name) == shown == grpc_fields(message), name
    assert rest_fields("NewKey") == graphql_fields("CreateKeyInput") == grpc_fields(access_pb2.CreateKeyRequest)
    assert rest_fields("IssuedKey") == graphql_fields("CreateKeyPayload") == grpc_fields(access_pb2.CreateKeyResponse)
    assert rest_fields("IssuedKey") == graphql_fields("RotateKeyPayload") == grpc_fields(access_pb2.RotateKeyResponse)
    token = access_pb2.IssueUserTokenResponse
    assert rest_fields("IssuedToken") == graphql_fields("IssueUserTokenPayload") == grpc_fields(token)
    key, user = {"key_id"}, {"user_id"}
    assert rest_fields("Rotation") | key == graphql_fields("RotateKeyInput") == grpc_fields(access_pb2.RotateKeyRequest)
    token_request = access_pb2.IssueUserTokenRequest
    assert rest_fields("NewToken") | user == graphql_fields("IssueUserTokenInput") == grpc_fields(token_request)


def test_enumerations_have_the_same_values_everywhere() -> None:
    schemas = openapi()["components"]["schemas"]
    for rest, graphql, grpc, prefix in [
        ("Status", "NotificationStatus", entities_pb2.NotificationStatus, "NOTIFICATION_STATUS_"),
        ("Priority", "NotificationPriority", entities_pb2.Priority, "PRIORITY_"),
        ("OutcomeKind", "AttemptOutcome", entities_pb2.AttemptOutcome, "ATTEMPT_OUTCOME_"),
        ("EventKind", "EventKind", events_pb2.EventKind, "EVENT_KIND_"),
    ]:
        assert set(schemas[rest]["enum"]) == graphql_values(graphql) == grpc_values(grpc, prefix), rest


def test_every_list_has_the_same_filters_everywhere() -> None:
    operations = rest_operations()
    for operation, of_user in [
        (Operation.LIST, False),
        (Operation.LIST_DEAD_LETTERS, False),
        (Operation.LIST_OF_USER, True),
        (Operation.INBOX, True),
    ]:
        name, place = OPERATIONS[operation]
        wanted = FILTERS - {"user_id"} if of_user else FILTERS
        parameters = {parameter.get("name") for parameter in operations[name]["parameters"]}
        assert parameters - {"limit", "after", "user_id", None} == wanted - {"user_id"}, name
        assert "user_id" in parameters
        owner, field = place.split(".")
        arguments = schema().type_map[owner].fields[field].args  # type: ignore[attr-defined]  # object types all
        assert {snake(argument) for argument in arguments} - {"first", "last", "after", "before"} == wanted, place
        request = getattr(pb, name[0].upper() + name[1:] + "Request")
        assert grpc_fields(request) - {"page_size", "page_token"} - ({"user_id"} if of_user else set()) == wanted
    assert (
        rest_fields("ListFilter") == graphql_fields("NotificationFilter") == grpc_fields(pb.DeadLetterFilter) == FILTERS
    )
