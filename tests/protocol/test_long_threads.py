"""What a long thread has many of is renamed and deleted some at a time, so that nobody else waits for all of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from folkmoot.ops import threads
from folkmoot.refusals import Busy
from folkmoot.store import integrity
from tests.harness import PERSON, ROADS, ROOT, Answer, Client, Graph, Place
from tests.protocol.shapes import refused

Step = Callable[[], Awaitable[object]]


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "AT_ONCE", 2)


def five(client: Client, topic: str = "walrus") -> Place:
    """A thread of five posts, of which the first has an attachment; and the first of them."""
    place = client.start(topic, "text 1")
    for number in range(2, 6):
        client.reply(place, f"text {number}")
    client.attach(place)
    client.graph.changes()
    return place


def asks(client: Client, method: str, path: str, body: Any = None) -> Step:
    """A request that somebody else sends meanwhile."""
    content = None if body is None else msgspec.json.encode(body)
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    return lambda: client.graph.asking(method, f"{ROOT}{path}", content, headers)


def meanwhile(graph: Graph, monkeypatch: pytest.MonkeyPatch, step: Step) -> list[object]:
    """Let `step` happen after the next transaction of a request, and give what came of it."""
    write, came = graph.store.write, []

    async def watched(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(graph.store, "write", write)
        answer = await write(*given, **more)
        came.append(await step())
        return answer

    monkeypatch.setattr(graph.store, "write", watched)
    return came


async def broken_off() -> None:
    raise Busy


def found(client: Client, place: Place, text: str) -> list[str]:
    """The ids of the thread's posts that have `text`."""
    extended = client.graph.as_app("extended")
    return sorted(extended.get(f"{place.thread_path()}/posts?$search={text}").ids)


def sound(graph: Graph) -> bool:
    return [wrong for each in integrity.of_all(graph.store) for wrong in each] == []


@pytest.mark.parametrize("road", ROADS)
def test_all_of_it_has_the_new_topic(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    place, other = five(adele), five(adele)
    everything = sorted(adele.get(f"{place.thread_path()}/posts").ids)
    answer = adele.patch(place.thread_path(road), {"topic": "penguin", "isLocked": True})
    assert (answer.status, answer.json["topic"], answer.json["isLocked"]) == (200, "penguin", True)
    assert graph.changes() == ["updated thread"]
    assert found(adele, place, "penguin") == everything
    assert adele.get(f"{place.group_path}/conversations?$search=subject:penguin").ids == [place.conversation]
    assert len(found(adele, other, "walrus")) == 5
    assert found(adele, other, "penguin") == []
    assert sound(graph)


def test_who_replies_while_it_is_renamed_is_found_by_the_new_topic(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    adele, alex = graph.as_("AdeleV"), graph.as_("AlexW")
    place = five(adele)
    reply = {"post": {"body": {"contentType": "text", "content": "meanwhile"}}}
    came = meanwhile(graph, monkeypatch, asks(alex, "POST", f"{place.thread_path()}/reply", reply))
    assert adele.patch(place.thread_path(), {"topic": "penguin"}).status == 200
    assert [answer.status for answer in came if isinstance(answer, Answer)] == [202]
    assert graph.changes() == ["created post", "updated thread", "updated conversation", "updated thread"]
    everything = sorted(adele.get(f"{place.thread_path()}/posts").ids)
    assert len(everything) == 6
    assert found(adele, place, "penguin") == everything
    assert sound(graph)


def test_of_two_who_rename_it_at_once_one_is_right_everywhere(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    adele = graph.as_("AdeleV")
    place = five(adele)
    meanwhile(graph, monkeypatch, asks(adele, "PATCH", place.thread_path(), {"topic": "heron"}))
    assert adele.patch(place.thread_path(), {"topic": "penguin"}).json["topic"] == "penguin"
    assert adele.get(place.thread_path()).json["topic"] == "penguin"
    assert len(found(adele, place, "penguin")) == 5
    assert found(adele, place, "subject:heron") == []


def test_a_rename_that_was_broken_off_is_not_one_until_it_is_asked_for_again(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    adele = graph.as_("AdeleV")
    place = five(adele)
    meanwhile(graph, monkeypatch, broken_off)
    assert adele.patch(place.thread_path(), {"topic": "penguin"}).status == 503
    assert adele.get(place.thread_path()).json["topic"] == "walrus"
    assert graph.changes() == []
    assert adele.patch(place.thread_path(), {"topic": "penguin"}).status == 200
    assert len(found(adele, place, "penguin")) == 5
    assert found(adele, place, "subject:walrus") == []
    assert sound(graph)


@pytest.mark.parametrize("other", ["penguin", "walrus penguin"])
def test_a_rename_that_was_broken_off_is_taken_back_by_the_old_topic(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    adele = graph.as_("AdeleV")
    place = five(adele)
    meanwhile(graph, monkeypatch, broken_off)
    assert adele.patch(place.thread_path(), {"topic": other}).status == 503
    assert len(found(adele, place, "subject:penguin")) == 2
    assert adele.patch(place.thread_path(), {"topic": "walrus"}).json["topic"] == "walrus"
    assert found(adele, place, "subject:penguin") == []
    assert len(found(adele, place, "subject:walrus")) == 5
    # The thread itself was the same all the time.
    assert graph.changes() == []
    assert sound(graph)


@pytest.mark.parametrize("road", ROADS)
def test_all_of_it_is_deleted(graph: Graph, road: str) -> None:
    adele = graph.as_("AdeleV")
    kept, place = five(adele, "kept"), five(adele)
    answer = adele.delete(place.thread_path(road))
    assert (answer.status, answer.content) == (204, b"")
    told = graph.changes()
    assert told.count("deleted post") == 5
    assert told[-2:] == ["deleted thread", "deleted conversation"]
    refused(adele.get(place.thread_path()), 404, "ErrorItemNotFound")
    refused(adele.get(place.post_path()), 404, "ErrorItemNotFound")
    assert adele.get(f"{place.group_path}/conversations?$search=text").ids == [kept.conversation]
    assert sound(graph)


def test_a_delta_hears_of_each_post_once(graph: Graph) -> None:
    adele = graph.as_("AdeleV", scopes=("Group-Conversation.ReadWrite.All", "Group.ReadWrite.All"))
    place = five(adele)
    everything = adele.get(f"{place.thread_path()}/posts").ids
    extended = graph.as_app("extended")
    link = extended.get(f"{place.group_path}/posts/delta").json
    while "@odata.deltaLink" not in link:
        link = extended.get(link["@odata.nextLink"]).json
    adele.delete(place.thread_path())
    gone = extended.get(link["@odata.deltaLink"])
    assert sorted(item["id"] for item in gone.value if "@removed" in item) == sorted(everything)


def test_what_is_deleted_by_halves_is_sound_and_goes_when_it_is_asked_again(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest posts go first, with what they had."""
    adele = graph.as_("AdeleV")
    place = five(adele)
    assert adele.get(place.thread_path()).json["hasAttachments"] is True
    meanwhile(graph, monkeypatch, broken_off)
    assert adele.delete(place.thread_path()).status == 503
    assert graph.changes() == ["deleted post", "deleted post", "updated thread", "updated conversation"]
    left = adele.get(f"{place.thread_path()}/posts").value
    assert [post["body"]["content"] for post in left] == ["text 3", "text 4", "text 5"]
    for path in (place.thread_path(), place.conversation_path):
        told = adele.get(path).json
        assert (told["hasAttachments"], told["preview"]) == (False, "text 5")
    assert len(found(adele, place, "text")) == 3
    assert sound(graph)
    assert adele.delete(place.thread_path()).status == 204
    refused(adele.get(place.conversation_path), 404, "ErrorItemNotFound")
    assert sound(graph)


def test_who_may_no_longer_delete_it_deletes_no_more_of_it(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    adele, alex = graph.as_("AdeleV"), graph.as_("AlexW")
    place = five(alex)
    owners = f"{place.group_path}/owners"
    assert adele.post(f"{owners}/$ref", {"@odata.id": f"{ROOT}/users/{PERSON['AlexW']}"}).status == 204
    came = meanwhile(graph, monkeypatch, asks(alex, "DELETE", f"{owners}/{PERSON['AdeleV']}/$ref"))
    refused(adele.delete(place.thread_path()), 403, "ErrorAccessDenied")
    assert [answer.status for answer in came if isinstance(answer, Answer)] == [204]
    assert len(adele.get(f"{place.thread_path()}/posts").ids) == 3
    assert sound(graph)


def another(client: Client, place: Place, posts: int) -> Place:
    """Another thread in the conversation of `place`."""
    body = {"topic": "later", "posts": [{"body": {"contentType": "text", "content": "later 1"}}]}
    made = client.post(f"{place.conversation_path}/threads", body)
    assert made.status == 201, made
    thread = Place(place.group, place.conversation, made.json["id"], "")
    for number in range(1, posts):
        client.reply(thread, f"later {number + 1}")
    client.graph.changes()
    return thread


@pytest.mark.parametrize("later", [(), (1,), (2, 1), (1, 1, 1), (4, 1)])
def test_a_conversation_goes_with_all_its_threads(graph: Graph, later: tuple[int, ...]) -> None:
    adele = graph.as_("AdeleV")
    kept, place = five(adele, "kept"), five(adele)
    for posts in later:
        another(adele, place, posts)
    answer = adele.delete(place.conversation_path)
    assert (answer.status, answer.content) == (204, b"")
    told = graph.changes()
    assert told.count("deleted post") == 5 + sum(later)
    assert told.count("deleted thread") == 1 + len(later)
    assert told[-1] == "deleted conversation"
    refused(adele.get(place.conversation_path), 404, "ErrorItemNotFound")
    assert adele.get(f"{place.group_path}/threads").ids == [kept.thread]
    assert adele.get(f"{place.group_path}/conversations?$search=later").ids == []
    assert sound(graph)


def test_of_a_conversation_the_first_thread_stays_to_the_end(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who began it is who may delete it."""
    adele, alex = graph.as_("AdeleV"), graph.as_("AlexW")
    place = five(alex)
    threads_there = [place.thread, another(adele, place, 2).thread, another(adele, place, 1).thread]
    for expected in (threads_there[:2], threads_there[:1]):
        meanwhile(graph, monkeypatch, broken_off)
        assert alex.delete(place.conversation_path).status == 503
        assert adele.get(f"{place.conversation_path}/threads").ids == expected
        assert sound(graph)
    assert alex.delete(place.conversation_path).status == 204
    refused(adele.get(place.conversation_path), 404, "ErrorItemNotFound")
