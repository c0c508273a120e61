"""The search that the leak tests rest on finds what is there: in every spelling, and in a log that tells too much."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.searching import Search, mark

VALUE = "p&ss w/rd+äß=1"
SPELT = [
    VALUE,
    VALUE.replace("p", "P"),
    quote(VALUE, safe=""),
    VALUE.encode().hex(),
    *(
        base64.b64encode(b"x" * before + VALUE.encode() + b"y" * after).decode()
        for before in range(4)
        for after in range(4)
    ),
]


@pytest.mark.parametrize("said", SPELT)
def test_a_mark_is_found_in_every_spelling(said: str):
    search = Search({"password": VALUE, "other": mark()})
    search.look("the log", f"before {said} after")
    assert [found.partition(" ")[0] for found in search.found] == ["password"]
    assert search.looked_at["the log"] > 0


def test_what_is_not_there_is_not_found():
    search = Search({"password": VALUE})
    search.look("the log", base64.b64encode(VALUE[:-6].encode()) + VALUE[:-1].encode())
    assert search.found == []


def test_a_line_that_logs_it_is_found():
    value = mark()
    code = f"from hub import log; log.configure('debug', 'json'); log.get_logger('x').debug('planted', address='a@{value}')"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True
    ).stderr
    assert json.loads(said)["event"] == "planted"
    search = Search({"address": value})
    search.look("standard error", said)
    assert len(search.found) == 1
    search.look("where it may be", said, allowed=["address"])
    assert len(search.found) == 1
