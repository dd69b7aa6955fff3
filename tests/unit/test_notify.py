"""How subscribers are notified, on both databases: in order, at least once, together, and not without end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from folkmoot.notify.backoff import GIVE_UP_SECONDS, MOST_SECONDS
from folkmoot.notify.batch import MOST_BYTES, MOST_NOTIFICATIONS, Pages
from folkmoot.notify.delivery import Deliverer
from folkmoot.notify.engine import LOOK_SECONDS
from folkmoot.notify.leases import LEASE_SECONDS
from folkmoot.ops import subscriptions as verbs
from folkmoot.outgoing import Reply
from folkmoot.refusals import Busy
from folkmoot.store import changes, directory_log
from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Store, Tx
from folkmoot.store.wake import DIRECTORY
from tests.harness import DATABASES, START
from tests.notifying import (
    DAY,
    LIFECYCLE,
    MICRO,
    PATIENCE,
    URL,
    Time,
    World,
    guid,
    ok,
    status,
    subscription,
    unanswered,
    world,
)
from tests.unit.test_store import new_place, opened

OTHER = "https://other.example/notify?secret=1"
Scene = Callable[[World], Awaitable[None]]
_TABLES = (s.subscriptions, s.subscription_cursors, s.endpoints, s.deliveries, s.changes, s.sequences)
_EMPTY = tuple(Statement(delete(table)) for table in (*_TABLES, s.directory_changes, s.directory_sequence))


@pytest.fixture(scope="module", params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("notify")
    with new_place(request.param, folder) as place, contextlib.closing(opened(place, Time())) as found:
        yield found


@pytest.fixture
def play(store: Store) -> Callable[[Scene], None]:
    """Plays a scene in a world of its own, on a database with nothing in it."""
    time = store.clock
    assert isinstance(time, Time)

    async def whole(scene: Scene) -> None:
        time.reset()
        for statement in _EMPTY:
            await store.write(lambda tx, statement=statement: tx.run(statement))  # type: ignore[misc]
        async with world(store, time) as made:
            await scene(made)

    return lambda scene: asyncio.run(whole(scene))


async def cursors(w: World) -> dict[tuple[str, str], int]:
    return {(row["group_id"], row["subscription_id"]): row["seq"] for row in await w.rows(s.subscription_cursors)}


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_changes_are_told_in_order_in_bounded_posts(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g, wanted = await w.group(1), subscription(1, guid(1))
        await w.happen(g, times=5)
        await w.subscribe(wanted, seq=5)
        w.engine().start()
        await w.happen(g, ("created", "post"), ("updated", "thread"), times=250)
        await w.settled()
        assert w.net.seqs() == [*range(6, 505, 2)]
        assert [len(value) for _, _, value, _ in w.net.posts if len(value) > MOST_NOTIFICATIONS] == []
        assert len(w.net.posts) <= 4
        assert await cursors(w) == {(g, wanted.id): 505} or (await cursors(w))[g, wanted.id] == 504
        log = sorted(await w.rows(s.deliveries), key=lambda row: row["id"])
        assert sum(row["notifications"] for row in log) == 250
        assert {(row["status"], row["error"], row["endpoint"], row["kind"]) for row in log} == {
            (202, None, URL, "notification")
        }
        assert log[0]["first_seq"] == 6
        assert [a["last_seq"] < b["first_seq"] for a, b in pairwise(log)] == [True] * (len(log) - 1)
        # The next one is told at once, by the hint alone.
        await w.happen(g)
        await w.settled()
        assert w.net.seqs()[-1] == 506

    play(scene)


def test_subscriptions_of_one_endpoint_share_a_post(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        groups = [await w.group(number) for number in (1, 2)]
        wanted = [subscription(n, groups[n % 2]) for n in range(10)] + [
            subscription(99, groups[0], notification_url=OTHER)
        ]
        await w.subscribe(*wanted)
        for group in groups:
            await w.happen(group, times=3)
        w.engine().start()
        await w.settled()
        assert [(url, len(value)) for url, _, value, _ in sorted(w.net.posts)] == [(URL, 30), (OTHER, 3)]
        for each in wanted:
            assert w.net.seqs(each.notification_url, subscription=each.id) == [1, 2, 3]
        assert len(await w.rows(s.deliveries)) == 11

    play(scene)


def test_a_post_is_bounded_in_bytes(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(subscription(1, g), subscription(2, g))
        w.words.padding = "x" * 90_000
        await w.happen(g, times=30)
        w.engine().start()
        await w.settled()
        assert w.net.seqs(subscription=guid(500_001)) == w.net.seqs(subscription=guid(500_002)) == [*range(1, 31)]
        assert max(size for *_, size in w.net.posts) <= MOST_BYTES + 100
        w.net.posts.clear()
        w.words.padding = "x" * (MOST_BYTES + 1)  # one alone is sent whatever its size
        await w.happen(g)
        await w.settled()
        assert [len(value) for _, _, value, _ in w.net.posts] == [1, 1]

    play(scene)


@pytest.mark.parametrize("database", DATABASES)
def test_a_page_of_the_log_ends_where_the_snapshot_does(database: str, tmp_path: Path) -> None:
    """Another thread, whose snapshot is younger, has kept a page with more in it."""
    group = guid(1)

    def append(tx: Tx) -> None:
        changes.begin(tx, group)
        changes.record(tx, group, None, *(("created", "post", guid(number), guid(1)) for number in range(5)))

    with new_place(database, tmp_path) as place, contextlib.closing(opened(place)) as store:
        store.write_here(append)
        pages = Pages()
        for head in (5, 3, 5, 1):
            read = store.read_here(lambda snapshot, head=head: pages.read(snapshot, group, 0, head))  # type: ignore[misc]
            assert [change.seq for change in read] == [*range(1, head + 1)]


def test_what_nobody_asked_for_costs_no_post_and_hardly_a_write(
    play: Callable[[Scene], None], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(*(subscription(n, g, notification_url=f"https://{n}.example/") for n in range(5)))
        w.engine().start()
        await w.settled()
        moved = 0
        write = store.write

        async def counting(function: Callable[[Tx], Any], **more: Any) -> Any:
            nonlocal moved
            moved += 1
            return await write(function, **more)

        monkeypatch.setattr(store, "write", counting)
        for _ in range(20):
            await w.happen(g, ("updated", "thread"))
            await w.settled()
        # The twenty are the test's own; the others lease the endpoints, once.
        assert moved - 20 <= 6
        await w.later(LOOK_SECONDS)
        monkeypatch.undo()
        assert w.net.posts == []
        assert set((await cursors(w)).values()) == {20}
        assert len(await w.rows(s.endpoints)) == 5
        async with asyncio.timeout(PATIENCE):
            while await w.rows(s.endpoints):  # an endpoint that does nothing is not held on to
                await w.later(1)

    play(scene)


def test_what_was_told_is_told_once_also_where_it_was_noted_meanwhile_that_nothing_else_was(
    play: Callable[[Scene], None],
) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(subscription(1, g))
        engine = w.engine()
        engine.start()
        await w.happen(g, ("updated", "thread"), times=3)
        await w.settled()
        # A POST is under way while what was looked at before it is written, as it is every few seconds.
        w.net.doors = {URL: asyncio.Event()}
        await w.happen(g)
        await w.net.until(lambda: len(w.net.under_way) == 1)
        await engine._deliverer.flush()
        assert set((await cursors(w)).values()) == {3}
        w.net.doors.pop(URL).set()
        await w.settled()
        assert set((await cursors(w)).values()) == {4}
        await w.happen(g)
        await w.settled()
        assert w.net.seqs() == [4, 5]

    play(scene)


# ── endpoints that fail ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("answer", [unanswered, status(500), status(410), status(404), status(302)])
def test_a_failing_endpoint_is_tried_again_and_loses_nothing(
    play: Callable[[Scene], None], answer: Callable[[], Reply], caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(subscription(1, g), subscription(2, g, notification_url=OTHER))
        w.net.answers[URL] = answer
        w.engine().start()
        await w.happen(g, times=3)
        await w.settled()
        assert w.net.seqs(OTHER) == [1, 2, 3], "another endpoint is not delayed"
        await w.later(100)
        times = w.net.times()
        waits = [b - a for a, b in pairwise(times)]
        assert len(waits) >= 6
        # Twice as long each time, less up to the half of it by chance, and rounded up to the steps of the test.
        assert all(2**n / 2 <= wait <= 2**n + 1 for n, wait in enumerate(waits)), waits
        (row,) = [row for row in await w.rows(s.endpoints) if row["url"] == URL]
        assert (row["failures"], row["failing_since"], row["leased_by"]) == (len(times), START, None)
        await w.happen(g)
        await w.settled()
        assert w.net.times() == times, "what comes meanwhile waits, too"
        del w.net.answers[URL]
        await w.later(80)
        assert w.net.seqs() == [1, 2, 3, 4]
        log = [row for row in await w.rows(s.deliveries) if row["endpoint"] == URL]
        assert sorted((row["status"] == 202, row["notifications"]) for row in log) == [(False, 3)] * len(times) + [
            (True, 4)
        ]
        assert all((row["error"] is None) == (row["status"] == 202) for row in log)
        assert "notifications to https://listener.example fail" in caplog.text
        assert "/notify" not in caplog.text, "there may be secrets in a path"

    play(scene)


def test_a_database_that_is_busy_delays_nobody_for_long(
    play: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(subscription(1, g))
        serve, busy = Deliverer.serve, [True]

        async def refused(self: Deliverer, *given: Any) -> Any:
            if busy:
                busy.clear()
                raise Busy
            return await serve(self, *given)

        monkeypatch.setattr(Deliverer, "serve", refused)
        w.engine().start()
        await w.happen(g)
        await w.settled()
        assert w.net.seqs() == []
        await w.later(2)
        assert w.net.seqs() == [1]

    play(scene)


def test_an_endpoint_may_say_when_to_come_again(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(subscription(1, g))
        w.net.answers[URL] = status(429, "40")
        w.engine().start()
        await w.happen(g)
        await w.settled()
        await w.later(45)
        assert w.net.times() == [0, 40]
        w.net.answers[URL] = status(503, "99999999")
        await w.later(3700, step=100)
        first, second = w.net.times()[2:]
        assert second - first == 3600, "an hour at most"

    play(scene)


def test_what_could_not_be_told_for_four_hours_is_dropped_and_its_owner_told(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(subscription(1, g, lifecycle_url=LIFECYCLE), subscription(2, g))
        w.net.answers[URL] = unanswered
        w.engine().start()
        await w.happen(g, times=3)
        await w.later(3600, step=100)
        await w.happen(g)
        await w.later(GIVE_UP_SECONDS - 3700, step=100)
        assert w.net.received == {}
        await w.later(MOST_SECONDS + 200, step=100)
        assert w.net.received[LIFECYCLE] == [{"subscriptionId": guid(500_001), "lifecycleEvent": "missed"}]
        del w.net.answers[URL]
        await w.later(MOST_SECONDS, step=100)
        assert w.net.seqs(subscription=guid(500_001)) == w.net.seqs(subscription=guid(500_002)) == [4]
        dropped = [row for row in await w.rows(s.deliveries) if "dropped" in (row["error"] or "")]
        assert {
            (row["subscription_id"], row["first_seq"], row["last_seq"], row["notifications"]) for row in dropped
        } == {
            (guid(500_001), 1, 3, 3),
            (guid(500_002), 1, 3, 3),
        }
        assert [row["missed_at"] for row in await w.rows(s.subscriptions) if row["lifecycle_url"]] == [None]
        await w.later(LOOK_SECONDS * 3)
        assert len(w.net.received[LIFECYCLE]) == 1

    play(scene)


def test_a_server_that_was_away_for_long_drops_nothing(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(subscription(1, g))
        await w.happen(g, times=3)
        w.time.advance(DAY)
        w.engine().start()
        await w.settled()
        assert w.net.seqs() == [1, 2, 3]

    play(scene)


def test_the_hours_that_an_endpoint_fails_are_those_in_which_it_is_tried(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(subscription(1, g))
        w.net.answers[URL] = unanswered
        engine = w.engine()
        engine.start()
        await w.happen(g, times=3)
        await w.settled()
        await engine.stop()  # the whole machine goes down, the endpoint first
        w.engines.remove(engine)
        w.time.reset(at=START + DAY)
        w.engine().start()
        await w.settled()
        assert w.net.times() == [0, DAY]
        del w.net.answers[URL]
        await w.later(MOST_SECONDS, step=100)
        assert w.net.seqs() == [1, 2, 3]

    play(scene)


def test_a_clock_that_is_set_back_holds_nothing_up(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        ends = int((START + 2700) * MICRO)
        await w.subscribe(subscription(1, g), subscription(2, g, lifecycle_url=LIFECYCLE, expires_at=ends))
        w.net.answers[URL] = status(500)
        w.engine().start()
        await w.happen(g)
        await w.settled()
        await w.later(60)
        w.time.set_back(3600)
        del w.net.answers[URL]
        await w.later(2 * LOOK_SECONDS)
        assert w.net.seqs() == [1, 1]
        w.time.advance(3600 + 2000)
        await w.settled()
        assert len(w.net.received[LIFECYCLE]) == 1

    play(scene)


def test_what_was_put_off_by_a_clock_that_was_wrong_is_tried(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(subscription(1, g, now=START - DAY))
        w.net.answers[URL] = status(500)
        engine = w.engine()
        engine.start()
        await w.happen(g)
        await w.settled()
        await engine.stop()
        w.engines.remove(engine)
        w.time.reset(at=START - DAY)
        del w.net.answers[URL]
        w.engine().start()
        await w.settled()
        assert w.net.seqs() == [1]

    play(scene)


def test_an_endpoint_that_is_often_slow_gets_less_often_more(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(subscription(1, g), subscription(2, g, notification_url=OTHER))
        w.net.answers[URL] = lambda: ok(milliseconds=9_990)
        w.engine().start()
        for _ in range(30):
            await w.happen(g)
            await w.later(1)
        assert len(w.net.times(OTHER)) == 30
        assert len(w.net.times()) == 10
        await w.later(60)
        assert w.net.seqs() == [*range(1, 31)]
        assert len(w.net.times()) == 11

    play(scene)


def test_an_endpoint_that_hangs_holds_nobody_up(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        hanging = [f"https://dead.example/{n}" for n in range(100)]
        w.net.doors = {url: asyncio.Event() for url in hanging}
        await w.subscribe(*(subscription(n, g, notification_url=url) for n, url in enumerate(hanging)))
        await w.subscribe(subscription(1000, g))
        w.engine().start()
        for number in range(1, 4):
            await w.happen(g)
            await w.net.until(lambda number=number: len(w.net.received[URL]) == number)  # type: ignore[misc]
        assert 0 < len(w.net.under_way) < len(hanging)
        for door in w.net.doors.values():
            door.set()
        await w.settled()
        assert [w.net.seqs(url) for url in hanging] == [[1, 2, 3]] * 100

    play(scene)


# ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_processes_share_the_work_and_one_goes_on_when_the_other_is_gone(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        urls = [f"https://{n}.example/" for n in range(20)]
        await w.subscribe(*(subscription(n, g, notification_url=url) for n, url in enumerate(urls)))
        first, second = w.engine(1), w.engine(2)
        first.start()
        second.start()
        for _ in range(10):
            await w.happen(g)
            await w.settled()
        assert [w.net.seqs(url) for url in urls] == [[*range(1, 11)]] * 20, "in order, and none twice"
        holders = {row["leased_by"] for row in await w.rows(s.endpoints)}
        assert None not in holders
        # One is killed while its POSTs are under way.
        w.net.doors = {url: asyncio.Event() for url in urls}
        await w.happen(g)
        await w.net.until(lambda: len(w.net.under_way) == 16 or len(w.net.under_way) == 20)
        killed = [*first._tasks, *first._loops]
        for task in killed:
            task.cancel()
        await asyncio.gather(*killed, return_exceptions=True)
        w.engines.remove(first)
        for door in w.net.doors.values():
            door.set()
        w.net.doors.clear()
        await w.settled()
        await w.later(LEASE_SECONDS + LOOK_SECONDS)
        assert [sorted(set(w.net.seqs(url))) for url in urls] == [[*range(1, 12)]] * 20

    play(scene)


def test_a_clean_end_gives_back_what_was_held(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(subscription(1, g))
        first = w.engine()
        first.start()
        w.net.doors[URL] = asyncio.Event()
        await w.happen(g)
        await w.net.until(lambda: URL in w.net.under_way)
        stopping = asyncio.create_task(first.stop())
        await asyncio.sleep(0)
        w.net.doors[URL].set()
        await asyncio.wait_for(stopping, PATIENCE)
        w.engines.remove(first)
        assert w.net.seqs() == [1], "a POST under way is finished"
        assert await w.rows(s.endpoints) == []
        await w.happen(g)
        w.engine().start()
        await w.settled()
        assert w.net.seqs() == [1, 2], "the next one goes on at once"

    play(scene)


# ── lanes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_subscription_to_all_groups_follows_those_that_change(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        old, hidden = await w.group(1), await w.group(3)
        await w.happen(old, times=3)
        w.time.advance(1)
        wanted = subscription(1, None, now=w.time.now)
        await w.subscribe(wanted)
        w.words.hidden = {hidden}
        w.engine().start()
        await w.settled()
        await w.happen(old)
        new = await w.group(2)
        await w.happen(new, times=2)
        await w.happen(hidden)
        await w.settled()
        assert sorted((each["group"], each["seq"]) for each in w.net.received[URL]) == [(old, 4), (new, 1), (new, 2)]
        # What happened while a group was not for its creator is never told; what comes then is.
        await w.later(LOOK_SECONDS)
        w.words.hidden = set()
        await w.happen(hidden)
        await w.settled()
        assert [each["seq"] for each in w.net.received[URL] if each["group"] == hidden] == [2]

    play(scene)


def test_the_directory_is_a_lane_like_others(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        await w.subscribe(subscription(1, None, watched="user"))
        w.engine().start()
        for _ in range(2):
            await w.store.write(lambda tx: directory_log.note(tx, "user", guid(9), "displayName", "mail"))
            await w.settled()
        assert [(each["group"], each["seq"]) for each in w.net.received[URL]] == [
            (DIRECTORY, seq) for seq in (1, 2, 3, 4)
        ]

    play(scene)


def test_a_lane_pauses_while_its_creator_may_not_see_the_group(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(subscription(1, g, lifecycle_url=LIFECYCLE), subscription(2, g))
        w.engine().start()
        w.words.hidden = {g}
        for _ in range(3):
            await w.happen(g)
            await w.settled()
            await w.later(LOOK_SECONDS)
        assert w.net.received == {
            LIFECYCLE: [{"subscriptionId": guid(500_001), "lifecycleEvent": "reauthorizationRequired"}]
        }
        assert all(row["paused_at"] == START for row in await w.rows(s.subscriptions))
        w.words.hidden = set()
        await w.happen(g)
        await w.settled()
        assert w.net.seqs(subscription=guid(500_001)) == w.net.seqs(subscription=guid(500_002)) == [1, 2, 3, 4]
        assert all(row["paused_at"] is None for row in await w.rows(s.subscriptions))

    play(scene)


def test_many_that_pause_are_in_nobodys_way(play: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folkmoot.notify.batch.LANES_AT_ONCE", 2)
    monkeypatch.setattr("folkmoot.store.lanes.LANES", 4)

    async def scene(w: World) -> None:
        hidden, seen, quiet = await w.group(1), await w.group(2), await w.group(3)
        await w.subscribe(*(subscription(n, hidden) for n in range(9)))
        w.engine().start()
        w.words.hidden = {hidden}
        await w.happen(hidden)
        await w.settled()
        await w.subscribe(*(subscription(20 + n, seen) for n in range(9)))
        await w.subscribe(*(subscription(40 + n, quiet) for n in range(9)))
        await w.happen(quiet, ("created", "thread"))
        await w.happen(seen)
        await w.happen(hidden)
        await w.settled()
        assert sorted(each["subscriptionId"] for each in w.net.received[URL]) == [guid(500_020 + n) for n in range(9)]
        w.words.hidden = set()
        await w.happen(hidden)
        await w.settled()
        assert all(w.net.seqs(subscription=guid(500_000 + n)) == [1, 2, 3] for n in range(9))

    play(scene)


@pytest.mark.parametrize("renewed", [True, False], ids=["renewed", "reauthorized"])
def test_who_answers_a_reminder_by_doing_so_is_reminded_once_for_each_end(
    play: Callable[[Scene], None], renewed: bool
) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        asked = subscription(1, g, lifecycle_url=LIFECYCLE, expires_at=(START + 2700) * MICRO)
        await w.subscribe(asked)
        door = w.net.doors[LIFECYCLE] = asyncio.Event()
        w.engine().start()
        await w.settled()
        w.time.advance(1900)
        await w.net.until(lambda: LIFECYCLE in w.net.under_way)

        def answer(tx: Tx) -> None:
            if renewed:
                wished = (START + 9000) * MICRO
                verbs.renew(tx, asked, wished=wished, certificate=None, certificate_id=None, by_grant=False)
            else:
                verbs.reauthorize(tx, asked, by_grant=False)

        await w.store.write(answer)
        door.set()
        await w.settled()
        await w.later(700, step=50)
        if not renewed:
            await w.store.write(answer)
        await w.later(50)
        assert len(w.net.received[LIFECYCLE]) == 1
        await w.later(6000, step=50)
        assert len(w.net.received[LIFECYCLE]) == (2 if renewed else 1)

    play(scene)


def test_many_that_expire_at_once_are_removed_a_few_at_a_time(
    play: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("folkmoot.notify.engine.EXPIRED_AT_ONCE", 2)

    async def scene(w: World) -> None:
        g = await w.group(1)
        await w.subscribe(*(subscription(n, g, expires_at=(START + 2) * MICRO) for n in range(5)))
        w.engine().start()
        await w.settled()
        left = []
        for _ in range(3):
            await w.later(LOOK_SECONDS)
            left.append(len(await w.rows(s.subscriptions)))
        assert left == [3, 1, 0]

    play(scene)


def test_an_owner_who_was_told_of_a_pause_is_told_of_the_end_too(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        ends = int((START + 3600) * MICRO)
        await w.subscribe(subscription(1, g, lifecycle_url=LIFECYCLE, expires_at=ends))
        w.engine().start()
        w.words.hidden = {g}
        await w.happen(g)
        await w.settled()
        w.words.hidden = set()
        await w.happen(g)
        await w.settled()
        assert w.net.seqs() == [1, 2]
        assert len(w.net.received[LIFECYCLE]) == 1
        await w.later(3550, step=50)
        assert len(w.net.received[LIFECYCLE]) == 2

    play(scene)


def test_owners_are_reminded_once_and_what_expired_is_removed(play: Callable[[Scene], None]) -> None:
    async def scene(w: World) -> None:
        g = await w.group(1)
        ends = int((START + 2700) * MICRO)
        await w.subscribe(
            subscription(1, g, lifecycle_url=LIFECYCLE, expires_at=ends),
            subscription(2, g, expires_at=ends),
            subscription(3, g, lifecycle_url=LIFECYCLE),
        )
        w.net.answers[LIFECYCLE] = status(500)
        w.engine().start()
        await w.later(1700, step=50)
        assert w.net.posts == []
        await w.later(200, step=50)
        assert w.net.received == {}
        assert len(w.net.posts) > 1, "a lifecycle notification is tried again as others are"
        del w.net.answers[LIFECYCLE]
        await w.later(790, step=50)
        assert w.net.received == {
            LIFECYCLE: [{"subscriptionId": guid(500_001), "lifecycleEvent": "reauthorizationRequired"}]
        }
        await w.later(20)
        assert [row["id"] for row in await w.rows(s.subscriptions)] == [guid(500_003)]
        assert [key[1] for key in await cursors(w)] == [guid(500_003)]
        assert [row["kind"] for row in await w.rows(s.deliveries) if row["status"] == 202] == ["lifecycle"]

    play(scene)
