"""A hub that can't start says why in a sentence, whatever was under way already."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REASON = {"HTTP": " (Address already in use); is another hub running?", "GRPC": "; is another hub running?"}


async def run_with(data_dir: Path, **variables: str) -> tuple[int | None, str]:
    """The exit code of `python -m hub run`, and what it said on standard error beside its log."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    env |= {"HUB_DATA_DIR": str(data_dir), "HUB_HTTP__PORT": "0", "HUB_GRPC__PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", "run", cwd=ROOT, env=env | variables, stderr=asyncio.subprocess.PIPE
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            _, said = await process.communicate()
    finally:
        # One that did start after all must not outlive the test.
        if process.returncode is None:
            process.kill()
    lines = [line for line in said.decode().splitlines() if not line.startswith("{")]
    return process.returncode, "\n".join(lines)


@pytest.mark.parametrize("part", ["HTTP", "GRPC"])
async def test_a_port_that_is_taken(tmp_path, part):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = await run_with(tmp_path, **{f"HUB_{part}__PORT": str(port)})
    assert code == 2
    # The gRPC library says something of its own before.
    assert said.splitlines()[-1] == f"hub: HUB_{part}__PORT: can't listen on 127.0.0.1:{port}{REASON[part]}"
    assert "Traceback" not in said


async def test_a_liveness_file_that_cant_be_written(tmp_path):
    code, said = await run_with(tmp_path, HUB_LIVENESS_FILE=str(tmp_path / "nowhere" / "alive"))
    assert code == 2
    assert said == f"hub: HUB_LIVENESS_FILE: can't write {tmp_path}/nowhere/alive (No such file or directory)"


async def test_trusted_documents_that_cant_be_run(tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text('{"abc": "{ nope }"}')
    code, said = await run_with(tmp_path, HUB_GRAPHQL__TRUSTED_DOCUMENTS=str(manifest))
    assert code == 2
    fault = "the document abc can't be run: Cannot query field 'nope' on type 'Query'."
    assert said.splitlines()[0].startswith(f"hub: HUB_GRAPHQL__TRUSTED_DOCUMENTS: {fault}")
    assert "Traceback" not in said


async def test_a_store_that_is_away(tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"mongodb://127.0.0.1:{nobody.getsockname()[1]}/?directConnection=true"
        code, said = await run_with(tmp_path, HUB_MONGO__URL=url, HUB_MONGO__TIMEOUT="1", HUB_DEV__CAPTURE="true")
    assert code == 2
    assert said == "hub: HUB_MONGO__URL: the store can't be reached"


async def test_a_store_that_does_not_know_its_user(tmp_path, mongo_url):
    url = mongo_url.replace("mongodb://", "mongodb://nobody:s3cret@")
    code, said = await run_with(tmp_path, HUB_MONGO__URL=url, HUB_DEV__CAPTURE="true")
    assert code == 2
    assert said == "hub: HUB_MONGO__URL: the store does not let its user in (code 18)"
