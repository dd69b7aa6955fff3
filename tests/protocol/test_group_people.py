"""GET group/members and group/owners, as a whole, by type and counted."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.harness import GROUP, NAME, PERSON, ROOT, Graph
from tests.protocol.library import Library, made
from tests.protocol.shapes import refused, well_formed

ROWS = (
    "GET group/members",
    "GET group/members/$count",
    "GET group/members/user",
    "GET group/members/user/$count",
    "GET group/members/group",
    "GET group/members/group/$count",
    "GET group/owners",
    "GET group/owners/$count",
    "GET group/owners/user",
    "GET group/owners/user/$count",
)
PATH = f"/groups/{GROUP['SalesAndMarketing']}"
USER = """@odata.type id businessPhones displayName givenName jobTitle mail mobilePhone officeLocation preferredLanguage
surname userPrincipalName"""


@pytest.mark.parametrize(
    ("which", "nicks"),
    [
        ("members", ("AdeleV", "MeganB", "AlexW", "IsaiahL", "LynneR", "guest")),
        ("members/microsoft.graph.user", ("AdeleV", "MeganB", "AlexW", "IsaiahL", "LynneR", "guest")),
        ("members/microsoft.graph.group", ()),
        ("owners", ("AdeleV", "MeganB")),
        ("owners/microsoft.graph.user", ("AdeleV", "MeganB")),
    ],
)
def test_it_works(graph: Graph, which: str, nicks: tuple[str, ...]) -> None:
    answer = graph.as_("AlexW").get(f"{PATH}/{which}")
    well_formed(answer)
    assert answer.json["@odata.context"] == f"{ROOT}/$metadata#directoryObjects"
    assert sorted(answer.ids) == sorted(PERSON[nick] for nick in nicks)
    for item in answer.value:
        assert list(item) == USER.split()
        assert item["@odata.type"] == "#microsoft.graph.user"
    counted = graph.as_("AlexW").get(f"{PATH}/{which}/$count", ConsistencyLevel="eventual")
    assert counted.text == str(len(nicks))


def test_groups_and_people_come_together_and_apart(library: Library) -> None:
    adele = library.as_("AdeleV")
    path = f"/groups/{made('Storage')}/members"
    kinds = {item["displayName"]: item["@odata.type"] for item in adele.get(path).value}
    assert kinds == {
        "Frontend": "#microsoft.graph.group",
        NAME["AlexW"]: "#microsoft.graph.user",
        NAME["LeeG"]: "#microsoft.graph.user",
    }
    groups = adele.get(f"{path}/microsoft.graph.group").value
    assert [(item["@odata.type"], item["displayName"]) for item in groups] == [("#microsoft.graph.group", "Frontend")]
    assert groups[0]["securityEnabled"] is True
    users = adele.get(f"{path}/graph.user").value
    assert {item["displayName"] for item in users} == {NAME["AlexW"], NAME["LeeG"]}


@pytest.mark.parametrize(
    ("filter_", "names"),
    [
        ("userType eq 'Member'", {NAME["AlexW"], NAME["LeeG"]}),
        ("accountEnabled eq true", {NAME["AlexW"], NAME["LeeG"]}),
        ("startswith(givenName,'a') or jobTitle eq 'director'", {NAME["AlexW"], NAME["LeeG"]}),
        ("securityEnabled eq true", {"Frontend"}),
        ("accountEnabled eq null and groupTypes/$count eq 0", {"Frontend"}),
        ("proxyAddresses/any(a:startswith(a,'SMTP:LeeG'))", {NAME["LeeG"]}),
        ("userType ne 'Member'", {"Frontend"}),
    ],
)
@pytest.mark.parametrize("which", ["members", "transitiveMembers"])
def test_both_are_filtered_by_what_one_of_them_has(library: Library, which: str, filter_: str, names: set[str]) -> None:
    path = f"/groups/{made('Storage')}/{which}?$count=true&$filter={quote(filter_)}"
    answer = library.as_("AdeleV").get(path, ConsistencyLevel="eventual")
    found = {item["displayName"] for item in answer.value}
    assert (found if which == "members" else found & {"Frontend", NAME["AlexW"], NAME["LeeG"]}) == names
    assert answer.json["@odata.count"] == len(answer.value)


def test_both_are_ordered_and_searched_by_what_one_of_them_has(library: Library) -> None:
    path, adele = f"/groups/{made('Storage')}/members", library.as_("AdeleV")
    by_job = adele.get(f"{path}?$orderby=jobTitle,displayName&$top=2&$count=true", ConsistencyLevel="eventual")
    rest = adele.get(by_job.json["@odata.nextLink"])
    assert [item["displayName"] for item in by_job.value + rest.value] == ["Frontend", NAME["LeeG"], NAME["AlexW"]]
    search = quote('"jobTitle:director"')
    found = adele.get(f"{path}?$search={search}", ConsistencyLevel="eventual")
    assert [item["displayName"] for item in found.value] == [NAME["LeeG"]]


@pytest.mark.parametrize("ordered", ["userType", "accountEnabled", "mailEnabled", "visibility", "mail", "displayName"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("which", ["members", "transitiveMembers"])
def test_both_are_ordered_page_by_page(library: Library, which: str, ordered: str, direction: str) -> None:
    """Who does not have it comes before all values, and behind them where it is the other way round."""
    adele = library.as_("AdeleV")
    path = f"/groups/{made('Storage')}/{which}?$count=true&$orderby={ordered}%20{direction}"
    whole = [item["id"] for item in adele.get(path, ConsistencyLevel="eventual").value]
    by_one, next_link = [], f"{path}&$top=1"
    while next_link:
        page = adele.get(next_link, ConsistencyLevel="eventual")
        by_one += [item["id"] for item in page.value]
        next_link = page.json.get("@odata.nextLink")
    assert by_one == whole
    if which == "members" and ordered in ("userType", "accountEnabled"):
        assert whole[0 if direction == "asc" else -1] == made("Frontend")


def test_whoever_sees_the_group_sees_who_is_in_it(graph: Graph) -> None:
    for path in ("members", "owners"):
        assert graph.as_("JoniS").get(f"{PATH}/{path}").value
        assert graph.as_("guest").get(f"{PATH}/{path}").value
        refused(graph.as_("AdeleV").get(f"/groups/{GROUP['HR']}/{path}"), 404, "Request_ResourceNotFound")
        assert graph.as_("JoniS").get(f"/groups/{GROUP['HR']}/{path}").value
        assert graph.as_("admin").get(f"/groups/{GROUP['HR']}/{path}").value


def test_who_left_the_directory_is_in_no_group(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=["Directory.ReadWrite.All"])
    assert admin.delete(f"/users/{PERSON['MeganB']}").status == 204
    for path in ("members", "owners", "members/microsoft.graph.user", "transitiveMembers"):
        assert PERSON["MeganB"] not in graph.as_("AdeleV").get(f"{PATH}/{path}").ids
    assert graph.as_("AdeleV").get(f"{PATH}/owners/$count", ConsistencyLevel="eventual").text == "1"


@pytest.mark.parametrize(
    "which", ["members", "members/microsoft.graph.group", "transitiveMembers", "transitiveMembers/microsoft.graph.user"]
)
def test_a_private_group_in_a_public_one_shows_nothing_of_itself(graph: Graph, which: str) -> None:
    patti, outsider = graph.as_("PattiF"), graph.as_("JoniS")
    body = {"displayName": "Open", "mailNickname": "open", "mailEnabled": False, "securityEnabled": True}
    above = patti.post("/groups", body | {"visibility": "Public"}).json["id"]
    below = patti.post("/groups", body | {"mailNickname": "secret", "displayName": "Secret"}).json["id"]
    refused(outsider.get(f"/groups/{below}"), 404, "Request_ResourceNotFound")
    for group, object_ in ((above, below), (below, PERSON["NestorW"])):
        reference = {"@odata.id": f"{ROOT}/directoryObjects/{object_}"}
        assert patti.post(f"/groups/{group}/members/$ref", reference).status == 204
    # Graph: of a member that the caller may not see, no more than the type and the id are sent.
    for item in outsider.get(f"/groups/{above}/{which}").value:
        assert item["id"] != PERSON["NestorW"]
        assert "Secret" not in item.values()
