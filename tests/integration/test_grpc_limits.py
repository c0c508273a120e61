"""What one connection may ask of the gRPC server, tried with frames that no client would send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hub.client import ClientOptions
from hub.core.app import Core
from hub.core.credentials import OpenDoor
from hub.core.rates import Rates
from hub.core.standings import Standings
from hub.domain.events import Event, EventKind
from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub
from hub.settings import GrpcSettings
from hub.transports.grpc.app import GrpcServer, serve
from hub.transports.grpc.options import HANDSHAKE_LIMIT, MAX_METADATA_BYTES, PING_INTERVAL
from tests import http2
from tests.counts import counted

WATCH = "/hub.v1.NotificationService/WatchInbox"
CHECK = "/grpc.health.v1.Health/Check"


class Quiet:
    """An inbox in which nothing happens but a heartbeat whenever the test says so."""

    def __init__(self) -> None:
        self.beat = asyncio.Event()

    async def watch(self, _principal: object, _user_id: str, _after: str | None) -> AsyncGenerator[Event]:
        async def events() -> AsyncGenerator[Event]:
            while True:
                yield Event(EventKind.HEARTBEAT, "c", counted(0))
                await self.beat.wait()
                self.beat.clear()

        return events()


@asynccontextmanager
async def served(inbox: Quiet | None = None, **settings: Any) -> AsyncIterator[GrpcServer]:
    async def ready() -> bool:
        return True

    core = SimpleNamespace(
        credentials=OpenDoor(), standings=Standings(), rates=Rates(), ready=ready, inbox=inbox or Quiet()
    )
    chosen = GrpcSettings(port=0, **settings)
    server = await serve(cast("Core", core), chosen, request_timeout=timedelta(seconds=5))
    try:
        yield server
    finally:
        await server.stop(timedelta(0))


@pytest.mark.parametrize("calls", [(), (WATCH,)], ids=["idle", "watching"])
async def test_pings_without_end_end_the_connection(calls: tuple[str, ...]):
    async with served() as server, http2.connected(server.port) as connection:
        await connection.first(http2.SETTINGS)
        for path in calls:
            await connection.call(1, path)
        async with asyncio.TaskGroup() as group:
            pinging = group.create_task(ping(connection))
            gone = await connection.first(http2.GOAWAY)
            pinging.cancel()
        assert gone.error == http2.ENHANCE_YOUR_CALM
        assert gone.payload[8:] == b"too_many_pings"
        async with asyncio.timeout(5):
            assert [frame async for frame in connection.frames() if frame.kind == http2.PING] == []


async def ping(connection: http2.Connection) -> None:
    while True:
        await connection.send(http2.PING, bytes(8))
        await asyncio.sleep(0.01)


def test_our_own_client_pings_less_often_than_that():
    assert ClientOptions().keepalive >= 2 * PING_INTERVAL


async def test_a_connection_has_so_many_calls_under_way_and_no_more():
    async with served(max_concurrent_streams=2) as server, http2.connected(server.port) as connection:
        settings = (await connection.first(http2.SETTINGS)).payload
        pairs = {
            int.from_bytes(settings[i : i + 2]): int.from_bytes(settings[i + 2 : i + 6])
            for i in range(0, len(settings), 6)
        }
        assert pairs[http2.MAX_CONCURRENT_STREAMS] == 2
        for stream in (1, 3, 5, 7):
            await connection.call(stream, WATCH)
        refused = await connection.first(http2.RST_STREAM)
        assert refused.stream == 5
        # By RFC 9113 a refused stream; where grpc takes it for an attack, it says so.
        assert refused.error in {http2.REFUSED_STREAM, http2.ENHANCE_YOUR_CALM}


async def test_a_client_waits_for_its_turn_beyond_that_many():
    async with served(max_concurrent_streams=1) as server, _channel(server) as channel:
        watch = NotificationServiceStub(channel).WatchInbox(pb.WatchInboxRequest(user_id="ann"))
        assert await watch.read() is not grpc.aio.EOF
        async with asyncio.TaskGroup() as group:
            probe = group.create_task(_probe(channel))
            await asyncio.wait([probe], timeout=0.3)
            assert not probe.done()
            watch.cancel()
            assert (await probe).status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    "headers",
    [(("x-long", "x" * MAX_METADATA_BYTES),), tuple((f"x-{n}", "y") for n in range(MAX_METADATA_BYTES // 32))],
    ids=["long", "many"],
)
async def test_headers_beyond_the_limit_are_refused_each_time(headers: tuple[tuple[str, str], ...]):
    async with served() as server, _channel(server) as channel:
        for _ in range(20):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await _probe(channel, headers)
            assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        # What is under it never is, and the connection is as good as before.
        for _ in range(20):
            await _probe(channel, (("x-long", "x" * (MAX_METADATA_BYTES * 9 // 10)),))


async def test_a_connection_too_many_is_closed_at_once():
    async with served(max_connections=2) as server:
        async with http2.connected(server.port) as first, http2.connected(server.port) as second:
            await first.first(http2.SETTINGS)
            await second.first(http2.SETTINGS)
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            async with asyncio.timeout(HANDSHAKE_LIMIT.total_seconds() / 2):
                assert await reader.read() == b""
            writer.close()
        async with _channel(server) as channel:
            assert (await _probe(channel)).status == health_pb2.HealthCheckResponse.SERVING


async def test_whoever_connects_and_says_nothing_is_left():
    async with served() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(HANDSHAKE_LIMIT.total_seconds() + 5):
            # Its settings, and then the end.
            await reader.read()
        writer.close()


async def test_an_old_connection_takes_no_new_calls_and_keeps_its_stream():
    inbox = Quiet()
    async with served(inbox, connection_age=timedelta(seconds=1)) as server:
        async with http2.connected(server.port) as connection:
            gone = await connection.first(http2.GOAWAY)
            assert gone.error == 0
        async with _channel(server) as channel:
            watch = NotificationServiceStub(channel).WatchInbox(pb.WatchInboxRequest(user_id="ann"))
            assert await watch.read() is not grpc.aio.EOF
            loop = asyncio.get_running_loop()
            ends = loop.time() + 3
            while loop.time() < ends:
                await _probe(channel)
                inbox.beat.set()
                assert await watch.read() is not grpc.aio.EOF
            watch.cancel()


@pytest.mark.parametrize(("levels", "reason"), [(30, "INTERNAL"), (100_000, "MALFORMED")])
async def test_a_hundred_thousand_lists_in_one_another_are_malformed_at_once(levels: int, reason: str):
    # This core has no notifications: what could be read gets as far as that.
    async with served() as server, _channel(server) as channel:
        create: Any = channel.unary_unary("/hub.v1.NotificationService/CreateNotification")
        async with asyncio.timeout(2):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await create(nested_request(levels))
    status = status_pb2.Status.FromString(dict(raised.value.trailing_metadata() or ())["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == reason


def nested_request(levels: int) -> bytes:
    """A create whose metadata are lists in one another, as bytes: the library makes none so deep."""
    value, size = [], 0
    for _ in range(levels):
        # A list_value of a Value, and in it `values` of a ListValue: from the inside, so back to front.
        for number in (1, 6):
            value.append(head(number, size))
            size += len(value[-1])
    entry = head(1, 1) + b"k" + head(2, size) + b"".join(reversed(value))
    struct = head(1, len(entry)) + entry
    number = pb.CreateNotificationRequest.DESCRIPTOR.fields_by_name["metadata"].number
    return head(number, len(struct)) + struct


def head(number: int, size: int) -> bytes:
    """The tag and length of a field of protobuf's wire format that has so many bytes."""
    coded = bytearray([number << 3 | 2])
    while size >= 128:
        coded.append(size % 128 + 128)
        size //= 128
    return bytes([*coded, size])


def _channel(server: GrpcServer) -> grpc.aio.Channel:
    return ClientOptions().open(f"127.0.0.1:{server.port}")


async def _probe(channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...] = ()) -> Any:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return await stub.Check(health_pb2.HealthCheckRequest(), timeout=10, metadata=metadata)


async def test_a_cancellation_that_a_driver_swallows_does_not_hold_up_a_drain():
    asked: list[float] = []
    asking = asyncio.Event()

    async def ready() -> bool:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 2:
            asking.set()
            # As drivers do where it comes together with an answer.
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        return True

    core = SimpleNamespace(credentials=OpenDoor(), standings=Standings(), rates=Rates(), ready=ready, inbox=Quiet())
    server = await serve(cast("Core", core), GrpcSettings(port=0), request_timeout=timedelta(seconds=5))
    async with asyncio.timeout(10):
        await asking.wait()
        await server.announce_drain()
        await server.stop(timedelta(0))
