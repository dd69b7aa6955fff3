"""POST users: by the administrator, or an application with the role."""

from __future__ import annotations

from typing import Any

import pytest

from folkmoot.app import StoredDirectory
from folkmoot.store import everywhere
from tests.harness import ROOT, Graph, address, iso
from tests.protocol.rows import EVERYTHING, NEW_USER
from tests.protocol.shapes import refused, well_formed
from tests.protocol.test_user_list import DEFAULT

ROW = "POST users"


def test_it_works(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    answer = admin.post("/users", NEW_USER)
    well_formed(answer)
    assert answer.status == 201
    made = answer.json
    assert made["@odata.context"] == f"{ROOT}/$metadata#users/$entity"
    assert list(made)[1:] == DEFAULT.split()
    assert made["displayName"] == "New Person"
    assert made["mail"] is None
    assert admin.get(f"/users/{made['id']}").json == made
    assert graph.changes() == []  # the log is of groups
    more = admin.get(f"/users/{made['id']}?$select=accountEnabled,userType,mailNickname,createdDateTime").json
    assert (more["accountEnabled"], more["userType"], more["mailNickname"]) == (True, "Member", "newp")
    assert more["createdDateTime"] == iso(graph.clock.now)


def test_what_is_given_is_kept(graph: Graph) -> None:
    given = {
        "givenName": "New",
        "surname": "Person",
        "mail": "new.person@example.org",
        "jobTitle": "Tester",
        "mobilePhone": "+49 1",
        "businessPhones": ["+49 2"],
        "officeLocation": "18",
        "preferredLanguage": "de-DE",
        "department": "Quality",
        "usageLocation": "DE",
        "userType": "guest",
        "otherMails": ["x@y.example"],
    }
    admin = graph.as_("admin", scopes=EVERYTHING)
    id = admin.post("/users", NEW_USER | given | {"id": "mine", "unknown": 1}).json["id"]
    found = admin.get(f"/users/{id}?$select={','.join(given)},proxyAddresses").json
    assert (given | {"userType": "Guest", "proxyAddresses": ["SMTP:new.person@example.org"]}).items() <= found.items()


@pytest.mark.parametrize("password", ["long enough 1", "日本 🙂", " ", "p" * 1024])
def test_the_new_person_can_sign_in(graph: Graph, password: str) -> None:
    body = NEW_USER | {"passwordProfile": {"Password": password, "forceChangePasswordNextSignIn": False}}
    id = graph.as_("admin", scopes=EVERYTHING).post("/users", body).json["id"]
    issuer = StoredDirectory(graph.store)
    found = graph.loop.run(issuer.authenticate("NEWP@contoso.onmicrosoft.com", password))
    assert found is not None
    assert found.oid == id
    assert graph.loop.run(issuer.authenticate("newp@contoso.onmicrosoft.com", password + "x")) is None


def test_who_may(graph: Graph) -> None:
    for nick in ("AdeleV", "guest"):
        refused(graph.as_(nick, scopes=EVERYTHING).post("/users", NEW_USER), 403, "Authorization_RequestDenied")
    assert graph.as_app("daemon", roles=["User.ReadWrite.All"]).post("/users", NEW_USER).status == 201


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ({"userPrincipalName": address("AdeleV")}, "userPrincipalName"),
        ({"userPrincipalName": address("ADELEV")}, "userPrincipalName"),
        ({"userPrincipalName": address("HR")}, "userPrincipalName"),
        ({"mail": address("adelev")}, "userPrincipalName or mail"),
        ({"mail": address("SalesAndMarketing")}, "userPrincipalName or mail"),
    ],
)
def test_a_name_and_an_address_are_given_once(graph: Graph, given: Any, target: str) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    refused(admin.post("/users", NEW_USER | given), 400, "Request_BadRequest", target)
    assert admin.post("/users", NEW_USER).status == 201  # nothing of it was kept


# The longest that an address may be (RFC 5321), what is longer before the @ or in all, and what no index could hold.
LONGEST = f"{'x' * 64}@{'y' * 189}"
TOO_LONG = ["x" * 65 + "@example.org", LONGEST + "y", f"x@{'y' * 4000}"]


def test_the_longest_address_is_kept(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    made = admin.post("/users", NEW_USER | {"userPrincipalName": LONGEST, "mail": LONGEST, "mailNickname": "x" * 64})
    assert made.status == 201
    assert admin.get(f"/users/{LONGEST}").json["mail"] == LONGEST


@pytest.mark.parametrize("name", ["userPrincipalName", "mail"])
def test_an_address_is_no_longer_than_mail_can_take(graph: Graph, name: str) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    for long in TOO_LONG:
        message = refused(admin.post("/users", NEW_USER | {name: long}), 400, "Request_BadRequest", name)
        assert "254" in message
    assert admin.post("/users", NEW_USER).status == 201


def test_a_nickname_that_cannot_be_is_said_to_be_a_users(graph: Graph) -> None:
    answer = graph.as_("admin", scopes=EVERYTHING).post("/users", NEW_USER | {"mailNickname": "x" * 65})
    assert "of resource 'User'" in refused(answer, 400, "Request_BadRequest", "mailNickname")


def test_two_of_a_name_at_once(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is free when the second looks, and taken when it writes."""
    admin = graph.as_("admin", scopes=EVERYTHING)
    assert admin.post("/users", NEW_USER).status == 201
    answers, find = [None], everywhere.by_address
    monkeypatch.setattr(everywhere, "by_address", lambda *a: answers.pop() if answers else find(*a))
    refused(admin.post("/users", NEW_USER), 400, "Request_BadRequest", "userPrincipalName")
    assert answers == []
