"""The short way through HTTP takes what h11 takes, and nothing else; and reads the same in it."""

from __future__ import annotations

import re

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.web.http1 import MAX_HEAD_BYTES, MAX_HEADERS
from hub.web.short import Whole, head, whole_request

PLAIN = b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Two:  words here \t\r\nContent-Length: 2\r\n\r\n{}"
PLAIN_GET = re.sub(b"Content-Length.*", b"\r\n", PLAIN, flags=re.DOTALL).replace(b"POST", b"GET")


def short(data: bytes) -> Whole | None:
    return whole_request(data, MAX_HEAD_BYTES, MAX_HEADERS)


def as_h11_has_it(data: bytes) -> Whole:
    connection = h11.Connection(h11.SERVER, MAX_HEAD_BYTES)
    connection.receive_data(data)
    request, body = connection.next_event(), b""
    assert isinstance(request, h11.Request)
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert connection.trailing_data[0] == b""
    return request.method, request.target, [(name, value) for name, value in request.headers], body


def test_a_plain_request_is_taken() -> None:
    headers = [(b"host", b"x"), (b"x-two", b"words here"), (b"content-length", b"2")]
    assert short(PLAIN) == (b"POST", b"/a?b=c", headers, b"{}")
    assert short(PLAIN_GET) == (b"GET", b"/a?b=c", headers[:2], b"")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"GET"),
        (b"POST", b"HEAD"),
        (b"POST", b"get"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b" HTTP", b"  HTTP"),
        (b"\r\n", b"\n"),
        (b"{}", b"{"),
        (b"{}", b"{} "),
        (b"Host: x\r\n", b""),
        (b"Host: x\r\n", b"Host: x\r\nHost: y\r\n"),
        (b"Length: 2", b"Length: 2\r\nContent-Length: 2"),
        (b"Length: 2", b"Length: +2"),
        (b"Length: 2", b"Length: 2\r\nTransfer-Encoding: chunked"),
        (b"Length: 2", b"Length: 2\r\nExpect: 100-continue"),
        (b"Length: 2", b"Length: 2\r\nConnection: close"),
        (b"Length: 2", b"Length: 2\r\nConnection: keep-alive, upgrade"),
        (b"Length: 2", b"Length: 2\r\nUpgrade: websocket"),
        (b"X-Two:", b"X-Two :"),
        (b"X-Two:", b" X-Two:"),
        (b"words here", b"words\r\n here"),
        (b"words here", b"words\x00here"),
        (b"words here", b"w\xc3\xb6rds"),
        (b"words here", b"w" * MAX_HEAD_BYTES),
        (b"X-Two: ", b"X: 1\r\n" * MAX_HEADERS),
    ],
)
def test_whatever_is_not_plain_is_left_to_h11(old: bytes, new: bytes) -> None:
    assert short(PLAIN.replace(old, new)) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\r\n\r\n", b"\r\n"),
        (b"\r\n\r\n", b"\r\n\r\n{}"),
        (b"\r\n\r\n", b"\r\n\r\n" + PLAIN_GET),
        (b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
        (b"GET", b"HEAD"),
        (b"GET", b"DELETE"),
    ],
)
def test_so_is_a_get_that_is_not_plain(old: bytes, new: bytes) -> None:
    assert short(PLAIN_GET.replace(old, new)) is None


def test_a_connection_that_is_kept_needs_no_saying() -> None:
    assert short(PLAIN.replace(b"Host", b"Connection: Keep-Alive\r\nHost")) is not None


PIECES = st.lists(
    st.sampled_from(
        [b"POST ", b"GET ", b"/", b" HTTP/1.1", b"\r\n", b"\n", b"\r", b":", b" ", b"\t", b"Host", b"Content-Length"]
    )
    | st.sampled_from(
        [b"2", b"0", b"{}", b"x", b"Transfer-Encoding", b"chunked", b"Connection", b"close", b"keep-alive"]
    )
    | st.binary(max_size=2),
    max_size=8,
)


@given(st.sampled_from([PLAIN, PLAIN_GET]), PIECES, st.integers(0, len(PLAIN)), st.integers(0, 12))
@example(PLAIN, [], len(PLAIN), 0)
@example(PLAIN_GET, [], len(PLAIN_GET), 0)
def test_what_is_taken_h11_reads_alike(plain: bytes, pieces: list[bytes], at: int, lost: int) -> None:
    data = plain[:at] + b"".join(pieces) + plain[at + lost :]
    taken = short(data)
    assert taken is None or taken == as_h11_has_it(data)


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\r"])
def test_no_header_ends_early(value: bytes) -> None:
    with pytest.raises(ValueError, match="end of a line"):
        head(200, [(b"x", value)])
