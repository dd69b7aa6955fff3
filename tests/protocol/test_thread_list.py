"""GET group/threads, GET conversation/threads, and how many there are (/$count)."""

from __future__ import annotations

from tests.harness import Graph, iso
from tests.protocol.library import Library
from tests.protocol.shapes import well_formed

ROWS = (
    "GET group/threads",
    "GET group/threads/$count",
    "GET conversation/threads",
    "GET conversation/threads/$count",
)


def test_it_works_on_both_roads(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start("Launch", "Hello")
    expected = {
        "id": place.thread,
        "topic": "Launch",
        "hasAttachments": False,
        "lastDeliveredDateTime": iso(graph.clock.now),
        "uniqueSenders": ["Adele Vance"],
        "preview": "Hello",
        "isLocked": False,
    }
    for road in ("direct", "through"):
        answer = adele.get(f"{place.above(road)}/threads")
        well_formed(answer)
        assert answer.json == {"@odata.context": place.context(road, "threads"), "value": [expected]}
        assert list(answer.value[0]) == list(expected)


def test_a_groups_threads_come_newest_first_and_a_conversations_oldest_first(library: Library) -> None:
    adele = library.as_("AdeleV")
    of_group = adele.everything(f"{library.parts.group_path}/threads?$select=topic")
    parts = [item["topic"] for item in adele.everything(f"{library.parts.conversation_path}/threads?$select=topic")]
    assert parts == ["Parts", *(f"Part {number:02}" for number in range(1, 25))]
    assert [item["topic"] for item in of_group][:25] == parts[::-1]


def test_a_groups_threads_are_those_of_all_its_conversations(library: Library) -> None:
    adele = library.as_("AdeleV")
    below = []
    for conversation in adele.everything(f"{library.launch.group_path}/conversations?$select=id"):
        path = f"{library.launch.group_path}/conversations/{conversation['id']}/threads"
        below += [thread["id"] for thread in adele.everything(path)]
    assert sorted(below) == sorted(item["id"] for item in adele.everything(f"{library.launch.group_path}/threads"))


def test_counts(library: Library) -> None:
    adele = library.as_("AdeleV")
    path = library.parts.conversation_path
    assert adele.get(f"{path}/threads/$count").text == "25"
    assert adele.get(f"{path}/threads/$count?$filter=startswith(topic,'Part 1')").text == "10"
    of_group = adele.everything(f"{library.parts.group_path}/threads")
    assert adele.get(f"{library.parts.group_path}/threads/$count").text == str(len(of_group))
    locked = sum(item["isLocked"] for item in of_group)
    assert adele.get(f"{library.parts.group_path}/threads/$count?$filter=isLocked").text == str(locked)


def test_recipients_come_when_they_are_asked_for(library: Library) -> None:
    adele = library.as_("AdeleV")
    for road in ("direct", "through"):
        path = f"{library.launch.above(road)}/threads"
        assert all("toRecipients" not in item and "ccRecipients" not in item for item in adele.get(path).value)
        for item in adele.get(f"{path}?$select=toRecipients,ccRecipients").value:
            assert list(item) == ["id", "toRecipients", "ccRecipients"]
            assert item["toRecipients"][0]["emailAddress"]["name"] == "Sales and Marketing"
