"""Rows of `deliveries`: each attempt to tell a subscription of something. Ids are in the order of time."""

from __future__ import annotations

from typing import Literal

import msgspec
from sqlalchemy import bindparam, insert, select

from folkmoot.model import Delivery
from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement, Tx

_d = s.deliveries.c
_COLUMNS = tuple(_d)
# Above every id: where the newest page begins.
_NEWEST = "ffffffff-ffff-ffff-ffff-ffffffffffff"

_OF_SUBSCRIPTION = select(*_COLUMNS).where(_d.subscription_id == bindparam("subscription"))
_ONE = Statement(_OF_SUBSCRIPTION.where(_d.id == bindparam("id")))
_PAGE = Statement(_OF_SUBSCRIPTION.where(_d.id < bindparam("before")).order_by(_d.id.desc()).limit(bindparam("n")))
_ADD = Statement(insert(s.deliveries), keeps_memo=True)


def add(tx: Tx, delivery: Delivery) -> None:
    """Append an attempt as it is."""
    values = msgspec.structs.asdict(delivery)
    values["subscription_id"] = values.pop("subscription")
    values["group_id"] = values.pop("group")
    tx.run(_ADD, **values)


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
    """Append an attempt that ends now. `seqs`: the first and the last change of the `group` that it told of.

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


def one(snapshot: Snapshot, subscription: str, id: str) -> Delivery | None:
    """An attempt of a subscription, or None."""
    row = snapshot.one(_ONE, subscription=subscription, id=id)
    return _read(row) if row else None


def page(snapshot: Snapshot, subscription: str, before: str | None, at_most: int) -> list[Delivery]:
    """Up to `at_most` attempts of a subscription, newest first: those older than the attempt `before`."""
    return [_read(row) for row in snapshot.all(_PAGE, subscription=subscription, before=before or _NEWEST, n=at_most)]


def _read(row: tuple[object, ...]) -> Delivery:
    values = dict(zip((column.name for column in _COLUMNS), row, strict=True))
    values["subscription"] = values.pop("subscription_id")
    values["group"] = values.pop("group_id")
    return Delivery(**values)  # type: ignore[arg-type]
