"""GraphQL, spoken over HTTP, and over graphql-transport-ws for subscriptions."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from hub.domain.checks import is_user_id
from tests.contract.drivers import Body, Refused

FAULT = "{ code message }"
NOTIFICATION = f"""{{
  id userId title message type html to metadata priority category status statusReason {FAULT}
  attempts {{ number provider providerId startedAt finishedAt outcome error {FAULT} }}
  scheduledAt expiresAt nextAttemptAt createdAt updatedAt sentAt deliveredAt readAt seenAt archivedAt version
}}"""
PAGE = f"{{ edges {{ cursor node {NOTIFICATION} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}"
EVENT = f"""{{
  kind cursor unreadCount unreadCountCapped unseenCount unseenCountCapped category markedAt
  upTo {{ deliveredAt id }} notification {NOTIFICATION}
}}"""
NUMBERS = "unread unreadCapped unseen unseenCapped"
ERROR = "{ code reason message violations { field message } metadata }"
USER = "{ userId contactPoints locale timezone createdAt updatedAt }"
COUNTS = """{
  from to bucket rows { start type category status count }
  channels { type settled failed failureRate attempts p50Ms p95Ms p99Ms }
}"""
KEY = "{ keyId name scopes environment createdAt createdBy expiresAt revokedAt lastUsedAt }"
ENTRIES = """{
  edges { cursor node { entryId at actor action subject correlationId result } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
}"""
HEALTH = """{
  status version processes { id role version startedAt beatAt lagMs } components { name status detail }
  channels { type status workers lastOutcome lastAttemptAt } oldestDueSeconds
}"""
STATISTICS = {
    "from": "DateTime",
    "to": "DateTime",
    "bucket": "StatisticsBucket",
    "type": "String",
    "category": "String",
    "status": "NotificationStatus",
}
FILTERS = {
    "status": "NotificationStatus",
    "type": "String",
    "category": "String",
    "unread": "Boolean",
    "archived": "Boolean",
    "user_id": "String",
    "created_after": "DateTime",
    "created_before": "DateTime",
    "reason": "String",
    "first": "Int",
    "after": "String",
}
ENUMS = {"status", "priority", "outcome", "kind", "bucket", "lastOutcome"}


class GraphqlDriver:
    """`/graphql`."""

    name = "graphql"

    def __init__(self, client: httpx2.AsyncClient, socket_url: str, key: str | None = None) -> None:
        self._client = client
        self._socket_url = socket_url
        self._init = None if key is None else {"Authorization": f"Bearer {key}"}

    async def create(self, command: Body, key: str | None = None) -> tuple[Body, bool]:
        given = command if key is None else {**command, "idempotency_key": key}
        payload = await self._mutate("createNotification", given, f"notification {NOTIFICATION} idempotencyReplayed")
        return payload["notification"], payload["idempotency_replayed"]

    async def create_many(self, commands: list[Body]) -> list[Body]:
        selection = f"results {{ index notification {NOTIFICATION} error {ERROR} idempotencyReplayed }}"
        given = {"notifications": [_camel_keys(command) for command in commands]}
        results: list[Body] = (await self._mutate("createNotifications", given, selection))["results"]
        return results

    async def delete(self, notification_id: str) -> None:
        payload = await self._mutate("deleteNotification", {"id": notification_id}, "notificationId")
        assert payload == {"notification_id": notification_id}

    async def get_user(self, user_id: str) -> Body:
        found: Body = (await self._run(f"query($id: ID!) {{ user(id: $id) {USER} }}", {"id": user_id}))["user"]
        if found is None:
            raise _no_user(user_id)
        if found["created_at"] is None:
            raise Refused("NOT_FOUND", "NOT_FOUND", correlation_id="(none)")
        return found

    async def update_user(self, user_id: str, record: Body) -> Body:
        given = {"user_id": user_id, **record}
        found: Body = (await self._mutate("updateUser", given, f"user {USER}"))["user"]
        return found

    async def delete_user(self, user_id: str) -> Body:
        return await self._mutate("deleteUser", {"user_id": user_id}, "notifications cancelled keys contactPoints")

    async def statistics(self, **arguments: Any) -> Body:
        given = {name.removesuffix("_"): value for name, value in arguments.items() if value is not None}
        for name in ("bucket", "status"):
            if name in given:
                given[name] = given[name].upper()
        declared = "".join(f"${name}: {STATISTICS[name]} " for name in given)
        passed = ", ".join(f"{name}: ${name}" for name in given)
        arguments_text = f"({passed})" if passed else ""
        head = f"query({declared})" if declared else "query"
        data = await self._run(f"{head} {{ statistics{arguments_text} {COUNTS} }}", given)
        found: Body = data["statistics"]
        return found

    async def create_key(self, command: Body) -> Body:
        return _issued(await self._mutate("createKey", command, f"key {KEY} secret"))

    async def keys(self) -> list[Body]:
        return [_identified(key, "key_id") for key in (await self._run(f"{{ keys {KEY} }}", {}))["keys"]]

    async def rotate_key(self, key_id: str, overlap_seconds: int | None = None) -> Body:
        given = {"key_id": key_id, "overlap_seconds": overlap_seconds}
        return _issued(await self._mutate("rotateKey", given, f"key {KEY} secret"))

    async def revoke_key(self, key_id: str) -> Body:
        return _identified((await self._mutate("revokeKey", {"key_id": key_id}, f"key {KEY}"))["key"], "key_id")

    async def issue_user_token(self, user_id: str, lifetime_seconds: int | None = None) -> Body:
        given = {"user_id": user_id, "lifetime_seconds": lifetime_seconds}
        return await self._mutate("issueUserToken", given, "token expiresAt")

    async def audit(self, **arguments: Any) -> Body:
        given = {"first": arguments.get("limit", 20), "after": arguments.get("after")}
        document = f"query($first: Int, $after: String) {{ auditEntries(first: $first, after: $after) {ENTRIES} }}"
        page = (await self._run(document, given))["audit_entries"]
        assert page["page_info"]["has_previous_page"] == (given["after"] is not None)
        shown = _as_page(page)
        return {**shown, "items": [_identified(entry, "entry_id") for entry in shown["items"]]}

    async def health(self) -> Body:
        found: Body = (await self._run(f"{{ health {HEALTH} }}", {}))["health"]
        return found

    async def get(self, notification_id: str) -> Body:
        data = await self._run(f"query($id: ID!) {{ notification(id: $id) {NOTIFICATION} }}", {"id": notification_id})
        if data["notification"] is None:
            # Look-ups of what does not exist give null, without an error: that is this protocol's NOT_FOUND.
            raise Refused("NOT_FOUND", "NOT_FOUND", correlation_id="(none)")
        found: Body = data["notification"]
        return found

    async def list(self, **arguments: Any) -> Body:
        return await self._list("notifications", None, arguments)

    async def list_of_user(self, user_id: str, **arguments: Any) -> Body:
        return await self._list("notifications", user_id, arguments)

    async def inbox(self, user_id: str, **arguments: Any) -> Body:
        return await self._list("inbox", user_id, arguments)

    async def unread_count(self, user_id: str) -> Body:
        data = await self._run("query($id: ID!) { user(id: $id) { unreadCount unreadCountCapped } }", {"id": user_id})
        found: Body = data["user"]
        if found is None:
            raise _no_user(user_id)
        return found

    async def update_status(self, notification_id: str, status: str) -> Body:
        given = {"id": notification_id, "status": status.upper()}
        return await self._notification("updateNotificationStatus", given)

    async def mark_read(self, notification_id: str) -> Body:
        return await self._notification("markRead", {"id": notification_id})

    async def mark_unread(self, notification_id: str) -> Body:
        return await self._notification("markUnread", {"id": notification_id})

    async def mark_seen(self, notification_id: str) -> Body:
        return await self._notification("markSeen", {"id": notification_id})

    async def mark_unseen(self, notification_id: str) -> Body:
        return await self._notification("markUnseen", {"id": notification_id})

    async def archive(self, notification_id: str) -> Body:
        return await self._notification("archiveNotification", {"id": notification_id})

    async def unarchive(self, notification_id: str) -> Body:
        return await self._notification("unarchiveNotification", {"id": notification_id})

    async def mark_all_read(self, user_id: str, **arguments: Any) -> int:
        return int((await self.mark_all("read", user_id, **arguments))["count"])

    async def mark_all(self, mark: str, user_id: str, **arguments: Any) -> Body:
        given = {"user_id": user_id, **arguments}
        return await self._mutate(f"markAll{mark.capitalize()}", given, "count operationId")

    async def undo_mark_all(self, user_id: str, operation_id: str) -> int:
        given = {"user_id": user_id, "operation_id": operation_id}
        return int((await self._mutate("undoMarkAll", given, "count"))["count"])

    async def inbox_counts(self, user_id: str, *categories: str) -> Body:
        document = f"""query($id: ID!, $categories: [String!]) {{
          user(id: $id) {{ inboxCounts(categories: $categories) {{ {NUMBERS} categories {{ category {NUMBERS} }} }} }}
        }}"""
        found: Body = (await self._run(document, {"id": user_id, "categories": list(categories)}))["user"]
        counts: Body = found["inbox_counts"]
        return counts

    async def dead_letters(self, **arguments: Any) -> Body:
        return await self._list("deadLetters", None, arguments)

    async def replay(self, **selection: Any) -> int:
        return int((await self._mutate("replayDeadLetters", _selection(selection), "count"))["count"])

    async def purge(self, **selection: Any) -> int:
        return int((await self._mutate("purgeDeadLetters", _selection(selection), "count"))["count"])

    @asynccontextmanager
    async def watch(self, user_id: str, after: str | None = None) -> AsyncIterator[AsyncIterator[Body]]:
        document = (
            f"subscription($user: String!, $after: String) {{ inboxEvents(userId: $user, after: $after) {EVENT} }}"
        )
        async with self._subscribe(document, {"user": user_id, "after": after}, "inbox_events") as events:
            yield events

    @asynccontextmanager
    async def watch_one(self, notification_id: str) -> AsyncIterator[AsyncIterator[Body]]:
        document = f"subscription($id: ID!) {{ notificationEvents(id: $id) {EVENT} }}"
        async with self._subscribe(document, {"id": notification_id}, "notification_events") as events:
            yield events

    async def _notification(self, mutation: str, given: Body) -> Body:
        found: Body = (await self._mutate(mutation, given, f"notification {NOTIFICATION}"))["notification"]
        return found

    async def _mutate(self, mutation: str, given: Body, selection: str) -> Body:
        kind = mutation[0].upper() + mutation[1:] + "Input"
        document = f"mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {selection} }} }}"
        data = await self._run(document, {"input": _camel_keys(given)})
        payload: Body = data[_snake(mutation)]
        return payload

    async def _list(self, name: str, user_id: str | None, arguments: Body) -> Body:
        given = {"first" if key == "limit" else key: value for key, value in arguments.items()}
        given.setdefault("first", 20)
        if given.get("status") is not None:
            given["status"] = given["status"].upper()
        variables = {_camel(key): value for key, value in given.items()}
        declared = "".join(f"${_camel(key)}: {FILTERS[key]} " for key in given)
        passed = ", ".join(f"{_camel(key)}: ${_camel(key)}" for key in given)
        inner = f"{name}({passed}) {PAGE}"
        if user_id is None:
            page = (await self._run(f"query({declared}) {{ {inner} }}", variables))[_snake(name)]
        else:
            document = f"query($user: ID! {declared}) {{ user(id: $user) {{ {inner} }} }}"
            found = (await self._run(document, {"user": user_id, **variables}))["user"]
            if found is None:
                raise _no_user(user_id)
            page = found[_snake(name)]
        return _as_page(page)

    async def _run(self, document: str, variables: Body) -> Body:
        response = await self._client.post(
            "/graphql",
            json={"query": document, "variables": variables},
            headers={"Accept": "application/graphql-response+json"},
        )
        body = response.json()
        if body.get("errors"):
            error = body["errors"][0]
            assert error["extensions"]["correlation_id"] == response.headers["x-correlation-id"]
            raise _refusal(error)
        data: Body = _canonical(body["data"])
        return data

    @asynccontextmanager
    async def _subscribe(self, document: str, variables: Body, name: str) -> AsyncIterator[AsyncIterator[Body]]:
        async with connect(self._socket_url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": self._init}))
            assert json.loads(await _unless_closed(socket))["type"] == "connection_ack"
            payload = {"query": document, "variables": variables}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            first = _message(await socket.recv())
            yield _events(socket, first, name)


async def _unless_closed(socket: ClientConnection) -> str | bytes:
    """What comes next; a socket that is closed for want of a credential refuses as an operation would."""
    try:
        return await socket.recv()
    except ConnectionClosed as closed:
        if closed.rcvd is None or closed.rcvd.code != 4401:
            raise
        raise Refused("UNAUTHENTICATED", "UNAUTHENTICATED", correlation_id="(none)") from None


def _message(raw: str | bytes) -> Body:
    message: Body = json.loads(raw)
    if message["type"] == "error":
        raise _refusal(message["payload"][0])
    return message


async def _events(socket: ClientConnection, first: Body, name: str) -> AsyncIterator[Body]:
    message = first
    while message["type"] == "next":
        if message["payload"].get("errors"):
            raise _refusal(message["payload"]["errors"][0])
        yield _canonical(message["payload"]["data"])[name]
        message = _message(await socket.recv())
    assert message["type"] == "complete"


def _no_user(user_id: str) -> Refused:
    """What a look-up's null stands for: there can be no such user, or the caller may not know of them."""
    if is_user_id(user_id):
        return Refused("NOT_FOUND", "NOT_FOUND", correlation_id="(none)")
    return Refused("INVALID_ARGUMENT", "INVALID_VALUE", ("user_id",), correlation_id="(none)")


def _refusal(error: Body) -> Refused:
    extensions = error["extensions"]
    return Refused(
        extensions["code"],
        extensions["reason"],
        tuple("limit" if v["field"] == "first" else v["field"] for v in extensions.get("violations") or ()),
        extensions.get("metadata") or {},
        extensions["correlation_id"],
        tuple(violation["message"] for violation in extensions.get("violations") or ()),
    )


def _as_page(page: Body) -> Body:
    edges, info = page["edges"], page["page_info"]
    cursors = [edge["cursor"] for edge in edges]
    assert [info["start_cursor"], info["end_cursor"]] == ([cursors[0], cursors[-1]] if cursors else [None, None])
    return {
        "items": [edge["node"] for edge in edges],
        "next_cursor": info["end_cursor"] if info["has_next_page"] else None,
    }


def _issued(payload: Body) -> Body:
    return {**payload, "key": _identified(payload["key"], "key_id")}


def _identified(shown: Body, name: str) -> Body:
    """With `id` as the other protocols have it: to Relay that would be an identity."""
    return {"id" if field == name else field: value for field, value in shown.items()}


def _selection(selection: Body) -> Body:
    if selection.get("filter", {}).get("status"):
        return {**selection, "filter": {**selection["filter"], "status": selection["filter"]["status"].upper()}}
    return selection


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


OWN = {"metadata", "contact_points"}
"""What the caller named: no case of ours."""


def _snake(name: str) -> str:
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def _camel_keys(given: Body) -> Body:
    """Input in GraphQL's case; metadata is the caller's own."""
    return {
        _camel(name): _camel_keys(value) if isinstance(value, dict) and name not in OWN else value
        for name, value in given.items()
    }


def _canonical(value: Any, name: str = "") -> Any:
    """An answer in REST's case, enums lower-case; metadata is the caller's own."""
    if name in {"metadata", "contactPoints", "result"} and not isinstance(value, int):
        return value
    if isinstance(value, dict):
        return {_snake(key): _canonical(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value.lower() if name in ENUMS and isinstance(value, str) else value
