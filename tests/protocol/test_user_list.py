"""GET users and GET users/$count."""

from __future__ import annotations

from folkmoot import lab
from tests.harness import ROOT, Graph, address
from tests.protocol.library import DELETED, Library
from tests.protocol.shapes import well_formed

ROWS = ("GET users", "GET users/$count")
DEFAULT = """id businessPhones displayName givenName jobTitle mail mobilePhone officeLocation preferredLanguage surname
userPrincipalName"""


def test_it_works(graph: Graph) -> None:
    answer = graph.as_("AlexW").get("/users")
    well_formed(answer)
    assert answer.json["@odata.context"] == f"{ROOT}/$metadata#users"
    assert sorted(answer.ids) == sorted(person.id for person in lab.PEOPLE)
    for item in answer.value:
        assert list(item) == DEFAULT.split()
    adele = next(item for item in answer.value if item["displayName"] == "Adele Vance")
    assert adele == {
        "id": adele["id"],
        "businessPhones": [],
        "displayName": "Adele Vance",
        "givenName": "Adele",
        "jobTitle": "Product Marketing Manager",
        "mail": address("AdeleV"),
        "mobilePhone": None,
        "officeLocation": None,
        "preferredLanguage": "en-US",
        "surname": "Vance",
        "userPrincipalName": address("AdeleV"),
    }
    assert graph.as_("AlexW").get("/users/$count", ConsistencyLevel="eventual").text == str(len(lab.PEOPLE))


def test_who_left_is_not_in_it(library: Library) -> None:
    adele = library.as_("AdeleV")
    assert DELETED.oid not in adele.get("/users").ids
    assert adele.get(f"/users?$filter=id eq '{DELETED.oid}'").value == []


def test_what_nobody_may_know_is_not_there(library: Library) -> None:
    adele = library.as_("AdeleV")
    for name in ("passwordProfile", "password_hash", "passwordHash", "isAdmin", "is_admin"):
        assert adele.get(f"/users?$select={name}").status == 400
        assert adele.get(f"/users?$filter={name} eq null").status == 400
        assert adele.get(f"/users?$orderby={name}").status == 400
