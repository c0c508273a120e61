"""`python -m hub doctor`, on stores that the real code filled, and on what no code of the hub would leave behind."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pymongo import AsyncMongoClient

from hub.admin.doctor import Options, examine
from hub.admin.report import Report
from hub.core.dead_letters import Selection
from hub.domain.findings import Code
from hub.domain.ids import first_id_at, new_id
from hub.domain.notifications import Fault, Notification
from hub.domain.statistics import Bucket, floor
from hub.domain.status import Status
from hub.domain.times import now
from hub.pipeline.rollups import Rollups
from hub.settings import MongoSettings, Settings
from hub.store.documents import KeyDocument
from hub.store.embedded import embedded_mongod
from hub.store.examination import walk as walk_module
from hub.store.examination.shapes import notification_schema
from hub.store.examination.walk import Terms, Walk
from hub.store.heartbeats import Heartbeat, HeartbeatStore
from hub.store.statistics import StatisticsStore
from hub.store.users import UserStore
from hub.store.work import to_claim
from tests.assembly import ACCEPTED, ME, PERMANENT, TEMPORARY, Assembly, ScriptedChannel, Timing, assembled
from tests.hub_process import ROOT, free_ports
from tests.waiting import until

Assemble = Callable[..., AbstractAsyncContextManager[Assembly]]
Rows = dict[str, list[dict[str, Any]]]
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
QUICK = Options(watch=timedelta(milliseconds=300), patience=timedelta(milliseconds=300))
REPAIR = replace(QUICK, repair=True)


@pytest.fixture(scope="module")
async def database(mongo_url: str, run_id: str) -> AsyncIterator[str]:
    name = f"hub_test_{run_id}_doctor"
    yield name
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        await client.drop_database(name)


@pytest.fixture
def hub_with(mongo_url: str, database: str) -> Assemble:
    return partial(assembled, mongo_url, database)


@pytest.fixture
def settings(mongo_url: str, database: str) -> Settings:
    return Settings(mongo=MongoSettings(url=mongo_url, database=database))  # type: ignore[arg-type]  # becomes a secret


async def examined(settings: Settings, options: Options, said: io.StringIO | None = None) -> Report:
    report = Report(options.examples, options.repair)
    await examine(settings, options, report, said or io.StringIO())
    assert report.complete
    return report


async def everything(hub: Assembly) -> Rows:
    """All that the store holds, indexes included."""
    held: Rows = {}
    for name in sorted(await hub.store.database.list_collection_names()):
        rows = hub.store.database[name]
        held[name] = await rows.find().sort("_id", 1).to_list()
        held[f"indexes of {name}"] = [dict(await rows.index_information())]
    return held


async def counted(hub: Assembly) -> None:
    """Has the relay's turn at the statistics."""
    await Rollups(StatisticsStore(), hub.leases, 90 * DAY).turn(now())


async def uncounted() -> None:
    """Notes that the statistics are to be counted, as a process does whose relay is not there: they are not judged."""
    hours = [floor(now() + HOUR * n, Bucket.HOUR) for n in (-1, 0, 1)]
    await StatisticsStore().mark((ME.tenant, hour) for hour in hours)


def codes(report: Report) -> dict[Code, int]:
    return {found.code: found.count for found in report.findings}


def left(report: Report) -> dict[Code, int]:
    return {found.code: found.remaining for found in report.unsettled}


async def busy(hub: Assembly) -> None:
    """Takes notifications through everything that may happen to them."""
    mail, sms = hub.channels["email"], hub.channels["sms"]
    user = "ann"
    inbox = [await hub.created(user, expires_at=now() + DAY if n % 2 else None) for n in range(6)]
    for notification in inbox:
        await hub.comes_to(notification, Status.DELIVERED)
    await hub.notifications.mark_read(ME, str(inbox[0].id))
    await hub.notifications.mark_read(ME, str(inbox[1].id))
    await hub.notifications.mark_unread(ME, str(inbox[1].id))
    await hub.inbox.mark_all_seen(ME, user)
    await hub.notifications.mark_unseen(ME, str(inbox[1].id))
    marked = await hub.inbox.mark_all_read(ME, user)
    await hub.inbox.undo_mark_all(ME, user, str(marked.operation_id))
    await hub.inbox.mark_all_read(ME, user)
    await hub.notifications.archive(ME, str(inbox[5].id))
    await hub.notifications.archive(ME, str(inbox[0].id))
    await hub.notifications.unarchive(ME, str(inbox[0].id))
    await hub.notifications.mark_unread(ME, str(inbox[2].id))
    await hub.notifications.update_status(ME, str(inbox[3].id), Status.FAILED)
    await hub.notifications.delete(ME, str(inbox[4].id))
    fleeting = await hub.created(user, expires_at=now() + timedelta(milliseconds=400))
    await hub.comes_to(fleeting, Status.DELIVERED)
    sent = [await hub.created(user, type="email") for _ in range(4)]
    for notification in sent:
        await hub.comes_to(notification, Status.SENT)
    await hub.notifications.update_status(ME, str(sent[0].id), Status.DELIVERED)
    await hub.notifications.update_status(ME, str(sent[1].id), Status.FAILED)
    await hub.notifications.mark_read(ME, str(sent[2].id))
    mail.script.extend([PERMANENT, PERMANENT, TEMPORARY])
    failed = [await hub.created(user, type="email") for _ in range(2)]
    for notification in failed:
        await hub.comes_to(notification, Status.FAILED)
    await hub.comes_to(await hub.created(user, type="email"), Status.SENT)
    await hub.dead_letters.replay(ME, Selection(ids=(str(failed[0].id), str(sent[1].id))), dry_run=False)
    await hub.comes_to(failed[0], Status.SENT)
    await hub.dead_letters.purge(ME, Selection(ids=(str(failed[1].id),)), dry_run=False)
    await hub.created(user, scheduled_at=now() + HOUR, expires_at=now() + DAY)
    called_off = await hub.created(user, scheduled_at=now() + HOUR)
    await hub.notifications.update_status(ME, str(called_off.id), Status.CANCELLED)
    late = await hub.created(user, scheduled_at=now() + HOUR, expires_at=now() + 2 * HOUR)
    await hub.rows.update_one({"_id": late.id}, {"$set": {"expires_at": now(), "due": now()}})
    await hub.comes_to(late, Status.EXPIRED)
    for _ in range(2):
        await hub.create(user, key="k-1", type="email")
    sms.gate.clear()
    held = [await hub.created("bob", type="sms") for _ in range(3)]
    await until(lambda: len(sms.begun) >= 3)
    await hub.notifications.delete(ME, str(held[0].id))
    users = UserStore(hub.timing.periods)
    await hub.created("eve")
    await hub.created("eve", scheduled_at=now() + HOUR)
    while await users.erase_some(ME.tenant, "eve") is not None:
        pass
    await until(lambda: _left_the_inbox(hub, fleeting))


async def _left_the_inbox(hub: Assembly, notification: Notification) -> bool:
    return "inbox_at" not in await hub.row(notification)


class TestHealthy:
    async def test_a_busy_store_has_no_findings_and_looking_changes_nothing(
        self, hub_with: Assemble, settings: Settings
    ) -> None:
        async with hub_with(*channels(), ScriptedChannel("sms")) as hub:
            await busy(hub)
            hub.channels["sms"].gate.set()
            await until(lambda: _settled(hub))
            stored = {row["status"] for row in await hub.rows.find({"deleted_at": None}).to_list()}
            assert stored == {"delivered", "sent", "failed", "cancelled", "expired", "scheduled"}
            await hub.end()
            await counted(hub)
            before = await everything(hub)
            report = await examined(settings, QUICK)
            assert codes(report) == {}
            assert report.scanned["notifications"] == len(before["notifications"])
            assert report.scanned["idempotency keys"] == 1
            assert await everything(hub) == before

    async def test_nor_has_one_in_the_midst_of_sending_and_retrying(
        self, hub_with: Assemble, settings: Settings
    ) -> None:
        mail = ScriptedChannel("email", usually=TEMPORARY, longest_delay=timedelta(milliseconds=300))
        async with hub_with(ScriptedChannel(), mail, ScriptedChannel("sms")) as hub:
            await uncounted()
            hub.channels["sms"].gate.clear()
            for n in range(40):
                await asyncio.gather(*(hub.created(f"u{n}", type=kind) for kind in ("in_app", "email", "sms")))
            for _ in range(5):
                assert codes(await examined(settings, QUICK)) == {}
            assert codes(await examined(settings, REPAIR)) == {}


async def _settled(hub: Assembly) -> bool:
    return not await hub.rows.count_documents(
        {"status": {"$in": ["pending", "sending", "retrying"]}, "deleted_at": None}
    )


KINDS = [
    "pending",
    "scheduled",
    "sending",
    "retrying",
    "sent",
    "delivered",
    "expiring",
    "archived",
    "failed",
    "cancelled",
    "expired",
    "tombstone",
]
"""What a specimen may be: each made by the real code."""


def channels() -> list[ScriptedChannel]:
    return [ScriptedChannel(), ScriptedChannel("email", usually=ACCEPTED)]


async def specimen(hub: Assembly, kind: str) -> Notification:
    """A notification that stands where it should."""
    fields: dict[str, Any] = {"type": "email" if kind in {"sent", "failed", "retrying", "sending"} else "in_app"}
    if kind in {"scheduled", "cancelled"}:
        fields["scheduled_at"] = now() + HOUR
    if kind in {"expiring", "expired", "archived"}:
        fields["expires_at"] = now() + HOUR
    notification = await hub.created(**fields)
    match kind:
        case "sending":
            await hub.work.claim_many([notification.id])
        case "retrying" | "failed":
            hub.channels["email"].script.append(TEMPORARY if kind == "retrying" else PERMANENT)
            await hub.delivery.deliver(notification.id)
        case "sent" | "delivered" | "expiring" | "archived":
            await hub.delivery.deliver(notification.id)
            if kind == "archived":
                await hub.notifications.archive(ME, str(notification.id))
        case "cancelled":
            await hub.notifications.update_status(ME, str(notification.id), Status.CANCELLED)
        case "expired":
            await hub.rows.update_one({"_id": notification.id}, {"$set": {"expires_at": now()}})
            assert await hub.outbox.expire([notification.id])
        case "tombstone":
            await hub.notifications.delete(ME, str(notification.id))
        case _:
            pass
    row = await hub.row(notification)
    wanted = {"expiring": "delivered", "archived": "delivered", "tombstone": "pending"}.get(kind, kind)
    assert (row["status"], row.get("deleted_at") is not None) == (wanted, kind == "tombstone")
    return notification


ATTEMPT = {"number": 1, "provider": "p", "provider_id": None, "started_at": now(), "finished_at": now(), "error": None}
PLANTED: list[tuple[Code, str, dict[str, Any]]] = [
    *((Code.STUCK, kind, {"$unset": {"due": 1}}) for kind in ("pending", "scheduled", "sending", "retrying")),
    (Code.STUCK, "pending", {"$set": {"due": None}}),
    (Code.ASLEEP, "pending", {"$set": {"due": now() + 3 * DAY}}),
    (Code.ASLEEP, "scheduled", {"$set": {"due": now() + 3 * DAY}}),
    (Code.ASLEEP, "sending", {"$set": {"due": now() + 3 * DAY}}),
    (Code.UNSETTLED_WITH_PURGE, "pending", {"$set": {"purge_at": now() + DAY}}),
    (Code.UNSETTLED_WITH_PURGE, "sending", {"$set": {"purge_at": now() + DAY}}),
    *((Code.SETTLED_WITHOUT_PURGE, kind, {"$unset": {"purge_at": 1}}) for kind in ("sent", "cancelled", "tombstone")),
    (Code.SENDING_WITHOUT_CLAIM, "sending", {"$unset": {"claim": 1}}),
    (Code.SENDING_WITHOUT_CLAIM, "sending", {"$set": {"claim": None}}),
    (Code.SENDING_WITHOUT_CLAIM, "sending", {"$set": {"budget.started_at": None}}),
    (Code.SENDING_WITHOUT_CLAIM, "sending", {"$unset": {"budget.started_at": 1}}),
    *(
        (Code.CLAIM_LEFT_BEHIND, kind, {"$set": {"claim": {"token": uuid4(), "started_at": now()}}})
        for kind in ("pending", "retrying", "sent", "failed")
    ),
    *(
        (Code.DUE_ON_SETTLED, kind, {"$set": {"due": now() + HOUR}})
        for kind in ("sent", "delivered", "failed", "cancelled", "expired", "tombstone")
    ),
    (Code.INBOX_STRAY, "pending", {"$set": {"inbox_at": now()}}),
    (Code.INBOX_STRAY, "failed", {"$set": {"inbox_at": now(), "unread_until": now() + DAY}}),
    (Code.INBOX_STRAY, "tombstone", {"$set": {"inbox_at": now()}}),
    (Code.INBOX_MISSING, "delivered", {"$unset": {"inbox_at": 1, "unread_until": 1}}),
    (Code.INBOX_MISSING, "expiring", {"$unset": {"inbox_at": 1, "unread_until": 1, "due": 1}}),
    (Code.INBOX_WITHOUT_END, "expiring", {"$unset": {"due": 1}}),
    (Code.INBOX_WITHOUT_END, "archived", {"$unset": {"due": 1}}),
    # As a worker leaves it that knows no archive and delivers anew what is in it.
    (Code.INBOX_STRAY, "archived", {"$set": {"inbox_at": now(), "read_at": now()}}),
    (Code.UNREAD_MARK, "archived", {"$set": {"unread_until": now() + DAY}}),
    (Code.UNREAD_MARK, "delivered", {"$set": {"seen_at": now(), "read_at": now()}}),
    (Code.UNREAD_MARK, "delivered", {"$unset": {"unread_until": 1}}),
    (Code.UNREAD_MARK, "delivered", {"$set": {"read_at": now()}}),
    (Code.UNREAD_MARK, "expiring", {"$set": {"unread_until": now() + DAY}}),
    (Code.UNREAD_MARK, "sent", {"$set": {"unread_until": now() + DAY}}),
    (Code.UNREAD_MARK, "tombstone", {"$set": {"unread_until": now() + DAY}}),
    (Code.WRONG_LANE, "pending", {"$set": {"lane": "in_app.high"}}),
    (Code.WRONG_LANE, "tombstone", {"$set": {"lane": ""}}),
    *(
        (Code.SETTLED_WITHOUT_REASON, kind, {"$set": {"status_reason": None}})
        for kind in ("failed", "cancelled", "expired")
    ),
    (Code.SENT_WITHOUT_TIME, "sent", {"$set": {"sent_at": None}}),
    (Code.SENT_WITHOUT_TIME, "delivered", {"$set": {"delivered_at": None}}),
    (Code.SENT_WITHOUT_ATTEMPT, "sent", {"$set": {"attempts.0.outcome": "ambiguous"}}),
    (Code.SENT_WITHOUT_ATTEMPT, "delivered", {"$set": {"attempts": [], "attempt_count": 0}}),
    (Code.ATTEMPTS_OUT_OF_ORDER, "retrying", {"$set": {"attempts.0.number": 2}}),
    (Code.ATTEMPTS_OUT_OF_ORDER, "pending", {"$set": {"attempt_count": 3}}),
    (Code.ATTEMPTS_OUT_OF_ORDER, "retrying", {"$push": {"attempts": ATTEMPT | {"outcome": "temporary"}}}),
    (Code.TOMBSTONE_WITH_CONTENT, "tombstone", {"$set": {"title": "t"}}),
    (Code.TOMBSTONE_WITH_CONTENT, "tombstone", {"$set": {"to": "someone@example.org"}}),
    (Code.TOMBSTONE_WITH_CONTENT, "tombstone", {"$set": {"metadata": {"a": 1}}}),
    (Code.TOMBSTONE_WITH_CONTENT, "tombstone", {"$push": {"attempts": ATTEMPT | {"outcome": "temporary"}}}),
    (Code.UNREADABLE, "pending", {"$unset": {"title": 1}}),
    (Code.UNREADABLE, "sent", {"$set": {"status": "posted"}}),
    (Code.UNREADABLE, "pending", {"$set": {"due": "soon", "attempts": "none", "attempt_count": "0", "type": 7}}),
]
MENDED_NEVER = {Code.SENT_WITHOUT_TIME, Code.SENT_WITHOUT_ATTEMPT, Code.ATTEMPTS_OUT_OF_ORDER, Code.UNREADABLE}


class TestContradictions:
    async def test_specimens_of_every_kind_are_healthy(self, hub_with: Assemble, settings: Settings) -> None:
        async with hub_with(*channels(), running="") as hub:
            for kind in KINDS:
                await specimen(hub, kind)
            await counted(hub)
            assert codes(await examined(settings, QUICK)) == {}

    @pytest.mark.parametrize(
        ("code", "kind", "damage"), PLANTED, ids=[f"{p[0]}-{p[1]}-{n}" for n, p in enumerate(PLANTED)]
    )
    async def test_each_is_found_alone_and_mended_where_promised(
        self, hub_with: Assemble, settings: Settings, code: Code, kind: str, damage: dict[str, Any]
    ) -> None:
        async with hub_with(*channels(), running="") as hub:
            await uncounted()
            bystander, victim = await specimen(hub, kind), await specimen(hub, kind)
            untouched = await hub.row(bystander)
            await hub.rows.update_one({"_id": victim.id}, damage)
            damaged = await hub.row(victim)

            report = await examined(settings, QUICK)
            (found,) = report.findings
            assert (found.code, found.count, found.examples) == (code, 1, (str(victim.id),))
            assert report.unsettled == [found]
            assert await hub.row(victim) == damaged

            report = await examined(settings, REPAIR)
            (found,) = report.findings
            if code in MENDED_NEVER:
                assert (found.code, found.repaired, found.remaining) == (code, 0, 1)
                assert await hub.row(victim) == damaged
            else:
                assert (found.code, found.repaired, found.remaining) == (code, 1, 0)
                assert codes(await examined(settings, REPAIR)) == {}
                _never_worse(damaged, await hub.row(victim))
            assert await hub.row(bystander) == untouched


def _never_worse(damaged: dict[str, Any], mended: dict[str, Any]) -> None:
    """A repair decides nothing: neither the status nor what was attempted changes, and content only in tombstones."""
    same = ["status", "attempt_count", "sent_at", "delivered_at", "read_at", "expires_at", "scheduled_at", "created_at"]
    if damaged.get("deleted_at") is None:
        same += ["title", "message", "metadata", "attempts", "to", "html"]
    assert {name: mended[name] for name in same} == {name: damaged[name] for name in same}


class TestThePipelineGoesOn:
    """What repair sets going is really delivered, once, and not before its time."""

    async def test_a_stuck_notification_is_delivered_after_the_repair(
        self, hub_with: Assemble, settings: Settings
    ) -> None:
        async with hub_with(forgetful=True, running="sweep worker", timing=Timing(handover_grace=HOUR)) as hub:
            await uncounted()
            stuck = await hub.created()
            await hub.rows.update_one({"_id": stuck.id}, {"$unset": {"due": 1}})
            assert left(await examined(settings, QUICK)) == {Code.STUCK: 1}
            assert (await hub.get(stuck)).status is Status.PENDING
            assert left(await examined(settings, REPAIR)) == {}
            await hub.comes_to(stuck, Status.DELIVERED)
            assert hub.channels["in_app"].times(stuck.id) == 1

    async def test_a_stuck_schedule_is_kept(self, hub_with: Assemble, settings: Settings) -> None:
        async with hub_with(running="relay sweep worker") as hub:
            await uncounted()
            when = now() + timedelta(seconds=1.5)
            stuck = await hub.created(scheduled_at=when)
            await hub.rows.update_one({"_id": stuck.id}, {"$unset": {"due": 1}})
            assert left(await examined(settings, REPAIR)) == {}
            assert (await hub.row(stuck))["due"] == when
            seen = await hub.comes_to(stuck, Status.DELIVERED)
            assert seen.attempts[0].started_at >= when

    async def test_a_stuck_send_keeps_its_lease(self, hub_with: Assemble, settings: Settings) -> None:
        async with hub_with(*channels(), running="") as hub:
            await uncounted()
            stuck = await specimen(hub, "sending")
            await hub.rows.update_one({"_id": stuck.id}, {"$unset": {"due": 1}})
            assert left(await examined(settings, REPAIR)) == {}
            row = await hub.row(stuck)
            assert row["due"] == row["claim"]["started_at"] + settings.pipeline.lease

    async def test_sending_by_nobody_becomes_an_ambiguous_attempt(self, hub_with: Assemble, settings: Settings) -> None:
        async with hub_with(*channels(), running="") as hub:
            await uncounted()
            orphan = await specimen(hub, "sending")
            past = now() - timedelta(seconds=1)
            damage = {"$unset": {"claim": 1}, "$set": {"due": past, "purge_at": now() + DAY, "lane": "email.low"}}
            await hub.rows.update_one({"_id": orphan.id}, damage)
            report = await examined(settings, REPAIR)
            assert codes(report) == {
                Code.UNSETTLED_WITH_PURGE: 1,
                Code.SENDING_WITHOUT_CLAIM: 1,
                Code.WRONG_LANE: 1,
            }
            assert left(report) == {}
            hub.run(hub.sweep, hub.worker)
            seen = await hub.comes_to(orphan, Status.SENT)
            assert [(a.number, a.outcome, a.error and a.error.code) for a in seen.attempts] == [
                (1, "ambiguous", "LEASE_EXPIRED"),
                (2, "accepted", None),
            ]
            assert "purge_at" in await hub.row(orphan)

    async def test_a_repair_in_the_midst_of_delivery_sends_nothing_twice(
        self, hub_with: Assemble, settings: Settings
    ) -> None:
        async with hub_with(forgetful=True, running="sweep worker", timing=Timing(handover_grace=HOUR)) as hub:
            await uncounted()
            made = await asyncio.gather(*(hub.created() for _ in range(300)))
            await hub.rows.update_many({}, {"$unset": {"due": 1}})

            async def hand_over() -> None:
                for notification in made:
                    await hub.transport.publish(notification.lane, [notification.id])

            async with asyncio.TaskGroup() as group:
                group.create_task(hand_over())
                repair = group.create_task(examined(settings, REPAIR))
            assert left(repair.result()) == {}
            for notification in made:
                await hub.comes_to(notification, Status.DELIVERED)
            assert {hub.channels["in_app"].times(n.id) for n in made} == {1}

    async def test_what_changed_since_it_was_found_is_left_alone(self, hub_with: Assemble, settings: Settings) -> None:
        async with hub_with(*channels(), running="") as hub:
            mended = [await specimen(hub, kind) for kind in KINDS]
            before = [await hub.row(notification) for notification in mended]
            walk = Walk(Terms(now(), HOUR, DAY, HOUR, {Status.FAILED: Fault("X", "x")}, examples=5, repair=True))
            stale = {code: [n.id for n in mended] for code in Code}
            repaired, _ = await walk._repair({"_id": {"$exists": True}}, stale)
            assert set(repaired.values()) == {0}
            assert [await hub.row(notification) for notification in mended] == before


def id_at(moment: datetime) -> UUID:
    return UUID(int=first_id_at(moment).int | (new_id().int & ((1 << 80) - 1)))


async def copied(hub: Assembly, original: Notification, moments: list[datetime], **fields: Any) -> list[UUID]:
    """The same notification as if it had been made at other times."""
    row = await hub.row(original)
    rows = [row | fields | {"_id": id_at(moment), "created_at": moment} for moment in moments]
    await hub.rows.insert_many(rows)
    return [row["_id"] for row in rows]


class TestTheWalk:
    async def test_ranges_and_hours_leave_nothing_out_and_examples_are_few(
        self, hub_with: Assemble, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(walk_module, "RANGE", 7)
        async with hub_with(running="") as hub:
            await uncounted()
            moments = [now() - HOUR * n / 8 for n in range(1, 60)]
            original = await hub.created()
            healthy = await copied(hub, original, moments)
            ids = await copied(hub, original, moments, due=None)
            await hub.rows.update_many({}, {"$set": {"next_attempt_at": now()}})
            old = floor(now() - 10 * HOUR, Bucket.HOUR)
            await StatisticsStore().mark((ME.tenant, old + HOUR * n) for n in range(12))
            before = {row["_id"]: row for row in await hub.rows.find({"_id": {"$in": healthy}}).to_list()}
            report = await examined(settings, replace(QUICK, examples=3))
            (found,) = report.findings
            assert (found.code, found.count, len(found.examples)) == (Code.STUCK, len(ids), 3)
            assert {UUID(example) for example in found.examples} <= set(ids)
            assert report.scanned["notifications"] == len(healthy) + len(ids) + 1
            (found,) = (await examined(settings, REPAIR)).findings
            assert (found.repaired, found.remaining) == (len(ids), 0)
            assert {row["_id"]: row for row in await hub.rows.find({"_id": {"$in": healthy}}).to_list()} == before

    async def test_an_id_that_the_hub_can_not_have_made_is_told(self, hub_with: Assemble, settings: Settings) -> None:
        async with hub_with(running="") as hub:
            await uncounted()
            row = await hub.row(await hub.created())
            strange = ["an-id", 7, UUID("ffffffff-ffff-4fff-bfff-ffffffffffff"), b"\x01"]
            await hub.rows.insert_many([row | {"_id": identifier} for identifier in strange])
            (found,) = (await examined(settings, QUICK)).findings
            assert (found.code, found.count) == (Code.UNREADABLE, len(strange))

    async def test_what_counts_as_unreadable_is_what_the_mapping_can_not_read(self, hub_with: Assemble) -> None:
        async with hub_with(*channels(), running="") as hub:
            retried = await specimen(hub, "retrying")
            await hub.rows.update_one({"_id": retried.id}, {"$set": {"next_attempt_at": now()}})
            await hub.work.claim_many([retried.id])
            whole = await hub.row(retried) | {"status_reason": {"code": "C", "message": "m"}}
            assert not _fails(whole)
            cuts: dict[str, dict[str, Any]] = {name: _without(whole, name) for name in whole if name != "_id"}
            for name in ("attempts", "budget", "status_reason"):
                part = whole[name][0] if name == "attempts" else whole[name]
                for inner in part:
                    cut = _without(part, inner)
                    cuts[f"{name}.{inner}"] = whole | {name: [cut] if name == "attempts" else cut}
            fails = {name for name, row in cuts.items() if _fails(row)}
            scratch = hub.store.database["scratch"]
            await scratch.insert_many([row | {"_id": name} for name, row in cuts.items()])
            schema = notification_schema()
            schema["properties"].pop("_id")
            unreadable = {row["_id"] for row in await scratch.find({"$nor": [{"$jsonSchema": schema}]}).to_list()}
            await scratch.drop()
            # A lane is the sweep's alone; a claim that is missing, or when it first began, is a finding of its own.
            assert unreadable == (fails | {"lane"}) - {"claim", "budget.started_at"}
            assert {"title", "budget", "attempts.outcome", "status_reason.code"} <= unreadable


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def _fails(row: dict[str, Any]) -> bool:
    try:
        to_claim(row)
    except (KeyError, TypeError, ValueError):
        return True
    return False


class TestOverdue:
    async def beat(self, hub: Assembly, role: str, *names: str, broker: object = None) -> None:
        connected = broker if isinstance(broker, bool) else None
        await HeartbeatStore(hub.outbox).beat(Heartbeat(role, role, "1", now(), 0.0, connected, names, ()))

    async def late(self, hub: Assembly, minutes: int = 6, **fields: Any) -> Notification:
        """As one that waits for a worker: handed over again and again, and so due in a moment once more."""
        notification = await hub.created(**fields)
        since = now() - timedelta(minutes=minutes)
        await hub.rows.update_one({"_id": notification.id}, {"$set": {"next_attempt_at": since, "due": now()}})
        return notification

    async def test_nobody_there(self, hub_with: Assemble, settings: Settings) -> None:
        async with hub_with(*channels(), running="") as hub:
            await uncounted()
            past = {"$set": {"due": now() - timedelta(minutes=6)}}
            for kind in ("scheduled", "sending", "expiring"):
                await hub.rows.update_one({"_id": (await specimen(hub, kind)).id}, past)
            await self.late(hub)
            report = await examined(settings, REPAIR)
            assert left(report) == {Code.OVERDUE_NO_RELAY: 4}

    async def test_the_margin(self, hub_with: Assemble, settings: Settings) -> None:
        async with hub_with(*channels(), running="") as hub:
            await uncounted()
            past = {"$set": {"due": now() - timedelta(minutes=4)}}
            for kind in ("scheduled", "sending", "expiring"):
                await hub.rows.update_one({"_id": (await specimen(hub, kind)).id}, past)
            await self.late(hub, 4)
            assert codes(await examined(settings, QUICK)) == {}

    async def test_no_worker_for_the_channel(self, hub_with: Assemble, settings: Settings) -> None:
        async with hub_with(*channels(), running="") as hub:
            await uncounted()
            await self.beat(hub, "relay")
            await self.beat(hub, "worker", "in_app")
            await self.late(hub, type="email")
            assert left(await examined(settings, QUICK)) == {Code.OVERDUE_NO_WORKER: 1}

    @pytest.mark.parametrize(
        ("broker", "code"),
        [(None, Code.OVERDUE_NOT_MOVING), (True, Code.OVERDUE_NOT_MOVING), (False, Code.OVERDUE_NO_BROKER)],
    )
    async def test_nothing_moves(self, hub_with: Assemble, settings: Settings, broker: object, code: Code) -> None:
        async with hub_with(running="") as hub:
            await uncounted()
            await self.beat(hub, "all", "in_app", broker=broker)
            await self.late(hub)
            assert left(await examined(settings, QUICK)) == {code: 1}

    async def test_a_backlog_that_moves_is_a_note(self, hub_with: Assemble, settings: Settings) -> None:
        slow = ScriptedChannel(concurrency=1)
        slow.gate.clear()
        async with hub_with(slow, running="") as hub:
            await uncounted()
            await self.beat(hub, "all", "in_app")
            for _ in range(5):
                await self.late(hub)
            hub.run(hub.sweep, hub.worker)
            await until(lambda: len(slow.begun) == 1)
            watching = replace(QUICK, watch=timedelta(seconds=1))
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(examined(settings, watching))
                await asyncio.sleep(0.5)
                slow.gate.set()
            assert codes(looking.result()) == {Code.OVERDUE_BACKLOG: 4}
            assert left(looking.result()) == {}


class TestKeys:
    async def reserved(self, hub: Assembly, key: str, ago: timedelta, **fields: Any) -> UUID:
        """A key whose notification was never inserted."""
        made = await hub.create(key=key, type="email")
        await hub.rows.delete_one({"_id": made.notification.id})
        keys = KeyDocument.get_pymongo_collection()
        reserved = id_at(now() - ago)
        await keys.update_one(
            {"notification_id": made.notification.id}, {"$set": {"notification_id": reserved, **fields}}
        )
        return reserved

    async def test_half_reserved_is_a_note_that_a_repeat_makes_whole(
        self, hub_with: Assemble, settings: Settings
    ) -> None:
        async with hub_with(*channels(), running="") as hub:
            await uncounted()
            await StatisticsStore().mark([(ME.tenant, floor(now() - 2 * HOUR, Bucket.HOUR))])
            reserved = await self.reserved(hub, "old", timedelta(minutes=65))
            await self.reserved(hub, "young", timedelta(minutes=55))
            await self.reserved(hub, "expired", 50 * HOUR, expires_at=now())
            await hub.create(key="whole")
            before = await everything(hub)
            report = await examined(settings, REPAIR)
            (found,) = report.findings
            assert (found.code, found.count, found.examples) == (Code.HALF_RESERVED_KEY, 1, (str(reserved),))
            assert (report.unsettled, report.scanned["idempotency keys"]) == ([], 4)
            assert await everything(hub) == before
            repeated = await hub.create(key="old", type="email")
            assert repeated.notification.id == reserved
            await hub.delivery.deliver(reserved)
            assert codes(await examined(settings, QUICK)) == {}

    @pytest.mark.parametrize("owner", [{"tenant": "another"}, {"user_id": "another"}])
    async def test_a_key_of_another(self, hub_with: Assemble, settings: Settings, owner: dict[str, str]) -> None:
        async with hub_with(*channels(), running="") as hub:
            await uncounted()
            await StatisticsStore().mark([(ME.tenant, floor(now() - 2 * HOUR, Bucket.HOUR))])
            reserved = await self.reserved(hub, "k", 2 * HOUR, **owner)
            row = await hub.row(await hub.created())
            await hub.rows.insert_one(row | {"_id": reserved, "created_at": now() - 2 * HOUR})
            before = await everything(hub)
            assert left(await examined(settings, REPAIR)) == {Code.KEY_OF_ANOTHER: 1}
            assert await everything(hub) == before


class TestIndexes:
    async def test_missing_ones_and_strangers_of_the_same_name(self, hub_with: Assemble, settings: Settings) -> None:
        async with hub_with(running="") as hub:
            await hub.rows.drop_index("inbox")
            await hub.rows.drop_index("purge")
            await hub.rows.create_index([("purge_at", 1)], name="purge")
            report = await examined(settings, REPAIR)
            await hub.rows.drop_index("purge")
            assert [(found.code, found.examples) for found in report.unsettled] == [
                (Code.INDEX_MISSING, ("notifications.inbox",)),
                (Code.INDEX_DIFFERS, ("notifications.purge",)),
            ]
        async with hub_with(running=""):
            assert codes(await examined(settings, QUICK)) == {}


class TestStatistics:
    async def test_an_hour_that_disagrees_is_counted_again(self, hub_with: Assemble, settings: Settings) -> None:
        async with hub_with(*channels(), running="") as hub:
            for kind in KINDS:
                await specimen(hub, kind)
            await counted(hub)
            hours, dirty = hub.store.database["rollups"], StatisticsStore()
            right = await hours.find({}, {"stamp": 0}).sort("_id", 1).to_list()
            rollups = Rollups(dirty, hub.leases, 90 * DAY)
            for damage in ({"$inc": {"total": 1000}}, {"$inc": {"attempts": 1}}, {"$set": {"latencies": {"9": 77}}}):
                await hours.update_one({"status": "sent"}, damage)
                report = await examined(settings, QUICK)
                assert left(report) == {Code.ROLLUP_DISAGREES: 1}
                assert await dirty.dirty(10) == []
                report = await examined(settings, REPAIR)
                assert (codes(report), left(report)) == ({Code.ROLLUP_DISAGREES: 1}, {})
                # It waits to be counted, and is no finding any more.
                assert codes(await examined(settings, QUICK)) == {}
                await rollups._count(now())
                assert await hours.find({}, {"stamp": 0}).sort("_id", 1).to_list() == right

    async def test_missing_rollups_and_a_deletion_that_was_not_counted(
        self, hub_with: Assemble, settings: Settings
    ) -> None:
        async with hub_with(*channels(), running="") as hub:
            moment = now() - 3 * DAY
            ids = await copied(hub, await specimen(hub, "delivered"), [moment] * 3)
            statistics = StatisticsStore()
            await statistics.mark([(ME.tenant, floor(moment, Bucket.HOUR))])
            await counted(hub)
            await hub.notifications.delete(ME, str(ids[0]))
            report = await examined(settings, REPAIR)
            assert (codes(report), left(report)) == ({Code.ROLLUP_DISAGREES: 1}, {})
            assert [dirty.hour for dirty in await statistics.dirty(10)] == [floor(moment, Bucket.HOUR)]
            await hub.store.database["dirty_hours"].delete_many({})
            await hub.store.database["rollups"].delete_many({})
            assert left(await examined(settings, QUICK)) == {Code.ROLLUP_DISAGREES: 2}

    async def test_what_is_purged_stays_counted(self, hub_with: Assemble, settings: Settings) -> None:
        async with hub_with(*channels(), running="") as hub:
            moment = now() - 3 * DAY
            ids = await copied(hub, await specimen(hub, "delivered"), [moment] * 3)
            statistics = StatisticsStore()
            await statistics.mark([(ME.tenant, floor(moment, Bucket.HOUR))])
            await counted(hub)
            await hub.rows.delete_one({"_id": ids[0]})
            report = await examined(settings, REPAIR)
            assert (codes(report), left(report)) == ({Code.ROLLUP_BEYOND_DOCUMENTS: 1}, {})
            assert await statistics.dirty(10) == []

    async def test_what_changes_while_it_is_looked_at_is_no_finding(
        self, hub_with: Assemble, settings: Settings
    ) -> None:
        async with hub_with(*channels(), running="") as hub:
            await specimen(hub, "sent")
            await counted(hub)
            # As within the seconds before a process writes down what has to be counted.
            await specimen(hub, "sent")
            patient = replace(QUICK, patience=timedelta(seconds=1))
            said = io.StringIO()
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(examined(settings, patient, said))
                await until(lambda: "statistics again" in said.getvalue())
                await specimen(hub, "sent")
            assert codes(looking.result()) == {}

    async def test_a_day_that_disagrees_with_its_hours_is_added_up_again(
        self, hub_with: Assemble, settings: Settings
    ) -> None:
        async with hub_with(*channels(), running="") as hub:
            day = floor(now() - 3 * DAY, Bucket.DAY)
            await copied(hub, await specimen(hub, "delivered"), [day + HOUR, day + 2 * HOUR])
            statistics, days = StatisticsStore(), hub.store.database["day_rollups"]
            await statistics.mark([(ME.tenant, day + HOUR), (ME.tenant, day + 2 * HOUR)])
            await counted(hub)
            right = await days.find({}, {"stamp": 0}).to_list()
            assert [row["hours"][:4] for row in right] == [[0, 1, 1, 0]]
            assert codes(await examined(settings, QUICK)) == {}
            rollups = Rollups(statistics, hub.leases, 90 * DAY)
            for damage in ({"$set": {"hours.1": 5}}, {"$inc": {"attempts": 1}}, None):
                await (days.delete_many({}) if damage is None else days.update_one({}, damage))
                assert left(await examined(settings, QUICK)) == {Code.DAY_ROLLUP_DISAGREES: 1}
                report = await examined(settings, REPAIR)
                assert (codes(report), left(report)) == ({Code.DAY_ROLLUP_DISAGREES: 1}, {})
                assert codes(await examined(settings, QUICK)) == {}
                await rollups._fold(now())
                assert await days.find({}, {"stamp": 0}).to_list() == right


async def command(env: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """`python -m hub doctor` as a process: exit code, output, what it said beside."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", "doctor", *arguments,
        cwd=ROOT, env=clean | env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        output, beside = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), beside.decode()


class TestCommand:
    async def test_exit_codes_and_both_reports(self, hub_with: Assemble, mongo_url: str, database: str) -> None:
        env = {"HUB_MONGO__URL": mongo_url, "HUB_MONGO__DATABASE": database}
        async with hub_with(ScriptedChannel("email", contact_point="email"), running="") as hub:
            await uncounted()
            secret = await hub.created(to="someone@example.org", type="email", title="Private", message="Confidential")
            code, output, _ = await command(env)
            assert (code, output) == (0, "Looked at: notifications 1, idempotency keys 0. Nothing is wrong.\n")

            await hub.rows.update_one({"_id": secret.id}, {"$unset": {"due": 1}, "$set": {"attempt_count": 2}})
            code, output, beside = await command(env)
            assert code == 1
            assert "stuck: 1\n" in output
            assert str(secret.id) in output
            assert "2 kinds of findings" in output
            for private in ("Private", "Confidential", "someone@example.org"):
                assert private not in output + beside

            code, output, _ = await command(env, "--repair", "--json")
            assert code == 1
            report = json.loads(output)
            assert [(f["code"], f["level"], f["count"], f["repaired"], f["left"]) for f in report["findings"]] == [
                ("stuck", "finding", 1, 1, 0),
                ("attempts_out_of_order", "finding", 1, 0, 1),
            ]
            assert (report["healthy"], report["scanned"]) == (False, {"notifications": 1, "idempotency keys": 0})
            await hub.rows.update_one({"_id": secret.id}, {"$unset": {"due": 1}, "$set": {"attempt_count": 0}})
            code, output, _ = await command(env, "--repair")
            assert (code, output.splitlines()[-1]) == (
                0,
                "Looked at: notifications 1, idempotency keys 0. All that was wrong is repaired: 1.",
            )

    async def test_what_can_not_run_says_why(self, mongo_url: str, tmp_path: Path) -> None:
        (port,) = free_ports(1)
        for env, words in (
            (
                {"HUB_MONGO__URL": f"mongodb://127.0.0.1:{port}/?directConnection=true", "HUB_MONGO__TIMEOUT": "1"},
                "reached",
            ),
            ({"HUB_MONGO__URL": mongo_url, "HUB_MONGO__DATABASE": "of_nobody"}, "holds nothing of a hub"),
            ({"HUB_DATA_DIR": str(tmp_path / "none")}, "there is no store in"),
            ({"HUB_MONGO__TIMEOUT": "soon"}, "HUB_MONGO__TIMEOUT"),
        ):
            code, output, beside = await command(env)
            assert (code, output) == (2, "")
            assert words in beside
            assert "Traceback" not in beside
        assert not (tmp_path / "none").exists()

    async def test_of_the_embedded_store_beside_a_hub_and_alone(self, tmp_path: Path) -> None:
        env = {"HUB_DATA_DIR": str(tmp_path)}
        async with embedded_mongod(tmp_path) as url, assembled(url, "hub", running="") as hub:
            await uncounted()
            stuck = await hub.created()
            await hub.rows.update_one({"_id": stuck.id}, {"$unset": {"due": 1}})
            assert (await command(env))[0] == 1
            assert (await command(env, "--repair"))[0] == 0
            assert (await hub.row(stuck))["due"] <= now()
        assert (await command(env))[0] == 0
