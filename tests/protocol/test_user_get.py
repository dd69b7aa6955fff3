"""GET user: by id, by sign-in name, and oneself as /me."""

from __future__ import annotations

import pytest

from tests.harness import GROUP, PERSON, ROOT, Graph, address
from tests.protocol.library import DISABLED, Library
from tests.protocol.shapes import refused, well_formed

ROW = "GET user"


def test_it_works(graph: Graph) -> None:
    alex = graph.as_("AlexW")
    for item in alex.get("/users").value:
        answer = alex.get(f"/users/{item['id']}")
        well_formed(answer)
        assert answer.json == {"@odata.context": f"{ROOT}/$metadata#users/$entity", **item}
        assert alex.get(f"/users/{item['userPrincipalName']}").json == answer.json


def test_me(graph: Graph) -> None:
    for nick in ("AdeleV", "guest", "admin"):
        me = graph.as_(nick, scopes=["User.Read"]).get("/me")
        well_formed(me)
        assert me.json["id"] == PERSON[nick]
        assert me.json["@odata.context"] == f"{ROOT}/$metadata#users/$entity"


@pytest.mark.parametrize("name", ["AdeleV", "adelev@CONTOSO.onmicrosoft.com", PERSON["AdeleV"].upper()])
def test_oneself_by_another_spelling(graph: Graph, name: str) -> None:
    """User.Read is for what is about oneself, however one writes it."""
    if "@" not in name and "-" not in name:
        name = address(name)
    client = graph.as_("AdeleV", scopes=["User.Read"])
    assert client.get(f"/users/{name}").json["id"] == PERSON["AdeleV"]
    refused(client.get(f"/users/{PERSON['AlexW']}"), 403, "Authorization_RequestDenied")
    refused(client.get("/users"), 403, "Authorization_RequestDenied")


def test_a_group_is_no_user(graph: Graph) -> None:
    for key in (GROUP["SalesAndMarketing"], address("SalesAndMarketing")):
        refused(graph.as_("AdeleV").get(f"/users/{key}"), 404, "Request_ResourceNotFound")


def test_me_of_somebody_whose_account_is_off(library: Library) -> None:
    refused(library.graph.signed_in(DISABLED).get("/me"), 403, "Authorization_RequestDenied")


def test_me_of_somebody_who_is_not_in_the_directory(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=["Directory.ReadWrite.All"])
    assert admin.delete(f"/users/{PERSON['AlexW']}").status == 204
    refused(graph.as_("AlexW").get("/me"), 404, "Request_ResourceNotFound")
