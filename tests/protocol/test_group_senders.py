"""acceptedSenders and rejectedSenders of a group: the lists, and that posting obeys them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.harness import GROUP, PERSON, ROOT, Client, Graph, Place, address
from tests.protocol.rows import EVERYTHING
from tests.protocol.shapes import refused, well_formed

ROWS = (
    "GET group/acceptedSenders",
    "GET group/acceptedSenders/$count",
    "GET group/acceptedSenders/$ref",
    "POST group/acceptedSenders/$ref",
    "DELETE group/acceptedSenders/$ref",
    "DELETE group/acceptedSenders/object/$ref",
    "GET group/rejectedSenders",
    "GET group/rejectedSenders/$count",
    "GET group/rejectedSenders/$ref",
    "POST group/rejectedSenders/$ref",
    "DELETE group/rejectedSenders/$ref",
    "DELETE group/rejectedSenders/object/$ref",
)
CLOUD = "https://graph.microsoft.com/v1.0"
SALES = GROUP["SalesAndMarketing"]
PATH = f"/groups/{SALES}"
NOBODY = "00000000-0000-0000-0000-000000000000"
both = pytest.mark.parametrize("verdict", ["accepted", "rejected"])
REPLY = {"post": {"body": {"contentType": "text", "content": "Yes"}}}
OUTER = {"displayName": "Outer", "mailNickname": "outer", "mailEnabled": False, "securityEnabled": True,
         "visibility": "Public"}  # fmt: skip


def put(client: Client, verdict: str, id: str, kind: str = "users", path: str = PATH) -> Any:
    return client.post(f"{path}/{verdict}Senders/$ref", {"@odata.id": f"{CLOUD}/{kind}/{id}"})


def answers(client: Client, place: Place) -> int:
    return client.post(f"{place.thread_path()}/reply", REPLY).status


@both
def test_the_list(graph: Graph, verdict: str) -> None:
    adele, path = graph.as_("AdeleV"), f"{PATH}/{verdict}Senders"
    assert adele.get(path).json == {"@odata.context": f"{ROOT}/$metadata#directoryObjects", "value": []}
    for id, kind in ((address("MeganB"), "users"), (SALES, "groups"), (PERSON["AdeleV"], "users")):
        answer = put(adele, verdict, id, kind)
        well_formed(answer)
        assert (answer.status, answer.content) == (204, b"")
    assert graph.changes() == [f"created {verdict}Sender"] * 3
    found = adele.get(path).value
    expected = sorted([(PERSON["MeganB"], "user"), (SALES, "group"), (PERSON["AdeleV"], "user")])
    assert [(each["id"], each["@odata.type"].rpartition(".")[2]) for each in found] == expected
    assert {"userPrincipalName", "displayName"} <= set(next(e for e in found if e["id"] == PERSON["MeganB"]))
    assert adele.get(f"{path}/$count").text == adele.get(f"{path}/$count", ConsistencyLevel="eventual").text == "3"
    assert adele.get(f"{path}?$filter=displayName eq 'megan bowen'&$select=id").ids == [PERSON["MeganB"]]
    other = "accepted" if verdict == "rejected" else "rejected"
    assert adele.get(f"{PATH}/{other}Senders").value == []


@both
def test_references(graph: Graph, verdict: str) -> None:
    adele = graph.as_("AdeleV")
    for id, kind in ((PERSON["MeganB"], "users"), (SALES, "groups")):
        put(adele, verdict, id, kind)
    expected = [url for _, url in sorted((url.rpartition("/")[2], url) for url in (
        f"{ROOT}/users/{PERSON['MeganB']}", f"{ROOT}/groups/{SALES}"
    ))]  # fmt: skip
    answer = adele.get(f"{PATH}/{verdict}Senders/$ref")
    assert answer.json == {"@odata.context": f"{ROOT}/$metadata#Collection($ref)", "value": expected}
    pages = list(adele.pages(f"{PATH}/{verdict}Senders/$ref?$top=1"))
    assert pages == [[expected[0]], [expected[1]]]


@both
@pytest.mark.parametrize(
    "tail",
    [
        "/{id}/$ref",
        "('{id}')/$ref",
        "/$ref?@id=" + CLOUD + "/users/{id}",
        "/$ref?$id=" + CLOUD + "/users/{id}",
        "/$ref?%40id=" + quote(f"{ROOT}/directoryObjects/", safe="") + "{id}",
        "/$ref?%24id=" + quote(f"{CLOUD}/users/{address('MeganB')}", safe=""),
    ],
)
def test_removing(graph: Graph, verdict: str, tail: str) -> None:
    adele = graph.as_("AdeleV")
    put(adele, verdict, PERSON["MeganB"])
    graph.changes()
    answer = adele.delete(f"{PATH}/{verdict}Senders{tail.format(id=PERSON['MeganB'])}")
    well_formed(answer)
    assert (answer.status, answer.content) == (204, b"")
    assert adele.get(f"{PATH}/{verdict}Senders").value == []
    assert graph.changes() == [f"deleted {verdict}Sender"]
    refused(adele.delete(f"{PATH}/{verdict}Senders/{PERSON['MeganB']}/$ref"), 404, "Request_ResourceNotFound")
    assert graph.changes() == []


@both
def test_nobody_is_in_it_twice_nor_in_both(graph: Graph, verdict: str) -> None:
    adele, other = graph.as_("AdeleV"), "accepted" if verdict == "rejected" else "rejected"
    put(adele, verdict, PERSON["MeganB"])
    again = refused(put(adele, verdict, address("meganb")), 400, "Request_BadRequest", "@odata.id")
    assert "already exist" in again
    message = refused(put(adele, other, PERSON["MeganB"]), 400, "Request_BadRequest", "@odata.id")
    assert f"{verdict}Senders" in message
    assert f"{other}Senders" in message
    assert adele.get(f"{PATH}/{other}Senders").value == []


@both
@pytest.mark.parametrize(("id", "kind"), [(NOBODY, "users"), (NOBODY, "groups"), (GROUP["HR"], "groups")])
def test_who_cannot_be_listed(graph: Graph, verdict: str, id: str, kind: str) -> None:
    """Who is not there, or a group that is not there for the caller."""
    refused(put(graph.as_("AdeleV"), verdict, id, kind), 404, "Request_ResourceNotFound")
    answer = graph.as_("AdeleV").post(f"{PATH}/{verdict}Senders/$ref", {"@odata.id": "nonsense"})
    refused(answer, 400, "Request_BadRequest", "@odata.id")
    assert graph.changes() == []


@both
def test_who_may_change_it(graph: Graph, verdict: str) -> None:
    for client in (graph.as_("AlexW"), graph.as_("JoniS")):
        refused(put(client, verdict, PERSON["PattiF"]), 403, "Authorization_RequestDenied")
        answer = client.delete(f"{PATH}/{verdict}Senders/{PERSON['PattiF']}/$ref")
        refused(answer, 403, "Authorization_RequestDenied")
        assert client.get(f"{PATH}/{verdict}Senders").status == 200
    hr = f"/groups/{GROUP['HR']}"
    refused(put(graph.as_("AdeleV"), verdict, PERSON["PattiF"], path=hr), 404, "Request_ResourceNotFound")
    daemon, extended = graph.as_app("daemon"), graph.as_app("extended")
    refused(daemon.get(f"{PATH}/{verdict}Senders"), 403, "Authorization_RequestDenied")
    refused(put(daemon, verdict, PERSON["PattiF"]), 403, "Authorization_RequestDenied")
    assert put(graph.as_("admin"), verdict, PERSON["PattiF"], path=hr).status == 204
    assert extended.get(f"{hr}/{verdict}Senders").ids == [PERSON["PattiF"]]
    assert extended.delete(f"{hr}/{verdict}Senders/{PERSON['PattiF']}/$ref").status == 204


def test_only_accepted_senders_post(graph: Graph) -> None:
    adele, megan, alex = (graph.as_(nick) for nick in ("AdeleV", "MeganB", "AlexW"))
    place = adele.start()
    put(adele, "accepted", PERSON["MeganB"])
    assert answers(megan, place) == 202
    for client in (adele, alex, graph.as_("JoniS")):  # an owner is no exception
        refused(client.post(f"{place.thread_path()}/reply", REPLY), 403, "ErrorAccessDenied")
        start = client.post(f"{PATH}/threads", {"topic": "New", "posts": [REPLY["post"]]})
        refused(start, 403, "ErrorAccessDenied")
        assert client.get(place.post_path()).status == 200
    adele.delete(f"{PATH}/acceptedSenders/{PERSON['MeganB']}/$ref")
    assert answers(alex, place) == 202


def test_rejected_senders_do_not(graph: Graph) -> None:
    adele, alex = graph.as_("AdeleV"), graph.as_("AlexW")
    place = adele.start()
    put(adele, "rejected", PERSON["AlexW"])
    refused(alex.post(f"{place.thread_path()}/reply", REPLY), 403, "ErrorAccessDenied")
    assert answers(adele, place) == 202
    put(adele, "accepted", SALES, "groups")  # of which Alex is a member
    assert answers(alex, place) == 403
    adele.delete(f"{PATH}/rejectedSenders/{PERSON['AlexW']}/$ref")
    assert answers(alex, place) == 202


def test_through_groups(graph: Graph) -> None:
    """Also nested ones; who leaves the group is out at once."""
    adele, lee = graph.as_("AdeleV"), graph.as_("LeeG")
    place = adele.start()
    outer = adele.post("/groups", OUTER).json["id"]
    put_in = {"@odata.id": f"{CLOUD}/directoryObjects/{GROUP['Engineering']}"}
    assert adele.post(f"/groups/{outer}/members/$ref", put_in).status == 204
    put(adele, "accepted", outer, "groups")
    assert answers(lee, place) == 202  # a member of Engineering, which is in Outer
    assert answers(graph.as_("MeganB"), place) == 403
    lee.delete(f"/groups/{GROUP['Engineering']}/members/{PERSON['LeeG']}/$ref")
    assert answers(lee, place) == 403


def test_nobody_is_in_a_group_through_one_that_was_deleted(graph: Graph) -> None:
    adele, lee, admin = graph.as_("AdeleV"), graph.as_("LeeG"), graph.as_("admin", scopes=EVERYTHING)
    place, inner = adele.start(), GROUP["Mark8"]
    outer = adele.post("/groups", OUTER).json["id"]
    put_in = {"@odata.id": f"{CLOUD}/directoryObjects/{inner}"}
    assert adele.post(f"/groups/{outer}/members/$ref", put_in).status == 204
    put(adele, "accepted", outer, "groups")

    def is_in() -> bool:
        asked = admin.post(f"/users/{PERSON['LeeG']}/checkMemberGroups", {"groupIds": [outer]})
        listed = outer in admin.get(f"/users/{PERSON['LeeG']}/transitiveMemberOf").ids
        assert (outer in asked.value) is listed
        return listed

    assert (is_in(), answers(lee, place)) == (True, 202)
    assert admin.delete(f"/groups/{inner}").status == 204
    assert (is_in(), answers(lee, place)) == (False, 403)
    assert admin.post(f"/groups/{inner}/restore").status == 200
    assert (is_in(), answers(lee, place)) == (True, 202)


def test_applications_post_as_the_group(graph: Graph) -> None:
    """Their posts come from the group's mailbox, so the lists are asked for the group."""
    adele, daemon = graph.as_("AdeleV"), graph.as_app("daemon")
    place = adele.start()
    reply = f"{place.post_path()}/reply"
    put(adele, "accepted", PERSON["MeganB"])
    refused(daemon.post(reply, REPLY), 403, "ErrorAccessDenied")
    put(adele, "accepted", SALES, "groups")
    assert daemon.post(reply, REPLY).status == 202


def test_extended_applications_hear_why(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    put(adele, "rejected", SALES, "groups")
    plain = refused(graph.as_app("daemon").post(f"{place.post_path()}/reply", REPLY), 403, "ErrorAccessDenied")
    assert plain == "Access is denied. Check credentials and try again."
    told = refused(graph.as_app("extended").post(f"{place.post_path()}/reply", REPLY), 403, "ErrorAccessDenied")
    assert told == f"{plain} The sender is in the group's rejectedSenders."


def test_only_members_where_the_group_says_so(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    body = {"displayName": "Club", "mailNickname": "club", "mailEnabled": True, "securityEnabled": False,
            "groupTypes": ["Unified"], "resourceBehaviorOptions": ["AllowOnlyMembersToPost"],
            "members@odata.bind": [f"{CLOUD}/users/{PERSON['AlexW']}"]}  # fmt: skip
    club = adele.post("/groups", body).json["id"]
    place = adele.start(group=club)  # an owner
    assert answers(graph.as_("AlexW"), place) == 202
    assert answers(graph.as_("JoniS"), place) == 403
    assert graph.as_("JoniS").get(place.post_path()).status == 200


def test_a_private_group_in_a_list_is_shown_to_those_who_may_see_it(graph: Graph) -> None:
    admin = graph.as_("admin")
    put(admin, "accepted", GROUP["HR"], "groups")
    assert admin.get(f"{PATH}/acceptedSenders").ids == [GROUP["HR"]]
    assert graph.as_("AlexW").get(f"{PATH}/acceptedSenders").ids == []


@both
@pytest.mark.parametrize("kind", ["users", "groups"])
def test_who_is_deleted_is_in_no_list(graph: Graph, verdict: str, kind: str) -> None:
    """A group whose only accepted sender is gone takes posts from everybody again, until it is restored."""
    adele, admin = graph.as_("AdeleV"), graph.as_("admin", scopes=EVERYTHING)
    place = adele.start()
    id = PERSON["AlexW"] if kind == "users" else GROUP["Mark8"]
    assert put(admin, verdict, id, kind).status == 204
    closed = 403 if verdict == "accepted" else 202
    assert answers(graph.as_("MeganB"), place) == closed
    graph.changes()
    assert admin.delete(f"/{kind}/{id}").status == 204
    assert graph.changes().count(f"deleted {verdict}Sender") == 1
    assert adele.get(f"{PATH}/{verdict}Senders").value == []
    assert answers(graph.as_("MeganB"), place) == 202
    assert admin.post(f"/directory/deletedItems/{id}/restore").status == 200
    assert graph.changes().count(f"created {verdict}Sender") == 1
    assert adele.get(f"{PATH}/{verdict}Senders").ids == [id]
    assert answers(graph.as_("MeganB"), place) == closed
    admin.delete(f"/{kind}/{id}")
    assert admin.delete(f"/directory/deletedItems/{id}").status == 204
    assert answers(graph.as_("MeganB"), place) == 202


def test_a_security_group_that_is_deleted_is_in_no_list(graph: Graph) -> None:
    """It is gone at once, and with it what it stood for."""
    adele = graph.as_("AdeleV")
    place = adele.start()
    body = {"displayName": "S", "mailEnabled": False, "securityEnabled": True, "mailNickname": "s"}
    id = adele.post("/groups", body).json["id"]
    assert put(adele, "accepted", id, "groups").status == 204
    assert answers(adele, place) == 403
    assert adele.delete(f"/groups/{id}").status == 204
    assert answers(adele, place) == 202
