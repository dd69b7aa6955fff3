"""A request for each row of the surface, on each road that leads there, with what is published of it.

Tests of what holds for every row take their requests from here. Permissions are written out as the reference has them,
so that a slip in the server's own table does not go unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest

from folkmoot import lab
from tests.harness import ABANDONED, GROUP, PERSON, ROADS, ROOT, Answer, Client, Place, file_attachment, recipient
from tests.protocol.library import made

READ = frozenset(
    ("Group-Conversation.Read.All", "Group-Conversation.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All")
)
WRITE = frozenset(("Group-Conversation.ReadWrite.All", "Group.ReadWrite.All"))
DIRECTORY_WRITE = frozenset(("Group.ReadWrite.All", "Directory.ReadWrite.All"))
MEMBERS_WRITE = DIRECTORY_WRITE | {"GroupMember.ReadWrite.All"}
MEMBERS_READ = frozenset(("GroupMember.Read.All", "GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All"))
GROUPS = frozenset(
    (
        "GroupMember.Read.All",
        "GroupMember.ReadWrite.All",
        "Group.Read.All",
        "Group.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    )
)
USERS = frozenset(
    ("User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
)
# Extensions, for which the reference has no narrower permission.
GROUP_READ = frozenset(("Group.Read.All", "Group.ReadWrite.All"))
GROUP_WRITE = frozenset(("Group.ReadWrite.All",))
USERS_WRITE = frozenset(("User.ReadWrite.All", "Directory.ReadWrite.All"))
# Attachments one by one, for which the reference has no narrower permission.
GROUP_READ = frozenset(("Group.Read.All", "Group.ReadWrite.All"))
GROUP_WRITE = frozenset(("Group.ReadWrite.All",))
NONE: frozenset[str] = frozenset()
EVERYTHING = READ | WRITE | GROUPS | MEMBERS_WRITE | USERS | USERS_WRITE | {"Group.Create", "User.Read"}

POST = {"body": {"contentType": "text", "content": "Hello"}}
CONVERSATION = {"topic": "New", "threads": [{"posts": [POST]}]}
THREAD = {"topic": "New", "posts": [POST]}
REPLY = {"post": POST}
FORWARD = {"comment": "See below", "toRecipients": [recipient("AlexW")]}
EXTENSION = {"@odata.type": "#microsoft.graph.openTypeExtension", "extensionName": "Com.Contoso.Deal", "stage": 1}
UPLOAD = {"AttachmentItem": {"attachmentType": "file", "name": "large.bin", "size": 4_000_000}}
NEW_GROUP = {
    "displayName": "New",
    "mailNickname": "new-group",
    "mailEnabled": True,
    "securityEnabled": False,
    "groupTypes": ["Unified"],
}
NEW_USER = {
    "accountEnabled": True,
    "displayName": "New Person",
    "mailNickname": "newp",
    "userPrincipalName": "newp@contoso.onmicrosoft.com",
    "passwordProfile": {"password": "long enough 1"},
}
EXTENDED = {"Prefer": "folkmoot.profile=extended"}
GRANT = {"clientAppId": lab.EXTENDED.id, "permission": "Group-Conversation.Read.Group"}
REFERENCE = {"@odata.id": f"{ROOT}/directoryObjects/{PERSON['PattiF']}"}
# Stands for the id of a subscription of whoever asks.
OWN = "5b5c0000-0000-4000-8000-000000000001"
# Stands for the id of an attempt to tell it of something.
DELIVERED = "5b5c0000-0000-4000-8000-000000000002"
# What one of which permissions lets an application follow.
FOLLOW = READ | GROUPS | USERS
SUBSCRIPTION = {
    "changeType": "created,updated",
    "notificationUrl": "https://hooks.example/notify?code=a%20b",
    "resource": f"groups/{GROUP['SalesAndMarketing']}/conversations",
    "expirationDateTime": "2026-11-25T10:00:00Z",
    "clientState": "secret",
}
# Those who may post in the tests still may.
SENDERS = {
    "acceptedSenders": {"@odata.id": f"{ROOT}/groups/{GROUP['SalesAndMarketing']}"},
    "rejectedSenders": REFERENCE,
}


@dataclass(frozen=True)
class Request:
    """How a row is asked.

    `template` names a place: `{group}`, `{conversation}`, `{thread}`, `{post}`, `{attachment}`, `{extension}` are paths
    to one; `{sec}` is a security group, `{user}` a person. `delegated` and `application` are the published
    permissions, `own` those that suffice for what is about oneself. `answers` is the status of success. What is
    `only_extended` is asked as an extended application would, whoever asks. `personal` is what no application can ask,
    being nobody. `before` is what must have been posted (template and body) for it to succeed.
    """

    row: str
    template: str
    delegated: frozenset[str]
    application: frozenset[str]
    answers: int = 200
    body: Any = None
    own: frozenset[str] = NONE
    headers: Mapping[str, str] | None = None
    road: str = ""
    only_extended: bool = False
    personal: bool = False
    before: tuple[str, Any] | None = None

    @property
    def method(self) -> str:
        return self.row.partition(" ")[0]

    @property
    def mail(self) -> bool:
        """Whether it is about what is said in a group, rather than about the directory."""
        return self.row.split(" ")[1].startswith(_SAID)

    @property
    def asks(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET" or self.row.rpartition("/")[2].startswith(("get", "check", "validate"))

    @property
    def name(self) -> str:
        return f"{self.row} {self.road}".strip()

    def path(self, place: Place, security_group: str = "Platform") -> str:
        """The path for a place."""
        return self.template.format(
            group=place.group_path,
            conversation=place.conversation_path,
            thread=place.thread_path(self.road),
            threads=f"{place.above(self.road)}/threads",
            post=place.post_path(self.road),
            extension=place.extension_path(self.road),
            attachment=place.attachment_path(self.road),
            sec=f"/groups/{made(security_group)}",
            user=f"/users/{PERSON['AdeleV']}",
            member=PERSON["AlexW"],
            owner=PERSON["MeganB"],
            reference=quote(f"{ROOT}/users/{PERSON['AlexW']}"),
        )

    def prepare(self, client: Client, place: Place) -> None:
        """Do what must come before."""
        if self.before is not None:
            template, body = self.before
            assert client.post(replace(self, template=template).path(place), body).status == 204

    def furnish(self, client: Client, place: Place) -> Place:
        """The place with what the template names, which is added to its post where it has none."""
        if "{extension}" in self.template and not place.extension:
            place = client.graph.as_("AdeleV").extend(place)
        if "{attachment}" in self.template and not place.attachment:
            place = client.graph.as_("AdeleV").attach(place)
        return place

    def spelt(self, client: Client, place: Place, security_group: str = "Platform") -> str:
        """The path for a place as that client asks for it: what belongs to somebody is the client's."""
        path = self.path(place, security_group)
        if OWN not in path:
            return path
        own = client.graph.subscribed(client.token)
        delivered = client.graph.delivered(own) if DELIVERED in path else DELIVERED
        return path.replace(OWN, own).replace(DELIVERED, delivered)

    def send(self, client: Client, place: Place, query: str = "", security_group: str = "Platform") -> Answer:
        """Ask for it; an attachment or extension is added to a post where the place has none."""
        place = self.furnish(client, place)
        path = self.spelt(client, place, security_group)
        if query:
            path += ("&" if "?" in path else "?") + query
        return client.with_body(self.method, path, self.body, self.headers or {})


_SAID = (
    *(
        "group/conversations",
        "group/threads",
        "group/posts",
        "conversation",
        "thread",
        "post",
        "attachment",
        "extension",
    ),
    *("group/addFavorite", "group/removeFavorite", "group/subscribeByMail", "group/unsubscribeByMail"),
    "group/resetUnseenCount",
)
_EVENTUAL = {"ConsistencyLevel": "eventual"}


def _collection(address: str, template: str, permissions: frozenset[str], **more: Any) -> Iterator[Request]:
    yield Request(f"GET {address}", template, permissions, permissions, **more)
    yield Request(f"GET {address}/$count", f"{template}/$count", permissions, permissions, **more)


def _lacking(
    row: str, template: str, permissions: frozenset[str], answers: int, body: Any = None, road: str = ""
) -> Request:
    """What the cloud lacks."""
    return Request(
        row, template, permissions, permissions, answers, body, headers=EXTENDED, road=road, only_extended=True
    )


OBJECTS = ("application", "device", "group", "orgContact", "servicePrincipal", "user")
DIRECTORY_READ = frozenset(("Directory.Read.All", "Directory.ReadWrite.All"))
GROUPS_READ = DIRECTORY_READ | {"Group.Read.All", "Group.ReadWrite.All"}
USERS_READ = DIRECTORY_READ | {"User.Read.All", "User.ReadWrite.All"}
TEAMS = frozenset(
    (
        *("Team.ReadBasic.All", "TeamSettings.Read.All", "TeamSettings.ReadWrite.All"),
        *("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"),
    )
)


def _people(address: str, template: str, item: str, casts: Iterable[str], **more: Any) -> Iterator[Request]:
    """A relationship to directory objects; `item` is a user in it, or a group where only groups can be."""
    yield from _collection(address, template, GROUPS, headers=_EVENTUAL, **more)
    yield Request(f"GET {address}/object", f"{template}/{item}", GROUPS, GROUPS, **more)
    for cast in casts:
        yield from _collection(
            f"{address}/{cast}", f"{template}/microsoft.graph.{cast}", GROUPS, headers=_EVENTUAL, **more
        )
        # What is in it is of one type; asked for as another it is not there.
        fits = cast == ("user" if "user" in casts else "group")
        yield Request(
            f"GET {address}/object/{cast}",
            f"{template}/{item}/graph.{cast}",
            GROUPS,
            GROUPS,
            200 if fits else 404,
            **more,
        )


def _questions(address: str, template: str, permissions: frozenset[str], **more: Any) -> Iterator[Request]:
    for name, body in (
        ("checkMemberGroups", {"groupIds": [GROUP["Engineering"]]}),
        ("checkMemberObjects", {"ids": [GROUP["Engineering"]]}),
        ("getMemberGroups", {"securityEnabledOnly": False}),
        ("getMemberObjects", {"securityEnabledOnly": False}),
    ):
        yield Request(f"POST {address}/{name}", f"{template}/{name}", permissions, permissions, 200, body, **more)


def _of_all(address: str, permissions: frozenset[str]) -> Iterator[Request]:
    for name, body, needed, answers in (
        ("getByIds", {"ids": [PERSON["AlexW"]], "types": ["user"]}, permissions, 200),
        ("validateProperties", {"entityType": "Group", "displayName": "New"}, GROUPS_READ, 204),
        ("getAvailableExtensionProperties", {"isSyncedFromOnPremises": False}, permissions, 200),
    ):
        yield Request(f"POST {address}/{name}", f"/{address}/{name}", needed, needed, answers, body)


def _all() -> Iterator[Request]:
    yield from _collection("group/conversations", "{group}/conversations", READ)
    yield Request("POST group/conversations", "{group}/conversations", WRITE, NONE, 201, CONVERSATION)
    yield Request("GET conversation", "{conversation}", READ, READ)
    yield Request("DELETE conversation", "{conversation}", WRITE, WRITE, 204)
    yield from _collection("conversation/threads", "{conversation}/threads", READ)
    yield Request("POST conversation/threads", "{conversation}/threads", WRITE, NONE, 201, THREAD)
    yield from _collection("group/threads", "{group}/threads", READ)
    yield Request("POST group/threads", "{group}/threads", WRITE, NONE, 201, THREAD)
    for road in ROADS:
        yield Request("GET thread", "{thread}", READ, READ, road=road)
        yield Request("PATCH thread", "{thread}", WRITE, WRITE, 200, {"isLocked": True}, road=road)
        yield Request("DELETE thread", "{thread}", WRITE, WRITE, 204, road=road)
        yield Request("POST thread/reply", "{thread}/reply", WRITE, NONE, 202, REPLY, road=road)
        yield from _collection("thread/posts", "{thread}/posts", READ, road=road)
        yield Request("GET post", "{post}", READ, READ, road=road)
        yield Request("POST post/reply", "{post}/reply", WRITE, WRITE, 202, REPLY, road=road)
        yield Request("POST post/forward", "{post}/forward", WRITE, WRITE, 200, FORWARD, road=road)
        yield _lacking("POST thread/posts", "{thread}/posts", WRITE, 201, POST, road=road)
        yield _lacking("PATCH post", "{post}", WRITE, 200, {"categories": ["New"]}, road=road)
        yield _lacking("DELETE post", "{post}", WRITE, 204, road=road)
    # ── what changed ──
    yield _lacking("GET group/conversations/delta", "{group}/conversations/delta", READ, 200)
    yield _lacking("GET group/threads/delta", "{group}/threads/delta", READ, 200)
    yield _lacking("GET group/posts/delta", "{group}/posts/delta", READ, 200)
    yield _lacking("GET conversation/threads/delta", "{conversation}/threads/delta", READ, 200)
    for road in ROADS:
        yield _lacking("GET thread/posts/delta", "{thread}/posts/delta", READ, 200, road=road)
    # ── attachments ──
    for road in ROADS:
        attachments = "{post}/attachments"
        yield Request("GET post/attachments", attachments, READ, NONE, road=road)
        yield Request("GET post/attachments/$count", f"{attachments}/$count", READ, NONE, road=road)
        yield Request("POST post/attachments", attachments, WRITE, NONE, 201, file_attachment(), road=road)
        session = f"{attachments}/createUploadSession"
        yield Request("POST post/attachments/createUploadSession", session, WRITE, NONE, 201, UPLOAD, road=road)
        yield Request("GET attachment", "{attachment}", GROUP_READ, NONE, road=road)
        yield Request("GET attachment/$value", "{attachment}/$value", GROUP_READ, NONE, road=road)
        yield Request("DELETE attachment", "{attachment}", GROUP_WRITE, NONE, 204, road=road)
    # ── extensions ──
    for road in ROADS:
        extensions = "{post}/extensions"
        yield from _collection("post/extensions", extensions, GROUP_READ, road=road)
        yield Request("POST post/extensions", extensions, GROUP_WRITE, GROUP_WRITE, 201, EXTENSION, road=road)
        yield Request("GET extension", "{extension}", GROUP_READ, GROUP_READ, road=road)
        yield Request("PATCH extension", "{extension}", GROUP_WRITE, GROUP_WRITE, 200, {"stage": 2}, road=road)
        yield Request("DELETE extension", "{extension}", GROUP_WRITE, GROUP_WRITE, 204, road=road)
    # ── senders ──
    group_read, group_write = frozenset(("Group.Read.All", "Group.ReadWrite.All")), frozenset(("Group.ReadWrite.All",))
    for name in ("acceptedSenders", "rejectedSenders"):
        row, place = f"group/{name}", f"{{group}}/{name}"
        yield Request(f"GET {row}", place, group_read, NONE)
        yield Request(f"GET {row}/$count", f"{place}/$count", group_read, NONE, headers=_EVENTUAL)
        yield Request(f"GET {row}/$ref", f"{place}/$ref", group_read, NONE)
        reference = SENDERS[name]
        yield Request(f"POST {row}/$ref", f"{place}/$ref", group_write, NONE, 204, reference)
        before = (f"{place}/$ref", reference)
        at = reference["@odata.id"].rpartition("/")[2]
        yield Request(f"DELETE {row}/object/$ref", f"{place}/{at}/$ref", group_write, NONE, 204, before=before)
        at = quote(reference["@odata.id"])
        yield Request(f"DELETE {row}/$ref", f"{place}/$ref?@id={at}", group_write, NONE, 204, before=before)
    for action in ("addFavorite", "removeFavorite", "subscribeByMail", "unsubscribeByMail", "resetUnseenCount"):
        yield Request(f"POST group/{action}", f"{{group}}/{action}", group_write, NONE, personal=True)
    yield Request("POST group/renew", "{group}/renew", DIRECTORY_WRITE, DIRECTORY_WRITE, 204)
    names = {"displayName": "Sales", "mailNickname": "sales"}
    yield Request("POST group/validateProperties", "{group}/validateProperties", group_read, group_read, 204, names)
    # ── the group and its people ──
    # ── grants ──
    yield from _collection("group/permissionGrants", "{group}/permissionGrants", MEMBERS_READ, headers=_EVENTUAL)
    yield Request(
        "POST group/checkGrantedPermissionsForApp", "{group}/checkGrantedPermissionsForApp", MEMBERS_READ, MEMBERS_READ
    )
    yield _lacking("POST group/permissionGrants", "{group}/permissionGrants", DIRECTORY_WRITE, 201, GRANT)
    yield _lacking("DELETE grant", f"{{group}}/permissionGrants/{lab.GRANT}", DIRECTORY_WRITE, 204)
    # ── groups ──
    yield from _collection("groups", "/groups", GROUPS, headers=_EVENTUAL)
    yield Request("POST groups", "/groups", DIRECTORY_WRITE, DIRECTORY_WRITE | {"Group.Create"}, 201, NEW_GROUP)
    yield Request("GET group", "{group}", GROUPS, GROUPS)
    yield Request("PATCH group", "{group}", DIRECTORY_WRITE, DIRECTORY_WRITE, 204, {"description": "Renamed"})
    yield Request(
        "DELETE group", "{group}", frozenset(("Group.ReadWrite.All",)), frozenset(("Group.ReadWrite.All",)), 204
    )
    adele = PERSON["AdeleV"]
    yield from _people("group/members", "{sec}/members", adele, OBJECTS)
    yield from _people("group/owners", "{sec}/owners", adele, OBJECTS)
    yield from _people("group/transitiveMembers", "{sec}/transitiveMembers", adele, OBJECTS)
    units = ("administrativeUnit", "group")
    backend = f"/groups/{made('Backend')}"
    yield from _people("group/memberOf", f"{backend}/memberOf", made("Platform"), units)
    yield from _people("group/transitiveMemberOf", f"{backend}/transitiveMemberOf", made("Platform"), units)
    yield Request("GET groups/delta", "/groups/delta", GROUPS, GROUPS)
    for role in ("members", "owners"):
        yield Request(f"GET group/{role}/$ref", f"{{group}}/{role}/$ref", GROUPS, GROUPS, headers=_EVENTUAL)
    yield from _questions("group", "{group}", GROUPS)
    yield from _of_all("groups", GROUPS_READ)
    for role, permissions, who in (("members", MEMBERS_WRITE, "{member}"), ("owners", DIRECTORY_WRITE, "{owner}")):
        place = f"{{group}}/{role}"
        at = "$ref?@id={reference}" if role == "members" else f"$ref?$id={ROOT}/users/{PERSON['MeganB']}"
        yield Request(f"POST group/{role}/$ref", f"{place}/$ref", permissions, permissions, 204, REFERENCE)
        yield Request(f"DELETE group/{role}/$ref", f"{place}/{at}", permissions, permissions, 204)
        yield Request(f"DELETE group/{role}/object/$ref", f"{place}/{who}/$ref", permissions, permissions, 204)
    yield from _collection("users", "/users", USERS, headers=_EVENTUAL)
    yield Request("POST users", "/users", USERS_WRITE, USERS_WRITE, 201, NEW_USER)
    own = frozenset(("User.Read", "User.ReadWrite"))
    yield Request("GET user", "{user}", USERS, USERS, own=own)
    phone = {"mobilePhone": "+49 30 1"}
    yield Request("PATCH user", "{user}", USERS_WRITE, USERS_WRITE, 204, phone, own=frozenset(("User.ReadWrite",)))
    yield Request("DELETE user", f"/users/{PERSON['PattiF']}", USERS_WRITE, USERS_WRITE, 204)
    kinds = ("administrativeUnit", "directoryRole", "group")
    for name, casts in (
        ("memberOf", kinds),
        ("transitiveMemberOf", kinds),
        ("ownedObjects", ("application", "group", "servicePrincipal")),
    ):
        yield from _people(f"user/{name}", f"{{user}}/{name}", made("Platform"), casts, own=own)
    yield Request("GET users/delta", "/users/delta", USERS, USERS)
    yield Request("GET user/joinedTeams", "{user}/joinedTeams", TEAMS, TEAMS, headers=_EVENTUAL)
    yield from _questions("user", "{user}", GROUPS, own=own)
    yield from _of_all("users", USERS)
    # ── directory objects ──
    anything = f"/directoryObjects/{PERSON['PattiF']}"
    yield Request("GET directoryObjects/object", anything, DIRECTORY_READ, DIRECTORY_READ)
    yield Request("DELETE directoryObjects/object", anything, USERS_WRITE, USERS_WRITE, 204)
    yield from _questions("directoryObjects/object", anything, DIRECTORY_READ)
    yield from _of_all("directoryObjects", DIRECTORY_READ)
    # ── subscriptions ──
    reading = FOLLOW | {"Subscription.Read.All"}
    yield Request("GET subscriptions", "/subscriptions", reading, FOLLOW)
    yield Request("POST subscriptions", "/subscriptions", READ, NONE, 201, SUBSCRIPTION)
    yield Request("GET subscription", f"/subscriptions/{OWN}", reading, FOLLOW)
    renewal = {"expirationDateTime": "2026-11-24T10:00:00.5Z"}
    yield Request("PATCH subscription", f"/subscriptions/{OWN}", READ, READ, 200, renewal)
    yield Request("DELETE subscription", f"/subscriptions/{OWN}", READ, READ, 204)
    yield Request("POST subscription/reauthorize", f"/subscriptions/{OWN}/reauthorize", READ, NONE, 204)
    log = f"/subscriptions/{OWN}/deliveries"
    extended: dict[str, Any] = {"only_extended": True, "headers": EXTENDED}
    yield Request("GET subscription/deliveries", log, reading, FOLLOW, **extended)
    yield Request("GET delivery", f"{log}/{DELIVERED}", reading, FOLLOW, **extended)
    yield Request("POST delivery/replay", f"{log}/{DELIVERED}/replay", READ, READ, **extended)
    # ── what was deleted ──
    items = "/directory/deletedItems"
    for kind, permissions in (("group", GROUPS_READ), ("user", USERS_READ)):
        yield from _collection(
            f"directory/deletedItems/{kind}", f"{items}/microsoft.graph.{kind}", permissions, headers=_EVENTUAL
        )
    gone = ABANDONED
    yield Request("GET directory/deletedItems/object", f"{items}/{gone}", GROUPS_READ, GROUPS_READ)
    yield Request("DELETE directory/deletedItems/object", f"{items}/{gone}", DIRECTORY_WRITE, NONE, 204)
    yield Request(
        "POST directory/deletedItems/object/restore", f"{items}/{gone}/restore", DIRECTORY_WRITE, DIRECTORY_WRITE
    )
    yield Request("POST group/restore", f"/groups/{gone}/restore", DIRECTORY_WRITE, DIRECTORY_WRITE)
    yield Request(
        "POST directoryObjects/object/restore", f"/directoryObjects/{gone}/restore", DIRECTORY_WRITE, DIRECTORY_WRITE
    )


REQUESTS = tuple(_all())
MAIL = tuple(request for request in REQUESTS if request.mail)
# Those whose body holds a post.
POSTING = tuple(request for request in MAIL if request.body in (CONVERSATION, THREAD, REPLY))
DIRECTORY = tuple(request for request in REQUESTS if not request.mail)


@contextmanager
def case(name: object) -> Iterator[None]:
    """One case of a test that tries a table of them: what fails says in which."""
    try:
        yield
    except BaseException as problem:
        problem.add_note(f"in the case: {name}")
        raise


def each(requests: Iterable[Request]) -> pytest.MarkDecorator:
    """Run a test for each request."""
    return pytest.mark.parametrize("request_", [pytest.param(r, id=r.name) for r in requests])
