"""POST post/reply, on both roads: a post that answers another."""

from __future__ import annotations

import pytest

from tests.harness import ROADS, Graph, address, recipient
from tests.protocol.shapes import refused, well_formed

ROW = "POST post/reply"


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    place = graph.as_("AdeleV").start()
    graph.changes()
    body = {"Post": {"body": {"contentType": "text", "content": "Yes"}, "newParticipants": [recipient("LeeG")]}}
    answer = graph.as_("AlexW").post(f"{place.post_path(road)}/reply", body)
    well_formed(answer)
    assert (answer.status, answer.content) == (202, b"")
    assert answer.headers["content-type"] == "text/plain"
    assert graph.changes() == ["created post", "updated thread", "updated conversation"]
    answered, new = graph.as_("AdeleV").get(f"{place.thread_path()}/posts").value
    assert new["sender"] == recipient("AlexW")
    thread = graph.as_("AdeleV").get(f"{place.thread_path()}?$select=toRecipients").json
    assert thread["toRecipients"][1:] == [recipient("LeeG")]
    found = graph.as_("AdeleV").get(f"{place.thread_path(road)}/posts/{new['id']}/inReplyTo").json
    assert {name: value for name, value in found.items() if name != "@odata.context"} == answered


@pytest.mark.parametrize("road", ROADS)
def test_one_may_go_by_way_of_what_was_answered(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    first = adele.start(content="first")
    second = adele.reply(first, "second", to_post=True)
    graph.changes()
    assert adele.post(f"{second.post_path(road)}/inReplyTo/microsoft.graph.reply", {"post": {}}).status == 202
    third = adele.newest(first)
    assert adele.get(f"{third.post_path()}/inReplyTo").json["id"] == first.post
    assert graph.changes() == ["created post", "updated thread", "updated conversation"]
    refused(adele.post(f"{first.post_path(road)}/inReplyTo/reply", {"post": {}}), 404, "ErrorItemNotFound")


def test_an_application_may_and_speaks_as_the_group(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    daemon = graph.as_app("daemon")
    assert daemon.post(f"{place.post_path()}/reply", {"post": {"body": {"content": "beep"}}}).status == 202
    post = graph.as_("AdeleV").get(f"{place.thread_path()}/posts").value[1]
    own = {"emailAddress": {"name": "Sales and Marketing", "address": address("SalesAndMarketing")}}
    assert post["sender"] == post["from"] == own
    body = {"post": {"sender": {"emailAddress": {"name": "Bot", "address": address("SalesAndMarketing")}}}}
    assert daemon.post(f"{place.post_path()}/reply", body).status == 202
    senders = graph.as_("AdeleV").get(place.thread_path()).json["uniqueSenders"]
    assert senders == ["Adele Vance", "Sales and Marketing", "Bot"]


def test_an_application_may_in_a_private_group(graph: Graph) -> None:
    place = graph.as_("DiegoS").start(group="HR")
    assert graph.as_app("daemon").post(f"{place.post_path()}/reply", {"post": {}}).status == 202
