"""How the clients of a run speak each protocol: one request, and honestly what came back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import grpc.aio
import httpx2
from google.protobuf.json_format import ParseDict

from hub.client.errors import client_error
from hub.rpc.v1 import entities_pb2
from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub
from tests.chaos.evidence import Ending, Try

Command = Mapping[str, Any]
"""A create as REST has it, with `idempotency_key`."""

PASSING = {"STORE_UNREACHABLE", "OVERLOADED", "DEADLINE_EXCEEDED", "RATE_LIMITED"}
FINAL = {"ILLEGAL_TRANSITION", "NOT_FOUND"}
"""What a client of this run may be denied."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How one item of a request ended, and the id if it is known."""

    ending: Ending
    said: str = ""
    notification_id: str | None = None


class Speaker(Protocol):
    """One protocol to one api. Every method answers; none raises what a run may bring about."""

    name: str

    async def create(self, command: Command) -> Reply: ...
    async def create_many(self, commands: Sequence[Command]) -> list[Reply]: ...
    async def claim(self, notification_id: str, status: str) -> Reply: ...


async def timed(speaker: Speaker, api: int, asking: Callable[[Speaker], Awaitable[Reply]]) -> tuple[Try, Reply]:
    """One request, with its times."""
    began = time.time()
    reply = await asking(speaker)
    return Try(speaker.name, api, began, time.time(), reply.ending, reply.said), reply


def of_reason(reason: str | None, *, may_wait: bool) -> Reply:
    """What a refusal with this reason is; `may_wait`: it said when to come back, as those that pass must."""
    if reason in FINAL:
        return Reply(Ending.DENIED, reason or "")
    if reason in PASSING and (may_wait or reason == "DEADLINE_EXCEEDED"):
        return Reply(Ending.REFUSED, reason or "")
    return Reply(Ending.WRONG, f"{reason or 'no reason'}{'' if may_wait else ', no time to come back'}")


class _HttpSpeaker:
    """What both protocols over HTTP have in common."""

    def __init__(self, url: str, patience: float) -> None:
        self._client = httpx2.AsyncClient(base_url=url, timeout=patience)
        self._patience = patience

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _request(self, method: str, path: str, **more: Any) -> httpx2.Response | Reply:
        try:
            async with asyncio.timeout(self._patience):
                return await self._client.request(method, path, **more)
        except (httpx2.TimeoutException, TimeoutError):
            return Reply(Ending.SILENT)
        except httpx2.TransportError as error:
            return Reply(Ending.BROKEN, type(error).__name__)


class RestSpeaker(_HttpSpeaker):
    """REST."""

    name = "rest"

    async def create(self, command: Command) -> Reply:
        body = {name: value for name, value in command.items() if name != "idempotency_key"}
        headers = {"Idempotency-Key": command["idempotency_key"]}
        answer = await self._ask("POST", "/api/v1/notifications", json=body, headers=headers)
        return answer if isinstance(answer, Reply) else Reply(Ending.DONE, notification_id=answer["id"])

    async def create_many(self, commands: Sequence[Command]) -> list[Reply]:
        body = {"notifications": [dict(command) for command in commands]}
        answer = await self._ask("POST", "/api/v1/notifications/batch", json=body)
        if isinstance(answer, Reply):
            return [answer] * len(commands)
        return [_of_result(result) for result in answer["results"]]

    async def claim(self, notification_id: str, status: str) -> Reply:
        path = f"/api/v1/notifications/{notification_id}/status"
        answer = await self._ask("PATCH", path, json={"status": status})
        return answer if isinstance(answer, Reply) else Reply(Ending.DONE, notification_id=answer["id"])

    async def inbox(self, user_id: str) -> list[dict[str, Any]]:
        """The whole inbox; raises whatever goes wrong."""
        items: list[dict[str, Any]] = []
        parameters = {"limit": "100"}
        while True:
            answer = await self._client.get(f"/api/v1/users/{user_id}/inbox", params=parameters)
            answer.raise_for_status()
            page = answer.json()
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            parameters["after"] = page["next_cursor"]

    async def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any] | Reply:
        answer = await self._request(method, path, **more)
        if isinstance(answer, Reply):
            return answer
        body = _json(answer)
        if answer.is_success and body is not None:
            return body
        if body is None or answer.headers.get("content-type") != "application/problem+json":
            return Reply(Ending.WRONG, f"{answer.status_code} without a problem")
        return of_reason(body.get("reason"), may_wait="retry-after" in answer.headers)


_SELECTION = "notification { id } error { reason } idempotencyReplayed"
_CREATE = "mutation ($i: CreateNotificationInput!) { createNotification(input: $i) { notification { id } } }"
_CREATE_MANY = (
    f"mutation ($i: CreateNotificationsInput!) {{ createNotifications(input: $i) {{ results {{ {_SELECTION} }} }} }}"
)
_CLAIM = """mutation ($i: UpdateNotificationStatusInput!) {
  updateNotificationStatus(input: $i) { notification { id } }
}"""


class GraphQlSpeaker(_HttpSpeaker):
    """GraphQL over HTTP."""

    name = "graphql"

    async def create(self, command: Command) -> Reply:
        answer = await self._ask(_CREATE, "createNotification", _camel(command))
        return answer if isinstance(answer, Reply) else Reply(Ending.DONE, notification_id=answer["notification"]["id"])

    async def create_many(self, commands: Sequence[Command]) -> list[Reply]:
        items = {"notifications": [_camel(command) for command in commands]}
        answer = await self._ask(_CREATE_MANY, "createNotifications", items)
        if isinstance(answer, Reply):
            return [answer] * len(commands)
        return [_of_result(result) for result in answer["results"]]

    async def claim(self, notification_id: str, status: str) -> Reply:
        wanted = {"id": notification_id, "status": status.upper()}
        answer = await self._ask(_CLAIM, "updateNotificationStatus", wanted)
        return answer if isinstance(answer, Reply) else Reply(Ending.DONE, notification_id=notification_id)

    async def _ask(self, document: str, field: str, given: Mapping[str, Any]) -> dict[str, Any] | Reply:
        answer = await self._request("POST", "/graphql", json={"query": document, "variables": {"i": given}})
        if isinstance(answer, Reply):
            return answer
        body = _json(answer)
        if body is None:
            return Reply(Ending.WRONG, f"{answer.status_code} without JSON")
        if errors := body.get("errors"):
            extensions = errors[0].get("extensions", {})
            return of_reason(extensions.get("reason"), may_wait="retry_after" in extensions)
        found: dict[str, Any] = body["data"][field]
        return found


class GrpcSpeaker:
    """gRPC, by the bare stubs: what is retried is the run's own decision."""

    name = "grpc"

    def __init__(self, target: str, patience: float) -> None:
        # Reconnects as fast as the other clients do.
        options = [("grpc.max_reconnect_backoff_ms", 500), ("grpc.initial_reconnect_backoff_ms", 100)]
        self._channel = grpc.aio.insecure_channel(target, options)
        self._hub = NotificationServiceStub(self._channel)
        self._patience = patience

    async def aclose(self) -> None:
        await self._channel.close()

    async def create(self, command: Command) -> Reply:
        answer = await self._ask(self._hub.CreateNotification(_message(command), timeout=self._patience))
        return answer if isinstance(answer, Reply) else Reply(Ending.DONE, notification_id=answer.notification.id)

    async def create_many(self, commands: Sequence[Command]) -> list[Reply]:
        replies: dict[int, Reply] = {}
        call = self._hub.CreateNotifications(timeout=self._patience)
        end = Reply(Ending.BROKEN, "the stream ended early")
        try:
            for command in commands:
                await call.write(pb.CreateNotificationsRequest(notification=_message(command)))
            await call.done_writing()
            async for response in call:
                replies[response.index] = _of_response(response)
        except grpc.aio.AioRpcError as error:
            end = self._failed(error)
        except asyncio.InvalidStateError:
            # A write met the end of the stream: its status is what counts.
            end = Reply(Ending.BROKEN, "the stream had ended")
        finally:
            call.cancel()
        return [replies.get(number, end) for number in range(len(commands))]

    async def claim(self, notification_id: str, status: str) -> Reply:
        wanted = entities_pb2.NotificationStatus.Value(f"NOTIFICATION_STATUS_{status.upper()}")
        request = pb.UpdateNotificationStatusRequest(notification_id=notification_id, status=wanted)
        answer = await self._ask(self._hub.UpdateNotificationStatus(request, timeout=self._patience))
        return answer if isinstance(answer, Reply) else Reply(Ending.DONE, notification_id=notification_id)

    async def _ask(self, call: Awaitable[Any]) -> Any:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            return self._failed(error)

    def _failed(self, error: grpc.aio.AioRpcError) -> Reply:
        told = client_error(error)
        if told.reason != told.code or told.reason in PASSING | FINAL:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and not told.correlation_id:
                return Reply(Ending.SILENT)
            return of_reason(told.reason, may_wait=told.retry_after is not None)
        if error.code() in _OF_THE_CONNECTION:
            return Reply(Ending.BROKEN, error.code().name)
        return Reply(Ending.WRONG, f"{error.code().name} without a reason")


_OF_THE_CONNECTION = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    # What grpc itself says of a stream that is cut while it writes; the hub's own INTERNAL has a reason.
    grpc.StatusCode.INTERNAL,
}


def _json(answer: httpx2.Response) -> dict[str, Any] | None:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _of_result(result: Mapping[str, Any]) -> Reply:
    if result.get("notification"):
        return Reply(Ending.DONE, notification_id=result["notification"]["id"])
    return of_reason(result["error"]["reason"], may_wait=True)


def _of_response(response: pb.CreateNotificationsResponse) -> Reply:
    if response.HasField("notification"):
        return Reply(Ending.DONE, notification_id=response.notification.id)
    return of_reason(response.error.reason, may_wait=True)


def _camel(command: Command) -> dict[str, Any]:
    def renamed(name: str) -> str:
        first, *others = name.split("_")
        return first + "".join(other.title() for other in others)

    return {renamed(name): value for name, value in command.items()}


def _message(command: Command) -> pb.CreateNotificationRequest:
    request = pb.CreateNotificationRequest()
    ParseDict(dict(command), request)
    return request


def rfc3339(moment: datetime) -> str:
    """As all three protocols take it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
