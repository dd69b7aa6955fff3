"""PATCH group: 204, by its owners."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import GROUP, PERSON, ROOT, Graph, address
from tests.protocol.shapes import refused, well_formed

ROW = "PATCH group"
PATH = f"/groups/{GROUP['SalesAndMarketing']}"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"displayName": "Sales"}, {"displayName": "Sales"}),
        ({"DisplayName": "Sales", "id": "x", "unknown": 1}, {"displayName": "Sales"}),
        ({"description": None}, {"description": None}),
        ({"description": "D", "classification": "High"}, {"description": "D", "classification": "High"}),
        ({"visibility": "private"}, {"visibility": "Private"}),
        ({"theme": "teal", "preferredLanguage": "de"}, {"theme": "Teal", "preferredLanguage": "de"}),
    ],
    ids=str,
)
def test_it_works(graph: Graph, given: Any, kept: Any) -> None:
    adele = graph.as_("AdeleV")
    before = adele.get(PATH).json
    answer = adele.patch(PATH, given)
    well_formed(answer)
    assert (answer.status, answer.content) == (204, b"")
    assert adele.get(PATH).json == before | kept
    assert graph.changes() == ["updated group"]


@pytest.mark.parametrize("given", [{}, b"", {"id": "x"}, {"mail": "x@y"}, {"unknown": 1}])
def test_nothing_to_change_changes_nothing(graph: Graph, given: Any) -> None:
    before = graph.as_("AdeleV").get(PATH).json
    assert graph.as_("AdeleV").patch(PATH, given).status == 204
    assert graph.as_("AdeleV").get(PATH).json == before
    assert graph.changes() == []


def test_the_address_follows_the_nickname(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    assert adele.patch(PATH, {"mailNickname": "Sales"}).status == 204
    found = adele.get(PATH).json
    assert (found["mail"], found["proxyAddresses"]) == (address("Sales"), [f"SMTP:{address('Sales')}"])
    assert adele.patch(PATH, {"mailNickname": "SALES"}).status == 204  # its own address, in another case
    for taken in ("HR", "AlexW", "hr"):
        refused(adele.patch(PATH, {"mailNickname": taken}), 400, "Request_BadRequest", "mailNickname")
    mark8 = graph.as_("LidiaH")
    assert mark8.patch(f"/groups/{GROUP['Mark8']}", {"mailNickname": "SalesAndMarketing"}).status == 204
    place = adele.start()
    thread = adele.get(f"{place.thread_path()}?$select=toRecipients").json
    assert thread["toRecipients"][0]["emailAddress"]["address"] == address("SALES")


def test_a_description_has_at_most_1024_characters(graph: Graph) -> None:
    refused(graph.as_("AdeleV").patch(PATH, {"description": "x" * 1025}), 400, "Request_BadRequest", "description")
    assert graph.as_("AdeleV").patch(PATH, {"description": "x" * 1024}).status == 204


@pytest.mark.parametrize("name", ["", "x" * 257])
def test_a_name_has_one_to_256_characters(graph: Graph, name: str) -> None:
    refused(graph.as_("AdeleV").patch(PATH, {"displayName": name}), 400, "Request_BadRequest", "displayName")


def test_members_can_be_bound(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    reference = f"{ROOT}/users/{PERSON['LeeG']}"
    assert adele.patch(PATH, {"members@odata.bind": [reference]}).status == 204
    assert PERSON["LeeG"] in adele.get(f"{PATH}/members").ids
    assert graph.changes() == ["created member"]
    before = adele.get(PATH).json
    again = adele.patch(PATH, {"displayName": "Changed", "members@odata.bind": [reference]})
    refused(again, 400, "Request_BadRequest")
    assert adele.get(PATH).json == before  # all of it or nothing
    assert graph.changes() == []


def test_who_may(graph: Graph) -> None:
    for nick in ("AlexW", "JoniS", "guest"):
        refused(graph.as_(nick).patch(PATH, {"displayName": "x"}), 403, "Authorization_RequestDenied")
    hr = f"/groups/{GROUP['HR']}"
    refused(graph.as_("AdeleV").patch(hr, {"displayName": "x"}), 404, "Request_ResourceNotFound")
    for client in (graph.as_("DiegoS"), graph.as_("admin"), graph.as_app("daemon")):
        assert client.patch(hr, {"displayName": "Human Resources"}).status == 204
