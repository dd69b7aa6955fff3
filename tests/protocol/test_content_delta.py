"""Delta of conversations, threads and posts, for extended applications: what is there, then what changed."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from sqlalchemy import delete

from folkmoot.graph import content_delta, ids
from folkmoot.store import schema as s
from folkmoot.store.db import Statement
from tests.harness import GROUP, PERSON, ROADS, ROOT, Client, Graph, Place, iso
from tests.protocol.followers import Follower
from tests.protocol.rows import EXTENDED, NEW_GROUP
from tests.protocol.shapes import refused, well_formed

ROWS = (
    "GET group/conversations/delta",
    "GET group/threads/delta",
    "GET group/posts/delta",
    "GET conversation/threads/delta",
    "GET thread/posts/delta",
)
SALES = f"/groups/{GROUP['SalesAndMarketing']}"


def paths(place: Place) -> list[str]:
    """The collections that can be followed and hold something of `place`."""
    return [
        f"{SALES}/conversations",
        f"{SALES}/threads",
        f"{SALES}/posts",
        f"{place.conversation_path}/threads",
        *(f"{place.thread_path(road)}/posts" for road in ROADS),
    ]


def followers(client: Client, place: Place, **more: Any) -> dict[str, Follower]:
    found = {path: Follower(client, path, **more) for path in paths(place)}
    for follower in found.values():
        follower.round()
    return found


@pytest.mark.parametrize("spelling", ["delta", "delta()", "microsoft.graph.delta()", "Delta"])
def test_a_first_round(graph: Graph, spelling: str) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for path in paths(place):
        answer = adele.get(f"{path}/{spelling}", **EXTENDED)
        well_formed(answer)
        assert list(answer.json) == ["@odata.context", "@odata.deltaLink", "value"]
        assert answer.json["@odata.deltaLink"].startswith(f"{ROOT}{path}/delta?$deltatoken=")
        if not path.endswith(f"{GROUP['SalesAndMarketing']}/posts"):
            listed = adele.get(path).json
            assert (answer.json["@odata.context"], answer.value) == (listed["@odata.context"], listed["value"])
        again = adele.get(answer.json["@odata.deltaLink"], **EXTENDED)
        assert (again.value, "@odata.deltaLink" in again.json) == ([], True)


def test_what_changed_comes_next_and_what_went_is_removed(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place, other = adele.start("one"), adele.start("other")
    found = followers(adele, place)
    conversations, threads, posts, of_conversation, of_thread, _ = found.values()
    adele.patch(place.thread_path(), {"topic": "renamed"})
    graph.clock.advance(1)
    reply = adele.reply(place, "more")
    elsewhere = adele.reply(other, "elsewhere")
    assert [each["preview"] for each in conversations.round()] == ["more", "elsewhere"]
    assert [each["id"] for each in threads.round()] == [place.thread, other.thread]
    assert [each["topic"] for each in of_conversation.round()] == ["renamed"]
    assert [each["id"] for each in posts.round()] == [reply.post, elsewhere.post]
    assert [each["id"] for each in of_thread.round()] == [reply.post]
    adele.delete(place.post_path(), **EXTENDED)
    gone = {"id": place.post, "@removed": {"reason": "deleted"}}
    assert posts.round() == of_thread.round() == [gone]
    assert conversations.round() == []
    adele.delete(place.conversation_path)
    assert conversations.round() == [{"id": place.conversation, "@removed": {"reason": "deleted"}}]
    assert threads.round() == [{"id": place.thread, "@removed": {"reason": "deleted"}}]
    assert posts.round() == [{"id": reply.post, "@removed": {"reason": "deleted"}}]
    # Where the thread itself is gone, so is all that it led to.
    for follower in (of_conversation, of_thread):
        refused(follower.ask(), 404, "ErrorItemNotFound")


def test_a_thread_takes_its_posts_along_and_says_so_of_each(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    made = adele.post(f"{place.conversation_path}/threads", {"posts": [{"body": {"content": "second"}}]})
    second = adele.newest(Place(place.group, place.conversation, made.json["id"], ""))
    replies = [second.post, *(adele.reply(second).post for _ in range(8))]
    conversations, threads, posts, of_conversation, *_ = followers(adele, place).values()
    graph.changes()
    adele.delete(second.thread_path())
    assert graph.changes() == ["deleted post"] * 9 + ["deleted thread", "updated conversation"]
    removed = {"reason": "deleted"}
    assert sorted(each["id"] for each in posts.round() if each["@removed"] == removed) == sorted(replies)
    assert threads.round() == of_conversation.round() == [{"id": second.thread, "@removed": removed}]
    assert [each["id"] for each in conversations.round()] == [place.conversation]


def test_everything_that_shows_in_a_post_is_told(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    conversations, threads, posts, *_ = followers(adele, place).values()

    def told(conversation: bool, thread: bool) -> dict[str, Any]:
        assert [bool(follower.round()) for follower in (conversations, threads)] == [conversation, thread]
        (item,) = posts.round()
        assert [item] == adele.get(f"{place.thread_path()}/posts").value
        return item

    adele.patch(place.post_path(), {"body": {"contentType": "text", "content": "edited"}}, **EXTENDED)
    assert told(conversation=True, thread=True)["body"]["content"] == "edited"
    adele.patch(place.post_path(), {"categories": ["red"]}, **EXTENDED)
    assert told(conversation=False, thread=False)["categories"] == ["red"]
    attached = adele.attach(place)
    assert told(conversation=True, thread=True)["hasAttachments"] is True
    adele.delete(attached.attachment_path())
    assert told(conversation=True, thread=True)["hasAttachments"] is False
    extended = adele.extend(place, stage=1)
    key = told(conversation=False, thread=False)["changeKey"]
    adele.patch(extended.extension_path(), {"@odata.type": "#microsoft.graph.openTypeExtension", "stage": 2})
    assert told(conversation=False, thread=False)["changeKey"] != key
    adele.delete(extended.extension_path())
    told(conversation=False, thread=False)


def test_from_now_on(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for path in paths(place):
        follower = Follower(adele, path, "?$deltatoken=latest")
        assert follower.round() == []
        graph.clock.advance(1)
        adele.reply(place)
        assert len(follower.round()) == 1


def test_pages_are_as_large_as_is_preferred(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for _ in range(4):
        adele.reply(place)
    path = f"{place.thread_path()}/posts"
    follower = Follower(adele, path, size=2)
    answer = follower.ask()
    assert answer.headers.get_list("preference-applied") == ["odata.maxpagesize=2, folkmoot.profile=extended"]
    assert len(answer.value) == 2
    assert answer.json["@odata.nextLink"].startswith(f"{ROOT}{path}/delta?$skiptoken=")
    assert len(follower.round(3)) == 5
    assert Follower(adele, path, size=100_000).ask().headers["preference-applied"].startswith("odata.maxpagesize=999,")
    for said in ("0", "-1", "x", ""):
        answer = adele.get(f"{path}/delta", Prefer=f"odata.maxpagesize={said}, folkmoot.profile=extended")
        assert answer.headers["preference-applied"] == "folkmoot.profile=extended"
        assert len(answer.value) == 5
    # As in a mailbox $top is the size of the pages, in all of the round.
    small = Follower(adele, path, "?$top=2")
    assert [len(small.page()[0]) for _ in range(3)] == [2, 2, 1]


def test_options_belong_to_the_first_request_and_hold_for_all(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    adele.reply(place)
    follower = Follower(adele, f"{place.thread_path()}/posts", "?$select=receivedDateTime", size=1)
    assert follower.ask().json["@odata.context"].endswith("/posts(receivedDateTime)")
    assert all(each.keys() == {"@odata.etag", "id", "receivedDateTime"} for each in follower.round())
    adele.reply(place)
    (item,) = follower.round()
    assert item.keys() == {"@odata.etag", "id", "receivedDateTime"}
    for option in ("$select=id", "$top=1", "$filter=receivedDateTime ge 2026-01-01T00:00:00Z"):
        answer = adele.get(f"{follower.link}&{option}", **EXTENDED)
        refused(answer, 400, _code(option), option.partition("=")[0])


def _code(option: str) -> str:
    return "ErrorInvalidUrlQueryFilter" if option.startswith("$filter") else "ErrorInvalidUrlQuery"


def test_posts_of_a_thread_since_a_moment(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    graph.clock.advance(60)
    since = iso(graph.clock.now)
    later = [adele.reply(place).post]
    graph.clock.advance(60)
    later.insert(0, adele.reply(place).post)
    path = f"{place.thread_path()}/posts"
    follower = Follower(adele, path, f"?$filter=receivedDateTime+ge+{since}&$orderby=receivedDateTime+desc", size=1)
    assert [each["id"] for each in follower.round()] == later
    adele.patch(place.post_path(), {"categories": ["old"]}, **EXTENDED)
    assert follower.round() == []  # it is older, and it has not gone
    new = adele.reply(place).post
    adele.delete(f"{path}/{quote(later[0])}", **EXTENDED)
    assert [(each["id"], "@removed" in each) for each in follower.round(5)] == [(new, False), (later[0], True)]


@pytest.mark.parametrize(
    "option",
    [
        *("$expand=threads", "$skip=1", "$count=true", "$search=x", "$filter=topic eq 'x'", "$orderby=topic"),
        "$select=unknown",
        "$deltatoken=x",
        "$skiptoken=x",
    ],
)
def test_what_delta_does_not_have_is_refused(graph: Graph, option: str) -> None:
    adele = graph.as_("AdeleV")
    for path in paths(adele.start())[:3]:
        refused(adele.get(f"{path}/delta?{option}", **EXTENDED), 400, _code(option), option.partition("=")[0])


@pytest.mark.parametrize(
    "option",
    [
        "$filter=receivedDateTime le 2026-01-01T00:00:00Z",
        "$filter=receivedDateTime ge 2026-01-01T00:00:00Z and hasAttachments",
        "$filter=receivedDateTime ge 'x'",
        "$orderby=receivedDateTime",
        "$orderby=receivedDateTime desc,id",
    ],
)
def test_of_posts_only_the_newest_can_be_asked_for(graph: Graph, option: str) -> None:
    adele = graph.as_("AdeleV")
    path = f"{adele.start().thread_path()}/posts/delta?{option}"
    refused(adele.get(path, **EXTENDED), 400, _code(option), option.partition("=")[0])


def test_a_link_is_for_what_it_was_given_for(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place, other = adele.start(), adele.start()
    elsewhere = adele.start(group=adele.post("/groups", NEW_GROUP).json["id"])
    links = {path: follower.link.partition("?")[2] for path, follower in followers(adele, place).items()}
    strange = [
        *paths(place),
        f"{other.thread_path()}/posts",
        f"{other.conversation_path}/threads",
        f"{elsewhere.group_path}/posts",
    ]
    same = {f"{place.thread_path(road)}/posts" for road in ROADS}
    for path, link in links.items():
        for there in strange:
            answer = adele.get(f"{there}/delta?{link}", **EXTENDED)
            if there == path or {there, path} == same:
                assert answer.value == []
            else:
                refused(answer, 400, "ErrorInvalidUrlQuery", "$deltatoken")
    link = next(iter(links.values())).replace("$deltatoken", "$skiptoken")
    refused(adele.get(f"{SALES}/conversations/delta?{link}", **EXTENDED), 400, "ErrorInvalidUrlQuery", "$skiptoken")


def test_a_link_whose_changes_are_no_longer_kept_says_where_to_begin(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    query = "?$top=7&$select=id,receivedDateTime&$filter=receivedDateTime+ge+2026-01-01T00:00:00%2B01:00"
    idle, late = (Follower(adele, f"{place.thread_path()}/posts", query) for _ in range(2))
    slow = Follower(adele, f"{SALES}/posts", size=1)
    adele.reply(place)
    late.round()
    slow.page()
    new = adele.reply(place)
    idle.round()
    graph.run(Statement(delete(s.changes).where(s.changes.c.group_id == place.group)))
    assert idle.round() == []  # it has missed nothing
    for follower in (late, slow):
        answer = follower.ask()
        refused(answer, 410, "syncStateNotFound")
        follower.link = answer.headers["location"]
        assert follower.link.startswith(f"{ROOT}{follower.path}/delta?$deltatoken=")
        follower.items.clear()
        follower.round()
        assert new.post in follower.items
        assert len(follower.items) == 3
    assert late.items[new.post].keys() == {"@odata.etag", "id", "receivedDateTime"}


def test_a_link_of_a_later_database_says_so_too(graph: Graph) -> None:
    """As after a restore from a backup: what its numbers will mean is not what they meant."""
    adele = graph.as_("AdeleV")
    place = adele.start()
    follower = Follower(adele, f"{SALES}/posts", "?$deltatoken=latest")
    follower.round()
    back = Statement(s.sequences.update().where(s.sequences.c.group_id == place.group).values(seq=1))
    graph.run(back)
    refused(follower.ask(), 410, "syncStateNotFound")


def test_it_is_for_those_who_may_read_at_each_call(graph: Graph) -> None:
    diego, alex = graph.as_("DiegoS"), graph.as_("AlexW")
    place = diego.start(group="HR")
    for kind in ("conversations", "threads", "posts"):
        refused(alex.get(f"{place.group_path}/{kind}/delta", **EXTENDED), 403, "ErrorAccessDenied")
    reference = {"@odata.id": f"{ROOT}/directoryObjects/{PERSON['AlexW']}"}
    assert diego.post(f"{place.group_path}/members/$ref", reference).status == 204
    follower = Follower(alex, f"{place.group_path}/posts")
    assert len(follower.round()) == 1
    assert diego.delete(f"{place.group_path}/members/{PERSON['AlexW']}/$ref").status == 204
    diego.reply(place)
    refused(follower.ask(), 403, "ErrorAccessDenied")


def test_the_cloud_has_none(graph: Graph) -> None:
    """A strict application is answered as ever: where an id belongs, these words are none."""
    adele, app = graph.as_("AdeleV"), graph.as_app("daemon")
    place = adele.start()
    for client in (adele, app):
        for path in paths(place):
            for spelling in ("delta", "delta()", "microsoft.graph.delta()"):
                answer = client.get(f"{path}/{spelling}")
                if path == f"{SALES}/posts":
                    assert "'posts'" in refused(answer, 400, "BadRequest")
                else:
                    refused(answer, 400, "ErrorInvalidIdMalformed")


def test_there_is_no_list_of_all_posts(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for below in ("", f"/{quote(place.post)}", f"('{quote(place.post)}')", "/$count", "/delta/x", "/delta('x')"):
        refused(adele.get(f"{SALES}/posts{below}", **EXTENDED), 400, "BadRequest")


def test_a_stretch_of_the_log_with_nothing_in_it_is_an_empty_page(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a request looks at is bounded, however little of it is about the thread that is followed."""
    adele = graph.as_("AdeleV")
    place, busy = adele.start(), adele.start()
    follower = followers(adele, place)[f"{place.thread_path()}/posts"]
    for _ in range(5):
        adele.reply(busy)
    new = adele.reply(place)
    monkeypatch.setattr(content_delta, "STRETCH", 5)
    pages = [follower.page() for _ in range(4)]
    assert [[item["id"] for item in found] for found, _ in pages] == [[], [], [], [new.post]]
    assert [over for _, over in pages] == [False, False, False, True]


def test_nothing_is_missed_while_others_write(graph: Graph) -> None:
    """Many writers of one group beside readers who follow every link at once, in pages of three."""
    adele = graph.as_("AdeleV")
    place = adele.start()
    group = ids.directory_id(place.group)
    found = [Follower(adele, path, size=3) for path in paths(place)[:3]]
    headers = {
        "Authorization": f"Bearer {adele.token}",
        "Content-Type": "application/json",
        "Prefer": "folkmoot.profile=extended, odata.maxpagesize=3",
    }

    async def write(number: int) -> None:
        async def did(method: str, path: str, body: Any = None) -> Any:
            content = None if body is None else msgspec.json.encode(body)
            answer = await graph.asking(method, f"{ROOT}{path}", content, headers)
            assert answer.status < 300, answer
            return answer.json if answer.content else None

        first = {"topic": f"{number}", "threads": [{"posts": [{"body": {"content": "first"}}]}]}
        made = await did("POST", f"/groups/{group}/conversations", first)
        thread = f"/groups/{group}/threads/{quote(made['threads'][0]['id'])}"
        post = await did("POST", f"{thread}/posts", {"body": {"content": "second"}})
        await did("PATCH", f"{thread}/posts/{quote(post['id'])}", {"categories": ["changed"]})
        match number % 3:
            case 0:
                await did("DELETE", f"{thread}/posts/{quote(post['id'])}")
            case 1:
                await did("DELETE", thread)

    async def read(follower: Follower) -> None:
        for _ in range(60):
            link = follower.link if follower.link.startswith("https") else f"{ROOT}{follower.link}"
            answer = await graph.asking("GET", link, None, headers)
            for item in answer.json["value"]:
                if "@removed" in item:
                    follower.items.pop(item["id"], None)
                else:
                    follower.items[item["id"]] = item
            follower.link = answer.json.get("@odata.nextLink") or answer.json["@odata.deltaLink"]

    async def all_of_them() -> None:
        await asyncio.gather(*(read(each) for each in found), *(write(number) for number in range(24)))

    graph.loop.run(all_of_them())
    conversations, threads, posts = found
    for follower in found:
        while follower.round():
            pass
    assert conversations.items == _listed(adele, conversations.path)
    assert threads.items == _listed(adele, threads.path)
    each = [_listed(adele, f"{SALES}/threads/{quote(thread)}/posts") for thread in threads.items]
    assert posts.items == {id: post for of_one in each for id, post in of_one.items()}


def _listed(client: Client, path: str) -> dict[str, Any]:
    return {item["id"]: item for item in client.everything(path)}
