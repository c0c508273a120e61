"""Counts of an inbox as tests write them."""

from __future__ import annotations

from hub.domain.events import CappedCount, InboxCounts


def counted(unread: int, unseen: int | None = None) -> InboxCounts:
    """So much unread, and as much of it unseen unless said otherwise; more than 1,000 is capped."""
    return InboxCounts(_capped(unread), _capped(unread if unseen is None else unseen))


def _capped(count: int) -> CappedCount:
    return CappedCount(min(count, 1000), capped=count > 1000)
