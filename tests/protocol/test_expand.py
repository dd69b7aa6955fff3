"""$expand: what is below comes along, with options of its own and links to the rest."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.harness import PERSON, ROADS, ROOT, Graph, Place
from tests.protocol.library import Library, made
from tests.protocol.rows import EVERYTHING

Item = dict[str, Any]


def bare(item: Item) -> Item:
    """The item without annotations about what was expanded."""
    return {
        name: value for name, value in item.items() if "@odata.context" not in name and "@odata.nextLink" not in name
    }


def test_threads_of_conversations(library: Library) -> None:
    adele, path = library.as_("AdeleV"), f"{library.launch.group_path}/conversations"
    for item in adele.everything(f"{path}?$expand=threads"):
        key = quote(item["id"])
        context = f"{ROOT}/$metadata#groups('{library.launch.group}')/conversations('{key}')/threads"
        assert item["threads@odata.context"] == context
        below = adele.everything(f"{path}/{key}/threads")
        assert item["threads"] == below[:20]
        assert ("threads@odata.nextLink" in item) == (len(below) > 20)
        assert list(item)[:6] == ["id", "topic", "hasAttachments", "lastDeliveredDateTime", "uniqueSenders", "preview"]


def test_the_rest_is_behind_a_link(library: Library) -> None:
    adele = library.as_("AdeleV")
    whole = adele.get(f"{library.parts.conversation_path}/threads").value
    item = adele.get(f"{library.parts.conversation_path}?$expand=threads").json
    assert len(item["threads"]) == 20
    link = item["threads@odata.nextLink"]
    assert link.startswith(f"{ROOT}{library.parts.conversation_path}/threads?")
    assert item["threads"] + adele.everything(link) == whole


@pytest.mark.parametrize("road", ROADS)
def test_the_rest_of_posts(library: Library, road: str) -> None:
    adele, talk = library.as_("AdeleV"), library.talk
    whole = adele.get(f"{talk.thread_path(road)}/posts").value
    item = adele.get(f"{talk.thread_path(road)}?$expand=posts").json
    assert item["posts@odata.context"] == talk.context(road, "threads", "posts")
    assert item["posts"] == whole[:20]
    link = item["posts@odata.nextLink"]
    assert link.startswith(f"{ROOT}{talk.thread_path(road)}/posts?")
    assert adele.everything(link) == whole[20:]


def test_the_link_keeps_the_options(library: Library) -> None:
    adele, talk = library.as_("AdeleV"), library.talk
    options = "$select=body;$filter=body/contentType eq 'text';$orderby=receivedDateTime desc;$top=5"
    item = adele.get(f"{talk.thread_path()}?$select=topic&$expand=posts({options})").json
    direct = adele.everything(f"{talk.thread_path()}/posts?{options.replace(';', '&')}")
    assert len(item["posts"]) == 5
    pages = list(adele.pages(item["posts@odata.nextLink"]))
    assert [len(page) for page in pages] == [5, 5, 5, 3]
    assert item["posts"] + [post for page in pages for post in page] == direct
    assert list(item["posts"][0]) == ["@odata.etag", "id", "body"]


def test_options_inside(library: Library) -> None:
    adele, parts = library.as_("AdeleV"), library.parts
    for options, wanted in (
        ("$top=1", ["Parts"]),
        ("$orderby=topic desc;$top=2", ["Parts", "Part 24"]),
        ("$filter=topic eq 'Part 07'", ["Part 07"]),
        ("$filter=contains(topic,'0');$top=3;$select=topic", ["Part 01", "Part 02", "Part 03"]),
        ("$filter=topic eq 'nothing'", []),
        ("$filter=topic eq 'a;b)(c'", []),
        ("$select=topic,isLocked;$top=1", ["Parts"]),
        ("$TOP=1;Select=topic", ["Parts"]),
    ):
        item = adele.get(f"{parts.conversation_path}?$expand=threads({options})").json
        assert [thread["topic"] for thread in item["threads"]] == wanted, options


def test_with_select_what_is_expanded_still_comes(library: Library) -> None:
    adele, launch = library.as_("AdeleV"), library.launch
    item = adele.get(f"{launch.conversation_path}?$select=topic&$expand=threads($select=id)").json
    context = f"{ROOT}/$metadata#groups('{launch.group}')/conversations(topic,threads())/$entity"
    assert item["@odata.context"] == context
    assert list(bare(item)) == ["id", "topic", "threads"]
    assert item["threads"] == [{"id": launch.thread}]


def test_three_levels(library: Library) -> None:
    adele, launch = library.as_("AdeleV"), library.launch
    deep = "threads($select=topic;$expand=posts($select=body;$expand=inReplyTo($select=sender)))"
    item = adele.get(f"{launch.conversation_path}?$expand={deep}").json
    thread = item["threads"][0]
    posts = thread["posts"]
    assert [post["inReplyTo"] and post["inReplyTo"]["sender"]["emailAddress"]["name"] for post in posts] == [
        None,
        None,
        "Megan Bowen",
    ]
    context = launch.context("through", "threads", "posts")
    assert thread["posts@odata.context"] == f"{context}(body,inReplyTo())"
    post = Place(launch.group, launch.conversation, launch.thread, posts[2]["id"])
    expected = f"{post.context('through', 'threads', 'posts', 'inReplyTo')}(sender)/$entity"
    assert posts[2]["inReplyTo@odata.context"] == expected
    assert list(posts[2]["inReplyTo"]) == ["@odata.etag", "id", "sender"]


@pytest.mark.parametrize("road", ROADS)
def test_what_a_post_answers(library: Library, road: str) -> None:
    adele, launch = library.as_("AdeleV"), library.launch
    posts = adele.get(f"{launch.thread_path(road)}/posts?$expand=inReplyTo").value
    plain = adele.get(f"{launch.thread_path(road)}/posts").value
    assert [post["inReplyTo"] for post in posts] == [None, None, plain[1]]
    one = adele.get(f"{launch.post_path(road)}?$expand=inReplyTo").json
    assert one["inReplyTo"] == plain[1]
    assert adele.get(f"{launch.post_path(road)}/inReplyTo?$expand=inReplyTo").json["inReplyTo"] is None


def test_pages_of_what_is_expanded(library: Library) -> None:
    adele, path = library.as_("AdeleV"), f"{library.launch.group_path}/conversations"
    at_once = adele.everything(f"{path}?$expand=threads($top=2;$select=id)")
    assert adele.everything(f"{path}?$expand=threads($top=2;$select=id)&$top=2") == at_once
    assert [item["id"] for item in at_once] == [item["id"] for item in adele.everything(path)]


def test_the_same_twice_is_once(library: Library) -> None:
    adele, path = library.as_("AdeleV"), library.launch.conversation_path
    once = adele.get(f"{path}?$expand=threads").json
    assert adele.get(f"{path}?$expand=threads,threads").json == once
    assert adele.get(f"{path}?$expand=THREADS").json == once
    assert adele.get(f"{path}?$expand=threads()").status in (200, 400)


def test_a_deleted_answer_leaves_nothing(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    assert adele.get(f"{place.thread_path()}?$expand=posts($filter=hasAttachments)").json["posts"] == []
    assert adele.get(f"{place.group_path}/conversations?$expand=threads($filter=isLocked)").value[0]["threads"] == []


# ── the directory ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_members_and_owners_of_groups(library: Library) -> None:
    adele = library.as_("AdeleV")
    for item in adele.get("/groups?$expand=members,owners").value:
        for name in ("members", "owners"):
            assert item[name] == adele.get(f"/groups/{item['id']}/{name}").value
            assert item[f"{name}@odata.context"] == f"{ROOT}/$metadata#directoryObjects"


def test_members_keep_their_type(library: Library) -> None:
    path = f"/groups/{made('Platform')}?$select=displayName&$expand=members($select=displayName;$orderby=displayName)"
    item = library.as_("AdeleV").get(path).json
    assert [(member["@odata.type"], member["displayName"]) for member in item["members"]] == [
        ("#microsoft.graph.user", "Adele Vance"),
        ("#microsoft.graph.group", "Backend"),
        ("#microsoft.graph.group", "Frontend"),
    ]


def test_groups_of_users(library: Library) -> None:
    adele = library.as_("AdeleV", scopes=EVERYTHING)
    for path in (f"/users/{PERSON['LeeG']}", "/me"):
        item = adele.get(f"{path}?$select=id&$expand=memberOf,ownedObjects($select=displayName)").json
        assert item["memberOf"] == adele.get(f"{path}/memberOf").value
        assert [group["id"] for group in item["ownedObjects"]] == adele.get(f"{path}/ownedObjects").ids
    for user in adele.get("/users?$expand=memberOf($select=id)").value:
        assert [group["id"] for group in user["memberOf"]] == adele.get(f"/users/{user['id']}/memberOf").ids


def test_what_is_expanded_shows_no_more_than_the_caller_may_see(library: Library) -> None:
    """Patti is in a group that Adele may not see."""
    path = f"/users/{PERSON['PattiF']}?$expand=memberOf,ownedObjects"
    assert library.as_("AdeleV").get(path).json["memberOf"] == []
    assert library.as_("AdeleV").get(path).json["ownedObjects"] == []
    assert len(library.as_("PattiF").get(path).json["ownedObjects"]) == 2
