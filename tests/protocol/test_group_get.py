"""GET group."""

from __future__ import annotations

from tests.harness import GROUP, ROOT, Graph
from tests.protocol.shapes import refused, well_formed

ROW = "GET group"


def test_it_works(graph: Graph) -> None:
    alex = graph.as_("AlexW")
    for item in alex.get("/groups").value:
        answer = alex.get(f"/groups/{item['id']}")
        well_formed(answer)
        assert answer.json == {"@odata.context": f"{ROOT}/$metadata#groups/$entity", **item}


def test_who_sees_it(graph: Graph) -> None:
    path = f"/groups/{GROUP['HR']}"
    for client in (graph.as_("DiegoS"), graph.as_("JoniS"), graph.as_("admin"), graph.as_app("daemon")):
        assert client.get(path).json["displayName"] == "HR Taskforce"
    for nick in ("AdeleV", "guest"):
        message = refused(graph.as_(nick).get(path), 404, "Request_ResourceNotFound")
        nowhere = "00000000-0000-0000-0000-000000000000"
        other = refused(graph.as_(nick).get(f"/groups/{nowhere}"), 404, "Request_ResourceNotFound")
        assert message.replace(GROUP["HR"], nowhere) == other  # whether it is there is not told


def test_a_guest_sees_a_public_group_by_invitation_only(graph: Graph) -> None:
    guest = graph.as_("guest")
    assert guest.get(f"/groups/{GROUP['SalesAndMarketing']}").status == 200
    refused(guest.get(f"/groups/{GROUP['Mark8']}"), 404, "Request_ResourceNotFound")
