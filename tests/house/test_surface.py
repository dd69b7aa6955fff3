"""The surface: each row tried by a file of its own, and all of it as Microsoft publishes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from folkmoot.graph.attachments import ATTACHMENT, FILE, ITEM_ATTACHMENT, REFERENCE
from folkmoot.graph.describe import Noun
from folkmoot.graph.entities import CONVERSATION, POST, THREAD
from folkmoot.graph.extensions import EXTENSION, MULTI_VALUE, SINGLE_VALUE
from folkmoot.graph.grant_noun import GRANT
from folkmoot.graph.resolve import resolve
from folkmoot.graph.subscription_noun import SUBSCRIPTION
from folkmoot.graph.surface import SURFACE
from folkmoot.odata.edm import Complex, Edm, Enumeration, Field
from folkmoot.odata.path import parse_path

ROOT = Path(__file__).parents[2]
OPENAPI = ROOT.parent / "shared" / "reference" / "graph-conversations.openapi.json"
published_only = pytest.mark.skipif(
    not OPENAPI.exists(), reason=f"the published description is not here: {OPENAPI.name} beside the repository"
)

ROWS = {f"{row.method} {row.address}" for row in SURFACE}
SAID = {
    f"{row.method} {row.address}"
    for row in SURFACE
    if row.area == "mail" and row.serve is None and not row.only_extended
}

# Published, and not served yet. What is served is taken off this list; nothing is put on it.
NOT_YET: set[str] = set()
# In the reference, but not in the published description (Graph: get attachment).
DOCUMENTED_ONLY = {"GET attachment/$value"}
NOT_YET_BELOW_A_POST: set[str] = set()


def test_every_row_has_a_file_that_tries_it() -> None:
    files = [file for file in (ROOT / "tests" / "protocol").glob("test_*.py") if file.name != "test_every_row.py"]
    told = "\n".join(file.read_text() for file in files)
    assert sorted(row for row in ROWS if f'"{row}"' not in told) == []


@cache
def published() -> Any:
    return json.loads(OPENAPI.read_text())


def address(path: str) -> str:
    """Of a published path the noun at its end: both roads, and those by way of inReplyTo, lead to one."""
    path = (
        re.sub(r"\{(\w+)-id\}", r"{\1}", path).replace("microsoft.graph.", "").replace("conversationThread", "thread")
    )
    found, below = "", False
    for step in path.strip("/").split("/"):
        if step.startswith("{"):
            noun = step.strip("{}").replace("directoryObject", "object")
            found = f"{found}/object" if noun == "object" else noun
        elif step == "inReplyTo":
            found = "post"
        else:
            found = f"{found}/{step}" if found else step
        below = True
    return found if below else ""


def published_rows() -> dict[str, list[str]]:
    """Row → the published paths that mean it."""
    rows: dict[str, list[str]] = {}
    for path, operations in published()["paths"].items():
        for method in operations.keys() & {"get", "post", "put", "patch", "delete"}:
            rows.setdefault(f"{method.upper()} {address(path)}", []).append(path)
    return rows


@published_only
def test_what_is_served_is_published() -> None:
    assert SAID - set(published_rows()) == DOCUMENTED_ONLY


@published_only
def test_what_is_published_is_served_or_on_the_list() -> None:
    assert set(published_rows()) - ROWS == NOT_YET


@published_only
def test_every_published_road_leads_there() -> None:
    for row, paths in published_rows().items():
        if row not in NOT_YET:
            for path in paths:
                filled = path.replace("{", "'").replace("}", "'")
                assert f"{row.partition(' ')[0]} {resolve(parse_path(filled)).address}" == row, path


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────

# OpenAPI cannot say whether a reference may be null; the metadata can (CSDL: post/from is Nullable="false").
NULLABLE_REFERENCES = {"body": True, "sender": True, "from": False}
PRIMITIVES: Mapping[tuple[str, str | None], Edm] = {
    ("string", None): Edm.STRING,
    ("string", "date-time"): Edm.DATETIME,
    ("boolean", None): Edm.BOOLEAN,
    ("integer", "int32"): Edm.INT32,
    ("string", "base64url"): Edm.BINARY,
}


def properties(name: str) -> dict[str, Any]:
    """The published properties of a type and of those that it is derived from, by name."""
    schema = published()["components"]["schemas"][f"microsoft.graph.{name}"]
    found: dict[str, Any] = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        base = part.get("$ref", "").rpartition("microsoft.graph.")[2]
        found |= properties(base) if base else part["properties"]
    return found


def described(name: str, schema: Mapping[str, Any]) -> tuple[Any, bool, bool]:
    """Type, whether there are many, and whether it (or each of them) may be null, as it is published."""
    if schema.get("type") == "array":
        kind, _, nullable = described("", schema["items"])
        return kind, True, nullable
    if "$ref" in schema:
        return schema["$ref"].rpartition("microsoft.graph.")[2], False, NULLABLE_REFERENCES.get(name, False)
    return PRIMITIVES[schema["type"], schema.get("format")], False, schema.get("nullable", False)


def ours(field: Field) -> tuple[Any, bool, bool]:
    kind = field.wire or field.type
    return kind.name if isinstance(kind, (Complex, Enumeration)) else kind, field.many, field.nullable


@published_only
@pytest.mark.parametrize(
    "noun",
    [CONVERSATION, THREAD, POST, ATTACHMENT, SINGLE_VALUE, MULTI_VALUE, GRANT, SUBSCRIPTION],
    ids=lambda noun: noun.entity.name,
)
def test_properties_are_those_that_are_published(noun: Noun) -> None:
    everything = properties(noun.entity.name)
    navs = {name for name, schema in everything.items() if schema.get("x-ms-navigationProperty") or name == "inReplyTo"}
    expected = {name: described(name, schema) for name, schema in everything.items() if name not in navs}
    assert {field.name: ours(field) for field in noun.entity.fields} == expected
    assert navs - {nav.name for nav in noun.entity.navs} == (NOT_YET_BELOW_A_POST if noun is POST else set())
    # The delivery log is for extended applications alone.
    for nav in (nav for nav in noun.entity.navs if nav.target != "subscriptionDelivery"):
        schema = everything[nav.name]
        assert nav.many is (schema.get("type") == "array")
        target = (schema["items"] if nav.many else schema)["$ref"]
        assert target.rpartition("microsoft.graph.")[2] == nav.target


# CSDL: the published paths hold extensions by their base type alone, which has an id and is open.
def test_extensions_have_a_name_and_whatever_they_are_given() -> None:
    every = {"id": (Edm.STRING, False, False), "extensionName": (Edm.STRING, False, False)}
    assert {field.name: ours(field) for field in EXTENSION.entity.fields} == every
    assert EXTENSION.dynamic is not None


# CSDL: the published paths hold the kinds by their base type alone. What v1.0 takes of a reference without declaring
# it is sent only where it is selected.
OF_A_FILE = {
    "contentId": (Edm.STRING, False, True),
    "contentLocation": (Edm.STRING, False, True),
    "contentBytes": (Edm.BINARY, False, True),
}


def test_kinds_of_attachments_have_what_all_have_and_their_own() -> None:
    every = {field.name: ours(field) for field in ATTACHMENT.entity.fields}
    for noun, own in ((FILE, OF_A_FILE), (ITEM_ATTACHMENT, {}), (REFERENCE, {})):
        assert {field.name: ours(field) for field in noun.entity.fields if field.by_default} == every | own
    assert [nav.name for nav in ITEM_ATTACHMENT.entity.navs] == ["item"]


@published_only
@pytest.mark.parametrize("name", ["recipient", "emailAddress", "itemBody", "bodyType"])
def test_parts_of_properties_are_those_that_are_published(name: str) -> None:
    found = next(kind for kind in _kinds([f.type for f in POST.entity.fields]) if getattr(kind, "name", "") == name)
    if isinstance(found, Enumeration):
        schema = published()["components"]["schemas"][f"microsoft.graph.{name}"]
        assert list(found.members) == schema["enum"]
    else:
        assert [field.name for field in found.fields] == sorted(
            properties(name), key=[f.name for f in found.fields].index
        )


def _kinds(types: list[Any]) -> list[Any]:
    return [
        *types,
        *(kind for each in types if isinstance(each, Complex) for kind in _kinds([f.type for f in each.fields])),
    ]
