"""Who calls: the credential of an HTTP request or a socket becomes a principal here, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import DocumentNode, FieldNode, OperationDefinitionNode, OperationType
from starlette.requests import HTTPConnection

from hub.core.credentials import Credentials, bearer
from hub.domain.principals import Principal

GUEST = Principal(tenant="", scopes=frozenset())
"""A caller without a credential where one is needed: nobody's, and may do nothing."""
GUEST_BODY_BYTES = 2048
"""The word on health can be asked for in less; of nobody else's body more is read."""
_PUBLIC = {"health", "__typename"}


def token_of(connection: HTTPConnection, init: Mapping[str, Any] | None = None) -> str | None:
    """The key that a request or a socket brings: a socket's `connection_init` goes before its upgrade request.

    Browsers can't set headers of a WebSocket.
    """
    given = init or {}
    # Two headers are one with a comma (RFC 9110, section 5.3), which is nobody's key: none of them is picked out.
    header = ", ".join(connection.headers.getlist("authorization"))
    offers = (given.get("Authorization"), given.get("authorization"), header)
    return bearer(next((offer for offer in offers if isinstance(offer, str)), None))


async def principal_of(
    credentials: Credentials, connection: HTTPConnection, init: Mapping[str, Any] | None = None
) -> Principal:
    """The caller of a request or of a socket. Raises UNAUTHENTICATED for a credential that is missing or not good."""
    return await credentials.authenticate(token_of(connection, init))


def is_public(document: DocumentNode) -> bool:
    """Whether a document asks for the word on health and nothing else: what a guest may see."""
    if len(document.definitions) != 1:
        return False
    operation = document.definitions[0]
    if not isinstance(operation, OperationDefinitionNode) or operation.operation is not OperationType.QUERY:
        return False
    fields = operation.selection_set.selections
    names = [field.name.value for field in fields if isinstance(field, FieldNode)]
    # Each is a round trip to the store, so one will do.
    return len(names) == len(fields) and set(names) <= _PUBLIC and names.count("health") <= 1
