"""POST thread/reply, on both roads: a post at the end of the thread."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import ROADS, Answer, Graph, address, iso, recipient
from tests.protocol.shapes import well_formed

ROW = "POST thread/reply"


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    place = graph.as_("AdeleV").start()
    graph.changes()
    graph.clock.advance(10)
    body = {"post": {"body": {"contentType": "text", "content": "Yes"}}}
    answer = graph.as_("AlexW").post(f"{place.thread_path(road)}/reply", body)
    well_formed(answer)
    assert (answer.status, answer.content) == (202, b"")
    assert answer.headers["content-type"] == "text/plain"  # as the published example has it; never JSON
    assert graph.changes() == ["created post", "updated thread", "updated conversation"]
    first, second = graph.as_("AdeleV").get(f"{place.thread_path(road)}/posts").value
    assert first["id"] == place.post
    assert second["body"] == {"contentType": "text", "content": "Yes"}
    assert second["sender"] == second["from"] == recipient("AlexW")
    assert second["receivedDateTime"] == iso(graph.clock.now)
    assert second["conversationId"] == place.conversation
    assert second["conversationThreadId"] == place.thread


PUBLISHED: list[Any] = [
    # As the SDKs send it.
    {"Post": {"@odata.type": "#microsoft.graph.post", "body": {"contentType": "html", "content": "Yes"}}},
    {"POST": {"BODY": {"CONTENTTYPE": "HTML", "CONTENT": "Yes"}}},
    # As the documentation has it, with properties that are the server's to set.
    {
        "post": {
            "body": {"contentType": "html", "content": "Yes"},
            "receivedDateTime": "2026-10-19T10:37:00Z",
            "hasAttachments": True,
            "from": {"emailAddress": {"name": "Alex", "address": address("AlexW")}},
            "sender": {"emailAddress": {"address": address("AlexW")}},
            "conversationThreadId": "conversationThreadId-value",
            "newParticipants": [],
            "conversationId": "conversationId-value",
            "createdDateTime": "2026-10-19T10:37:00Z",
            "lastModifiedDateTime": "2026-10-19T10:37:00Z",
            "changeKey": "changeKey-value",
            "categories": [],
            "id": "id-value",
            "attachments": [],
        }
    },
]


@pytest.mark.parametrize("body", PUBLISHED, ids=["sdk", "capitals", "documentation"])
@pytest.mark.parametrize(
    "action", ["reply", "microsoft.graph.reply", "graph.reply", "Reply", "Microsoft.Graph.REPLY", "reply()"]
)
def test_what_clients_send_is_taken(graph: Graph, body: Any, action: str) -> None:
    place = graph.as_("AdeleV").start()
    answer = graph.as_("AlexW").post(f"{place.thread_path()}/{action}", body)
    assert (answer.status, answer.content) == (202, b"")
    post = graph.as_("AdeleV").get(f"{place.thread_path()}/posts").value[1]
    assert post["body"] == {"contentType": "html", "content": "Yes"}
    assert post["receivedDateTime"] == iso(graph.clock.now)
    assert post["hasAttachments"] is False
    assert post["conversationThreadId"] == place.thread


def test_a_byte_order_mark_is_passed_over(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    marked = b'\xef\xbb\xbf{"post": {"body": {"content": "saved by an editor"}}}'
    assert adele.post(f"{place.thread_path()}/reply", marked).status == 202
    assert adele.get(adele.newest(place).post_path()).json["body"]["content"] == "saved by an editor"
    batch = b'\xef\xbb\xbf{"requests": [{"id": "1", "method": "GET", "url": "/me"}]}'
    assert adele.post("/$batch", batch).json["responses"][0]["status"] == 200


def test_posts_of_one_second_stay_in_order(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start(content="0")
    for number in range(1, 12):
        adele.post(f"{place.thread_path()}/reply", {"post": {"body": {"content": str(number)}}})
    posts = adele.get(f"{place.thread_path()}/posts?$select=body").value
    assert [post["body"]["content"] for post in posts] == [str(number) for number in range(12)]


def test_it_answers_nobody_in_particular(graph: Graph) -> None:
    place = graph.as_("AdeleV").reply(graph.as_("AdeleV").start())
    assert graph.as_("AdeleV").get(f"{place.post_path()}/inReplyTo").status == 404


def test_new_participants_join_the_thread(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    graph.as_("AlexW").reply(place, newParticipants=[recipient("LeeG")])
    thread = graph.as_("AdeleV").get(f"{place.thread_path()}?$select=toRecipients").json
    assert thread["toRecipients"] == [recipient("SalesAndMarketing"), recipient("LeeG")]


def test_each_post_has_its_own_change_key(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    adele.reply(place)
    other = adele.start()
    posts = adele.get(f"{place.thread_path()}/posts").value + adele.get(f"{other.thread_path()}/posts").value
    keys = [post["changeKey"] for post in posts]
    assert len(set(keys)) == 3
    assert [post["@odata.etag"] for post in posts] == [f'W/"{key}"' for key in keys]
    assert [post["changeKey"] for post in adele.get(f"{place.thread_path()}/posts").value] == keys[:2]


def test_in_a_thread_of_a_conversation_with_several(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start("Launch", "first")
    adele.post(f"{place.conversation_path}/threads", {"topic": "Aside", "posts": [{"body": {"content": "second"}}]})
    graph.clock.advance(5)
    graph.as_("AlexW").reply(place, "third")
    threads = adele.get(f"{place.conversation_path}/threads").value
    assert [thread["preview"] for thread in threads] == ["third", "second"]
    assert adele.get(place.conversation_path).json["preview"] == "third"


def test_many_at_once(graph: Graph) -> None:
    """Nobody's post is lost, and the log tells of each in order."""
    place = graph.as_("AdeleV").start(content="first")
    graph.changes()
    people = [graph.as_(nick) for nick in ("AdeleV", "AlexW", "IsaiahL", "MeganB")]
    for client in people:
        path = f"{place.thread_path()}/reply"
        sent = [("POST", path, {"post": {"body": {"content": f"{client.mail} {number}"}}}) for number in range(12)]
        assert {answer.status for answer in client.together(sent)} == {202}
    posts = graph.as_("AdeleV").everything(f"{place.thread_path()}/posts?$select=body,changeKey")
    assert len({post["body"]["content"] for post in posts}) == len(posts) == 49
    assert len({post["changeKey"] for post in posts}) == 49
    assert graph.changes() == ["created post", "updated thread", "updated conversation"] * 48
    thread = graph.as_("AdeleV").get(place.thread_path()).json
    assert thread["preview"] == posts[-1]["body"]["content"]
    assert thread["uniqueSenders"] == ["Adele Vance", "Alex Wilber", "Isaiah Langer", "Megan Bowen"]


def test_no_more_participants_join_than_a_thread_has_room_for(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()

    def join(*numbers: int) -> Answer:
        joining = [{"emailAddress": {"name": "n" * 1_000, "address": f"{number}@x.example"}} for number in numbers]
        post = {"body": {"content": "Yes"}, "newParticipants": joining}
        return graph.as_("AdeleV").post(f"{place.thread_path()}/reply", {"post": post})

    assert join(*range(30)).status == join(*range(30, 60)).status == 202
    graph.changes()
    answer = join(*range(60, 70))
    assert (answer.status, answer.target) == (400, "post.newParticipants")
    assert graph.changes() == []
    assert join(*range(50, 61)).status == join().status == 202
