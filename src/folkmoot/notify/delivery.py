"""Sends to one endpoint what waits for it: one POST at a time, each written down before the next is made.

The cursors of all lanes of a POST move in one transaction with the log of it, once it was answered with a 2xx; a
process that is killed has moved none, and what it sent is sent again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from folkmoot import observe
from folkmoot.model import Subscription
from folkmoot.notify.backoff import Backoff, asked_to_wait, horizon, taken_up
from folkmoot.notify.batch import Batch, Pages, gather
from folkmoot.notify.health import Health
from folkmoot.notify.leases import Leases
from folkmoot.notify.wording import Sender, Wording
from folkmoot.observe import log
from folkmoot.outgoing import Unanswered
from folkmoot.store import deliveries, endpoints, lanes
from folkmoot.store.db import ReadFunction, Snapshot, Store, Tx
from folkmoot.store.endpoints import Standing
from folkmoot.store.remembering import Remembering

LIMIT_SECONDS = 10.0
# The owner is told so long before a subscription expires; the shortest lives 45 minutes.
REMIND_SECONDS = 900.0
# POSTs to an endpoint before it is another one's turn.
POSTS_AT_ONCE = 20
# Lanes whose progress is not written yet.
AHEAD = 5_000
_WARNED = 100
_SLOW = 0.99 * LIMIT_SECONDS * 1000  # milliseconds, for timers are not exact
_HEADERS = {"Content-Type": "application/json; charset=utf-8"}
_DROPPED = "not delivered within 4 hours, and dropped"

# Of the store's four reader threads; the others are for those who ask something.
_READERS = 2

T = TypeVar("T")
Event = Literal["reauthorizationRequired", "missed"]


class Outcome(msgspec.Struct, frozen=True):
    """What is to be done about an endpoint next.

    `rest` is the time until which it is left alone; `more` says that something waits for it, or may; `warn` are
    lifecycle URLs that are to be told something.
    """

    rest: float | None = None
    more: bool = False
    warn: Sequence[str] = ()


class Attempt(msgspec.Struct, frozen=True):
    """A POST and what came of it. Without a `status` there was no answer."""

    status: int | None
    milliseconds: int
    error: str | None
    asked: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether it was answered with a 2xx."""
        return self.error is None


class Deliverer:
    """Serves endpoints, each when it is told to. `gone` says that the server stops, and nothing new is to be begun."""

    def __init__(
        self,
        store: Store,
        wording: Wording,
        sender: Sender,
        leases: Leases,
        clock: Callable[[], float],
        chance: random.Random,
    ) -> None:
        self.health = Health()
        self.ahead: dict[tuple[str, str], tuple[int, int]] = {}
        self.gone = False
        self._store = store
        self._wording = wording
        self._sender = sender
        self._leases = leases
        self._clock = clock
        self._backoff = Backoff(chance)
        self._pages = Pages()
        self._readers = asyncio.Semaphore(_READERS)

    async def serve(self, url: str, standing: Standing, groups: Collection[str] | None) -> Outcome:
        """Send what waits in these groups (None: in all) to a URL that this process holds."""
        standing = await self._warn(url, taken_up(standing, self._clock()))
        if standing.retry_at is not None and standing.retry_at > self._clock():
            return Outcome(standing.retry_at, more=True)
        warn: list[str] = []
        after: tuple[str, str] | None = None
        held: set[tuple[str, str]] = set()
        for _ in range(POSTS_AT_ONCE):
            if self.gone or not self._leases.holds(url):
                break
            batch = await self._gathered(url, groups, after, held, horizon(standing, self._clock()))
            held.update(batch.held)
            warn += _to_be_warned(batch)
            if batch.items:
                attempt = await self._post(url, batch.content)
                standing = await self._settle(url, standing, batch, attempt)
                delay = self.health.delay(url, self._clock())
                if standing.failures:
                    return Outcome(standing.retry_at, more=True, warn=warn)
                if delay:
                    return Outcome(self._clock() + delay, more=batch.cut, warn=warn)
            elif batch.dropped or batch.pauses or batch.resumes:
                await self._set_aside(url, batch)
            self._look_ahead(batch)
            if len(self.ahead) > AHEAD or (batch.cut and batch.after is None):
                # In the latter case what is ahead is in the way of what is not.
                await self.flush()
            if not batch.cut:
                if standing.failures:
                    # Nothing waits, so there is nothing to be tried again; how it stands stays known.
                    await self._leases.give_back([url])
                return Outcome(warn=warn)
            after = batch.after
        return Outcome(more=True, warn=warn)

    async def read(self, function: ReadFunction[T]) -> T:
        """Read in one of the threads that are the followers' to use."""
        async with self._readers:
            return await self._store.read(function)

    async def flush(self) -> None:
        """Write how far lanes were looked at in which nothing was to be told."""
        if not self.ahead:
            return
        moves, self.ahead = self.ahead, {}

        def write(tx: Tx) -> None:
            for (group, subscription), (old, new) in sorted(moves.items()):
                lanes.move(tx, group, subscription, old, new)

        await self._store.write(write)

    async def _gathered(
        self,
        url: str,
        groups: Collection[str] | None,
        after: tuple[str, str] | None,
        held: Collection[tuple[str, str]],
        limit: float | None,
    ) -> Batch:
        def look(snapshot: Snapshot) -> Batch:
            # Lanes of one group are asked the same: of their creators, of the posts, of threads.
            return gather(
                Remembering(snapshot),
                self._wording,
                self._pages,
                url,
                groups,
                after=after,
                ahead=self.ahead,
                held=held,
                horizon=limit,
            )

        return await self.read(look)

    async def _set_aside(self, url: str, batch: Batch) -> None:
        await self._store.write(lambda tx: self._quiet(tx, url, batch), key=url)
        observe.meter.notified("dropped", batch.dropped)

    async def _post(self, url: str, content: bytes) -> Attempt:
        began = time.monotonic()
        try:
            reply = await self._sender.post(url, content, _HEADERS, seconds=LIMIT_SECONDS)
        except Unanswered as unanswered:
            attempt = Attempt(None, round((time.monotonic() - began) * 1000), unanswered.reason)
        else:
            status = reply.status
            error = None if 200 <= status < 300 else f"the endpoint answered {status}"
            asked = asked_to_wait(status, reply.retry_after, self._clock())
            attempt = Attempt(status, reply.milliseconds, error, asked)
        self.health.note(url, self._clock(), slow=attempt.milliseconds >= _SLOW)
        outcome: Literal["delivered", "refused", "unanswered"] = (
            "delivered" if attempt.delivered else "unanswered" if attempt.status is None else "refused"
        )
        observe.meter.posted(outcome, attempt.milliseconds / 1000)
        return attempt

    async def _settle(self, url: str, standing: Standing, batch: Batch, attempt: Attempt) -> Standing:
        """Write what became of a POST; how it stands with the endpoint now."""
        after = self._after(url, standing, attempt)

        def write(tx: Tx) -> None:
            if attempt.delivered:
                for part in batch.parts:
                    if part.position != part.lane.seq:
                        lanes.move(tx, part.lane.group, part.lane.subscription, part.lane.seq, part.position)
            self._quiet(tx, url, batch, moved=attempt.delivered)
            for part in batch.parts:
                if part.told:
                    deliveries.record(
                        tx,
                        part.lane.subscription,
                        endpoint=url,
                        kind="notification",
                        group=part.lane.group,
                        seqs=(part.first, part.last),
                        notifications=part.told,
                        status=attempt.status,
                        milliseconds=attempt.milliseconds,
                        error=attempt.error,
                    )
            self._endpoint(tx, url, standing, after)

        await self._store.write(write, key=url)
        observe.meter.notified("dropped", batch.dropped)
        for part in batch.parts:
            if attempt.delivered or part.dropped:
                self.ahead.pop(part.lane.key, None)
            if attempt.delivered and part.told:
                observe.meter.notified("delivered", part.told)
                observe.meter.lagged(max(0.0, self._clock() - part.at))
        if not attempt.delivered:
            self._leases.lost(url)
        return after

    def _after(self, url: str, standing: Standing, attempt: Attempt) -> Standing:
        if attempt.delivered:
            if standing.failures:
                log.info("notifications to %s are taken again", _shown(url))
            return Standing()
        if not standing.failures:
            log.warning("notifications to %s fail, and will be tried again: %s", _shown(url), attempt.error)
        return self._backoff.after(standing, self._clock(), attempt.asked)

    def _endpoint(self, tx: Tx, url: str, before: Standing, after: Standing) -> None:
        if after.failures:
            endpoints.failed(tx, url, self._leases.me, after)
        elif before.failures:
            endpoints.well(tx, url, self._leases.me)

    def _quiet(self, tx: Tx, url: str, batch: Batch, *, moved: bool = False) -> None:
        """Write what a batch says of lanes beside what was sent. `moved`: the cursors are where they belong."""
        for part in batch.parts:
            if not part.dropped:
                continue
            id = part.lane.subscription
            if not moved and part.dropped_to is not None:
                lanes.move(tx, part.lane.group, id, part.lane.seq, part.dropped_to)
            if part.subscription.lifecycle_url is not None:
                lanes.missed(tx, id)
            deliveries.record(
                tx,
                id,
                endpoint=url,
                kind="notification",
                group=part.lane.group,
                seqs=(part.lane.seq + 1, part.dropped_to),
                notifications=part.dropped,
                status=None,
                milliseconds=0,
                error=_DROPPED,
            )
        for each in batch.pauses:
            lanes.pause(tx, each.id)
        for each in batch.resumes:
            lanes.resume(tx, each.id)

    def _look_ahead(self, batch: Batch) -> None:
        """Remember how far lanes were looked at in which there was nothing to tell; `flush` writes it."""
        if batch.items:  # written with what was sent
            return
        for part in batch.parts:
            base = part.dropped_to if part.dropped and part.dropped_to is not None else part.lane.seq
            if part.position != base:
                self.ahead[part.lane.key] = (base, part.position)

    # ── lifecycle ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _warn(self, url: str, standing: Standing) -> Standing:
        """Tell owners what they have to know, in a POST of its own; how it stands with the endpoint now."""
        now = self._clock()
        soon = now + REMIND_SECONDS
        told: list[tuple[Subscription, Event, float]] = []  # and since when there is a reason
        for each in await self.read(lambda snapshot: lanes.to_warn(snapshot, url, soon, _WARNED)):
            if each.missed_at is not None:
                told.append((each, "missed", each.missed_at))
            if each.reminded_at is None and (each.paused_at is not None or each.expires_at <= soon * lanes.MICRO):
                since = each.paused_at or each.expires_at / lanes.MICRO - REMIND_SECONDS
                told.append((each, "reauthorizationRequired", since))
        if not told:
            return standing
        value = [self._wording.lifecycle(each, event) for each, event, _ in told]
        attempt = await self._post(url, msgspec.json.encode({"value": value}))
        after = self._after(url, standing, attempt)
        limit = horizon(standing, now)

        def write(tx: Tx) -> None:
            for each, event, since in told:
                given_up = limit is not None and since < limit
                if attempt.delivered or given_up:
                    if event == "reauthorizationRequired":
                        lanes.reminded(tx, each)
                    elif each.missed_at is not None:
                        lanes.knows(tx, each.id, each.missed_at)
                deliveries.record(
                    tx,
                    each.id,
                    endpoint=url,
                    kind="lifecycle",
                    group=None,
                    seqs=(None, None),
                    notifications=1,
                    status=attempt.status,
                    milliseconds=attempt.milliseconds,
                    error=f"{attempt.error}; {_DROPPED}" if given_up and attempt.error else attempt.error,
                )
            self._endpoint(tx, url, standing, after)

        await self._store.write(write, key=url)
        if not attempt.delivered:
            self._leases.lost(url)
        return after


def _to_be_warned(batch: Batch) -> list[str]:
    """Lifecycle URLs that are to be told of what a batch brought about."""
    about = [part.subscription for part in batch.parts if part.dropped] + batch.pauses
    return [each.lifecycle_url for each in about if each.lifecycle_url is not None]


def _shown(url: str) -> str:
    """A URL for the log: its origin, for in the path and the query there may be secrets."""
    with suppress(ValueError):
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return "an endpoint"
