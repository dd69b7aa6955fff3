"""POST group/threads starts a conversation; POST conversation/threads adds a thread to one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import GROUP, ROOT, Graph, Place, address, iso, recipient
from tests.protocol.shapes import refused, well_formed

ROWS = ("POST group/threads", "POST conversation/threads")
GROUP_ID = GROUP["SalesAndMarketing"]
PATH = f"/groups/{GROUP_ID}/threads"
POST = {"body": {"contentType": "text", "content": "Hello"}}


def test_in_a_group_it_starts_a_conversation(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    answer = adele.post(PATH, {"topic": "Launch", "posts": [POST]})
    well_formed(answer)
    assert answer.status == 201
    made = answer.json
    assert made == {
        "@odata.context": f"{ROOT}/$metadata#groups('{GROUP_ID}')/threads/$entity",
        "id": made["id"],
        "topic": "Launch",
        "hasAttachments": False,
        "lastDeliveredDateTime": iso(graph.clock.now),
        "uniqueSenders": ["Adele Vance"],
        "preview": "Hello",
        "isLocked": False,
    }
    assert graph.changes() == ["created post", "created thread", "created conversation"]
    assert [item["topic"] for item in adele.get(f"/groups/{GROUP_ID}/conversations").value] == ["Launch"]
    post = adele.get(f"{PATH}/{made['id']}/posts").value[0]
    assert adele.get(f"/groups/{GROUP_ID}/conversations/{post['conversationId']}/threads").ids == [made["id"]]


def test_in_a_conversation_it_adds_a_thread(graph: Graph) -> None:
    place = graph.as_("AdeleV").start("Launch")
    graph.changes()
    graph.clock.advance(60)
    answer = graph.as_("AlexW").post(f"{place.conversation_path}/threads", {"topic": "Aside", "posts": [POST]})
    well_formed(answer)
    assert answer.status == 201
    assert answer.json == {"@odata.context": f"{place.context('through', 'threads')}/$entity", "id": answer.json["id"]}
    assert graph.changes() == ["created post", "created thread", "updated conversation"]
    adele = graph.as_("AdeleV")
    assert adele.get(f"{place.conversation_path}/threads").ids == [place.thread, answer.json["id"]]  # oldest first
    assert adele.get(f"{PATH}/{answer.json['id']}").json["topic"] == "Aside"


def test_the_conversation_tells_of_the_new_thread(graph: Graph) -> None:
    place = graph.as_("AdeleV").start("Launch", "first")
    graph.clock.advance(60)
    graph.as_("AlexW").post(f"{place.conversation_path}/threads", {"posts": [{"body": {"content": "second"}}]})
    conversation = graph.as_("AdeleV").get(place.conversation_path).json
    assert conversation["topic"] == "Launch"
    assert conversation["preview"] == "second"
    assert conversation["uniqueSenders"] == ["Adele Vance", "Alex Wilber"]
    assert conversation["lastDeliveredDateTime"] == iso(graph.clock.now)
    first = graph.as_("AdeleV").get(place.thread_path()).json
    assert (first["preview"], first["uniqueSenders"]) == ("first", ["Adele Vance"])


def test_a_thread_of_the_same_second_is_the_newer_one(graph: Graph) -> None:
    place = graph.as_("AdeleV").start("Launch", "first")
    graph.as_("AlexW").post(f"{place.conversation_path}/threads", {"posts": [{"body": {"content": "second"}}]})
    assert graph.as_("AdeleV").get(place.conversation_path).json["preview"] == "second"


@pytest.mark.parametrize(("given", "topic"), [({}, "Launch"), ({"topic": None}, "Launch"), ({"topic": "Own"}, "Own")])
def test_a_thread_has_the_conversations_topic_unless_it_brings_its_own(graph: Graph, given: Any, topic: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start("Launch")
    made = adele.post(f"{place.conversation_path}/threads", {**given, "posts": [POST]}).json
    assert adele.get(f"{PATH}/{made['id']}").json["topic"] == topic


@pytest.mark.parametrize("where", ["group", "conversation"])
def test_what_it_brings_is_kept(graph: Graph, where: str) -> None:
    adele = graph.as_("AdeleV")
    path = PATH if where == "group" else f"{adele.start().conversation_path}/threads"
    body = {
        "Topic": "Brought",
        "ToRecipients": [recipient("LynneR")],
        "ccRecipients": [{"EmailAddress": {"Address": "cc@outside.example"}}],
        "Posts": [
            {
                "Body": {"ContentType": "HTML", "Content": "<i>hi</i><script>x</script>"},
                "NewParticipants": [recipient("LeeG")],
                "Categories": ["Red"],
            }
        ],
    }
    id = adele.post(path, body).json["id"]
    thread = adele.get(f"{PATH}/{id}?$select=topic,toRecipients,ccRecipients").json
    assert thread["topic"] == "Brought"
    assert [each["emailAddress"]["address"] for each in thread["toRecipients"]] == [
        address("SalesAndMarketing"),
        address("LynneR"),
        address("LeeG"),
    ]
    assert thread["ccRecipients"] == [{"emailAddress": {"name": None, "address": "cc@outside.example"}}]
    post = adele.get(f"{PATH}/{id}/posts").value[0]
    assert post["body"] == {"contentType": "html", "content": "<i>hi</i>"}
    assert post["newParticipants"] == [recipient("LeeG")]
    assert post["categories"] == ["Red"]


def test_a_locked_thread_does_not_keep_another_from_being_started(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    adele.patch(place.thread_path(), {"isLocked": True})
    assert adele.post(f"{place.conversation_path}/threads", {"posts": [POST]}).status == 201


def test_a_clock_that_was_set_back_does_not_put_it_before_the_others(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    before = graph.clock.now
    graph.clock.advance(-600)
    id = adele.post(f"{place.conversation_path}/threads", {"posts": [POST]}).json["id"]
    assert adele.get(f"{PATH}/{id}").json["lastDeliveredDateTime"] == iso(before)
    assert adele.get(place.conversation_path).json["lastDeliveredDateTime"] == iso(before)


def test_an_extended_application_may(graph: Graph) -> None:
    extended = graph.as_app("extended")
    made = extended.post(PATH, {"topic": "x", "posts": [POST]})
    assert made.json["uniqueSenders"] == ["Sales and Marketing"]


def test_a_refused_one_leaves_nothing_behind(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place: Place = adele.start()
    graph.changes()
    for path in (PATH, f"{place.conversation_path}/threads"):
        refused(adele.post(path, {"posts": [POST | {"sender": recipient("AlexW")}]}), 403, "ErrorSendAsDenied")
        assert adele.post(path, {"posts": []}).status == 400
    assert adele.get(PATH).ids == [place.thread]
    assert graph.changes() == []
