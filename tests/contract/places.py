"""Every place of the three contracts where something can be asked, and the rule of `hub.core.access` that it goes by.

The places are read from the contracts themselves. One that has no rule here is a defect: `unlisted` names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor_pb2 import ServiceDescriptorProto
from graphql import GraphQLObjectType, GraphQLSchema

from hub.core.access import CLAIMS, RULES, About, Operation, Rule
from hub.domain.status import Status
from tests.contract.test_surface import OPERATIONS

SOMEBODY = Rule(None, About.USER, end_users=True)
"""Whoever has a credential: a name that the caller gave is said again, and hung on to. End users have their own only."""

STATUS_CHANGE = "updateNotificationStatus"
UNCLAIMED = RULES[Operation.GET]
"""Who may read a notification is told why its status can't be that one."""

MARKS = ("markRead", "markUnread", "markSeen", "markUnseen", "archiveNotification", "unarchiveNotification")
# REST's operation ids, and gRPC's methods but for their first letter.
NAMES: dict[str, Rule] = {name: RULES[operation] for operation, (name, _) in OPERATIONS.items()} | {
    "createNotifications": RULES[Operation.CREATE],
    **dict.fromkeys(MARKS, RULES[Operation.MARK]),
    "markAllSeen": RULES[Operation.MARK_ALL],
    "getHealth": RULES[Operation.HEALTH],
    "takeReceipt": RULES[Operation.TAKE_RECEIPT],
    "livez": RULES[Operation.PROBE],
    "readyz": RULES[Operation.PROBE],
}
# GraphQL's: what hangs on a user is asked for through `Query.user`.
FIELDS: dict[str, Rule] = {place: RULES[operation] for operation, (_, place) in OPERATIONS.items()} | {
    "Mutation.createNotifications": RULES[Operation.CREATE],
    **{f"Mutation.{name}": RULES[Operation.MARK] for name in MARKS},
    "Mutation.markAllSeen": RULES[Operation.MARK_ALL],
    "Query.health": RULES[Operation.HEALTH],
    "Query.node": RULES[Operation.GET],
    "Query.user": SOMEBODY,
    "User.id": SOMEBODY,
    "User.userId": SOMEBODY,
    "User.unreadCountCapped": RULES[Operation.UNREAD_COUNT],
    "User.locale": RULES[Operation.GET_USER],
    "User.timezone": RULES[Operation.GET_USER],
    "User.createdAt": RULES[Operation.GET_USER],
    "User.updatedAt": RULES[Operation.GET_USER],
}
# What GraphQL's places are called elsewhere; the others have no such name.
NAME_OF_PLACE: dict[str, str] = {place: name for name, place in OPERATIONS.values()} | {
    f"Mutation.{name}": name for name in ("createNotifications", *MARKS, "markAllSeen", STATUS_CHANGE)
}
# What else is served over HTTP, by its path; what is beneath a path goes by the same rule.
PATHS: dict[str, Rule] = {
    "/metrics": RULES[Operation.METRICS],
    **dict.fromkeys(
        (
            "/",
            "/docs",
            "/openapi.json",
            "/about.json",
            "/assets",
            "/protos",
            "/licenses.md",
            "/favicon.ico",
            "/dev",
            "/inbox",
            "/notification-inbox.js",
        ),
        RULES[Operation.READ_ABOUT],
    ),
}
# gRPC's own services.
SERVICES: dict[str, Rule] = {
    "grpc.health.v1.Health": RULES[Operation.PROBE],
    "grpc.reflection.v1alpha.ServerReflection": RULES[Operation.READ_ABOUT],
}


@dataclass(frozen=True)
class Case:
    """One thing to ask in one protocol. `rules` all have to let the caller pass, the first refusal counts."""

    place: str
    name: str
    rules: tuple[Rule, ...]
    status: str | None = None
    """Of a status change: the one that is claimed."""

    def __str__(self) -> str:
        return self.place if self.status is None else f"{self.place} {self.status}"


def rest_names(document: Mapping[str, Any]) -> list[str]:
    """Every operation of an OpenAPI document."""
    return [operation["operationId"] for path in document["paths"].values() for operation in path.values()]


def graphql_places(schema: GraphQLSchema) -> list[str]:
    """The fields of the roots and of a user; and every field elsewhere that takes arguments, for it asks for something."""
    own = {"Query", "Mutation", "Subscription", "User"}
    return [
        f"{kind.name}.{name}"
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")
        for name, field in kind.fields.items()
        if kind.name in own or field.args
    ]


def grpc_names(services: Iterable[ServiceDescriptorProto]) -> list[str]:
    """Every method of services, as REST would call it."""
    return [method.name[0].lower() + method.name[1:] for service in services for method in service.method]


def unlisted(found: Iterable[str], listed: Mapping[str, Rule]) -> list[str]:
    """What a contract has and the mapping, or the table, has not."""
    known = set(RULES.values()) | set(CLAIMS.values()) | {SOMEBODY}
    return [
        name
        for name in found
        if name not in (STATUS_CHANGE, f"Mutation.{STATUS_CHANGE}") and listed.get(name) not in known
    ]


def cases_of(names: Iterable[str], listed: Mapping[str, Rule]) -> Iterator[Case]:
    """Everything to ask; a status change once for every status there is."""
    for place in names:
        name = NAME_OF_PLACE.get(place, place)
        if name == STATUS_CHANGE:
            yield from (Case(place, name, (CLAIMS.get(status, UNCLAIMED),), status.value) for status in Status)
        else:
            first = (SOMEBODY,) if place.startswith("User.") else ()
            yield Case(place, name, (*first, listed[place]))


def snake(name: str) -> str:
    """GraphQL's names in everybody else's case."""
    return re.sub(r"(?=[A-Z])", "_", name).lower()
