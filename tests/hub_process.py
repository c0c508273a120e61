"""A hub as users run it: real processes on real sockets, started from the command line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

ROOT = Path(__file__).parents[1]


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody has just now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class HubProcess:
    """One `python -m hub run`; may be killed and started again."""

    def __init__(self, role: str, env: Mapping[str, str], module: tuple[str, ...] = ("hub",)) -> None:
        self.role = role
        self._module = module
        self._env = env
        descriptor, self._log_path = tempfile.mkstemp(prefix=f"hub-{role}-", suffix=".log")
        self._log = os.fdopen(descriptor, "w")
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process now running."""
        assert self._process is not None
        return self._process.pid

    def log_text(self) -> str:
        """All it has said so far."""
        return Path(self._log_path).read_text(encoding="utf-8")

    async def start(self, *, wait: bool = True) -> None:
        """Starts it and waits until it says that it is ready."""
        said = self.log_text().count('"event": "ready"')
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *self._module, "run", "--role", self.role,
            cwd=ROOT, env=_clean_environment() | dict(self._env), stdout=self._log, stderr=self._log,
        )  # fmt: skip
        while wait and self.log_text().count('"event": "ready"') == said:
            if self._process.returncode is not None:
                raise AssertionError(f"{self.role} ended with {self._process.returncode}:\n{self.log_text()}")
            await asyncio.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self, seconds: float = 30) -> int:
        """Waits for its end; the exit code."""
        assert self._process is not None
        async with asyncio.timeout(seconds):
            return await self._process.wait()

    async def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> int:
        """SIGTERM, and waits; the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self.signal(signal.SIGTERM)
        return await self.ended()

    def close(self) -> None:
        """Leaves nothing behind."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        self._log.close()
        Path(self._log_path).unlink()


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}


@dataclass(slots=True)
class RunningHub:
    """A hub in split roles, and where it listens."""

    http_port: int
    grpc_port: int
    processes: dict[str, HubProcess] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """Where HTTP is spoken."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def grpc_target(self) -> str:
        """Where gRPC is spoken."""
        return f"127.0.0.1:{self.grpc_port}"

    async def outbox(self) -> list[dict[str, object]]:
        """Everything the sinks took."""
        async with httpx2.AsyncClient(base_url=self.base_url) as client:
            messages: list[dict[str, object]] = (await client.get("/dev/outbox.json")).json()
        return messages


@asynccontextmanager
async def running_hub(
    mongo_url: str, database: str, amqp_url: str | None, *, roles: tuple[str, ...] = ("api", "relay", "worker"),
    more: Mapping[str, str] | None = None, modules: Mapping[str, tuple[str, ...]] | None = None,
) -> AsyncIterator[RunningHub]:  # fmt: skip
    """Starts the roles, and asks at the end that each stops cleanly by itself.

    `modules` names by role what runs in place of `hub`.
    """
    http_port, grpc_port, smtp_port, sms_port, webhook_port = free_ports(5)
    env = {
        "HUB_MONGO__URL": mongo_url,
        "HUB_MONGO__DATABASE": database,
        "HUB_HTTP__PORT": str(http_port),
        "HUB_GRPC__PORT": str(grpc_port),
        "HUB_DEV__CAPTURE": "true",
        "HUB_DEV__CAPTURE_SMTP_PORT": str(smtp_port),
        "HUB_DEV__CAPTURE_SMS_PORT": str(sms_port),
        "HUB_DEV__CAPTURE_WEBHOOK_PORT": str(webhook_port),
        "HUB_LOG__FORMAT": "json",
        "HUB_PIPELINE__HANDOVER_GRACE": "2",
        "HUB_PIPELINE__LONGEST_RETRY_DELAY": "2",
        **({"HUB_AMQP__URL": amqp_url} if amqp_url else {}),
        **(more or {}),
    }
    hub = RunningHub(http_port, grpc_port)
    async with AsyncExitStack() as stack:
        for role in roles:
            process = HubProcess(role, env, (modules or {}).get(role, ("hub",)))
            stack.callback(process.close)
            hub.processes[role] = process
        async with asyncio.timeout(60):
            await asyncio.gather(*(process.start() for process in hub.processes.values()))
        yield hub
        codes = {role: await process.stop() for role, process in hub.processes.items()}
        assert codes == dict.fromkeys(roles, 0), "\n".join(p.log_text()[-3000:] for p in hub.processes.values())
