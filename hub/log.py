"""Structured logs with a correlation id; never an address, a body, a token or a secret in them."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import secrets
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from types import TracebackType
from typing import Any, TextIO, cast

import stamina.instrumentation
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_WORDS = re.compile(r"[A-Za-z ,']+", re.ASCII)
_TOLD = ("errno", "code", "reason")
"""What an exception may tell beside its name: numbers, and words of a list."""
_EARLIER = "\nThat led to:\n\n"
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


class _StandardError(io.TextIOBase):
    """Standard error as it is when something is written: loggers outlast what it was when they were made."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


# All that a logger asks of a text stream.
_STDERR = cast("TextIO", _StandardError())


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger named after its module."""
    logger: FilteringBoundLogger = structlog.get_logger(logger_name=name)
    return logger


def correlation_id() -> str:
    """The id of the request this code runs for; empty outside of any."""
    return _correlation_id.get()


@contextmanager
def correlated(given: str | None) -> Iterator[str]:
    """Runs a request under the caller's correlation id if it is a fit one, under a new one otherwise."""
    identifier = given if given and _CORRELATION_ID.fullmatch(given) else secrets.token_hex(8)
    token = _correlation_id.set(identifier)
    try:
        yield identifier
    finally:
        _correlation_id.reset(token)


def configure(level: str, form: str) -> None:
    """Sets up logging of the whole process, once, to standard error; `form` is `auto`, `json` or `console`."""
    readable = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        _add_correlation_id,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_rendered),
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer(sort_keys=True)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(_STDERR),
        cache_logger_on_first_use=True,
    )
    # Libraries speak through the standard logging; theirs is warnings and worse only, in the same shape.
    handler = logging.StreamHandler(_STDERR)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # What nobody catches is told by the interpreter, with the text of the exception.
    sys.excepthook = _tell_crash
    # A broker that goes away is told of in our own words; the driver's traceback says nothing more.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    # Nor does a line for each wait before a next try: whatever is tried again says itself what went wrong.
    stamina.instrumentation.set_on_retry_hooks([])


def named(error: BaseException) -> str:
    """An exception by its name and its numbers, never by its text: that quotes addresses, contents and passwords."""
    told = [f"{name}={value}" for name in _TOLD if isinstance(value := getattr(error, name, None), int | Enum)]
    return " ".join([f"{type(error).__module__}.{type(error).__qualname__}", *told])


def tell_of_task(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """A loop's exception handler: asyncio's own shows the arguments of callbacks and the text of exceptions."""
    del loop
    words = _WORDS.match(str(context["message"]))
    get_logger(__name__).error("task_failed", what=words[0] if words else "", exc_info=context.get("exception"))


def trace(error: BaseException) -> str:
    """A traceback as the interpreter prints it, the exceptions in it `named` only."""
    return "".join(_lines(error, set())).rstrip("\n")


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None and id(earlier) not in seen:
        yield from _lines(earlier, seen)
        yield _EARLIER
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(error.__traceback__)
    yield f"{named(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for number, part in enumerate(error.exceptions, 1):
            yield f"\nPart {number} of {len(error.exceptions)}:\n"
            yield from _lines(part, seen)


def _rendered(exc_info: _ExcInfo) -> str:
    return trace(exc_info[1])


def _tell_crash(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        sys.__excepthook__(kind, error, where)
    else:
        sys.stderr.write(f"{trace(error)}\n")


def _add_correlation_id(_logger: object, _method: str, event: EventDict) -> EventDict:
    identifier = _correlation_id.get()
    if identifier and "correlation_id" not in event:
        event["correlation_id"] = identifier
    return event
