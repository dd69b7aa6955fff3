"""GET user/memberOf, user/transitiveMemberOf and user/ownedObjects: of a user, and of oneself."""

from __future__ import annotations

import pytest

from tests.harness import GROUP, PERSON, ROOT, Graph, address
from tests.protocol.library import Library, made
from tests.protocol.rows import EVERYTHING
from tests.protocol.shapes import well_formed

ROWS = (
    "GET user/memberOf",
    "GET user/memberOf/$count",
    "GET user/memberOf/group",
    "GET user/memberOf/group/$count",
    "GET user/transitiveMemberOf",
    "GET user/transitiveMemberOf/$count",
    "GET user/transitiveMemberOf/group",
    "GET user/transitiveMemberOf/group/$count",
    "GET user/ownedObjects",
    "GET user/ownedObjects/$count",
    "GET user/ownedObjects/group",
    "GET user/ownedObjects/group/$count",
)


@pytest.mark.parametrize("tail", ["", "/microsoft.graph.group"])
@pytest.mark.parametrize(
    ("nick", "which", "groups"),
    [
        ("AlexW", "memberOf", {"SalesAndMarketing", "Storage"}),
        ("AlexW", "transitiveMemberOf", {"SalesAndMarketing", "Storage", "Backend", "Platform"}),
        ("AlexW", "ownedObjects", set()),
        ("LeeG", "memberOf", {"Mark8", "Leadership", "Engineering", "Storage", "Backend"}),
        ("LeeG", "transitiveMemberOf", {"Mark8", "Leadership", "Engineering", "Storage", "Backend", "Platform"}),
        ("LeeG", "ownedObjects", {"Engineering"}),
        ("PattiF", "memberOf", {"Leadership"}),
        ("PattiF", "ownedObjects", {"Leadership", "Vault"}),
        ("JoniS", "ownedObjects", set()),
        ("guest", "memberOf", {"SalesAndMarketing"}),
    ],
)
def test_it_works(library: Library, nick: str, which: str, groups: set[str], tail: str) -> None:
    client = library.as_(nick, scopes=["User.Read"])
    expected = sorted(GROUP.get(name) or made(name) for name in groups)
    for path in ("/me", f"/users/{PERSON[nick]}", f"/users/{address(nick)}"):
        answer = client.get(f"{path}/{which}{tail}")
        well_formed(answer)
        assert answer.json["@odata.context"] == f"{ROOT}/$metadata#directoryObjects"
        assert answer.ids == expected
        assert all(item["@odata.type"] == "#microsoft.graph.group" for item in answer.value)
        counted = client.get(f"{path}/{which}{tail}/$count", ConsistencyLevel="eventual")
        assert counted.text == str(len(expected))


@pytest.mark.parametrize("which", ["memberOf", "transitiveMemberOf", "ownedObjects"])
def test_of_others_one_sees_what_one_may_see(graph: Graph, which: str) -> None:
    joni, admin, daemon = graph.as_("JoniS"), graph.as_("admin"), graph.as_app("daemon")
    for nick in ("LeeG", "PattiF", "DiegoS"):
        path = f"/users/{PERSON[nick]}/{which}"
        everything = set(graph.as_(nick).get(path).ids)
        visible = everything & set(joni.get("/groups").ids)
        assert set(joni.get(path).ids) == visible
        assert joni.get(f"{path}/$count", ConsistencyLevel="eventual").text == str(len(visible))
        assert set(admin.get(path).ids) == everything
        assert set(daemon.get(path).ids) == everything


def test_ones_own_groups_are_there_in_a_private_group(graph: Graph) -> None:
    assert graph.as_("JoniS").get("/me/memberOf").ids == [GROUP["HR"]]
    assert graph.as_("DiegoS").get("/me/ownedObjects").ids == [GROUP["HR"]]


def test_the_scopes_for_others(graph: Graph) -> None:
    client = graph.as_("AdeleV", scopes=EVERYTHING - {"User.Read"})
    assert client.get(f"/users/{PERSON['AlexW']}/memberOf").status == 200
    assert client.get("/me/memberOf").status == 200
