"""What a query on the directory needs `ConsistencyLevel: eventual` for, and `$search`."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.harness import PERSON
from tests.protocol.library import Library, made
from tests.protocol.rows import EVERYTHING
from tests.protocol.shapes import refused

EVENTUAL = {"ConsistencyLevel": "eventual"}
ADVANCED = [
    ("/users", "displayName ne 'x'"),
    ("/users", "not startswith(displayName,'A')"),
    ("/users", "endswith(mail,'.com')"),
    ("/users", "displayName eq 'x' or endswith(mail,'.com')"),
    ("/users", "officeLocation eq 'x'"),
    ("/users", "otherMails/$count eq 0"),
    ("/groups", "theme eq 'Teal'"),
    ("/groups", "not groupTypes/any(t:t eq 'Unified')"),
    (f"/groups/{made('Platform')}/members", "displayName ne 'x'"),
    ("/me/memberOf", "displayName ne 'x'"),
]
PLAIN = [
    ("/users", "displayName eq 'x' or startswith(mail,'a')"),
    ("/users", "userType in ('Guest')"),
    ("/groups", "groupTypes/any(t:t eq 'Unified')"),
    ("/groups", "createdDateTime ge 2020-01-01T00:00:00Z"),
]


@pytest.mark.parametrize(("path", "filter"), ADVANCED)
def test_an_advanced_filter(library: Library, path: str, filter: str) -> None:
    adele, asked = library.as_("AdeleV", scopes=EVERYTHING), f"{path}?$filter={quote(filter)}"
    message = refused(adele.get(asked), 400, "Request_UnsupportedQuery", "$filter")
    indexed = "Location" not in filter and "theme" not in filter
    assert message.startswith("Unsupported Query." if indexed else "The request uses a filter property that is not")
    assert adele.get(asked, **EVENTUAL).status == 200
    extended = library.graph.as_app("extended")
    if "/me" not in path:
        assert extended.get(asked).status == 200


@pytest.mark.parametrize(("path", "filter"), PLAIN)
def test_a_plain_filter(library: Library, path: str, filter: str) -> None:
    adele, asked = library.as_("AdeleV", scopes=EVERYTHING), f"{path}?$filter={quote(filter)}"
    assert adele.get(asked).status == 200
    refused(adele.get(f"{asked}&$orderby=displayName"), 400, "Request_UnsupportedQuery", "$filter")
    assert adele.get(f"{asked}&$orderby=displayName", **EVENTUAL).status == 200


def test_skip(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    for path in ("/users", "/groups"):
        refused(adele.get(f"{path}?$skip=1"), 400, "Request_BadRequest", "$skip")
        assert library.graph.as_app("extended").get(f"{path}?$skip=1").status == 200
    assert adele.get("/me/memberOf?$skip=1").status == 200


def test_counting(library: Library) -> None:
    extended, adele = library.graph.as_app("extended"), library.as_("AdeleV", scopes=EVERYTHING)
    assert extended.get("/users/$count").text.isdigit()
    assert extended.get("/users?$count=true").json["@odata.count"] > 0
    refused(adele.get("/users/$count"), 400, "Request_BadRequest")
    assert "@odata.count" not in adele.get("/users?$count=true").json


def test_a_next_link_needs_no_header(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    first = adele.get("/users?$filter=displayName ne 'x'&$top=2", **EVENTUAL)
    assert adele.get(first.json["@odata.nextLink"]).status == 200


@pytest.mark.parametrize(
    ("path", "search", "expected"),
    [
        ("/users", '"displayName:adele"', {PERSON["AdeleV"]}),
        ("/users", '"displayName:VAN"', {PERSON["AdeleV"]}),
        ("/users", '"displayName:ance"', set()),
        ("/users", '"displayName:vance adele"', {PERSON["AdeleV"]}),
        ("/users", '"mail:alexw@contoso"', {PERSON["AlexW"]}),
        ("/users", '"displayName:adele" OR "displayName:alex"', {PERSON["AdeleV"], PERSON["AlexW"]}),
        ("/users", '"displayName:adele" AND "jobTitle:product"', {PERSON["AdeleV"]}),
        ("/users", '("displayName:adele" OR "displayName:alex") AND "jobTitle:assistant"', {PERSON["AlexW"]}),
        ("/users", '"displayname:Österreich"', {made("zoe")}),
        ("/groups", '"displayName:storage"', {made("Storage")}),
        (f"/groups/{made('Platform')}/members", '"displayName:adele"', {PERSON["AdeleV"]}),
    ],
)
def test_search(library: Library, path: str, search: str, expected: set[str]) -> None:
    adele, asked = library.as_("AdeleV", scopes=EVERYTHING), f"{path}?$search={quote(search)}"
    assert set(adele.get(asked, **EVENTUAL).ids) == expected
    assert {each["id"] for each in library.graph.as_app("extended").get(asked).value} == expected
    message = refused(adele.get(asked), 400, "Request_UnsupportedQuery", "$search")
    assert "ConsistencyLevel: eventual" in message
    assert adele.get(f"{path}/$count?$search={quote(search)}", **EVENTUAL).text == str(len(expected))


def test_search_page_by_page(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    search = quote('"mail:contoso"')
    asked = f"/users?$search={search}&$top=5"
    first = adele.get(asked, **EVENTUAL)
    assert len(first.value) == 5
    rest = adele.get(first.json["@odata.nextLink"])
    assert not set(first.ids) & set(rest.ids)


@pytest.mark.parametrize(
    "search",
    ["x", '"x"', '"nope:x"', '"displayName:"', '"displayName:x" AND', 'OR "displayName:x"', '("displayName:x"',
     '"displayName:x" "mail:y"', '"displayName:x" and "mail:y"', '"accountEnabled:true"', '"displayName:---"',
     " OR ".join(['"displayName:x"'] * 21), "((((", '"a:b'],
)  # fmt: skip
def test_a_search_that_cannot_be_read(library: Library, search: str) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    refused(adele.get(f"/users?$search={quote(search)}", **EVENTUAL), 400, "Request_BadRequest", "$search")
