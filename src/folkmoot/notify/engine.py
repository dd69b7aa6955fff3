"""Notifies subscribers: hears what changed, finds whose endpoints are behind, and has them served, many at a time.

All state is in the database: cursors, leases, when to try again. What is kept here only saves looks at it. Between two
hints nothing happens but a look every few seconds, which costs a few rows of indexes, however many subscriptions there
are.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

from folkmoot.notify.delivery import REMIND_SECONDS, Deliverer
from folkmoot.notify.leases import BEAT_SECONDS, Leases
from folkmoot.notify.schedule import Groups, Schedule
from folkmoot.notify.wording import Sender, Wording
from folkmoot.observe import log
from folkmoot.refusals import Refusal
from folkmoot.store import endpoints, lanes
from folkmoot.store.db import Snapshot, Store
from folkmoot.store.endpoints import Standing
from folkmoot.store.wake import DIRECTORY
from folkmoot.store.watch import OVERLAP_SECONDS

Sleep = Callable[[float], Awaitable[None]]

# Between two looks for what no hint told of.
LOOK_SECONDS = 5.0
# Between two looks at what hints name: those that come meanwhile go together. The first is looked at at once.
TOGETHER_SECONDS = 0.05
# Of what hints name and what a look finds; beyond, the next look finds the rest.
AT_ONCE = 5_000
# Expired subscriptions that one look removes. Nothing is begun meanwhile, and they are nobody's any more.
EXPIRED_AT_ONCE = 200
# Rows of a subscription that expired, in one transaction.
REMOVED_AT_ONCE = 1_000
# Forgetting endpoints that nobody has any more is not urgent.
SWEEP_SECONDS = 600.0
# A server that stops waits for POSTs that are under way for so long.
STOP_SECONDS = 5.0
_AGAIN_SECONDS = 1.0
_TROUBLE_SECONDS = 30.0


class Notifier:
    """Follows the change log and notifies subscribers.

    `wording` words what happened, `sender` sends it. `sleep` waits for as long as `clock` takes to get there; `chance`
    varies when what failed is tried again.
    """

    def __init__(
        self,
        store: Store,
        wording: Wording,
        sender: Sender,
        *,
        clock: Callable[[], float],
        sleep: Sleep = asyncio.sleep,
        chance: random.Random | None = None,
    ) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._sleep = sleep
        self._leases = Leases(store, clock)
        self._schedule = Schedule()
        chance = chance or random.Random()  # noqa: S311  (nothing secret: it spreads attempts over time)
        self._deliverer = Deliverer(store, wording, sender, self._leases, clock, chance)
        self._heard: set[str] = set()
        self._find_at = 0.0  # by the loop's own time
        self._finding: asyncio.TimerHandle | None = None
        self._signal = asyncio.Event()
        self._rested = asyncio.Condition()
        self._turning = False
        self._look_at = 0.0
        self._again_at: float | None = None
        self._wake_at = 0.0
        self._sweep_at = 0.0
        self._looked: float | None = None  # when, the last time; None: everything is to be looked at
        self._tasks: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._unlisten: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begin, on the event loop that is running."""
        self._unlisten = self._store.wake.listen(self._hear)
        self._loops = [asyncio.create_task(self._turn_by_turn()), asyncio.create_task(self._beat())]

    async def stop(self) -> None:
        """End: what is under way is finished, within seconds, and what this process holds is given back."""
        self._unlisten()
        if self._finding is not None:
            self._finding.cancel()
        self._deliverer.gone = True
        await _cancelled(self._loops)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
            await _cancelled([*self._tasks])
        try:
            await self._deliverer.flush()
            await self._leases.give_back()
        except Refusal as refusal:  # the leases end by themselves, and what was looked at is looked at again
            log.warning("the database does not take what the notifications leave behind: %s", refusal.message)
        await self._sender.close()

    async def settled(self) -> None:
        """Wait until nothing is under way, and nothing will be before something changes or time moves on."""
        async with self._rested:
            await self._rested.wait_for(lambda: not self._busy())

    def _busy(self) -> bool:
        return (
            self._turning
            or bool(self._heard or self._tasks)
            or self._signal.is_set()
            or self._schedule.waiting
            or self._clock() >= self._wake_at
        )

    def _hear(self, groups: frozenset[str]) -> None:
        self._heard |= groups
        if len(self._heard) > AT_ONCE:
            self._heard.clear()
            self._look_at = 0.0
        if self._finding is None:
            loop = asyncio.get_running_loop()
            self._finding = loop.call_at(max(self._find_at, loop.time()), self._due)

    def _due(self) -> None:
        self._finding = None
        self._signal.set()

    # ── the loops ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _turn_by_turn(self) -> None:
        while True:
            self._signal.clear()
            self._turning = True
            self._again_at = None
            try:
                await self._turn()
            except Refusal as refusal:
                log.warning("notifications wait for the database: %s", refusal.message)
                self._again_at = self._clock() + _AGAIN_SECONDS
            except Exception as error:
                log.error("notifications: %r", error)
                self._again_at = self._clock() + _TROUBLE_SECONDS
            times = [self._look_at, self._schedule.next_time()] if self._again_at is None else [self._again_at]
            self._wake_at = min(each for each in times if each is not None)
            self._turning = False
            async with self._rested:
                self._rested.notify_all()
            await self._nap()

    async def _nap(self) -> None:
        """Until it is time, or something is heard."""
        waits = [
            asyncio.ensure_future(self._sleep(max(0.0, self._wake_at - self._clock()))),
            asyncio.ensure_future(self._signal.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _beat(self) -> None:
        while True:
            await self._sleep(BEAT_SECONDS)
            try:
                await self._leases.beat(self._schedule.busy)
            except Exception as error:
                log.error("notifications: cannot hold on to endpoints: %r", error)

    async def _turn(self) -> None:
        """Find what is to be done, and begin it as far as there are places."""
        if self._heard:
            heard = frozenset(self._heard)
            self._heard.clear()
            if self._finding is not None:
                self._finding.cancel()
                self._finding = None
            self._find_at = asyncio.get_running_loop().time() + TOGETHER_SECONDS
            try:
                await self._find(heard)
            except BaseException:
                self._heard |= heard
                raise
        if self._clock() < self._look_at - LOOK_SECONDS:
            # The clock was set back: what was to be done by now would wait until it is that late once more.
            await self._store.write(endpoints.rouse)
            self._schedule.rouse()
            self._look_at = self._sweep_at = 0.0
        if self._clock() >= self._look_at:
            await self._look()
        self._schedule.wake(self._clock())
        await self._begin()

    # ── finding ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _find(self, groups: frozenset[str]) -> None:
        """Schedule the endpoints that are behind in these groups."""
        changed = groups - {DIRECTORY}
        new, behind = await self._deliverer.read(
            lambda snapshot: (lanes.missing(snapshot, changed, None, AT_ONCE), lanes.urls_in(snapshot, groups))
        )
        if new:
            await self._store.write(lambda tx: lanes.add(tx, new))
            behind = await self._deliverer.read(lambda snapshot: lanes.urls_in(snapshot, groups))
        self._add(behind)

    def _add(self, found: Collection[tuple[str, str]]) -> None:
        by_url: dict[str, set[str]] = {}
        for url, group in found:
            by_url.setdefault(url, set()).add(group)
        for url, groups in by_url.items():
            if not self._schedule.add(url, groups):
                self._looked = None

    async def _look(self) -> None:
        """Look for what no hint told of: changes elsewhere, endpoints to be tried again, whom to warn, what expired."""
        await self._deliverer.flush()
        began = self._clock()
        since = None if self._looked is None else int(min(self._looked, began)) - OVERLAP_SECONDS
        new = await self._deliverer.read(lambda snapshot: lanes.missing(snapshot, None, since or 0, AT_ONCE))
        if new:
            await self._store.write(lambda tx: lanes.add(tx, new))

        def look(snapshot: Snapshot) -> tuple[list[tuple[str, str]], list[str], list[str], list[str]]:
            return (
                lanes.urls_lately(snapshot, since, AT_ONCE),
                endpoints.due(snapshot, began, AT_ONCE),
                lanes.urls_to_warn(snapshot, began + REMIND_SECONDS, AT_ONCE),
                lanes.expired(snapshot, EXPIRED_AT_ONCE),
            )

        behind, due, to_warn, expired = await self._deliverer.read(look)
        everything = len(new) < AT_ONCE and len(behind) < AT_ONCE
        self._looked = began if everything else None
        self._look_at = began + (LOOK_SECONDS if everything else _AGAIN_SECONDS)
        self._add(behind)
        for url in due:
            if not self._schedule.busy(url):
                self._schedule.suspect(url, True)
                self._schedule.add(url)
        for url in to_warn:
            self._schedule.add(url, ())
        for id in expired:
            await self._remove(id)
        if began >= self._sweep_at:
            self._sweep_at = began + SWEEP_SECONDS
            await self._store.write(endpoints.sweep)

    async def _remove(self, id: str) -> None:
        """Remove an expired subscription, or the first of its lanes if it has very many."""
        groups = await self._store.read(lambda snapshot: lanes.groups_of(snapshot, id, REMOVED_AT_ONCE))
        if groups:
            await self._store.write(lambda tx: lanes.remove_expired(tx, id, groups))
        if len(groups) < REMOVED_AT_ONCE:
            await self._store.write(lambda tx: lanes.remove_expired(tx, id, ()))

    # ── serving ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self) -> None:
        """Begin to serve those for whom there are places."""
        taken = dict(self._schedule.take())
        if not taken:
            return
        try:
            standings = await self._leases.take([*taken])
        except BaseException:
            for url, groups in taken.items():
                self._schedule.done(url)
                self._schedule.add(url, groups)
            raise
        for url, groups in taken.items():
            task = asyncio.create_task(self._serve(url, standings[url], groups))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._signal.set()

    async def _serve(self, url: str, standing: Standing, groups: Groups) -> None:
        schedule, now = self._schedule, self._clock()
        try:
            if standing.held_until is not None or not self._leases.holds(url):
                # Another process is at it, or it is to be left alone.
                schedule.add(url, groups)
                schedule.rest(url, max(standing.held_until or 0.0, standing.retry_at or 0.0, now + _AGAIN_SECONDS))
                return
            schedule.suspect(url, bool(standing.failures))
            if standing.failures:
                groups = None  # hints that came meanwhile were not kept
            outcome = await self._deliverer.serve(url, standing, groups)
        except Exception as error:
            # What a database that is busy or away refuses, another look may get a moment later.
            seconds = _AGAIN_SECONDS if isinstance(error, Refusal) else _TROUBLE_SECONDS
            log.error("notifications: an endpoint is left alone for %g s: %r", seconds, error)
            schedule.add(url)
            schedule.rest(url, self._clock() + seconds)
            with suppress(Refusal):
                await self._leases.give_back([url])
        else:
            schedule.suspect(url, outcome.rest is not None)
            if outcome.more:
                schedule.add(url, None if outcome.rest is not None else groups)
            if outcome.rest is not None:
                schedule.rest(url, outcome.rest)
            for each in outcome.warn:
                schedule.add(each, ())
        finally:
            schedule.done(url)


async def _cancelled(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
