"""The README's first minute, typed exactly as printed: its commands are extracted and run, not copied."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.waiting import until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BASE = "http://127.0.0.1:8000"


def section(title: str) -> str:
    """The text under a heading, up to the next one of the same level or above."""
    level = len(title.split(" ", maxsplit=1)[0])
    _, found, rest = README.partition(f"\n{title}\n")
    assert found, f"the README has no {title}"
    return re.split(rf"\n#{{1,{level}}} ", rest)[0]


def commands(text: str) -> list[str]:
    """The shell commands of a text, block by block."""
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def clean_environment(data_dir: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return kept | {"HUB_DATA_DIR": str(data_dir)}


async def shell(command: str, env: dict[str, str]) -> str:
    """What a command prints; it must succeed."""
    process = await asyncio.create_subprocess_shell(
        command, cwd=ROOT, env=env, executable="/bin/bash", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return clean_environment(tmp_path_factory.mktemp("readme") / "data")


@pytest.fixture(scope="module")
async def printed(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The hub as the first command starts it (on its usual ports, which must be free), and what it printed."""
    start = commands(section("## Sixty seconds"))[0]
    assert start == "scripts/run\n"
    output = tmp_path_factory.mktemp("output") / "out.txt"
    with output.open("w") as file:
        process = await asyncio.create_subprocess_shell(
            f"exec {start}", cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            await until(lambda: "Ctrl-C stops it." in output.read_text() or process.returncode is not None, 60)
            assert process.returncode is None, output.read_text()
            yield output.read_text()
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGINT)
            async with asyncio.timeout(30):
                code = await process.wait()
    assert code == 0, output.read_text()


async def test_the_example_is_sent_within_a_second(printed: str, env: dict[str, str]) -> None:
    _, create, look = commands(section("## Sixty seconds"))[:3]
    created = json.loads(await shell(create, env))
    assert created["status"] == "pending"

    async def sent() -> bool:
        items = json.loads(await shell(look, env))["items"]
        return [(item["id"], item["status"]) for item in items] == [(created["id"], "sent")]

    await until(sent, 3)
    async with httpx2.AsyncClient(base_url=BASE) as client:
        outbox = (await client.get("/dev/outbox")).text
    assert "Welcome to our platform" in outbox


async def test_the_command_that_the_hub_prints_works_as_printed(printed: str, env: dict[str, str]) -> None:
    command = re.search(r"^ *(curl -X POST .*)$", printed, re.MULTILINE)
    assert command is not None
    assert json.loads(await shell(command.group(1), env))["title"] == "Welcome!"


async def test_the_same_over_graphql_and_grpc_shows_on_the_live_stream(printed: str, env: dict[str, str]) -> None:
    create, query, live = commands(section("### The same over GraphQL"))
    (over_grpc,) = commands(section("### The same over gRPC"))
    stream = await asyncio.create_subprocess_shell(
        f"exec {live}", cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert stream.stdout is not None
    try:
        async with asyncio.timeout(20):
            await stream.stdout.readuntil(b"HEARTBEAT")
            created = json.loads(await shell(create, env))["data"]["createNotification"]["notification"]
            await stream.stdout.readuntil(b'"title":"Hello"')
            notification_id = (await shell(over_grpc, env)).strip()
            await stream.stdout.readuntil(b'"title":"Hello"')
    finally:
        stream.kill()
        await stream.wait()

    async def both_there() -> bool:
        inbox = json.loads(await shell(query, env))["data"]["user"]["inbox"]["edges"]
        return {created["id"], notification_id} <= {edge["node"]["id"] for edge in inbox}

    await until(both_there, 5)


async def test_check_config_masks_secrets_and_names_what_is_wrong(env: dict[str, str]) -> None:
    (check,) = [command for command in commands(section("## Configuration")) if "check-config" in command]
    shown = await shell(
        check, env | {"HUB_MONGO__URL": "mongodb://u:topsecret@db/?replicaSet=rs", "HUB_DEV__CAPTURE": "true"}
    )
    assert "HUB_MONGO__URL=**********" in shown
    assert "topsecret" not in shown
    process = await asyncio.create_subprocess_shell(
        check, cwd=ROOT, env=env | {"HUB_HTTP__PORT": "x"}, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    _, err = await process.communicate()
    assert (process.returncode, b"HUB_HTTP__PORT" in err) == (2, True)


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+?)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The examples of docs/operations.md in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", OPERATIONS, re.MULTILINE | re.DOTALL)


async def test_every_shell_example_of_the_operations_works_in_order(printed: str, env: dict[str, str]) -> None:
    assert printed
    script = "set -eo pipefail\n" + "\n".join(commands(OPERATIONS))
    said = await shell(script, env)
    assert '"status":"cancelled"' in said
    assert '"kind":"heartbeat"' in said


async def test_every_graphql_example_of_the_operations_works(printed: str) -> None:
    assert printed
    async with httpx2.AsyncClient(base_url=BASE) as client:
        command = {"user_id": "grace", "title": "For the examples", "message": "m", "type": "in_app"}
        created = (await client.post("/api/v1/notifications", json=command)).json()["id"]

        async def delivered() -> bool:
            found = (await client.get(f"/api/v1/notifications/{created}")).json()
            return bool(found["status"] == "delivered")

        await until(delivered)
        for document in blocks("graphql"):
            body = {"query": document} | ({"variables": {"id": created}} if "$id" in document else {})
            answer = (await client.post("/graphql", json=body)).json()
            assert "errors" not in answer, (document, answer)


async def test_every_python_example_of_the_operations_works(printed: str) -> None:
    assert printed
    (setup,) = blocks("python-setup")
    body = "\n".join(blocks("python")).replace("\n", "\n        ")
    program = (
        f"{setup}\nimport asyncio\n\nasync def main():\n    async with client:\n        {body}\n\nasyncio.run(main())\n"
    )
    # The client wants the loop it is used in: made where the examples run.
    program = program.replace("client = HubClient", "make = lambda: HubClient").replace(
        "async with client:", "async with make() as client:"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
