"""DELETE thread, on both roads: with its posts, and with the conversation when it was the last one."""

from __future__ import annotations

import pytest

from tests.harness import ROADS, Client, Graph, Place, file_attachment, iso
from tests.protocol.shapes import refused, well_formed

ROW = "DELETE thread"


def second(client: Client, place: Place, content: str) -> Place:
    """Another thread in the conversation of `place`."""
    body = {"posts": [{"body": {"contentType": "text", "content": content}}]}
    made = client.post(f"{place.conversation_path}/threads", body)
    assert made.status == 201, made
    return client.newest(Place(place.group, place.conversation, made.json["id"], ""))


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    other = second(adele, place, "stays")
    graph.changes()
    answer = adele.delete(place.thread_path(road))
    well_formed(answer)
    assert (answer.status, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert graph.changes() == ["deleted post", "deleted thread", "updated conversation"]
    for gone in (place.thread_path(), place.thread_path("through"), place.post_path(), f"{place.thread_path()}/posts"):
        refused(adele.get(gone), 404, "ErrorItemNotFound")
    refused(adele.delete(place.thread_path(road)), 404, "ErrorItemNotFound")
    assert adele.get(f"{place.conversation_path}/threads").ids == [other.thread]
    assert adele.get(other.post_path()).status == 200


@pytest.mark.parametrize("road", ROADS)
def test_the_conversation_goes_with_its_last_thread(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    kept, place = adele.start("kept"), adele.start("deleted")
    other = second(adele, place, "second")
    graph.changes()
    adele.delete(place.thread_path(road))
    assert adele.get(place.conversation_path).status == 200
    assert graph.changes() == ["deleted post", "deleted thread", "updated conversation"]
    adele.delete(other.thread_path(road))
    assert graph.changes() == ["deleted post", "deleted thread", "deleted conversation"]
    refused(adele.get(place.conversation_path), 404, "ErrorItemNotFound")
    assert adele.get(f"{place.group_path}/conversations").ids == [kept.conversation]


def test_the_conversation_tells_of_what_is_left(graph: Graph) -> None:
    adele, alex, isaiah = (graph.as_(nick) for nick in ("AdeleV", "AlexW", "IsaiahL"))
    first = adele.start("Launch", "first")
    graph.clock.advance(60)
    middle = second(alex, first, "second")
    alex_spoke = graph.clock.now
    graph.clock.advance(60)
    last = second(isaiah, first, "third")
    adele.delete(last.thread_path())
    conversation = adele.get(first.conversation_path).json
    assert conversation["preview"] == "second"
    assert conversation["uniqueSenders"] == ["Adele Vance", "Alex Wilber"]
    assert conversation["lastDeliveredDateTime"] == iso(alex_spoke)
    adele.delete(first.thread_path())
    conversation = adele.get(first.conversation_path).json
    assert conversation["uniqueSenders"] == ["Alex Wilber"]
    assert conversation["topic"] == "Launch"
    isaiah.reply(middle, "fourth")
    conversation = adele.get(first.conversation_path).json
    assert (conversation["preview"], conversation["uniqueSenders"]) == ("fourth", ["Alex Wilber", "Isaiah Langer"])


def test_attachments_are_told_of_while_they_are_there(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    other = second(adele, place, "with a file")
    adele.reply(place)
    adele.reply(other, attachments=[file_attachment()])
    told = [adele.get(path).json["hasAttachments"] for path in (place.thread_path(), other.thread_path())]
    assert told == [False, True]
    assert adele.get(place.conversation_path).json["hasAttachments"] is True
    adele.delete(other.thread_path())
    assert adele.get(place.conversation_path).json["hasAttachments"] is False


def test_who_may(graph: Graph) -> None:
    """Who began the thread, the group's owners, and applications."""
    alex = graph.as_("AlexW")
    place = alex.start()
    graph.changes()
    for nick in ("IsaiahL", "guest", "JoniS", "admin"):
        refused(graph.as_(nick).delete(place.thread_path()), 403, "ErrorAccessDenied")
    assert graph.changes() == []
    for client in (alex, graph.as_("MeganB"), graph.as_app("daemon"), graph.as_app("extended")):
        assert client.delete(alex.start().thread_path()).status == 204


def test_a_locked_thread_can_be_deleted(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    adele.patch(place.thread_path(), {"isLocked": True})
    assert adele.delete(place.thread_path()).status == 204
