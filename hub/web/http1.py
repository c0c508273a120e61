"""HTTP/1.1 as uvicorn speaks it, bounded: how long a request's head may be and take, and how many may be connected."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast
from urllib.parse import unquote

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from hub.web.policy import ANSWER_HEADERS
from hub.web.short import ShortCycle, whole_request
from hub.web.site import Asgi

MAX_HEAD_BYTES = 16 * 1024
"""The request line and all headers."""
MAX_HEADERS = 100
_SPARE_CONNECTIONS = 64
"""Beyond the limit so many more are heard, for probes; further ones are closed at once."""
_SPARE_SECONDS = 2.0
_LINGER_SECONDS = 1.0
"""So long what comes after a refusal is thrown away: closed at once, the refusal itself could be lost on the way."""
_TOO_LONG = 431


class Answer(Protocol):
    """As much of a Starlette response as is needed here."""

    status_code: int
    body: bytes | memoryview
    raw_headers: list[tuple[bytes, bytes]]


class Refusal(Protocol):
    """How it looks that a request is refused before there is one; not for this package to say."""

    def malformed(self, sentence: str) -> Answer:
        """What was sent is no HTTP."""
        ...

    def head_too_large(self, sentence: str) -> Answer:
        """The request's line and headers go beyond a limit, which the sentence names."""
        ...

    def too_slow(self, sentence: str) -> Answer:
        """The request's line and headers did not come in time."""
        ...

    def crowded(self) -> Answer:
        """Too many are connected."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How one listener is bounded."""

    head_seconds: float
    connections: int
    refusal: Refusal
    surplus: Asgi
    """What hears a connection beyond the limit: it answers probes, and tells all others to come back."""


def bounded(bounds: Limits) -> type[H11Protocol]:
    """The protocol class of uvicorn, within these bounds."""

    class Bounded(_Bounded):
        limits = bounds

    return Bounded


class _Connection(h11.Connection):
    """Counts headers, and remembers what was wrong: uvicorn does not hand it on."""

    fault: h11.RemoteProtocolError | None = None

    def next_event(self) -> Any:
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                _check_length(event)
        except h11.RemoteProtocolError as error:
            self.fault = error
            raise
        return event


def _check_length(request: h11.Request) -> None:
    # h11 itself looks at what is incomplete alone: what came in one piece may have any length.
    fields = request.headers.raw_items()
    size = len(request.target) + sum(len(name) + len(value) + 4 for name, value in fields)
    if len(fields) > MAX_HEADERS or size > MAX_HEAD_BYTES:
        raise h11.RemoteProtocolError("Head too long", error_status_hint=_TOO_LONG)


class _Bounded(H11Protocol):
    """Between connecting, or the end of an answer, and the last byte of a request's head there is a time limit.

    A body's time is the operation's (`HUB_REQUEST_TIMEOUT`), a pause between requests that of `HUB_HTTP__KEEP_ALIVE`.
    """

    limits: ClassVar[Limits]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Connection(h11.SERVER, MAX_HEAD_BYTES)
        self._late: asyncio.TimerHandle | None = None
        self._surplus = False
        self._refused = False
        self._unread = b""
        """What came while a request that went the short way was answered."""

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        """The last request; uvicorn's types know nothing of the time before the first."""
        return cast("RequestResponseCycle | None", self.cycle)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        beyond = len(self.connections) - self.limits.connections
        if beyond > _SPARE_CONNECTIONS:
            transport.abort()
            return
        if beyond > 0:
            self._surplus = True
            self.app = self.limits.surplus
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._takes_short_way(data):
            return
        super().data_received(data)
        # An answer that is out leaves what may still come of its request's body: that too must not drip for ever.
        cycle = self._cycle
        answering = cycle is not None and not cycle.response_complete
        if self._late is None and not answering and self.transport.get_protocol() is self:
            self._wait_for_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        unread, self._unread = self._unread, b""
        if unread and not self.transport.is_closing():
            self.data_received(unread)

    def _takes_short_way(self, data: bytes) -> bool:
        """Whether that was all: a whole request is on its way, or what came must wait for the end of one that is."""
        cycle = self._cycle
        if isinstance(cycle, ShortCycle) and not cycle.response_complete:
            self._unread += data
            self.flow.pause_reading()
            return True
        idle = self.conn.our_state is h11.IDLE and self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        request = whole_request(data, MAX_HEAD_BYTES, MAX_HEADERS) if idle and not self._surplus else None
        if request is None:
            return False
        self._stop_waiting()
        self._unset_keepalive_if_required()
        self._begin(*request)
        return True

    def _begin(self, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        raw_path, _, query_string = target.partition(b"?")
        self.headers = headers
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "method": method.decode("ascii"),
            "root_path": self.root_path,
            "path": self.root_path + unquote(raw_path.decode("ascii")),
            "raw_path": self.root_path.encode("ascii") + raw_path,
            "query_string": query_string,
            "headers": headers,
            "state": self.app_state.copy(),
        }
        self.cycle = ShortCycle(
            body,
            scope=self.scope,
            conn=self.conn,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            on_response=self.on_response_complete,
        )
        task = self.loop.create_task(self.cycle.run_asgi(self.app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._stop_waiting()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_waiting()
        if self._surplus:
            self._refuse(self.limits.refusal.crowded())
            return
        super().handle_websocket_upgrade(event)

    def eof_received(self) -> None:
        if self._refused:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Says which limit it was; uvicorn's own knows one sentence."""
        del msg
        fault = self.conn.fault if isinstance(self.conn, _Connection) else None
        if fault is not None and fault.error_status_hint == _TOO_LONG:
            sentence = (
                f"A request's line and headers may have at most {MAX_HEAD_BYTES:,} bytes and {MAX_HEADERS} fields."
            )
            self._refuse(self.limits.refusal.head_too_large(sentence))
        else:
            self._refuse(self.limits.refusal.malformed("This is no HTTP/1.1."))

    def _wait_for_head(self) -> None:
        seconds = _SPARE_SECONDS if self._surplus else self.limits.head_seconds
        self._late = self.loop.call_later(seconds, self._too_late)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        begun, _ = self.conn.trailing_data
        if begun and self.conn.our_state is h11.IDLE:
            sentence = f"A request's line and headers must be here within {self.limits.head_seconds:g} seconds."
            self._refuse(self.limits.refusal.too_slow(sentence))
        else:
            self.transport.close()

    def _refuse(self, answer: Answer) -> None:
        """Answers in place of the application, and hears nothing more from this connection."""
        self._stop_waiting()
        self._refused = True
        cycle = self._cycle
        if cycle is not None:
            # It may be waiting for the rest of the body; whatever it says is said to nobody.
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()
            return
        headers = [*answer.raw_headers, *ANSWER_HEADERS, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=answer.status_code, headers=headers),
            h11.Data(data=bytes(answer.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
