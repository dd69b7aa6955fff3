"""GET group/conversations and GET group/conversations/$count."""

from __future__ import annotations

from tests.harness import GROUP, ROOT, Graph, iso
from tests.protocol.library import Library
from tests.protocol.shapes import well_formed

ROWS = ("GET group/conversations", "GET group/conversations/$count")
GROUP_ID = GROUP["SalesAndMarketing"]
PATH = f"/groups/{GROUP_ID}/conversations"


def test_an_empty_list(graph: Graph) -> None:
    answer = graph.as_("AdeleV").get(PATH)
    well_formed(answer)
    assert answer.json == {"@odata.context": f"{ROOT}/$metadata#groups('{GROUP_ID}')/conversations", "value": []}
    assert graph.as_("AdeleV").get(f"{PATH}/$count").text == "0"


def test_it_works(graph: Graph) -> None:
    place = graph.as_("AdeleV").start("Launch", "Hello")
    answer = graph.as_("AlexW").get(PATH)
    assert answer.status == 200
    assert list(answer.json) == ["@odata.context", "value"]
    assert answer.value == [
        {
            "id": place.conversation,
            "topic": "Launch",
            "hasAttachments": False,
            "lastDeliveredDateTime": iso(graph.clock.now),
            "uniqueSenders": ["Adele Vance"],
            "preview": "Hello",
        }
    ]
    names = ["id", "topic", "hasAttachments", "lastDeliveredDateTime", "uniqueSenders", "preview"]
    assert list(answer.value[0]) == names


def test_the_newest_beginning_comes_first_whatever_is_said_later(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    places = []
    for number in range(3):
        places.append(adele.start(f"number {number}"))
        graph.clock.advance(10)
    adele.reply(places[0])
    assert [item["topic"] for item in adele.get(PATH).value] == ["number 2", "number 1", "number 0"]
    latest = adele.get(f"{PATH}?$orderby=lastDeliveredDateTime desc").value
    assert [item["topic"] for item in latest] == ["number 0", "number 2", "number 1"]


def test_those_of_one_second_come_as_they_were_started(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    for number in range(5):
        adele.start(f"number {number}")
    assert [item["topic"] for item in adele.get(PATH).value] == [f"number {number}" for number in (4, 3, 2, 1, 0)]


def test_each_group_has_its_own(library: Library) -> None:
    lee = library.as_("LeeG")
    assert [item["topic"] for item in lee.get(f"/groups/{GROUP['Mark8']}/conversations").value] == ["Mark 8"]
    assert "Mark 8" not in [item["topic"] for item in lee.everything(PATH)]


def test_a_group_that_holds_none_has_an_empty_list(library: Library) -> None:
    assert library.as_("LeeG").get(f"/groups/{GROUP['Engineering']}/conversations").value == []


def test_the_count_is_a_bare_number(library: Library) -> None:
    adele = library.as_("AdeleV")
    answer = adele.get(f"{PATH}/$count")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.text == str(len(adele.everything(PATH)))
    assert adele.get(f"{PATH}/$count?$filter=topic eq 'Launch plan'").text == "2"
    assert adele.get(f"{PATH}/$count?$filter=topic eq 'nothing'").text == "0"
    # A count is of the collection, not of a page of it (OData 4.01 URL Conventions §4.8).
    assert adele.get(f"{PATH}/$count?$top=1&$skip=1&$orderby=topic&$select=id").text == answer.text


def test_the_count_comes_to_clients_that_ask_for_text(library: Library) -> None:
    answer = library.as_("AdeleV").get(f"{PATH}/$count", Accept="text/plain;q=0.9")
    assert answer.text.isdigit()
