"""DELETE post, on both roads: what the cloud lacks, one's own post taken back."""

from __future__ import annotations

import pytest

from tests.harness import ROADS, Graph
from tests.protocol.rows import EXTENDED
from tests.protocol.shapes import refused, well_formed

ROW = "DELETE post"


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    adele, alex = graph.as_("AdeleV"), graph.as_("AlexW")
    first = adele.start(content="first")
    before = adele.get(first.thread_path()).json
    graph.clock.advance(60)
    second = alex.reply(first, "second")
    graph.changes()
    answer = alex.delete(second.post_path(road), **EXTENDED)
    well_formed(answer)
    assert (answer.status, answer.content) == (204, b"")
    assert graph.changes() == ["deleted post", "updated thread", "updated conversation"]
    refused(adele.get(second.post_path(road)), 404, "ErrorItemNotFound")
    assert adele.get(f"{first.thread_path()}/posts").ids == [first.post]
    after = adele.get(first.thread_path()).json
    # Who posted has posted.
    assert after == before | {"uniqueSenders": ["Adele Vance", "Alex Wilber"]}
    conversation = adele.get(first.conversation_path).json
    assert conversation["preview"] == "first"
    assert conversation["lastDeliveredDateTime"] == before["lastDeliveredDateTime"]


def test_one_in_the_middle_shows_nowhere_else(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    first = adele.start(content="first")
    second = adele.reply(first, "second")
    graph.clock.advance(1)
    third = adele.reply(second, "third", to_post=True)
    graph.changes()
    assert adele.delete(second.post_path(), **EXTENDED).status == 204
    assert graph.changes() == ["deleted post"]
    # What answered it answers nothing.
    refused(adele.get(f"{third.post_path()}/inReplyTo"), 404, "ErrorItemNotFound")
    assert adele.get(f"{third.post_path()}?$expand=inReplyTo").json["inReplyTo"] is None


def test_a_thread_goes_with_its_last_post(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    body = {"topic": "Other", "posts": [{"body": {"content": "other"}}]}
    other = adele.post(f"{place.conversation_path}/threads", body).json["id"]
    graph.changes()
    assert adele.delete(place.post_path(), **EXTENDED).status == 204
    assert graph.changes() == ["deleted post", "deleted thread", "updated conversation"]
    assert adele.get(f"{place.conversation_path}/threads").ids == [other]
    post = adele.get(f"{place.group_path}/threads/{other}/posts").ids[0]
    assert adele.delete(f"{place.group_path}/threads/{other}/posts/{post}", **EXTENDED).status == 204
    assert graph.changes() == ["deleted post", "deleted thread", "deleted conversation"]
    refused(adele.get(place.conversation_path), 404, "ErrorItemNotFound")


def test_owners_and_authors_may_and_others_not(graph: Graph) -> None:
    alex = graph.as_("AlexW")
    place = alex.start()
    for nick in ("IsaiahL", "LeeG"):
        refused(graph.as_(nick).delete(place.post_path(), **EXTENDED), 403, "ErrorAccessDenied")
    for client in (alex, graph.as_("MeganB"), graph.as_app("extended")):
        reply = alex.reply(place)
        assert client.delete(reply.post_path(), **EXTENDED).status == 204


def test_a_locked_thread_is_its_owners_to_change(graph: Graph) -> None:
    alex = graph.as_("AlexW")
    place = alex.start()
    alex.patch(place.thread_path(), {"isLocked": True})
    refused(alex.delete(place.post_path(), **EXTENDED), 403, "ErrorAccessDenied")
    assert graph.as_("MeganB").delete(place.post_path(), **EXTENDED).status == 204


def test_an_etag_that_is_old_is_refused(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    old = adele.get(place.post_path()).json["@odata.etag"]
    adele.patch(place.post_path(), {"categories": ["x"]}, **EXTENDED)
    graph.changes()
    refused(adele.delete(place.post_path(), If_Match=old, **EXTENDED), 412, "resourceModified")
    assert graph.changes() == []
    new = adele.get(place.post_path()).json["@odata.etag"]
    assert adele.delete(place.post_path(), If_Match=new, **EXTENDED).status == 204


def test_an_etag_of_what_has_none_is_left_aside(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    assert adele.patch(place.thread_path(), {"topic": "x"}, If_Match='W/"x"').status == 200
    assert adele.delete(place.thread_path(), If_Match='W/"x"').status == 204


def test_the_cloud_has_no_such_method(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    answer = graph.as_("AdeleV").delete(place.post_path())
    refused(answer, 405, "Request_BadRequest")
    assert answer.headers["allow"] == "GET"
