"""The OpenAPI document is complete, and the committed one is the one the code gives."""

import json
from pathlib import Path
from typing import Any

import pytest

from hub.transports.rest.export import openapi_json

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
OPERATIONS = {
    "createNotification": "POST /api/v1/notifications",
    "createNotifications": "POST /api/v1/notifications/batch",
    "getNotification": "GET /api/v1/notifications/{notification_id}",
    "listNotifications": "GET /api/v1/notifications",
    "listUserNotifications": "GET /api/v1/users/{user_id}/notifications",
    "updateNotificationStatus": "PATCH /api/v1/notifications/{notification_id}/status",
    "markRead": "PUT /api/v1/notifications/{notification_id}/read",
    "markUnread": "DELETE /api/v1/notifications/{notification_id}/read",
    "markSeen": "PUT /api/v1/notifications/{notification_id}/seen",
    "markUnseen": "DELETE /api/v1/notifications/{notification_id}/seen",
    "archiveNotification": "PUT /api/v1/notifications/{notification_id}/archived",
    "unarchiveNotification": "DELETE /api/v1/notifications/{notification_id}/archived",
    "deleteNotification": "DELETE /api/v1/notifications/{notification_id}",
    "watchNotification": "GET /api/v1/notifications/{notification_id}/stream",
    "listInbox": "GET /api/v1/users/{user_id}/inbox",
    "getUnreadCount": "GET /api/v1/users/{user_id}/inbox/unread-count",
    "getInboxCounts": "GET /api/v1/users/{user_id}/inbox/counts",
    "markAllSeen": "POST /api/v1/users/{user_id}/inbox/seen",
    "undoMarkAll": "POST /api/v1/users/{user_id}/inbox/undo",
    "markAllRead": "POST /api/v1/users/{user_id}/inbox/read",
    "watchInbox": "GET /api/v1/users/{user_id}/inbox/stream",
    "listDeadLetters": "GET /api/v1/dead-letters",
    "replayDeadLetters": "POST /api/v1/dead-letters/replay",
    "purgeDeadLetters": "POST /api/v1/dead-letters/purge",
    "getUser": "GET /api/v1/users/{user_id}",
    "updateUser": "PUT /api/v1/users/{user_id}",
    "deleteUser": "DELETE /api/v1/users/{user_id}",
    "getStatistics": "GET /api/v1/statistics",
    "createKey": "POST /api/v1/keys",
    "listKeys": "GET /api/v1/keys",
    "rotateKey": "POST /api/v1/keys/{key_id}/rotate",
    "revokeKey": "DELETE /api/v1/keys/{key_id}",
    "issueUserToken": "POST /api/v1/users/{user_id}/tokens",
    "listAuditEntries": "GET /api/v1/audit",
    "getHealth": "GET /api/v1/health",
    "takeReceipt": "POST /receipts/{provider}",
    "livez": "GET /livez",
    "readyz": "GET /readyz",
}
KEYLESS = ("livez", "readyz", "takeReceipt")


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(openapi_json())


def test_the_committed_document_is_current():
    assert COMMITTED.read_text(encoding="utf-8") == openapi_json(), "run: python -m hub export-schema openapi"


def test_all_operations(document):
    found = {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert found == OPERATIONS


def test_nothing_is_left_undescribed(document):
    assert document["openapi"].startswith("3.1.")
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["description"]
            assert not [key for key in operation if key.startswith("x-")]
            assert {"422", "500", "503", "504"} <= operation["responses"].keys()
    for schema in document["components"]["schemas"].values():
        assert schema["description"]
        assert all("description" in field for field in schema.get("properties", {}).values())


def test_every_operation_but_probes_and_receipts_wants_a_key(document):
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    wanted = {
        operation["operationId"]: operation["security"]
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    key: list[Any] = [{"bearer": []}]
    assert wanted == dict.fromkeys(OPERATIONS, key) | {"getHealth": [*key, {}]} | {name: [] for name in KEYLESS}


def test_every_operation_answers_what_it_can_answer(document):
    for methods in document["paths"].values():
        for operation in methods.values():
            responses = operation["responses"].keys()
            if operation["operationId"] == "takeReceipt":
                # It asks for a signature, and reads whatever that covers.
                assert {"400", "403", "404", "413"} <= responses
                assert not {"401", "415"} & responses
                continue
            assert ("401" in responses) == bool(operation["security"])
            assert ("403" in responses) == (operation["security"] == [{"bearer": []}])
            assert {"400", "413", "415"} & responses == ({"400", "413", "415"} if "requestBody" in operation else set())
    health = document["paths"]["/api/v1/health"]["get"]["responses"]
    assert health["200"]["content"] == health["503"]["content"]
    assert "content" not in document["paths"]["/api/v1/notifications/{notification_id}"]["delete"]["responses"]["204"]


def test_the_items_of_a_batch_are_described(document):
    schemas = document["components"]["schemas"]
    items = schemas["NewBatch"]["properties"]["notifications"]
    assert (items["minItems"], items["maxItems"]) == (1, 1000)
    assert items["items"] == {"$ref": "#/components/schemas/BatchItem"}
    assert set(schemas["BatchItem"]["properties"]) == {*schemas["NewNotification"]["properties"], "idempotency_key"}


def test_every_reference_resolves(document):
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str):
                _, section, name = reference.removeprefix("#/").split("/")
                assert name in document["components"][section]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)
