"""Groups in groups: GET group/transitiveMembers, group/memberOf, group/transitiveMemberOf, and no circles."""

from __future__ import annotations

import pytest

from tests.harness import GROUP, NAME, PERSON, ROOT, Client, Graph
from tests.protocol.library import Library, made
from tests.protocol.shapes import refused, well_formed

ROWS = (
    "GET group/transitiveMembers",
    "GET group/transitiveMembers/$count",
    "GET group/transitiveMembers/user",
    "GET group/transitiveMembers/user/$count",
    "GET group/transitiveMembers/group",
    "GET group/transitiveMembers/group/$count",
    "GET group/memberOf",
    "GET group/memberOf/$count",
    "GET group/memberOf/group",
    "GET group/memberOf/group/$count",
    "GET group/transitiveMemberOf",
    "GET group/transitiveMemberOf/$count",
    "GET group/transitiveMemberOf/group",
    "GET group/transitiveMemberOf/group/$count",
)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("Platform/members", ["Adele Vance", "Backend", "Frontend"]),
        (
            "Platform/transitiveMembers",
            ["Adele Vance", "Alex Wilber", "Backend", "Frontend", "Lee Gu", "Megan Bowen", "Storage"],
        ),
        ("Platform/transitiveMembers/microsoft.graph.user", ["Adele Vance", "Alex Wilber", "Lee Gu", "Megan Bowen"]),
        ("Platform/transitiveMembers/microsoft.graph.group", ["Backend", "Frontend", "Storage"]),
        ("Frontend/transitiveMembers", ["Megan Bowen"]),
        ("Frontend/transitiveMembers/microsoft.graph.group", []),
        ("Frontend/memberOf", ["Platform", "Storage"]),
        ("Frontend/memberOf/microsoft.graph.group", ["Platform", "Storage"]),
        ("Frontend/transitiveMemberOf", ["Backend", "Platform", "Storage"]),
        ("Frontend/transitiveMemberOf/microsoft.graph.group", ["Backend", "Platform", "Storage"]),
        ("Storage/memberOf", ["Backend"]),
        ("Storage/transitiveMemberOf", ["Backend", "Platform"]),
        ("Platform/memberOf", []),
        ("Platform/transitiveMemberOf", []),
    ],
)
def test_it_works(library: Library, path: str, names: list[str]) -> None:
    group, _, rest = path.partition("/")
    adele = library.as_("AdeleV")
    answer = adele.get(f"/groups/{made(group)}/{rest}")
    well_formed(answer)
    assert answer.json["@odata.context"] == f"{ROOT}/$metadata#directoryObjects"
    assert sorted(item["displayName"] for item in answer.value) == names  # each once, by however many ways
    for item in answer.value:
        kind = "user" if item["displayName"] in NAME.values() else "group"
        assert item["@odata.type"] == f"#microsoft.graph.{kind}"
    counted = adele.get(f"/groups/{made(group)}/{rest}/$count", ConsistencyLevel="eventual")
    assert counted.text == str(len(names))


def security_group(client: Client, name: str) -> str:
    body = {"displayName": name, "mailNickname": name, "mailEnabled": False, "securityEnabled": True}
    id: str = client.post("/groups", body | {"visibility": "Public"}).json["id"]
    return id


def add(client: Client, group: str, member: str) -> tuple[int, str | None]:
    answer = client.post(f"/groups/{group}/members/$ref", {"@odata.id": f"{ROOT}/directoryObjects/{member}"})
    return answer.status, answer.error["message"] if answer.content else None


def test_groups_do_not_go_round_in_circles(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    one, two, three = (security_group(adele, name) for name in ("one", "two", "three"))
    assert add(adele, one, two)[0] == add(adele, two, three)[0] == 204
    for group, member in ((one, one), (two, one), (three, one), (three, two), (three, three)):
        assert add(adele, group, member) == (400, "A group cannot be a member of itself.")
    assert add(adele, one, three)[0] == 204  # by two ways is no circle
    assert sorted(adele.get(f"/groups/{one}/transitiveMembers").ids) == sorted([two, three])
    assert adele.delete(f"/groups/{two}/members/{three}/$ref").status == 204
    assert adele.delete(f"/groups/{one}/members/{three}/$ref").status == 204
    assert add(adele, three, one)[0] == 204
    assert adele.get(f"/groups/{three}/transitiveMembers").ids == sorted([one, two])


def test_a_security_group_takes_a_microsoft_365_group(graph: Graph) -> None:
    lee = graph.as_("LeeG")
    group = security_group(lee, "all")
    place = graph.as_("LidiaH").start(group="Mark8")
    assert add(lee, group, place.group)[0] == 204
    found = lee.get(f"/groups/{group}/transitiveMembers/microsoft.graph.user").ids
    assert sorted(found) == sorted([PERSON["LidiaH"], PERSON["LeeG"]])


def test_who_does_not_see_a_group_cannot_ask_by_his_own_who_is_in_it(graph: Graph) -> None:
    """By `checkMemberGroups` of anybody, had his own group the other in it; nor whether there is such a group."""
    alex, lee = graph.as_("AlexW"), graph.as_("LeeG")
    group = security_group(alex, "mine")
    for hidden in (GROUP["HR"], "00000000-0000-0000-0000-000000000000"):
        uri = f"{ROOT}/groups/{hidden}"
        for role in ("members", "owners"):
            answer = alex.post(f"/groups/{group}/{role}/$ref", {"@odata.id": uri})
            refused(answer, 404, "Request_ResourceNotFound", None)
            answer = lee.post(f"/groups/{GROUP['Engineering']}/{role}/$ref", {"@odata.id": uri})
            refused(answer, 404, "Request_ResourceNotFound", None)
        assert alex.patch(f"/groups/{group}", {"members@odata.bind": [uri]}).status == 404
        body = {"displayName": "more", "mailNickname": "more", "mailEnabled": False, "securityEnabled": True}
        assert alex.post("/groups", body | {"members@odata.bind": [uri]}).status == 404
    assert alex.get(f"/groups/{group}/members").value == []
    assert add(graph.as_("DiegoS"), security_group(graph.as_("DiegoS"), "his"), GROUP["HR"])[0] == 204


def test_only_people_own_groups(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    one, two = security_group(adele, "one"), security_group(adele, "two")
    answer = adele.post(f"/groups/{one}/owners/$ref", {"@odata.id": f"{ROOT}/groups/{two}"})
    assert refused(answer, 400, "Request_BadRequest", "@odata.id") == "Only users can own a group."


def test_above_is_shown_what_the_caller_may_see(graph: Graph) -> None:
    """Patti's private group holds Adele's public one; Adele does not hear of it from below."""
    adele, patti = graph.as_("AdeleV"), graph.as_("PattiF")
    below = security_group(adele, "below")
    body = {"displayName": "Vault", "mailNickname": "vault", "mailEnabled": False, "securityEnabled": True}
    vault = patti.post("/groups", body).json["id"]
    assert add(patti, vault, below)[0] == 204
    for path in ("memberOf", "transitiveMemberOf", "memberOf/microsoft.graph.group"):
        assert adele.get(f"/groups/{below}/{path}").value == []
        assert adele.get(f"/groups/{below}/{path}/$count", ConsistencyLevel="eventual").text == "0"
        assert patti.get(f"/groups/{below}/{path}").ids == [vault]
    assert adele.get(f"/groups/{below}?$expand=memberOf").json["memberOf"] == []


def test_nobody_is_seen_in_a_group_through_one_that_the_caller_may_not_see(graph: Graph) -> None:
    """Lee is in Patti's private group, and that is in a public one."""
    patti, lee, isaiah = graph.as_("PattiF"), PERSON["LeeG"], graph.as_("IsaiahL")
    public = security_group(patti, "public")
    body = {"displayName": "Vault", "mailNickname": "vault", "mailEnabled": False, "securityEnabled": True}
    vault = patti.post("/groups", body | {"members@odata.bind": [f"{ROOT}/users/{lee}"]}).json["id"]
    assert add(patti, public, vault)[0] == 204
    for client, seen in ((isaiah, False), (patti, True), (graph.as_("LeeG"), True), (graph.as_app("daemon"), True)):
        assert (lee in client.get(f"/groups/{public}/transitiveMembers").ids) is seen
        assert (public in client.get(f"/users/{lee}/transitiveMemberOf").ids) is seen
        assert client.get(f"/users/{lee}/transitiveMemberOf/{public}").status == (200 if seen else 404)
        for question, more in (
            ("checkMemberGroups", {"groupIds": [public]}),
            ("checkMemberObjects", {"ids": [public]}),
            ("getMemberGroups", {"securityEnabledOnly": False}),
            ("getMemberObjects", {"securityEnabledOnly": False}),
        ):
            assert (public in client.post(f"/users/{lee}/{question}", more).value) is seen
    # By another way it is seen as before.
    assert add(patti, public, lee)[0] == 204
    assert isaiah.get(f"/groups/{public}/transitiveMembers").ids == [lee]
    assert public in isaiah.get(f"/users/{lee}/transitiveMemberOf").ids
