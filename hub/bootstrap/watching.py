"""What looks on: metrics, heartbeats, roll-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.admin.metrics import Metrics
from hub.admin.vitals import Vitals
from hub.bootstrap.wiring import Wiring
from hub.core.ports import Announcer, Hint, Observer
from hub.domain.channels import Channel
from hub.domain.notifications import Notification, OutcomeKind
from hub.domain.status import Status
from hub.pipeline.lanes import LaneGauges
from hub.pipeline.rollups import ChangedHours
from hub.settings import Role, Settings
from hub.store.stores import Stores


class _Announcers:
    """One announcer made of several."""

    def __init__(self, *announcers: Announcer) -> None:
        self._announcers = announcers

    def announce(self, hints: Sequence[Hint]) -> None:
        for announcer in self._announcers:
            announcer.announce(hints)


class _Observers:
    """One observer made of several."""

    def __init__(self, hours: ChangedHours, *observers: Observer) -> None:
        self._hours = hours
        self._observers = observers

    def accepted(self, notification: Notification) -> None:
        self._hours.note(notification.tenant, notification.id)
        for observer in self._observers:
            observer.accepted(notification)

    def attempted(self, notification: Notification, outcome: OutcomeKind, status: Status) -> None:
        for observer in self._observers:
            observer.attempted(notification, outcome, status)


@dataclass(frozen=True, slots=True)
class Watching:
    """What looks on: metrics, heartbeats, and which hours have to be counted anew."""

    metrics: Metrics
    vitals: Vitals
    hours: ChangedHours
    lanes: LaneGauges
    observer: Observer
    announcer: Announcer


def build_watching(settings: Settings, stores: Stores, channels: Mapping[str, Channel], wiring: Wiring) -> Watching:
    """All that looks on, for what this role does."""
    metrics = Metrics()
    has_broker = settings.amqp.url is not None
    works = settings.role in (Role.ALL, Role.WORKER)
    vitals = Vitals(
        stores.heartbeats,
        settings.role,
        list(channels) if works else [],
        lambda: wiring.transport.connected if has_broker else None,
    )
    metrics.gauge("hub_event_loop_lag_seconds", "How late the event loop is.", lambda: vitals.lag_seconds)
    hours = ChangedHours(stores.statistics)
    lanes = LaneGauges(
        stores.outbox,
        wiring.transport,
        channels,
        metrics.lanes("hub_lane_messages", "Messages that wait in a work queue."),
        metrics.lanes("hub_lane_oldest_due_seconds", "How long the oldest notification of a lane has been due."),
    )
    observer = _Observers(hours, metrics, vitals)
    return Watching(metrics, vitals, hours, lanes, observer, _Announcers(wiring.announcer, hours))
