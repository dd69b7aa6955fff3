"""The change log and the deliveries are kept as long as the operator says, and for whoever still needs them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import bindparam, func, insert, select

from folkmoot import app
from folkmoot.config import Settings
from folkmoot.store import retention
from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Store
from tests.harness import GROUP, Graph, Place

SALES = GROUP["SalesAndMarketing"]
KEPT = Statement(
    select(func.min(s.changes.c.seq), func.max(s.changes.c.seq)).where(s.changes.c.group_id == bindparam("g"))
)
DELIVERIES = Statement(select(func.count()).select_from(s.deliveries))
SUBSCRIPTION: dict[str, Any] = {
    **dict.fromkeys((column.name for column in s.subscriptions.columns), None),
    "by_grant": False,
    "application": "a",
    "creator": SALES,
    "creator_kind": "app",
    "resource": "x",
    "watched": "post",
    "change_type": "created",
    "notification_url": "https://example.org",
    "include_resource_data": False,
}
SUBSCRIBE, FOLLOW = Statement(insert(s.subscriptions)), Statement(insert(s.subscription_cursors))
DELIVER = Statement(insert(s.deliveries))


def kept(graph: Graph) -> tuple[int, int]:
    row = graph.store.read_here(lambda snapshot: snapshot.one(KEPT, g=SALES))
    assert row is not None
    return row[0], row[1]


def sweep(graph: Graph, days: float = 30) -> None:
    graph.loop.run(retention.sweep(graph.store, changes_days=days, deliveries_days=days))


def subscribe(graph: Graph, number: int, *, group: str | None, seq: int | None, days: int = 90) -> None:
    id = f"00000000-0000-4000-8000-{number:012d}"
    now = graph.clock.now
    times = {"created_at": int(now * 1e6), "expires_at": int((now + days * retention.DAY) * 1e6)}
    graph.run(SUBSCRIBE, **{**SUBSCRIPTION, "id": id, "group_id": group, **times})
    if seq is not None:
        graph.run(FOLLOW, group_id=SALES, subscription_id=id, seq=seq)


def filled(graph: Graph) -> Place:
    adele = graph.as_("AdeleV")
    place = adele.start()
    for _ in range(3):
        adele.reply(place)
    return place


def test_old_changes_go_and_the_last_stays(graph: Graph, monkeypatch: Any) -> None:
    monkeypatch.setattr(retention, "TOGETHER", 2)
    filled(graph)
    first, head = kept(graph)
    sweep(graph)
    assert kept(graph) == (first, head), "nothing is old"
    graph.clock.advance(20 * retention.DAY)
    graph.as_("AdeleV").start()
    newer = head + 1
    graph.clock.advance(11 * retention.DAY)
    sweep(graph, 0)
    assert kept(graph)[0] == first, "0 keeps them"
    sweep(graph)
    assert kept(graph)[0] == newer
    graph.clock.advance(365 * retention.DAY)
    sweep(graph)
    assert kept(graph)[0] == kept(graph)[1] >= newer


def test_what_a_live_subscription_was_not_told_of_stays(graph: Graph) -> None:
    filled(graph)
    first, head = kept(graph)
    subscribe(graph, 1, group=SALES, seq=first + 4)
    subscribe(graph, 2, group=SALES, seq=first + 1, days=10)  # expired by then
    graph.clock.advance(60 * retention.DAY)
    sweep(graph)
    assert kept(graph) == (first + 5, head)
    # One to all groups has no cursor here yet: what came since its creation stays.
    subscribe(graph, 3, group=None, seq=None)
    graph.clock.advance(1)
    filled(graph)
    graph.run(Statement(s.subscription_cursors.delete()))
    graph.clock.advance(61 * retention.DAY)
    sweep(graph)
    assert kept(graph)[0] == head + 1


def test_old_deliveries_go(graph: Graph) -> None:
    empty = dict.fromkeys((column.name for column in s.deliveries.columns), None)
    for number, age in enumerate((40, 31, 29)):
        at = graph.clock.now - age * retention.DAY
        id = f"00000000-0000-4000-8000-{number:012d}"
        told = {"subscription_id": SALES, "id": id, "at": at, "endpoint": "x", "kind": "notification"}
        graph.run(DELIVER, **{**empty, **told, "notifications": 1, "milliseconds": 1})
    sweep(graph)
    assert graph.store.read_here(lambda snapshot: snapshot.one(DELIVERIES)) == (1,)


def test_what_is_unseen_is_counted_without_the_log(graph: Graph) -> None:
    """Alex, a member, has never been there, and Megan was before the last two posts."""
    path = f"/groups/{SALES}?$select=unseenCount,unseenConversationsCount,unseenMessagesCount"
    adele, place = graph.as_("AdeleV"), filled(graph)
    assert graph.as_("MeganB").post(f"/groups/{SALES}/resetUnseenCount").status < 300
    graph.clock.advance(1)
    adele.reply(place)
    adele.reply(place)

    def unseen() -> list[list[int]]:
        answers = [graph.as_(nick).get(path).json for nick in ("AlexW", "MeganB", "AdeleV")]
        return [[each["unseenConversationsCount"], each["unseenMessagesCount"]] for each in answers]

    before = unseen()
    assert before == [[1, 6], [1, 2], [0, 0]]
    graph.clock.advance(60 * retention.DAY)
    sweep(graph)
    assert kept(graph)[0] == kept(graph)[1]
    assert unseen() == before


def test_the_settings_say_how_long_each_is_kept(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(graph)
    empty = dict.fromkeys((column.name for column in s.deliveries.columns), None)
    told = {"subscription_id": SALES, "id": SALES, "at": graph.clock.now, "endpoint": "x", "kind": "notification"}
    graph.run(DELIVER, **{**empty, **told, "notifications": 1, "milliseconds": 1})
    graph.clock.advance(10 * retention.DAY)
    done: list[asyncio.Event] = []

    async def once(store: Store, **days: float) -> None:
        await sweep_once(store, **days)
        done[-1].set()

    sweep_once = retention.sweep
    monkeypatch.setattr(retention, "sweep", once)

    async def swept(**given: Any) -> None:
        done.append(asyncio.Event())
        made, _ = app.sweepers(Settings(**given), graph.store)
        made.start()
        async with asyncio.timeout(20):
            await done[-1].wait()
        assert made._task is not None
        made._task.cancel()

    def left() -> tuple[bool, Any]:
        first, head = kept(graph)
        return first < head, graph.store.read_here(lambda snapshot: snapshot.one(DELIVERIES))[0]  # type: ignore[index]

    for given, wanted in (
        ({"changes_days": 0, "deliveries_days": 0}, (True, 1)),
        ({"changes_days": 11, "deliveries_days": 11}, (True, 1)),
        ({"changes_days": 11, "deliveries_days": 9}, (True, 0)),
        ({"changes_days": 9, "deliveries_days": 0}, (False, 0)),
    ):
        graph.loop.run(swept(**given))
        assert left() == wanted, given
