"""DELETE user: out of the directory and of every group; what the person has said stays."""

from __future__ import annotations

from tests.harness import GROUP, PERSON, Graph, address
from tests.protocol.rows import EVERYTHING, NEW_USER
from tests.protocol.shapes import refused, well_formed

ROW = "DELETE user"
PATH = f"/users/{PERSON['AlexW']}"


def test_it_works(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    place = graph.as_("AlexW").start("Farewell")
    answer = admin.delete(PATH)
    well_formed(answer)
    assert (answer.status, answer.content) == (204, b"")
    refused(admin.get(PATH), 404, "Request_ResourceNotFound")
    refused(admin.get(f"/users/{address('AlexW')}"), 404, "Request_ResourceNotFound")
    refused(admin.delete(PATH), 404, "Request_ResourceNotFound")
    refused(admin.patch(PATH, {"displayName": "x"}), 404, "Request_ResourceNotFound")
    assert PERSON["AlexW"] not in admin.get(f"/groups/{GROUP['SalesAndMarketing']}/members").ids
    refused(graph.as_("AlexW").get(place.post_path()), 403, "ErrorAccessDenied")
    post = graph.as_("AdeleV").get(place.post_path()).json
    assert post["sender"]["emailAddress"] == {"name": "Alex Wilber", "address": address("AlexW")}


def test_the_sign_in_name_becomes_free(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    admin.delete(PATH)
    made = admin.post("/users", NEW_USER | {"userPrincipalName": address("AlexW")})
    assert made.status == 201
    assert made.json["id"] != PERSON["AlexW"]


def test_who_may(graph: Graph) -> None:
    for nick in ("AdeleV", "AlexW", "guest"):
        refused(graph.as_(nick, scopes=EVERYTHING).delete(PATH), 403, "Authorization_RequestDenied")
    assert graph.as_app("daemon", roles=["User.ReadWrite.All"]).delete(PATH).status == 204


def test_the_groups_hear_of_it(graph: Graph) -> None:
    graph.as_("admin", scopes=EVERYTHING).delete(PATH)
    assert graph.changes() == ["deleted member"]
