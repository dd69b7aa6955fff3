"""$select: what is sent, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import ROOT
from tests.protocol.library import Library, made


def path_of(library: Library, which: str) -> str:
    place = library.launch
    return {
        "conversations": f"{place.group_path}/conversations",
        "threads": f"{place.group_path}/threads",
        "posts": f"{place.thread_path()}/posts",
        "conversation": place.conversation_path,
        "thread": place.thread_path(),
        "post": place.post_path(),
        "groups": "/groups",
        "users": "/users",
        "group": place.group_path,
        "me": "/me",
        "members": f"/groups/{made('Platform')}/members",
    }[which]


def names(item: dict[str, Any]) -> list[str]:
    return [name for name in item if name != "@odata.context"]


@pytest.mark.parametrize(
    ("which", "selected", "sent"),
    [
        ("conversations", "topic", ["id", "topic"]),
        ("conversations", "id", ["id"]),
        ("conversations", "preview,topic", ["id", "topic", "preview"]),
        ("conversations", "TOPIC, Preview", ["id", "topic", "preview"]),
        ("conversations", "topic,topic", ["id", "topic"]),
        ("conversations", "threads", ["id"]),
        ("conversations", "*", ["id", "topic", "hasAttachments", "lastDeliveredDateTime", "uniqueSenders", "preview"]),
        ("threads", "isLocked", ["id", "isLocked"]),
        ("threads", "topic,toRecipients", ["id", "topic", "toRecipients"]),
        ("posts", "body", ["@odata.etag", "id", "body"]),
        ("posts", "from,sender,newParticipants", ["@odata.etag", "id", "from", "sender", "newParticipants"]),
        ("posts", "changeKey", ["@odata.etag", "id", "changeKey"]),
        (
            "posts",
            "conversationId,conversationThreadId",
            ["@odata.etag", "id", "conversationId", "conversationThreadId"],
        ),
        ("conversation", "uniqueSenders", ["id", "uniqueSenders"]),
        ("thread", "ccRecipients", ["id", "ccRecipients"]),
        ("post", "categories", ["@odata.etag", "id", "categories"]),
        ("groups", "displayName,mail", ["id", "displayName", "mail"]),
        ("groups", "onPremisesSyncEnabled", ["id", "onPremisesSyncEnabled"]),
        ("group", "visibility", ["id", "visibility"]),
        ("users", "accountEnabled,userType", ["id", "accountEnabled", "userType"]),
        ("me", "department", ["id", "department"]),
        ("members", "displayName", ["@odata.type", "id", "displayName"]),
    ],
)
def test_what_is_sent(library: Library, which: str, selected: str, sent: list[str]) -> None:
    answer = library.as_("AdeleV").get(f"{path_of(library, which)}?$select={selected}")
    assert answer.status == 200, answer
    items = answer.json.get("value", [answer.json])
    assert items
    for item in items:
        assert names(item) == sent


@pytest.mark.parametrize("which", ["conversations", "threads", "posts", "groups", "users"])
def test_the_values_are_the_same(library: Library, which: str) -> None:
    adele, path = library.as_("AdeleV"), path_of(library, which)
    whole = adele.get(path).value
    for name in names(whole[0]):
        if not name.startswith("@"):
            for item, part in zip(whole, adele.get(f"{path}?$select={name}").value, strict=True):
                assert part == {key: value for key, value in item.items() if key in part}
                assert name in part


def test_the_context_says_what_was_selected(library: Library) -> None:
    adele = library.as_("AdeleV")
    group = library.launch.group
    for path, fragment in (
        ("/groups?$select=id,displayName", "groups(id,displayName)"),
        (f"/groups/{group}?$select=displayName,mail", "groups(displayName,mail)/$entity"),
        (f"/groups/{group}/conversations?$select=topic", f"groups('{group}')/conversations(topic)"),
        (f"/groups/{group}/members?$select=id", "directoryObjects(id)"),
        ("/me?$select=mail", "users(mail)/$entity"),
    ):
        assert adele.get(path).json["@odata.context"] == f"{ROOT}/$metadata#{fragment}"


def test_kinds_of_members_keep_what_they_have(library: Library) -> None:
    for item in (
        library.as_("AdeleV").get(f"{path_of(library, 'members')}?$select=id,userPrincipalName,groupTypes").value
    ):
        own = "userPrincipalName" if item["@odata.type"] == "#microsoft.graph.user" else "groupTypes"
        assert names(item) == ["@odata.type", "id", own]


def test_the_option_may_come_more_than_once(library: Library) -> None:
    adele, path = library.as_("AdeleV"), path_of(library, "conversations")
    assert names(adele.get(f"{path}?$select=topic&$select=preview").value[0]) == ["id", "topic", "preview"]


def test_a_star_and_a_name(library: Library) -> None:
    found = library.as_("AdeleV").get(f"{path_of(library, 'thread')}?$select=*,toRecipients").json
    assert "toRecipients" in found
    assert "topic" in found
