"""Where followers stand in the logs of groups: how far these go, from where on they are kept, what came when."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import bindparam, select

from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement
from folkmoot.store.dialect import AnyOf

_c = s.changes.c
_FIRST = Statement(select(_c.seq, _c.at).where(_c.group_id == bindparam("g")).order_by(_c.seq).limit(1))
_AT = Statement(select(_c.at).where(_c.group_id == bindparam("g"), _c.seq == bindparam("seq")))
_HEADS = Statement(
    select(s.sequences.c.group_id, s.sequences.c.seq, s.sequences.c.changed_at).where(
        AnyOf(s.sequences.c.group_id, "ids")
    )
)
_THERE = Statement(
    select(s.groups.c.group_id).where(AnyOf(s.groups.c.group_id, "ids"), s.groups.c.deleted_at.is_(None))
)


def first(snapshot: Snapshot, group: str) -> tuple[int, int] | None:
    """Number and time of the oldest change that is kept; None where there is none."""
    row = snapshot.one(_FIRST, g=group)
    return (row[0], row[1]) if row else None


def heads(snapshot: Snapshot, groups: Collection[str]) -> dict[str, tuple[int, int | None]]:
    """Group → number and time of its last change, for those of `groups` that have a log."""
    return {row[0]: (row[1], row[2]) for row in snapshot.all(_HEADS, ids=_array(groups))}


def there(snapshot: Snapshot, groups: Collection[str]) -> set[str]:
    """Those of `groups` that are there, deleted ones aside."""
    return {row[0] for row in snapshot.all(_THERE, ids=_array(groups))}


def last_before(snapshot: Snapshot, group: str, head: int, instant: float) -> int:
    """The number of the last change before a moment, which may be one that is not kept any more; 0 for none.

    Times follow the numbers, but for the difference of the servers' clocks. Costs the logarithm of the log's length.
    """
    oldest = first(snapshot, group)
    if oldest is None:
        return head
    low, high = oldest[0], head
    if oldest[1] >= instant:
        return low - 1
    if _time(snapshot, group, high) < instant:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if _time(snapshot, group, middle) < instant:
            low = middle
        else:
            high = middle
    return low


def _time(snapshot: Snapshot, group: str, seq: int) -> float:
    row = snapshot.one(_AT, g=group, seq=seq)
    # One that is not there (any more) is old.
    return row[0] if row else 0


def _array(groups: Collection[str]) -> str:
    return msgspec.json.encode(sorted(groups)).decode()
