"""$orderby on everything that can be ordered by, both ways, across pages; null comes before all values.

OData 4.01 URL Conventions §5.1.7. Text is ordered by code point, in the directory without regard to case.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import Client, Graph
from tests.protocol.library import Library, made
from tests.protocol.test_filter import USER_PROPERTIES

Item = dict[str, Any]

CONVERSATION = ("topic", "hasAttachments", "lastDeliveredDateTime", "preview")
THREAD = (*CONVERSATION, "isLocked")
POST = (
    "createdDateTime",
    "lastModifiedDateTime",
    "receivedDateTime",
    "hasAttachments",
    "body/contentType",
    "body/content",
    "from/emailAddress/name",
    "from/emailAddress/address",
    "sender/emailAddress/name",
    "sender/emailAddress/address",
)
GROUP = """id deletedDateTime classification createdDateTime description displayName isAssignableToRole mail mailEnabled
mailNickname membershipRule membershipRuleProcessingState preferredLanguage renewedDateTime securityEnabled theme
uniqueName visibility"""
USER = """id displayName givenName jobTitle mail mobilePhone officeLocation preferredLanguage surname userPrincipalName
accountEnabled mailNickname userType createdDateTime deletedDateTime department usageLocation"""


def paths(library: Library) -> dict[str, tuple[str, tuple[str, ...], bool]]:
    """Collection → its path, what it can be ordered by, and whether its own order is by falling id."""
    place = library.launch
    return {
        "conversations": (f"{place.group_path}/conversations", CONVERSATION, True),
        "threads": (f"{place.group_path}/threads", THREAD, True),
        "threads of one": (f"{library.parts.conversation_path}/threads", THREAD, False),
        "posts": (f"{library.talk.thread_path()}/posts", POST, False),
        "groups": ("/groups", tuple(GROUP.split()), False),
        "users": (f"/users?$select={USER_PROPERTIES},deletedDateTime", tuple(USER.split()), False),
    }


def key(item: Item, path: str) -> tuple[bool, Any]:
    """What the item is ordered by: null before all values; what the directory holds without regard to case."""
    found: Any = item
    for step in path.split("/"):
        found = found[step]
    if isinstance(found, str) and "displayName" in item:
        found = found.translate({code: code + 32 for code in range(ord("A"), ord("Z") + 1)})
    return found is not None, "" if found is None else found


def expected(items: list[Item], keys: list[tuple[str, bool]], falling: bool) -> list[Any]:
    """The ids in the order of `keys` (path, descending); alike items in the direction of the last key."""
    ordered = list(reversed(items)) if keys[-1][1] is not falling else list(items)
    for path, descending in reversed(keys):
        # Python's sort keeps the order of equals, also when it is reversed.
        ordered.sort(key=lambda item, path=path: key(item, path), reverse=descending)  # type: ignore[misc]
    return [item["id"] for item in ordered]


def found(client: Client, path: str, keys: list[tuple[str, bool]], top: int) -> list[Any]:
    text = ",".join(f"{name} desc" if descending else name for name, descending in keys)
    join = "&" if "?" in path else "?"
    return [item["id"] for item in client.everything(f"{path}{join}$orderby={text}&$top={top}")]


@pytest.mark.parametrize("descending", [False, True], ids=["asc", "desc"])
@pytest.mark.parametrize("which", ["conversations", "threads", "threads of one", "posts", "groups", "users"])
def test_by_each_property(library: Library, which: str, descending: bool) -> None:
    adele = library.as_("AdeleV")
    path, names, falling = paths(library)[which]
    items = adele.everything(path)
    for name in names:
        keys = [(name, descending)]
        assert found(adele, path, keys, 4) == expected(items, keys, falling), name


SEVERAL = pytest.mark.parametrize(
    ("which", "keys"),
    [
        ("conversations", [("hasAttachments", True), ("topic", False)]),
        ("conversations", [("topic", False), ("lastDeliveredDateTime", True)]),
        ("conversations", [("lastDeliveredDateTime", True), ("hasAttachments", True), ("topic", True)]),
        ("threads", [("isLocked", True), ("topic", False), ("preview", True)]),
        ("threads of one", [("hasAttachments", False), ("preview", True)]),
        ("posts", [("from/emailAddress/name", False), ("receivedDateTime", True)]),
        ("posts", [("body/contentType", True), ("sender/emailAddress/address", False), ("body/content", True)]),
        ("groups", [("classification", False), ("displayName", True)]),
        ("groups", [("classification", True), ("theme", False), ("displayName", False)]),
        ("groups", [("description", True), ("preferredLanguage", True), ("visibility", False)]),
        ("users", [("jobTitle", True), ("surname", False), ("mail", True)]),
        ("users", [("department", False), ("mail", True), ("givenName", False)]),
    ],
    ids=str,
)


@SEVERAL
def test_by_several(library: Library, which: str, keys: list[tuple[str, bool]]) -> None:
    adele = library.as_("AdeleV")
    path, _, falling = paths(library)[which]
    assert found(adele, path, keys, 3) == expected(adele.everything(path), keys, falling)


@SEVERAL
def test_by_several_on_pages_of_any_size(any_library: Library, which: str, keys: list[tuple[str, bool]]) -> None:
    adele = any_library.as_("AdeleV")
    path, _, falling = paths(any_library)[which]
    for top in (1, 100):
        assert found(adele, path, keys, top) == expected(adele.everything(path), keys, falling), top


def test_these_are_all_that_can_be_ordered_by(library: Library) -> None:
    adele = library.as_("AdeleV")
    for path, names, _ in paths(library).values():
        message = adele.get(f"{path.partition('?')[0]}?$orderby=nope").error["message"]
        assert message.partition("supports: ")[2].rstrip(".").split(", ") == list(names)


def test_the_words_are_read_in_any_case(library: Library) -> None:
    adele, path = library.as_("AdeleV"), f"{library.launch.group_path}/conversations"
    usual = adele.get(f"{path}?$orderby=lastDeliveredDateTime desc,topic asc").ids
    assert adele.get(f"{path}?$OrderBy=LASTDELIVEREDDATETIME DESC , Topic Asc").ids == usual
    assert adele.get(f"{path}?orderby=lastDeliveredDateTime%20desc,topic").ids == usual
    assert adele.get(f"{path}?%24orderby=lastDeliveredDateTime+desc%2Ctopic").ids == usual


def test_a_key_that_comes_twice_counts_once(library: Library) -> None:
    adele, path = library.as_("AdeleV"), f"{library.launch.group_path}/conversations"
    assert adele.get(f"{path}?$orderby=topic,topic desc").ids == adele.get(f"{path}?$orderby=topic").ids


def test_members_are_ordered_across_their_kinds(library: Library) -> None:
    path = f"/groups/{made('Platform')}/members"
    up = library.as_("AdeleV").everything(f"{path}?$orderby=displayName&$top=1")
    down = library.as_("AdeleV").everything(f"{path}?$orderby=displayName desc&$top=2")
    assert [item["displayName"] for item in up] == ["Adele Vance", "Backend", "Frontend"]
    assert up == down[::-1]


@pytest.mark.parametrize("letter", ["n", "字", "\x01"], ids=["ascii", "of three bytes", "escaped in JSON"])
def test_texts_of_any_length_leave_room_for_the_next_link(graph: Graph, letter: str) -> None:
    adele = graph.as_("AdeleV")
    long, topic = letter * 70_000, letter * 4_000
    place = adele.start(topic="b" + topic, content="b" + long)
    for start in ("d", "a", "c", "a"):
        adele.reply(place, start + long)
        adele.start(topic=start + topic)
    for path, name in (
        (f"{place.thread_path()}/posts", "body/content"),
        (f"{place.group_path}/conversations", "topic"),
        (f"{place.group_path}/threads", "topic"),
    ):
        for way in ("asc", "desc"):
            items = adele.everything(f"{path}?$orderby={name} {way}&$top=1")
            starts = [(item["topic"] if name == "topic" else item["body"]["content"])[0] for item in items]
            assert starts == sorted("aabcd", reverse=way == "desc"), (path, way)
            assert len({item["id"] for item in items}) == 5
