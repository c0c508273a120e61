"""`docs/access.md` as the table has it: `python -m tests.contract.access_document` writes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hub.core.access import CLAIMS, Rule
from hub.domain.status import Status
from tests.contract import places
from tests.contract.test_surface import openapi

FILE = Path(__file__).parents[2] / "docs/access.md"

HEAD = """\
# Who may do what

One table decides, whatever the protocol: [`hub/core/access.py`](../hub/core/access.py). This page is written from it
(`.venv/bin/python -m tests.contract.access_document`), and `tests/contract/test_access_matrix.py` asks every operation with
every kind of credential in every protocol and compares the answer with it.

- **A key** needs the scope of the operation. Without it: PERMISSION_DENIED (403), naming the scope. `admin` makes keys, and so can
  give its tenant any scope; it also sees what the process measures of itself, which names no tenant.
- **An end user's token** opens one inbox: what the table says for *end users*, of the user in the token and of nobody else. A
  notification exists for them while their inbox shows it. Anything else is PERMISSION_DENIED; whatever is somebody else's is
  NOT_FOUND.
- **Without a credential**, or with one that is unknown, expired or revoked: UNAUTHENTICATED (401). A WebSocket is closed with
  4401, and with 4403 once its credential ends.
- **What is another tenant's** does not exist: NOT_FOUND (404), or null where GraphQL looks something up. A user, a list or a
  count is each tenant's own; by the same name another tenant has another one.

A credential stands in the header `Authorization: Bearer …`, in gRPC's metadata of that name, or in the payload of
`connection_init`. In a URL it is none.
"""


def document() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_operations(), "", *_claims(), "", *_paths(), ""])


def _operations() -> Iterable[str]:
    routes = {
        operation["operationId"]: f"`{method.upper()} {path.removeprefix('/api/v1')}`"
        for path, found in openapi()["paths"].items()
        for method, operation in found.items()
    }
    fields = {name: place for place, name in places.NAME_OF_PLACE.items()} | {"getHealth": "Query.health"}
    yield "| operation | REST | GraphQL | a key needs | end users |"
    yield "|---|---|---|---|---|"
    for name, route in routes.items():
        if name == places.STATUS_CHANGE:
            yield f"| {name} | {route} | `{fields[name]}` | by the status, below | by the status, below |"
        else:
            rule = places.NAMES[name]
            place = f"`{fields[name]}`" if name in fields else ""
            yield f"| {name} | {route} | {place} | {_key(rule)} | {_end_user(rule)} |"
    yield ""
    yield "gRPC's methods bear the names of the first column. In GraphQL, `node(id)` goes by the rules of `getNotification`;"
    yield "`user(id)` only says a name again, and each field beneath it goes by a rule of its own, those of the record by `getUser`'s."


def _claims() -> Iterable[str]:
    yield "A status may be claimed with:"
    yield ""
    yield "| status | a key needs | end users |"
    yield "|---|---|---|"
    for status in Status:
        if status in CLAIMS:
            yield f"| `{status}` | {_key(CLAIMS[status])} | {_end_user(CLAIMS[status])} |"
    yield "| any other | is refused: who may read the notification is told `ILLEGAL_TRANSITION` | |"


def _paths() -> Iterable[str]:
    yield "What else is served over HTTP; `/dev` only while sinks on this machine take what is sent:"
    yield ""
    yield "| path | a key needs |"
    yield "|---|---|"
    yield from (f"| `{path}` | {_key(rule)} |" for path, rule in places.PATHS.items())
    yield ""
    yield "`grpc.health.v1` and, where it is on, reflection need no credential either."


def _key(rule: Rule) -> str:
    if rule.signed:
        return "nothing: the provider's signature is what is needed"
    if rule.scope is None:
        return "nothing, nor is one needed"
    return f"`{rule.scope}`" + ("; without it, or without a key: the overall word only" if rule.guests else "")


def _end_user(rule: Rule) -> str:
    if rule.guests:
        return "as everybody" if rule.scope is None else "the overall word only"
    return "their own" if rule.end_users else "no"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
