"""`$metadata` and the OpenAPI document say what is published, as far as it is served, and nothing more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from openapi_spec_validator import validate

from folkmoot.graph import openapi
from folkmoot.graph.model import service
from folkmoot.graph.resolve import resolve
from folkmoot.graph.surface import SURFACE
from folkmoot.odata.csdl import metadata
from folkmoot.odata.path import parse_path
from tests.house.test_surface import DOCUMENTED_ONLY, NOT_YET, OPENAPI, published, published_only, published_rows

TYPES = OPENAPI.with_name("graph-types.md")
facts_only = pytest.mark.skipif(
    not TYPES.exists(), reason=f"the facts are not here: {TYPES.name} beside the repository"
)

_EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
PROFILES = ("strict", "extended")


def document(profile: Any = "strict") -> Any:
    """The OpenAPI document as a client reads it."""
    return json.loads(json.dumps(openapi.document(profile, "1")))


def schema(profile: Any = "strict") -> ElementTree.Element:
    """The one schema of `$metadata`."""
    root = ElementTree.fromstring(metadata(service(profile)))  # noqa: S314  (our own)
    found = root.find(f".//{_EDM}Schema")
    assert found is not None
    return found


# ── OpenAPI ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", PROFILES)
def test_the_openapi_document_is_one(profile: Any) -> None:
    validate(document(profile))


def row_of(method: str, path: str) -> str:
    """The row that serves an operation of the document."""
    filled = path.replace("{", "'").replace("}", "'")
    return f"{method} {resolve(parse_path(filled)).address}"


@pytest.mark.parametrize("profile", PROFILES)
def test_every_row_has_its_operations(profile: Any) -> None:
    rows = {f"{row.method} {row.address}" for row in SURFACE if profile == "extended" or not row.only_extended}
    written = {row_of(method, path) for method, path in openapi.operations(profile)}
    # What stands at the root and is no noun ($batch) is no operation on one.
    assert {row for row in rows - written if not row.split(" ")[1].startswith("$")} == set()
    assert written - rows == set()


@published_only
def test_operations_are_those_that_are_published() -> None:
    expected = {
        (row.split(" ")[0], path) for row, paths in published_rows().items() if row not in NOT_YET for path in paths
    }
    ours = openapi.operations("strict")
    assert expected - ours == set()
    families = re.compile("/(?:conversations|threads|acceptedSenders|rejectedSenders)(?:/|$)|^/subscriptions")
    extra = {each for each in ours if families.search(each[1])} - expected
    assert {each for each in extra if row_of(*each) not in DOCUMENTED_ONLY} == set()


# Microsoft's extract has not all of them.
COMPARABLE = set(document()["components"]["schemas"])
if OPENAPI.exists():
    COMPARABLE &= set(published()["components"]["schemas"])


@published_only
@pytest.mark.parametrize("name", sorted(COMPARABLE))
def test_schemas_are_those_that_are_published(name: str) -> None:
    theirs, ours = published()["components"]["schemas"], document()["components"]["schemas"]
    if "enum" in ours[name]:
        assert ours[name]["enum"] == theirs[name]["enum"]
        return
    described = {key: shape(value) for key, value in properties(ours, name).items()}
    wanted = {key: shape(value) for key, value in properties(theirs, name).items()}
    if name.endswith("CollectionResponse"):
        del described["@odata.count"]
    unknown = {key for key, each in wanted.items() if each[0] not in ours and each[0].startswith("microsoft.graph.")}
    assert described == {key: each for key, each in wanted.items() if key not in unknown}


def properties(schemas: Any, name: str) -> dict[str, Any]:
    """The properties of a schema and of those that it is made of."""
    found: dict[str, Any] = dict(schemas[name].get("properties", {}))
    for part in schemas[name].get("allOf", ()):
        base = part.get("$ref", "").rpartition("/")[2]
        found |= properties(schemas, base) if base else part.get("properties", {})
    return found


def shape(schema: Any) -> tuple[str, str | None, bool, bool, bool]:
    """Type or reference, format, whether there are many, whether null is possible, whether it leads elsewhere."""
    many = schema.get("type") == "array"
    one = schema["items"] if many else schema
    name = one["$ref"].rpartition("/")[2] if "$ref" in one else one["type"]
    return name, one.get("format"), many, one.get("nullable", False), schema.get("x-ms-navigationProperty", False)


# ── $metadata ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_the_schema_names_is_in_it() -> None:
    for profile in PROFILES:
        found = schema(profile)
        names = {f"graph.{each.get('Name')}" for each in found if each.get("Name")}
        used = {
            value for each in found.iter() for key in ("Type", "BaseType", "EntityType") if (value := each.get(key))
        }
        used = {re.sub(r"^Collection\((.*)\)$", r"\1", each).replace("microsoft.graph.", "graph.") for each in used}
        assert {each for each in used if not each.startswith(("Edm.", "Org."))} - names == set()
        targets = [each.get("Target", "") for each in found.findall(f"{_EDM}Annotations")]
        assert len(targets) == len(set(targets))
        for target in targets:
            owner, _, member = target.removeprefix("microsoft.graph.").partition("/")
            below = [each.get("Name") for each in found if each.get("Name") == owner for each in each]
            assert member in below, target


def declared() -> dict[str, dict[str, tuple[str, bool]]]:
    """Type → property → its type, and whether it (or each of it) may be null, as `$metadata` declares them."""
    return {
        each.get("Name", ""): {
            below.get("Name", ""): (below.get("Type", "").replace("graph.", ""), below.get("Nullable") != "false")
            for below in each.findall(f"{_EDM}Property")
        }
        for each in schema()
        if each.tag in (f"{_EDM}EntityType", f"{_EDM}ComplexType")
    }


def facts() -> Iterator[tuple[str, str, str, bool]]:
    """Type, property, EDM type and nullability as the reference tells them, from its tables."""
    title = owner = ""
    head: list[str] = []
    for line in TYPES.read_text().splitlines():
        if line.startswith("## "):
            title = re.sub(r"^## \d+\. (\w+).*", r"\1", line)
        if not line.startswith("|"):
            head = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not head:
            head = cells
            continue
        row = dict(zip(head, cells, strict=False))
        if not {"Property", "EDM type", "Null"} <= row.keys() or set(line) <= set("|- "):
            continue
        owner = row.get("Declared on") or row.get("Type") or (owner if "Type" in row else title)
        for name in row["Property"].split(", "):
            if "(nav)" not in name and re.fullmatch(r"\w+", name):
                yield owner, name, row["EDM type"], row["Null"].endswith("yes")


@facts_only
def test_properties_are_those_of_the_reference() -> None:
    known = {(owner, name): (kind, null) for owner, name, kind, null in facts()}
    assert len(known) > 100
    # The reference lists only some of group's and user's, and each with the key.
    ours = {(owner, name): told for owner, below in declared().items() for name, told in below.items()}
    for place, told in ours.items():
        # Its type has five parts of synchronisation, which this server never fills.
        if place[0] in {owner for owner, _ in known} and place != ("group", "onPremisesProvisioningErrors"):
            assert known.get(place) == told, place
    missing = {place for place in known if place[0] in declared() and place not in ours and place[1] != "id"}
    assert {place for place in missing if place[0] not in ("group", "user")} == set()


BASES = {
    "conversation": ("entity", {}),
    "conversationThread": ("entity", {}),
    "directoryObject": ("entity", {"OpenType"}),
    "entity": (None, {"Abstract"}),
    "group": ("directoryObject", {"OpenType"}),
    "outlookItem": ("entity", {"Abstract"}),
    "post": ("outlookItem", {"OpenType"}),
    "user": ("directoryObject", {"OpenType"}),
    "attachment": ("entity", {"Abstract"}),
    "fileAttachment": ("attachment", {"HasStream"}),
    "itemAttachment": ("attachment", {}),
    "referenceAttachment": ("attachment", {}),
    "extension": ("entity", {"Abstract", "OpenType"}),
    "openTypeExtension": ("extension", {"OpenType"}),
    "singleValueLegacyExtendedProperty": ("entity", {}),
    "multiValueLegacyExtendedProperty": ("entity", {}),
    "subscription": ("entity", {}),
    "resourceSpecificPermissionGrant": ("directoryObject", {}),
}


def test_types_are_derived_as_published() -> None:
    for each in schema().findall(f"{_EDM}EntityType"):
        base, flags = BASES[each.get("Name", "")]
        assert each.get("BaseType") == (None if base is None else f"graph.{base}")
        assert {name for name in ("Abstract", "OpenType", "HasStream") if each.get(name) == "true"} == set(flags)


def test_what_contains_what() -> None:
    """Everything below a group's content is contained; people and groups are referred to."""
    for each in schema().findall(f"{_EDM}EntityType"):
        for nav in each.findall(f"{_EDM}NavigationProperty"):
            referred = "directoryObject" in nav.get("Type", "") and not nav.get("Name", "").endswith("Senders")
            assert (nav.get("ContainsTarget") == "true") is not referred, nav.attrib


def capability(target: str, term: str, profile: Any = "strict") -> str | None:
    below = f"{_EDM}Annotations[@Target='microsoft.graph.{target}']"
    annotation = f"{_EDM}Annotation[@Term='Org.OData.Capabilities.V1.{term}']"
    value = schema(profile).find(f"{below}/{annotation}/{_EDM}Record/{_EDM}PropertyValue")
    return None if value is None else value.get("Bool")


# Note n1 of the reference: what the published annotations say.
FALSE = """
group/threads SearchRestrictions
conversation/threads SearchRestrictions
conversationThread/posts SearchRestrictions
post/inReplyTo SearchRestrictions
group/conversations ExpandRestrictions
group/threads ExpandRestrictions
group/conversations UpdateRestrictions
conversationThread/posts InsertRestrictions
conversationThread/posts UpdateRestrictions
conversationThread/posts DeleteRestrictions
post/inReplyTo InsertRestrictions
post/inReplyTo UpdateRestrictions
post/inReplyTo DeleteRestrictions
group/conversations ChangeTracking
group/threads ChangeTracking
conversation/threads ChangeTracking
conversationThread/posts ChangeTracking
post/inReplyTo ChangeTracking
GraphService/subscriptions CountRestrictions
GraphService/subscriptions ExpandRestrictions
GraphService/subscriptions FilterRestrictions
GraphService/subscriptions SortRestrictions
"""
TRUE = """
group/conversations SearchRestrictions
group/conversations InsertRestrictions
group/conversations DeleteRestrictions
group/conversations CountRestrictions
group/conversations FilterRestrictions
group/conversations SortRestrictions
conversation/threads ExpandRestrictions
conversation/threads UpdateRestrictions
conversationThread/posts ExpandRestrictions
post/inReplyTo ExpandRestrictions
"""


@pytest.mark.parametrize(
    ("line", "value"),
    [(line, v) for lines, v in ((FALSE, "false"), (TRUE, "true")) for line in lines.strip().splitlines()],
)
def test_capabilities_are_those_that_are_published(line: str, value: str) -> None:
    assert capability(*line.split()) == value


def test_an_extended_application_searches_more() -> None:
    assert capability("conversationThread/posts", "SearchRestrictions", "extended") == "true"


def test_actions_and_alternate_keys() -> None:
    actions = {
        (below[0].get("Type"), each.get("Name")): [(one.get("Name"), one.get("Type")) for one in below[1:]]
        for each in schema().findall(f"{_EDM}Action")
        if (below := each.findall(f"{_EDM}Parameter"))
    }
    assert actions["graph.conversationThread", "reply"] == [("post", "graph.post")]
    assert actions["graph.post", "reply"] == [("post", "graph.post")]
    assert actions["graph.post", "forward"] == [
        ("toRecipients", "Collection(graph.recipient)"),
        ("comment", "Edm.String"),
    ]
    user = next(each for each in schema() if each.get("Name") == "user")
    assert [each.get("PropertyPath") for each in user.iter() if each.get("PropertyPath")] == ["userPrincipalName"]
