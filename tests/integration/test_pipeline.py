"""A notification's way from the accepting write to the recorded outcome, on a real mongod, by both transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from hub.core.dead_letters import Selection
from hub.domain.errors import HubError, Reason
from hub.domain.ids import new_id
from hub.domain.notifications import Attempt, Lane, Outcome, OutcomeKind, Priority
from hub.domain.retry import Decision, OnAmbiguous
from hub.domain.status import Status
from hub.domain.times import now
from hub.pipeline import sweep as sweep_module
from hub.pipeline.local import LocalTransport
from hub.pipeline.sweep import Sweep
from hub.store.notifications import NotificationStore
from hub.store.work import Claim, Record, WorkStore
from tests.assembly import (
    ACCEPTED,
    AMBIGUOUS,
    DELIVERED,
    ME,
    PERMANENT,
    TEMPORARY,
    Assembly,
    ScriptedChannel,
    Timing,
    assembled,
    throttled,
)
from tests.waiting import until

Assemble = Callable[..., AbstractAsyncContextManager[Assembly]]
SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
SHORT_LEASE = Timing(lease=timedelta(milliseconds=400))
CASUAL = Timing(handover_grace=timedelta(minutes=5))
"""The sweep keeps out of what is handed over at once."""


@pytest.fixture(scope="module")
async def database(mongo_url: str, run_id: str) -> AsyncIterator[str]:
    """Of these tests alone: a hub that some other test leaves running would sweep it."""
    name = f"hub_test_{run_id}_pipeline"
    yield name
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        await client.drop_database(name)


@pytest.fixture
def hub_with(mongo_url: str, database: str) -> Assemble:
    """A hub on the in-process transport."""
    return partial(assembled, mongo_url, database)


@pytest.fixture(params=["local", "rabbit"])
def hub_by(request: pytest.FixtureRequest, mongo_url: str, database: str) -> Assemble:
    """A hub on each transport in turn."""
    amqp_url = request.getfixturevalue("own_amqp_url") if request.param == "rabbit" else None
    return partial(assembled, mongo_url, database, amqp_url=amqp_url)


async def claimed(hub: Assembly, **fields: Any) -> Claim:
    """A new notification, claimed."""
    notification = await hub.created(**fields)
    claim = (await hub.work.claim_many([notification.id]))[0]
    assert claim is not None
    return claim


def record_of(claim: Claim, status: Status = Status.DELIVERED) -> Record:
    attempt = Attempt(claim.budget.number, "script", "p-1", now(), now(), OutcomeKind.DELIVERED, None)
    return Record(claim, Decision(status), attempt)


class TestTheWholeWay:
    """By each transport."""

    async def test_delivered_with_everything_on_record(self, hub_by: Assemble) -> None:
        async with hub_by(timing=CASUAL) as hub:
            accepted = await hub.created(metadata={"priority": "high", "n": 1.0})
            assert (accepted.status, accepted.version, accepted.attempts) == (Status.PENDING, 1, ())
            seen = await hub.comes_to(accepted, Status.DELIVERED)
            assert [(a.number, a.outcome, a.provider, a.error) for a in seen.attempts] == [
                (1, OutcomeKind.DELIVERED, "inbox", None)
            ]
            assert seen.delivered_at is not None
            assert accepted.created_at <= seen.attempts[0].started_at <= seen.attempts[0].finished_at
            assert accepted.created_at <= seen.delivered_at <= seen.updated_at
            assert (seen.next_attempt_at, seen.status_reason, seen.sent_at) == (None, None, None)
            # Pending, sending, delivered: each a version that callers could see.
            assert seen.version == 3
            await until(lambda: hub.announcements.of(accepted.id) >= 2)
            assert seen.in_inbox
            message = hub.channels["in_app"].sent[0]
            assert (message.id, message.title, message.text) == (accepted.id, "Welcome!", "Welcome to our platform")
            assert (message.tenant, message.user_id, message.correlation_id) == ("default", "user123", "c-1")

    async def test_what_a_provider_takes_over_is_sent_and_in_no_inbox(self, hub_by: Assemble) -> None:
        async with hub_by(ScriptedChannel("email", usually=ACCEPTED)) as hub:
            seen = await hub.comes_to(await hub.created(type="email"), Status.SENT)
            assert seen.sent_at is not None
            assert (seen.delivered_at, seen.in_inbox, seen.attempts[0].provider_id) == (None, False, "p-1")
            assert (await hub.inbox_of()).items == ()

    async def test_a_passing_failure_is_tried_again_in_time(self, hub_by: Assemble) -> None:
        channel = ScriptedChannel(longest_delay=timedelta(milliseconds=300))
        channel.script.extend([TEMPORARY, TEMPORARY])
        async with hub_by(channel) as hub:
            accepted = await hub.created()
            waiting = await hub.comes_to(accepted, Status.RETRYING)
            attempt = waiting.attempts[-1]
            assert waiting.status_reason == attempt.error == TEMPORARY.error
            assert waiting.next_attempt_at is not None
            wait = waiting.next_attempt_at - attempt.finished_at
            assert timedelta(milliseconds=149) <= wait <= timedelta(milliseconds=300)
            seen = await hub.comes_to(accepted, Status.DELIVERED)
            assert [a.outcome for a in seen.attempts] == ["temporary", "temporary", "delivered"]
            assert [a.number for a in seen.attempts] == [1, 2, 3]
            assert (seen.status_reason, seen.next_attempt_at) == (None, None)
            for earlier, later in zip(seen.attempts, seen.attempts[1:], strict=False):
                assert later.started_at - earlier.finished_at >= timedelta(milliseconds=149)

    async def test_a_permanent_failure_is_final_and_buried(self, hub_by: Assemble) -> None:
        channel = ScriptedChannel(usually=PERMANENT)
        async with hub_by(channel) as hub:
            seen = await hub.comes_to(await hub.created(), Status.FAILED)
            assert seen.status_reason == PERMANENT.error
            assert len(seen.attempts) == 1
            await until(lambda: len(hub.graves.letters) == 1)
            letter = hub.graves.letters[0]
            assert (letter.notification_id, letter.tenant, letter.reason) == (seen.id, "default", "REJECTED")
            assert "due" not in await hub.row(seen)

    async def test_many_at_once_are_each_delivered_once(self, hub_by: Assemble) -> None:
        channel = ScriptedChannel()
        async with hub_by(channel) as hub:
            hub.run(hub.new_worker())
            made = await asyncio.gather(*(hub.created(f"user{n % 7}") for n in range(500)))
            await until(lambda: len(channel.sent) >= 500, 30)
            await hub.comes_to(made[-1], Status.DELIVERED)
            assert sorted(m.id for m in channel.sent) == sorted(n.id for n in made)

    async def test_a_lost_handover_is_found_by_the_sweep(self, hub_by: Assemble) -> None:
        async with hub_by(forgetful=True, timing=Timing(handover_grace=timedelta(milliseconds=200))) as hub:
            accepted = await hub.created()
            seen = await hub.comes_to(accepted, Status.DELIVERED)
            assert seen.delivered_at is not None
            assert seen.delivered_at - accepted.created_at >= timedelta(milliseconds=199)

    async def test_what_is_scheduled_waits_for_its_time(self, hub_by: Assemble) -> None:
        channel = ScriptedChannel()
        async with hub_by(channel) as hub:
            when = now() + timedelta(milliseconds=500)
            accepted = await hub.created(scheduled_at=when)
            assert (accepted.status, accepted.next_attempt_at) == (Status.SCHEDULED, when)
            seen = await hub.comes_to(accepted, Status.DELIVERED)
            assert seen.attempts[0].started_at >= when
            assert channel.times(accepted.id) == 1

    async def test_a_past_schedule_means_now(self, hub_by: Assemble) -> None:
        async with hub_by(timing=CASUAL) as hub:
            accepted = await hub.created(scheduled_at=now() - timedelta(days=1))
            assert accepted.status is Status.PENDING
            await hub.comes_to(accepted, Status.DELIVERED)

    async def test_a_hung_channel_holds_up_neither_others_nor_other_priorities(self, hub_by: Assemble) -> None:
        hung, other = ScriptedChannel("sms", concurrency=3), ScriptedChannel("in_app")
        hung.gate.clear()
        async with hub_by(hung, other) as hub:
            stuck = [await hub.created(type="sms", metadata={"priority": "low"}) for _ in range(10)]
            await until(lambda: len(hung.begun) == 3)
            await hub.comes_to(await hub.created(), Status.DELIVERED)
            urgent = await hub.created(type="sms", metadata={"priority": "high"})
            await until(lambda: hung.times(urgent.id) == 1)
            # No more claims than can be started: the rest waits where others could have it.
            assert [(await hub.get(n)).status for n in stuck].count(Status.SENDING) == 3
            hung.gate.set()
            for notification in stuck:
                await hub.comes_to(notification, Status.DELIVERED)

    async def test_a_killed_workers_send_is_on_record_as_ambiguous_and_sent_again(self, hub_by: Assemble) -> None:
        channel = ScriptedChannel(longest_delay=timedelta(milliseconds=50))
        channel.gate.clear()
        async with hub_by(channel, timing=Timing(lease=SECOND), running="relay sweep") as hub:
            killed = hub.started(hub.worker)
            accepted = await hub.created()
            await until(lambda: channel.times(accepted.id) == 1)
            assert (await hub.get(accepted)).status is Status.SENDING
            killed.cancel()
            await asyncio.wait([killed])
            channel.gate.set()
            hub.run(hub.new_worker())
            seen = await hub.comes_to(accepted, Status.DELIVERED)
            lapsed, repeated = seen.attempts
            assert (lapsed.outcome, lapsed.number) == (OutcomeKind.AMBIGUOUS, 1)
            assert lapsed.error is not None
            assert lapsed.error.code == "LEASE_EXPIRED"
            # Not before the lease ran out.
            assert repeated.started_at - lapsed.started_at >= SECOND - 2 * MILLISECOND

    async def test_a_worker_that_is_stopped_deals_with_what_is_under_way(self, hub_by: Assemble) -> None:
        channel = ScriptedChannel(concurrency=2)
        channel.gate.clear()
        async with hub_by(channel, running="relay", timing=CASUAL) as hub:
            stopping = hub.started(hub.worker)
            made = [await hub.created() for _ in range(5)]
            await until(lambda: len(channel.begun) == 2)
            hub.worker.stop()
            await asyncio.sleep(0.05)
            assert not stopping.done()
            channel.gate.set()
            async with asyncio.timeout(5):
                await stopping
            states = [(await hub.get(n)).status for n in made]
            assert (states.count(Status.DELIVERED), states.count(Status.PENDING)) == (2, 3)
            # What it had taken and not begun is there for the next one, without any sweep.
            hub.run(hub.new_worker())
            for notification in made:
                await hub.comes_to(notification, Status.DELIVERED)

    async def test_a_type_nobody_serves_harms_no_other(self, hub_by: Assemble, hub_with: Assemble) -> None:
        """As while one process is newer than another: its lane has no queue yet."""
        async with hub_with(ScriptedChannel("in_app"), ScriptedChannel("pigeon"), running="") as newer:
            orphan = await newer.created(type="pigeon")
        async with hub_by(
            wiped=False, forgetful=True, timing=Timing(handover_grace=timedelta(milliseconds=100))
        ) as hub:
            made = []
            for _ in range(5):
                made.append(await hub.created())
                await hub.comes_to(made[-1], Status.DELIVERED, 5)
                assert hub.transport.connected
            assert (await hub.get(orphan)).status is Status.PENDING


class TestClaims:
    async def test_exclusive_between_two_stores(self, hub_with: Assemble) -> None:
        async with hub_with(running="") as hub:
            rivals = [WorkStore(hub.timing.periods) for _ in range(4)]
            ids = [n.id for n in await asyncio.gather(*(hub.created() for _ in range(300)))]
            won = await asyncio.gather(*(rival.claim_many(ids) for rival in rivals for _ in range(3)))
            claims = [claim for batch in won for claim in batch if claim is not None]
            assert sorted(claim.notification.id for claim in claims) == sorted(ids)
            assert all(claim.notification.status is Status.SENDING for claim in claims)

    async def test_answers_stand_where_the_ids_stood(self, hub_with: Assemble) -> None:
        async with hub_with(running="") as hub:
            made = [await hub.created() for _ in range(3)]
            wanted = [made[2].id, new_id(), made[0].id, made[2].id, made[1].id]
            claims = await hub.work.claim_many(wanted)
            assert [claim and claim.notification.id for claim in claims] == [
                made[2].id,
                None,
                made[0].id,
                None,
                made[1].id,
            ]

    async def test_nothing_that_is_not_due_or_not_claimable(self, hub_with: Assemble) -> None:
        async with hub_with(running="") as hub:
            later = await hub.created(scheduled_at=now() + SECOND * 60)
            cancelled = await hub.created()
            await hub.notifications.update_status(ME, str(cancelled.id), Status.CANCELLED)
            dying = await hub.created(expires_at=now() + timedelta(milliseconds=50))
            held = await claimed(hub)
            failed = await claimed(hub)
            await hub.work.record_many([record_of(failed, Status.FAILED)])
            waiting = await claimed(hub)
            await hub.work.record_many(
                [Record(waiting, Decision(Status.RETRYING, None, now() + SECOND * 60), record_of(waiting).attempt)]
            )
            await asyncio.sleep(0.06)
            ids = [n.id for n in (later, cancelled, dying)]
            ids += [claim.notification.id for claim in (held, failed, waiting)]
            assert await hub.work.claim_many(ids) == [None] * 6

    async def test_a_claim_tells_what_was_used_up(self, hub_with: Assemble) -> None:
        async with hub_with(running="") as hub:
            first = await claimed(hub)
            assert (first.budget.number, first.budget.counted) == (1, 0)
            assert first.budget.started_at == first.started_at
            attempt = record_of(first).attempt
            await hub.work.record_many([Record(first, Decision(Status.RETRYING, None, now()), attempt)])
            second = (await hub.work.claim_many([first.notification.id]))[0]
            assert second is not None
            assert (second.budget.number, second.budget.counted) == (2, 1)
            assert second.budget.started_at == first.started_at
            assert second.token != first.token


class TestFence:
    async def test_a_record_repeated_is_harmless(self, hub_with: Assemble) -> None:
        async with hub_with(running="") as hub:
            claim = await claimed(hub)
            record = record_of(claim)
            assert await hub.work.record_many([record]) == [True]
            before = await hub.row(claim.notification)
            assert await hub.work.record_many([record]) == [True]
            assert await hub.row(claim.notification) == before
            assert len(before["attempts"]) == 1

    async def test_late_after_the_lapse_writes_nothing_and_says_so(self, hub_with: Assemble) -> None:
        async with hub_with(running="", timing=SHORT_LEASE) as hub:
            claim = await claimed(hub)
            await _lapse(hub, claim)
            before = await hub.row(claim.notification)
            assert before["status"] == "retrying"
            assert await hub.work.record_many([record_of(claim)]) == [False]
            assert await hub.row(claim.notification) == before

    async def test_late_after_another_claimed_writes_nothing_and_says_so(self, hub_with: Assemble) -> None:
        async with hub_with(running="", timing=SHORT_LEASE) as hub:
            claim = await claimed(hub)
            await _lapse(hub, claim)
            other = await _claimed_again(hub, claim)
            before = await hub.row(claim.notification)
            late, good = record_of(claim, Status.FAILED), record_of(other)
            assert await hub.work.record_many([late]) == [False]
            assert await hub.row(claim.notification) == before
            assert await hub.work.record_many([late, good]) == [False, True]
            after = await hub.row(claim.notification)
            assert (after["status"], len(after["attempts"])) == ("delivered", 2)
            assert await hub.work.record_many([late]) == [False]
            assert await hub.work.record_many([good]) == [True]
            assert await hub.row(claim.notification) == after

    async def test_only_one_of_the_lapse_and_the_record_counts(self, hub_with: Assemble) -> None:
        async with hub_with(running="", timing=Timing(lease=MILLISECOND)) as hub:
            for _ in range(20):
                claim = await claimed(hub)
                await asyncio.sleep(0.005)
                _, written = await asyncio.gather(
                    hub.delivery.lapse(await hub.outbox.lapsed([claim.notification.id])),
                    hub.work.record_many([record_of(claim)]),
                )
                row = await hub.row(claim.notification)
                assert len(row["attempts"]) == 1
                assert (row["status"] == "delivered") is written[0]

    async def test_a_late_failure_buries_nothing(self, hub_with: Assemble) -> None:
        """It was not written, so operators must not read of it either."""
        channel = ScriptedChannel()
        channel.script.append(PERMANENT)
        channel.gate.clear()
        async with hub_with(channel, timing=SHORT_LEASE, running="relay worker") as hub:
            accepted = await hub.created()
            await until(lambda: channel.times(accepted.id) == 1)
            await until(partial(_lapsable, hub, accepted))
            await hub.delivery.lapse(await hub.outbox.lapsed([accepted.id]))
            channel.gate.set()
            hub.run(hub.sweep)
            seen = await hub.comes_to(accepted, Status.DELIVERED)
            assert [a.outcome for a in seen.attempts] == ["ambiguous", "delivered"]
            assert hub.graves.letters == []

    async def test_given_back_unsent_leaves_no_attempt(self, hub_with: Assemble) -> None:
        async with hub_with(running="") as hub:
            claim = await claimed(hub)
            assert await hub.work.record_many([Record(claim, Decision(Status.PENDING), attempt=None)]) == [True]
            seen = await hub.get(claim.notification)
            assert (seen.status, seen.attempts, seen.status_reason) == (Status.PENDING, (), None)
            again = (await hub.work.claim_many([seen.id]))[0]
            assert again is not None
            assert (again.budget.number, again.budget.counted) == (1, 0)

    async def test_what_a_provider_says_is_never_read_as_an_expression(self, hub_with: Assemble) -> None:
        async with hub_with(running="") as hub:
            claim = await claimed(hub, title="$title", message="$$ROOT", metadata={"k": "$title", "m": {}})
            attempt = Attempt(1, "$tenant", "$$NOW", now(), now(), OutcomeKind.ACCEPTED, None)
            await hub.work.record_many([Record(claim, Decision(Status.SENT), attempt)])
            seen = await hub.get(claim.notification)
            assert (seen.title, seen.message, seen.metadata) == ("$title", "$$ROOT", {"k": "$title", "m": {}})
            assert (seen.attempts[0].provider, seen.attempts[0].provider_id) == ("$tenant", "$$NOW")


async def _lapsable(hub: Assembly, notification: Any) -> bool:
    return bool(await hub.outbox.lapsed([notification.id]))


async def _lapse(hub: Assembly, claim: Claim) -> None:
    await until(partial(_lapsable, hub, claim.notification))
    await hub.delivery.lapse(await hub.outbox.lapsed([claim.notification.id]))


async def _claimed_again(hub: Assembly, claim: Claim) -> Claim:
    found: list[Claim | None] = [None]

    async def mine() -> bool:
        found[0] = (await hub.work.claim_many([claim.notification.id]))[0]
        return found[0] is not None

    await until(mine)
    assert found[0] is not None
    return found[0]


class TestRetry:
    async def test_throttled_waits_as_long_as_asked_and_is_not_counted(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel(longest_delay=timedelta(milliseconds=10))
        channel.script.extend([throttled(timedelta(milliseconds=700)), throttled(None)])
        async with hub_with(channel) as hub:
            accepted = await hub.created()
            seen = await hub.comes_to(accepted, Status.DELIVERED)
            assert [a.outcome for a in seen.attempts] == ["throttled", "throttled", "delivered"]
            assert seen.attempts[1].started_at - seen.attempts[0].finished_at >= timedelta(milliseconds=699)
            assert (await hub.row(accepted))["budget"]["counted"] == 1

    async def test_no_answer_in_time_is_ambiguous(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel(send_timeout=timedelta(milliseconds=50))
        channel.gate.clear()
        async with hub_with(channel) as hub:
            accepted = await hub.created()
            waiting = await hub.comes_to(accepted, Status.RETRYING)
            assert waiting.attempts[0].outcome is OutcomeKind.AMBIGUOUS
            channel.gate.set()
            seen = await hub.comes_to(accepted, Status.DELIVERED)
            assert seen.attempts[-1].number >= 2

    @pytest.mark.parametrize("raised", [RuntimeError("a defect"), TimeoutError(), asyncio.CancelledError()])
    async def test_whatever_a_channel_raises_is_ambiguous_and_holds_up_nobody(
        self, hub_with: Assemble, raised: BaseException
    ) -> None:
        """A CancelledError that leaks out of a library, too: nobody cancelled this delivery."""
        channel = ScriptedChannel(concurrency=1)
        channel.script.append(raised)
        async with hub_with(channel, timing=CASUAL) as hub:
            accepted = await hub.created()
            waiting = await hub.comes_to(accepted, Status.RETRYING, 3)
            assert waiting.attempts[0].outcome is OutcomeKind.AMBIGUOUS
            await hub.comes_to(await hub.created(), Status.DELIVERED)
            await hub.comes_to(accepted, Status.DELIVERED)

    async def test_held_when_ambiguous_fails_as_unknown(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel(on_ambiguous=OnAmbiguous.HOLD)
        channel.script.append(AMBIGUOUS)
        async with hub_with(channel) as hub:
            seen = await hub.comes_to(await hub.created(), Status.FAILED)
            assert seen.status_reason is not None
            assert seen.status_reason.code == "OUTCOME_UNKNOWN"
            assert [a.outcome for a in seen.attempts] == ["ambiguous"]
            await until(lambda: [letter.reason for letter in hub.graves.letters] == ["OUTCOME_UNKNOWN"])
            assert channel.times(seen.id) == 1

    async def test_a_lapse_of_a_channel_that_holds_is_never_sent_again(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel(on_ambiguous=OnAmbiguous.HOLD)
        async with hub_with(channel, running="sweep", timing=SHORT_LEASE) as hub:
            claim = await claimed(hub)
            seen = await hub.comes_to(claim.notification, Status.FAILED)
            assert seen.status_reason is not None
            assert seen.status_reason.code == "OUTCOME_UNKNOWN"

    async def test_the_limit_is_time(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel(usually=TEMPORARY, give_up_after=SECOND, longest_delay=timedelta(milliseconds=200))
        async with hub_with(channel) as hub:
            accepted = await hub.created()
            seen = await hub.comes_to(accepted, Status.FAILED)
            assert seen.status_reason is not None
            assert seen.status_reason.code == "RETRIES_EXHAUSTED"
            assert len(seen.attempts) >= 4
            # The last one was planned within the limit; a busy machine may begin it a little later.
            assert seen.attempts[-1].finished_at - seen.attempts[0].started_at <= 1.5 * SECOND
            await until(lambda: [letter.reason for letter in hub.graves.letters] == ["RETRIES_EXHAUSTED"])

    async def test_a_replay_begins_a_new_budget(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel(longest_delay=timedelta(seconds=30), give_up_after=timedelta(hours=1))
        async with hub_with(channel, running="") as hub:
            claim = await claimed(hub)
            for number in range(1, 5):
                attempt = Attempt(number, "script", None, now(), now(), OutcomeKind.TEMPORARY, None)
                decision = Decision(Status.FAILED) if number == 4 else Decision(Status.RETRYING, None, now())
                assert await hub.work.record_many([Record(claim, decision, attempt)]) == [True]
                if number < 4:
                    claim = await _claimed_again(hub, claim)
            failed = await hub.get(claim.notification)
            assert await hub.dead_letters.replay(ME, Selection(ids=(str(failed.id),)), dry_run=False) == 1
            pending = await hub.get(failed)
            assert (pending.status, len(pending.attempts), pending.status_reason) == (Status.PENDING, 4, None)
            channel.script.append(TEMPORARY)
            before = now()
            await hub.delivery.deliver(failed.id)
            waiting = await hub.get(failed)
            assert (waiting.status, waiting.attempts[-1].number) == (Status.RETRYING, 5)
            assert waiting.next_attempt_at is not None
            # As after a first attempt: at most two seconds, and not as after a fifth.
            assert waiting.next_attempt_at - before <= timedelta(seconds=2.5)
            row = await hub.row(failed)
            assert row["budget"]["counted"] == 1
            assert row["budget"]["started_at"] >= before


class TestTime:
    async def test_expiry_while_pending(self, hub_with: Assemble) -> None:
        async with hub_with(running="sweep") as hub:
            accepted = await hub.created(expires_at=now() + timedelta(milliseconds=150))
            seen = await hub.comes_to(accepted, Status.EXPIRED)
            assert seen.status_reason is not None
            assert seen.status_reason.code == "EXPIRED"
            assert seen.attempts == ()
            assert seen.updated_at >= accepted.expires_at  # type: ignore[operator]

    async def test_expiry_while_retrying(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel(
            usually=TEMPORARY, longest_delay=timedelta(minutes=1), give_up_after=timedelta(hours=1)
        )
        async with hub_with(channel) as hub:
            accepted = await hub.created(expires_at=now() + timedelta(milliseconds=300))
            await hub.comes_to(accepted, Status.RETRYING)
            seen = await hub.comes_to(accepted, Status.EXPIRED, 5)
            assert len(seen.attempts) == 1
            assert seen.next_attempt_at is None

    async def test_expiry_while_scheduled(self, hub_with: Assemble) -> None:
        """The relay was away for the whole time in which it could have been sent."""
        channel = ScriptedChannel()
        async with hub_with(channel, running="relay worker") as hub:
            when = now() + timedelta(milliseconds=50)
            accepted = await hub.created(scheduled_at=when, expires_at=when + timedelta(milliseconds=50))
            await asyncio.sleep(0.15)
            hub.run(hub.sweep)
            await hub.comes_to(accepted, Status.EXPIRED)
            assert channel.begun == []

    async def test_an_expired_inbox_item_leaves_the_inbox_and_keeps_its_status(self, hub_with: Assemble) -> None:
        async with hub_with() as hub:
            accepted = await hub.created(expires_at=now() + timedelta(milliseconds=400))
            await hub.comes_to(accepted, Status.DELIVERED)
            assert [n.id for n in (await hub.inbox_of()).items] == [accepted.id]
            assert (await hub.inbox.unread_count(ME, "user123")).count == 1

            async def left() -> bool:
                return not (await hub.get(accepted)).in_inbox

            told = hub.announcements.of(accepted.id)
            await until(left)
            seen = await hub.get(accepted)
            assert (seen.status, seen.version) == (Status.DELIVERED, 4)
            assert (await hub.inbox_of()).items == ()
            assert (await hub.inbox.unread_count(ME, "user123")).count == 0
            # Announced right behind the write, which a reader may see first.
            await until(lambda: hub.announcements.of(accepted.id) > told)
            assert "due" not in await hub.row(accepted)
            # It can be marked still, but neither mark puts it back.
            await hub.notifications.mark_read(ME, str(accepted.id))
            await hub.notifications.mark_unread(ME, str(accepted.id))
            assert (await hub.inbox.unread_count(ME, "user123")).count == 0

    async def test_an_expired_inbox_item_is_gone_even_before_the_sweep_comes(self, hub_with: Assemble) -> None:
        async with hub_with(running="relay worker") as hub:
            accepted = await hub.created(expires_at=now() + timedelta(milliseconds=300))
            await hub.comes_to(accepted, Status.DELIVERED)
            await asyncio.sleep(0.3)
            assert (await hub.get(accepted)).in_inbox
            assert (await hub.inbox_of()).items == ()
            assert (await hub.inbox.unread_count(ME, "user123")).count == 0

    async def test_what_is_cancelled_is_never_sent(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel(longest_delay=timedelta(milliseconds=200))
        async with hub_with(channel, running="relay sweep") as hub:
            pending = await hub.created()
            scheduled = await hub.created(scheduled_at=now() + timedelta(milliseconds=100))
            for notification in (pending, scheduled):
                seen = await hub.notifications.update_status(ME, str(notification.id), Status.CANCELLED)
                assert (seen.status, seen.next_attempt_at) == (Status.CANCELLED, None)
                again = await hub.notifications.update_status(ME, str(notification.id), Status.CANCELLED)
                assert again == seen
            channel.script.append(TEMPORARY)
            hub.run(hub.worker)
            flaky = await hub.created()
            await hub.comes_to(flaky, Status.RETRYING)
            await hub.notifications.update_status(ME, str(flaky.id), Status.CANCELLED)
            await asyncio.sleep(0.4)
            assert [message.id for message in channel.begun] == [flaky.id]
            for notification in (pending, scheduled, flaky):
                assert (await hub.get(notification)).status is Status.CANCELLED

    async def test_what_is_being_sent_cannot_be_cancelled(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel()
        channel.gate.clear()
        async with hub_with(channel) as hub:
            accepted = await hub.created()
            await until(lambda: channel.times(accepted.id) == 1)
            with pytest.raises(HubError) as caught:
                await hub.notifications.update_status(ME, str(accepted.id), Status.CANCELLED)
            assert caught.value.reason is Reason.ILLEGAL_TRANSITION
            assert caught.value.metadata == {"from": "sending", "to": "cancelled"}
            channel.gate.set()
            await hub.comes_to(accepted, Status.DELIVERED)

    async def test_cancelling_against_the_worker_has_one_winner(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel()
        async with hub_with(channel) as hub:

            async def race() -> bool:
                accepted = await hub.created()
                try:
                    await hub.notifications.update_status(ME, str(accepted.id), Status.CANCELLED)
                except HubError as error:
                    assert error.reason is Reason.ILLEGAL_TRANSITION  # noqa: PT017 - both ends are fine
                    await hub.comes_to(accepted, Status.DELIVERED)
                    return channel.times(accepted.id) == 1
                await asyncio.sleep(0.2)
                return channel.times(accepted.id) == 0

            assert all(await asyncio.gather(*(race() for _ in range(100))))


class TestSweep:
    async def test_one_at_a_time_and_the_next_takes_over_at_once(self, hub_with: Assemble) -> None:
        async with hub_with(running="", forgetful=True, timing=Timing(handover_grace=MILLISECOND)) as hub:
            first = hub.started(hub.sweep)
            accepted = await hub.created()
            await until(partial(_published, hub, 1))
            hub.run(hub.new_sweep())
            holder = await hub.leases._rows.find_one({"_id": "sweep"})
            assert holder is not None
            await asyncio.sleep(0.15)
            assert not await hub.leases.take("sweep", "somebody", SECOND)
            first.cancel()
            await asyncio.wait([first])

            async def taken_over() -> bool:
                present = await hub.leases._rows.find_one({"_id": "sweep"})
                return present is not None and present["owner"] != holder["owner"]

            await until(taken_over, 2)
            hub.run(hub.worker)
            await hub.comes_to(accepted, Status.DELIVERED)
            await hub.comes_to(await hub.created(), Status.DELIVERED)

    async def test_it_ends_whenever_it_is_cancelled(self, hub_with: Assemble) -> None:
        """Python 3.11's `wait_for`, within the driver, swallows a cancel that meets the answer."""
        async with hub_with(running="", timing=Timing(sweep_interval=MILLISECOND)) as hub:
            for turn in range(150):
                task = hub.started(hub.new_sweep())
                await asyncio.sleep(turn % 40 / 10_000)
                task.cancel()
                done, _ = await asyncio.wait([task], timeout=2)
                assert done

    async def test_what_was_deleted_meanwhile_stays_a_tombstone(self, hub_with: Assemble) -> None:
        """Deleted between the sweep's look and its writes."""
        async with hub_with(running="", timing=Timing(lease=MILLISECOND)) as hub:
            scheduled = await hub.created(
                scheduled_at=now() + MILLISECOND, expires_at=now() + timedelta(milliseconds=5)
            )
            sending = (await claimed(hub)).notification
            await asyncio.sleep(0.01)
            ids = [scheduled.id, sending.id]
            for notification in (scheduled, sending):
                assert await hub.notification_store.delete("default", notification.id)
            before = [await hub.row(notification) for notification in (scheduled, sending)]
            assert await hub.outbox.expire(ids) == []
            assert await hub.outbox.start_scheduled(ids) == []
            assert await hub.outbox.leave_inbox(ids) == []
            assert await hub.outbox.lapsed(ids) == []
            await hub.outbox.requeued(ids)
            assert await hub.work.claim_many(ids) == [None, None]
            assert [await hub.row(notification) for notification in (scheduled, sending)] == before

    async def test_a_dead_sweepers_lease_runs_out(self, hub_with: Assemble) -> None:
        async with hub_with(running="") as hub:
            assert await hub.leases.take("duty", "one", timedelta(milliseconds=200))
            assert await hub.leases.take("duty", "one", timedelta(milliseconds=200))
            assert not await hub.leases.take("duty", "two", SECOND)
            assert await hub.leases.take("another", "two", SECOND)
            await until(lambda: hub.leases.take("duty", "two", SECOND), 2)
            assert not await hub.leases.take("duty", "one", SECOND)
            # Somebody else's can't be given back.
            await hub.leases.give_back("duty", "one")
            assert not await hub.leases.take("duty", "one", SECOND)
            await hub.leases.give_back("duty", "two")
            assert await hub.leases.take("duty", "one", SECOND)

    async def test_many_ask_for_a_free_lease_and_one_gets_it(self, hub_with: Assemble) -> None:
        async with hub_with(running="") as hub:
            for turn in range(10):
                got = await asyncio.gather(*(hub.leases.take(f"d{turn}", f"o{n}", SECOND) for n in range(10)))
                assert got.count(True) == 1

    async def test_no_more_than_the_lane_may_hold(self, hub_with: Assemble, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sweep_module, "DEPTH_LIMIT", 3)
        async with hub_with(running="", forgetful=True, timing=Timing(handover_grace=MILLISECOND)) as hub:
            await asyncio.gather(*(hub.created() for _ in range(200)))
            await asyncio.sleep(0.01)
            lane = Lane("in_app", Priority.NORMAL)
            for _ in range(5):
                await hub.sweep.sweep()
                assert await hub.transport.depth(lane) == 3
            waiting = await hub.rows.count_documents({"due": {"$lte": now()}})
            assert waiting == 200 - 3 * sweep_module.IDS_PER_MESSAGE
            hub.run(hub.worker)
            hub.run(hub.sweep)

            async def all_done() -> bool:
                return await hub.rows.count_documents({"status": "delivered"}) == 200

            await until(all_done)
            assert len(hub.channels["in_app"].begun) == 200

    async def test_tenants_take_turns(self, hub_with: Assemble, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sweep_module, "SHARE", 20)
        channel = ScriptedChannel(concurrency=1)
        timing = Timing(handover_grace=MILLISECOND, requeue_after=timedelta(minutes=5))
        async with hub_with(channel, running="", forgetful=True, timing=timing) as hub:
            many, few = (_principal(tenant) for tenant in ("bulk", "quiet"))
            await asyncio.gather(*(hub.created(principal=many) for _ in range(400)))
            mine = await hub.created(principal=few)
            await asyncio.sleep(0.01)
            await hub.sweep.sweep()
            assert await hub.transport.depth(mine.lane) <= 2
            hub.run(hub.worker)
            await until(lambda: channel.times(mine.id) == 1)
            assert len(channel.begun) <= 20

    async def test_published_again_only_after_a_while(self, hub_with: Assemble) -> None:
        timing = Timing(handover_grace=MILLISECOND, requeue_after=timedelta(milliseconds=400))
        async with hub_with(running="", forgetful=True, timing=timing) as hub:
            accepted = await hub.created()
            await asyncio.sleep(0.01)
            for _ in range(3):
                await hub.sweep.sweep()
                assert await hub.transport.depth(accepted.lane) == 1
            # Nothing of this is a change that callers can see.
            assert (await hub.get(accepted)).version == 1
            await asyncio.sleep(0.41)
            await hub.sweep.sweep()
            assert await hub.transport.depth(accepted.lane) == 2
            hub.run(hub.worker)
            await hub.comes_to(accepted, Status.DELIVERED)
            await until(partial(_published, hub, 0))
            assert hub.channels["in_app"].times(accepted.id) == 1

    async def test_a_full_lane_keeps_the_rest_in_the_store(self, hub_with: Assemble) -> None:
        timing = Timing(handover_grace=MILLISECOND, requeue_after=timedelta(minutes=5))
        async with hub_with(running="", forgetful=True, timing=timing) as hub:
            hub.transport = LocalTransport(lane_limit=1)
            await asyncio.gather(*(hub.created() for _ in range(50)))
            await asyncio.sleep(0.01)
            await hub.new_sweep().sweep()
            assert await hub.rows.count_documents({"due": {"$lte": now()}}) == 50 - sweep_module.IDS_PER_MESSAGE

    async def test_what_is_settled_has_no_business_in_the_outbox(self, hub_with: Assemble) -> None:
        async with hub_with(running="") as hub:
            claim = await claimed(hub)
            await hub.work.record_many([record_of(claim, Status.SENT)])
            await hub.rows.update_one({"_id": claim.notification.id}, {"$set": {"due": now()}})
            await hub.sweep.sweep()
            assert "due" not in await hub.row(claim.notification)
            assert await hub.outbox.lines() == []

    async def test_two_sweeps_at_once_are_slow_and_not_wrong(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel()
        async with hub_with(
            channel, running="worker", forgetful=True, timing=Timing(handover_grace=MILLISECOND)
        ) as hub:
            when = now() + timedelta(milliseconds=100)
            made = await asyncio.gather(*(hub.created(scheduled_at=when) for _ in range(50)))

            async def sweeping(one: Sweep) -> None:
                while len(channel.sent) < len(made):
                    await one.sweep()
                    await asyncio.sleep(0.01)

            async with asyncio.timeout(10):
                await asyncio.gather(sweeping(hub.sweep), sweeping(hub.new_sweep()))
            assert sorted(m.id for m in channel.begun) == sorted(n.id for n in made)


def _principal(tenant: str) -> Any:
    return type(ME)(tenant, ME.scopes)


async def _published(hub: Assembly, count: int) -> bool:
    return await hub.transport.depth(Lane("in_app", Priority.NORMAL)) == count


class TestAddresses:
    async def test_an_override_is_checked_and_used_in_canonical_form(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel("email", usually=ACCEPTED, contact_point="email")
        async with hub_with(channel, ScriptedChannel("in_app")) as hub:
            await hub.comes_to(await hub.created(type="email", to="Me@Example.ORG"), Status.SENT)
            assert channel.sent[0].address == "me@example.org"
            refused: tuple[tuple[dict[str, Any], str, Reason], ...] = (
                ({"type": "email", "to": "nobody"}, "to", Reason.INVALID_VALUE),
                ({"type": "in_app", "to": "a@b"}, "to", Reason.INVALID_VALUE),
                ({"type": "email"}, "user_id", Reason.NO_CONTACT_POINT),
                ({"type": "pigeon"}, "type", Reason.UNKNOWN_CHANNEL),
                ({"type": "in_app", "message": "unfit"}, "message", Reason.INVALID_VALUE),
            )
            for fields, field, reason in refused:
                with pytest.raises(HubError) as caught:
                    await hub.create(**fields)
                assert (caught.value.reason, caught.value.violations[0].field) == (reason, field)
            assert await hub.rows.count_documents({}) == 1

    async def test_an_address_that_went_away_fails_without_an_attempt(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel("email", usually=ACCEPTED, contact_point="email")
        async with hub_with(channel, running="relay sweep") as hub:
            accepted = await hub.created(type="email", to="me@example.org")
            await hub.rows.update_one({"_id": accepted.id}, {"$set": {"to": None}})
            hub.run(hub.worker)
            seen = await hub.comes_to(accepted, Status.FAILED)
            assert seen.status_reason is not None
            assert (seen.status_reason.code, seen.attempts) == ("NO_CONTACT_POINT", ())
            assert channel.begun == []


class TestIdempotency:
    async def test_twenty_at_once_are_one(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel()
        async with hub_with(channel) as hub:
            answers = await asyncio.gather(*(hub.create(key="order-1") for _ in range(20)))
            assert len({answer.notification.id for answer in answers}) == 1
            assert [answer.replayed for answer in answers].count(False) == 1
            await hub.comes_to(answers[0].notification, Status.DELIVERED)
            assert await hub.rows.count_documents({}) == 1
            assert len(channel.begun) == 1

    async def test_twenty_at_once_on_two_processes_are_one(
        self, hub_with: Assemble, mongo_url: str, database: str
    ) -> None:
        async with hub_with() as one, assembled(mongo_url, database, wiped=False) as other:
            for turn in range(10):
                calls = [hub.create(key=f"order-{turn}") for hub in (one, other) for _ in range(10)]
                answers = await asyncio.gather(*calls)
                assert len({answer.notification.id for answer in answers}) == 1
                assert [answer.replayed for answer in answers].count(False) == 1
            assert await one.rows.count_documents({}) == 10

    async def test_whoever_reserved_it_has_made_it_even_if_another_wrote_it(self, hub_with: Assemble) -> None:
        """The repeat overtakes the first call between its two writes: still exactly one is no repeat."""
        async with hub_with(running="") as hub:
            slow = Assembly(**{name: getattr(hub, name) for name in _GIVEN})
            held = _HeldBack(hub.timing.periods)
            slow.notifications._creation._keyed_inserts._flush = held.insert_many
            async with asyncio.TaskGroup() as group:
                first = group.create_task(slow.create(key="order-1"))
                await held.reached.wait()
                repeat = await hub.create(key="order-1")
                held.go.set()
            assert first.result().notification.id == repeat.notification.id
            assert (first.result().replayed, repeat.replayed) == (False, True)
            assert await hub.rows.count_documents({}) == 1

    async def test_a_repeat_shows_the_present_state(self, hub_with: Assemble) -> None:
        async with hub_with() as hub:
            first = await hub.create(key="order-1", metadata={"n": 1})
            await hub.comes_to(first.notification, Status.DELIVERED)
            # Another spelling of the same wish, and the quoted form of the key.
            repeat = await hub.create(key='"order-1"', metadata={"n": 1.0})
            assert repeat.replayed
            assert (repeat.notification.id, repeat.notification.status) == (first.notification.id, Status.DELIVERED)

    @pytest.mark.parametrize(
        "other",
        [
            {"user_id": "user124"},
            {"title": "Welcome"},
            {"message": "welcome"},
            {"type": "email"},
            {"metadata": {"n": 2}},
            {"metadata": {"n": True}},
            {"expires_at": now() + timedelta(days=2)},
            {"scheduled_at": now() + timedelta(days=1)},
        ],
    )
    async def test_another_command_is_a_mismatch(self, hub_with: Assemble, other: dict[str, Any]) -> None:
        async with hub_with(ScriptedChannel("in_app"), ScriptedChannel("email"), running="") as hub:
            await hub.create(key="order-1", metadata={"n": 1})
            with pytest.raises(HubError) as caught:
                await hub.create(key="order-1", **{"metadata": {"n": 1}, **other})
            assert caught.value.reason is Reason.IDEMPOTENCY_MISMATCH
            assert await hub.rows.count_documents({}) == 1

    async def test_tenants_have_spaces_of_their_own(self, hub_with: Assemble) -> None:
        async with hub_with(running="") as hub:
            mine, theirs = await hub.create(key="k"), await hub.create(key="k", principal=_principal("other"))
            assert not theirs.replayed
            assert mine.notification.id != theirs.notification.id

    async def test_a_reservation_without_its_notification_is_completed_under_the_same_id(
        self, hub_with: Assemble
    ) -> None:
        channel = ScriptedChannel()
        async with hub_with(channel) as hub:
            first = await hub.create(key="order-1", scheduled_at=now() + timedelta(days=1))
            await hub.rows.delete_one({"_id": first.notification.id})
            when = first.notification.scheduled_at
            repeat = await hub.create(key="order-1", scheduled_at=when)
            assert repeat.notification.id == first.notification.id
            assert repeat.replayed
            assert repeat.notification.created_at == first.notification.created_at
            assert await hub.rows.count_documents({}) == 1

    async def test_a_completed_reservation_is_delivered_at_once(self, hub_with: Assemble) -> None:
        async with hub_with(running="", timing=CASUAL) as hub:
            first = await hub.create(key="order-1")
            await hub.rows.delete_one({"_id": first.notification.id})
            await hub.create(key="order-1")
            hub.run(hub.relay)
            hub.run(hub.worker)
            await hub.comes_to(first.notification, Status.DELIVERED)

    async def test_of_what_was_deleted_it_is_not_found_and_nothing_comes_back(self, hub_with: Assemble) -> None:
        async with hub_with(ScriptedChannel(usually=PERMANENT)) as hub:
            first = await hub.create(key="order-1")
            await hub.comes_to(first.notification, Status.FAILED)
            assert await hub.dead_letters.purge(ME, Selection(ids=(str(first.notification.id),)), dry_run=False) == 1
            with pytest.raises(HubError) as caught:
                await hub.create(key="order-1")
            assert caught.value.reason is Reason.NOT_FOUND
            assert (await hub.list_of()).items == ()

    async def test_a_repeat_after_the_expiry_still_gets_the_first_answer(self, hub_with: Assemble) -> None:
        async with hub_with() as hub:
            fields: dict[str, Any] = {"expires_at": now() + timedelta(milliseconds=300)}
            first = await hub.create(key="order-1", **fields)
            await hub.comes_to(first.notification, Status.DELIVERED)
            await asyncio.sleep(0.3)
            repeat = await hub.create(key="order-1", **fields)
            assert (repeat.replayed, repeat.notification.id) == (True, first.notification.id)
            for key in ("order-2", None):
                with pytest.raises(HubError) as caught:
                    await hub.create(key=key, **fields)
                assert caught.value.reason is Reason.INVALID_VALUE

    @pytest.mark.parametrize("key", ["", " ", "a b", "é", "a\n", "x" * 256, "\x7f", "\0"])
    async def test_keys_refused(self, hub_with: Assemble, key: str) -> None:
        async with hub_with(running="") as hub:
            with pytest.raises(HubError) as caught:
                await hub.create(key=key)
            assert caught.value.violations[0].field == "idempotency_key"


_GIVEN = ["store", "timing", "channels", "transport", "announcements", "graves", "relay", "waker", "group"]


class _HeldBack(NotificationStore):
    """A store whose inserts wait until they are told."""

    def __init__(self, periods: Any) -> None:
        super().__init__(periods)
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def insert_many(self, notifications: Any) -> list[bool | Exception]:
        self.reached.set()
        await self.go.wait()
        return await super().insert_many(notifications)


class TestOutcomesByThemselves:
    async def test_success_after_success_changes_nothing(self, hub_with: Assemble) -> None:
        """A late duplicate of a message finds nothing to do."""
        channel = ScriptedChannel(usually=DELIVERED)
        async with hub_with(channel) as hub:
            accepted = await hub.created()
            seen = await hub.comes_to(accepted, Status.DELIVERED)
            for _ in range(3):
                await hub.transport.publish(accepted.lane, [accepted.id, accepted.id, new_id()])
            await until(partial(_published, hub, 0))
            await hub.comes_to(await hub.created(), Status.DELIVERED)
            assert await hub.get(accepted) == seen
            assert channel.times(accepted.id) == 1

    async def test_a_strange_outcome_of_a_huge_wait_is_given_up_now(self, hub_with: Assemble) -> None:
        channel = ScriptedChannel()
        channel.script.append(Outcome(OutcomeKind.THROTTLED, "script", retry_after=timedelta.max))
        async with hub_with(channel) as hub:
            seen = await hub.comes_to(await hub.created(), Status.FAILED)
            assert seen.status_reason is not None
            assert seen.status_reason.code == "RETRIES_EXHAUSTED"
            assert [a.outcome for a in seen.attempts] == ["throttled"]
