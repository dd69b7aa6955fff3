"""The clock is set back by an hour while the server works: order holds, followers miss nothing, nothing is held up."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import quote

import pytest

from folkmoot.store import endpoints, retention
from folkmoot.store.changes import head
from folkmoot.store.ids import IdSource
from tests.harness import GROUP, Graph
from tests.protocol.followers import Follower

HOUR = 3_600
THREADS = f"/groups/{GROUP['SalesAndMarketing']}/threads"
EXTENDED = "folkmoot.profile=extended"


def started_anew(graph: Graph) -> None:
    """Let the server make ids as one that was started now."""
    graph.store.ids = IdSource(graph.clock)
    for writer in graph.store.writers:
        cast(Any, writer)._ids = graph.store.ids


def test_order_holds_and_followers_miss_nothing(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start("Clock", "0")
    posts = f"{place.thread_path()}/posts"
    delta = [Follower(adele, path) for path in (THREADS, posts)]
    for each in delta:
        each.round()
    for number in range(1, 4):
        adele.reply(place, str(number))
        graph.clock.advance(1)
    pages = adele.pages(f"{posts}?$top=2")
    first = [item["id"] for item in next(pages)]
    graph.clock.advance(-HOUR)
    for number in range(4, 8):
        adele.reply(place, str(number))
    later = adele.start("Later")
    # A page that was begun before goes on without a gap or anything twice.
    rest = [item["id"] for page in pages for item in page]
    everything = adele.everything(posts)
    assert [item["body"]["content"] for item in everything] == [str(number) for number in range(8)]
    assert first + rest == [item["id"] for item in everything]
    times = [item["receivedDateTime"] for item in everything]
    assert times == sorted(times)
    assert adele.get(place.thread_path()).json["lastDeliveredDateTime"] == times[-1]
    told = [{item["id"] for item in each.round()} for each in delta]
    assert told[0] >= {place.thread, later.thread}
    assert told[1] == {item["id"] for item in everything[1:]}
    graph.clock.advance(2 * HOUR)
    adele.reply(place, "8")
    assert [item["body"]["content"] for item in adele.everything(posts)][-1] == "8"
    graph.changes()  # the log has no gap


def test_order_holds_among_processes(graph: Graph) -> None:
    """A server that is started anew, or another on the same database, does not know which ids the first one made."""
    adele = graph.as_("AdeleV")
    place = adele.start("Clock", "0")
    adele.reply(place, "1")
    graph.clock.advance(-HOUR)
    for number in range(2, 12):
        started_anew(graph)
        adele.reply(place, str(number))
    posts = f"{place.thread_path()}/posts"
    found = adele.everything(posts)
    assert [item["body"]["content"] for item in found] == [str(number) for number in range(12)]
    times = [item["receivedDateTime"] for item in found]
    assert times == sorted(times)
    newest = f"{posts}/{quote(found[-1]['id'])}"
    assert adele.patch(newest, {"body": {"contentType": "text", "content": "changed"}}, Prefer=EXTENDED).status == 200
    assert adele.get(place.thread_path()).json["preview"] == "changed"
    # The ids of other threads are not made later than it is for that.
    began = adele.start("Between")
    graph.clock.advance(1)
    started_anew(graph)
    later = adele.start("Later")
    assert [each["id"] for each in adele.everything(THREADS)] == [place.thread, later.thread, began.thread]


def test_a_repeated_request_is_done_once_and_a_token_is_good(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start("Clock", "0")
    body = {"post": {"body": {"content": "Once"}}}
    headers = {"Idempotency-Key": "one", "Prefer": EXTENDED}
    assert adele.post(f"{place.thread_path()}/reply", body, **headers).status == 202
    graph.clock.advance(-60)  # as far as issuers' clocks may differ
    assert adele.post(f"{place.thread_path()}/reply", body, **headers).status == 202
    assert len(adele.everything(f"{place.thread_path()}/posts")) == 2


def test_retention_removes_nothing_that_is_young(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.start("Clock", "0")
    graph.clock.advance(-HOUR)
    adele.reply(place, "1")
    before = graph.store.read_here(lambda snapshot: head(snapshot, place.group))
    follower = Follower(adele, f"{place.thread_path()}/posts")
    follower.round()
    graph.clock.advance(HOUR / 2)
    graph.loop.run(retention.sweep(graph.store, changes_days=1, deliveries_days=1))
    adele.reply(place, "2")
    assert len(follower.round()) == 1
    assert graph.store.read_here(lambda snapshot: head(snapshot, place.group)) > before


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "alive"])
def test_what_a_server_held_is_free_again(graph: Graph, gone: bool) -> None:
    """A lease of before the clock was set back would otherwise end an hour late."""
    url = "https://hook.example.org/clock"

    def take(me: str) -> Any:
        now = graph.clock()
        return graph.store.write_here(lambda tx: endpoints.take(tx, [url], me, now + 6))[url]

    assert take("first").held_until is None
    assert take("second").held_until == graph.clock() + 6
    graph.clock.advance(-HOUR)
    now = graph.clock()
    if not gone:  # it says that it is alive by the clock of now
        assert graph.store.write_here(lambda tx: endpoints.beat(tx, [url], "first", now + 6)) == {url}
    due = graph.store.read_here(lambda snapshot: endpoints.due(snapshot, now, 10))
    assert due == ([url] if gone else [])
    assert take("second").held_until == (None if gone else now + 6)
