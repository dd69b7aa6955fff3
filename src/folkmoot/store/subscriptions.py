"""Rows of `subscriptions`: who is to be told of changes. They belong to a subscriber, and cross groups."""

from __future__ import annotations

from typing import cast

import msgspec
from sqlalchemy import bindparam, insert, select

from folkmoot.model import ChangeType, Subscription
from folkmoot.store import schema as s
from folkmoot.store.db import Row, Snapshot, Statement, Tx

_c = s.subscriptions.c
COLUMNS = tuple(_c)

_ONE = Statement(select(*COLUMNS).where(_c.id == bindparam("id")))
_ADD = Statement(insert(s.subscriptions), keeps_memo=True)
_ADD_CURSOR = Statement(insert(s.subscription_cursors), keeps_memo=True)


def read(row: Row) -> Subscription:
    """The subscription of a row of `COLUMNS`."""
    given = dict(zip((column.name for column in COLUMNS), row, strict=True))
    given["group"] = given.pop("group_id")
    given["change_types"] = cast(tuple[ChangeType, ...], tuple(given.pop("change_type").split(",")))
    given["include_resource_data"] = bool(given["include_resource_data"])
    return Subscription(**given)


def one(snapshot: Snapshot, id: str) -> Subscription | None:
    """The subscription with this id, also one that has expired."""
    row = snapshot.one(_ONE, id=id)
    return read(row) if row else None


def add(tx: Tx, subscription: Subscription, *, group: str | None, seq: int) -> None:
    """Insert a subscription. Where it is about one group (or `wake.DIRECTORY`), it is told what follows `seq` there."""
    values = msgspec.structs.asdict(subscription)
    values["group_id"] = values.pop("group")
    values["change_type"] = ",".join(values.pop("change_types"))
    tx.run(_ADD, **values)
    if group is not None:
        tx.run(_ADD_CURSOR, group_id=group, subscription_id=subscription.id, seq=seq)
