"""Writes the delivery log: each attempt to notify, for each subscription that it was about."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import insert

from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Tx

_ADD = Statement(insert(s.deliveries), keeps_memo=True)


def record(
    tx: Tx,
    subscription: str,
    *,
    endpoint: str,
    kind: Literal["notification", "lifecycle", "replay"],
    group: str | None,
    seqs: tuple[int | None, int | None],
    notifications: int,
    status: int | None,
    milliseconds: int,
    error: str | None,
) -> None:
    """Append an attempt. `seqs`: the first and the last change of the `group` that it told of.

    Without a `status` there was no answer, or nothing was sent; `error` says why.
    """
    tx.run(
        _ADD,
        subscription_id=subscription,
        id=tx.new_id(),
        at=tx.instant,
        endpoint=endpoint,
        kind=kind,
        group_id=group,
        first_seq=seqs[0],
        last_seq=seqs[1],
        notifications=notifications,
        status=status,
        milliseconds=milliseconds,
        error=error,
    )
