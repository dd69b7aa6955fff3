"""groups(uniqueName='…'): the alternate key, and PATCH with `Prefer: create-if-missing`."""

from __future__ import annotations

from typing import Any

import pytest

from folkmoot.store import everywhere
from tests.harness import GROUP, PERSON, ROOT, Client, Graph
from tests.protocol.rows import NEW_GROUP
from tests.protocol.shapes import refused, well_formed

PATH = "/groups(uniqueName='sales-emea')"
UPSERT = {"Prefer": "create-if-missing"}


def upsert(client: Client, body: Any, path: str = PATH) -> Any:
    return client.with_body("PATCH", path, body, UPSERT)


def test_made_once_then_changed(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    refused(adele.get(PATH), 404, "Request_ResourceNotFound")
    refused(adele.patch(PATH, NEW_GROUP), 404, "Request_ResourceNotFound")
    given = NEW_GROUP | {"members@odata.bind": [f"{ROOT}/users/{PERSON['AlexW']}"]}
    made = upsert(adele, given)
    well_formed(made)
    assert made.status == 201
    assert made.json["@odata.context"] == f"{ROOT}/$metadata#groups/$entity"
    assert made.json["uniqueName"] == "sales-emea"
    id = made.json["id"]
    assert graph.changes() == ["created group"]
    assert adele.get(f"/groups/{id}/members").ids == [PERSON["AlexW"]]
    again = upsert(adele, {"description": "Changed"})
    assert (again.status, again.content) == (204, b"")
    assert graph.changes() == ["updated group"]
    item = adele.get(PATH).json
    assert item["@odata.context"] == f"{ROOT}/$metadata#groups/$entity"
    assert (item["id"], item["description"]) == (id, "Changed")
    assert adele.patch(PATH, {"theme": "Red"}).status == 204
    assert adele.get("/groups/(uniqueName='sales-emea')?$select=theme").json["theme"] == "Red"
    assert adele.get("/groups?$filter=uniqueName eq 'sales-emea'").ids == [id]


def test_the_key_leads_on(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    id = upsert(adele, NEW_GROUP).json["id"]
    assert adele.get(f"{PATH}/owners").ids == [PERSON["AdeleV"]]
    place = adele.start(group=id)
    answer = adele.get(f"{PATH}/conversations")
    assert answer.ids == [place.conversation]
    assert answer.json["@odata.context"] == f"{ROOT}/$metadata#groups('{id}')/conversations"
    assert adele.post(f"{PATH}/threads", {"topic": "x", "posts": [{"body": {"content": "y"}}]}).status == 201


def test_it_never_changes(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    upsert(adele, NEW_GROUP)
    assert upsert(adele, {"uniqueName": "sales-emea"}).status == 204
    for path in (PATH, f"/groups/{GROUP['SalesAndMarketing']}"):
        refused(adele.patch(path, {"uniqueName": "other"}), 400, "Request_BadRequest", "uniqueName")
    other = upsert(adele, NEW_GROUP | {"uniqueName": "x", "mailNickname": "n2"}, "/groups(uniqueName='y')")
    refused(other, 400, "Request_BadRequest", "uniqueName")


@pytest.mark.parametrize("left_out", ["displayName", "mailEnabled", "mailNickname", "securityEnabled"])
def test_what_a_new_one_needs(graph: Graph, left_out: str) -> None:
    body = {name: value for name, value in NEW_GROUP.items() if name != left_out}
    answer = upsert(graph.as_("AdeleV"), body)
    assert left_out in refused(answer, 400, "Request_BadRequest")
    assert graph.changes() == []


def test_one_of_a_name(graph: Graph) -> None:
    """Also of two who ask at once; and a deleted group keeps its name."""
    adele = graph.as_("AdeleV")
    body = {**NEW_GROUP, "uniqueName": "sales-emea"}
    id = upsert(adele, body).json["id"]
    adele.delete(PATH)
    refused(adele.get(PATH), 404, "Request_ResourceNotFound")
    refused(upsert(adele, NEW_GROUP | {"mailNickname": "n2"}), 400, "Request_BadRequest", "uniqueName")
    adele.delete(f"/directory/deletedItems/{id}")
    assert upsert(adele, NEW_GROUP).status == 201


def test_who_may(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    upsert(adele, NEW_GROUP | {"visibility": "Private"})
    refused(graph.as_("JoniS").get(PATH), 404, "Request_ResourceNotFound")
    refused(upsert(graph.as_("JoniS"), {"description": "x"}), 404, "Request_ResourceNotFound")
    refused(upsert(graph.as_("guest"), NEW_GROUP, "/groups(uniqueName='z')"), 403, "Authorization_RequestDenied")
    refused(adele.get("/groups(mail='x')"), 400, "BadRequest")
    refused(adele.get("/users(uniqueName='x')"), 400, "BadRequest")


def test_an_outsider_does_not_hear_the_id(graph: Graph) -> None:
    id = upsert(graph.as_("AdeleV"), NEW_GROUP | {"visibility": "Private"}).json["id"]
    joni = graph.as_("JoniS")
    for answer in (joni.get(PATH), joni.get(f"{PATH}/members"), upsert(joni, {"description": "x"}), joni.delete(PATH)):
        assert "'sales-emea'" in refused(answer, 404, "Request_ResourceNotFound")
        assert id.encode() not in answer.content
    other = joni.get(f"/groups(uniqueName='nothing')/members/{PERSON['AlexW']}")
    assert "'nothing'" in refused(other, 404, "Request_ResourceNotFound")


def test_a_name_says_nothing_of_a_group_that_one_may_not_see(any_graph: Graph) -> None:
    """Names can be guessed: what is said of one that is taken is what is said of one that is not."""
    adele = any_graph.as_("AdeleV")
    id = upsert(adele, NEW_GROUP | {"visibility": "Private"}).json["id"]
    extended = {"Prefer": "folkmoot.profile=extended"}
    thread = {"topic": "x", "posts": [{"body": {"content": "y"}}]}
    for nick in ("JoniS", "guest"):
        outsider = any_graph.as_(nick)
        for method, below, body in (
            ("GET", "conversations", None),
            ("GET", "threads/delta", None),
            ("GET", "changes", None),
            ("POST", "threads", thread),
            ("POST", "subscribeByMail", None),
        ):
            for name in ("sales-emea", "nothing"):
                answer = outsider.with_body(method, f"/groups(uniqueName='{name}')/{below}", body, extended)
                assert f"'{name}'" in refused(answer, 404, "Request_ResourceNotFound")
                assert id.encode() not in answer.content
    # By its id the conversations are refused as the cloud does.
    refused(any_graph.as_("JoniS").get(f"/groups/{id}/conversations"), 403, "ErrorAccessDenied")
    # An application that lives by grants hears of any name that it needs one.
    application = any_graph.as_app("extendedWithoutRoles")
    messages = {
        refused(application.get(f"/groups(uniqueName='{name}')/conversations"), 403, "ErrorAccessDenied")
        for name in ("sales-emea", "nothing")
    }
    assert len(messages) == 1


@pytest.mark.parametrize("looks", [1, 2])
def test_two_who_make_it_at_once(graph: Graph, monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    """The second finds nothing when the path is read, or not even in its transaction, and then changes the group."""
    adele = graph.as_("AdeleV")
    id = upsert(adele, NEW_GROUP).json["id"]
    answers = [None] * looks
    find = everywhere.by_unique_name
    monkeypatch.setattr(everywhere, "by_unique_name", lambda *a: answers.pop() if answers else find(*a))
    assert upsert(adele, NEW_GROUP | {"mailNickname": "n2", "description": "Second"}).status == 204
    assert answers == []
    assert adele.get(PATH).json["id"] == id
    assert adele.get(PATH).json["description"] == "Second"


def test_membership_is_hidden_from_the_beginning(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    hidden = {"visibility": "HiddenMembership"}
    assert upsert(adele, NEW_GROUP | hidden).json["visibility"] == "HiddenMembership"
    assert upsert(adele, hidden).status == 204
    refused(adele.patch(f"/groups/{GROUP['SalesAndMarketing']}", hidden), 400, "Request_BadRequest", "visibility")
    refused(upsert(adele, {"allowExternalSenders": True}, "/groups(uniqueName='q')"), 400, "Request_BadRequest")


def test_quotes_in_it(graph: Graph) -> None:
    path = "/groups(uniqueName='it''s%20here')"
    assert upsert(graph.as_("AdeleV"), NEW_GROUP, path).json["uniqueName"] == "it's here"
    assert graph.as_("AdeleV").get(path).status == 200
    long = f"/groups(uniqueName='{'x' * 129}')"
    refused(upsert(graph.as_("AdeleV"), NEW_GROUP, long), 400, "Request_BadRequest", "uniqueName")
