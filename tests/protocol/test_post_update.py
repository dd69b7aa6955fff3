"""PATCH post, on both roads: what the cloud lacks, one's own post said otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import ROADS, Graph, iso
from tests.protocol.rows import EXTENDED
from tests.protocol.shapes import refused, well_formed

ROW = "PATCH post"


def text(content: str) -> dict[str, Any]:
    return {"body": {"contentType": "text", "content": content}}


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.reply(adele.start(), "second", categories=["Old"])
    before = adele.get(place.post_path()).json
    graph.changes()
    graph.clock.advance(60)
    answer = adele.patch(place.post_path(road), text("2nd"), **EXTENDED)
    well_formed(answer)
    assert answer.status == 200
    assert graph.changes() == ["updated post", "updated thread", "updated conversation"]
    after = answer.json
    assert adele.get(place.post_path(road)).json == after
    changed = {name for name in after if name != "@odata.context" and after[name] != before[name]}
    assert changed == {"@odata.etag", "changeKey", "lastModifiedDateTime", "body"}
    assert after["lastModifiedDateTime"] == iso(graph.clock.now)
    assert after["body"]["content"] == "2nd"
    assert adele.get(place.thread_path()).json["preview"] == "2nd"
    assert adele.get(place.conversation_path).json["preview"] == "2nd"
    assert adele.get(place.thread_path()).json["lastDeliveredDateTime"] == before["receivedDateTime"]


def test_what_is_not_the_newest_shows_nowhere_else(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    first = adele.start(content="first")
    adele.reply(first, "second")
    graph.changes()
    assert adele.patch(first.post_path(), text("1st"), **EXTENDED).status == 200
    assert graph.changes() == ["updated post"]
    assert adele.get(first.thread_path()).json["preview"] == "second"


def test_the_conversation_tells_of_its_newest_thread(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(content="first")
    graph.clock.advance(1)
    body = {"topic": "Other", "posts": [text("other")]}
    assert adele.post(f"{place.conversation_path}/threads", body).status == 201
    graph.changes()
    assert adele.patch(place.post_path(), text("1st"), **EXTENDED).status == 200
    assert graph.changes() == ["updated post", "updated thread"]
    assert adele.get(place.thread_path()).json["preview"] == "1st"
    assert adele.get(place.conversation_path).json["preview"] == "other"


def test_one_may_go_by_way_of_what_was_answered(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    first = adele.start(content="first")
    second = adele.reply(first, "second", to_post=True)
    answer = adele.patch(f"{second.post_path()}/inReplyTo", text("1st"), **EXTENDED)
    assert (answer.status, answer.json["id"]) == (200, first.post)
    assert adele.get(first.post_path()).json == answer.json
    assert adele.delete(f"{second.post_path()}/inReplyTo", **EXTENDED).status == 204
    assert adele.get(f"{first.thread_path()}/posts").ids == [second.post]


def test_categories_alone(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(content="first", categories=["Old"])
    graph.changes()
    assert adele.patch(place.post_path(), {"categories": ["New"]}, **EXTENDED).json["categories"] == ["New"]
    assert graph.changes() == ["updated post"]
    for same in ({"categories": ["New"]}, text("first"), {}, {"hasAttachments": True}):
        assert adele.patch(place.post_path(), same, **EXTENDED).status == 200
    assert graph.changes() == []


def test_html_is_made_safe(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    body = {"body": {"contentType": "HTML", "content": "<b onclick=x>So</b>"}}
    answer = adele.patch(place.post_path(), body, **EXTENDED)
    assert answer.json["body"] == {"contentType": "html", "content": "<b>So</b>"}
    assert adele.get(place.thread_path()).json["preview"] == "So"


def test_less_may_be_asked_for(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    prefer = "return=minimal, folkmoot.profile=extended"
    answer = graph.as_("AdeleV").patch(place.post_path(), text("x"), Prefer=prefer)
    assert (answer.status, answer.content) == (204, b"")


def test_an_etag_that_is_old_is_refused(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    old = adele.get(place.post_path()).json["@odata.etag"]
    assert adele.patch(place.post_path(), text("one"), If_Match=old, **EXTENDED).status == 200
    graph.changes()
    answer = adele.patch(place.post_path(), text("two"), If_Match=old, **EXTENDED)
    refused(answer, 412, "resourceModified")
    assert graph.changes() == []
    new = adele.get(place.post_path()).json
    for given in ("*", f'"x", {new["@odata.etag"]}', f'"{new["changeKey"]}"'):
        assert adele.patch(place.post_path(), text("one"), If_Match=given, **EXTENDED).status == 200
    refused(adele.patch(place.post_path(), text("x"), If_Match="nonsense", **EXTENDED), 412, "resourceModified")


def test_what_others_wrote_is_theirs(graph: Graph) -> None:
    place = graph.as_("AlexW").start()
    graph.changes()
    for client in (graph.as_("AdeleV"), graph.as_("IsaiahL"), graph.as_app("extended"), graph.as_("admin")):
        message = refused(client.patch(place.post_path(), text("x"), **EXTENDED), 403, "ErrorAccessDenied")
        assert "wrote" in message
    assert graph.changes() == []


def test_an_application_may_its_own(graph: Graph) -> None:
    extended = graph.as_app("extended")
    place = extended.start()
    assert extended.patch(place.post_path(), text("beep")).json["body"]["content"] == "beep"


def test_a_locked_thread_stays_as_it_is(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    adele.patch(place.thread_path(), {"isLocked": True})
    refused(adele.patch(place.post_path(), text("x"), **EXTENDED), 403, "ErrorAccessDenied")


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"body": {"content": "x"}}, "body.contentType"),
        ({"body": {"contentType": "text"}}, "body.content"),
        ({"body": None}, "body"),
        ({"categories": None}, "categories"),
        ({"categories": [1]}, "categories[0]"),
    ],
)
def test_the_property_at_fault_is_named(graph: Graph, body: object, target: str) -> None:
    place = graph.as_("AdeleV").start()
    refused(graph.as_("AdeleV").patch(place.post_path(), body, **EXTENDED), 400, "BadRequest", target)


def test_the_cloud_has_no_such_method(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    refused(graph.as_("AdeleV").patch(place.post_path(), text("x")), 405, "Request_BadRequest")
