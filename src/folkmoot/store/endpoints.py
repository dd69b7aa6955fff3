"""Rows of `endpoints`: which process notifies a URL, and how it stands with it. They belong to no group.

A process leases a URL before it sends anything there, and says every few seconds that it is alive; what it held is free
once it has not. Whoever takes a row never waits for another's transaction, so that nobody can wait in a circle.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec
from sqlalchemy import and_, bindparam, delete, literal, null, or_, select, update

from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement, Tx
from folkmoot.store.dialect import InsertUnlessThere

# No lease is for so many seconds, whatever servers' clocks differ by: one that ends later than that from now was taken
# before the clock was set back, and its holder says that it is alive by the clock of now.
LONGEST_LEASE = 120.0
# Nor is an endpoint left alone for longer than an hour.
LONGEST_REST = 3600.0 + LONGEST_LEASE

_c = s.endpoints.c
_URL = _c.url == bindparam("at_url")

_ROW = select(_c.failures, _c.failing_since, _c.retry_at, _c.leased_by, _c.leased_until).where(_URL)
_LOOK = Statement(_ROW)
_HOLD = Statement(_ROW.with_for_update(skip_locked=True))
_ADD = Statement(InsertUnlessThere(s.endpoints), keeps_memo=True)
_LEASE = Statement(
    update(s.endpoints).where(_URL).values(leased_by=bindparam("me"), leased_until=bindparam("until")), keeps_memo=True
)
_mine = (_URL, _c.leased_by == bindparam("me"))
_BEAT = Statement(
    update(s.endpoints).where(*_mine).values(leased_until=bindparam("until")),
    keeps_memo=True,
)
_HELD = Statement(select(_c.url).where(*_mine))
_FORGET = Statement(delete(s.endpoints).where(*_mine, _c.failures == literal(0)), keeps_memo=True)
_GIVE_BACK = Statement(
    update(s.endpoints).where(*_mine).values(leased_by=null(), leased_until=null(), retry_at=bindparam("again")),
    keeps_memo=True,
)
_FAILED = Statement(
    update(s.endpoints)
    .where(*_mine)
    .values(
        failures=bindparam("count"),
        failing_since=bindparam("since"),
        retry_at=bindparam("again"),
        leased_by=null(),
        leased_until=null(),
    ),
    keeps_memo=True,
)
_WELL = Statement(
    update(s.endpoints).where(*_mine).values(failures=literal(0), failing_since=null(), retry_at=null()),
    keeps_memo=True,
)
# Of URLs that fail, and of processes that ended without giving back what they held.
_DUE = Statement(
    select(_c.url)
    .where(
        or_(
            and_(_c.leased_by.is_(null()), _c.retry_at <= bindparam("now")),
            and_(_c.leased_by.is_(null()), _c.retry_at > bindparam("never")),
            _c.leased_until <= bindparam("now"),
            _c.leased_until > bindparam("beyond"),
        )
    )
    .limit(bindparam("at_most"))
)
_ROUSE = Statement(
    update(s.endpoints).where(_c.retry_at > bindparam("now")).values(retry_at=bindparam("now")), keeps_memo=True
)
_SWEEP = Statement(
    delete(s.endpoints).where(
        _c.leased_by.is_(null()),
        ~select(literal(1)).where(s.subscriptions.c.notification_url == _c.url).exists(),
        ~select(literal(1)).where(s.subscriptions.c.lifecycle_url == _c.url).exists(),
    ),
    keeps_memo=True,
)


class Standing(msgspec.Struct, frozen=True):
    """How it stands with a URL: attempts that failed one after another, since when, and when to try again.

    Of a URL that another process holds `held_until` says until when. Times are seconds.
    """

    failures: int = 0
    failing_since: float | None = None
    retry_at: float | None = None
    held_until: float | None = None


def take(tx: Tx, urls: Collection[str], me: str, until: float) -> dict[str, Standing]:
    """Lease each URL that is free for the process `me`, unless it is to be left alone for now.

    The URL is leased if neither `held_until` nor a `retry_at` to come says otherwise.
    """
    found = {}
    for url in sorted(urls):
        if tx.one(_LOOK, at_url=url) is None:
            none = {"failing_since": None, "retry_at": None, "leased_by": None, "leased_until": None}
            tx.run(_ADD, url=url, failures=0, **none)
        row = tx.one(_HOLD, at_url=url)
        if row is None:  # another process is at it just now
            found[url] = Standing(held_until=tx.instant)
            continue
        failures, since, again, holder, held = row
        if again is not None and again > tx.instant + LONGEST_REST:
            again = None
        if holder is not None and holder != me and tx.instant < held <= tx.instant + LONGEST_LEASE:
            found[url] = Standing(failures, since, again, held)
            continue
        found[url] = Standing(failures, since, again)
        if again is None or again <= tx.instant:
            tx.run(_LEASE, at_url=url, me=me, until=until)
    return found


def beat(tx: Tx, urls: Collection[str], me: str, until: float) -> set[str]:
    """Hold on to `urls` until then. Those that are still this process's; the others were taken by another meanwhile."""
    kept = set()
    for url in sorted(urls):
        tx.run(_BEAT, at_url=url, me=me, until=until)
        if tx.one(_HELD, at_url=url, me=me) is not None:
            kept.add(url)
    return kept


def give_back(tx: Tx, urls: Iterable[str], me: str, *, again: float | None = None) -> None:
    """Let go of `urls`. Of one that fails stays how it stands with it, and it is tried `again` then, if ever."""
    for url in sorted(urls):
        tx.run(_FORGET, at_url=url, me=me)
        tx.run(_GIVE_BACK, at_url=url, me=me, again=again)


def failed(tx: Tx, url: str, me: str, standing: Standing) -> None:
    """Keep how it stands with a URL after an attempt that failed, and let go of it."""
    tx.run(_FAILED, at_url=url, me=me, count=standing.failures, since=standing.failing_since, again=standing.retry_at)


def well(tx: Tx, url: str, me: str) -> None:
    """Note that a URL which had failed answers again."""
    tx.run(_WELL, at_url=url, me=me)


def due(snapshot: Snapshot, now: float, at_most: int) -> list[str]:
    """URLs to be tried again by now, and those that a process held which is gone."""
    beyond, never = now + LONGEST_LEASE, now + LONGEST_REST
    return [row[0] for row in snapshot.all(_DUE, now=now, beyond=beyond, never=never, at_most=at_most)]


def rouse(tx: Tx) -> None:
    """Let every URL be tried that is left alone for now."""
    tx.run(_ROUSE, now=tx.instant)


def sweep(tx: Tx) -> None:
    """Forget the URLs that no subscription has any more."""
    tx.run(_SWEEP)
