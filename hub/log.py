"""Structured logs with a correlation id; never an address, a body, a token or a secret in them."""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import stamina.instrumentation
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


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
        structlog.processors.format_exc_info,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer(sort_keys=True)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries speak through the standard logging; theirs is warnings and worse only, in the same shape.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # A broker that goes away is told of in our own words; the driver's traceback says nothing more.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    # Nor does a line for each wait before a next try: whatever is tried again says itself what went wrong.
    stamina.instrumentation.set_on_retry_hooks([])


def _add_correlation_id(_logger: object, _method: str, event: EventDict) -> EventDict:
    identifier = _correlation_id.get()
    if identifier and "correlation_id" not in event:
        event["correlation_id"] = identifier
    return event
