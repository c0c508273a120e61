"""docs/credentials.md as printed: its commands, documents and programs are extracted and run, not copied."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from hub.domain.audit import Action
from hub.domain.principals import Scope
from tests.contract.callers import IdentityProvider
from tests.hub_process import RunningHub, running_hub

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/credentials.md").read_text(encoding="utf-8")
SECRET = "a secret of thirty-two characters"
PRINTED = "127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    """The examples in one language, at least one."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, language
    return found


async def ran(*command: str, env: dict[str, str]) -> str:
    """What a program prints; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(90):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@dataclass(frozen=True)
class Reader:
    """Somebody who types what the page says."""

    hub: RunningHub
    env: dict[str, str]

    async def shell(self, script: str) -> str:
        here = script.replace(PRINTED, f"127.0.0.1:{self.hub.http_port}")
        here = here.replace("python -m hub", f"{sys.executable} -m hub")
        return await ran("/bin/bash", "-euo", "pipefail", "-c", here, env=self.env)

    async def admin(self) -> str:
        (first,) = [block for block in blocks("sh") if "keys new" in block]
        return (await self.shell(f'{first}\necho "$ADMIN"')).strip()

    async def get(self, path: str, token: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=self.hub.base_url, headers=headers) as client:
            return await client.get(f"/api/v1{path}")


@pytest.fixture(scope="module")
async def reader(mongo_url: str, mongo_database: str) -> AsyncIterator[Reader]:
    database = f"{mongo_database}_page"
    store = {"HUB_MONGO__URL": mongo_url, "HUB_MONGO__DATABASE": database}
    more = {"HUB_AUTH__REQUIRED": "true", "HUB_AUTH__TOKEN_SECRET": SECRET}
    async with running_hub(mongo_url, database, None, roles=("all",), more=more) as hub:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        yield Reader(hub, kept | store)


async def test_every_shell_example_works_in_order(reader: Reader) -> None:
    said = await reader.shell("\n".join(blocks("sh")) + '\necho; echo "$KEY_ID"')
    key_id = said.splitlines()[-1]
    assert re.fullmatch("[0-9a-f]{12}", key_id)
    entries = (await reader.get("/audit", await reader.admin())).json()["items"]
    deeds = [entry["action"] for entry in entries if entry["subject"] == key_id]
    assert deeds == ["key.revoked", "key.rotated", "key.created"]


async def test_every_graphql_example_works(reader: Reader) -> None:
    headers = {"Authorization": f"Bearer {await reader.admin()}"}
    async with httpx2.AsyncClient(base_url=reader.hub.base_url, headers=headers) as client:
        for document in blocks("graphql"):
            answer = (await client.post("/graphql", json={"query": document})).json()
            assert "errors" not in answer, (document, answer)


async def test_every_python_example_works(reader: Reader) -> None:
    body = "\n".join(blocks("python")).replace("\n", "\n        ")
    program = f"""
import asyncio
from datetime import timedelta
from hub.client import ClientOptions, HubClient
from hub.rpc.v1 import access_pb2

async def main():
    async with HubClient("{reader.hub.grpc_target}", ClientOptions(key="{await reader.admin()}")) as client:
        {body}
        assert len(page.entries) >= 1 and issued.token and made.secret

asyncio.run(main())
"""
    assert " shop ['notifications:write']" in await ran(sys.executable, "-c", program, env=reader.env)


async def test_a_token_that_a_backend_signs_opens_one_inbox(reader: Reader) -> None:
    (program,) = blocks("python-hs256")
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - the page's own text
    token = names["token_of"]("ada", SECRET)
    assert (await reader.get("/users/ada/inbox", token)).status_code == 200
    assert (await reader.get("/users/bob/inbox", token)).status_code == 404
    assert (await reader.get("/keys", token)).status_code == 403


async def test_a_token_of_an_identity_provider_opens_one_inbox(mongo_url: str, mongo_database: str) -> None:
    (lines,) = blocks("ini")
    settings = dict(line.split("=", 1) for line in lines.splitlines())
    (printed,) = blocks("json")
    head, claims = (json.loads(line) for line in printed.splitlines())
    provider = IdentityProvider()
    async with AsyncExitStack() as stack:
        settings["HUB_AUTH__JWKS_URL"] = await stack.enter_async_context(provider.serving())
        database = f"{mongo_database}_page_jwks"
        hub = await stack.enter_async_context(running_hub(mongo_url, database, None, roles=("all",), more=settings))
        reader, moment = Reader(hub, {}), int(time.time())
        assert claims["exp"] - claims["iat"] == 900
        now = {**claims, "iat": moment, "exp": moment + 900}
        token = jwt.encode(now, provider.private, head["alg"], headers={"kid": provider.jwks["keys"][0]["kid"]})
        assert (await reader.get("/users/ada/inbox", token)).status_code == 200
        assert (await reader.get("/users/bob/inbox", token)).status_code == 404
        other = jwt.encode({**now, "aud": "others"}, provider.private, head["alg"], headers={"kid": "one"})
        assert (await reader.get("/users/ada/inbox", other)).status_code == 401


def test_the_page_names_every_scope_and_every_action() -> None:
    named = set(re.findall(r"`([a-z_:.-]+)`", PAGE))
    assert set(Scope) - named == set()
    assert set(Action) - named == set()
