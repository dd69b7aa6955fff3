"""PATCH user: 204, by the administrator; a few things by oneself."""

from __future__ import annotations

from typing import Any

import pytest

from folkmoot.app import StoredDirectory
from tests.harness import GROUP, PERSON, Graph, address
from tests.protocol.rows import EVERYTHING
from tests.protocol.shapes import refused, well_formed
from tests.protocol.test_user_create import LONGEST, TOO_LONG

ROW = "PATCH user"
PATH = f"/users/{PERSON['LynneR']}"
ALL = """displayName,givenName,surname,jobTitle,mail,mobilePhone,officeLocation,preferredLanguage,userPrincipalName,
accountEnabled,userType,mailNickname,department,usageLocation,businessPhones,otherMails""".replace("\n", "")


@pytest.mark.parametrize(
    "given",
    [
        {"displayName": "Lynne R."},
        {"givenName": None, "surname": None, "jobTitle": "Chief"},
        {"mobilePhone": "+49 1", "businessPhones": ["+49 2", "+49 3"], "otherMails": ["l@example.org"]},
        {"officeLocation": "18", "preferredLanguage": "fr", "department": "D", "usageLocation": "FR"},
        {"userPrincipalName": "lynne@example.org", "mail": "lynne.r@example.org"},
        {"mail": None},
        {"accountEnabled": False},
        {"userType": "Guest"},
        {"mailNickname": "lynne"},
    ],
    ids=str,
)
def test_it_works(graph: Graph, given: Any) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    before = admin.get(f"{PATH}?$select={ALL}").json
    answer = admin.patch(PATH, given)
    well_formed(answer)
    assert (answer.status, answer.content) == (204, b"")
    assert admin.get(f"{PATH}?$select={ALL}").json == before | given


@pytest.mark.parametrize("given", [{}, b"", {"id": "x"}, {"unknown": [1]}, {"createdDateTime": "x"}])
def test_nothing_to_change_changes_nothing(graph: Graph, given: Any) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    before = admin.get(PATH).json
    assert admin.patch(PATH, given).status == 204
    assert admin.get(PATH).json == before


def test_an_address_is_given_once_and_becomes_free_again(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    for given in ({"userPrincipalName": address("ALEXW")}, {"mail": address("HR")}):
        name = next(iter(given))
        refused(admin.patch(PATH, given), 400, "Request_BadRequest", name)
    moved = {"userPrincipalName": "lynne@example.org", "mail": "lynne@example.org"}
    assert admin.patch(PATH, moved).status == 204
    refused(admin.get(f"/users/{address('LynneR')}"), 404, "Request_ResourceNotFound")
    assert admin.get("/users/lynne@EXAMPLE.org").json["id"] == PERSON["LynneR"]
    assert admin.patch(f"/users/{PERSON['AlexW']}", {"mail": address("LynneR")}).status == 204


def test_an_address_is_no_longer_than_mail_can_take(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    before = admin.get(PATH).json
    for name in ("userPrincipalName", "mail"):
        for long in TOO_LONG:
            refused(admin.patch(PATH, {name: long}), 400, "Request_BadRequest", name)
    fits = {"mail": "lynne@example.org", "userPrincipalName": TOO_LONG[0]}
    refused(admin.patch(PATH, fits), 400, "Request_BadRequest", "userPrincipalName")
    assert admin.get(PATH).json == before
    assert admin.patch(PATH, {"userPrincipalName": LONGEST, "mail": LONGEST}).status == 204


def test_a_nickname_that_cannot_be_is_said_to_be_a_users(graph: Graph) -> None:
    answer = graph.as_("admin", scopes=EVERYTHING).patch(PATH, {"mailNickname": "a b@c"})
    assert "of resource 'User'" in refused(answer, 400, "Request_BadRequest", "mailNickname")


def test_a_new_name_shows_in_what_is_said_from_then_on(graph: Graph) -> None:
    place = graph.as_("LynneR").start()
    graph.as_("admin", scopes=EVERYTHING).patch(PATH, {"displayName": "Lynne Smith"})
    graph.as_("LynneR").reply(place)
    assert graph.as_("AdeleV").get(place.thread_path()).json["uniqueSenders"] == ["Lynne Robbins", "Lynne Smith"]


def test_a_new_password(graph: Graph) -> None:
    admin, issuer = graph.as_("admin", scopes=EVERYTHING), StoredDirectory(graph.store)
    assert admin.patch(PATH, {"passwordProfile": {"password": "something else 2"}}).status == 204
    assert graph.loop.run(issuer.authenticate(address("LynneR"), "something else 2")) is not None
    assert graph.loop.run(issuer.authenticate(address("LynneR"), "pass@word1")) is None


def test_who_is_switched_off_is_out_at_once(graph: Graph) -> None:
    lynne = graph.as_("LynneR", scopes=EVERYTHING)
    place = lynne.start()
    graph.as_("admin", scopes=EVERYTHING).patch(PATH, {"accountEnabled": False})
    refused(lynne.get(place.post_path()), 403, "ErrorAccessDenied")
    refused(lynne.post(f"{place.thread_path()}/reply", {"post": {}}), 403, "ErrorAccessDenied")
    assert lynne.get("/groups").value == []
    refused(lynne.get(f"/groups/{GROUP['SalesAndMarketing']}"), 404, "Request_ResourceNotFound")
    issuer = StoredDirectory(graph.store)
    known = graph.loop.run(issuer.authenticate(address("LynneR"), "pass@word1"))
    assert known is not None
    assert not known.enabled  # whom the issuer refuses by that
    assert address("LynneR") not in [person.upn for person in graph.loop.run(issuer.people())]
    graph.as_("admin", scopes=EVERYTHING).patch(PATH, {"accountEnabled": True})
    assert lynne.get(place.post_path()).status == 200


OWN = [
    {"mobilePhone": "1"},
    {"businessPhones": ["1"]},
    {"officeLocation": "1"},
    {"preferredLanguage": "fr"},
    {"otherMails": []},
]
OTHERS = [
    {"displayName": "x"},
    {"jobTitle": "President"},
    {"mail": "x@example.org"},
    {"userPrincipalName": "x@example.org"},
    {"accountEnabled": True},
    {"userType": "Member"},
    {"passwordProfile": {"password": "something else 2"}},
    {"mobilePhone": "1", "displayName": "x"},
]


@pytest.mark.parametrize("scope", ["User.ReadWrite", "User.ReadWrite.All"])
def test_what_people_may_change_of_themselves(graph: Graph, scope: str) -> None:
    lynne = graph.as_("LynneR", scopes=[scope])
    for path in ("/me", PATH, f"/users/{address('lynner')}", f"/users/{PERSON['LynneR'].upper()}"):
        for given in OWN:
            assert lynne.patch(path, given).status == 204
        for given in OTHERS:
            refused(lynne.patch(path, given), 403, "Authorization_RequestDenied")
    for given in OWN:
        refused(lynne.patch(f"/users/{PERSON['AlexW']}", given), 403, "Authorization_RequestDenied")


def test_an_application_may(graph: Graph) -> None:
    daemon = graph.as_app("daemon", roles=["User.ReadWrite.All"])
    assert daemon.patch(PATH, {"displayName": "x"}).status == 204
