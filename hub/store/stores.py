"""Every store there is, built together once the connection stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hub.store.api_keys import ApiKeyStore
from hub.store.audit import AuditStore
from hub.store.dead_letters import DeadLetterStore
from hub.store.heartbeats import HeartbeatStore
from hub.store.inbox import InboxStore
from hub.store.keys import KeyStore
from hub.store.leases import LeaseStore
from hub.store.lists import ListStore
from hub.store.marks import MarkStore
from hub.store.notifications import NotificationStore, Periods
from hub.store.outbox import OutboxStore
from hub.store.rates import RateStore
from hub.store.statistics import StatisticsStore
from hub.store.users import UserStore
from hub.store.work import WorkStore


@dataclass(frozen=True, slots=True)
class Stores:
    """One for each kind of question."""

    notifications: NotificationStore
    lists: ListStore
    inbox: InboxStore
    marks: MarkStore
    dead_letters: DeadLetterStore
    work: WorkStore
    outbox: OutboxStore
    keys: KeyStore
    users: UserStore
    leases: LeaseStore
    statistics: StatisticsStore
    heartbeats: HeartbeatStore
    api_keys: ApiKeyStore
    audit: AuditStore
    rates: RateStore

    @classmethod
    def of(cls, periods: Periods, key_retention: timedelta, audit_retention: timedelta) -> Stores:
        """All of them; `open_store` must have been entered before."""
        outbox = OutboxStore(periods)
        return cls(
            notifications=NotificationStore(periods),
            lists=ListStore(),
            inbox=InboxStore(),
            marks=MarkStore(),
            dead_letters=DeadLetterStore(periods),
            work=WorkStore(periods),
            outbox=outbox,
            keys=KeyStore(key_retention),
            users=UserStore(periods),
            leases=LeaseStore(),
            statistics=StatisticsStore(),
            heartbeats=HeartbeatStore(outbox),
            api_keys=ApiKeyStore(),
            audit=AuditStore(audit_retention),
            rates=RateStore(),
        )
