"""The checker: judges a run by its evidence alone, so that it can be tested with evidence that is made up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hub.domain.status import SETTLED
from tests.chaos.evidence import Claim, Ending, Evidence, Injection, Row, Taken, Transcript, Try, Wish

MOST_DOUBLED = 0.005
"""Share of taken messages that may be doubled by a crash between the provider's answer and our record of it."""
UNDER_WAY = 48
"""In few and short runs one crash counts for more: it may double all that a process has under way with the providers, eight
for each of two channels and three priorities."""
POSSIBLY_TAKEN = {"accepted", "delivered", "ambiguous"}
"""Outcomes of attempts after which the provider may have the message."""
EXTERNAL = {"email", "sms"}
SLACK_SECONDS = 0.05
"""Between the clock of the store, in milliseconds, and that of the providers."""
_ANSWER_SECONDS = 0.2
"""An answer may be on its way for so long."""
_RELEASED_SECONDS = 1.0
"""What a network held back arrives within so long of its healing: long after the sender had given it up."""
_RECOVERY_SECONDS = 4.0
"""After a fault on an api its clients may still meet broken connections for so long."""
_SETTLED = {status.value for status in SETTLED}


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept: `lost`, `untrue`, `doubled`, `unseen`, `answer` or `process`."""

    kind: str
    text: str
    at: float
    """When what it is about began."""


@dataclass(slots=True)
class Verdict:
    """What was found, and the numbers beside it."""

    violations: list[Violation] = field(default_factory=list)
    numbers: Counter[str] = field(default_factory=Counter)
    doubled: list[Violation] = field(default_factory=list)
    """Messages taken more often than once though the provider gave no cause: no violation unless there are too many."""

    def of_kind(self, kind: str) -> list[Violation]:
        """The violations of one kind."""
        return [violation for violation in self.violations if violation.kind == kind]


def check(evidence: Evidence) -> Verdict:
    """The verdict on a run."""
    stored = {str(row["_id"]): row for row in evidence.stored}
    taken: defaultdict[str, list[Taken]] = defaultdict(list)
    for one in sorted(evidence.taken, key=lambda one: one.at):
        taken[one.notification_id].append(one)
    verdict = Verdict()
    verdict.violations += _lost(evidence, stored)
    for row in evidence.stored:
        verdict.violations += _untrue(row, taken[str(row["_id"])])
    verdict.violations += _strangers(stored, taken)
    verdict.violations += _claims(evidence.claims, stored)
    for transcript in evidence.transcripts:
        verdict.violations += _watched(transcript, evidence.stored)
    verdict.violations += _answers(evidence)
    verdict.violations += [Violation("process", text, evidence.began) for text in evidence.complaints]
    _doubled(verdict, stored, taken, evidence.injections)
    _count(verdict, evidence)
    return verdict


def too_many_doubled(verdicts: Sequence[Verdict]) -> bool:
    """Whether more was doubled in these runs together than the promise allows."""
    taken = sum(verdict.numbers["taken"] for verdict in verdicts)
    return sum(len(verdict.doubled) for verdict in verdicts) > max(UNDER_WAY, MOST_DOUBLED * taken)


def _lost(evidence: Evidence, stored: Mapping[str, Row]) -> Iterator[Violation]:
    """accepted ⊆ stored, one key is one notification, and everything due is settled."""
    for wish in evidence.wishes:
        ids = {identifier for _, identifier in wish.answers}
        if len(ids) > 1:
            yield Violation("untrue", f"the key {wish.key} stands for {len(ids)} notifications", _began(wish))
        for identifier in ids:
            row = stored.get(identifier)
            if row is None:
                yield Violation("lost", f"{identifier} was accepted and is not stored", wish.answers[0][0])
            elif row["metadata"]["key"] != wish.key:
                yield Violation("untrue", f"{identifier} was answered for another key", wish.answers[0][0])
    keys = Counter(row["metadata"]["key"] for row in evidence.stored)
    for row in evidence.stored:
        if keys[row["metadata"]["key"]] > 1:
            yield Violation("untrue", f"{row['_id']}: its key is stored more than once", _created(row))
        if row["status"] not in _SETTLED:
            last = row["attempts"][-1] if row["attempts"] else {"outcome": "no attempt", "error": None}
            how = f"{row['attempt_count']} attempts, the last {last['outcome']} {last['error']}"
            text = f"{row['_id']} ({row['type']}) is still {row['status']} after everything was healed: {how}"
            yield Violation("lost", text, _created(row))


def _untrue(row: Row, taken: Sequence[Taken]) -> Iterator[Violation]:
    """A status that says what is not so, or attempts that can't have been."""

    def untrue(text: str) -> Violation:
        return Violation("untrue", f"{row['_id']} ({row['type']}) is {row['status']}, {text}", _created(row))

    attempts = row["attempts"]
    outcomes = [attempt["outcome"] for attempt in attempts]
    numbers = [attempt["number"] for attempt in attempts]
    if numbers != list(range(1, len(numbers) + 1)) or row["attempt_count"] != len(numbers):
        yield untrue(f"and its attempts are numbered {numbers} of {row['attempt_count']}")
    match row["status"]:
        case "sent" | "delivered":
            if row["type"] in EXTERNAL and not taken:
                yield untrue("and no provider has it")
            if row["type"] == "in_app" and "inbox_at" not in row and row["expires_at"] is None:
                yield untrue("and it is in no inbox")
            if not outcomes or outcomes[-1] not in {"accepted", "delivered"}:
                yield untrue("without an attempt that was")
        case "failed":
            if not outcomes or outcomes[-1] != "permanent":
                yield untrue(f"after attempts that ended {outcomes}")
        case "cancelled" | "expired":
            yield from _after_the_end(row, taken, untrue("but was sent by an attempt begun afterwards"))
        case _:
            pass
    possible = sum(outcome in POSSIBLY_TAKEN for outcome in outcomes)
    if len(taken) > possible:
        yield untrue(f"was taken {len(taken)} times, and only {possible} attempts on record may have been taken")


def _after_the_end(row: Row, taken: Sequence[Taken], violation: Violation) -> Iterator[Violation]:
    """What was taken after the end must be by attempts begun before: those are on record, each as ambiguous."""
    end = row["updated_at"].timestamp() + SLACK_SECONDS
    late = [one for one in taken if one.began > end]
    begun = sum(
        attempt["outcome"] == "ambiguous" and attempt["started_at"].timestamp() < end for attempt in row["attempts"]
    )
    if len(late) > begun:
        yield violation


def _strangers(stored: Mapping[str, Row], taken: Mapping[str, Sequence[Taken]]) -> Iterator[Violation]:
    for identifier, messages in taken.items():
        if messages and identifier not in stored:
            yield Violation("untrue", f"{identifier} was sent and is not stored", messages[0].began)


def _claims(claims: Sequence[Claim], stored: Mapping[str, Row]) -> Iterator[Violation]:
    """What a claim was answered with holds to the end."""
    for claim in claims:
        row = stored.get(claim.notification_id)
        at = claim.tries[0].began if claim.tries else 0.0
        if any(one.said == "NOT_FOUND" for one in claim.tries):
            yield Violation("lost", f"{claim.notification_id} was accepted, and then was said not to exist", at)
        if row is None or not claim.done:
            continue
        if claim.status == "cancelled" and row["status"] != "cancelled":
            yield Violation("untrue", f"{claim.notification_id} was cancelled and is {row['status']}", at)
        if claim.status == "read" and row["read_at"] is None:
            yield Violation("untrue", f"{claim.notification_id} was marked read and is not", at)


def _watched(transcript: Transcript, rows: Sequence[Row]) -> Iterator[Violation]:
    """A watcher ends at the final version of each item, and no item's version goes back."""
    latest: dict[str, int] = {}
    for sight in transcript.sights:
        before = latest.get(sight.notification_id, 0)
        if sight.version < before:
            text = f"{transcript.name} saw {sight.notification_id} go back from version {before} to {sight.version}"
            yield Violation("unseen", text, sight.at)
        latest[sight.notification_id] = max(before, sight.version)
    for row in rows:
        mine = row["user_id"] == transcript.user_id and row["type"] == "in_app" and row["delivered_at"] is not None
        if not mine or row["updated_at"].timestamp() < transcript.began:
            continue
        seen = latest.get(str(row["_id"]), 0)
        if seen != row["version"]:
            text = f"{transcript.name} ended at version {seen} of {row['_id']}, which has {row['version']}"
            yield Violation("unseen", text, row["updated_at"].timestamp())


def _answers(evidence: Evidence) -> Iterator[Violation]:
    """Every request was answered with success or a documented error, or met an api that a fault had just struck."""
    tries = [(wish.key, one) for wish in evidence.wishes for one in wish.tries]
    tries += [(claim.notification_id, one) for claim in evidence.claims for one in claim.tries]
    for about, one in tries:
        if one.ending is Ending.WRONG:
            yield Violation("answer", f"{about}: {one.protocol} answered {one.said}", one.began)
        elif one.ending in {Ending.SILENT, Ending.BROKEN} and not _excused(one, evidence):
            text = f"{about}: {one.protocol} to api-{one.api} was {one.ending} {one.said}, and no fault had struck it"
            yield Violation("answer", text, one.began)


def _excused(one: Try, evidence: Evidence) -> bool:
    """Whether the api, or the network before it, was under a fault of its own at that time."""
    names = {f"api-{one.api}", f"all-{one.api}", "api", "all"}
    return any(
        injection.target in names
        and injection.at <= one.ended
        and one.began <= (injection.healed_at or one.ended) + _RECOVERY_SECONDS
        for injection in evidence.injections
    )


def _cut_off(message: Taken, injections: Sequence[Injection]) -> bool:
    """Whether the provider's network was under a fault when it answered: the same as if it had cut the connection."""
    return any(
        one.target == message.channel and one.at - _ANSWER_SECONDS <= message.at <= one.healed_at + _RELEASED_SECONDS
        for one in injections
    )


def _doubled(
    verdict: Verdict, stored: Mapping[str, Row], taken: Mapping[str, Sequence[Taken]], injections: Sequence[Injection]
) -> None:
    """Duplicates: those that the provider, or the network before it, forced are counted apart; the others are few."""
    for identifier, messages in taken.items():
        forced = sum(message.forced or _cut_off(message, injections) for message in messages[:-1])
        ours = len(messages) - 1 - forced
        verdict.numbers["doubled by the provider"] += forced
        verdict.numbers["taken"] += len(messages)
        if ours > 0:
            text = f"{identifier} was taken {len(messages)} times, {forced} of them forced by the provider"
            verdict.doubled.append(Violation("doubled", text, messages[0].began))
            if identifier in stored and len(stored[identifier]["attempts"]) < len(messages):
                verdict.violations.append(Violation("doubled", f"{text}, with too few attempts", messages[0].began))
    verdict.numbers["doubled"] = len(verdict.doubled)


def _count(verdict: Verdict, evidence: Evidence) -> None:
    numbers = verdict.numbers
    numbers["wanted"] = len(evidence.wishes)
    numbers["accepted"] = sum(bool(wish.answers) for wish in evidence.wishes)
    numbers["stored"] = len(evidence.stored)
    numbers["faults"] = len(evidence.injections)
    for row in evidence.stored:
        numbers[f"status {row['status']}"] += 1
    for claim in evidence.claims:
        numbers[f"claimed {claim.status}"] += claim.done
    numbers["sent though ended, by attempts begun before"] = _late(evidence)
    for one in (one for wish in evidence.wishes for one in wish.tries):
        numbers[f"try {one.ending}"] += 1
    numbers["lost"] = len(verdict.of_kind("lost"))
    numbers["untrue"] = len(verdict.of_kind("untrue"))
    numbers["unseen"] = len(verdict.of_kind("unseen"))
    numbers["events watched"] = sum(len(transcript.sights) for transcript in evidence.transcripts)
    numbers["streams opened"] = sum(transcript.connections for transcript in evidence.transcripts)


def _late(evidence: Evidence) -> int:
    ends = {
        str(row["_id"]): row["updated_at"].timestamp()
        for row in evidence.stored
        if row["status"] in {"cancelled", "expired"}
    }
    return sum(one.began > ends.get(one.notification_id, float("inf")) for one in evidence.taken)


def _began(wish: Wish) -> float:
    return wish.tries[0].began if wish.tries else 0.0


def _created(row: Row) -> float:
    created: datetime = row["created_at"]
    return created.timestamp()
