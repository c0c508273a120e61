"""What `python -m hub doctor` may find in a store: the codes, and how much of each there is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """One kind of finding; `hub.admin.explanations` has its sentences."""

    UNREADABLE = "unreadable"
    STUCK = "stuck"
    ASLEEP = "asleep"
    OVERDUE_NO_RELAY = "overdue_no_relay"
    OVERDUE_NO_WORKER = "overdue_no_worker"
    OVERDUE_NO_BROKER = "overdue_no_broker"
    OVERDUE_NOT_MOVING = "overdue_not_moving"
    OVERDUE_BACKLOG = "overdue_backlog"
    UNSETTLED_WITH_PURGE = "unsettled_with_purge"
    SETTLED_WITHOUT_PURGE = "settled_without_purge"
    SENDING_WITHOUT_CLAIM = "sending_without_claim"
    CLAIM_LEFT_BEHIND = "claim_left_behind"
    DUE_ON_SETTLED = "due_on_settled"
    INBOX_STRAY = "inbox_stray"
    INBOX_MISSING = "inbox_missing"
    INBOX_WITHOUT_END = "inbox_without_end"
    UNREAD_MARK = "unread_mark"
    WRONG_LANE = "wrong_lane"
    SETTLED_WITHOUT_REASON = "settled_without_reason"
    SENT_WITHOUT_TIME = "sent_without_time"
    SENT_WITHOUT_ATTEMPT = "sent_without_attempt"
    ATTEMPTS_OUT_OF_ORDER = "attempts_out_of_order"
    TOMBSTONE_WITH_CONTENT = "tombstone_with_content"
    HALF_RESERVED_KEY = "half_reserved_key"
    KEY_OF_ANOTHER = "key_of_another"
    ROLLUP_DISAGREES = "rollup_disagrees"
    ROLLUP_BEYOND_DOCUMENTS = "rollup_beyond_documents"
    DAY_ROLLUP_DISAGREES = "day_rollup_disagrees"
    INDEX_MISSING = "index_missing"
    INDEX_DIFFERS = "index_differs"


NOTES = frozenset({Code.OVERDUE_BACKLOG, Code.HALF_RESERVED_KEY, Code.ROLLUP_BEYOND_DOCUMENTS})
"""Worth knowing, but nothing is wrong: a healthy installation may show them."""


@dataclass(frozen=True, slots=True)
class Found:
    """How much of one kind was found, what was repaired of it, and what is left."""

    code: Code
    count: int
    examples: tuple[str, ...]
    """Ids alone: no content, address or key ever stands in a finding."""
    repaired: int = 0
    left: int | None = None
    """None: as many as were found."""

    @property
    def remaining(self) -> int:
        """How many there still are."""
        return self.count if self.left is None else self.left
