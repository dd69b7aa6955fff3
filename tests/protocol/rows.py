"""A request for each row of the surface, on each road that leads there, with what is published of it.

Tests of what holds for every row take their requests from here. Permissions are written out as the reference has them,
so that a slip in the server's own table does not go unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from tests.harness import ABANDONED, GROUP, PERSON, ROADS, ROOT, Answer, Client, Place, recipient
from tests.protocol.library import made

READ = frozenset(
    ("Group-Conversation.Read.All", "Group-Conversation.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All")
)
WRITE = frozenset(("Group-Conversation.ReadWrite.All", "Group.ReadWrite.All"))
DIRECTORY_WRITE = frozenset(("Group.ReadWrite.All", "Directory.ReadWrite.All"))
MEMBERS_WRITE = DIRECTORY_WRITE | {"GroupMember.ReadWrite.All"}
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
USERS_WRITE = frozenset(("User.ReadWrite.All", "Directory.ReadWrite.All"))
NONE: frozenset[str] = frozenset()
EVERYTHING = READ | WRITE | GROUPS | MEMBERS_WRITE | USERS | USERS_WRITE | {"Group.Create", "User.Read"}

POST = {"body": {"contentType": "text", "content": "Hello"}}
CONVERSATION = {"topic": "New", "threads": [{"posts": [POST]}]}
THREAD = {"topic": "New", "posts": [POST]}
REPLY = {"post": POST}
FORWARD = {"comment": "See below", "toRecipients": [recipient("AlexW")]}
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
REFERENCE = {"@odata.id": f"{ROOT}/directoryObjects/{PERSON['PattiF']}"}


@dataclass(frozen=True)
class Request:
    """How a row is asked.

    `template` names a place: `{group}`, `{conversation}`, `{thread}`, `{post}` are paths to one; `{sec}` is a security
    group, `{user}` a person. `delegated` and `application` are the published permissions, `own` those that suffice for
    what is about oneself. `answers` is the status of success.
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
            sec=f"/groups/{made(security_group)}",
            user=f"/users/{PERSON['AdeleV']}",
            member=PERSON["AlexW"],
            owner=PERSON["MeganB"],
            reference=quote(f"{ROOT}/users/{PERSON['AlexW']}"),
        )

    def send(self, client: Client, place: Place, query: str = "", security_group: str = "Platform") -> Answer:
        """Ask for it."""
        path = self.path(place, security_group)
        if query:
            path += ("&" if "?" in path else "?") + query
        return client.with_body(self.method, path, self.body, self.headers or {})


_SAID = ("group/conversations", "group/threads", "conversation", "thread", "post")
_EVENTUAL = {"ConsistencyLevel": "eventual"}


def _collection(address: str, template: str, permissions: frozenset[str], **more: Any) -> Iterator[Request]:
    yield Request(f"GET {address}", template, permissions, permissions, **more)
    yield Request(f"GET {address}/$count", f"{template}/$count", permissions, permissions, **more)


OBJECTS = ("application", "device", "group", "orgContact", "servicePrincipal", "user")
DIRECTORY_READ = frozenset(("Directory.Read.All", "Directory.ReadWrite.All"))
GROUPS_READ = DIRECTORY_READ | {"Group.Read.All", "Group.ReadWrite.All"}
USERS_READ = DIRECTORY_READ | {"User.Read.All", "User.ReadWrite.All"}
RESTORE = frozenset(("Group.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"))
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
    # ── attachments ──
    # ── extensions ──
    # ── senders ──
    # ── the group and its people ──
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
    only = frozenset(("Directory.ReadWrite.All",))
    yield Request("DELETE directoryObjects/object", anything, only, only, 204)
    yield from _questions("directoryObjects/object", anything, DIRECTORY_READ)
    yield from _of_all("directoryObjects", DIRECTORY_READ)
    # ── what was deleted ──
    items = "/directory/deletedItems"
    for kind, permissions in (("group", GROUPS_READ), ("user", USERS_READ)):
        yield from _collection(
            f"directory/deletedItems/{kind}", f"{items}/microsoft.graph.{kind}", permissions, headers=_EVENTUAL
        )
    gone = ABANDONED
    yield Request(
        "GET directory/deletedItems/object", f"{items}/{gone}", GROUPS_READ | USERS_READ, GROUPS_READ | USERS_READ
    )
    yield Request("DELETE directory/deletedItems/object", f"{items}/{gone}", RESTORE, RESTORE, 204)
    yield Request("POST directory/deletedItems/object/restore", f"{items}/{gone}/restore", RESTORE, RESTORE)
    yield Request("POST group/restore", f"/groups/{gone}/restore", DIRECTORY_WRITE, DIRECTORY_WRITE)
    yield Request("POST directoryObjects/object/restore", f"/directoryObjects/{gone}/restore", RESTORE, RESTORE)


REQUESTS = tuple(_all())
MAIL = tuple(request for request in REQUESTS if request.mail)
DIRECTORY = tuple(request for request in REQUESTS if not request.mail)


def each(requests: Iterable[Request]) -> pytest.MarkDecorator:
    """Run a test for each request."""
    return pytest.mark.parametrize("request_", [pytest.param(r, id=r.name) for r in requests])
