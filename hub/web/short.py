"""A shorter way through HTTP/1.1 for requests that are whole, plain and asked for all the time: no state machine, one write.

What is in any way unusual (a body in pieces, a header that is more than a name and printable ASCII, any way of framing but
one Content-Length of a POST and none of a GET) is left to h11. RFC 9112.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.h11_impl import RequestResponseCycle

# Possessive: nothing is tried twice, however long it is.
_HEAD = re.compile(rb"(GET|POST) (/[!-~]*+) HTTP/1\.1\r\n((?:[-!#$%&'*+.^_`|~0-9A-Za-z]++:[ -~\t]*+\r\n)++)\r\n")
_FIELD = re.compile(rb"([^:]++):([ -~\t]*+)\r\n")
_PARTICULAR = frozenset({b"expect", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings"})
_DIGITS = 9
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})

Header = tuple[bytes, bytes]


Whole = tuple[bytes, bytes, list[Header], bytes]
"""Method, target, headers and body."""


def whole_request(data: bytes, max_head_bytes: int, max_headers: int) -> Whole | None:
    """The plain GET or POST that is all of `data`; None for everything else."""
    found = _HEAD.match(data)
    if found is None or found.end() > max_head_bytes:
        return None
    headers = [(name.lower(), value.strip(b" \t")) for name, value in _FIELD.findall(found[3])]
    names = [name for name, _ in headers]
    if any(name == b"connection" and value.lower() != b"keep-alive" for name, value in headers):
        return None
    if not _PARTICULAR.isdisjoint(names) or len(names) > max_headers or names.count(b"host") != 1:
        return None
    lengths = [value for name, value in headers if name == b"content-length"]
    if found[1] == b"GET":
        return (found[1], found[2], headers, b"") if not lengths and found.end() == len(data) else None
    if len(lengths) != 1 or not lengths[0].isdigit() or len(lengths[0]) > _DIGITS:
        return None
    body = data[found.end() :]
    return (found[1], found[2], headers, body) if len(body) == int(lengths[0]) else None


class ShortCycle(RequestResponseCycle):
    """A request that was whole when it came, and its answer; h11 knows of neither."""

    def __init__(self, body: bytes, **rest: Any) -> None:
        super().__init__(**rest)
        self.body += body
        self.more_body = False
        self.message_event.set()
        self._held = b""
        self._chunked = False

    async def send(self, message: Any) -> None:
        """Writes head and body in one go where both are there; a body of unknown length goes out in chunks."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start" and not self.response_started:
            self._start(message["status"], [*self.default_headers, *message.get("headers", ())])
        elif message["type"] == "http.response.body" and self.response_started and not self.response_complete:
            self._go_on(bytes(message.get("body", b"")), more=message.get("more_body", False))
        else:
            msg = f"ASGI message out of order: {message['type']}"
            raise RuntimeError(msg)

    def _start(self, status: int, headers: list[Header]) -> None:
        self.response_started = True
        if status not in _BODILESS and not any(name == b"content-length" for name, _ in headers):
            self._chunked = True
            headers.append((b"transfer-encoding", b"chunked"))
        self._held = head(status, headers)
        if self._chunked:
            # Whatever streams may have nothing to say for a while.
            self._write(b"")

    def _go_on(self, body: bytes, *, more: bool) -> None:
        if self._chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        self._write(body)
        if more:
            return
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _write(self, body: bytes) -> None:
        self.transport.write(self._held + body)
        self._held = b""


def head(status: int, headers: Iterable[Header]) -> bytes:
    """The head of an answer. Raises ValueError where a header would end early: that would begin another one, or an answer."""
    lines = [b"HTTP/1.1 %d %b" % (status, _PHRASES.get(status, b"")), *(b"%b: %b" % header for header in headers)]
    joined = b"\r\n".join(lines)
    if joined.count(b"\n") != len(lines) - 1 or joined.count(b"\r") != len(lines) - 1:
        msg = "a header holds the end of a line"
        raise ValueError(msg)
    return joined + b"\r\n\r\n"
