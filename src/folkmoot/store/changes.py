"""The change log: what happened in each group, in order and without gaps. Written with what it tells of."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import BindParameter, bindparam, insert, select, update

from folkmoot.model import Change
from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement, Tx

Kind = Literal["created", "updated", "deleted", "forwarded"]
Noun = Literal[
    "group",
    "member",
    "owner",
    "conversation",
    "thread",
    "post",
    "attachment",
    "extension",
    "grant",
    "acceptedSender",
    "rejectedSender",
    "preference",
]

# A change: its kind, the noun, the item's id, and what the item is part of (see `schema.changes.parent`).
Happened = tuple[Kind, Noun, str] | tuple[Kind, Noun, str, str]

_c = s.changes.c
_SINCE = Statement(
    select(_c.group_id, _c.seq, _c.at, _c.kind, _c.noun, _c.item, _c.by, _c.parent)
    .where(_c.group_id == bindparam("g"), _c.seq > bindparam("since"))
    .order_by(_c.seq)
    .limit(bindparam("at_most"))
)
_HEAD = Statement(select(s.sequences.c.seq).where(s.sequences.c.group_id == bindparam("g")))
_BEGIN = Statement(insert(s.sequences), keeps_memo=True)
_ADVANCE = Statement(
    update(s.sequences)
    .where(s.sequences.c.group_id == bindparam("g"))
    .values(seq=bindparam("new_seq"), changed_at=bindparam("new_changed_at")),
    keeps_memo=True,
)
# Rows in one insert, largest first: a statement costs PostgreSQL's driver as much as its parameters do, and one of more
# than 50 parameters it parses anew each time.
_SIZES = (6, 3, 1)
_COLUMNS = ("seq", "at", "kind", "noun", "item", "by", "parent")


@lru_cache(maxsize=len(_SIZES))
def _append(count: int) -> Statement:
    rows: list[dict[str, BindParameter[Any]]] = [
        {"group_id": bindparam("g"), **{name: bindparam(f"{name}_{n}") for name in _COLUMNS}} for n in range(count)
    ]
    return Statement(insert(s.changes).values(rows), keeps_memo=True)


def begin(tx: Tx, group: str) -> None:
    """Begin the log of a new group."""
    tx.run(_BEGIN, group_id=group, seq=0, changed_at=tx.now)
    tx.heads[group] = 0


def next_seq(tx: Tx, group: str) -> int:
    """The number that the group's next change will have."""
    return tx.heads[group] + 1


def record(tx: Tx, group: str, by: str | None, *happened: Happened) -> None:
    """Append what `happened` to the group's log.

    The transaction has the group's turn (see `rows.standing`), so that numbers are in the order of the commits. The
    rows are written when the batch ends.
    """
    tx.wrote = True
    for each in happened:
        kind, noun, item = each[:3]
        tx.heads[group] += 1
        tx.log.append(
            {
                "g": group,
                "seq": tx.heads[group],
                "at": tx.now,
                "kind": kind,
                "noun": noun,
                "item": item,
                "by": by,
                "parent": each[3] if len(each) > 3 else None,
            }
        )


def flush(tx: Tx) -> Iterable[str]:
    """Write what was recorded, the last thing before the commit. The groups in which something changed."""
    by_group: dict[str, list[dict[str, Any]]] = {}
    for row in tx.log:
        by_group.setdefault(row["g"], []).append(row)
    for group, rows in by_group.items():
        tx.run(_ADVANCE, g=group, new_seq=tx.heads[group], new_changed_at=rows[-1]["at"])
        start = 0
        for size in _SIZES:
            while len(rows) - start >= size:
                values = {f"{name}_{n}": rows[start + n][name] for n in range(size) for name in _COLUMNS}
                tx.run(_append(size), g=group, **values)
                start += size
    tx.log.clear()
    return by_group


def head(snapshot: Snapshot, group: str) -> int:
    """The number of the group's last change; 0 where there is no such group."""
    row = snapshot.one(_HEAD, g=group)
    return row[0] if row else 0


def since(snapshot: Snapshot, group: str, seq: int, at_most: int) -> list[Change]:
    """The changes that follow the number `seq`, oldest first."""
    return [Change(*row) for row in snapshot.all(_SINCE, g=group, since=seq, at_most=at_most)]
