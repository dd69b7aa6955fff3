"""GET thread/posts and GET thread/posts/$count, on both roads."""

from __future__ import annotations

import pytest

from tests.harness import ROADS, Graph, iso, recipient
from tests.protocol.library import Library
from tests.protocol.shapes import well_formed

ROWS = ("GET thread/posts", "GET thread/posts/$count")


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    place = graph.as_("AdeleV").start("Launch", "Hello")
    answer = graph.as_("AlexW").get(f"{place.thread_path(road)}/posts")
    well_formed(answer)
    assert answer.status == 200
    key = answer.value[0]["changeKey"]
    expected = {
        "@odata.etag": f'W/"{key}"',
        "id": place.post,
        "createdDateTime": iso(graph.clock.now),
        "lastModifiedDateTime": iso(graph.clock.now),
        "changeKey": key,
        "categories": [],
        "receivedDateTime": iso(graph.clock.now),
        "hasAttachments": False,
        "body": {"contentType": "text", "content": "Hello"},
        "from": recipient("AdeleV"),
        "sender": recipient("AdeleV"),
        "newParticipants": [],
        "conversationId": place.conversation,
        "conversationThreadId": place.thread,
    }
    assert answer.json == {"@odata.context": place.context(road, "threads", "posts"), "value": [expected]}
    assert list(answer.value[0]) == list(expected)


@pytest.mark.parametrize("road", ROADS)
def test_the_oldest_comes_first(library: Library, road: str) -> None:
    posts = library.as_("AdeleV").get(f"{library.talk.thread_path(road)}/posts").value
    texts = [post["body"]["content"] for post in posts]
    assert [text.removeprefix("<i>").removesuffix("</i>") for text in texts] == [f"post {n}" for n in range(30)]
    assert [post["receivedDateTime"] for post in posts] == sorted(post["receivedDateTime"] for post in posts)


@pytest.mark.parametrize("road", ROADS)
def test_counts(library: Library, road: str) -> None:
    adele, path = library.as_("AdeleV"), f"{library.talk.thread_path(road)}/posts/$count"
    assert adele.get(path).text == "30"
    assert adele.get(f"{path}?$filter=body/contentType eq 'html'").text == "7"
    assert adele.get(f"{path}?$filter=from/emailAddress/name eq 'Lynne Robbins'").text == "6"


def test_only_the_threads_own(library: Library) -> None:
    posts = library.as_("AdeleV").get(f"{library.launch.thread_path()}/posts").value
    assert {post["conversationThreadId"] for post in posts} == {library.launch.thread}
    assert len(posts) == 3
