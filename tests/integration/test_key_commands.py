"""`python -m hub keys …` as operators type it: on a store, beside a running hub, and for a keys file."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from hub.__main__ import EXIT_REFUSED, main
from hub.core.credentials import KeyFile
from hub.domain.principals import Scope
from tests.hub_process import HubProcess, RunningHub, free_ports, running_hub
from tests.waiting import until

ROOT = Path(__file__).parents[2]
NOWHERE = "mongodb://127.0.0.1:9/?directConnection=true"


@dataclass(frozen=True)
class Said:
    code: int | None
    out: str
    err: str

    @property
    def secret(self) -> str:
        """What a script would read: the one line there is."""
        (line,) = self.out.splitlines()
        assert self.code == 0, self.err
        assert line not in self.err
        return line


@dataclass(frozen=True)
class Shell:
    """Where an operator types commands."""

    variables: dict[str, str]

    async def keys(self, *arguments: str) -> Said:
        env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")} | self.variables
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub", "keys", *arguments, cwd=ROOT, env=env,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        return Said(process.returncode, out.decode(), err.decode())

    async def listed(self, *arguments: str) -> dict[str, dict[str, object]]:
        """The keys by their ids."""
        said = await self.keys("list", "--json", *arguments)
        assert said.code == 0, said.err
        return {key["id"]: key for key in map(json.loads, said.out.splitlines())}


def id_of(secret: str) -> str:
    return secret.split("_")[2]


async def status(hub: RunningHub, secret: str, path: str = "/api/v1/notifications") -> int:
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx2.AsyncClient(base_url=hub.base_url, headers=headers) as client:
        return (await client.get(path)).status_code


@pytest.fixture(scope="module")
async def locked(mongo_url: str, mongo_database: str) -> AsyncIterator[RunningHub]:
    more = {"HUB_AUTH__REQUIRED": "true"}
    async with running_hub(mongo_url, f"{mongo_database}_cli", None, roles=("all",), more=more) as hub:
        yield hub


@pytest.fixture
def shell(mongo_url: str, mongo_database: str) -> Shell:
    return Shell({"HUB_MONGO__URL": mongo_url, "HUB_MONGO__DATABASE": f"{mongo_database}_cli"})


async def test_a_keys_life_beside_a_running_hub(locked: RunningHub, shell: Shell) -> None:
    made = await shell.keys("new", "--name", "shop", "--scopes", "notifications:read,admin", "--expires", "90d")
    assert id_of(made.secret) in made.err
    assert await status(locked, made.secret) == 200
    assert await status(locked, made.secret, "/api/v1/users/ann/inbox") == 403
    key = (await shell.listed())[id_of(made.secret)]
    assert (key["name"], key["scopes"]) == ("shop", ["admin", "notifications:read"])
    assert (key["created_by"], key["tenant"]) == ("cli", "default")
    left = datetime.fromisoformat(str(key["expires_at"])) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < left <= timedelta(days=90)

    rotated = await shell.keys("rotate", key_id := id_of(made.secret), "--overlap", "0s")
    await until_refused(locked, made.secret)
    assert await status(locked, rotated.secret) == 200

    headers = {"Authorization": f"Bearer {rotated.secret}"}
    async with httpx2.AsyncClient(base_url=locked.base_url, headers=headers) as client:
        entries = (await client.get("/api/v1/audit")).json()["items"]
    deeds = [(entry["action"], entry["actor"]) for entry in entries if entry["subject"] == key_id]
    assert deeds == [("key.rotated", "cli"), ("key.created", "cli")]
    assert all(entry["correlation_id"] for entry in entries)

    revoked = await shell.keys("revoke", id_of(rotated.secret))
    assert (revoked.code, revoked.out) == (0, "")
    await until_refused(locked, rotated.secret)
    assert (await shell.listed())[id_of(rotated.secret)]["revoked_at"] is not None
    log = locked.processes["all"].log_text()
    assert made.secret not in log
    assert rotated.secret not in log


async def until_refused(hub: RunningHub, secret: str) -> None:
    async def refused() -> bool:
        return await status(hub, secret) == 401

    await until(refused, 2)


async def test_the_list_is_for_people_too(shell: Shell) -> None:
    made = await shell.keys("new", "--name", "for people", "--tenant", "acme", "--scopes", "inbox")
    said = await shell.keys("list", "--tenant", "acme")
    head, *rows = said.out.splitlines()
    assert head.split() == [
        "id", "name", "scopes", "environment", "created_at", "expires_at", "revoked_at", "last_used_at"
    ]  # fmt: skip
    (row,) = [row for row in rows if row.startswith(id_of(made.secret))]
    assert row.split()[1:4] == ["for", "people", "inbox"]
    assert made.secret not in said.out
    # Whoever needs none is told so, where the settings at hand say that.
    assert "HUB_AUTH__REQUIRED" in made.err


async def test_a_tenants_keys_are_its_own(shell: Shell) -> None:
    made = await shell.keys("new", "--name", "theirs", "--tenant", "acme")
    assert id_of(made.secret) not in await shell.listed()
    for command in ("rotate", "revoke"):
        said = await shell.keys(command, id_of(made.secret))
        assert (said.code, said.out, said.err) == (EXIT_REFUSED, "", "hub: The key does not exist.\n")
    assert (await shell.listed("--tenant", "acme"))[id_of(made.secret)]["revoked_at"] is None


async def test_an_embedded_store_is_shared_with_the_hub_that_runs_on_it(tmp_path: Path) -> None:
    http, grpc = free_ports(2)
    variables = {"HUB_DATA_DIR": str(tmp_path / "data")}
    shell = Shell(variables)
    nothing = await shell.keys("list")
    assert (nothing.code, nothing.out) == (EXIT_REFUSED, "")
    assert (
        nothing.err
        == f"hub: there is no store in {tmp_path}/data: set HUB_DATA_DIR or HUB_MONGO__URL as the hub has it\n"
    )
    assert not (tmp_path / "data").exists()
    # The first key may be made before the hub has ever run.
    before = (await shell.keys("new", "--name", "before")).secret
    ports = {"HUB_HTTP__PORT": str(http), "HUB_GRPC__PORT": str(grpc)}
    process = HubProcess("all", {**variables, **ports, "HUB_AUTH__REQUIRED": "true", "HUB_LOG__FORMAT": "json"})
    try:
        await process.start()
        hub = RunningHub(http, grpc)
        while_running = (await shell.keys("new", "--name", "meanwhile")).secret
        assert [await status(hub, secret) for secret in (before, while_running)] == [200, 200]
        assert {key["name"] for key in (await shell.listed()).values()} == {"before", "meanwhile"}
        assert await process.stop() == 0
    finally:
        process.close()


def test_an_entry_of_a_keys_file_needs_no_store(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HUB_MONGO__URL", NOWHERE)
    assert main(["keys", "new", "--file", "--tenant", "acme", "--scopes", "inbox", "--expires", "1d"]) == 0
    said = capsys.readouterr().out.splitlines()
    key, entry = said[1], said[-1]
    file = tmp_path / "keys.json"
    file.write_text(f"[{entry}]")
    principal = KeyFile.read(file).find(key)
    assert principal is not None
    assert (principal.tenant, principal.scopes, principal.credential) == ("acme", frozenset({Scope.INBOX}), id_of(key))
    assert principal.expires_at is not None
    assert timedelta(hours=23) < principal.expires_at - datetime.now(UTC) <= timedelta(days=1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["new"], "--name: must be 1 to 128 characters long"),
        (["new", "--name", "a\u202eb"], "--name: must not contain characters that are invisible or change the"),
        (
            ["new", "--name", "n", "--scopes", "inbox,everything"],
            "--scopes: must be one or more of notifications:write,",
        ),
        (["new", "--name", "n", "--environment", "Live"], "--environment: must be 1 to 16 of a-z and 0-9"),
        (
            ["new", "--name", "n", "--expires", "90"],
            "--expires: must be a span such as 90d, 12h, 30m or 45s, or an RFC",
        ),
        (["new", "--name", "n", "--expires", "2020-01-31T08:00:00Z"], "--expires: must lie in the future"),
        (["new", "--name", "n", "--expires", "9000d"], "--expires: must lie within ten years"),
        (["new", "--name", "n", "--tenant", "a/b"], "--tenant: must be a text without '/' and NUL"),
        (["new", "--file", "--environment", "a_b"], "--environment: must be 1 to 16 of a-z and 0-9"),
        (["rotate", "0123456789ab", "--overlap", "1"], "--overlap: must be a span such as 1d, 12h, 30m or 45s"),
        (["rotate", "0123456789ab", "--overlap", "31d"], "--overlap: must be 0 to 2,592,000"),
    ],
)
def test_a_wrong_argument_is_named_before_the_store_is_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.setenv("HUB_MONGO__URL", NOWHERE)
    assert main(["keys", *arguments]) == EXIT_REFUSED
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"hub: {sentence}")
    assert said.err.count("\n") == 1


def test_a_store_that_is_away_is_said_in_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_MONGO__URL", f"{NOWHERE}&serverSelectionTimeoutMS=300")
    assert main(["keys", "list"]) == EXIT_REFUSED
    assert capsys.readouterr().err.splitlines()[-1] == "hub: HUB_MONGO__URL: the store can't be reached"
