"""An engine of notifications without a network: time that a test moves, an Internet in which it has put the endpoints,
and words that say no more than which change they are about.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from folkmoot.model import Change, Subscription
from folkmoot.notify.engine import Notifier
from folkmoot.outgoing import Reply, Unanswered
from folkmoot.store import changes, schema, subscriptions
from folkmoot.store.db import Snapshot, Statement, Store, Tx
from folkmoot.store.wake import DIRECTORY
from tests.harness import START

PATIENCE = 20
MICRO = 1_000_000
DAY = 86_400
URL = "https://listener.example/notify"
LIFECYCLE = "https://listener.example/lifecycle"


class Time:
    """The time, which stands still unless it is moved, and those who wait for it."""

    def __init__(self) -> None:
        self.now = float(START)
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until time was moved so far."""
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), future))
        await future

    def reset(self, at: float = START) -> None:
        """Begin again, and wake nobody."""
        self.now = float(at)
        self._sleepers.clear()

    def set_back(self, seconds: float) -> None:
        """Set the clock back. Who sleeps does not wait longer for that."""
        self.now -= seconds
        self._sleepers = [(until - seconds, number, future) for until, number, future in self._sleepers]

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        while self._sleepers and self._sleepers[0][0] <= self.now:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)


class Internet:
    """Endpoints, and what they were sent. Each answers 202 unless the test says otherwise."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self.received: dict[str, list[dict[str, Any]]] = defaultdict(list)  # by URL, what was answered with a 2xx
        self.posts: list[tuple[str, float, list[dict[str, Any]], int]] = []  # URL, time, notifications, bytes
        self.answers: dict[str, Callable[[], Reply]] = {}
        self.doors: dict[str, asyncio.Event] = {}  # an answer waits for its door to be opened
        self.under_way: set[str] = set()
        self.changed = asyncio.Condition()

    async def post(self, url: str, content: bytes, headers: Mapping[str, str], *, seconds: float) -> Reply:
        """See `outgoing.Outgoing`."""
        assert headers["Content-Type"].startswith("application/json")
        assert seconds == 10
        assert url not in self.under_way, "two POSTs to one endpoint at a time"
        value = msgspec.json.decode(content)["value"]
        self.posts.append((url, self._time.now, value, len(content)))
        self.under_way.add(url)
        async with self.changed:
            self.changed.notify_all()
        try:
            if url in self.doors:
                await self.doors[url].wait()
            reply = self.answers[url]() if url in self.answers else ok()
        finally:
            self.under_way.discard(url)
        if 200 <= reply.status < 300:
            self.received[url] += value
        return reply

    async def close(self) -> None:
        """Nothing is kept open."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the endpoints have been sent what is asked for."""
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(condition), PATIENCE)

    def times(self, url: str = URL) -> list[float]:
        """When a URL was sent something, in seconds after the start."""
        return [at - START for to, at, _, _ in self.posts if to == url]

    def seqs(self, url: str = URL, *, subscription: str | None = None) -> list[int]:
        """The changes that a URL took, in the order in which it did."""
        return [
            each["seq"] for each in self.received[url] if subscription is None or each["subscriptionId"] == subscription
        ]


def ok(*, milliseconds: int = 5) -> Reply:
    return Reply(202, "", b"", milliseconds)


def status(number: int, retry_after: str | None = None) -> Callable[[], Reply]:
    return lambda: Reply(number, "text/plain", b"no", 5, retry_after)


def unanswered() -> Reply:
    raise Unanswered("the connection was refused")


class Words:
    """Tells of each change of the kind and noun that was asked for by its number; of the directory of all."""

    def __init__(self) -> None:
        self.hidden: set[str] = set()  # groups that nobody may see
        self.padding = ""

    def notifications(
        self, snapshot: Snapshot, subscription: Subscription, changes: Sequence[Change]
    ) -> list[dict[str, Any]]:
        return [
            {"subscriptionId": subscription.id, "group": change.group, "seq": change.seq, "padding": self.padding}
            for change in changes
            if change.group == DIRECTORY
            or (change.noun == subscription.watched and change.kind in subscription.change_types)
        ]

    def lifecycle(self, subscription: Subscription, event: str) -> dict[str, Any]:
        return {"subscriptionId": subscription.id, "lifecycleEvent": event}

    def validation_tokens(self, subscriptions: Sequence[Subscription]) -> list[str]:
        return ["token"]

    def may_follow(self, snapshot: Snapshot, subscription: Subscription, group: str) -> bool:
        return group not in self.hidden


def guid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def subscription(number: int, group: str | None, *, now: float = START, **more: Any) -> Subscription:
    """Somebody's wish to be told of new posts for three days."""
    given: dict[str, Any] = {
        "id": guid(500_000 + number),
        "application": "app",
        "creator": guid(1),
        "creator_kind": "person",
        "resource": "…",
        "watched": "post",
        "group": group,
        "parent": None,
        "change_types": ("created",),
        "notification_url": URL,
        "lifecycle_url": None,
        "client_state": None,
        "include_resource_data": False,
        "certificate": None,
        "certificate_id": None,
        "tls_version": None,
        "url_app_id": None,
        "expires_at": int((now + 3 * DAY) * MICRO),
        "created_at": int(now * MICRO),
    }
    return Subscription(**given | more)


class World:
    """A store, its engine, the time and the Internet of both."""

    def __init__(self, store: Store, time: Time) -> None:
        self.store = store
        self.time = time
        self.net = Internet(time)
        self.words = Words()
        self.engines: list[Notifier] = []

    def engine(self, seed: int = 0) -> Notifier:
        """One more process, as it were; it stops with the world."""
        made = Notifier(
            self.store,
            self.words,
            self.net,
            clock=self.time,
            sleep=self.time.sleep,
            chance=random.Random(seed),  # noqa: S311
        )
        self.engines.append(made)
        return made

    async def settled(self) -> None:
        """Wait until no engine has anything to do at this time."""
        for engine in self.engines:
            await asyncio.wait_for(engine.settled(), PATIENCE)

    async def later(self, seconds: float, *, step: float = 1.0) -> None:
        """Let time pass, step by step, so that what is due meanwhile is done."""
        end = self.time.now + seconds
        while self.time.now < end:
            self.time.advance(min(step, end - self.time.now))
            await self.settled()

    async def subscribe(self, *wanted: Subscription, seq: int = 0) -> None:
        """Add subscriptions. Those of one group are told what follows `seq`."""

        def verb(tx: Tx) -> None:
            for each in wanted:
                directory = each.watched in ("group", "user")
                subscriptions.add(tx, each, group=DIRECTORY if directory else each.group, seq=seq)

        await self.store.write(verb)

    async def group(self, number: int) -> str:
        """A group of which there is nothing but its log."""
        id = guid(number)
        await self.store.write(lambda tx: changes.begin(tx, id))
        return id

    async def happen(self, group: str, *happened: tuple[str, str], times: int = 1) -> None:
        """Something happens in a group, once or several times: kind and noun; without, a post is created."""

        def verb(tx: Tx) -> None:
            tx.heads.setdefault(group, changes.head(tx, group))
            for _ in range(times):
                for kind, noun in happened or (("created", "post"),):
                    changes.record(tx, group, None, (kind, noun, guid(7)))  # type: ignore[arg-type]

        await self.store.write(verb)

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        """What a table holds."""
        names = [column.name for column in table.columns]
        found = await self.store.read(lambda snapshot: snapshot.all(Statement(schema.meta.tables[table.name].select())))
        return [dict(zip(names, row, strict=True)) for row in found]


@asynccontextmanager
async def world(store: Store, time: Time) -> AsyncIterator[World]:
    """A world whose engines stop at its end."""
    made = World(store, time)
    try:
        yield made
    finally:
        for engine in made.engines:
            await engine.stop()
