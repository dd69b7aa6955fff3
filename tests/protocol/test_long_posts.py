"""Posts so long that a page of them is no answer: the page ends sooner, and the next link goes on."""

from __future__ import annotations

from typing import Any

import pytest

from folkmoot.graph import read
from folkmoot.store import portable
from tests.harness import Client, Graph, Place

LONG = portable.LONGEST_SHORT + 1
EXTENDED = {"Prefer": "folkmoot.profile=extended"}


def text(number: int, length: int = LONG) -> str:
    """A text that is told from others by its end; with letters of more bytes than one."""
    return ("ü" + "n" * (length - 2)).ljust(length - 8, "n") + f"{number:>8}"


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> int:
    """Characters that an answer should hold: of two long posts and a bit."""
    room = 2 * LONG + 1_000
    monkeypatch.setattr(read, "_ROOM", room)
    monkeypatch.setattr(read, "_BEYOND", 2 * room)
    return room


def long_thread(client: Client, count: int) -> tuple[Place, list[str]]:
    """A thread of long posts with a short one after every second, and their texts."""
    texts = [text(number) if number % 3 < 2 else f"Short {number}" for number in range(count)]
    place = client.start(content=texts[0])
    for each in texts[1:]:
        client.reply(place, each)
    return place, texts


def contents(posts: list[dict[str, Any]]) -> list[str]:
    return [post["body"]["content"] for post in posts]


def test_a_page_ends_where_it_is_long_enough_and_the_next_link_goes_on(graph: Graph, room: int) -> None:
    adele = graph.as_("AdeleV")
    place, texts = long_thread(adele, 7)
    first = adele.get(f"{place.thread_path()}/posts")
    assert contents(first.value) == texts[:3]
    assert "@odata.nextLink" in first.json
    assert contents(adele.everything(f"{place.thread_path()}/posts")) == texts
    assert contents(adele.everything(f"{place.thread_path()}/posts?$top=2")) == texts
    newest = f"{place.thread_path()}/posts?$orderby=receivedDateTime desc"
    assert sorted(contents(adele.everything(newest))) == sorted(texts)
    # What is not asked for is not counted.
    assert "@odata.nextLink" not in adele.get(f"{place.thread_path()}/posts?$select=id").json


def test_one_post_is_whole_whatever_its_length(graph: Graph, room: int) -> None:
    adele = graph.as_("AdeleV")
    huge = text(1, 5 * LONG)
    place = adele.start(content=huge)
    assert adele.get(place.post_path()).json["body"]["content"] == huge
    page = adele.get(f"{place.thread_path()}/posts")
    assert contents(page.value) == [huge]
    assert "@odata.nextLink" not in page.json
    answer = adele.patch(place.post_path(), {"categories": ["Long"]}, **EXTENDED)
    assert answer.json["body"]["content"] == huge


def test_what_is_expanded_goes_on_at_its_own_link(graph: Graph, room: int) -> None:
    adele = graph.as_("AdeleV")
    place, texts = long_thread(adele, 4)
    thread = adele.get(f"{place.thread_path()}?$expand=posts").json
    assert contents(thread["posts"]) == texts[:3]
    assert contents(adele.everything(thread["posts@odata.nextLink"])) == texts[3:]


def test_more_than_can_be_shortened_is_refused(graph: Graph, room: int) -> None:
    """Each thread shows a post at least, so what many threads expand has no other end."""
    adele = graph.as_("AdeleV")
    group = adele.start(content=text(0)).group_path
    for number in range(1, 8):
        adele.start(content=text(number))
    path = f"{group}/threads?$expand=posts"
    answer = adele.get(path)
    assert (answer.status, answer.target) == (400, "$expand")
    assert "$top" in answer.error["message"]
    assert adele.get(f"{path}&$top=3").status == 200
    assert adele.get(f"{path}($select=id)").status == 200


def test_delta_tells_of_each_and_of_none_as_gone(graph: Graph, room: int) -> None:
    adele = graph.as_("AdeleV")
    place, texts = long_thread(adele, 3)
    delta = f"{place.thread_path()}/posts/delta"

    def walk(url: str) -> tuple[list[dict[str, Any]], str, int]:
        found: list[dict[str, Any]] = []
        for pages in range(1, 100):
            answer = adele.get(url, **EXTENDED)
            assert answer.status == 200, answer
            found += answer.value
            if "@odata.deltaLink" in answer.json:
                return found, answer.json["@odata.deltaLink"], pages
            url = answer.json["@odata.nextLink"]
        raise AssertionError("no end")

    found, link, _ = walk(delta)
    assert sorted(contents(found)) == sorted(texts)
    more = [text(number) for number in range(10, 16)]
    for each in more:
        adele.reply(place, each)
    found, _, pages = walk(link)
    assert contents(found) == more
    assert pages >= 3


def test_a_search_goes_on_behind_what_was_shown(graph: Graph, room: int) -> None:
    adele = graph.as_("AdeleV")
    place, texts = long_thread(adele, 7)
    for order in ("", "&$orderby=relevance"):
        path = f"{place.thread_path()}/posts?$search=adele{order}"
        found: list[dict[str, Any]] = []
        while path:
            answer = adele.get(path, **EXTENDED)
            assert answer.status == 200, answer
            found += answer.value
            path = answer.json.get("@odata.nextLink", "")
        assert sorted(contents(found)) == sorted(texts)
