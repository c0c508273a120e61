"""Trusted documents: the manifest, what a request may name, and a start that is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hub.__main__ import ConfigError, load_settings, main
from hub.domain.errors import HubError
from hub.settings import AuthSettings, GraphQLSettings, Settings
from hub.transports.graphql.app import check_documents
from hub.transports.graphql.trusted import TrustedDocuments, hash_of, text_of

OPERATIONS = sorted((Path(__file__).parents[2] / "graphql" / "operations").glob("*.graphql"))
TEXT = "{ __typename }"
MD5 = "d6a2b0d0f0b1a1c2d3e4f5a6b7c8d9e0"
TRUSTED = TrustedDocuments({MD5: TEXT, "x-own:1": "{ health { status } }"})


def persisted(value: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": value}}


@pytest.mark.parametrize(
    "request_",
    [
        {"documentId": MD5},
        {"documentId": MD5, "query": None},
        {"documentId": MD5, "query": ""},
        {"documentId": "sha256:" + hash_of(TEXT)},
        persisted({"version": 1, "sha256Hash": hash_of(TEXT)}),
    ],
    ids=str,
)
def test_a_document_is_known_by_its_ids(request_: dict[str, Any]) -> None:
    assert text_of(request_, TRUSTED) == TEXT
    with pytest.raises(HubError) as refused:
        text_of(request_, None)
    assert refused.value.reason == "MALFORMED"
    assert "query" in refused.value.message


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"query": TEXT}, "PERMISSION_DENIED"),
        ({"query": TEXT, "documentId": MD5}, "PERMISSION_DENIED"),
        ({"query": 5}, "PERMISSION_DENIED"),
        ({}, "MALFORMED"),
        ({"documentId": None}, "MALFORMED"),
        ({"documentId": ""}, "MALFORMED"),
        ({"documentId": 5}, "MALFORMED"),
        (persisted(None), "MALFORMED"),
        (persisted({"sha256Hash": 5}), "MALFORMED"),
        ({"documentId": "nope"}, "NOT_FOUND"),
        ({"documentId": MD5.upper()}, "NOT_FOUND"),
        ({"documentId": hash_of(TEXT)}, "NOT_FOUND"),
        (persisted({"sha256Hash": hash_of("{ nope }")}), "NOT_FOUND"),
    ],
    ids=str,
)
def test_nothing_else_is_run(request_: dict[str, Any], reason: str) -> None:
    with pytest.raises(HubError) as refused:
        text_of(request_, TRUSTED)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"query": TEXT}, TEXT),
        # Clients that persist by themselves send both at first, and are content with an answer.
        ({"query": TEXT, **persisted({"version": 1, "sha256Hash": hash_of(TEXT)})}, TEXT),
        ({"query": TEXT, "documentId": MD5}, None),
        ({"query": ""}, None),
        ({}, None),
    ],
    ids=str,
)
def test_without_a_manifest_texts_are_run_and_ids_are_not(request_: dict[str, Any], text: str | None) -> None:
    if text is not None:
        assert text_of(request_, None) == text
        return
    with pytest.raises(HubError) as refused:
        text_of(request_, None)
    assert refused.value.reason == "MALFORMED"


def manifest(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "manifest.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


DEEP = "{ user(id: 1) { inbox(first: 1) { edges { node { statusReason { code } } } } } }"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "can't be read"),
        ("", "must be a JSON object"),
        ("[" * 100_000, "must be a JSON object"),
        ([TEXT], "must be a JSON object"),
        ({}, "at least one document"),
        ({"a": 5}, "each a text"),
        ({"a": ""}, "each a text"),
        ({"": TEXT}, "each a text"),
        ({"abc": "{"}, "document abc can't be run: Syntax Error"),
        ({"abc": "{ nope }"}, "document abc can't be run: Cannot query field 'nope'"),
        ({"abc": DEEP}, "document abc can't be run: The document is beyond the limit of depth, 5"),
        ({"abc": "{ __schema { queryType { name } } }"}, "introspection is off"),
    ],
    ids=str,
)
def test_a_manifest_that_cannot_be_used_stops_the_start(
    content: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "none.json" if content is None else manifest(tmp_path, content)
    monkeypatch.setenv("HUB_GRAPHQL__TRUSTED_DOCUMENTS", str(path))
    monkeypatch.setenv("HUB_GRAPHQL__MAX_DEPTH", "5")
    monkeypatch.setenv("HUB_GRAPHQL__INTROSPECTION", "false")
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert str(refused.value).startswith("HUB_GRAPHQL__TRUSTED_DOCUMENTS")
    assert said in str(refused.value)


def test_the_command_makes_a_manifest_of_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", *map(str, OPERATIONS)]) == 0
    printed = capsys.readouterr().out
    path = manifest(tmp_path, printed)
    check_documents(Settings(graphql=GraphQLSettings(trusted_documents=path)))
    trusted = TrustedDocuments.read(path)
    assert sorted(trusted.texts.values()) == sorted(path.read_text() for path in OPERATIONS)
    assert all(trusted.text(hash_of(path.read_text())) for path in OPERATIONS)


def test_a_document_that_cannot_be_read_makes_no_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", str(tmp_path / "none.graphql")]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "none.graphql" in told.err


@pytest.mark.parametrize(
    ("auth", "graphql", "expected"),
    [
        (AuthSettings(), GraphQLSettings(), (True, True)),
        (AuthSettings(required=True), GraphQLSettings(), (False, False)),
        (AuthSettings(required=True), GraphQLSettings(introspection=True, graphiql=True), (True, True)),
        (AuthSettings(), GraphQLSettings(introspection=False, graphiql=False), (False, False)),
        # Only what is listed is run: there is nothing to try out.
        (AuthSettings(), GraphQLSettings(trusted_documents=Path("x")), (True, False)),
        (AuthSettings(), GraphQLSettings(trusted_documents=Path("x"), graphiql=True), (True, True)),
    ],
)
def test_what_is_shown_by_default(auth: AuthSettings, graphql: GraphQLSettings, expected: tuple[bool, bool]) -> None:
    settings = Settings(auth=auth, graphql=graphql)
    assert (settings.introspects, settings.explores) == expected
