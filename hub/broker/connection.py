"""A connection to RabbitMQ that is brought back whenever it is lost, and what a broken one may raise."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError

from hub.core.tasks import checkpoint
from hub.log import get_logger

log = get_logger(__name__)

HEARTBEAT_SECONDS = 10
"""With the default of 60 a dead peer is noticed after three minutes."""
ANSWER_SECONDS = 5.0
"""How long the broker has for one answer."""
_CLOSING_SECONDS = 1.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

Session = Callable[[AbstractConnection, asyncio.Event], Awaitable[None]]
"""What is done with a connection: runs until it is lost, and is then cancelled; setting the event gives it up."""


class BrokerAwayError(Exception):
    """The broker can't be reached or did not answer in time."""


def check_url(url: str) -> None:
    """Raises ValueError with a sentence if the URL is none; without the URL in it."""
    if not _is_broker(url):
        msg = "is not a URL such as amqp://user:password@host/vhost (with / @ : # in names and passwords as %2F %40 %3A %23)"
        raise ValueError(msg)


def _is_broker(url: str) -> bool:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"amqp", "amqps"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    # A / or # in a password ends the host too early, and the rest of it becomes the vhost's name.
    return good and "@" not in parts.path and not parts.fragment


@contextmanager
def translated() -> Iterator[None]:
    """Turns everything a broken connection may raise into BrokerAwayError.

    A connection that goes silent leaks CancelledError out of the driver: it counts as the broker's unless somebody
    did cancel this very task.
    """
    task = asyncio.current_task()
    cancelling = task.cancelling() if task else 0
    try:
        yield
    except asyncio.CancelledError as error:
        if task is None or task.cancelling() > cancelling:
            raise
        raise BrokerAwayError from error
    except (AMQPError, OSError, RuntimeError, EOFError, TimeoutError, StopAsyncIteration) as error:
        raise BrokerAwayError(type(error).__name__) from error
    except Exception as error:
        # aiormq's word for a call that was under way when its connection ended; whatever else it is, it has a name.
        if type(error) is not Exception:
            raise
        raise BrokerAwayError from error


async def keep_connected(url: str, purpose: str, session: Session, away: Callable[[], None]) -> NoReturn:
    """One connection after the other until cancelled, with growing, jittered pauses between failures.

    `away` is called whenever there is none.
    """
    pause = _FIRST_PAUSE
    clock = asyncio.get_running_loop().time
    while True:
        checkpoint()
        began = clock()
        try:
            await _live(url, purpose, session)
        except BrokerAwayError as error:
            log.warning("broker_away", purpose=purpose, error=str(error))
        except Exception:
            # Whatever it is, the next connection may do better, and what was lost meanwhile the store still knows.
            log.exception("broker_session_failed", purpose=purpose)
        away()
        if clock() - began > 2 * _LONGEST_PAUSE:
            pause = _FIRST_PAUSE
        await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - spreads load, keeps no secret
        pause = min(pause * 2, _LONGEST_PAUSE)


async def _live(url: str, purpose: str, session: Session) -> None:
    """A connection's life, until it is lost or the session gives it up. Raises BrokerAwayError."""
    properties: dict[str, Any] = {"connection_name": f"hub {purpose}"}
    with translated():
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await aio_pika.connect(url, heartbeat=HEARTBEAT_SECONDS, client_properties=properties)
    checkpoint()
    lost = asyncio.Event()
    connection.close_callbacks.add(lambda *_: lost.set())

    async def until_lost() -> None:
        try:
            with translated():
                await session(connection, lost)
        finally:
            lost.set()

    # Not a TaskGroup: the session's error is wanted as it is, and cancelled work must not cancel us.
    work = asyncio.get_running_loop().create_task(until_lost())
    try:
        await lost.wait()
    finally:
        # The connection first: a call under way that is cancelled instead can leave the driver waiting for ever.
        closing = asyncio.get_running_loop().create_task(connection.close())
        await asyncio.wait([closing], timeout=_CLOSING_SECONDS)
        for task in (closing, work):
            task.cancel()
        await asyncio.wait([closing, work], timeout=_CLOSING_SECONDS)
        for task in (closing, work):
            task.add_done_callback(_retrieve)
    if work.done() and not work.cancelled() and (error := work.exception()) is not None:
        raise error
    raise BrokerAwayError


def _retrieve(ended: asyncio.Task[None]) -> None:
    """Takes note of what a connection said last, which is of no interest to anyone."""
    if not ended.cancelled():
        ended.exception()
