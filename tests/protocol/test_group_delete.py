"""DELETE group: it and what was said in it are gone for all."""

from __future__ import annotations

from tests.harness import GROUP, PERSON, Graph
from tests.protocol.shapes import refused, well_formed

ROW = "DELETE group"
PATH = f"/groups/{GROUP['SalesAndMarketing']}"


def test_it_works(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    graph.changes()
    answer = adele.delete(PATH)
    well_formed(answer)
    assert (answer.status, answer.content) == (204, b"")
    assert graph.changes() == ["deleted group"]
    for client in (adele, graph.as_("admin"), graph.as_app("daemon")):
        for path in (PATH, f"{PATH}/members", f"{PATH}/conversations", place.thread_path(), place.post_path()):
            refused(client.get(path), 404, "Request_ResourceNotFound")
        refused(client.delete(PATH), 404, "Request_ResourceNotFound")
    refused(adele.post(f"{PATH}/conversations", {"threads": [{"posts": [{}]}]}), 404, "Request_ResourceNotFound")
    assert GROUP["SalesAndMarketing"] not in adele.get("/me/memberOf").ids
    assert GROUP["SalesAndMarketing"] not in adele.get("/me/ownedObjects").ids
    assert GROUP["SalesAndMarketing"] not in adele.get("/me/transitiveMemberOf").ids
    assert graph.changes() == []


def test_who_may(graph: Graph) -> None:
    for nick in ("AlexW", "JoniS", "guest"):
        refused(graph.as_(nick).delete(PATH), 403, "Authorization_RequestDenied")
    refused(graph.as_("AdeleV").delete(f"/groups/{GROUP['HR']}"), 404, "Request_ResourceNotFound")
    assert graph.changes() == []
    assert graph.as_("admin").delete(f"/groups/{GROUP['HR']}").status == 204
    assert graph.as_app("daemon").delete(f"/groups/{GROUP['Leadership']}").status == 204


def test_a_deleted_group_is_no_longer_a_member(graph: Graph) -> None:
    adele, admin = graph.as_("AdeleV"), graph.as_("admin")
    body = {"displayName": "S", "mailEnabled": False, "securityEnabled": True, "visibility": "Public"}
    above, below = (adele.post("/groups", body | {"mailNickname": name}).json["id"] for name in ("above", "below"))
    reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{below}"}
    assert adele.post(f"/groups/{above}/members/$ref", reference).status == 204
    assert adele.get(f"/groups/{above}/members").ids == [below]
    assert adele.delete(f"/groups/{below}").status == 204
    for path in (f"/groups/{above}/members", f"/groups/{above}/members/microsoft.graph.group"):
        assert admin.get(path).value == []
    assert admin.get(f"/groups/{above}?$expand=members").json["members"] == []
    assert PERSON["AdeleV"] in admin.get(f"/groups/{above}/owners").ids
