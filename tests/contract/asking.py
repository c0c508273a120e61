"""How a case is asked in each protocol: the request is made from the contract, the answer comes as one word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, Self

import grpc
import httpx2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLSchema, get_named_type, is_composite_type
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.contract.places import Case, snake

Body = dict[str, Any]
STATUSES = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "NOT_FOUND": 404}
CLOSED = {4401: "UNAUTHENTICATED", 4403: "PERMISSION_DENIED"}
OK = "OK"


@dataclass(frozen=True)
class Answer:
    """What came: OK, or the code of the refusal; null is NOT_FOUND, as GraphQL has it."""

    word: str
    body: Any = None


class Asker(Protocol):
    """One protocol, as one caller."""

    async def ask(self, case: Case, arguments: Body) -> Answer: ...


class Rest:
    """By the OpenAPI document."""

    def __init__(self, client: httpx2.AsyncClient, document: Mapping[str, Any], token: str | None) -> None:
        self._client = client
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._routes = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        }

    async def ask(self, case: Case, arguments: Body) -> Answer:
        method, template, operation = self._routes[case.name]
        in_path = {name for name in arguments if f"{{{name}}}" in template}
        rest = {name: value for name, value in arguments.items() if name not in in_path}
        path = template.format(**{name: arguments[name] for name in in_path})
        sent: Body = {"json": rest} if "requestBody" in operation else {"params": rest}
        async with self._client.stream(method, path, headers=self._headers, **sent) as response:
            if response.status_code < 300:
                if "text/event-stream" in response.headers.get("content-type", ""):
                    return Answer(OK, await anext(response.aiter_lines()))
                text = await response.aread()
                return Answer(OK, json.loads(text) if text else None)
            await response.aread()
        problem = response.json()
        word = problem["code"]
        assert response.status_code == STATUSES.get(word, response.status_code), problem
        assert (response.status_code == 401) == ("WWW-Authenticate" in response.headers), problem
        return Answer(word, problem)


def document_of(schema: GraphQLSchema, case: Case, arguments: Body) -> tuple[str, Body]:
    """A GraphQL document that asks for one field, and its variables."""
    owner, name = case.place.split(".")
    field = schema.type_map[owner].fields[name]  # type: ignore[attr-defined]  # object types all
    inner = "{ version }" if case.place == "Query.health" else "{ __typename }"
    selection = inner if is_composite_type(get_named_type(field.type)) else ""
    variables: Body = {}
    declared, passed = [], []
    for argument, described in field.args.items():
        value = _given(described.type, argument, arguments)
        if value is not None:
            variables[argument] = value
            declared.append(f"${argument}: {described.type}")
            passed.append(f"{argument}: ${argument}")
    text = f"{name}({', '.join(passed)}) {selection}" if passed else f"{name} {selection}"
    if owner == "User":
        variables["user"] = arguments["user_id"]
        declared.append("$user: ID!")
        text = f"user(id: $user) {{ {text} }}"
    kind = {"Mutation": "mutation", "Subscription": "subscription"}.get(owner, "query")
    head = f"{kind}({', '.join(declared)})" if declared else kind
    return f"{head} {{ {text} }}", variables


def _given(kind: Any, name: str, arguments: Body) -> Any:
    """An argument from REST's JSON, by what the schema wants."""
    named = get_named_type(kind)
    if isinstance(named, GraphQLInputObjectType):
        if name != "input":
            items = arguments.get(snake(name))
            return None if items is None else [_object(named, item) for item in items]
        return _object(named, arguments)
    value = arguments.get(_names(name, arguments))
    return value.upper() if isinstance(named, GraphQLEnumType) and value is not None else value


def _object(kind: GraphQLInputObjectType, given: Body) -> Body:
    found = {name: _given(field.type, name, given) for name, field in kind.fields.items()}
    return {name: value for name, value in found.items() if value is not None}


def _names(name: str, arguments: Body) -> str:
    """`id` and `first` are GraphQL's alone."""
    if name == "id":
        return next((known for known in arguments if known.endswith("_id")), "id")
    return "limit" if name == "first" else snake(name)


def _word_of(case: Case, result: Body) -> Answer:
    if result.get("errors"):
        return Answer(result["errors"][0]["extensions"]["code"], result)
    value = result["data"]
    names = case.place.split(".")
    for name in ["user", names[1]] if names[0] == "User" else names[1:]:
        value = None if value is None else value[name]
    return Answer("NOT_FOUND" if value is None else OK, value)


class Graphql:
    """By the SDL, over HTTP; subscriptions as server-sent events."""

    def __init__(self, client: httpx2.AsyncClient, schema: GraphQLSchema, token: str | None) -> None:
        self._client = client
        self._schema = schema
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    async def ask(self, case: Case, arguments: Body) -> Answer:
        query, variables = document_of(self._schema, case, arguments)
        accept = "text/event-stream" if case.place.startswith("Sub") else "application/graphql-response+json"
        headers = {**self._headers, "Accept": accept}
        sent = {"query": query, "variables": variables} if variables else {"query": query}
        async with self._client.stream("POST", "/graphql", headers=headers, json=sent) as response:
            if "text/event-stream" not in response.headers["content-type"]:
                body = json.loads(await response.aread())
                answer = _word_of(case, body)
                assert (response.status_code == 401) == (answer.word == "UNAUTHENTICATED"), body
                return answer
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    return _word_of(case, json.loads(line.removeprefix("data: ")))
        raise AssertionError(f"no event: {case}")


class Socket:
    """By the SDL, over one WebSocket for all operations of a caller."""

    def __init__(self, url: str, schema: GraphQLSchema, token: str | None) -> None:
        self._url = url
        self._schema = schema
        self._init = None if token is None else {"Authorization": f"Bearer {token}"}
        self._waiting: dict[str, asyncio.Future[Body]] = {}
        self._socket: ClientConnection | None = None
        self._closed = ""
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._socket = await connect(self._url, subprotocols=[Subprotocol("graphql-transport-ws")])
        await self._socket.send(json.dumps({"type": "connection_init", "payload": self._init}))
        try:
            acknowledged = json.loads(await self._socket.recv())
        except ConnectionClosed:
            self._closed = CLOSED[self._socket.close_code or 0]
            return self
        assert acknowledged["type"] == "connection_ack"
        # Owned by this object until it is left.
        self._reader = asyncio.get_running_loop().create_task(self._read(self._socket))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
        if self._socket is not None:
            await self._socket.close()

    async def _read(self, socket: ClientConnection) -> None:
        async for raw in socket:
            message = json.loads(raw)
            if message["type"] in {"next", "error"} and (waiting := self._waiting.pop(message["id"], None)):
                errors = message["type"] == "error"
                waiting.set_result({"errors": message["payload"]} if errors else message["payload"])

    async def ask(self, case: Case, arguments: Body) -> Answer:
        if self._closed:
            return Answer(self._closed)
        assert self._socket is not None
        query, variables = document_of(self._schema, case, arguments)
        identifier = str(id(variables))
        self._waiting[identifier] = asyncio.get_running_loop().create_future()
        future = self._waiting[identifier]
        payload = {"query": query, "variables": variables}
        await self._socket.send(json.dumps({"type": "subscribe", "id": identifier, "payload": payload}))
        async with asyncio.timeout(20):
            result = await future
        with suppress(ConnectionClosed):
            await self._socket.send(json.dumps({"type": "complete", "id": identifier}))
        return _word_of(case, result)


class Rpc:
    """By the descriptors."""

    def __init__(self, channel: grpc.aio.Channel, services: Iterable[ServiceDescriptor], token: str | None) -> None:
        self._channel = channel
        self._metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        self._methods: dict[str, MethodDescriptor] = {
            method.name[0].lower() + method.name[1:]: method for service in services for method in service.methods
        }

    async def ask(self, case: Case, arguments: Body) -> Answer:
        method = self._methods[case.name]
        request = message_of(method, arguments)
        path = f"/{method.containing_service.full_name}/{method.name}"
        into, out = type(request).SerializeToString, GetMessageClass(method.output_type).FromString
        try:
            if method.client_streaming:
                return await self._exchange(self._channel.stream_stream(path, into, out), request)
            if method.server_streaming:
                call = self._channel.unary_stream(path, into, out)(request, metadata=self._metadata, timeout=20)
                first: Any = await call.read()
                call.cancel()
                assert first is not grpc.aio.EOF
                return Answer(OK, MessageToDict(first))
            found: Any = await self._channel.unary_unary(path, into, out)(request, metadata=self._metadata, timeout=20)
        except grpc.aio.AioRpcError as error:
            return Answer(error.code().name, error.details())
        return Answer(OK, MessageToDict(found))

    async def _exchange(self, opened: Callable[..., Any], request: Any) -> Answer:
        first = None
        while first is None:
            call = opened(metadata=self._metadata, timeout=20)
            try:
                await call.write(request)
                first = await call.read()
            except grpc.aio.AioRpcError as refusal:
                # A write that meets the server's refusal makes grpc.aio lose the status: asked again, it is there.
                if refusal.code() is not grpc.StatusCode.INTERNAL or refusal.trailing_metadata():
                    raise
            finally:
                call.cancel()
        assert first is not grpc.aio.EOF
        # Whoever may not create at all is told so of the whole stream, and not of each item.
        return Answer(f"item {first.error.code}" if first.HasField("error") else OK, MessageToDict(first))


def message_of(method: MethodDescriptor, arguments: Body) -> Any:
    """A request from REST's JSON."""
    described = method.input_type
    given: Body = {}
    if method.client_streaming:
        given["notification"] = arguments["notifications"][0]
    for name, value in arguments.items():
        known = described.fields_by_name.get({"limit": "page_size"}.get(name, name))
        if known is None:
            assert method.client_streaming, (method.full_name, name)
        elif known.enum_type is not None:
            prefix = known.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
            given[known.name] = prefix + value.upper()
        else:
            given[known.name] = value
    return ParseDict(given, GetMessageClass(described)())
