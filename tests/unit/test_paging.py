"""Cursors: bound to list, owner and filter; a spoiled one is told from a good one."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.errors import HubError, Reason
from hub.domain.paging import (
    Filter,
    ListKind,
    Page,
    PageRequest,
    Position,
    checked_limit,
    connection_request,
    decode_cursor,
    encode_cursor,
)
from hub.domain.status import Status

OWNER = ("default", "user123")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
URL_SAFE = string.ascii_letters + string.digits + "-_"

kinds = st.sampled_from(list(ListKind))
moments = st.integers(0, int(timedelta(days=365 * 7000).total_seconds() * 1000)).map(
    lambda milliseconds: EPOCH + timedelta(milliseconds=milliseconds)
)
positions = st.builds(Position, moments, st.uuids())
short = st.text(max_size=20)
filters = st.builds(
    Filter,
    status=st.none() | st.sampled_from(list(Status)),
    type=st.none() | short,
    category=st.none() | short,
    unread=st.none() | st.booleans(),
    user_id=st.none() | short,
    created_after=st.none() | moments,
    created_before=st.none() | moments,
    reason=st.none() | short,
)
owners = st.tuples(short, st.none() | short)
TOKEN = encode_cursor(ListKind.INBOX, OWNER, Filter(), Position(EPOCH + timedelta(days=20_000), UUID(int=7 << 90)))


def refused(
    token: str,
    kind: ListKind = ListKind.INBOX,
    owner: tuple[str, str | None] = OWNER,
    wanted: Filter | None = None,
    field: str = "after",
) -> HubError:
    with pytest.raises(HubError) as caught:
        decode_cursor(token, (kind,), owner, wanted or Filter(), field)
    assert caught.value.reason is Reason.INVALID_CURSOR
    assert [violation.field for violation in caught.value.violations] == [field]
    return caught.value


@given(kinds, owners, filters, positions)
def test_a_token_stands_for_its_place(
    kind: ListKind, owner: tuple[str, str | None], wanted: Filter, position: Position
) -> None:
    token = encode_cursor(kind, owner, wanted, position)
    assert decode_cursor(token, (kind,), owner, wanted) == position
    assert set(token) <= set(URL_SAFE)


@given(kinds, owners, filters, positions)
def test_a_place_has_one_token(
    kind: ListKind, owner: tuple[str, str | None], wanted: Filter, position: Position
) -> None:
    token = encode_cursor(kind, owner, wanted, position)
    assert encode_cursor(kind, owner, wanted, decode_cursor(token, (kind,), owner, wanted)) == token


@given(st.data(), kinds, filters, positions)
def test_every_changed_character_is_noticed(
    data: st.DataObject, kind: ListKind, wanted: Filter, position: Position
) -> None:
    token = encode_cursor(kind, OWNER, wanted, position)
    index = data.draw(st.integers(0, len(token) - 1))
    replacement = data.draw(st.characters() | st.sampled_from(URL_SAFE + "+/="))
    spoiled = token[:index] + replacement + token[index + 1 :]
    if spoiled != token:
        refused(spoiled, kind, OWNER, wanted)


def test_every_single_change_of_one_token_is_noticed() -> None:
    """Exhaustively: the last character's unused bits are where such checks usually fail."""
    for index, old in enumerate(TOKEN):
        for new in URL_SAFE + "+/=":
            if new != old:
                refused(TOKEN[:index] + new + TOKEN[index + 1 :])


@pytest.mark.parametrize("length", range(len(TOKEN)))
def test_every_truncation_is_noticed(length: int) -> None:
    refused(TOKEN[:length])
    refused(TOKEN[length + 1 :])


@pytest.mark.parametrize(
    "token",
    [
        *("", "=", "====", " ", "\0", "null", "0", "-1", "é", "\ud800", TOKEN + "=", TOKEN + "A", TOKEN + "\n"),
        *(f" {TOKEN}", TOKEN * 2, TOKEN.lower(), "A" * len(TOKEN), "_" * len(TOKEN), "A" * 1_000_000),
    ],
)
def test_what_was_never_a_token_is_refused(token: str) -> None:
    refused(token)


@given(st.text())
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    refused(text)


@given(kinds, kinds, positions)
def test_bound_to_its_list(kind: ListKind, other: ListKind, position: Position) -> None:
    token = encode_cursor(kind, OWNER, Filter(), position)
    if kind is not other:
        refused(token, other)


@given(owners, owners, positions)
def test_bound_to_tenant_and_user(
    owner: tuple[str, str | None], other: tuple[str, str | None], position: Position
) -> None:
    token = encode_cursor(ListKind.INBOX, owner, Filter(), position)
    # A user without a name exists nowhere: None and "" stand for the same owner.
    if (owner[0], owner[1] or "") != (other[0], other[1] or ""):
        refused(token, ListKind.INBOX, other)


@given(filters, filters, positions)
def test_bound_to_the_filter(one: Filter, other: Filter, position: Position) -> None:
    token = encode_cursor(ListKind.INBOX, OWNER, one, position)
    if one != other:
        refused(token, ListKind.INBOX, OWNER, other)
    assert decode_cursor(token, (ListKind.INBOX,), OWNER, None) == position


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(status=Status.READ),
        Filter(type="email"),
        Filter(category="email"),
        Filter(unread=False),
        Filter(unread=True),
        Filter(user_id="email"),
        Filter(created_after=EPOCH),
        Filter(created_before=EPOCH),
        Filter(reason="email"),
        # One value that looks like two.
        Filter(type="x\0category=y"),
        Filter(type="x", category="y"),
        Filter(type="None"),
    ],
)
def test_each_field_of_the_filter_is_bound(wanted: Filter) -> None:
    refused(TOKEN, wanted=wanted)
    fingerprints = {wanted.fingerprint(), Filter().fingerprint()}
    assert len(fingerprints) == 2


def test_filters_that_print_alike_differ() -> None:
    pairs = [
        (Filter(type="x\0category=y"), Filter(type="x", category="y\0category=None")),
        (Filter(type="None"), Filter()),
        (Filter(type="x\0category=None\0unread=None\0user_id=y"), Filter(type="x")),
    ]
    for one, other in pairs:
        assert one.fingerprint() != other.fingerprint()


def test_the_refusal_names_the_argument() -> None:
    assert "before" in refused("x", field="before").message


def test_a_token_may_be_good_for_several_lists() -> None:
    kinds_taken = (ListKind.EVENTS, ListKind.INBOX)
    assert decode_cursor(TOKEN, kinds_taken, OWNER, None).id == UUID(int=7 << 90)


class TestConnections:
    """Relay's arguments."""

    @pytest.mark.parametrize(
        ("first", "last", "field"),
        [
            (None, None, "first"),
            (1, 1, "first"),
            (0, 0, "first"),
            (0, None, "first"),
            (-1, None, "first"),
            (101, None, "first"),
            (None, 0, "last"),
            (None, -1, "last"),
            (None, 101, "last"),
        ],
    )
    def test_refused(self, first: int | None, last: int | None, field: str) -> None:
        with pytest.raises(HubError) as caught:
            connection_request(first, last, None, None)
        assert caught.value.reason is Reason.INVALID_VALUE
        assert caught.value.violations[0].field == field

    @pytest.mark.parametrize("size", [1, 20, 100])
    def test_taken(self, size: int) -> None:
        assert connection_request(size, None, "a", "b") == PageRequest(size, "a", "b", exact_ends=True)
        assert connection_request(None, size, "a", "b") == PageRequest(size, "a", "b", backwards=True, exact_ends=True)

    @pytest.mark.parametrize("size", [0, -1, 101, 2**63])
    def test_limits_name_their_field(self, size: int) -> None:
        with pytest.raises(HubError) as caught:
            checked_limit("limit", size)
        assert caught.value.violations[0].field == "limit"


def test_the_last_page_has_no_next_cursor() -> None:
    assert Page((), (), has_next=False, has_previous=True).next_cursor is None
    assert Page((), ("a", "b"), has_next=False, has_previous=False).next_cursor is None
    assert Page((), ("a", "b"), has_next=True, has_previous=False).next_cursor == "b"
