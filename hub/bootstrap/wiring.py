"""How processes reach one another: over the broker, or inside the one that there is."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass

from hub.core.ports import Announcer
from hub.domain.channels import Channel
from hub.live.changes import ChangeHints
from hub.live.rabbit import RabbitHints
from hub.live.sources import HintSource
from hub.pipeline.local import LocalTransport
from hub.pipeline.rabbit import RabbitTransport
from hub.pipeline.transport import Transport
from hub.settings import Settings
from hub.store.client import Store

Run = Callable[[], Coroutine[None, None, None]]
"""What goes on in the background until it is cancelled."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """How processes reach one another: work one way, hints of changes the other."""

    transport: Transport
    announcer: Announcer
    hints: HintSource
    runs: tuple[Run, ...]


def build_wiring(settings: Settings, store: Store, channels: Mapping[str, Channel]) -> Wiring:
    """By the broker if there is one."""
    if settings.amqp.url is None:
        changes = ChangeHints(store)
        return Wiring(LocalTransport(), changes, changes, (changes.run,))
    url = settings.amqp.url.get_secret_value()
    transport, hints = RabbitTransport(url, channels), RabbitHints(url)
    return Wiring(transport, hints, hints, (transport.run, hints.run))
