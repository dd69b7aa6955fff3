"""What subscribers are told of a change, and that nobody is told of what they may not see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from folkmoot import app, lab
from folkmoot.graph import ids
from folkmoot.graph.notifications import Notifications
from folkmoot.model import Change, Subscription
from folkmoot.store import changes, directory_log, schema, subscriptions
from folkmoot.store.db import Snapshot, Statement
from folkmoot.store.wake import DIRECTORY
from tests.harness import APPLICATIONS, GROUP, PERSON, ROOT, Client, Graph

SALES, HR = GROUP["SalesAndMarketing"], GROUP["HR"]
ID = "5a1e0000-0000-4000-8000-000000000001"
EXPIRES = 1_795_605_600_000_000 + 123_456  # 2026-11-25T11:20:00.123456Z
EVERY_KIND = ("created", "updated", "deleted")


def wording(graph: Graph) -> Notifications:
    return app.notifications(graph.settings, graph.clock)


def subscription(watched: Any, group: str | None = SALES, *, by: str = "AdeleV", **more: Any) -> Subscription:
    """A person's subscription; with `by` an application's name, that application's."""
    program = APPLICATIONS.get(by)
    values: dict[str, Any] = {
        "id": ID,
        "application": APPLICATIONS["publicClient"].id if program is None else program.id,
        "creator": PERSON[by] if program is None else lab.principal(program),
        "creator_kind": "person" if program is None else "app",
        "resource": "as it was given",
        "watched": watched,
        "group": group,
        "parent": None,
        "change_types": EVERY_KIND,
        "notification_url": "https://listener.example/notified",
        "lifecycle_url": None,
        "client_state": "secret",
        "include_resource_data": False,
        "certificate": None,
        "certificate_id": None,
        "tls_version": None,
        "url_app_id": None,
        "expires_at": EXPIRES,
        "created_at": 0,
    }
    return Subscription(**values | more)


@pytest.fixture
def told(graph: Graph) -> Callable[[Subscription], list[dict[str, Any]]]:
    """What a subscription is told of all that happens in the test: notifications, in order."""
    before: dict[str, int] = graph.store.read_here(
        lambda snapshot: {id: changes.head(snapshot, id) for id in GROUP.values()}
    ) | {DIRECTORY: graph.store.read_here(directory_log.head)}

    def log(snapshot: Snapshot, group: str) -> list[Change]:
        if group == DIRECTORY:
            return directory_log.since(snapshot, before[group], 1000)
        return changes.since(snapshot, group, before.get(group, 0), 1000)

    def read(asked: Subscription) -> list[dict[str, Any]]:
        group = DIRECTORY if asked.watched in ("group", "user") else asked.group or SALES
        return graph.store.read_here(
            lambda snapshot: wording(graph).notifications(snapshot, asked, log(snapshot, group))
        )

    return read


Told = Callable[[Subscription], list[dict[str, Any]]]


def happened(notifications: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["changeType"], each["resource"]) for each in notifications]


# ── what is said in a group ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_conversation_is_told_of_in_the_words_of_graph(graph: Graph, told: Told) -> None:
    place = graph.as_("AlexW").start()
    (sent,) = told(subscription("conversation"))
    resource = f"groups('{SALES}')/conversations('{place.conversation}')"
    assert sent == {
        "id": sent["id"],
        "subscriptionId": ID,
        "subscriptionExpirationDateTime": "2026-11-25T11:20:00.1234560Z",
        "clientState": "secret",
        "tenantId": graph.settings.tenant_id,
        "changeType": "created",
        "resource": resource,
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Conversation",
            "@odata.id": resource,
            "id": place.conversation,
        },
    }


def test_what_is_told_of_can_be_asked_for(graph: Graph, told: Told) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    reply = adele.reply(place)
    for noun, id in (("conversation", place.conversation), ("thread", place.thread), ("post", reply.post)):
        sent = told(subscription(noun))[-1]
        got = adele.get(f"/{sent['resource']}")
        assert got.status == 200
        assert got.json["id"] == sent["resourceData"]["id"] == id
        assert got.json.get("@odata.etag") == sent["resourceData"].get("@odata.etag")
    assert sent["resourceData"]["@odata.type"] == "#Microsoft.Graph.Post"
    assert sent["resourceData"]["@odata.etag"].startswith('W/"')


def test_each_change_is_told_of_once_and_in_order(graph: Graph, told: Told) -> None:
    place = graph.as_("AdeleV").start()
    second = graph.as_("AdeleV").reply(place)
    assert graph.as_app("extended").delete(second.post_path()).status == 204
    notifications = told(subscription("post"))
    thread = f"groups('{SALES}')/threads('{place.thread}')"
    assert happened(notifications) == [
        ("created", f"{thread}/posts('{place.post}')"),
        ("created", f"{thread}/posts('{second.post}')"),
        ("deleted", f"{thread}/posts('{second.post}')"),
    ]
    assert "@odata.etag" not in notifications[-1]["resourceData"]
    assert len({each["id"] for each in notifications}) == 3
    assert [each["id"] for each in told(subscription("post"))] == [each["id"] for each in notifications]
    other = told(subscription("post", id="5a1e0000-0000-4000-8000-000000000002"))
    assert {each["id"] for each in other}.isdisjoint(each["id"] for each in notifications)


def test_only_what_was_asked_for_is_told(graph: Graph, told: Told) -> None:
    adele = graph.as_("AdeleV")
    place, other = adele.start("One"), adele.start("Other")
    adele.reply(place)
    assert adele.patch(place.thread_path(), {"topic": "New"}).status == 200
    assert [kind for kind, _ in happened(told(subscription("thread", change_types=("updated",))))] == ["updated"] * 2
    thread = thread_of(graph, place.post)
    in_thread = told(subscription("post", parent=thread))
    assert len(in_thread) == 2
    assert other.post not in {each["resourceData"]["id"] for each in in_thread}


def thread_of(graph: Graph, post: str) -> str:
    """The id in the store of the thread of a post, by its id on the wire."""
    id = ids.read_post_id(post, SALES)
    found = graph.store.read_here(lambda snapshot: changes.since(snapshot, SALES, 0, 1000))
    (thread,) = {each.parent for each in found if each.item == id}
    assert thread is not None
    return thread


def test_posts_that_went_with_their_thread_are_still_named(graph: Graph, told: Told) -> None:
    adele, extended = graph.as_("AdeleV"), graph.as_app("extended")
    place = adele.start()
    answer = adele.post(
        f"{place.conversation_path}/threads",
        {"topic": "Second", "posts": [{"body": {"contentType": "text", "content": "Hello"}}]},
    )
    assert answer.status == 201
    second = adele.newest(type(place)(SALES, place.conversation, answer.json["id"], ""))
    assert extended.delete(second.thread_path()).status == 204
    resource = f"groups('{SALES}')/threads('{second.thread}')/posts('{second.post}')"
    assert ("created", resource) in happened(told(subscription("post")))


def test_a_subscriber_who_may_not_read_any_more_is_told_nothing(graph: Graph, told: Told) -> None:
    graph.as_("DiegoS").start(group="HR")
    assert len(told(subscription("conversation", HR, by="JoniS"))) == 1
    assert len(told(subscription("conversation", HR, by="daemon"))) == 1
    # Neither a member nor who runs the organisation, and not the guest of another group.
    for outsider in ("AdeleV", "admin", "guest"):
        assert told(subscription("conversation", HR, by=outsider)) == []
    assert graph.as_("DiegoS").delete(f"/groups/{HR}/members/{PERSON['JoniS']}/$ref").status == 204
    assert told(subscription("conversation", HR, by="JoniS")) == []
    users = schema.users
    graph.run(Statement(update(users).where(users.c.id == PERSON["DiegoS"]).values(account_enabled=False)))
    assert told(subscription("conversation", HR, by="DiegoS")) == []


def test_an_application_that_lost_its_grant_is_told_nothing(graph: Graph, told: Told) -> None:
    name, owner = "extendedWithoutRoles", graph.as_("DiegoS")
    owner.start(group="HR")
    asked = subscription("conversation", HR, by=name, by_grant=True)
    assert told(asked) == []
    grant = {"clientAppId": APPLICATIONS[name].id, "permission": "Group-Conversation.Read.Group"}
    made = owner.post(f"/groups/{HR}/permissionGrants", grant, Prefer="folkmoot.profile=extended")
    assert made.status == 201
    assert len(told(asked)) == 1
    # The server itself notes by what it let the application in.
    body = {
        "changeType": "created",
        "notificationUrl": "https://hooks.example/notify",
        "resource": f"groups/{HR}/conversations",
        "expirationDateTime": "2026-11-25T10:00:00Z",
    }
    created = graph.as_app(name).post("/subscriptions", body)
    assert created.status == 201, created
    kept = graph.store.read_here(lambda snapshot: subscriptions.one(snapshot, created.json["id"]))
    assert kept is not None
    assert kept.by_grant


@pytest.mark.parametrize("how", ["PATCH", "reauthorize"])
def test_what_lets_an_application_in_is_noted_anew_when_it_says_that_it_goes_on(
    graph: Graph, told: Told, how: str
) -> None:
    name, owner = "extendedWithoutRoles", graph.as_("DiegoS")
    owner.start(group="HR")
    by_role, by_grant = graph.as_app(name, roles=["Group.Read.All"]), graph.as_app(name)
    body = {
        "changeType": "created",
        "notificationUrl": "https://hooks.example/notify",
        "resource": f"groups/{HR}/conversations",
        "expirationDateTime": "2026-11-25T10:00:00Z",
    }
    id = by_role.post("/subscriptions", body).json["id"]
    grant = {"clientAppId": APPLICATIONS[name].id, "permission": "Group-Conversation.Read.Group"}
    path = f"/groups/{HR}/permissionGrants"
    granted = owner.post(path, grant, Prefer="folkmoot.profile=extended").json["id"]

    def goes_on(application: Client) -> None:
        if how == "PATCH":
            assert application.patch(f"/subscriptions/{id}", {}).status == 200
        else:
            assert application.post(f"/subscriptions/{id}/reauthorize").status == 204

    def is_told() -> bool:
        kept = graph.store.read_here(lambda snapshot: subscriptions.one(snapshot, id))
        assert kept is not None
        return bool(told(kept))

    goes_on(by_grant)
    assert is_told()
    assert owner.delete(f"{path}/{granted}", Prefer="folkmoot.profile=extended").status == 204
    assert not is_told()
    goes_on(by_role)
    assert is_told()


# ── the directory ────────────────────────────────────────────────────────────────────────────────────────────────────

MANAGE = ("Group.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All")


def make_group(graph: Graph, name: str, visibility: str = "Public", **more: Any) -> str:
    body = {
        "displayName": name,
        "mailNickname": name,
        "visibility": visibility,
        "groupTypes": ["Unified"],
        "mailEnabled": True,
        "securityEnabled": False,
        "owners@odata.bind": [f"{ROOT}/users/{PERSON['AdeleV']}"],
        **more,
    }
    answer = graph.as_app("daemon", roles=MANAGE).post("/groups", body)
    assert answer.status == 201, answer
    id: str = answer.json["id"]
    return id


def test_groups_are_told_of_once_for_each_request(graph: Graph, told: Told) -> None:
    daemon = graph.as_app("daemon", roles=MANAGE)
    id = make_group(graph, "Cycling")
    graph.clock.advance(5)
    assert daemon.patch(f"/groups/{id}", {"displayName": "Bicycles", "description": "Two wheels"}).status == 204
    graph.clock.advance(5)
    assert daemon.delete(f"/groups/{id}").status == 204
    every = told(subscription("group", None))
    assert happened(every) == [(kind, f"groups/{id}") for kind in EVERY_KIND]
    assert every[0]["resourceData"] == {"@odata.type": "#Microsoft.Graph.Group", "@odata.id": f"groups/{id}", "id": id}
    # As the cloud tells of groups to who asks as one asks there.
    assert happened(told(subscription("group", None, change_types=("updated",)))) == [("updated", f"groups/{id}")] * 3


def test_users_are_told_of(graph: Graph, told: Told) -> None:
    daemon = graph.as_app("daemon", roles=MANAGE)
    lee = f"/users/{PERSON['LeeG']}"
    assert daemon.patch(lee, {"jobTitle": "President"}).status == 204
    assert daemon.delete(lee).status == 204
    for who in ("guest", "AdeleV", "daemon"):
        assert happened(told(subscription("user", None, by=who))) == [("deleted", lee[1:])]
    assert told(subscription("user", None, by="LeeG")) == []


def test_groups_that_somebody_never_saw_are_not_told_of(graph: Graph, told: Told) -> None:
    daemon = graph.as_app("daemon", roles=MANAGE)
    secret = make_group(graph, "Secret", "Private")
    security = make_group(
        graph, "Keys", "Private", groupTypes=[], mailEnabled=False, securityEnabled=True
    )  # erased as soon as it is deleted
    public = make_group(graph, "Keyring", groupTypes=[], mailEnabled=False, securityEnabled=True)
    graph.clock.advance(5)
    for id in (secret, security, public):
        assert daemon.delete(f"/groups/{id}").status == 204
    gone = [("deleted", f"groups/{id}") for id in (secret, security, public)]
    for insider in ("AdeleV", "admin", "daemon"):
        assert [
            each for each in happened(told(subscription("group", None, by=insider))) if each[0] == "deleted"
        ] == gone
    assert happened(told(subscription("group", None, by="AlexW", change_types=("deleted",)))) == gone[2:]
    assert told(subscription("group", None, by="guest")) == []


# ── about the subscription itself ────────────────────────────────────────────────────────────────────────────────────


def test_lifecycle_notifications_are_in_the_words_of_graph(graph: Graph) -> None:
    assert wording(graph).lifecycle(subscription("conversation"), "missed") == {
        "subscriptionId": ID,
        "subscriptionExpirationDateTime": "2026-11-25T11:20:00.1234560Z",
        "tenantId": graph.settings.tenant_id,
        "clientState": "secret",
        "lifecycleEvent": "missed",
    }
