"""GET post/attachments, its /$count, and attachments that are expanded on posts and below threads."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.harness import ROADS, Client, Graph, Place, file_attachment
from tests.protocol.shapes import refused, well_formed
from tests.protocol.test_attachment_add import EVENT, LINK

ROWS = ("GET post/attachments", "GET post/attachments/$count")

KINDS = ["#microsoft.graph.fileAttachment", "#microsoft.graph.itemAttachment", "#microsoft.graph.referenceAttachment"]
COMMON = ["@odata.type", "id", "lastModifiedDateTime", "name", "contentType", "size", "isInline"]
LARGE = bytes(range(256)) * 8192  # two mebibytes: more parts than one


@pytest.fixture
def place(graph: Graph) -> Place:
    return graph.as_("AdeleV").start(attachments=[file_attachment(b"one", name="b"), EVENT, LINK])


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, place: Place, road: str) -> None:
    path = f"{place.post_path(road)}/attachments"
    answer = graph.as_("AlexW").get(path)
    well_formed(answer)
    assert answer.json["@odata.context"] == place.context(road, "threads", "posts", "attachments")
    assert [each["@odata.type"] for each in answer.value] == KINDS
    file, event, link = answer.value
    assert list(file) == [*COMMON, "contentId", "contentLocation", "contentBytes"]
    assert list(event) == list(link) == COMMON
    assert file["contentBytes"] == base64.b64encode(b"one").decode()
    assert graph.as_("AlexW").get(f"{path}/$count").text == "3"


def test_kinds_are_told_whatever_is_selected(graph: Graph, place: Place) -> None:
    found = graph.as_("AdeleV").get(f"{place.post_path()}/attachments?$select=name").value
    assert [list(each) for each in found] == [["@odata.type", "id", "name"]] * 3
    found = graph.as_("AdeleV").get(f"{place.post_path()}/attachments?$select=contentBytes,sourceUrl,isFolder").value
    assert found[0]["contentBytes"] == "b25l"
    assert found[2]["sourceUrl"] == LINK["sourceUrl"]
    assert found[2]["isFolder"] is True


@pytest.mark.parametrize("order", ["name", "name desc", "size,name", "isInline,lastModifiedDateTime,name desc"])
def test_pages_and_orders(graph: Graph, place: Place, order: str) -> None:
    adele = graph.as_("AdeleV")
    for number in range(5):
        adele.attach(place, name=f"n{number % 3}", isInline=bool(number % 2))
    path = f"{place.post_path()}/attachments?$orderby={order}"
    at_once = adele.get(path).value
    assert len(at_once) == 8
    assert adele.everything(f"{path}&$top=3") == at_once
    assert adele.get(f"{path}&$top=3&$skip=2&$count=true").json["@odata.count"] == 8


def test_a_filter_is_ignored_as_in_the_cloud_unless_the_application_is_extended(graph: Graph, place: Place) -> None:
    path = f"{place.post_path()}/attachments"
    query = "$filter=name eq 'Plans'"
    assert len(graph.as_("AdeleV").get(f"{path}?{query}").value) == 3
    assert graph.as_("AdeleV").get(f"{path}/$count?{query}").text == "3"
    first = graph.as_("AdeleV").get(f"{path}?{query}&$top=2").json
    assert "filter" not in first["@odata.nextLink"]
    assert graph.as_("AdeleV").get(first["@odata.nextLink"]).status == 200
    extended = graph.as_app("extended")
    assert [each["name"] for each in extended.get(f"{path}?{query}").value] == ["Plans"]
    assert extended.get(f"{path}/$count?{query}").text == "1"
    for wrong in ("name eq", "nope eq 1"):
        refused(graph.as_("AdeleV").get(f"{path}?$filter={wrong}"), 400, "ErrorInvalidUrlQueryFilter", "$filter")


def test_a_large_file_is_sent_whole_in_a_list(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(attachments=[file_attachment(LARGE + b"!")])
    adele.attach(place, LARGE)
    one, two = adele.get(f"{place.post_path()}/attachments").value
    assert base64.b64decode(one["contentBytes"]) == LARGE + b"!"
    assert base64.b64decode(two["contentBytes"]) == LARGE


# ── expanded ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def plain(adele: Client, place: Place) -> Any:
    return adele.get(f"{place.post_path()}/attachments").value


def test_on_one_post_and_on_a_list(graph: Graph, place: Place) -> None:
    adele = graph.as_("AdeleV")
    one = adele.get(f"{place.post_path()}?$expand=attachments").json
    assert one["attachments"] == plain(adele, place)
    assert one["attachments@odata.context"] == place.context("direct", "threads", "posts", "attachments")
    adele.reply(place)
    first, second = adele.get(f"{place.thread_path()}/posts?$expand=Attachments").value
    assert first["attachments"] == plain(adele, place)
    assert second["attachments"] == []


def test_below_threads_and_conversations(graph: Graph, place: Place) -> None:
    adele = graph.as_("AdeleV")
    thread = adele.get(f"{place.thread_path()}?$expand=posts($expand=attachments)").json
    assert thread["posts"][0]["attachments"] == plain(adele, place)
    below = "threads($expand=posts($expand=attachments($select=name)))"
    conversation = adele.get(f"{place.conversation_path}?$expand={below}").json
    names = [each["name"] for each in conversation["threads"][0]["posts"][0]["attachments"]]
    assert names == ["b", "Meeting", "Plans"]


@pytest.mark.parametrize("spelt", ["microsoft.graph.itemattachment/item", "microsoft.graph.itemAttachment/item"])
def test_the_item_in_an_item_attachment(graph: Graph, place: Place, spelt: str) -> None:
    adele = graph.as_("AdeleV")
    file, event, link = adele.get(f"{place.post_path()}/attachments?$expand={spelt}").value
    assert event["item"] == {"@odata.type": "#microsoft.graph.event", "subject": "Meeting"}
    assert "item" not in file
    assert "item" not in link
    nested = adele.get(f"{place.thread_path()}/posts?$expand=attachments($expand={spelt};$select=name)").value
    assert nested[0]["attachments"][1]["item"]["subject"] == "Meeting"


def test_posts_may_be_filtered_by_what_hangs_on_them(graph: Graph, place: Place) -> None:
    adele = graph.as_("AdeleV")
    adele.reply(place)
    path = f"{place.thread_path()}/posts"
    assert adele.get(f"{path}?$filter=attachments/any(a:a/name eq 'Plans')").ids == [place.post]
    assert len(adele.get(f"{path}?$filter=attachments/$count eq 0").value) == 1


def test_only_what_is_of_the_post(graph: Graph, place: Place) -> None:
    adele = graph.as_("AdeleV")
    other = adele.attach(adele.reply(place))
    assert adele.get(f"{other.post_path()}/attachments").ids == [other.attachment]
    assert len(adele.get(f"{place.post_path()}/attachments").ids) == 3
