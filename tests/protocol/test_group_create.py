"""POST groups."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import GROUP, PERSON, ROOT, Graph, iso
from tests.protocol.rows import NEW_GROUP
from tests.protocol.shapes import refused, well_formed
from tests.protocol.test_group_list import DEFAULT

ROW = "POST groups"


def user(nick: str) -> str:
    return f"{ROOT}/users/{PERSON[nick]}"


def test_it_works(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    answer = adele.post("/groups", NEW_GROUP)
    well_formed(answer)
    assert answer.status == 201
    made = answer.json
    assert made["@odata.context"] == f"{ROOT}/$metadata#groups/$entity"
    assert list(made)[1:] == DEFAULT.split()
    said = {
        "displayName": "New",
        "mailNickname": "new-group",
        "mail": "new-group@contoso.onmicrosoft.com",
        "proxyAddresses": ["SMTP:new-group@contoso.onmicrosoft.com"],
        "mailEnabled": True,
        "securityEnabled": False,
        "groupTypes": ["Unified"],
        "visibility": "Public",
        "createdDateTime": iso(graph.clock.now),
        "description": None,
    }
    assert said.items() <= made.items()
    assert graph.changes() == ["created group"]
    assert adele.get(f"/groups/{made['id']}").json == made
    assert adele.get(f"/groups/{made['id']}/owners").ids == [PERSON["AdeleV"]]  # who creates a group owns it
    assert adele.start(group=made["id"]).conversation


def test_what_is_given_is_kept(graph: Graph) -> None:
    given = {
        "DisplayName": "Given",
        "mailNickname": "given",
        "mailEnabled": True,
        "securityEnabled": True,
        "groupTypes": ["unified"],
        "description": "A group",
        "visibility": "private",
        "classification": "High",
        "preferredLanguage": "de-DE",
        "theme": "purple",
        "isAssignableToRole": False,
        "resourceBehaviorOptions": ["WelcomeEmailDisabled"],
    }
    made = graph.as_("AdeleV").post("/groups", given | {"id": "mine", "mail": "x@y", "unknown": [1]}).json
    kept = {name[0].lower() + name[1:]: value for name, value in given.items()}
    kept |= {
        "groupTypes": ["Unified"],
        "visibility": "Private",
        "theme": "Purple",
        "mail": "given@contoso.onmicrosoft.com",
    }
    assert kept.items() <= made.items()
    assert made["id"] != "mine"


def test_a_security_group_is_private_unless_it_says_otherwise(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    body = {"displayName": "S", "mailNickname": "s", "mailEnabled": False, "securityEnabled": True}
    assert adele.post("/groups", body).json["visibility"] == "Private"
    made = adele.post("/groups", body | {"mailNickname": "t", "visibility": "Public"}).json
    assert (made["visibility"], made["groupTypes"]) == ("Public", [])
    hidden = NEW_GROUP | {"visibility": "HiddenMembership"}
    assert adele.post("/groups", hidden).json["visibility"] == "HiddenMembership"


@pytest.mark.parametrize(
    "reference",
    [
        "https://graph.microsoft.com/v1.0/users/{id}",
        "https://graph.microsoft.com/v1.0/directoryObjects/{id}",
        ROOT + "/users/{id}",
        ROOT + "/users('{id}')",
        ROOT + "/directoryObjects/{id}",
        "https://graph.microsoft.com/v1.0/users/AlexW@contoso.onmicrosoft.com",
        ROOT + "/users/alexw%40contoso.onmicrosoft.com",
        "users/{id}",
    ],
)
def test_owners_and_members_are_bound(graph: Graph, reference: str) -> None:
    adele = graph.as_("AdeleV")
    body = NEW_GROUP | {
        "owners@odata.bind": [user("AdeleV"), user("MeganB")],
        "members@odata.bind": [reference.format(id=PERSON["AlexW"]), user("AdeleV")],
    }
    answer = adele.post("/groups", body)
    assert answer.status == 201, answer
    id = answer.json["id"]
    assert set(adele.get(f"/groups/{id}/owners").ids) == {PERSON["AdeleV"], PERSON["MeganB"]}
    assert set(adele.get(f"/groups/{id}/members").ids) == {PERSON["AlexW"], PERSON["AdeleV"]}


def test_an_application_owns_none(graph: Graph) -> None:
    daemon = graph.as_app("daemon")
    id = daemon.post("/groups", NEW_GROUP).json["id"]
    assert daemon.get(f"/groups/{id}/owners").value == []


@pytest.mark.parametrize("nickname", ["SalesAndMarketing", "salesandmarketing", "AdeleV", "HR"])
def test_an_address_is_given_once(graph: Graph, nickname: str) -> None:
    """Addresses of people and of groups that one may not see count, too."""
    answer = graph.as_("AdeleV").post("/groups", NEW_GROUP | {"mailNickname": nickname})
    message = refused(answer, 400, "Request_BadRequest", "mailNickname")
    assert message == "Another object with the same value for property mailNickname already exists."
    assert graph.changes() == []


def test_a_deleted_groups_address_stays_taken(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    adele.delete(f"/groups/{adele.post('/groups', NEW_GROUP).json['id']}")
    refused(adele.post("/groups", NEW_GROUP), 400, "Request_BadRequest", "mailNickname")


@pytest.mark.parametrize(
    ("bound", "status", "code", "target"),
    [
        (
            {"owners@odata.bind": [f"{ROOT}/users/00000000-0000-0000-0000-000000000000"]},
            404,
            "Request_ResourceNotFound",
            None,
        ),
        (
            {"members@odata.bind": [f"{ROOT}/users/nobody@contoso.onmicrosoft.com"]},
            404,
            "Request_ResourceNotFound",
            None,
        ),
        ({"members@odata.bind": [f"{ROOT}/groups/{GROUP['Engineering']}"]}, 400, "Request_BadRequest", "@odata.id"),
        ({"members@odata.bind": ["nonsense"]}, 400, "Request_BadRequest", "members@odata.bind"),
        ({"owners@odata.bind": [f"{ROOT}/devices/1"]}, 400, "Request_BadRequest", "owners@odata.bind"),
    ],
    ids=str,
)
def test_what_cannot_be_bound(graph: Graph, bound: Any, status: int, code: str, target: str | None) -> None:
    adele = graph.as_("AdeleV")
    before = adele.get("/groups").ids
    refused(adele.post("/groups", NEW_GROUP | bound), status, code, target)
    assert adele.get("/groups").ids == before
    assert graph.changes() == []
    assert adele.post("/groups", NEW_GROUP).status == 201  # the address is free still


def test_a_description_has_at_most_1024_characters(graph: Graph) -> None:
    refused(
        graph.as_("AdeleV").post("/groups", NEW_GROUP | {"description": "x" * 1025}),
        400,
        "Request_BadRequest",
        "description",
    )
    assert graph.as_("AdeleV").post("/groups", NEW_GROUP | {"description": "x" * 1024}).status == 201


@pytest.mark.parametrize("name", ["", "x" * 257])
def test_a_name_has_one_to_256_characters(graph: Graph, name: str) -> None:
    answer = graph.as_("AdeleV").post("/groups", NEW_GROUP | {"displayName": name})
    refused(answer, 400, "Request_BadRequest", "displayName")


def test_a_guest_makes_no_groups(graph: Graph) -> None:
    body = {"displayName": "Mine", "mailNickname": "mine", "mailEnabled": True, "securityEnabled": False}
    answer = graph.as_("guest").post("/groups", body | {"groupTypes": ["Unified"]})
    refused(answer, 403, "Authorization_RequestDenied")
    assert graph.changes() == []
