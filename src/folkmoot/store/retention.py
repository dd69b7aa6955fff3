"""How long the change log and the deliveries are kept, and what removes the rest, a little at a time.

A change that a live subscription has not been told of is never removed, nor is a group's last change: by the oldest
that is left, whoever asks for older ones knows that they are gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy import bindparam, delete, select, tuple_

from folkmoot import observe
from folkmoot.observe import log
from folkmoot.refusals import Busy
from folkmoot.store import changes, places
from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement, Store
from folkmoot.store.watch import OVERLAP_SECONDS

DAY: Final = 86_400
# Between two sweeps, in seconds; and rows that one transaction removes: other writes wait for no more than these.
EVERY: Final = 3_600.0
TOGETHER: Final = 512
_PAGE = 200  # groups that are looked at in one snapshot

_GROUPS = Statement(
    select(s.sequences.c.group_id)
    .where(s.sequences.c.group_id > bindparam("after"))
    .order_by(s.sequences.c.group_id)
    .limit(_PAGE)
)
_CURSORS = Statement(
    select(s.subscription_cursors.c.subscription_id, s.subscription_cursors.c.seq).where(
        s.subscription_cursors.c.group_id == bindparam("g")
    )
)
_LIVE = Statement(
    select(
        s.subscriptions.c.id, s.subscriptions.c.group_id, s.subscriptions.c.created_at, s.subscriptions.c.watched
    ).where(s.subscriptions.c.expires_at > bindparam("now"))
)
_REMOVE = Statement(
    delete(s.changes).where(s.changes.c.group_id == bindparam("g"), s.changes.c.seq <= bindparam("upto")),
    keeps_memo=True,
)
_d = s.deliveries.c
_OLD_DELIVERIES = select(_d.subscription_id, _d.id).where(_d.at < bindparam("before")).order_by(_d.at).limit(TOGETHER)
_ANY_OLD_DELIVERY = Statement(select(_d.id).where(_d.at < bindparam("before")).limit(1))
_REMOVE_DELIVERIES = Statement(
    delete(s.deliveries).where(tuple_(_d.subscription_id, _d.id).in_(_OLD_DELIVERIES)), keeps_memo=True
)
_FIRST_GROUP = "00000000-0000-0000-0000-000000000000"

# Live subscriptions: those to all groups, with the time of their creation in seconds; None for those to one.
_Live = dict[str, float | None]


class Sweeper:
    """Runs `sweep` on a store again and again while the server runs, `every` so many seconds."""

    def __init__(self, store: Store, sweep: Callable[[Store], Awaitable[None]], every: float) -> None:
        self._store = store
        self._sweep = sweep
        self._every = every
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the event loop that is running; it ends with the loop."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            try:
                await self._sweep(self._store)
            except Busy:
                log.warning("what is to be removed stays for now: the database is busy or away")
            except Exception:
                log.exception("what is to be removed could not be")
            await asyncio.sleep(self._every)


async def sweep(store: Store, *, changes_days: float, deliveries_days: float) -> None:
    """Remove changes and deliveries that are older than so many days; 0 keeps them. Several servers may do so at once.

    Raises `Busy` where the database is away.
    """
    now = store.clock()
    if changes_days:
        removed = await _sweep_changes(store, now - changes_days * DAY)
        observe.meter.swept(now, removed)
    if deliveries_days:
        before = now - deliveries_days * DAY
        while await store.read(lambda snapshot: snapshot.one(_ANY_OLD_DELIVERY, before=before)) is not None:
            await store.write(lambda tx: tx.run(_REMOVE_DELIVERIES, before=before))


async def _sweep_changes(store: Store, before: float) -> int:
    """How many were removed."""
    removed = 0

    def live(snapshot: Snapshot) -> _Live:
        rows = snapshot.all(_LIVE, now=int(snapshot.instant * 1_000_000))
        # The others follow the directory.
        of_groups = [row for row in rows if row[3] in ("conversation", "thread", "post")]
        return {row[0]: None if row[1] is not None else row[2] / 1_000_000 for row in of_groups}

    after = _FIRST_GROUP
    while True:
        # Anew for each page: who subscribes meanwhile is told of what follows.
        subscriptions = await store.read(live)

        def look(
            snapshot: Snapshot, after: str = after, subscriptions: _Live = subscriptions
        ) -> tuple[str | None, list[tuple[str, int, int]]]:
            groups = [row[0] for row in snapshot.all(_GROUPS, after=after)]
            found = [(group, *_removable(snapshot, group, before, subscriptions)) for group in groups]
            return groups[-1] if groups else None, [each for each in found if each[1] <= each[2]]

        last, found = await store.read(look)
        for group, first, upto in found:
            for end in range(first + TOGETHER - 1, upto + TOGETHER, TOGETHER):
                highest = min(end, upto)
                await store.write(
                    lambda tx, group=group, highest=highest: tx.run(_REMOVE, g=group, upto=highest),  # type: ignore[misc]
                    key=group,
                )
            removed += upto - first + 1
        if last is None:
            return removed
        after = last


def _removable(snapshot: Snapshot, group: str, before: float, live: _Live) -> tuple[int, int]:
    """The first and the last change of a group that can be removed; the last is lower where there are none."""
    oldest = places.first(snapshot, group)
    if oldest is None or oldest[1] >= before:
        return 1, 0
    head = changes.head(snapshot, group)
    upto = min(places.last_before(snapshot, group, head, before), head - 1)
    cursors = {row[0]: row[1] for row in snapshot.all(_CURSORS, g=group) if row[0] in live}
    upto = min([upto, *cursors.values()])
    # Those to all groups that this group has not concerned yet begin where it stood when they were created.
    created = [at for id, at in live.items() if at is not None and id not in cursors]
    if created and upto >= oldest[0]:
        upto = min(upto, places.last_before(snapshot, group, head, min(created) - OVERLAP_SECONDS))
    return oldest[0], upto
