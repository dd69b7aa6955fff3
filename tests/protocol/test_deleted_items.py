"""directory/deletedItems and restore: a Microsoft 365 group and a user can come back for thirty days."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from folkmoot import erasing
from folkmoot.ops.deleted import RESTORABLE_SECONDS
from folkmoot.refusals import Busy
from folkmoot.store import everywhere, integrity, schema
from folkmoot.store.db import Snapshot, Statement
from tests.harness import ABANDONED, GROUP, PERSON, ROOT, Graph, address, iso
from tests.protocol.rows import EVERYTHING, NEW_GROUP, NEW_USER
from tests.protocol.shapes import refused, well_formed

ROWS = (
    "GET directory/deletedItems/group",
    "GET directory/deletedItems/group/$count",
    "GET directory/deletedItems/user",
    "GET directory/deletedItems/user/$count",
    "GET directory/deletedItems/object",
    "DELETE directory/deletedItems/object",
    "POST directory/deletedItems/object/restore",
    "POST group/restore",
    "POST directoryObjects/object/restore",
)
ITEMS = "/directory/deletedItems"
SALES = GROUP["SalesAndMarketing"]
ALEX = PERSON["AlexW"]


@pytest.mark.parametrize(
    "path", [f"{ITEMS}/{SALES}/restore", f"/groups/{SALES}/restore", f"/directoryObjects/{SALES}/restore",
             f"{ITEMS}/{SALES}/microsoft.graph.restore"],
)  # fmt: skip
def test_a_group_comes_back_as_it_was(graph: Graph, path: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    before = adele.get(place.group_path).json
    members = adele.get(f"{place.group_path}/members").ids
    adele.delete(place.group_path)
    gone = adele.get(f"{ITEMS}/{SALES}")
    assert gone.json["@odata.type"] == "#microsoft.graph.group"
    assert gone.json["deletedDateTime"] == iso(graph.clock())
    assert sorted(adele.get(f"{ITEMS}/microsoft.graph.group").ids) == sorted([SALES, ABANDONED])
    assert adele.get(f"{ITEMS}/graph.group/$count", ConsistencyLevel="eventual").text == "2"
    graph.changes()
    answer = adele.post(path)
    well_formed(answer)
    assert answer.status == 200
    assert answer.json["@odata.context"] == f"{ROOT}/$metadata#directoryObjects/$entity"
    assert answer.json["@odata.type"] == "#microsoft.graph.group"
    assert graph.changes() == ["created group"]
    assert adele.get(place.group_path).json == before
    assert adele.get(f"{place.group_path}/members").ids == members
    assert adele.get(place.post_path()).status == 200
    refused(adele.post(path), 404, "Request_ResourceNotFound")
    refused(adele.get(f"{ITEMS}/{SALES}"), 404, "Request_ResourceNotFound")


def test_whose_they_are(graph: Graph) -> None:
    """A deleted group is there for its owners, the administrator and applications; a user for the last two."""
    admin = graph.as_("admin", scopes=EVERYTHING)
    admin.delete(f"/users/{ALEX}")
    for nick in ("MeganB", "guest"):
        client = graph.as_(nick, scopes=EVERYTHING)
        assert client.get(f"{ITEMS}/microsoft.graph.group").value == []
        assert client.get(f"{ITEMS}/microsoft.graph.user").value == []
        for id in (ABANDONED, ALEX):
            for answer in (
                client.get(f"{ITEMS}/{id}"),
                client.post(f"{ITEMS}/{id}/restore"),
                client.delete(f"{ITEMS}/{id}"),
            ):
                refused(answer, 404, "Request_ResourceNotFound")
    for client in (graph.as_("AdeleV"), admin, graph.as_app("daemon")):
        assert client.get(f"{ITEMS}/microsoft.graph.group").ids == [ABANDONED]
    app = graph.as_app("daemon", roles=["User.Read.All"])
    for client in (admin, app):
        (item,) = client.get(f"{ITEMS}/microsoft.graph.user").value
        assert (item["id"], item["@odata.type"]) == (ALEX, "#microsoft.graph.user")


def test_a_name_stays_taken_until_the_group_is_gone_for_good(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    body = NEW_GROUP | {"mailNickname": "abandoned"}
    refused(adele.post("/groups", body), 400, "Request_BadRequest", "mailNickname")
    assert adele.delete(f"{ITEMS}/{ABANDONED}").status == 204
    assert adele.post("/groups", body).status == 201
    refused(adele.delete(f"{ITEMS}/{ABANDONED}"), 404, "Request_ResourceNotFound")


def test_gone_for_good_is_gone_with_all_that_was_said(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    adele.reply(place)
    adele.delete(place.group_path)
    graph.changes()
    assert adele.delete(f"{ITEMS}/{SALES}").status == 204
    assert graph.changes() == ["deleted group"]
    refused(adele.post(f"/groups/{SALES}/restore"), 404, "Request_ResourceNotFound")
    assert SALES not in adele.get("/me/memberOf").ids
    assert graph.store.read_here(everywhere.erased) == [SALES]
    graph.loop.run(erasing.sweep(graph.store))
    for table in ("groups", "memberships", "conversations", "threads", "posts", "object_groups"):
        statement = Statement(select(schema.meta.tables[table].c.group_id))
        assert (SALES,) not in graph.store.read_here(partial(Snapshot.all, statement=statement)), table


def test_what_it_held_goes_little_by_little_and_goes_on_where_it_was_broken_off(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for all of it, nothing of it is seen meanwhile, and others keep theirs."""
    monkeypatch.setattr(erasing, "TOGETHER", 3)
    adele, diego = graph.as_("AdeleV"), graph.as_("DiegoS")
    kept = diego.start("Kept", group="HR")
    place = adele.start("Gone", "walrus")
    for number in range(8):
        adele.reply(place, f"walrus {number}")
    adele.extend(adele.attach(adele.start("Gone, too", "walrus")))
    assert adele.delete(place.group_path).status == 204
    assert adele.delete(f"{ITEMS}/{SALES}").status == 204
    posts = Statement(select(schema.posts.c.id).where(schema.posts.c.group_id == SALES))
    words = Statement(select(schema.post_words.c.post_id).where(schema.post_words.c.group_id == SALES))

    def left() -> tuple[int, int]:
        return graph.store.read_here(lambda snapshot: (len(snapshot.all(posts)), len(snapshot.all(words))))

    before = left()[0]
    assert left() == (before, before)
    write, allowed = graph.store.write, iter([True, True, False])

    async def broken_off(*given: Any, **more: Any) -> Any:
        if not next(allowed):
            raise Busy
        return await write(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(graph.store, "write", broken_off)
        with pytest.raises(Busy):
            graph.loop.run(erasing.sweep(graph.store))
    assert left() == (before - 6, before - 6)
    refused(adele.get(place.post_path()), 404, "Request_ResourceNotFound")
    refused(adele.get(f"{ITEMS}/{SALES}"), 404, "Request_ResourceNotFound")
    assert integrity.of_group(graph.store, SALES) == (0, [])
    graph.loop.run(erasing.sweep(graph.store))
    assert left() == (0, 0)
    for table in schema.meta.tables.values():
        if "group_id" in table.c and table.name not in ("changes", "sequences", "subscription_cursors"):
            assert (SALES,) not in graph.store.read_here(
                partial(Snapshot.all, statement=Statement(select(table.c.group_id)))
            ), table.name
    assert diego.get(kept.post_path()).status == 200
    assert diego.get(f"{kept.group_path}/conversations?$search=kept").ids == [kept.conversation]
    assert [wrong for found in integrity.of_all(graph.store) for wrong in found] == []


def test_a_security_group_goes_at_once(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    body = {"displayName": "S", "mailEnabled": False, "securityEnabled": True, "mailNickname": "s"}
    id = adele.post("/groups", body).json["id"]
    assert adele.delete(f"/groups/{id}").status == 204
    refused(adele.get(f"{ITEMS}/{id}"), 404, "Request_ResourceNotFound")
    assert adele.post("/groups", body).status == 201


def test_after_thirty_days_it_is_too_late(graph: Graph) -> None:
    adele = graph.as_("AdeleV", lifetime=60 * 86_400)
    graph.clock.advance(RESTORABLE_SECONDS - 1)
    assert adele.get(f"{ITEMS}/{ABANDONED}").status == 200
    graph.clock.advance(1)
    assert adele.get(f"{ITEMS}/microsoft.graph.group").value == []
    refused(adele.get(f"{ITEMS}/{ABANDONED}"), 404, "Request_ResourceNotFound")
    refused(adele.post(f"{ITEMS}/{ABANDONED}/restore"), 404, "Request_ResourceNotFound")
    graph.clock.advance(1)
    graph.loop.run(erasing.sweep(graph.store))
    assert adele.post("/groups", NEW_GROUP | {"mailNickname": "abandoned"}).status == 201


def test_a_user_comes_back_with_memberships(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    before = admin.get(f"/users/{ALEX}").json
    groups = graph.as_("AlexW").get("/me/memberOf").ids
    assert groups
    admin.delete(f"/users/{ALEX}")
    graph.changes()
    answer = admin.post(f"{ITEMS}/{ALEX}/restore")
    assert (answer.status, answer.json["@odata.type"]) == (200, "#microsoft.graph.user")
    assert graph.changes() == ["created member"] * len(groups)
    assert admin.get(f"/users/{address('AlexW')}").json == before
    assert graph.as_("AlexW").get("/me/memberOf").ids == groups


def test_a_user_comes_back_with_what_was_set_for_groups(graph: Graph) -> None:
    admin, alex, mine = graph.as_("admin", scopes=EVERYTHING), graph.as_("AlexW"), f"/groups/{SALES}"
    graph.as_("AdeleV").start()
    for said in ("unsubscribeByMail", "addFavorite", "resetUnseenCount"):
        assert alex.post(f"{mine}/{said}").status == 200
    graph.as_("AdeleV").start()
    asked = f"{mine}?$select=isSubscribedByMail,isFavorite,unseenCount"
    before = alex.get(asked).json
    assert (before["isSubscribedByMail"], before["isFavorite"], before["unseenCount"]) == (False, True, 1)
    admin.delete(f"/users/{ALEX}")
    assert admin.post(f"{ITEMS}/{ALEX}/restore").status == 200
    assert alex.get(asked).json == before
    admin.delete(f"/users/{ALEX}")
    assert admin.delete(f"{ITEMS}/{ALEX}").status == 204
    set_by = Statement(select(schema.preferences.c.person_id))
    assert graph.store.read_here(lambda snapshot: snapshot.all(set_by)) == []


def test_a_user_whose_name_was_taken_cannot_come_back(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    admin.delete(f"/users/{ALEX}")
    admin.post("/users", NEW_USER | {"userPrincipalName": address("AlexW")})
    answer = admin.post(f"{ITEMS}/{ALEX}/restore")
    refused(answer, 400, "Request_BadRequest", "userPrincipalName or mail")
    assert admin.delete(f"{ITEMS}/{ALEX}").status == 204
    refused(admin.get(f"{ITEMS}/{ALEX}"), 404, "Request_ResourceNotFound")


@pytest.mark.parametrize("profile", ["daemon", "extended"])
def test_the_permission_fits_the_kind(graph: Graph, profile: str) -> None:
    """A permission on groups opens no deleted user, one on users no deleted group, on whatever road."""
    admin = graph.as_("admin", scopes=EVERYTHING)
    admin.delete(f"/users/{ALEX}")
    for kind, id, other in (("User", ABANDONED, SALES), ("Group", ALEX, PERSON["MeganB"])):
        wrong = [f"{kind}.ReadWrite.All"]
        for client in (graph.as_app(profile, roles=wrong), graph.as_("admin", scopes=wrong)):
            for answer in (
                client.get(f"{ITEMS}/{id}"),
                client.post(f"{ITEMS}/{id}/restore"),
                client.post(f"/directoryObjects/{id}/restore"),
                client.delete(f"{ITEMS}/{id}"),
                client.delete(f"/directoryObjects/{other}"),
            ):
                refused(answer, 403, "Authorization_RequestDenied")
    for kind, id in (("Group", ABANDONED), ("User", ALEX)):
        client = graph.as_app(profile, roles=[f"{kind}.ReadWrite.All"])
        assert client.get(f"{ITEMS}/{id}").status == 200
        assert client.post(f"/directoryObjects/{id}/restore").status == 200
        assert client.delete(f"/directoryObjects/{id}").status == 204
        # Of deleting for good the cloud lets applications do users only.
        assert client.delete(f"{ITEMS}/{id}").status == (403 if (kind, profile) == ("Group", "daemon") else 204)


def test_a_user_is_not_restored_as_a_group(graph: Graph) -> None:
    admin = graph.as_("admin", scopes=EVERYTHING)
    admin.delete(f"/users/{ALEX}")
    refused(admin.post(f"/groups/{ALEX}/restore"), 404, "Request_ResourceNotFound")


def test_what_is_not_there(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    for path in (f"{ITEMS}/{GROUP['Mark8']}", f"{ITEMS}/00000000-0000-0000-0000-000000000000"):
        refused(adele.get(path), 404, "Request_ResourceNotFound")
    refused(adele.get(f"{ITEMS}/nonsense"), 400, "Request_BadRequest")
    refused(adele.get("/directory"), 400, "BadRequest")
    refused(adele.get(ITEMS), 400, "BadRequest")
    refused(adele.get("/directory/roles"), 400, "BadRequest")
