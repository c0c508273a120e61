"""What goes to the log of an exception, and what does not."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from pymongo.errors import OperationFailure

from hub import log
from hub.domain.errors import HubError, Reason

SECRET = "s3cret-of-the-text"


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """All that was logged since."""
    parts: list[str] = []

    def text() -> str:
        parts.append(capsys.readouterr().err)
        return "".join(parts)

    before = logging.getLogger().handlers[:], logging.getLogger().level, sys.excepthook
    log.configure("debug", "json")
    yield text
    structlog.reset_defaults()
    logging.getLogger().handlers[:], logging.getLogger().level, sys.excepthook = before


def broken() -> None:
    try:
        int(SECRET)
    except ValueError as error:
        raise KeyError(SECRET) from error


def test_an_exception_is_logged_by_its_way_and_not_by_its_text(said):
    try:
        broken()
    except KeyError:
        log.get_logger("x").exception("went_wrong")
    entry = json.loads(said())
    assert SECRET not in said()
    assert "int(SECRET)" in entry["exception"]
    assert "builtins.ValueError\n\nThat led to:\n\nTraceback" in entry["exception"]
    assert entry["exception"].endswith("builtins.KeyError")


def test_so_is_one_that_a_library_logs(said):
    try:
        broken()
    except KeyError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    entry = json.loads(said())
    assert SECRET not in said()
    assert (entry["event"], entry["exception"][-17:]) == ("Exception in ASGI application", "builtins.KeyError")


def test_every_part_of_a_group_is_named(said):
    try:
        break_in_parts()
    except ExceptionGroup:
        log.get_logger("x").exception("went_wrong")
    assert SECRET not in said()
    shown = json.loads(said())["exception"]
    assert "Part 1 of 2:\nbuiltins.ValueError" in shown
    assert "Part 1 of 1:\nbuiltins.PermissionError errno=13" in shown


def break_in_parts() -> None:
    raise ExceptionGroup(SECRET, [ValueError(SECRET), ExceptionGroup("", [OSError(13, SECRET)])])


def test_a_circle_of_causes_ends():
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    assert log.trace(one) == "builtins.KeyError\n\nThat led to:\n\nbuiltins.ValueError"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError(SECRET), "builtins.ValueError"),
        (ConnectionRefusedError(111, SECRET), "builtins.ConnectionRefusedError errno=111"),
        (OperationFailure(SECRET, 11000), "pymongo.errors.OperationFailure code=11000"),
        (HubError(Reason.NOT_FOUND, SECRET), "hub.domain.errors.HubError code=NOT_FOUND reason=NOT_FOUND"),
        (UnicodeEncodeError("ascii", SECRET, 0, 1, SECRET), "builtins.UnicodeEncodeError"),
    ],
)
def test_an_exception_tells_its_name_and_numbers(error, name):
    assert log.named(error) == name


async def test_what_breaks_in_a_task_that_nobody_waits_for_is_told_without_its_text(said):
    loop = asyncio.get_running_loop()

    def callback(text: str) -> None:
        raise ValueError(text)

    before = loop.get_exception_handler()
    loop.set_exception_handler(log.tell_of_task)
    try:
        loop.call_soon(callback, SECRET)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(before)
    entry = json.loads(said())
    assert SECRET not in said()
    assert entry["event"] == "task_failed"
    assert entry["what"].startswith("Exception in callback ")
    assert entry["exception"].endswith("builtins.ValueError")


def test_a_crash_tells_no_text_either():
    code = f"from hub import log; log.configure('info', 'json'); int('{SECRET}')".replace("s3cret", "s3' 'cret")
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
    )
    assert ended.returncode == 1
    assert SECRET not in ended.stderr
    assert ended.stderr.endswith("builtins.ValueError\n")


def test_a_logger_outlasts_the_stream_that_it_wrote_to_first(monkeypatch, said):
    logger = log.get_logger("x")
    first, later = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    logger.info("first")
    assert "first" in first.getvalue()
    first.close()
    monkeypatch.setattr(sys, "stderr", later)
    logger.info("second")
    logging.getLogger("library").warning("third")
    assert ("second" in later.getvalue(), "third" in later.getvalue()) == (True, True)
