"""Every process stopped in order and started again under load: clients with ordinary retries see nothing of it."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import httpx2
import websockets
from aiosmtpd.smtp import SMTP, Envelope, Session
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymongo import AsyncMongoClient

from hub.client import HubClient
from hub.dev.smtp_sink import read_mail
from hub.rpc.v1 import notifications_pb2 as pb
from tests.chaos.clients import Addresses
from tests.chaos.watchers import PROTOCOLS, Event
from tests.good_client import GoodClient
from tests.hub_process import HubProcess, free_ports, running_hub
from tests.waiting import until

DRAIN_DELAY = 2.5
MOST_STOP_SECONDS = 6.0
"""How long a process may take to stop under this load."""
USER = "user123"
MAIL_SECONDS = 0.3
"""How long the provider takes over a mail: some are always under way when a worker stops."""
ENDS = {"sse": {"ended"}, "socket": {"closed 1012"}, "grpc": {"UNAVAILABLE"}}
"""How a stream ends that is to come back."""
REFUSED = {"ConnectError", "ConnectionRefusedError", "UNAVAILABLE", "HTTPStatusError", "InvalidStatus"}
"""How coming back to the process that is away ends."""


async def test_a_process_that_is_about_to_stop_says_so_as_long_as_it_lasts(
    mongo_url: str, mongo_database: str, own_amqp_url: str
) -> None:
    """Load balancers look at either protocol's health, at moments of their own, while everything is still served."""
    settings = {"HUB_DRAIN_DELAY": str(DRAIN_DELAY)}
    async with (
        running_hub(mongo_url, f"{mongo_database}_drain_delay", own_amqp_url, roles=("api",), more=settings) as hub,
        httpx2.AsyncClient(base_url=hub.base_url) as client,
        grpc.aio.insecure_channel(hub.grpc_target) as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)

        async def says() -> tuple[bool, bool]:
            answer = await health.Check(health_pb2.HealthCheckRequest())
            serving = answer.status == health_pb2.HealthCheckResponse.SERVING
            return (await client.get("/readyz")).status_code == 200, serving

        async def says_no() -> bool:
            return await says() == (False, False)

        async def says_yes() -> bool:
            return await says() == (True, True)

        await until(says_yes)
        api = hub.processes["api"]
        api.signal(signal.SIGTERM)
        await until(says_no, 1)
        ends = time.monotonic() + DRAIN_DELAY - 1.5
        while time.monotonic() < ends:
            assert await says_no()
            body = {"user_id": USER, "title": "Hello", "message": "Still served", "type": "in_app"}
            assert (await client.post("/api/v1/notifications", json=body)).status_code == 201
            await asyncio.sleep(0.1)
        assert await api.ended() == 0


class SlowProvider:
    """An SMTP server that takes its time, and knows what it took."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.under_way = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        self.under_way += 1
        await asyncio.sleep(MAIL_SECONDS)
        self.under_way -= 1
        assert isinstance(envelope.content, bytes)
        self.taken[str(read_mail(envelope.content, envelope.rcpt_tos[0]).notification_id)] += 1
        return "250 2.0.0 Ok"

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(self, hostname="localhost", loop=loop), "127.0.0.1", port)
        async with server:
            yield


@dataclass
class Follower:
    """A reader who comes back with the last cursor whenever its stream ends."""

    protocol: str
    apis: Sequence[Addresses]
    seen: dict[str, int] = field(default_factory=dict)
    """The latest version of each notification that it was told of."""
    ends: Counter[str] = field(default_factory=Counter)
    backwards: list[str] = field(default_factory=list)
    resyncs: int = 0
    cursor: str | None = None
    begun: int = 0

    async def run(self) -> None:
        turn = 0
        while True:
            began = self.begun
            try:
                async with aclosing(PROTOCOLS[self.protocol](self.apis[turn % 2], USER, self.cursor)) as events:
                    async for event in events:
                        self._take(event, first=self.begun == began)
                end = "ended"
            except (httpx2.HTTPError, OSError, EOFError, grpc.aio.AioRpcError, websockets.WebSocketException) as error:
                end = name_of(error)
            # Only streams that had begun tell how streams end.
            self.ends[end if self.begun > began else f"refused: {end}"] += 1
            turn += 1
            await asyncio.sleep(0.1)

    def _take(self, event: Event, *, first: bool) -> None:
        self.begun += first
        self.resyncs += event["kind"] == "resync"
        if "id" in event:
            if event["version"] < self.seen.get(event["id"], 0):
                self.backwards.append(event["id"])
            self.seen[event["id"]] = event["version"]
        self.cursor = event["cursor"]


def name_of(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code().name
    if isinstance(error, websockets.ConnectionClosed) and error.rcvd is not None:
        return f"closed {error.rcvd.code}"
    return type(error).__name__


@dataclass
class GrpcClient:
    """The hub's own client, with all it has at its defaults."""

    hub: HubClient
    accepted: list[str] = field(default_factory=list)
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    async def create(self) -> None:
        while not self.ending.is_set():
            self.accepted.append((await self.hub.create(_request())).notification.id)
            await asyncio.sleep(0.1)

    async def stream(self) -> None:
        async def requests() -> AsyncIterator[pb.CreateNotificationRequest]:
            while not self.ending.is_set():
                yield _request()
                await asyncio.sleep(0.1)

        async with aclosing(self.hub.create_many(requests())) as answers:
            async for answer in answers:
                assert not answer.HasField("error"), answer
                self.accepted.append(answer.notification.id)


def _request() -> pb.CreateNotificationRequest:
    return pb.CreateNotificationRequest(user_id=USER, title="Hello", message="Over gRPC", type="in_app")


@dataclass
class Fleet:
    """Two processes of each role."""

    processes: list[HubProcess]
    """By role, as `ROLES` has them."""
    apis: list[Addresses]

    def waves(self) -> list[list[HubProcess]]:
        """What is restarted together: every role, of which one is always there. Clients feel both apis."""
        first, second, *others = self.processes
        return [[first], [second], others[0::2]]


@asynccontextmanager
async def fleet(mongo_url: str, database: str, amqp_url: str, smtp_port: int) -> AsyncIterator[Fleet]:
    email = {"host": "127.0.0.1", "port": smtp_port, "security": "none", "sender_address": "hub@example.test"}
    env = {
        "HUB_MONGO__URL": mongo_url,
        "HUB_MONGO__DATABASE": database,
        "HUB_AMQP__URL": amqp_url,
        "HUB_CHANNELS": json.dumps({"email": email}),
        "HUB_DEV__CAPTURE": "false",
        "HUB_LOG__FORMAT": "json",
    }
    ports = free_ports(4)
    own = [{"HUB_HTTP__PORT": str(ports[n]), "HUB_GRPC__PORT": str(ports[n + 1])} for n in (0, 2)]
    processes = [HubProcess(role, env | (own[n] if role == "api" else {})) for role in ROLES for n in range(2)]
    async with AsyncExitStack() as stack:
        for process in processes:
            stack.callback(process.close)
        async with asyncio.timeout(60):
            await asyncio.gather(*(process.start() for process in processes))
        yield Fleet(processes, [Addresses(f"http://127.0.0.1:{ports[n]}", f"127.0.0.1:{ports[n + 1]}") for n in (0, 2)])
        codes = await asyncio.gather(*(process.stop() for process in processes))
        assert set(codes) == {0}


ROLES = ("api", "relay", "worker")


async def test_a_rolling_restart_of_every_role_is_nothing_that_clients_see(
    mongo_url: str, mongo_database: str, own_amqp_url: str
) -> None:
    provider, database = SlowProvider(), f"{mongo_database}_rolling"
    (smtp_port,) = free_ports(1)
    async with (
        provider.serving(smtp_port),
        fleet(mongo_url, database, own_amqp_url, smtp_port) as running,
        httpx2.AsyncClient(base_url=running.apis[0].url) as http,
        GoodClient([api.url for api in running.apis], USER) as rest,
        HubClient("ipv4:" + ",".join(api.grpc_target for api in running.apis)) as hub,
        AsyncMongoClient[dict[str, Any]](mongo_url, uuidRepresentation="standard") as mongo,
    ):
        point = {"contact_points": {"email": "ann@example.com"}}
        assert (await http.put(f"/api/v1/users/{USER}", json=point)).is_success
        calls = GrpcClient(hub)
        followers = [Follower(protocol, running.apis) for protocol in PROTOCOLS for _ in range(2)]
        rows, stops = mongo[database]["notifications"], list[float]()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(follower.run()) for follower in followers]
            creating = [group.create_task(work) for work in (calls.create(), calls.stream())]
            async with rest.load(streams=4, pause=0.1, channels=("email", "in_app")):
                await until(lambda: all(follower.begun for follower in followers), 30)
                for wave in running.waves():
                    stops += await asyncio.gather(*(restarted(process, provider) for process in wave))
            calls.ending.set()
            await asyncio.wait(creating)
            accepted = {*rest.record.accepted.values(), *calls.accepted}
            await until(lambda: all_settled(rows))
            final = {str(row["_id"]): row async for row in rows.find()}
            await until(lambda: all(told(follower, final) for follower in followers), 30)
            for task in tasks:
                task.cancel()
        assert max(stops) < MOST_STOP_SECONDS
        # Nothing is lost, nothing is there twice, and no attempt was cut: workers finish what they hold.
        assert set(final) == accepted
        assert {row["attempt_count"] for row in final.values()} == {1}
        assert provider.taken == {id_: 1 for id_, row in final.items() if row["type"] == "email"}
        for follower in followers:
            ends = {end for end in follower.ends if not end.startswith("refused: ")}
            assert ends == ENDS[follower.protocol], follower.ends
            assert {end.removeprefix("refused: ") for end in follower.ends} - ends <= REFUSED, follower.ends
            assert (follower.backwards, follower.resyncs) == ([], 0)
        for process in running.processes:
            assert "Traceback" not in process.log_text(), process.log_text()
            assert "drain_timeout" not in process.log_text()


async def restarted(process: HubProcess, provider: SlowProvider) -> float:
    """Stops it in order while work is under way, and starts it again; how long the stop took."""
    await until(lambda: provider.under_way > 0)
    began = time.monotonic()
    assert await process.stop() == 0
    took = time.monotonic() - began
    await process.start()
    return took


async def all_settled(rows: Any) -> bool:
    return not await rows.count_documents({"status": {"$nin": ["sent", "delivered"]}})


def told(follower: Follower, final: dict[str, dict[str, Any]]) -> bool:
    """Whether it knows the final version of everything in the inbox."""
    inbox = {id_: row["version"] for id_, row in final.items() if row["type"] == "in_app"}
    return follower.seen == inbox
