"""The log of the directory: what happened to users and groups, in the order of the commits. Delta reads it.

Rows are numbered when a transaction ends, under the lock of the one row that counts: numbers are therefore in the order
of the commits, and nobody who has read up to a number misses a lower one that is committed later. As the last lock that
a transaction takes, it cannot be part of a deadlock.
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy import bindparam, delete, insert, literal, or_, select, update

from folkmoot.model import Change
from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement, Tx
from folkmoot.store.wake import DIRECTORY

Kind = Literal["group", "user"]

# The cloud's tokens of the directory live seven days. Rows are kept a day longer, so that clocks of several servers
# need not agree to the second.
TOKEN_SECONDS = 7 * 86_400
KEPT_SECONDS = 8 * 86_400

_c = s.directory_changes.c
_HEAD = Statement(select(s.directory_sequence.c.seq))
_FIRST = Statement(select(_c.seq).order_by(_c.seq).limit(1))
_HEAD_TO_WRITE = Statement(select(s.directory_sequence.c.seq).with_for_update())
_BEGIN = Statement(insert(s.directory_sequence), keeps_memo=True)
_ADVANCE = Statement(update(s.directory_sequence).values(seq=bindparam("new_seq")), keeps_memo=True)
_APPEND = Statement(insert(s.directory_changes), keeps_memo=True)
# From the lower end, as `follows` needs it: what a clock that was behind wrote between others stays as long as these.
_KEPT = select(_c.seq).where(_c.at >= bindparam("before")).order_by(_c.seq).limit(1).scalar_subquery()
_PRUNE = Statement(
    delete(s.directory_changes).where(_c.at < bindparam("before"), _c.seq < _KEPT),
    keeps_memo=True,
)

_between = (_c.seq > bindparam("since"), _c.seq <= bindparam("high"))
_TOUCHED = Statement(
    select(_c.object_id)
    .where(_c.object_type == bindparam("kind"), *_between)
    .group_by(_c.object_id)
    .order_by(_c.object_id)
)
_OF_OBJECT = Statement(
    select(_c.aspect, _c.related)
    .where(_c.object_type == bindparam("kind"), *_between, _c.object_id == bindparam("object"))
    .order_by(_c.seq)
)
_ABOUT = Statement(select(_c.object_id, _c.aspect).where(_c.related == bindparam("object"), *_between))
_SINCE = Statement(
    select(_c.seq, _c.at, _c.aspect, _c.object_type, _c.object_id, _c.related)
    .where(_c.seq > bindparam("since"))
    .order_by(_c.seq)
    .limit(bindparam("at_most"))
)
_BEFORE_PURGE = Statement(
    select(_c.aspect).where(
        *(_c.object_type == literal("group"), _c.object_id == bindparam("object"), _c.at == bindparam("at")),
        or_(_c.related == bindparam("related"), _c.aspect == literal("visibility")),
    )
)


def note(tx: Tx, kind: Kind, object_id: str, *aspects: str, related: str | None = None) -> None:
    """Append that `aspects` of an object changed: names of properties, or what else `directory_changes` tells of."""
    tx.wrote = True
    tx.directory_log += (
        {"at": tx.now, "object_type": kind, "object_id": object_id, "aspect": aspect, "related": related}
        for aspect in aspects
    )


def flush(tx: Tx) -> bool:
    """Number and write what was noted, the last thing before the commit. Whether there was anything."""
    if not tx.directory_log:
        return False
    row = tx.one(_HEAD_TO_WRITE)
    if row is None:
        tx.run(_BEGIN, id=1, seq=0)
    seq = row[0] if row else 0
    for each in tx.directory_log:
        seq += 1
        tx.run(_APPEND, seq=seq, **each)
    tx.run(_ADVANCE, new_seq=seq)
    tx.run(_PRUNE, before=tx.now - KEPT_SECONDS)
    tx.directory_log.clear()
    return True


def head(snapshot: Snapshot) -> int:
    """The number of the last change in the directory."""
    row = snapshot.one(_HEAD)
    return row[0] if row else 0


def follows(snapshot: Snapshot, seq: int) -> bool:
    """Whether the log has all that follows the number `seq`: that was given out, and no later one is gone.

    Retention keeps what tokens need; a restore begins the log anew, and then no older number will do.
    """
    last = head(snapshot)
    if seq >= last:
        return seq == last
    row = snapshot.one(_FIRST)
    return row is not None and row[0] <= seq + 1


def touched(snapshot: Snapshot, kind: Kind, since: int, high: int) -> list[str]:
    """Ids of the objects of a kind that changed after the number `since` up to `high`, in order."""
    return [row[0] for row in snapshot.all(_TOUCHED, kind=kind, since=since, high=high)]


def of_object(snapshot: Snapshot, kind: Kind, object_id: str, since: int, high: int) -> list[tuple[str, str | None]]:
    """(aspect, related object) of each change of an object in that range, oldest first."""
    return [(row[0], row[1]) for row in snapshot.all(_OF_OBJECT, kind=kind, object=object_id, since=since, high=high)]


def about(snapshot: Snapshot, object_id: str, since: int, high: int) -> set[str]:
    """Ids of the groups in which the object won or lost a role in that range."""
    return {row[0] for row in snapshot.all(_ABOUT, object=object_id, since=since, high=high)}


def since(snapshot: Snapshot, seq: int, at_most: int) -> list[Change]:
    """The changes that follow the number `seq`, oldest first, in the shape of a group's.

    Their `group` is `wake.DIRECTORY`, their `kind` the aspect, their `parent` the related object; `by` nobody knows.
    """
    rows = snapshot.all(_SINCE, since=seq, at_most=at_most)
    return [Change(DIRECTORY, row[0], row[1], row[2], row[3], row[4], None, row[5]) for row in rows]


def before_purge(snapshot: Snapshot, purge: Change, object_id: str) -> tuple[bool, bool]:
    """Of a group that a change says is gone for good: whether it was public, and whether an object had a role in it."""
    rows = snapshot.all(_BEFORE_PURGE, object=purge.item, at=purge.at, related=object_id)
    aspects = {row[0] for row in rows}
    return "visibility" in aspects, not aspects.isdisjoint(("member", "owner"))
