"""POST thread/posts, on both roads: what the cloud lacks, a post that is answered with itself."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.harness import ROADS, ROOT, Graph, recipient
from tests.protocol.rows import EXTENDED
from tests.protocol.shapes import refused, well_formed

ROW = "POST thread/posts"
POST = {"body": {"contentType": "html", "content": "<p>Yes<script>x</script></p>"}}


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    place = graph.as_("AdeleV").start()
    graph.changes()
    graph.clock.advance(60)
    answer = graph.as_("AlexW").post(f"{place.thread_path(road)}/posts", {"Body": POST["body"]}, **EXTENDED)
    well_formed(answer)
    assert answer.status == 201
    assert graph.changes() == ["created post", "updated thread", "updated conversation"]
    post = answer.json
    assert answer.headers["location"] == f"{ROOT}{place.thread_path(road)}/posts/{quote(post['id'])}"
    found = graph.as_("AdeleV").get(answer.headers["location"])
    assert found.json == post
    assert post["@odata.context"] == f"{place.context(road, 'threads', 'posts')}/$entity"
    assert post["body"] == {"contentType": "html", "content": "<p>Yes</p>"}
    assert post["sender"] == recipient("AlexW")
    assert graph.as_("AdeleV").get(place.thread_path()).json["preview"] == "Yes"


def test_less_may_be_asked_for(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    prefer = "folkmoot.profile=extended, return=minimal"
    answer = graph.as_("AlexW").post(f"{place.thread_path()}/posts", POST, Prefer=prefer)
    well_formed(answer)
    assert (answer.status, answer.content) == (204, b"")
    assert answer.headers["odata-entityid"] == answer.headers["location"]
    assert answer.headers["preference-applied"] == "return=minimal, folkmoot.profile=extended"
    assert graph.as_("AlexW").get(answer.headers["location"]).json["sender"] == recipient("AlexW")


def test_the_cloud_has_no_such_method(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    graph.changes()
    answer = graph.as_("AdeleV").post(f"{place.thread_path()}/posts", POST)
    refused(answer, 405, "Request_BadRequest")
    assert answer.headers["allow"] == "GET"
    assert graph.changes() == []


def test_a_locked_thread_takes_none(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    assert adele.patch(place.thread_path(), {"isLocked": True}).status == 200
    refused(adele.post(f"{place.thread_path()}/posts", POST, **EXTENDED), 403, "ErrorAccessDenied")


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"sender": {}}, "sender.emailAddress.address"),
        ({"newParticipants": [{}]}, "newParticipants[0].emailAddress.address"),
        ({"body": {"contentType": "rtf"}}, "body.contentType"),
        ({"from": {"emailAddress": {"address": "x"}}}, "from.emailAddress.address"),
    ],
)
def test_the_property_at_fault_is_named(graph: Graph, body: object, target: str) -> None:
    place = graph.as_("AdeleV").start()
    refused(graph.as_("AdeleV").post(f"{place.thread_path()}/posts", body, **EXTENDED), 400, "BadRequest", target)
