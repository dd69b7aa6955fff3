"""Who is in what: every relationship as collection, item, cast and count, and what is not in this directory."""

from __future__ import annotations

import pytest

from tests.harness import GROUP, PERSON, ROOT, Graph
from tests.protocol.library import Library, made
from tests.protocol.rows import EVERYTHING
from tests.protocol.shapes import refused

ROWS = (
    "GET group/members/object",
    "GET group/members/application",
    "GET group/members/application/$count",
    "GET group/members/object/application",
    "GET group/members/device",
    "GET group/members/device/$count",
    "GET group/members/object/device",
    "GET group/members/object/group",
    "GET group/members/orgContact",
    "GET group/members/orgContact/$count",
    "GET group/members/object/orgContact",
    "GET group/members/servicePrincipal",
    "GET group/members/servicePrincipal/$count",
    "GET group/members/object/servicePrincipal",
    "GET group/members/object/user",
    "GET group/owners/object",
    "GET group/owners/application",
    "GET group/owners/application/$count",
    "GET group/owners/object/application",
    "GET group/owners/device",
    "GET group/owners/device/$count",
    "GET group/owners/object/device",
    "GET group/owners/group",
    "GET group/owners/group/$count",
    "GET group/owners/object/group",
    "GET group/owners/orgContact",
    "GET group/owners/orgContact/$count",
    "GET group/owners/object/orgContact",
    "GET group/owners/servicePrincipal",
    "GET group/owners/servicePrincipal/$count",
    "GET group/owners/object/servicePrincipal",
    "GET group/owners/object/user",
    "GET group/members/$ref",
    "GET group/owners/$ref",
    "GET group/transitiveMembers/object",
    "GET group/transitiveMembers/application",
    "GET group/transitiveMembers/application/$count",
    "GET group/transitiveMembers/object/application",
    "GET group/transitiveMembers/device",
    "GET group/transitiveMembers/device/$count",
    "GET group/transitiveMembers/object/device",
    "GET group/transitiveMembers/object/group",
    "GET group/transitiveMembers/orgContact",
    "GET group/transitiveMembers/orgContact/$count",
    "GET group/transitiveMembers/object/orgContact",
    "GET group/transitiveMembers/servicePrincipal",
    "GET group/transitiveMembers/servicePrincipal/$count",
    "GET group/transitiveMembers/object/servicePrincipal",
    "GET group/transitiveMembers/object/user",
    "GET group/memberOf/object",
    "GET group/memberOf/administrativeUnit",
    "GET group/memberOf/administrativeUnit/$count",
    "GET group/memberOf/object/administrativeUnit",
    "GET group/memberOf/object/group",
    "GET group/transitiveMemberOf/object",
    "GET group/transitiveMemberOf/administrativeUnit",
    "GET group/transitiveMemberOf/administrativeUnit/$count",
    "GET group/transitiveMemberOf/object/administrativeUnit",
    "GET group/transitiveMemberOf/object/group",
    "GET user/memberOf/object",
    "GET user/memberOf/administrativeUnit",
    "GET user/memberOf/administrativeUnit/$count",
    "GET user/memberOf/object/administrativeUnit",
    "GET user/memberOf/directoryRole",
    "GET user/memberOf/directoryRole/$count",
    "GET user/memberOf/object/directoryRole",
    "GET user/memberOf/object/group",
    "GET user/transitiveMemberOf/object",
    "GET user/transitiveMemberOf/administrativeUnit",
    "GET user/transitiveMemberOf/administrativeUnit/$count",
    "GET user/transitiveMemberOf/object/administrativeUnit",
    "GET user/transitiveMemberOf/directoryRole",
    "GET user/transitiveMemberOf/directoryRole/$count",
    "GET user/transitiveMemberOf/object/directoryRole",
    "GET user/transitiveMemberOf/object/group",
    "GET user/ownedObjects/object",
    "GET user/ownedObjects/application",
    "GET user/ownedObjects/application/$count",
    "GET user/ownedObjects/object/application",
    "GET user/ownedObjects/object/group",
    "GET user/ownedObjects/servicePrincipal",
    "GET user/ownedObjects/servicePrincipal/$count",
    "GET user/ownedObjects/object/servicePrincipal",
    "GET user/joinedTeams",
)
SALES = f"/groups/{GROUP['SalesAndMarketing']}"
NOBODY = "00000000-0000-0000-0000-000000000000"


def test_an_item_of_a_relationship(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    item = adele.get(f"{SALES}/members/{PERSON['AlexW']}").json
    assert item["@odata.context"] == f"{ROOT}/$metadata#directoryObjects/$entity"
    assert (item["@odata.type"], item["displayName"]) == ("#microsoft.graph.user", "Alex Wilber")
    cast = adele.get(f"{SALES}/members/{PERSON['AlexW']}/graph.user?$select=displayName").json
    assert cast["displayName"] == "Alex Wilber"
    nested = adele.get(f"/groups/{made('Platform')}/transitiveMembers('{made('Storage')}')/microsoft.graph.group")
    assert nested.json["displayName"] == "Storage"
    assert adele.get(f"/me/memberOf/{made('Platform')}").json["@odata.type"] == "#microsoft.graph.group"


@pytest.mark.parametrize("id", [NOBODY, PERSON["PattiF"], GROUP["Mark8"]])
def test_what_is_not_in_it(library: Library, id: str) -> None:
    adele = library.as_("AdeleV")
    for path in (f"{SALES}/members/{id}", f"{SALES}/owners/{id}/graph.user", f"{SALES}/memberOf/{id}"):
        refused(adele.get(path), 404, "Request_ResourceNotFound")
    refused(adele.get(f"{SALES}/members/nonsense"), 400, "Request_BadRequest")


def test_a_group_that_one_may_not_see_is_no_item(library: Library) -> None:
    """Nestor is in Vault, which Adele cannot see."""
    path = f"/users/{PERSON['NestorW']}/memberOf/{made('Vault')}"
    assert library.as_("NestorW").get(f"/me/memberOf/{made('Vault')}").status == 200
    refused(library.as_("AdeleV", scopes=EVERYTHING).get(path), 404, "Request_ResourceNotFound")


def test_without_ref_a_deletion_would_be_of_the_object(graph: Graph) -> None:
    """The cloud deletes the object itself where the caller may; here the method is not allowed, whoever asks."""
    for client in (graph.as_("AdeleV"), graph.as_("admin", scopes=EVERYTHING), graph.as_app("daemon")):
        for role in ("members", "owners"):
            answer = client.delete(f"{SALES}/{role}/{PERSON['MeganB']}")
            refused(answer, 405, "Request_BadRequest")
            assert answer.headers["allow"] == "GET"
    assert graph.as_("MeganB").get("/me").status == 200
    assert graph.changes() == []


def test_what_this_directory_has_none_of(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    for path in (
        f"{SALES}/members/microsoft.graph.servicePrincipal",
        f"{SALES}/owners/graph.orgContact",
        f"{SALES}/transitiveMembers/graph.device",
        f"{SALES}/memberOf/graph.administrativeUnit",
        "/me/memberOf/graph.directoryRole",
        "/me/ownedObjects/graph.application?$select=displayName",
    ):
        answer = adele.get(path)
        assert answer.value == []
        assert answer.json["@odata.context"].startswith(f"{ROOT}/$metadata#directoryObjects")
    count = adele.get(f"{SALES}/members/graph.device/$count", ConsistencyLevel="eventual")
    assert count.text == "0"
    refused(adele.get(f"/groups/{NOBODY}/members/graph.device"), 404, "Request_ResourceNotFound")
    teams = adele.get("/me/joinedTeams").json
    assert teams == {"@odata.context": f"{ROOT}/$metadata#teams", "value": []}


@pytest.mark.parametrize("role", ["members", "owners"])
def test_references(library: Library, role: str) -> None:
    adele = library.as_("AdeleV")
    ids = adele.get(f"{SALES}/{role}").ids
    answer = adele.get(f"{SALES}/{role}/$ref")
    assert answer.json["@odata.context"] == f"{ROOT}/$metadata#Collection($ref)"
    assert answer.value == [{"@odata.id": f"{ROOT}/directoryObjects/{id}"} for id in ids]
    for page in adele.pages(f"{SALES}/{role}/$ref?$top=1"):
        assert page == [{"@odata.id": f"{ROOT}/directoryObjects/{ids.pop(0)}"}]
    assert ids == []
    refused(adele.get(f"{SALES}/{role}/$ref?$expand=members"), 400, "Request_BadRequest", "$expand")
