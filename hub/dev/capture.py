"""Capture: local sinks speak the providers' real protocols, take what the hub sends and show it, instead of them."""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from hub.core.ports import ContactPoints
from hub.dev.captured import Outbox
from hub.dev.samples import SampleContactPoints
from hub.dev.sms_gateway import ACCOUNT_SID, AUTH_TOKEN, sms_gateway
from hub.dev.webhook_sink import SECRET, webhook_sink

_HOST = "127.0.0.1"
_NOT_FOR_SINKS = frozenset({"username", "password", "ca_file"})
"""Settings of a real provider that have no place in a talk with a sink."""


@dataclass(frozen=True, slots=True)
class Capture:
    """Where the sinks are, and what they took (empty in a process that only sends to them)."""

    smtp_port: int
    sms_port: int
    webhook_port: int
    outbox: Outbox = field(default_factory=Outbox)
    contact_points: ContactPoints = field(default_factory=SampleContactPoints)

    def channel_settings(self) -> dict[str, dict[str, object]]:
        """Settings with which e-mail, SMS and webhooks go to the sinks."""
        return {
            "email": {
                "host": _HOST,
                "port": self.smtp_port,
                "security": "none",
                "sender_address": "hub@example.test",
                "sender_name": "Notification hub",
            },
            "sms": {
                "base_url": f"http://{_HOST}:{self.sms_port}",
                "account_sid": ACCOUNT_SID,
                "auth_token": AUTH_TOKEN,
                "sender": "+12025550100",
            },
            "webhook": {
                "deliver_to": f"http://{_HOST}:{self.webhook_port}/",
                "secrets": {"*": [SECRET]},
            },
        }

    def redirect(self, channels: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, object]]:
        """The user's own settings with every way to a real provider replaced: nothing may slip through.

        Senders, timeouts and limits stay as they are set.
        """
        redirected = {name: dict(settings) for name, settings in channels.items()}
        for name, sink in self.channel_settings().items():
            own = {key: value for key, value in redirected.get(name, {}).items() if key not in _NOT_FOR_SINKS}
            kept = {key: value for key, value in own.items() if key.startswith("sender") and value}
            redirected[name] = {**own, **sink, **kept}
        return redirected


@asynccontextmanager
async def capture(
    *, own_sinks: bool = True, smtp_port: int = 0, sms_port: int = 0, webhook_port: int = 0
) -> AsyncGenerator[Capture]:
    """Runs the sinks on loopback, or (`own_sinks` false) points to those that another process runs.

    Of split roles the one that serves `/dev/outbox` owns the sinks; the others must be told its ports. Raises
    ValueError with a sentence that names the setting at fault.
    """
    if not own_sinks:
        for name, port in (("SMTP", smtp_port), ("SMS", sms_port), ("WEBHOOK", webhook_port)):
            if port == 0:
                raise ValueError(f"HUB_DEV__CAPTURE_{name}_PORT must be set: the sinks run in another process.")
        yield Capture(smtp_port, sms_port, webhook_port)
        return
    outbox = Outbox()
    smtp_sink = _load_smtp_sink()
    async with AsyncExitStack() as stack:
        smtp_port, sms_port, webhook_port = [
            await _enter(stack, name, sink(outbox, port), port)
            for name, sink, port in (
                ("SMTP", smtp_sink, smtp_port),
                ("SMS", sms_gateway, sms_port),
                ("WEBHOOK", webhook_sink, webhook_port),
            )
        ]
        yield Capture(smtp_port, sms_port, webhook_port, outbox)


async def _enter(stack: AsyncExitStack, name: str, sink: AbstractAsyncContextManager[int], port: int) -> int:
    try:
        return await stack.enter_async_context(sink)
    except OSError as error:
        raise ValueError(f"HUB_DEV__CAPTURE_{name}_PORT: cannot listen on port {port} ({error.strerror}).") from None


def _load_smtp_sink() -> Callable[[Outbox, int], AbstractAsyncContextManager[int]]:
    """Loaded only now: its library comes with an extra that a hub without capture does without."""
    try:
        module: Any = importlib.import_module("hub.dev.smtp_sink")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "aiosmtpd":
            raise
        raise ValueError("HUB_DEV__CAPTURE: needs what pip install 'notification-hub[embedded]' brings.") from None
    sink: Callable[[Outbox, int], AbstractAsyncContextManager[int]] = module.smtp_sink
    return sink
