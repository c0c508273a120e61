"""Whether one tenant's callers, or end users, get what another one's has made: schemathesis asks, over REST.

`python -m tests.cross_tenant SCHEMATHESIS [its arguments]`; scripts/cross-tenant brings the program. It makes things up
from the OpenAPI document as each of the `peers`, and what one of them has made, the others ask for.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from hub.admin.keys import new_key
from hub.domain.principals import Scope
from tests.contract.callers import SECRET, claims, signed
from tests.hub_process import ROOT, running_hub
from tests.servers import MongoServer

PEERS = ("ours", "theirs", "ann")
"""Two tenants' keys with every scope, and an end user of the first."""
CHECKS = "not_a_server_error,ignored_auth,object_level_authorization,use_after_free,ensure_resource_availability"


async def main(program: str, *arguments: str) -> int:
    """The program's exit code: 0 where nobody got what is another's, no credential was ignored and nothing broke."""
    keys = {tenant: new_key(tenant, list(Scope), "test") for tenant in ("ours", "theirs")}
    tokens = {tenant: secret for tenant, (secret, _) in keys.items()} | {"ann": signed(claims("ann", "ours"))}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "keys.json").write_text(json.dumps([json.loads(entry) for _, entry in keys.values()]))
        (folder / "auth.json").write_text(json.dumps({"auth": [_identity(peer, tokens[peer]) for peer in PEERS]}))
        (folder / "schemathesis.toml").write_text(
            f'[auth.wfc]\npath = "{folder / "auth.json"}"\npeers = {json.dumps(list(PEERS))}\n'
        )
        more = {"HUB_AUTH__KEYS_FILE": str(folder / "keys.json"), "HUB_AUTH__TOKEN_SECRET": SECRET}
        async with (
            MongoServer() as mongo,
            running_hub(mongo.url, "cross_tenant", None, roles=("all",), more=more) as hub,
        ):
            # Streams do not end by themselves, and of receipts nobody is the owner.
            process = await asyncio.create_subprocess_exec(
                program, "--config-file", str(folder / "schemathesis.toml"), "run", str(ROOT / "docs/openapi.json"),
                "--url", hub.base_url, "--checks", CHECKS, "--exclude-path-regex", "/stream$|^/receipts/",
                "--phases", "examples,fuzzing,stateful", "--max-examples", "20", *arguments, cwd=folder,
            )  # fmt: skip
            return await process.wait()


def _identity(name: str, token: str) -> dict[str, Any]:
    return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}]}


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
