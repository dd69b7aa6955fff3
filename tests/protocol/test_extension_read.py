"""GET of extensions, one by one, in lists, counted, expanded, and in the filter of posts."""

from __future__ import annotations

import pytest

from tests.harness import KEPT, ROADS, Graph, open_extension
from tests.protocol.shapes import refused

ROWS = ("GET post/extensions", "GET post/extensions/$count", "GET extension")
TYPE = "microsoft.graph.openTypeExtension"


@pytest.mark.parametrize("road", ROADS)
def test_lists_and_counts(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(extensions=[open_extension(name, n=n) for n, name in enumerate(("Com.B", "Com.A", "Com.C"))])
    path = f"{place.post_path(road)}/extensions"
    answer = adele.get(path)
    assert answer.json["@odata.context"] == place.context(road, "threads", "posts", "extensions")
    assert [each["extensionName"] for each in answer.value] == ["Com.A", "Com.B", "Com.C"]
    for each in answer.value:
        found = adele.get(f"{path}/{each['id']}").json
        assert found == {"@odata.context": f"{answer.json['@odata.context']}/$entity", **each}
    assert adele.get(f"{path}/$count").text == "3"
    assert [len(page) for page in adele.pages(f"{path}?$top=1")] == [1, 1, 1]
    assert adele.everything(f"{path}?$top=1") == answer.value
    assert adele.get(f"{path}?$count=true").json["@odata.count"] == 3


def test_options(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(
        extensions=[open_extension("Com.B", color="red", size=1), open_extension("Com.A", color="blue")]
    )
    path = f"{place.post_path()}/extensions"
    for query, wanted in (
        ("$filter=id eq 'com.a'", ["Com.A"]),
        (f"$filter=id eq '{TYPE}.Com.A'", ["Com.A"]),
        ("$filter=id eq 'Microsoft.OutlookServices.OpenTypeExtension.COM.A' or id eq 'Com.B'", ["Com.A", "Com.B"]),
        ("$filter='Com.A' eq id", ["Com.A"]),
        ("$filter=id in ('Com.A','Com.Z')", ["Com.A"]),
        ("$filter=id ne 'Com.A'", ["Com.B"]),
        ("$filter=extensionName eq 'com.a'", ["Com.A"]),
        ("$filter=startswith(extensionName,'Com')", ["Com.A", "Com.B"]),
        ("$orderby=extensionName desc", ["Com.B", "Com.A"]),
        ("$filter=id eq 'Com'", []),
    ):
        assert [each["extensionName"] for each in adele.get(f"{path}?{query}").value] == wanted, query
    for query in ("$filter=startswith(id,'Com')", "$filter=id gt 'Com'", "$filter=color eq 'red'"):
        refused(adele.get(f"{path}?{query}"), 400, "ErrorInvalidUrlQueryFilter", "$filter")


def test_dynamic_properties_can_be_selected(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    data = {"color": "red", "tags@odata.type": "#Collection(String)", "tags": ["a"]}
    place = adele.start(extensions=[open_extension("Com.B", **data)])
    path = f"{place.post_path()}/extensions"
    for select, wanted in (
        ("color", ["color"]),
        ("COLOR,extensionName", ["extensionName", "color"]),
        ("tags", ["tags@odata.type", "tags"]),
        ("id", []),
        ("other", []),
    ):
        for found in (adele.get(f"{path}?$select={select}").value[0], adele.get(f"{path}/com.b?$select={select}").json):
            names = [name for name in found if name != "@odata.context"]
            assert names == ["@odata.type", "id", *wanted], select
    assert adele.get(f"{path}/com.b?$select=*").json["color"] == "red"


@pytest.mark.parametrize("road", ROADS)
def test_expanded(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(extensions=[open_extension("Com.B", color="red"), open_extension("Com.A")])
    adele.reply(place)
    found = adele.get(f"{place.post_path(road)}?$expand=extensions").json
    listed = adele.get(f"{place.post_path(road)}/extensions")
    assert found["extensions"] == listed.value
    assert found["extensions@odata.context"] == listed.json["@odata.context"]
    for name in ("Com.B", "com.b", f"{TYPE}.Com.B", "Microsoft.OutlookServices.OpenTypeExtension.Com.B"):
        item = adele.get(f"{place.post_path(road)}?$expand=extensions($filter=id eq '{name}')").json
        assert item["extensions"] == [listed.value[1]]
        posts = adele.get(f"{place.thread_path(road)}/posts?$expand=Extensions($filter=id eq '{name}')").value
        assert [post["extensions"] for post in posts] == [[listed.value[1]], []]
    deep = "threads($expand=posts($expand=extensions($filter=id eq 'Com.A';$select=id)))"
    conversation = adele.get(f"{place.conversation_path}?$expand={deep}").json
    assert [each["id"] for each in conversation["threads"][0]["posts"][0]["extensions"]] == [f"{TYPE}.Com.A"]


@pytest.mark.parametrize("name", ["Com.B", "COM.b", f"{TYPE}.Com.B"])
def test_posts_by_their_extensions(graph: Graph, name: str) -> None:
    adele = graph.as_("AdeleV")
    first = adele.start(extensions=[open_extension("Com.B"), open_extension("Com.A")])
    second = adele.reply(first, extensions=[open_extension("Com.A")])
    third = adele.reply(first, extensions=[open_extension("com.b")])
    path = f"{first.thread_path()}/posts"
    query = f"$filter=Extensions/any(f:f/id eq '{name}')"
    found = adele.get(f"{path}?{query}&$expand=Extensions($filter=id eq '{name}')")
    assert found.ids == [first.post, third.post]
    assert [len(post["extensions"]) for post in found.value] == [1, 1]
    assert adele.get(f"{path}/$count?{query}").text == "2"
    assert adele.get(f"{path}?$filter=not extensions/any(f:f/id eq '{name}')").ids == [second.post]
    assert adele.get(f"{path}?$filter=extensions/$count eq 2").ids == [first.post]
    assert adele.get(f"{path}?$filter=extensions/any()").ids == [first.post, second.post, third.post]
    assert adele.get(f"{path}?$filter=extensions/all(f:f/extensionName eq 'com.b')").ids == [third.post]


def test_what_is_not_there(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.extend(adele.start())
    for name in ("Com.Nope", f"x{KEPT}", f"{TYPE}.", TYPE, "a" * 500, "%20", "ü"):
        refused(adele.get(f"{place.post_path()}/extensions/{name}"), 404, "ErrorItemNotFound")
    refused(adele.get(f"{place.extension_path()}/x"), 400, "BadRequest")
    assert adele.send("PUT", place.extension_path()).status == 405
    assert adele.send("PATCH", f"{place.post_path()}/extensions").status == 405
