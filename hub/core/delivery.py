"""One notification's delivery, step by step: claim, guard, send, decide, record, announce."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import stamina

from hub.core.addresses import Addresses
from hub.core.batching import Batcher
from hub.core.ports import Announcer, Change, DeadLetter, Observer, Undertaker
from hub.core.tasks import checkpoint
from hub.core.unrecorded import Unrecorded
from hub.domain.channels import Channel, Message
from hub.domain.errors import HubError, Reason
from hub.domain.notifications import Attempt, Fault, Outcome, OutcomeKind
from hub.domain.retry import Decision, decide
from hub.domain.status import Status
from hub.log import correlated, get_logger
from hub.store.outbox import EXPIRED
from hub.store.work import Claim, Record, WorkStore

log = get_logger(__name__)

_BATCH = 500
_WAITING = 100_000
"""Never reached: a worker starts no more deliveries than its lanes have slots."""
_APART_SECONDS = 0.004
"""From one write of outcomes to the next at least: what comes in meanwhile is written together."""
UNKNOWN_NOTIFICATION = "UNKNOWN_NOTIFICATION"
"""The reason of a dead letter whose notification does not exist: no message of this hub, or of a store that was lost."""
_UNSENT = Decision(Status.PENDING)
_FIRST_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time and chance, replaceable in tests."""

    now: Callable[[], datetime]
    draw: Callable[[], float]
    monotonic: Callable[[], float] = time.monotonic


class Delivery:
    """Delivers claimed notifications. Whatever happens here, the lease lets somebody else go on later."""

    def __init__(
        self,
        work: WorkStore,
        channels: Mapping[str, Channel],
        addresses: Addresses,
        announcer: Announcer,
        undertaker: Undertaker,
        observer: Observer,
        clocks: Clocks,
        lease: timedelta,
    ) -> None:
        self._channels = channels
        self._addresses = addresses
        self._announcer = announcer
        self._undertaker = undertaker
        self._observer = observer
        self._clocks = clocks
        self._send_until = lease.total_seconds() / 2
        self._unrecorded = Unrecorded(clocks.monotonic, self._send_until)
        self._claims = Batcher(work.claim_many, max_size=_BATCH, max_waiting=_WAITING)
        self._lookups = Batcher(work.exist_many, max_size=_BATCH, max_waiting=_WAITING)
        self._records = Batcher(work.record_many, max_size=_BATCH, max_waiting=_WAITING, apart=_APART_SECONDS)

    async def deliver(self, notification_id: UUID) -> None:
        """Takes a notification one attempt further, if it is ours to take."""
        # Read before the store sets the lease, so that ours never ends later than the store's.
        lease_began = self._clocks.monotonic()
        claim = await self._claims.add(notification_id)
        if claim is None:
            await self._unclaimed(notification_id)
            return
        with correlated(claim.notification.correlation_id):
            self._announce(claim)
            await self._record(await self._attempt(claim, lease_began))

    async def lapse(self, claims: Sequence[Claim]) -> int:
        """Settles what became of claims whose lease ran out: the attempt may have been taken. Returns of how many."""
        known = [claim for claim in claims if claim.notification.type in self._channels]
        if len(known) < len(claims):
            # Of a channel that another version has, or that was taken away: its relays know what may be sent again.
            log.info("lapsed_of_unknown_channel", count=len(claims) - len(known))
        written = await asyncio.gather(*(self._record(self._lapsed(claim)) for claim in known), return_exceptions=True)
        for refusal in written:
            # Once all the others are dealt with.
            if refusal is not None:
                raise refusal
        return len(known)

    async def _unclaimed(self, notification_id: UUID) -> None:
        """Somebody else has it, or it is settled or not due: nothing to do. What does not exist, operators are told."""
        if not await self._lookups.add(notification_id):
            log.warning("unknown_notification", notification_id=str(notification_id))
            self._undertaker.bury(DeadLetter(notification_id, None, UNKNOWN_NOTIFICATION))

    async def _attempt(self, claim: Claim, lease_began: float) -> Record:
        ready = await self._guard(claim, lease_began)
        if isinstance(ready, Decision):
            return Record(claim, ready, attempt=None, stamp=claim.token)
        channel = self._channels[claim.notification.type]
        started_at = self._clocks.now()
        outcome = await self._send(channel, ready)
        return replace(self._decide(claim, channel, outcome, started_at), stamp=claim.token)

    async def _guard(self, claim: Claim, lease_began: float) -> Message | Decision:
        """What to send, or what becomes of it because nothing may be sent."""
        notification = claim.notification
        channel = self._channels.get(notification.type)
        if channel is None:
            # Another version may have it: this one can say nothing of it.
            log.warning("unknown_channel", notification_id=str(notification.id))
            return _UNSENT
        try:
            address = await self._addresses.resolve(notification.tenant, notification.user_id, channel, notification.to)
        except HubError:
            return _UNSENT
        await self._unrecorded.settled()
        if address is None and channel.contact_point is not None:
            return Decision(
                Status.FAILED, Fault("NO_CONTACT_POINT", f"There is no {channel.contact_point} to send to.")
            )
        if notification.expires_at is not None and notification.expires_at <= self._clocks.now():
            return Decision(Status.EXPIRED, EXPIRED)
        if self._clocks.monotonic() - lease_began > self._send_until:
            # A send begun now might outlast the lease, and somebody else would send beside us.
            return _UNSENT
        return Message(
            id=notification.id,
            tenant=notification.tenant,
            user_id=notification.user_id,
            address=address,
            title=notification.title,
            text=notification.message,
            html=notification.html,
            correlation_id=notification.correlation_id,
            attempt=claim.budget.number,
        )

    async def _send(self, channel: Channel, message: Message) -> Outcome:
        try:
            async with asyncio.timeout(channel.send_timeout.total_seconds()):
                return await channel.send(message)
        except TimeoutError:
            fault = Fault("TIMEOUT", "The provider did not answer in time.")
        except asyncio.CancelledError:
            checkpoint()
            # It leaked out of a library: nobody has cancelled this delivery.
            fault = Fault("CHANNEL_DEFECT", "The channel failed in a way it should not.")
        except Exception:
            log.exception("channel_defect", channel=channel.name, notification_id=str(message.id))
            fault = Fault("CHANNEL_DEFECT", "The channel failed in a way it should not.")
        return Outcome(OutcomeKind.AMBIGUOUS, channel.name, error=fault)

    def _decide(self, claim: Claim, channel: Channel, outcome: Outcome, started_at: datetime) -> Record:
        finished_at = self._clocks.now()
        decision = decide(outcome, claim.budget, channel.retry, finished_at, self._clocks.draw)
        return Record(claim, decision, _attempt_of(claim, outcome, started_at, finished_at))

    def _lapsed(self, claim: Claim) -> Record:
        fault = Fault("LEASE_EXPIRED", "The worker vanished while sending; it may have been taken.")
        outcome = Outcome(OutcomeKind.AMBIGUOUS, claim.notification.type, error=fault)
        return self._decide(claim, self._channels[claim.notification.type], outcome, claim.started_at)

    async def _record(self, record: Record) -> None:
        """Writes what became of a claim, and tells whoever wants to know; raises what the store refuses for good."""
        if await self._write(record):
            self._announce(record.claim)
            self._observe(record)
            self._bury(record)

    async def _write(self, record: Record) -> bool:
        with self._unrecorded.one():
            try:
                written = await self._records.add(record)
            except HubError as error:
                if not _store_away(error):
                    raise
                written = await self._write_once_it_is_back(record)
        if not written:
            # Another worker has it by now; what it records holds, and our attempt shows there as an ambiguous one.
            log.warning("lease_lost", notification_id=str(record.claim.notification.id))
        return written

    async def _write_once_it_is_back(self, record: Record) -> bool:
        """A store that is away is asked again until it says who has the claim now."""
        # Without end: what was sent and is not on record is sent again by somebody else. The fence, not a clock, tells
        # when it is too late. Often, so that we come before the sweep once the store is back.
        attempts = stamina.retry_context(
            on=_store_away, attempts=None, timeout=None, wait_initial=0.1, wait_max=0.5, wait_jitter=0.1
        )
        await asyncio.sleep(_FIRST_PAUSE)
        async for attempt in attempts:
            checkpoint()
            with attempt:
                return await self._records.add(record)
        return False

    def _observe(self, record: Record) -> None:
        if record.attempt is not None:
            self._observer.attempted(record.claim.notification, record.attempt.outcome, record.decision.status)

    def _bury(self, record: Record) -> None:
        notification = record.claim.notification
        if record.decision.status is Status.FAILED and record.decision.reason is not None:
            letter = DeadLetter(notification.id, notification.tenant, record.decision.reason.code)
            self._undertaker.bury(letter)

    def _announce(self, claim: Claim) -> None:
        notification = claim.notification
        self._announcer.announce([Change(notification.tenant, notification.user_id, notification.id)])


def _attempt_of(claim: Claim, outcome: Outcome, started_at: datetime, finished_at: datetime) -> Attempt:
    return Attempt(
        number=claim.budget.number,
        provider=outcome.provider,
        provider_id=outcome.provider_id,
        started_at=started_at,
        finished_at=finished_at,
        outcome=outcome.kind,
        error=outcome.error,
    )


def _store_away(error: Exception) -> bool:
    return isinstance(error, HubError) and error.reason is Reason.STORE_UNREACHABLE
