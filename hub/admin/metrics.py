"""Metrics for Prometheus, in the text format; names follow its conventions (base units, `_total`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from hub.domain.notifications import Notification, OutcomeKind
from hub.domain.status import Status
from hub.domain.times import now

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21_600, 86_400)


class Metrics:
    """An observer with a registry of its own: nothing is global, and two hubs in one process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._accepted = self._counter("hub_notifications_accepted", "Notifications accepted.")
        self._delivered = self._counter("hub_notifications_delivered", "Notifications sent or delivered.")
        self._retried = self._counter("hub_notifications_retried", "Attempts after which another one was planned.")
        self._failed = self._counter("hub_notifications_failed", "Notifications given up.")
        self._attempts = Counter(
            "hub_attempts", "Attempts by how they ended.", ["channel", "outcome"], registry=self._registry
        )
        self._latency = Histogram(
            "hub_delivery_seconds",
            "From due to sent or delivered.",
            ["channel"],
            buckets=_SECONDS,
            registry=self._registry,
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is read when it is asked for."""
        Gauge(name, text, registry=self._registry).set_function(read)

    def counter(self, name: str, text: str) -> Callable[[], None]:
        """Something that is only counted; returns what counts it."""
        return Counter(name, text, registry=self._registry).inc

    def tally(self, name: str, text: str, label: str) -> Callable[[str], None]:
        """Something that is counted by one label; returns what counts it under a value of that."""
        counter = Counter(name, text, [label], registry=self._registry)
        return lambda value: counter.labels(value).inc()

    def lanes(self, name: str, text: str) -> Callable[[Mapping[str, float]], None]:
        """A value for each lane; returns how to set them all."""
        gauge = Gauge(name, text, ["lane"], registry=self._registry)

        def update(values: Mapping[str, float]) -> None:
            gauge.clear()
            for lane, value in values.items():
                gauge.labels(lane).set(value)

        return update

    def accepted(self, notification: Notification) -> None:
        """Counts an accepted notification."""
        self._accepted.labels(notification.type).inc()

    def attempted(self, notification: Notification, outcome: OutcomeKind, status: Status) -> None:
        """Counts an attempt and what became of the notification by it."""
        self._attempts.labels(notification.type, outcome.value).inc()
        match status:
            case Status.SENT | Status.DELIVERED:
                self._delivered.labels(notification.type).inc()
                began = max(notification.created_at, notification.scheduled_at or notification.created_at)
                self._latency.labels(notification.type).observe(max(0.0, (now() - began).total_seconds()))
            case Status.RETRYING:
                self._retried.labels(notification.type).inc()
            case Status.FAILED:
                self._failed.labels(notification.type).inc()
            case _:
                pass

    def exposition(self) -> bytes:
        """Everything in the text format of Prometheus."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, ["channel"], registry=self._registry)
