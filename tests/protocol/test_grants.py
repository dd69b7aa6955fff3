"""Grants in one group: who gives them, and what an extended application may do by them where its roles are silent."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from folkmoot import lab
from tests.harness import GROUP, ROOT, Client, Graph, Place, recipient
from tests.protocol.rows import EVERYTHING, EXTENDED, MAIL, Request, case, each
from tests.protocol.shapes import refused, well_formed

ROWS = (
    *("GET group/permissionGrants", "GET group/permissionGrants/$count", "POST group/permissionGrants"),
    *("DELETE grant", "POST group/checkGrantedPermissionsForApp"),
)
READ, WRITE = "Group-Conversation.Read.Group", "Group-Conversation.ReadWrite.Group"
HR = f"/groups/{GROUP['HR']}"
APPLICATION = lab.EXTENDED_WITHOUT_ROLES


def give(graph: Graph, permission: str, nick: str = "DiegoS", path: str = HR, **body: Any) -> str:
    """Let the application do something in a group."""
    given = {"clientAppId": APPLICATION.id, "permission": permission, **body}
    answer = graph.as_(nick).post(f"{path}/permissionGrants", given, **EXTENDED)
    assert answer.status == 201, answer
    id: str = answer.json["id"]
    return id


# ── the rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_owner_gives_and_takes(graph: Graph) -> None:
    diego = graph.as_("DiegoS")
    body = {"ClientAppId": APPLICATION.id, "permission": READ.lower()}
    answer = diego.post(f"{HR}/permissionGrants", body, **EXTENDED)
    well_formed(answer)
    id = answer.json["id"]
    expected = {
        "id": id,
        "deletedDateTime": None,
        "clientAppId": APPLICATION.id,
        "clientId": lab.principal(APPLICATION),
        "permission": READ,
        "permissionType": "Application",
        "resourceAppId": "00000003-0000-0000-c000-000000000000",
    }
    assert answer.json == {"@odata.context": f"{ROOT}/$metadata#permissionGrants/$entity", **expected}
    assert answer.headers["location"] == f"{ROOT}{HR}/permissionGrants/{id}"
    assert graph.changes() == ["created grant"]
    listed = diego.get(f"{HR}/permissionGrants")
    assert listed.json == {"@odata.context": f"{ROOT}/$metadata#permissionGrants", "value": [expected]}
    assert diego.get(f"{HR}/permissionGrants?$filter=permission eq '{WRITE}'").value == []
    assert diego.get(f"{HR}/permissionGrants/$count", ConsistencyLevel="eventual").text == "1"
    assert graph.as_app("daemon").get(f"{HR}/permissionGrants").ids == [id]
    assert diego.delete(f"{HR}/permissionGrants/{id}", **EXTENDED).status == 204
    assert graph.changes() == ["deleted grant"]
    assert diego.get(f"{HR}/permissionGrants").value == []


def test_who_runs_the_organisation_may_too(graph: Graph) -> None:
    id = give(graph, READ, "admin")
    assert graph.as_("admin").delete(f"{HR}/permissionGrants/{id}", **EXTENDED).status == 204


def test_members_may_not_and_others_see_no_group(graph: Graph) -> None:
    id = give(graph, READ)
    body = {"clientAppId": APPLICATION.id, "permission": WRITE}
    joni, adele = graph.as_("JoniS"), graph.as_("AdeleV")
    refused(joni.post(f"{HR}/permissionGrants", body, **EXTENDED), 403, "Authorization_RequestDenied")
    refused(joni.delete(f"{HR}/permissionGrants/{id}", **EXTENDED), 403, "Authorization_RequestDenied")
    refused(adele.post(f"{HR}/permissionGrants", body, **EXTENDED), 404, "Request_ResourceNotFound")
    refused(adele.get(f"{HR}/permissionGrants"), 404, "Request_ResourceNotFound")


def test_what_cannot_be_granted(graph: Graph) -> None:
    diego, path = graph.as_("DiegoS"), f"{HR}/permissionGrants"
    give(graph, READ)

    def asked(**body: Any) -> Any:
        return diego.post(path, {"clientAppId": APPLICATION.id, "permission": READ} | body, **EXTENDED)

    refused(asked(), 400, "Request_BadRequest", "permission")  # it is there
    message = refused(asked(permission="Group.ReadWrite.All"), 400, "Request_BadRequest", "permission")
    assert READ in message
    refused(asked(clientAppId=lab.principal(APPLICATION)), 404, "Request_ResourceNotFound")
    refused(asked(clientAppId="x"), 400, "Request_BadRequest")
    refused(diego.post(path, {"permission": READ}, **EXTENDED), 400, "Request_BadRequest", "clientAppId")
    refused(diego.delete(f"{path}/{GROUP['HR']}", **EXTENDED), 404, "Request_ResourceNotFound")
    refused(diego.delete(f"{path}/x", **EXTENDED), 400, "Request_BadRequest")
    # A grant is its own group's.
    refused(
        graph.as_("AdeleV").delete(f"/groups/{GROUP['SalesAndMarketing']}/permissionGrants/{GROUP['HR']}", **EXTENDED),
        404,
        "Request_ResourceNotFound",
    )


def test_the_cloud_gives_them_otherwise(graph: Graph) -> None:
    body = {"clientAppId": APPLICATION.id, "permission": READ}
    refused(graph.as_("DiegoS").post(f"{HR}/permissionGrants", body), 405, "Request_BadRequest")
    for method in ("DELETE", "GET", "PUT"):
        answer = graph.as_("DiegoS").send(method, f"{HR}/permissionGrants/{lab.GRANT}")
        refused(answer, 400, "BadRequest")
        assert "allow" not in answer.headers


def test_an_application_asks_for_its_own(graph: Graph) -> None:
    id = give(graph, WRITE)
    give(graph, READ, clientAppId=lab.EXTENDED.id)
    mine = graph.as_app("extendedWithoutRoles").post(f"{HR}/checkGrantedPermissionsForApp")
    well_formed(mine)
    assert mine.ids == [id]
    assert mine.json["@odata.context"] == f"{ROOT}/$metadata#permissionGrants"
    assert graph.as_app("daemon").post(f"{HR}/checkGrantedPermissionsForApp").value == []
    elsewhere = f"/groups/{GROUP['Leadership']}/checkGrantedPermissionsForApp"
    refused(graph.as_app("extendedWithoutRoles").post(elsewhere), 403, "Authorization_RequestDenied")


# ── what they open ───────────────────────────────────────────────────────────────────────────────────────────────────


# What an application could do at all.
IMPERSONAL = tuple(request for request in MAIL if not request.personal)


def furnished(graph: Graph, nick: str, group: str) -> Place:
    """A place in a group, with something of everything."""
    client = graph.as_(nick)
    return client.extend(client.attach(client.start(group=group)))


def by_grant(graph: Graph, permission: str) -> tuple[Client, Place]:
    """An application that has the grant in a private group, and a place in that group."""
    place = furnished(graph, "DiegoS", "HR")
    give(graph, permission)
    return graph.as_app("extendedWithoutRoles"), place


@each([request for request in IMPERSONAL if request.row != "PATCH post"])
def test_what_a_grant_to_write_opens(any_graph: Graph, request_: Request) -> None:
    application, place = by_grant(any_graph, WRITE)
    answer = request_.send(application, place)
    assert answer.status == request_.answers, answer


def test_what_a_grant_to_read_opens(graph: Graph) -> None:
    application, place = by_grant(graph, READ)
    for request_ in IMPERSONAL:
        with case(request_.name):
            answer = request_.send(application, place)
            if request_.method == "GET":
                assert answer.status == 200, answer
            else:
                message = refused(answer, 403, "ErrorAccessDenied")
                assert f"the grant {WRITE} in this group" in message


def test_a_grant_opens_its_own_group_alone(graph: Graph) -> None:
    """Another group is closed, whether it is public, and one that is not there sounds the same."""
    application, place = by_grant(graph, WRITE)
    elsewhere = furnished(graph, "LidiaH", "Mark8")
    for request_ in IMPERSONAL:
        with case(request_.name):
            said = refused(request_.send(application, elsewhere), 403, "ErrorAccessDenied")
            path = request_.path(place).replace(GROUP["HR"], "11111111-1111-4111-8111-111111111111")
            answer = application.with_body(request_.method, path, request_.body, request_.headers or {})
            assert refused(answer, 403, "ErrorAccessDenied") == said


def test_a_strict_application_has_nothing_of_it(graph: Graph) -> None:
    place = furnished(graph, "DiegoS", "HR")
    give(graph, WRITE, clientAppId=lab.DAEMON_WITHOUT_ROLES.id)
    application = graph.as_app("daemonWithoutRoles")
    for request_ in [request for request in MAIL if not request.only_extended]:
        with case(request_.name):
            message = refused(request_.send(application, place), 403, "ErrorAccessDenied")
            assert message == "Access is denied. Check credentials and try again."


def test_it_opens_no_directory(graph: Graph) -> None:
    application, _ = by_grant(graph, WRITE)
    for path in ("/groups", HR, f"{HR}/members", "/users", f"{HR}/permissionGrants"):
        refused(application.get(path), 403, "Authorization_RequestDenied")


def test_a_person_gains_nothing_by_an_applications_grant(graph: Graph) -> None:
    place = furnished(graph, "DiegoS", "HR")
    give(graph, WRITE, clientAppId=lab.PUBLIC_CLIENT.id)
    for scopes in (EVERYTHING, ()):
        refused(graph.as_("AdeleV", scopes=scopes).get(place.post_path(), **EXTENDED), 403, "ErrorAccessDenied")


def test_what_is_taken_back_is_closed_at_once(graph: Graph) -> None:
    application, place = by_grant(graph, WRITE)
    diego = graph.as_("DiegoS")
    assert application.get(place.post_path()).status == 200
    [id] = diego.get(f"{HR}/permissionGrants").ids
    assert diego.delete(f"{HR}/permissionGrants/{id}", **EXTENDED).status == 204
    refused(application.get(place.post_path()), 403, "ErrorAccessDenied")


def test_an_application_speaks_as_the_group(graph: Graph) -> None:
    """The lab's own, as a newcomer would try it."""
    place = graph.as_("AdeleV").start()
    application = graph.as_app("extendedWithoutRoles")
    body = {"post": {"body": {"contentType": "text", "content": "beep"}}}
    answer = application.post(f"{place.thread_path()}/reply", body, Prefer="return=representation")
    assert answer.json["sender"] == recipient("SalesAndMarketing")
    assert answer.headers["location"].endswith(quote(answer.json["id"]))


@pytest.mark.parametrize("group", ["x", "0"])
def test_an_id_that_is_none_is_said(graph: Graph, group: str) -> None:
    answer = graph.as_app("extendedWithoutRoles").get(f"/groups/{group}/conversations")
    refused(answer, 400, "Request_BadRequest")
