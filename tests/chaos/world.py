"""The installation that a run torments: every process real, started here, with a proxy between each and its neighbours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hub.store.embedded_child import exited, spawn
from tests.chaos.clients import Addresses
from tests.chaos.proxy import Proxy
from tests.replica_set import MEMBERS, ReplicaSet, steady_ports
from tests.servers import RabbitServer

ROOT = Path(__file__).parents[2]
LEASE_SECONDS = 10.0
REQUEST_SECONDS = 5.0
STORE_SECONDS = 3.0
SETTLE_SECONDS = 30.0
"""What is due is settled so long after everything was healed."""
_READY = '"event": "ready"'
_START_SECONDS = 40.0
_STOP_SECONDS = 30.0
DATABASE = "chaos"
ROLES = {"rabbitmq": ("api", "relay", "worker"), "local": ("all",)}
EACH = 2
"""Processes of each role."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What kind of run it is to be."""

    seed: int
    seconds: float
    transport: str = "rabbitmq"
    defect: str | None = None
    """A defect planted into every hub process, which the checker must find."""
    faults: tuple[str, ...] = ()
    """Only these; none: all that the transport has."""
    rate: float = 40.0
    """Notifications that clients want a second."""
    users: int = 8
    """How many people they are for."""
    store_seconds: float = STORE_SECONDS

    @property
    def roles(self) -> tuple[str, ...]:
        """Of the hub's processes."""
        return ROLES[self.transport]


class HubChild:
    """One process of the hub, brought back whenever it ends."""

    def __init__(self, name: str, role: str, folder: Path, env: Mapping[str, str], defect: str | None) -> None:
        self.name = name
        self.role = role
        self.log = folder / f"{name}.log"
        self.log.touch()
        self._env = env
        self._module = ["hub"] if defect is None else ["tests.chaos.defects", defect]
        self._process: subprocess.Popen[bytes] | None = None
        self.refused_starts = 0

    @property
    def running(self) -> bool:
        """Whether there is a process, frozen or not."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Starts it until it is ready, again if it gives up because its store is away, as a supervisor would."""
        async with asyncio.timeout(_START_SECONDS):
            while not await self._attempt():
                self.refused_starts += 1
                await asyncio.sleep(0.3)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, if it runs."""
        if self._process is not None and self.running:
            os.kill(self._process.pid, number)

    async def ended(self, seconds: float = _STOP_SECONDS) -> int | None:
        """Waits for its end; the exit code, or None if it does not come."""
        assert self._process is not None
        try:
            async with asyncio.timeout(seconds):
                return await exited(self._process)
        except TimeoutError:
            return None

    async def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            await exited(self._process)

    async def _attempt(self) -> bool:
        offset = self.log.stat().st_size
        argv = [sys.executable, "-m", *self._module, "run", "--role", self.role]
        self._process = process = spawn(argv, self.log, self._env)
        while process.poll() is None:
            with self.log.open() as file:
                file.seek(offset)
                if _READY in file.read():
                    return True
            await asyncio.sleep(0.05)
        return False


class World:
    """Everything that runs, by name."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        (self._smtp, self._sms, *ports) = steady_ports(2 + 2 * (2 * EACH + MEMBERS + 3))
        self._ports = iter(ports)
        self._routes: list[tuple[str, int, int]] = []
        self.apis: list[Addresses] = []
        self.hubs: dict[str, HubChild] = {}
        self.store = self._replica_set()
        self.broker = RabbitServer() if plan.transport == "rabbitmq" else None
        self.proxy = Proxy(())
        self.complaints: list[str] = []
        self.expected: set[str] = set()
        """Hub processes that a fault has in its hands: their ends are no surprise."""

    def of_role(self, role: str) -> list[HubChild]:
        """All processes of a role."""
        return [hub for hub in self.hubs.values() if hub.role == role]

    @property
    def ledgers(self) -> list[Path]:
        """What the providers took."""
        return [self.folder / "email.taken", self.folder / "sms.taken"]

    def routes(self, group: str) -> list[str]:
        """The routes of a group: `api-0`, `broker`, `store-1`, `email`, `sms`."""
        return [name for name, _, _ in self._routes if name.partition("/")[0] == group]

    @property
    def route_groups(self) -> list[str]:
        """All that stands behind the proxy."""
        return sorted({name.partition("/")[0] for name, _, _ in self._routes})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Starts everything; at the end nothing is left."""
        async with AsyncExitStack() as stack:
            broker_url = await self._start_broker(stack)
            providers = {"email": (self._smtp, self._route("email")), "sms": (self._sms, self._route("sms"))}
            for kind, (port, route) in providers.items():
                self._routes.append((f"{kind}/0", route, port))
            self._name_hubs(broker_url, {kind: route for kind, (_, route) in providers.items()})
            self.proxy = await stack.enter_async_context(Proxy(self._routes))
            await stack.enter_async_context(self.store)
            stack.callback(self._keep_logs)
            for kind, (port, _) in providers.items():
                stack.enter_context(self._provider(kind, port))
            for hub in self.hubs.values():
                stack.push_async_callback(hub.kill)
            await asyncio.gather(*(hub.start() for hub in self.hubs.values()))
            yield

    async def watch_over(self) -> None:
        """Brings back what ended though no fault made it, and complains."""
        while True:
            for hub in self.hubs.values():
                if not hub.running and hub.name not in self.expected:
                    self.complaints.append(f"{hub.name} ended by itself")
                    await hub.start()
            await asyncio.sleep(0.2)

    @contextlib.contextmanager
    def held(self, *names: str) -> Iterator[None]:
        """While a fault works on these, their ends are its doing."""
        self.expected.update(names)
        try:
            yield
        finally:
            self.expected.difference_update(names)

    async def stop(self) -> None:
        """All hub processes in order; what does not end cleanly is complained of."""
        with self.held(*self.hubs):
            for hub in self.hubs.values():
                hub.signal(signal.SIGTERM)
            for hub in self.hubs.values():
                code = await hub.ended()
                if code != 0:
                    self.complaints.append(f"{hub.name} was told to stop and ended with {code}")

    def tracebacks(self) -> list[str]:
        """What the hub's processes logged as errors of their own."""
        found: Counter[str] = Counter()
        for hub in self.hubs.values():
            for line in hub.log.read_text(errors="replace").splitlines():
                if fault := _fault_in(line):
                    found[f"{hub.role} logged {fault}"] += 1
        return [f"{text} ({count} times)" for text, count in found.items()]

    def _keep_logs(self) -> None:
        for number, member in enumerate(self.store.members):
            shutil.copy(member.log_path, self.folder / f"mongod-{number}.log")

    def _replica_set(self) -> ReplicaSet:
        own = [next(self._ports) for _ in range(MEMBERS)]
        shown = [next(self._ports) for _ in range(MEMBERS)]
        for number in range(MEMBERS):
            self._routes.append((f"store-{number}/0", shown[number], own[number]))
        # With a planted defect a lone primary goes on for longer, so that what it is not to answer can be answered.
        election = 2000 if self.plan.defect is None else 9000
        advertised = [f"127.0.0.1:{port}" for port in shown]
        return ReplicaSet(ports=own, advertised=advertised, election_milliseconds=election)

    async def _start_broker(self, stack: AsyncExitStack) -> str | None:
        if self.broker is None:
            return None
        await stack.enter_async_context(self.broker)
        port = urlsplit(self.broker.url).port
        assert port is not None
        route = self._route("broker")
        self._routes.append(("broker/0", route, port))
        return self.broker.url.replace(f":{port}/", f":{route}/")

    def _route(self, _name: str) -> int:
        return next(self._ports)

    def _name_hubs(self, broker_url: str | None, providers: Mapping[str, int]) -> None:
        common = _environment(self.plan, self.store.url, broker_url, providers)
        for role in self.plan.roles:
            for number in range(EACH):
                name, env = f"{role}-{number}", dict(common)
                if role in {"api", "all"}:
                    env |= self._listen(number)
                self.hubs[name] = HubChild(name, role, self.folder, env, self.plan.defect)

    def _listen(self, number: int) -> dict[str, str]:
        http, grpc, http_route, grpc_route = (next(self._ports) for _ in range(4))
        self._routes += [(f"api-{number}/http", http_route, http), (f"api-{number}/grpc", grpc_route, grpc)]
        self.apis.append(Addresses(f"http://127.0.0.1:{http_route}", f"127.0.0.1:{grpc_route}"))
        return {"HUB_HTTP__PORT": str(http), "HUB_GRPC__PORT": str(grpc)}

    @contextlib.contextmanager
    def _provider(self, kind: str, port: int) -> Iterator[None]:
        log = self.folder / f"{kind}.log"
        taken = str(self.folder / f"{kind}.taken")
        argv = [sys.executable, "-m", "tests.chaos.providers", kind, str(port), taken, str(self.plan.seed)]
        process = spawn(argv, log, _clean_environment())
        try:
            yield
        finally:
            process.kill()
            process.wait()


def _environment(plan: Plan, store_url: str, broker_url: str | None, providers: Mapping[str, int]) -> dict[str, str]:
    send = {"SEND_TIMEOUT": "2", "CONNECT_TIMEOUT": "1"}
    email = {
        "HOST": "127.0.0.1",
        "PORT": str(providers["email"]),
        "SECURITY": "none",
        "SENDER_ADDRESS": "hub@example.test",
    }
    sms = {
        "BASE_URL": f"http://127.0.0.1:{providers['sms']}",
        "ACCOUNT_SID": "ACchaos",
        "AUTH_TOKEN": "x",
        "SENDER": "Hub",
    }
    settings = {
        "MONGO__URL": store_url,
        "MONGO__DATABASE": DATABASE,
        "MONGO__TIMEOUT": str(plan.store_seconds),
        "REQUEST_TIMEOUT": str(REQUEST_SECONDS),
        "DRAIN_TIMEOUT": "6",
        "DEV__CAPTURE": "false",
        "LOG__FORMAT": "json",
        "PIPELINE__LEASE": str(LEASE_SECONDS),
        "PIPELINE__HANDOVER_GRACE": "2",
        "PIPELINE__REQUEUE_AFTER": "3",
        "PIPELINE__LONGEST_RETRY_DELAY": "2",
        **{f"CHANNELS__EMAIL__{name}": value for name, value in (email | send).items()},
        **{f"CHANNELS__SMS__{name}": value for name, value in (sms | send).items()},
        **({} if broker_url is None else {"AMQP__URL": broker_url}),
    }
    return _clean_environment() | {f"HUB_{name}": value for name, value in settings.items()}


def _clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _fault_in(line: str) -> str | None:
    """What a line of a log complains of, if it is a defect's: an error, or a traceback."""
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return line[:200] if "Traceback" in line else None
    if entry.get("level") in {"error", "critical"} or "Traceback" in str(entry.get("exception", "")):
        last = str(entry.get("exception", "")).strip().splitlines()
        return f"{entry.get('event')}: {last[-1] if last else ''}"
    return None


@contextlib.contextmanager
def folder_of_run(keep: Path | None) -> Iterator[Path]:
    """Where logs and ledgers go: a folder that is kept, or one that goes with the run."""
    if keep is not None:
        # A ledger of an earlier run would testify in this one.
        shutil.rmtree(keep, ignore_errors=True)
        keep.mkdir(parents=True)
        yield keep
        return
    folder = Path(tempfile.mkdtemp(prefix="hub-chaos-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
