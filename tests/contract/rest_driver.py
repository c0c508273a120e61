"""REST, spoken by an ordinary HTTP client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from tests.contract.drivers import Body, Refused


class RestDriver:
    """`/api/v1`."""

    name = "rest"

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def create(self, command: Body, key: str | None = None) -> tuple[Body, bool]:
        headers = {} if key is None else {"Idempotency-Key": key}
        response = await self._send("POST", "/notifications", json=command, headers=headers)
        body = response.json()
        assert response.status_code == 201
        assert response.headers["location"] == f"/api/v1/notifications/{body['id']}"
        return body, response.headers.get("idempotency-replayed") == "true"

    async def create_many(self, commands: list[Body]) -> list[Body]:
        answer = await self._json("POST", "/notifications/batch", json={"notifications": commands})
        results: list[Body] = answer["results"]
        return results

    async def delete(self, notification_id: str) -> None:
        response = await self._send("DELETE", f"/notifications/{notification_id}")
        assert (response.status_code, response.content) == (204, b"")

    async def get_user(self, user_id: str) -> Body:
        return await self._json("GET", f"/users/{user_id}")

    async def update_user(self, user_id: str, record: Body) -> Body:
        return await self._json("PUT", f"/users/{user_id}", json=record)

    async def delete_user(self, user_id: str) -> Body:
        return await self._json("DELETE", f"/users/{user_id}")

    async def statistics(self, **arguments: Any) -> Body:
        return await self._list("/statistics", {name.removesuffix("_"): value for name, value in arguments.items()})

    async def create_key(self, command: Body) -> Body:
        return await self._secret("/keys", command)

    async def keys(self) -> list[Body]:
        answer = await self._json("GET", "/keys")
        assert answer.keys() == {"items"}
        items: list[Body] = answer["items"]
        return items

    async def rotate_key(self, key_id: str, overlap_seconds: int | None = None) -> Body:
        body = None if overlap_seconds is None else {"overlap_seconds": overlap_seconds}
        return await self._secret(f"/keys/{key_id}/rotate", body)

    async def revoke_key(self, key_id: str) -> Body:
        return await self._json("DELETE", f"/keys/{key_id}")

    async def issue_user_token(self, user_id: str, lifetime_seconds: int | None = None) -> Body:
        body = None if lifetime_seconds is None else {"lifetime_seconds": lifetime_seconds}
        return await self._secret(f"/users/{user_id}/tokens", body)

    async def audit(self, **arguments: Any) -> Body:
        return await self._list("/audit", arguments)

    async def health(self) -> Body:
        return await self._json("GET", "/health")

    async def get(self, notification_id: str) -> Body:
        return await self._json("GET", f"/notifications/{notification_id}")

    async def list(self, **arguments: Any) -> Body:
        return await self._list("/notifications", arguments)

    async def list_of_user(self, user_id: str, **arguments: Any) -> Body:
        return await self._list(f"/users/{user_id}/notifications", arguments)

    async def inbox(self, user_id: str, **arguments: Any) -> Body:
        return await self._list(f"/users/{user_id}/inbox", arguments)

    async def unread_count(self, user_id: str) -> Body:
        return await self._json("GET", f"/users/{user_id}/inbox/unread-count")

    async def update_status(self, notification_id: str, status: str) -> Body:
        return await self._json("PATCH", f"/notifications/{notification_id}/status", json={"status": status})

    async def mark_read(self, notification_id: str) -> Body:
        return await self._json("PUT", f"/notifications/{notification_id}/read")

    async def mark_unread(self, notification_id: str) -> Body:
        return await self._json("DELETE", f"/notifications/{notification_id}/read")

    async def mark_seen(self, notification_id: str) -> Body:
        return await self._json("PUT", f"/notifications/{notification_id}/seen")

    async def mark_unseen(self, notification_id: str) -> Body:
        return await self._json("DELETE", f"/notifications/{notification_id}/seen")

    async def archive(self, notification_id: str) -> Body:
        return await self._json("PUT", f"/notifications/{notification_id}/archived")

    async def unarchive(self, notification_id: str) -> Body:
        return await self._json("DELETE", f"/notifications/{notification_id}/archived")

    async def mark_all_read(self, user_id: str, **arguments: Any) -> int:
        return int((await self.mark_all("read", user_id, **arguments))["count"])

    async def mark_all(self, mark: str, user_id: str, **arguments: Any) -> Body:
        return await self._json("POST", f"/users/{user_id}/inbox/{mark}", json=arguments)

    async def undo_mark_all(self, user_id: str, operation_id: str) -> int:
        return await self._count(f"/users/{user_id}/inbox/undo", {"operation_id": operation_id})

    async def inbox_counts(self, user_id: str, *categories: str) -> Body:
        return await self._json("GET", f"/users/{user_id}/inbox/counts", params={"categories": list(categories)})

    async def dead_letters(self, **arguments: Any) -> Body:
        return await self._list("/dead-letters", arguments)

    async def replay(self, **selection: Any) -> int:
        return await self._count("/dead-letters/replay", selection)

    async def purge(self, **selection: Any) -> int:
        return await self._count("/dead-letters/purge", selection)

    @asynccontextmanager
    async def watch(self, user_id: str, after: str | None = None) -> AsyncIterator[AsyncIterator[Body]]:
        headers = {} if after is None else {"Last-Event-ID": after}
        async with self._stream(f"/users/{user_id}/inbox/stream", headers) as events:
            yield events

    @asynccontextmanager
    async def watch_one(self, notification_id: str) -> AsyncIterator[AsyncIterator[Body]]:
        async with self._stream(f"/notifications/{notification_id}/stream", {}) as events:
            yield events

    @asynccontextmanager
    async def _stream(self, path: str, headers: dict[str, str]) -> AsyncIterator[AsyncIterator[Body]]:
        async with self._client.stream("GET", "/api/v1" + path, headers=headers, timeout=60) as response:
            if response.status_code != 200:
                await response.aread()
                raise _refusal(response)
            assert response.headers["content-type"].startswith("text/event-stream")
            yield _events(response)

    async def _send(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        response = await self._client.request(method, "/api/v1" + path, **arguments)
        if response.status_code >= 400:
            raise _refusal(response)
        return response

    async def _json(self, method: str, path: str, **arguments: Any) -> Body:
        body: Body = (await self._send(method, path, **arguments)).json()
        return body

    async def _secret(self, path: str, body: Body | None) -> Body:
        given = {} if body is None else {"json": body}
        response = await self._send("POST", path, **given)
        assert (response.status_code, response.headers["cache-control"]) == (201, "no-store")
        answer: Body = response.json()
        return answer

    async def _list(self, path: str, arguments: Body) -> Body:
        parameters = {name: _parameter(value) for name, value in arguments.items() if value is not None}
        return await self._json("GET", path, params=parameters)

    async def _count(self, path: str, body: Body) -> int:
        answer = await self._json("POST", path, json=body)
        assert answer.keys() == {"count"}
        return int(answer["count"])


def _parameter(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refusal(response: httpx2.Response) -> Refused:
    assert response.headers["content-type"].startswith("application/problem+json"), response.text
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["correlation_id"] == response.headers["x-correlation-id"]
    return Refused(
        problem["code"],
        problem["reason"],
        tuple(violation["field"] for violation in problem.get("violations") or ()),
        problem.get("metadata") or {},
        problem["correlation_id"],
        tuple(violation["message"] for violation in problem.get("violations") or ()),
    )


async def _events(response: httpx2.Response) -> AsyncIterator[Body]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            body = json.loads(fields["data"])
            assert fields["id"] == body["cursor"]
            assert fields["event"] == body["kind"]
            yield body
            fields = {}
