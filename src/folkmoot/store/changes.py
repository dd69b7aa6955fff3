"""The change log: what happened in each group, in order and without gaps. Written with what it tells of."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import bindparam, insert, update

from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Tx

Kind = Literal["created", "updated", "deleted", "forwarded"]
Noun = Literal["group", "member", "owner", "conversation", "thread", "post"]

_ADVANCE = Statement(
    update(s.sequences).where(s.sequences.c.group_id == bindparam("g")).values(seq=bindparam("new_seq"))
)
_APPEND = Statement(insert(s.changes))


def record(tx: Tx, group: str, seq: int, by: str | None, *happened: tuple[Kind, Noun, str]) -> None:
    """Append `happened` (kind, noun, id) to the group's log after its change number `seq`.

    The caller holds the group's row in `sequences`, so that numbers are in the order of the commits.
    """
    tx.run(_ADVANCE, g=group, new_seq=seq + len(happened))
    tx.run_many(
        _APPEND,
        [
            {"group_id": group, "seq": seq + n, "at": tx.now, "kind": kind, "noun": noun, "item": item, "by": by}
            for n, (kind, noun, item) in enumerate(happened, 1)
        ],
    )
