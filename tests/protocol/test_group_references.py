"""POST and DELETE of group/members/$ref and group/owners/$ref: who is in a group."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from folkmoot.ops import directory
from folkmoot.store import everywhere
from folkmoot.store.db import Tx
from tests.harness import GROUP, PERSON, ROOT, Client, Graph, address
from tests.protocol.library import made, person
from tests.protocol.shapes import refused, well_formed

ROWS = (
    "POST group/members/$ref",
    "DELETE group/members/$ref",
    "DELETE group/members/object/$ref",
    "POST group/owners/$ref",
    "DELETE group/owners/$ref",
    "DELETE group/owners/object/$ref",
)
CLOUD = "https://graph.microsoft.com/v1.0"
PATH = f"/groups/{GROUP['SalesAndMarketing']}"
NOBODY = "00000000-0000-0000-0000-000000000000"


def reference(id: str, kind: str = "users", root: str = CLOUD) -> dict[str, str]:
    return {"@odata.id": f"{root}/{kind}/{id}"}


@pytest.mark.parametrize("role", ["member", "owner"])
@pytest.mark.parametrize(
    "uri",
    [
        f"{CLOUD}/users/{PERSON['PattiF']}",
        f"{CLOUD}/directoryObjects/{PERSON['PattiF']}",
        f"{ROOT}/directoryObjects/{PERSON['PattiF'].upper()}",
        f"{ROOT}/users('{PERSON['PattiF']}')",
        f"{CLOUD}/users/{address('PattiF')}",
        f"{CLOUD}/users/{quote(address('pattif'), safe='')}",
        f"https://graph.microsoft.com/beta/users/{PERSON['PattiF']}",
        f"/users/{PERSON['PattiF']}/",
    ],
)
def test_adding(graph: Graph, role: str, uri: str) -> None:
    adele = graph.as_("AdeleV")
    answer = adele.post(f"{PATH}/{role}s/$ref", {"@odata.id": uri})
    well_formed(answer)
    assert (answer.status, answer.content) == (204, b"")
    assert PERSON["PattiF"] in adele.get(f"{PATH}/{role}s").ids
    assert graph.changes() == [f"created {role}"]
    where = "memberOf" if role == "member" else "ownedObjects"
    assert GROUP["SalesAndMarketing"] in graph.as_("PattiF").get(f"/me/{where}").ids


@pytest.mark.parametrize("role", ["member", "owner"])
@pytest.mark.parametrize(
    "tail",
    [
        "/{id}/$ref",
        "/{ID}/$ref",
        "('{id}')/$ref",
        "/$ref?@id=" + CLOUD + "/users/{id}",
        "/$ref?@id=" + quote(f"{ROOT}/directoryObjects/{{id}}", safe="{}"),
        "/$ref?$id=" + CLOUD + "/users/{id}",
        "/$ref?%24id=" + ROOT + "/users/MeganB@contoso.onmicrosoft.com",
        "/$ref?%40id=" + quote(f"{CLOUD}/users/MeganB@contoso.onmicrosoft.com", safe=""),
    ],
)
def test_removing(graph: Graph, role: str, tail: str) -> None:
    adele, id = graph.as_("AdeleV"), PERSON["MeganB"]
    answer = adele.delete(f"{PATH}/{role}s{tail.replace('{id}', id).replace('{ID}', id.upper())}")
    well_formed(answer)
    assert (answer.status, answer.content) == (204, b"")
    assert id not in adele.get(f"{PATH}/{role}s").ids
    assert graph.changes() == [f"deleted {role}"]
    other = "owners" if role == "member" else "members"
    assert id in adele.get(f"{PATH}/{other}").ids  # the two are apart


def test_an_owner_need_not_be_a_member(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    adele.post(f"{PATH}/owners/$ref", reference(PERSON["PattiF"]))
    assert PERSON["PattiF"] not in adele.get(f"{PATH}/members").ids
    patti = graph.as_("PattiF")
    assert patti.patch(PATH, {"description": "mine now"}).status == 204


@pytest.mark.parametrize("role", ["member", "owner"])
def test_nobody_is_in_it_twice(graph: Graph, role: str) -> None:
    adele = graph.as_("AdeleV")
    for reference_ in (reference(PERSON["MeganB"]), reference(address("MEGANB"), root=ROOT)):
        message = refused(adele.post(f"{PATH}/{role}s/$ref", reference_), 400, "Request_BadRequest")
        assert message.startswith("One or more added object references already exist")
        assert f"'{role}s'" in message
    assert adele.get(f"{PATH}/{role}s").ids.count(PERSON["MeganB"]) == 1
    assert graph.changes() == []


def test_the_last_owner_stays(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    assert adele.delete(f"{PATH}/owners/{PERSON['MeganB']}/$ref").status == 204
    graph.changes()
    for client in (adele, graph.as_("admin"), graph.as_app("daemon")):
        answer = client.delete(f"{PATH}/owners/{PERSON['AdeleV']}/$ref")
        assert "at least one owner" in refused(answer, 400, "Request_BadRequest", "owners")
    assert adele.get(f"{PATH}/owners").ids == [PERSON["AdeleV"]]
    assert graph.changes() == []
    adele.post(f"{PATH}/owners/$ref", reference(PERSON["AlexW"]))
    assert adele.delete(f"{PATH}/owners/{PERSON['AdeleV']}/$ref").status == 204


def test_the_last_member_may_go(graph: Graph) -> None:
    lidia, path = graph.as_("LidiaH"), f"/groups/{GROUP['Mark8']}/members"
    for id in lidia.get(path).ids:
        assert lidia.delete(f"{path}/{id}/$ref").status == 204
    assert lidia.get(path).value == []


@pytest.mark.parametrize("role", ["member", "owner"])
@pytest.mark.parametrize(
    ("id", "kind", "status"),
    [
        (NOBODY, "users", 404),
        (NOBODY, "directoryObjects", 404),
        ("nobody@contoso.onmicrosoft.com", "users", 404),
        ("nobody%00@contoso.onmicrosoft.com", "users", 400),
        (GROUP["Engineering"], "groups", 400),  # a Microsoft 365 group takes users only
        (GROUP["Engineering"], "directoryObjects", 400),
        (PERSON["AlexW"], "devices", 400),
    ],
)
def test_who_cannot_be_added(graph: Graph, role: str, id: str, kind: str, status: int) -> None:
    answer = graph.as_("AdeleV").post(f"{PATH}/{role}s/$ref", reference(id, kind))
    code = "Request_ResourceNotFound" if status == 404 else "Request_BadRequest"
    refused(answer, status, code, None if status == 404 else "@odata.id")
    assert graph.changes() == []


@pytest.mark.parametrize("role", ["member", "owner"])
def test_who_is_not_in_it_cannot_be_removed(graph: Graph, role: str) -> None:
    adele = graph.as_("AdeleV")
    for id in (PERSON["PattiF"], NOBODY):
        refused(adele.delete(f"{PATH}/{role}s/{id}/$ref"), 404, "Request_ResourceNotFound")
        answer = adele.delete(f"{PATH}/{role}s/$ref?@id={CLOUD}/users/{id}")
        refused(answer, 404, "Request_ResourceNotFound")
    refused(adele.delete(f"{PATH}/{role}s/nobody/$ref"), 400, "Request_BadRequest")
    for query in ("", "?@id=nonsense", "?@id=", f"?@id={CLOUD}/users/{NOBODY}&$id={CLOUD}/users/{NOBODY}"):
        refused(adele.delete(f"{PATH}/{role}s/$ref{query}"), 400, "Request_BadRequest", "@id")
    assert graph.changes() == []


def test_who_may_say_who_is_in_it(graph: Graph) -> None:
    """Owners, administrators and applications; but anyone may leave."""
    alex = graph.as_("AlexW")
    for role in ("member", "owner"):
        for client in (alex, graph.as_("JoniS"), graph.as_("guest")):
            answer = client.post(f"{PATH}/{role}s/$ref", reference(PERSON["PattiF"]))
            refused(answer, 403, "Authorization_RequestDenied")
            answer = client.delete(f"{PATH}/{role}s/{PERSON['MeganB']}/$ref")
            refused(answer, 403, "Authorization_RequestDenied")
    assert graph.changes() == []
    assert alex.delete(f"{PATH}/members/{PERSON['AlexW']}/$ref").status == 204
    refused(
        graph.as_("JoniS").delete(f"/groups/{GROUP['HR']}/owners/{PERSON['DiegoS']}/$ref"),
        403,
        "Authorization_RequestDenied",
    )
    for client in (graph.as_("admin"), graph.as_app("daemon")):
        path = f"/groups/{GROUP['HR']}/members"
        assert client.post(f"{path}/$ref", reference(PERSON["AlexW"])).status == 204
        assert client.delete(f"{path}/{PERSON['AlexW']}/$ref").status == 204


def test_a_new_member_comes_in_at_once(graph: Graph) -> None:
    place = graph.as_("DiegoS").start(group="HR")
    adele = graph.as_("AdeleV")
    refused(adele.get(place.post_path()), 403, "ErrorAccessDenied")
    graph.as_("DiegoS").post(f"{place.group_path}/members/$ref", reference(PERSON["AdeleV"]))
    assert adele.get(place.post_path()).status == 200
    assert GROUP["HR"] in adele.get("/groups").ids


def test_a_group_has_at_most_a_hundred_owners(graph: Graph) -> None:
    def crowd(tx: Tx) -> None:
        for number in range(99):
            id = directory.create_user(tx, person(made(f"o{number}"), f"Owner {number}", f"o{number}@example.org"))
            if number < 98:  # Adele and Megan are two
                everywhere.add_membership(tx, GROUP["SalesAndMarketing"], "owner", id, "user")

    graph.loop.run(graph.store.write(crowd))
    adele: Client = graph.as_("AdeleV")
    answer = adele.post(f"{PATH}/owners/$ref", reference(made("o98")))
    refused(answer, 400, "Request_BadRequest", "owners")
    assert adele.delete(f"{PATH}/owners/{made('o0')}/$ref").status == 204
    assert adele.post(f"{PATH}/owners/$ref", reference(made("o98"))).status == 204
