"""GET post, on both roads, and by way of inReplyTo."""

from __future__ import annotations

import pytest

from tests.harness import ROADS, Graph
from tests.protocol.library import Library
from tests.protocol.shapes import refused, well_formed

ROW = "GET post"


@pytest.mark.parametrize("road", ROADS)
def test_it_works(library: Library, road: str) -> None:
    adele = library.as_("AdeleV")
    place = library.launch
    listed = adele.get(f"{place.thread_path(road)}/posts").value
    for item in listed:
        answer = adele.get(f"{place.thread_path(road)}/posts/{item['id']}")
        well_formed(answer)
        context = place.context(road, "threads", "posts")
        assert answer.json == {"@odata.context": f"{context}/$entity", **item}


@pytest.mark.parametrize("road", ROADS)
def test_what_a_post_answers(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    first = adele.start(content="first")
    second = adele.reply(first, "second", to_post=True)
    third = adele.reply(second, "third", to_post=True)
    answer = adele.get(f"{third.post_path(road)}/inReplyTo")
    assert answer.json["id"] == second.post
    assert answer.json["body"]["content"] == "second"
    assert answer.json["@odata.context"].endswith("/inReplyTo/$entity")
    assert adele.get(f"{third.post_path(road)}/inReplyTo/inReplyTo").json["id"] == first.post
    refused(adele.get(f"{third.post_path(road)}/inReplyTo/inReplyTo/inReplyTo"), 404, "ErrorItemNotFound")
    refused(adele.get(f"{first.post_path(road)}/inReplyTo"), 404, "ErrorItemNotFound")


def test_other_replies_leave_a_post_as_it_is(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    before = adele.get(place.post_path()).json
    graph.clock.advance(60)
    adele.reply(place, to_post=True)
    assert adele.get(place.post_path()).json == before
