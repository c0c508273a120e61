"""`python -m hub keys …`: its arguments, and what it prints. Secrets go to standard output alone, words to standard error."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta

import uvloop

from hub import log
from hub.admin.keys import new_key, opened_keys, operator
from hub.domain.errors import HubError, Reason
from hub.domain.keys import DEFAULT_ENVIRONMENT, ApiKey, IssuedKey, NewKey, checked_key, checked_overlap, checked_scopes
from hub.domain.principals import Scope, is_tenant
from hub.domain.times import format_time, now, parse_time
from hub.settings import Settings

LoadSettings = Callable[[], Settings]
_SPAN = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_OPTIONS = {
    "name": "--name",
    "scopes": "--scopes",
    "environment": "--environment",
    "expires_at": "--expires",
    "overlap_seconds": "--overlap",
}
_COLUMNS = ("id", "name", "scopes", "environment", "created_at", "expires_at", "revoked_at", "last_used_at")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], load_settings: LoadSettings) -> None:
    """Adds `keys` and what is beneath it."""
    keys = commands.add_parser("keys", help="make, list, rotate and revoke keys of callers")
    under = keys.add_subparsers(required=True, metavar="COMMAND")
    new = under.add_parser("new", help="make a key in the store; it is printed this once")
    new.add_argument("--name", help="what it is for (needed but with --file)")
    new.add_argument("--scopes", default=",".join(Scope), help="what it may do, joined by commas (default: everything)")
    new.add_argument("--expires", metavar="WHEN", help="when it ends by itself: in 90d, 12h, …, or at an RFC 3339 time")
    new.add_argument("--environment", default=DEFAULT_ENVIRONMENT, help="a word in the key that tells where it belongs")
    new.add_argument(
        "--file", action="store_true", help="print an entry for HUB_AUTH__KEYS_FILE; the store is not asked"
    )
    listed = under.add_parser("list", help="show a tenant's keys")
    listed.add_argument("--json", action="store_true", help="a line of JSON for each")
    rotate = under.add_parser("rotate", help="make a key like another one, which then ends")
    rotate.add_argument("key_id", metavar="KEY_ID")
    rotate.add_argument("--overlap", metavar="SPAN", help="how long the old one goes on: 0s to 30d (default: 1d)")
    revoke = under.add_parser("revoke", help="end a key")
    revoke.add_argument("key_id", metavar="KEY_ID")
    for command, run in ((new, _new), (listed, _list), (rotate, _rotate), (revoke, _revoke)):
        command.add_argument("--tenant", default="default", help="whose it is (default: default)")
        command.set_defaults(command=_bound(run, load_settings))


Run = Callable[[argparse.Namespace, LoadSettings], None]


def _bound(run: Run, load_settings: LoadSettings) -> Callable[[argparse.Namespace], int]:
    def command(options: argparse.Namespace) -> int:
        if not is_tenant(options.tenant):
            msg = "--tenant: must be a text without '/' and NUL"
            raise ValueError(msg)
        with _in_options_words():
            run(options, load_settings)
        return 0

    return command


@contextmanager
def _in_options_words() -> Iterator[None]:
    """Refusals of the core, with the options' names for its fields."""
    try:
        yield
    except HubError as error:
        if error.reason is Reason.STORE_UNREACHABLE:
            raise
        wrong = [f"{_OPTIONS.get(v.field, v.field)}: {v.message}" for v in error.violations]
        raise ValueError("; ".join(wrong) or error.message) from None


def _new(options: argparse.Namespace, load_settings: LoadSettings) -> None:
    scopes = checked_scopes(options.scopes.split(","))
    expires_at = None if options.expires is None else _moment("--expires", options.expires)
    # An entry of the file has no name: it stands where whoever wrote it can say more.
    name = options.name or ("unnamed" if options.file else "")
    command = checked_key(NewKey(name, scopes, expires_at, options.environment), now())
    if options.file:
        key, entry = new_key(options.tenant, sorted(scopes), options.environment, expires_at)
        sys.stdout.write(f"The key, shown this once:\n{key}\n\nIts entry for the list in the keys file:\n{entry}\n")
        return
    settings = _settings(load_settings)

    async def make() -> IssuedKey:
        async with opened_keys(settings, makes_store=True) as keys:
            return await keys.create(operator(options.tenant), command)

    _tell(uvloop.run(make()), settings)


def _list(options: argparse.Namespace, load_settings: LoadSettings) -> None:
    settings = _settings(load_settings)

    async def find() -> list[ApiKey]:
        async with opened_keys(settings) as keys:
            return await keys.list(operator(options.tenant))

    found = [_shown(key) for key in uvloop.run(find())]
    if options.json:
        sys.stdout.writelines(json.dumps(key) + "\n" for key in found)
        return
    rows = [_COLUMNS, *(tuple(_cell(key[name]) for name in _COLUMNS) for key in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _rotate(options: argparse.Namespace, load_settings: LoadSettings) -> None:
    overlap = checked_overlap(None if options.overlap is None else _span("--overlap", options.overlap))
    settings = _settings(load_settings)

    async def make() -> IssuedKey:
        async with opened_keys(settings) as keys:
            return await keys.rotate(operator(options.tenant), options.key_id, overlap)

    _tell(uvloop.run(make()), settings)


def _revoke(options: argparse.Namespace, load_settings: LoadSettings) -> None:
    settings = _settings(load_settings)

    async def end() -> ApiKey:
        async with opened_keys(settings) as keys:
            return await keys.revoke(operator(options.tenant), options.key_id)

    key = uvloop.run(end())
    sys.stderr.write(f"The key {key.id} ({key.name}) is revoked: within two seconds no process lets it in.\n")


def _settings(load_settings: LoadSettings) -> Settings:
    settings = load_settings()
    log.configure("error", settings.log.format)
    return settings


def _tell(issued: IssuedKey, settings: Settings) -> None:
    key = issued.key
    sys.stderr.write(f"The key {key.id} ({key.name}) of the tenant {key.tenant}, shown this once:\n")
    sys.stderr.flush()
    sys.stdout.write(issued.secret + "\n")
    sys.stdout.flush()
    if not settings.auth.demanded:
        sys.stderr.write("Callers need none as yet: set HUB_AUTH__REQUIRED=true where the hub runs.\n")


def _shown(key: ApiKey) -> dict[str, object]:
    times = {name: format_time(value) for name, value in asdict(key).items() if isinstance(value, datetime)}
    return asdict(key) | times | {"scopes": sorted(key.scopes)}


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return "-" if value is None else str(value)


def _moment(option: str, text: str) -> datetime:
    if _SPAN.fullmatch(text):
        return now() + _span(option, text)
    try:
        return parse_time(text)
    except ValueError:
        msg = f"{option}: must be a span such as 90d, 12h, 30m or 45s, or an RFC 3339 time with an offset"
        raise ValueError(msg) from None


def _span(option: str, text: str) -> timedelta:
    found = _SPAN.fullmatch(text)
    if found is None:
        msg = f"{option}: must be a span such as 1d, 12h, 30m or 45s"
        raise ValueError(msg)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
