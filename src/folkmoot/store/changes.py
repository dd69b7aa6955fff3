"""The change log: what happened in each group, in order and without gaps. Written with what it tells of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from sqlalchemy import Select, and_, bindparam, cast, func, insert, literal, select, update

from folkmoot.model import Change
from folkmoot.store import schema as s
from folkmoot.store.db import Evidence, Row, Snapshot, Statement, Tx
from folkmoot.store.held import Several

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
# What was touched in a stretch of the log. Numbers are without gaps, so a stretch of them is so many rows at most,
# however few of them are told. What was forwarded has not changed.
_touched = (
    select(_c.item, _c.parent, func.max(_c.seq))
    .where(
        _c.group_id == bindparam("g"),
        _c.seq > bindparam("since"),
        _c.seq <= bindparam("upto"),
        _c.noun == bindparam("noun"),
        _c.kind != literal("forwarded"),
    )
    .group_by(_c.item, _c.parent)
    .order_by(func.max(_c.seq))
    .limit(bindparam("at_most"))
)
_TOUCHED = Statement(_touched)
_TOUCHED_WITHIN = Statement(_touched.where(_c.parent == bindparam("parent")))
_HEAD = Statement(select(s.sequences.c.seq).where(s.sequences.c.group_id == bindparam("g")))
_BEGIN = Statement(insert(s.sequences), keeps_memo=True)
_ADVANCE = Statement(
    update(s.sequences)
    .where(s.sequences.c.group_id == bindparam("g"))
    .values(seq=bindparam("new_seq"), changed_at=bindparam("new_changed_at")),
    keeps_memo=True,
)
_LINE = Statement(
    select(_c.seq).where(_c.group_id == bindparam("g"), _c.seq == bindparam("seq"), _c.item == bindparam("item"))
)
_COLUMNS = ("seq", "at", "kind", "noun", "item", "by", "parent")
_AT, _KIND, _NOUN, _ITEM = (_COLUMNS.index(name) for name in ("at", "kind", "noun", "item"))
_MADE = ("post", "thread", "conversation", "attachment")
_LINES = Several(s.changes, 6)

_p, _t = s.posts.c, s.threads.c
_THREADS_OF_CONVERSATION = and_(_t.group_id == bindparam("g"), _t.conversation_id == bindparam("c"))
_POSTS_OF_THREAD = and_(_p.group_id == bindparam("g"), _p.thread_id == bindparam("t"))
_POSTS_OF_CONVERSATION = and_(
    _p.group_id == bindparam("g"),
    _p.thread_id.in_(select(_t.id).where(_THREADS_OF_CONVERSATION).scalar_subquery()),
)


def _deleted(noun: Noun, of: Any, parent: Any, which: Any) -> tuple[Statement, Statement]:
    """How many items there are, and a line that each was deleted, numbered on from `head` in the order of their ids."""
    told: Select[Any] = select(
        of.group_id,
        (bindparam("head", type_=_c.seq.type) + func.row_number().over(order_by=of.id)).label("seq"),
        bindparam("at", type_=_c.at.type).label("at"),
        literal("deleted", _c.kind.type).label("kind"),
        literal(noun, _c.noun.type).label("noun"),
        of.id,
        cast(bindparam("by"), _c.by.type).label("by"),
        parent.label("parent"),
    ).where(which)
    return (
        Statement(select(func.count()).where(which)),
        Statement(insert(s.changes).from_select(["group_id", *_COLUMNS], told), keeps_memo=True),
    )


_DELETED_POSTS_OF_THREAD = _deleted("post", _p, _p.thread_id, _POSTS_OF_THREAD)
_DELETED_POSTS_OF_CONVERSATION = _deleted("post", _p, _p.thread_id, _POSTS_OF_CONVERSATION)
_DELETED_THREADS_OF_CONVERSATION = _deleted("thread", _t, _t.conversation_id, _THREADS_OF_CONVERSATION)


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
    seq, at = tx.heads[group], tx.now
    lines = tx.log.setdefault(group, [])
    for each in happened:
        seq += 1
        lines.append((seq, at, each[0], each[1], each[2], by, each[3] if len(each) > 3 else None))
    tx.heads[group] = seq


def record_thread_goes(tx: Tx, group: str, by: str | None, thread: str) -> None:
    """Append that each post of a thread is deleted. Called before they are; `record` tells of the thread itself."""
    _record_deleted(tx, group, by, _DELETED_POSTS_OF_THREAD, t=thread)


def record_conversation_goes(tx: Tx, group: str, by: str | None, conversation: str) -> None:
    """Append that each post, then each thread of a conversation is deleted. As `record_thread_goes`."""
    _record_deleted(tx, group, by, _DELETED_POSTS_OF_CONVERSATION, c=conversation)
    _record_deleted(tx, group, by, _DELETED_THREADS_OF_CONVERSATION, c=conversation)


def _record_deleted(tx: Tx, group: str, by: str | None, statements: tuple[Statement, Statement], **which: str) -> None:
    # There may be very many, so the database copies them; their numbers are taken here, in the order of the others.
    count, append = statements
    found = tx.one(count, g=group, **which)
    if found is None or not found[0]:
        return
    tx.run(append, g=group, head=tx.heads[group], at=tx.now, by=by, **which)
    tx.heads[group] += found[0]


def flush(tx: Tx) -> Iterable[str]:
    """Write what was recorded, the last thing before the commit. The groups in which something changed."""
    log, tx.log = tx.log, {}
    for group, lines in log.items():
        tx.run(_ADVANCE, g=group, new_seq=tx.heads[group], new_changed_at=lines[-1][_AT])
    for group, lines in log.items():
        tx.held.extend(_LINES, group, lines)
        tx.evidence = tx.evidence or _evidence(group, lines)
    tx.let_go()
    return log.keys()


def _evidence(group: str, lines: Iterable[Row]) -> Evidence | None:
    """A line of an item whose id was made for it, so that no other transaction can have written the same."""
    return next(
        ((group, line[0], line[_ITEM]) for line in lines if line[_KIND] == "created" and line[_NOUN] in _MADE), None
    )


def told(evidence: Evidence) -> tuple[str, dict[str, Any]]:
    """What finds the line on PostgreSQL: a statement's text, and its parameters."""
    group, seq, item = evidence
    return _LINE.compiled("postgresql")[0], {"g": group, "seq": seq, "item": item}


def head(snapshot: Snapshot, group: str) -> int:
    """The number of the group's last change; 0 where there is no such group."""
    row = snapshot.one(_HEAD, g=group)
    return row[0] if row else 0


def since(snapshot: Snapshot, group: str, seq: int, at_most: int) -> list[Change]:
    """The changes that follow the number `seq`, oldest first."""
    return [Change(*row) for row in snapshot.all(_SINCE, g=group, since=seq, at_most=at_most)]


def touched(
    snapshot: Snapshot, group: str, noun: Noun, parent: str | None, since: int, upto: int, at_most: int
) -> list[tuple[str, str, int]]:
    """What was created, updated or deleted after the number `since` up to `upto`: id, parent, number of its last.

    Only what is part of `parent`, where that is given. In the order of those numbers, and `at_most` so many: what was
    changed again later in the stretch comes later, so whoever goes on behind the last one misses nothing.
    """
    within = {} if parent is None else {"parent": parent}
    rows = snapshot.all(
        _TOUCHED_WITHIN if within else _TOUCHED, g=group, noun=noun, since=since, upto=upto, at_most=at_most, **within
    )
    return [(item, above or "", seq) for item, above, seq in rows]
