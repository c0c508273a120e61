"""`python -m hub …`: run it, check its configuration, export its contracts."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import uvloop
from pydantic import BaseModel, SecretStr, ValidationError

from hub import log
from hub.admin import key_commands
from hub.admin.doctor import Options, examine
from hub.admin.migrate import migrate
from hub.admin.report import Report
from hub.broker.connection import check_url as check_amqp_url
from hub.channels.registry import build_channels, describe
from hub.dev.capture import Capture
from hub.domain.errors import HubError, Reason
from hub.processes import Ports, StartError, run
from hub.settings import Role, Settings, env_name, own_address, secrets_dir
from hub.store.client import check_url as check_mongo_url
from hub.store.embedded import EmbeddedMongodError
from hub.store.examination.opening import ExaminationError
from hub.transports.graphql.app import check_documents
from hub.transports.graphql.export import sdl
from hub.transports.graphql.trusted import manifest_of
from hub.transports.rest.export import openapi_json

EXIT_FINDINGS = 1
"""The doctor found something that is still wrong."""
EXIT_REFUSED = 2
"""The configuration is wrong, or what the hub needs can't be had."""

_BANNER = """
The notification hub is ready.

  REST       http://{host}:{http}/api/v1        description: http://{host}:{http}/openapi.json
  GraphQL    http://{host}:{http}/graphql
  gRPC       {host}:{grpc}
  Inbox      http://{host}:{http}/inbox            a bell for your pages, live, and a form to send to it
{outbox}
Send something:

  curl -X POST http://{host}:{http}/api/v1/notifications{key} -H 'Content-Type: application/json' -d '{example}'

Ctrl-C stops it.
"""
_OUTBOX = "  Outbox     http://{host}:{http}/dev/outbox       everything that was sent ends up there\n"
_EXAMPLE = (
    '{"user_id": "user123", "title": "Welcome!", "message": "Welcome to our platform", "type": "email",'
    ' "metadata": {"priority": "high", "category": "welcome"}}'
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except (StartError, EmbeddedMongodError, ConfigError, ValueError) as error:
        sys.stderr.write(f"hub: {error}\n")
        return EXIT_REFUSED
    except HubError as error:
        # Whoever supervises the process tries again: there is nothing to be served without it.
        if error.reason is not Reason.STORE_UNREACHABLE:
            raise
        sys.stderr.write("hub: HUB_MONGO__URL: the store can't be reached\n")
        return EXIT_REFUSED
    except ExceptionGroup as group:
        # What refuses in the middle of a start comes wrapped by the task groups around it.
        refusals, rest = group.split(StartError)
        if refusals is None or rest is not None:
            raise
        sys.stderr.write(f"hub: {_innermost(refusals)}\n")
        return EXIT_REFUSED


def _innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


class ConfigError(Exception):
    """A wrong setting; the text names it and says what is wrong, never its value if that may be secret."""


def load_settings(overrides: dict[str, object] | None = None) -> Settings:
    """Settings from the environment, checked as a whole. Raises ConfigError."""
    try:
        settings = Settings(**(overrides or {}))  # type: ignore[arg-type]  # validated by the model itself
    except ValidationError as error:
        raise ConfigError("; ".join(_sentence(dict(problem)) for problem in error.errors())) from None
    except OSError as error:
        msg = f"HUB_SECRETS_DIR: can't read {error.filename} ({error.strerror})"
        raise ConfigError(msg) from None
    _check_strangers()
    _check_url("HUB_MONGO__URL", settings.mongo.url, check_mongo_url)
    _check_url("HUB_AMQP__URL", settings.amqp.url, check_amqp_url)
    try:
        build_channels(_effective_channels(settings), settings.pipeline.longest_retry_delay)
        check_documents(settings)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return settings


def _check_url(name: str, url: SecretStr | None, check: Callable[[str], None]) -> None:
    try:
        if url is not None:
            check(url.get_secret_value())
    except ValueError as error:
        msg = f"{name} {error}"
        raise ConfigError(msg) from None


def _effective_channels(settings: Settings) -> dict[str, dict[str, object]]:
    """The channels' settings as they will be; where the sinks listen is known only once they do."""
    unknown = 1
    return Capture(unknown, unknown, unknown).redirect(settings.channels) if settings.captures else settings.channels


def _check_strangers() -> None:
    """A misspelt variable or secret stops the start too: pydantic-settings passes over what it does not know."""
    known = set(Settings.model_fields)
    folder = secrets_dir()
    secrets = [path.name for path in folder.iterdir()] if folder else []
    for name in sorted([*os.environ, *secrets]):
        if name.startswith("HUB_") and not name.startswith("HUB_TEST_"):
            first = name.removeprefix("HUB_").lower().split("__")[0]
            if first not in known:
                msg = f"{name} is not a setting"
                raise ConfigError(msg)


def _sentence(problem: dict[str, object]) -> str:
    location = problem["loc"]
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"{env_name(location)}: {text}" if isinstance(location, tuple) and location else text


def _run(options: argparse.Namespace) -> int:
    settings = load_settings({} if options.role is None else {"role": options.role})
    if options.demo:
        settings = settings.model_copy(update={"dev": settings.dev.model_copy(update={"demo": True})})
    log.configure(settings.log.level, settings.log.format)

    def on_ready(ports: Ports) -> None:
        if settings.role is not Role.ALL:
            return
        outbox = _OUTBOX.format(host=own_address(settings.http.host), http=ports.http) if settings.captures else ""
        names = {"host": own_address(settings.http.host), "http": ports.http, "grpc": ports.grpc}
        key = "" if not settings.auth.demanded else " -H 'Authorization: Bearer <key>'"
        sys.stdout.write(_BANNER.format(**names, outbox=outbox, example=_EXAMPLE, key=key))
        sys.stdout.flush()

    uvloop.run(run(settings, on_ready))
    return 0


def _check_config(_options: argparse.Namespace) -> int:
    settings = load_settings()
    lines = [f"{env_name(path)}={value}" for path, value in _flat(settings, ()) if path[0] != "channels"]
    for channel, fields in describe(_effective_channels(settings)).items():
        lines += [f"{env_name(('channels', channel, name))}={value}" for name, value in fields.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _flat(model: BaseModel, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    """Every setting with its place, secrets masked."""
    found: list[tuple[tuple[str, ...], str]] = []
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            found += _flat(value, (*path, name))
        else:
            found.append(
                ((*path, name), "" if value is None else "**********" if isinstance(value, SecretStr) else str(value))
            )
    return found


def _migrate(_options: argparse.Namespace) -> int:
    settings = load_settings()
    log.configure(settings.log.level, settings.log.format)

    async def show() -> None:
        async for line in migrate(settings):
            sys.stdout.write(line + "\n")

    uvloop.run(show())
    return 0


def _doctor(options: argparse.Namespace) -> int:
    settings = load_settings()
    log.configure("error", settings.log.format)
    report = Report(options.examples, options.repair)
    refusal = None
    try:
        uvloop.run(examine(settings, Options(options.repair, options.examples), report, sys.stderr))
    except ExaminationError as error:
        refusal = str(error)
    except KeyboardInterrupt:
        refusal = "interrupted"
    if report.scanned:
        # Also where it came to no end: what was repaired is told.
        sys.stdout.write((report.to_json() if options.json else "\n".join(report.lines())) + "\n")
    if refusal is not None:
        sys.stderr.write(f"hub: {refusal}\n")
        return EXIT_REFUSED
    return EXIT_FINDINGS if report.unsettled else 0


def _export_schema(options: argparse.Namespace) -> int:
    sys.stdout.write(sdl() if options.contract == "graphql" else openapi_json())
    return 0


def _manifest(options: argparse.Namespace) -> int:
    try:
        texts = [file.read_text(encoding="utf-8") for file in options.files]
    except (OSError, UnicodeDecodeError) as error:
        msg = f"a document can't be read: {error}"
        raise ConfigError(msg) from None
    sys.stdout.write(manifest_of(texts))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hub", description="The notification hub.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run_command = commands.add_parser("run", help="run the hub, or one role of it, until stopped")
    run_command.add_argument("--role", choices=list(Role), help="what this process does (HUB_ROLE; default: all)")
    run_command.add_argument("--demo", action="store_true", help="send a few notifications a second for show")
    run_command.set_defaults(command=_run)
    check = commands.add_parser("check-config", help="print the settings in force, secrets masked")
    check.set_defaults(command=_check_config)
    upgrade = commands.add_parser("migrate", help="build the indexes this version needs; never drops one")
    upgrade.set_defaults(command=_migrate)
    doctor = commands.add_parser("doctor", help="examine the store, explain what is wrong, repair it on request")
    doctor.add_argument("--repair", action="store_true", help="repair what is safe to repair (default: change nothing)")
    doctor.add_argument("--json", action="store_true", help="report for machines")
    doctor.add_argument(
        "--examples", type=int, default=5, choices=range(101), metavar="N", help="ids to show of each kind (default: 5)"
    )
    doctor.set_defaults(command=_doctor)
    key_commands.add_to(commands, load_settings)
    export = commands.add_parser("export-schema", help="print a contract: the GraphQL SDL or the OpenAPI document")
    export.add_argument("contract", choices=["graphql", "openapi"])
    export.set_defaults(command=_export_schema)
    documents = commands.add_parser("manifest", help="print a manifest of documents for HUB_GRAPHQL__TRUSTED_DOCUMENTS")
    documents.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a GraphQL document, as clients send it")
    documents.set_defaults(command=_manifest)
    return parser


if __name__ == "__main__":
    sys.exit(main())
