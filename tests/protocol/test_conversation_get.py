"""GET conversation."""

from __future__ import annotations

from folkmoot.store import integrity
from tests.harness import Graph, iso
from tests.protocol.library import Library
from tests.protocol.shapes import well_formed

ROW = "GET conversation"


def test_it_works(graph: Graph) -> None:
    place = graph.as_("AdeleV").start("Launch", "Hello")
    answer = graph.as_("guest").get(place.conversation_path)
    well_formed(answer)
    assert answer.status == 200
    assert answer.json == {
        "@odata.context": f"{place.context('direct', 'conversations')}/$entity",
        "id": place.conversation,
        "topic": "Launch",
        "hasAttachments": False,
        "lastDeliveredDateTime": iso(graph.clock.now),
        "uniqueSenders": ["Adele Vance"],
        "preview": "Hello",
    }


def test_it_is_what_the_list_says(library: Library) -> None:
    adele = library.as_("AdeleV")
    for item in adele.everything(f"{library.launch.group_path}/conversations"):
        found = adele.get(f"{library.launch.group_path}/conversations/{item['id']}").json
        assert {name: value for name, value in found.items() if not name.startswith("@")} == item


def test_a_reply_changes_what_it_tells(graph: Graph) -> None:
    place = graph.as_("AdeleV").start("Launch", "Hello")
    graph.clock.advance(90)
    graph.as_("AlexW").reply(place, "Good morning")
    graph.clock.advance(90)
    graph.as_("AdeleV").reply(place, "<b>Bye</b>", body={"contentType": "html", "content": "<b>Bye</b>"})
    conversation = graph.as_("AdeleV").get(place.conversation_path).json
    assert conversation["uniqueSenders"] == ["Adele Vance", "Alex Wilber"]  # each once, in order of first speaking
    assert conversation["preview"] == "Bye"
    assert conversation["lastDeliveredDateTime"] == iso(graph.clock.now)


def test_a_clock_that_was_set_back_does_not_set_the_conversation_back(graph: Graph) -> None:
    place = graph.as_("AdeleV").start()
    before = graph.clock.now
    graph.clock.advance(-3600)
    later = graph.as_("AlexW").reply(place, "later")
    conversation = graph.as_("AdeleV").get(place.conversation_path).json
    assert conversation["lastDeliveredDateTime"] == iso(before)
    assert conversation["preview"] == "later"
    posts = graph.as_("AdeleV").get(f"{place.thread_path()}/posts").ids
    assert posts == [place.post, later.post]


def test_it_tells_the_preview_of_the_thread_that_spoke_last(graph: Graph) -> None:
    """By the times that are told: clocks of servers differ, and are set back."""
    adele = graph.as_("AdeleV")
    place = adele.start("Launch", "first")
    graph.clock.advance(3600)
    latest = graph.clock.now
    adele.post(f"{place.conversation_path}/threads", {"topic": "Budget", "posts": [{"body": {"content": "second"}}]})
    graph.clock.advance(-1800)
    adele.reply(place, "third")
    conversation = adele.get(place.conversation_path).json
    assert (conversation["lastDeliveredDateTime"], conversation["preview"]) == (iso(latest), "second")
    assert adele.get(place.thread_path()).json["preview"] == "third"
    graph.clock.advance(1800)
    adele.reply(place, "fourth")
    assert adele.get(place.conversation_path).json["preview"] == "fourth"
    assert integrity.of_group(graph.store, place.group)[1] == []
