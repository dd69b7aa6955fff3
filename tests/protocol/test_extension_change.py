"""PATCH and DELETE of an extension, on both roads and by every name."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.harness import KEPT, ROADS, Graph
from tests.protocol.shapes import refused, well_formed

ROWS = ("PATCH extension", "DELETE extension")
NAMES = (
    KEPT,
    KEPT.upper(),
    f"microsoft.graph.openTypeExtension.{KEPT}",
    f"Microsoft.OutlookServices.OpenTypeExtension.{KEPT}",
)


@pytest.mark.parametrize("road", ROADS)
def test_properties_are_merged(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.extend(adele.start(), a=1, b="x", c=[1])
    before = adele.get(place.post_path()).json["changeKey"]
    graph.changes()
    body = {
        "@odata.type": "#microsoft.graph.openTypeExtension",
        "extensionName": KEPT,
        "b": "y",
        "c": None,
        "d": [True],
    }
    answer = adele.patch(place.extension_path(road), body)
    well_formed(answer)
    assert answer.status == 200
    expected = {
        "@odata.context": f"{place.context(road, 'threads', 'posts', 'extensions')}/$entity",
        "@odata.type": "#microsoft.graph.openTypeExtension",
        "id": f"microsoft.graph.openTypeExtension.{KEPT}",
        "extensionName": KEPT,
        "a": 1,
        "b": "y",
        "d": [True],
    }
    assert answer.json == expected
    assert adele.get(place.extension_path(road)).json == expected
    assert graph.changes() == ["updated post", "updated extension"]
    assert adele.get(place.post_path()).json["changeKey"] != before


@pytest.mark.parametrize("name", NAMES)
def test_by_every_name(graph: Graph, name: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.extend(adele.start())
    path = f"{place.post_path()}/extensions"
    for at in (f"{path}/{name}", f"{path}('{name}')", f"{path}/{quote(name.replace('.', '%2E'), safe='%')}"):
        assert adele.patch(at, {"extensionName": name, "id": name, "x": 1}).json["extensionName"] == KEPT
    graph.changes()
    answer = adele.delete(f"{path}/{name}")
    assert (answer.status, answer.content) == (204, b"")
    assert graph.changes() == ["updated post", "deleted extension"]
    refused(adele.delete(f"{path}/{name}"), 404, "ErrorItemNotFound")
    refused(adele.patch(f"{path}/{name}", {"x": 1}), 404, "ErrorItemNotFound")
    refused(adele.get(f"{path}/{name}"), 404, "ErrorItemNotFound")
    assert graph.changes() == []


def test_property_names_are_matched_in_every_case(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    data: dict[str, Any] = {"Color": "red", "tags": ["a"], "tags@odata.type": "#Collection(String)"}
    place = adele.extend(adele.start(), **data)
    found = adele.patch(place.extension_path(), {"COLOR": "blue", "TAGS": ["b"]}).json
    assert list(found.items())[4:] == [("Color", "blue"), ("tags", ["b"])]
    found = adele.patch(place.extension_path(), {"color": None, "Tags": None}).json
    assert list(found)[4:] == []


@pytest.mark.parametrize("body", [{}, {"extensionName": KEPT.lower()}, {"a": 1}, {"nothing": None}])
def test_what_changes_nothing_is_no_change(graph: Graph, body: Any) -> None:
    adele = graph.as_("AdeleV")
    place = adele.extend(adele.start(), a=1)
    before = adele.get(place.post_path()).json
    graph.changes()
    assert adele.patch(place.extension_path(), body).status == 200
    assert graph.changes() == []
    assert adele.get(place.post_path()).json == before


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"extensionName": "Com.Other"}, "extensionName"),
        ({"extensionName": "Com.Microsoft.X"}, "extensionName"),
        ({"extensionName": None}, "extensionName"),
        ({"id": "Com.Other"}, "extensionName"),
        ({"a": {"b": 1}}, "a"),
        ({"@odata.type": "#microsoft.graph.group"}, "@odata.type"),
        ({"a": "x" * 33_000}, "extensions"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_property_at_fault_is_named(graph: Graph, body: Any, target: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.extend(adele.start(), a=1)
    graph.changes()
    refused(adele.patch(place.extension_path(), body), 400, "BadRequest", target)
    assert graph.changes() == []


def test_who_may(graph: Graph) -> None:
    alex = graph.as_("AlexW")
    place = alex.extend(alex.start())
    refused(graph.as_("LeeG").patch(place.extension_path(), {"x": 1}), 403, "ErrorAccessDenied")
    refused(graph.as_("LeeG").delete(place.extension_path()), 403, "ErrorAccessDenied")
    assert graph.as_("LeeG").get(place.extension_path()).status == 200
    assert alex.patch(place.extension_path(), {"x": 1}).status == 200
    assert graph.as_app("daemon").patch(place.extension_path(), {"x": 2}).status == 200
    assert graph.as_("MeganB").delete(place.extension_path()).status == 204
