"""The change log: what happened in each group, in order and without gaps. Written with what it tells of."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import BindParameter, bindparam, insert, update

from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Tx

Kind = Literal["created", "updated", "deleted", "forwarded"]
Noun = Literal["group", "member", "owner", "conversation", "thread", "post"]

_ADVANCE = Statement(
    update(s.sequences).where(s.sequences.c.group_id == bindparam("g")).values(seq=bindparam("new_seq"))
)


@lru_cache(maxsize=16)
def _append(count: int) -> Statement:
    """An insert of `count` rows: one statement, since each costs PostgreSQL's driver as much as its parameters."""
    each = ("at", "kind", "noun", "item", "by")
    rows: list[dict[str, BindParameter[Any]]] = [
        {"group_id": bindparam("g"), **{name: bindparam(f"{name}_{n}") for name in ("seq", *each)}}
        for n in range(count)
    ]
    return Statement(insert(s.changes).values(rows))


def record(tx: Tx, group: str, seq: int, by: str | None, *happened: tuple[Kind, Noun, str]) -> None:
    """Append `happened` (kind, noun, id) to the group's log after its change number `seq`.

    The caller holds the group's row in `sequences`, so that numbers are in the order of the commits.
    """
    tx.run(_ADVANCE, g=group, new_seq=seq + len(happened))
    values: dict[str, object] = {"g": group}
    for n, (kind, noun, item) in enumerate(happened):
        values[f"seq_{n}"] = seq + n + 1
        values[f"at_{n}"] = tx.now
        values[f"kind_{n}"] = kind
        values[f"noun_{n}"] = noun
        values[f"item_{n}"] = item
        values[f"by_{n}"] = by
    tx.run(_append(len(happened)), **values)
