"""GET thread, on both roads."""

from __future__ import annotations

import pytest

from tests.harness import ROADS, Graph, address, iso, recipient
from tests.protocol.library import Library
from tests.protocol.shapes import well_formed

ROW = "GET thread"


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    place = graph.as_("AdeleV").start("Launch", "Hello")
    answer = graph.as_("AlexW").get(place.thread_path(road))
    well_formed(answer)
    assert answer.status == 200
    assert answer.json == {
        "@odata.context": f"{place.context(road, 'threads')}/$entity",
        "id": place.thread,
        "topic": "Launch",
        "hasAttachments": False,
        "lastDeliveredDateTime": iso(graph.clock.now),
        "uniqueSenders": ["Adele Vance"],
        "preview": "Hello",
        "isLocked": False,
    }


@pytest.mark.parametrize("road", ROADS)
def test_recipients_come_when_they_are_asked_for(graph: Graph, road: str) -> None:
    place = graph.as_("AdeleV").start(newParticipants=[recipient("LeeG")])
    answer = graph.as_("AlexW").get(f"{place.thread_path(road)}?$select=toRecipients,ccRecipients")
    group = {"emailAddress": {"name": "Sales and Marketing", "address": address("SalesAndMarketing")}}
    assert answer.json == {
        "@odata.context": f"{place.context(road, 'threads')}(toRecipients,ccRecipients)/$entity",
        "id": place.thread,
        "toRecipients": [group, recipient("LeeG")],
        "ccRecipients": [],
    }


def test_it_is_what_the_list_says(library: Library) -> None:
    adele = library.as_("AdeleV")
    for item in adele.everything(f"{library.launch.group_path}/threads"):
        found = adele.get(f"{library.launch.group_path}/threads/{item['id']}").json
        assert {name: value for name, value in found.items() if not name.startswith("@")} == item


def test_a_reply_changes_what_it_tells(graph: Graph) -> None:
    place = graph.as_("AdeleV").start("Launch", "Hello")
    other = graph.as_("AdeleV").start("Other", "Untouched")
    before = graph.as_("AdeleV").get(other.thread_path()).json
    graph.clock.advance(5)
    outside = {"emailAddress": {"name": "Ann", "address": "Ann@Outside.example"}}
    graph.as_("AlexW").reply(place, "Welcome Ann", newParticipants=[outside, recipient("LeeG")])
    graph.as_("AlexW").reply(place, "And again", newParticipants=[{"emailAddress": {"address": "ann@outside.EXAMPLE"}}])
    thread = graph.as_("AdeleV").get(f"{place.thread_path()}?$select=*,toRecipients").json
    assert thread["uniqueSenders"] == ["Adele Vance", "Alex Wilber"]
    assert thread["preview"] == "And again"
    assert thread["lastDeliveredDateTime"] == iso(graph.clock.now)
    selected = graph.as_("AdeleV").get(f"{place.thread_path()}?$select=toRecipients").json["toRecipients"]
    assert selected[1:] == [outside, recipient("LeeG")]  # each address once, as it was first written
    assert graph.as_("AdeleV").get(other.thread_path()).json == before
