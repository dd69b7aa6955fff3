"""PATCH thread: lock, unlock, rename; on both roads."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import ROADS, Graph, iso
from tests.protocol.shapes import refused, well_formed

ROW = "PATCH thread"


@pytest.mark.parametrize("road", ROADS)
def test_it_works(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start("Launch", "Hello")
    graph.changes()
    answer = adele.patch(place.thread_path(road), {"isLocked": True})
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
        "isLocked": True,
    }
    assert graph.changes() == ["updated thread"]
    assert adele.get(place.thread_path()).json["isLocked"] is True


@pytest.mark.parametrize("road", ROADS)
def test_a_locked_thread_takes_no_posts_until_it_is_unlocked(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    adele.patch(place.thread_path(road), {"isLocked": True})
    graph.changes()
    for path in (f"{place.thread_path(road)}/reply", f"{place.post_path(road)}/reply"):
        for client in (adele, graph.as_("AlexW"), graph.as_app("extended")):
            assert "locked" in refused(client.post(path, {"post": {}}), 403, "ErrorAccessDenied")
    assert graph.changes() == []
    assert adele.get(f"{place.thread_path()}/posts").ids == [place.post]
    assert (
        adele.post(f"{place.post_path()}/forward", {"toRecipients": [{"emailAddress": {"address": "a@b"}}]}).status
        == 200
    )
    assert adele.patch(place.thread_path(road), {"isLocked": False}).json["isLocked"] is False
    assert adele.post(f"{place.thread_path(road)}/reply", {"post": {}}).status == 202


@pytest.mark.parametrize(
    "body",
    [
        {"IsLocked": True},
        {"@odata.type": "#Microsoft.OutlookServices.ConversationThread", "isLocked": True},
        {"@odata.type": "microsoft.graph.conversationThread", "isLocked": True, "id": "x", "preview": 5, "posts": "no"},
    ],
    ids=str,
)
def test_what_clients_send_is_taken(graph: Graph, body: Any) -> None:
    place = graph.as_("AdeleV").start()
    answer = graph.as_("AdeleV").patch(place.thread_path(), body)
    assert answer.json["isLocked"] is True
    assert answer.json["preview"] == "Hello"


@pytest.mark.parametrize(
    "body", [{}, {"isLocked": False}, {"isLocked": None}, {"topic": "Launch"}, {"preview": "x"}, b""]
)
def test_asking_for_what_is_so_already_changes_nothing(graph: Graph, body: Any) -> None:
    place = graph.as_("AdeleV").start()
    before = graph.as_("AdeleV").get(place.thread_path()).json
    graph.changes()
    answer = graph.as_("AdeleV").patch(place.thread_path(), body)
    assert (answer.status, answer.json) == (200, before)
    assert graph.changes() == []


def test_a_thread_can_be_renamed_alone(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start("Launch")
    graph.changes()
    assert adele.patch(place.thread_path(), {"topic": "Landing", "isLocked": True}).json["topic"] == "Landing"
    assert graph.changes() == ["updated thread"]
    assert adele.get(place.conversation_path).json["topic"] == "Launch"


def test_who_may(graph: Graph) -> None:
    """Who began the thread, the group's owners, and applications."""
    alex = graph.as_("AlexW")
    place = alex.start()
    graph.changes()
    for nick in ("IsaiahL", "guest", "JoniS", "admin"):
        refused(graph.as_(nick).patch(place.thread_path(), {"isLocked": True}), 403, "ErrorAccessDenied")
    assert graph.changes() == []
    for number, client in enumerate((alex, graph.as_("MeganB"), graph.as_app("daemon"), graph.as_app("extended"))):
        assert client.patch(place.thread_path(), {"isLocked": number % 2 == 0}).status == 200


def test_who_began_the_conversation_did_not_begin_all_its_threads(graph: Graph) -> None:
    place = graph.as_("AlexW").start()
    isaiah = graph.as_("IsaiahL")
    other = isaiah.post(f"{place.conversation_path}/threads", {"posts": [{}]}).json["id"]
    path = f"{place.group_path}/threads/{other}"
    refused(graph.as_("AlexW").patch(path, {"isLocked": True}), 403, "ErrorAccessDenied")
    assert isaiah.patch(path, {"isLocked": True}).status == 200
