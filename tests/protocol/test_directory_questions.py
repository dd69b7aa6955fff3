"""Questions by POST that change nothing: getByIds, checkMember…, getMember…, validateProperties; directoryObjects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import GROUP, PERSON, ROOT, Graph, address
from tests.protocol.library import Library, made
from tests.protocol.rows import EVERYTHING
from tests.protocol.shapes import refused

ROWS = (
    "POST group/checkMemberGroups",
    "POST group/checkMemberObjects",
    "POST group/getMemberGroups",
    "POST group/getMemberObjects",
    "POST user/checkMemberGroups",
    "POST user/checkMemberObjects",
    "POST user/getMemberGroups",
    "POST user/getMemberObjects",
    "POST directoryObjects/object/checkMemberGroups",
    "POST directoryObjects/object/checkMemberObjects",
    "POST directoryObjects/object/getMemberGroups",
    "POST directoryObjects/object/getMemberObjects",
    "POST groups/getByIds",
    "POST groups/validateProperties",
    "POST groups/getAvailableExtensionProperties",
    "POST users/getByIds",
    "POST users/validateProperties",
    "POST users/getAvailableExtensionProperties",
    "POST directoryObjects/getByIds",
    "POST directoryObjects/validateProperties",
    "POST directoryObjects/getAvailableExtensionProperties",
    "GET directoryObjects/object",
    "DELETE directoryObjects/object",
)
NOBODY = "00000000-0000-0000-0000-000000000000"
ALL = ("groups", "users", "directoryObjects")


@pytest.mark.parametrize("collection", ALL)
def test_by_ids(library: Library, collection: str) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    ids = [PERSON["AlexW"], GROUP["Mark8"], GROUP["HR"], NOBODY, made("deleted"), PERSON["AlexW"].upper()]
    answer = adele.post(f"/{collection}/getByIds", {"ids": ids})
    assert answer.json["@odata.context"] == f"{ROOT}/$metadata#directoryObjects"
    assert {each["id"]: each["@odata.type"] for each in answer.value} == {
        PERSON["AlexW"]: "#microsoft.graph.user",
        GROUP["Mark8"]: "#microsoft.graph.group",
    }
    for types, found in ((["user"], "AlexW"), (["Group"], "Mark8"), (["#microsoft.graph.group", "device"], "Mark8")):
        (item,) = adele.post(f"/{collection}/microsoft.graph.getByIds", {"ids": ids, "types": types}).value
        assert item["id"] == (PERSON | GROUP)[found]
    assert len(adele.post(f"/{collection}/getByIds", {"Ids": ids, "Types": ["directoryObject"]}).value) == 2
    assert adele.post(f"/{collection}/getByIds", {"ids": ids, "types": ["device"]}).value == []


def test_many_ids(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    ids = [*(made(str(number)) for number in range(999)), PERSON["AlexW"]]
    assert adele.post("/users/getByIds", {"ids": ids}).ids == [PERSON["AlexW"]]
    for bad, target in (([*ids, NOBODY], "ids"), ([], "ids"), (["x"], "ids[0]"), ("x", "ids"), ([1], "ids[0]")):
        refused(adele.post("/users/getByIds", {"ids": bad}), 400, "Request_BadRequest", target)


@pytest.mark.parametrize("path", ["/me", f"/users/{PERSON['AlexW']}", f"/directoryObjects/{PERSON['AlexW']}"])
def test_of_a_person(library: Library, path: str) -> None:
    alex = library.as_("AlexW", scopes=EVERYTHING)
    nested = {made(name) for name in ("Storage", "Backend", "Platform")}
    groups = {each["id"]: each for each in alex.get("/me/transitiveMemberOf").value}
    assert nested < set(groups)
    for name in ("getMemberGroups", "getMemberObjects"):
        answer = alex.post(f"{path}/{name}", {"securityEnabledOnly": False})
        assert answer.json["@odata.context"] == f"{ROOT}/$metadata#Collection(Edm.String)"
        assert set(answer.value) == set(groups)
        secure = alex.post(f"{path}/{name}", {"SecurityEnabledOnly": True}).value
        assert set(secure) == {id for id, group in groups.items() if group["securityEnabled"]}
    asked = [made("Platform"), GROUP["HR"], NOBODY]
    assert alex.post(f"{path}/checkMemberGroups", {"groupIds": asked}).value == [made("Platform")]
    assert alex.post(f"{path}/checkMemberObjects", {"ids": asked}).value == [made("Platform")]


@pytest.mark.parametrize("path", [f"/groups/{made('Storage')}", f"/directoryObjects/{made('Storage')}"])
def test_of_a_group(library: Library, path: str) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    above = {made("Backend"), made("Platform")}
    assert set(adele.post(f"{path}/getMemberGroups", {"securityEnabledOnly": False}).value) == above
    asked = {"groupIds": [made("Platform"), GROUP["Mark8"]]}
    assert adele.post(f"{path}/checkMemberGroups", asked).value == [made("Platform")]
    answer = adele.post(f"{path}/getMemberGroups", {"securityEnabledOnly": True})
    refused(answer, 400, "Request_BadRequest", "securityEnabledOnly")


def test_a_group_that_one_may_not_see_is_not_told_of(library: Library) -> None:
    adele, nestor = library.as_("AdeleV", scopes=EVERYTHING), library.as_("NestorW")
    path, asked = f"/users/{PERSON['NestorW']}", {"groupIds": [made("Vault")]}
    assert nestor.post("/me/checkMemberGroups", asked).value == [made("Vault")]
    assert adele.post(f"{path}/checkMemberGroups", asked).value == []
    assert made("Vault") not in adele.post(f"{path}/getMemberGroups", {}).value
    refused(adele.post(f"/groups/{made('Vault')}/getMemberGroups", {}), 404, "Request_ResourceNotFound")
    refused(adele.post(f"/directoryObjects/{made('Vault')}/getMemberGroups", {}), 404, "Request_ResourceNotFound")


def test_at_most_twenty_can_be_checked(library: Library) -> None:
    adele = library.as_("AdeleV")
    many = [made(str(number)) for number in range(21)]
    assert adele.post("/me/checkMemberGroups", {"groupIds": many[:20]}).value == []
    refused(adele.post("/me/checkMemberGroups", {"groupIds": many}), 400, "Request_BadRequest", "groupIds")
    refused(adele.post("/me/checkMemberObjects", {"ids": many}), 400, "Request_BadRequest", "ids")
    refused(adele.post("/me/checkMemberGroups", {}), 400, "Request_BadRequest", "groupIds")


@pytest.mark.parametrize("collection", ALL)
@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"displayName": "Fine", "mailNickname": "fine"}, None),
        ({"entityType": "group", "displayName": "Fine"}, None),
        ({"entityType": "Group", "displayName": ""}, "displayName"),
        ({"entityType": "Group", "displayName": "x" * 257}, "displayName"),
        ({"entityType": "Group", "mailNickname": "not fine"}, "mailNickname"),
        ({"entityType": "Group", "displayName": "Fine", "mailNickname": "SalesAndMarketing"}, "mailNickname"),
    ],
)
def test_names(library: Library, collection: str, body: dict[str, Any], target: str | None) -> None:
    answer = library.as_("AdeleV", scopes=EVERYTHING).post(f"/{collection}/validateProperties", body)
    if target is None:
        assert (answer.status, answer.content) == (204, b"")
    elif "mailNickname" in body and "displayName" in body:
        assert answer.refusal == (422, "Request_UnprocessableEntity")
        assert [detail["target"] for detail in answer.error["details"]] == [target]
    else:
        refused(answer, 400, "Request_BadRequest", target)


def test_names_of_what(library: Library) -> None:
    adele = library.as_("AdeleV")
    for body, target in (({"entityType": "User", "displayName": "x"}, "entityType"), ({}, "displayName")):
        refused(adele.post("/groups/validateProperties", body), 400, "Request_BadRequest", target)


@pytest.mark.parametrize("collection", ALL)
def test_there_are_no_extension_properties(library: Library, collection: str) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    answer = adele.post(f"/{collection}/getAvailableExtensionProperties", {"isSyncedFromOnPremises": True})
    assert answer.value == []


def test_a_directory_object(graph: Graph) -> None:
    adele, admin = graph.as_("AdeleV", scopes=EVERYTHING), graph.as_("admin", scopes=EVERYTHING)
    item = adele.get(f"/directoryObjects/{PERSON['AlexW']}?$select=userPrincipalName").json
    assert item["@odata.type"] == "#microsoft.graph.user"
    assert item["userPrincipalName"] == address("AlexW")
    assert adele.get(f"/directoryObjects/{GROUP['Mark8']}").json["@odata.type"] == "#microsoft.graph.group"
    for id in (GROUP["HR"], NOBODY):
        refused(adele.get(f"/directoryObjects/{id}"), 404, "Request_ResourceNotFound")
        refused(adele.delete(f"/directoryObjects/{id}"), 404, "Request_ResourceNotFound")
    for id in (GROUP["Mark8"], PERSON["AlexW"]):
        refused(adele.delete(f"/directoryObjects/{id}"), 403, "Authorization_RequestDenied")
        assert admin.delete(f"/directoryObjects/{id}").status == 204
        refused(adele.get(f"/directoryObjects/{id}"), 404, "Request_ResourceNotFound")
    refused(adele.get("/directoryObjects/nonsense"), 400, "Request_BadRequest")
    refused(adele.get("/directoryObjects"), 400, "BadRequest")
