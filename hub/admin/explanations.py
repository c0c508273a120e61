"""What each finding of the doctor means, and what repairing it does or why nothing is repaired: one sentence each."""

from __future__ import annotations

from dataclasses import dataclass

from hub.domain.findings import Code


@dataclass(frozen=True, slots=True)
class Explanation:
    """Two sentences for people."""

    meaning: str
    remedy: str

    @property
    def repairable(self) -> bool:
        """Whether `--repair` does something about it."""
        return self.remedy.startswith("Repair ")


_SET_GOING = "Repair makes them due now, though never before their schedule, next attempt or lease has come, and the pipeline goes on."

EXPLANATIONS: dict[Code, Explanation] = {
    Code.UNREADABLE: Explanation(
        "This version can't read them: fields are missing, or not what they must be, and nothing deals with them.",
        "No repair: a newer version may have written them; if none has, look at them in MongoDB and mend them there.",
    ),
    Code.STUCK: Explanation("They wait to be sent, but nothing says when: no sweep ever finds them.", _SET_GOING),
    Code.ASLEEP: Explanation(
        "They wait to be sent, but no sweep looks at them until more than a day after their time.", _SET_GOING
    ),
    Code.OVERDUE_NO_RELAY: Explanation(
        "Their time has long passed, and no relay was heard of within 15 s: nothing sweeps.",
        "No repair: start the hub, or its role `relay`; they are taken up at once.",
    ),
    Code.OVERDUE_NO_WORKER: Explanation(
        "Their time has long passed, and no worker serves their channel.",
        "No repair: start a worker whose settings have this channel.",
    ),
    Code.OVERDUE_NO_BROKER: Explanation(
        "Their time has long passed, nothing of their channel moves, and a process has lost its broker.",
        "No repair: bring the broker back; what waits is handed over again by itself.",
    ),
    Code.OVERDUE_NOT_MOVING: Explanation(
        "Their time has long passed; relay and worker are there, but nothing of their channel moved while it was watched.",
        "No repair: look for `sweep_failed` and `sweep_of_line_failed` in the relay's log, and at the provider.",
    ),
    Code.OVERDUE_BACKLOG: Explanation(
        "Their time has long passed, and their channel moves: there is more to send than its workers can do.",
        "Nothing to repair: it drains by itself, and with more workers sooner.",
    ),
    Code.UNSETTLED_WITH_PURGE: Explanation(
        "They are not settled and have a time to be purged all the same: they would be deleted unsent.",
        "Repair takes that time away.",
    ),
    Code.SETTLED_WITHOUT_PURGE: Explanation(
        "They are settled or deleted, and nothing says when to purge them: they would be kept for ever.",
        "Repair has them purged once the retention of settled notifications has passed, counted from now.",
    ),
    Code.SENDING_WITHOUT_CLAIM: Explanation(
        "They are being sent, but no worker's claim says by whom, and so no sweep ever settles them.",
        "Repair enters the claim of a worker that vanished: the relay notes an ambiguous attempt and goes on by the"
        " channel's rule.",
    ),
    Code.CLAIM_LEFT_BEHIND: Explanation(
        "They hold a worker's claim, though nobody is sending them.",
        "Repair removes it: a claim means nothing but while sending.",
    ),
    Code.DUE_ON_SETTLED: Explanation(
        "They are settled or deleted for good, and the sweep is asked to take them up all the same.",
        "Repair takes them out of the outbox.",
    ),
    Code.INBOX_STRAY: Explanation(
        "They are in an inbox without being delivered in-app notifications, or though they are archived.",
        "Repair takes them out of the inbox.",
    ),
    Code.INBOX_MISSING: Explanation(
        "They were delivered in the app, have not expired and are not archived, but their inbox does not show them.",
        "Repair puts them where they belong, by the time they were delivered.",
    ),
    Code.INBOX_WITHOUT_END: Explanation(
        "They are inbox items that expire, but nothing takes them out of the inbox then.",
        "Repair makes them due when they expire.",
    ),
    Code.UNREAD_MARK: Explanation(
        "Whether they count as unread does not agree with the inbox and with `read_at`.",
        "Repair derives it anew from both.",
    ),
    Code.WRONG_LANE: Explanation(
        "Their work queue is not that of their type and priority.",
        "Repair enters the right one.",
    ),
    Code.SETTLED_WITHOUT_REASON: Explanation(
        "They failed, expired or were cancelled, and do not say why.",
        "Repair enters the one reason there is for `expired` and `cancelled`, and `UNKNOWN` for `failed`.",
    ),
    Code.SENT_WITHOUT_TIME: Explanation(
        "They are sent or delivered, and do not say when.",
        "No repair: the time is not on record, and none is made up.",
    ),
    Code.SENT_WITHOUT_ATTEMPT: Explanation(
        "They are said to be sent or delivered, but no attempt on record was taken over by a provider.",
        "No repair: only the provider knows; report them failed and replay them if it has not taken them.",
    ),
    Code.ATTEMPTS_OUT_OF_ORDER: Explanation(
        "The numbers of their attempts do not run on by one up to `attempt_count`.",
        "No repair: which attempt is missing or stands twice is not on record; delivery goes on all the same.",
    ),
    Code.TOMBSTONE_WITH_CONTENT: Explanation(
        "They were deleted, but something of their content, address, attempts or claim is still there.",
        "Repair removes it for good, as deleting does.",
    ),
    Code.HALF_RESERVED_KEY: Explanation(
        "Idempotency keys reserved for notifications that were never inserted, since their create failed and was not"
        " repeated: harmless, a repeat inserts under the reserved id.",
        "Nothing to repair: they expire by themselves, and freeing one could turn a late repeat into a second notification.",
    ),
    Code.KEY_OF_ANOTHER: Explanation(
        "Idempotency keys that stand for a notification of another tenant or user: a repeat is not answered with its own.",
        "No repair: which of the two is right is not on record; the key expires by itself.",
    ),
    Code.ROLLUP_DISAGREES: Explanation(
        "Hours whose statistics do not agree with their notifications and do not wait to be counted again.",
        "Repair marks them, and the relay counts them anew.",
    ),
    Code.ROLLUP_BEYOND_DOCUMENTS: Explanation(
        "Hours whose statistics count more than is left of their notifications, as after a longer retention was set.",
        "Nothing to repair: counted again they would lose what is gone.",
    ),
    Code.DAY_ROLLUP_DISAGREES: Explanation(
        "Days whose statistics do not agree with those of their hours.",
        "Repair has the relay add them up anew.",
    ),
    Code.INDEX_MISSING: Explanation(
        "Indexes that this version needs are not there: queries fail, crawl, or expire nothing.",
        "Run `python -m hub migrate`, which builds them.",
    ),
    Code.INDEX_DIFFERS: Explanation(
        "Indexes have the names this version needs and are something else.",
        "No repair: run `python -m hub migrate`; where more than a TTL index's span differs, drop them in MongoDB before.",
    ),
}
