"""Rows of `subscriptions`: who is to be told of changes. They belong to a subscriber, and cross groups."""

from __future__ import annotations

from typing import cast

import msgspec
from sqlalchemy import bindparam, delete, func, insert, literal, null, or_, select, update

from folkmoot.model import ChangeType, Subscription
from folkmoot.store import schema as s
from folkmoot.store.db import Row, Snapshot, Statement, Tx
from folkmoot.store.wake import DIRECTORY

_c = s.subscriptions.c
COLUMNS = tuple(_c)

_ONE = Statement(select(*COLUMNS).where(_c.id == bindparam("id")))
_PAGE = Statement(select(*COLUMNS).where(_c.id > bindparam("after")).order_by(_c.id).limit(bindparam("n")))
_ADD = Statement(insert(s.subscriptions), keeps_memo=True)
# What is not given stays as it is now, which may be another than was read: somebody else may have changed it meanwhile.
_CHANGE = Statement(
    update(s.subscriptions)
    .where(_c.id == bindparam("b_id"))
    .values(
        expires_at=func.coalesce(bindparam("new_expires_at", type_=_c.expires_at.type), _c.expires_at),
        certificate=func.coalesce(bindparam("new_certificate", type_=_c.certificate.type), _c.certificate),
        certificate_id=func.coalesce(bindparam("new_certificate_id", type_=_c.certificate_id.type), _c.certificate_id),
        by_grant=bindparam("new_by_grant"),
    ),
    keeps_memo=True,
)
_CALM = Statement(
    update(s.subscriptions).where(_c.id == bindparam("b_id")).values(reminded_at=null(), paused_at=null()),
    keeps_memo=True,
)
_REMOVE = Statement(delete(s.subscriptions).where(_c.id == bindparam("b_id")), keeps_memo=True)
# Where its places in the logs are: in one group's, in the directory's, or in those of all groups.
_LANES_OF = Statement(select(_c.group_id, _c.watched).where(_c.id == bindparam("id")))
_cursors = s.subscription_cursors
_REMOVE_CURSOR = Statement(
    delete(_cursors).where(_cursors.c.group_id == bindparam("g"), _cursors.c.subscription_id == bindparam("b_id")),
    keeps_memo=True,
)
REMOVE_CURSORS = Statement(delete(_cursors).where(_cursors.c.subscription_id == bindparam("b_id")), keeps_memo=True)
_OF_DIRECTORY = ("group", "user")
# Those to all groups have a place in each, which takes longer: the notifier removes them.
_EXPIRED = Statement(
    select(_c.id)
    .where(
        _c.expires_at <= bindparam("now"),
        or_(_c.group_id.is_not(null()), _c.watched.in_([literal(noun) for noun in _OF_DIRECTORY])),
    )
    .order_by(_c.expires_at)
    .limit(bindparam("n"))
)
_END = Statement(
    update(s.subscriptions)
    .where(_c.application == bindparam("which"), _c.expires_at > bindparam("now"))
    .values(expires_at=bindparam("now")),
    keeps_memo=True,
)
# Counted only as far as matters.
_OF_APPLICATION = Statement(
    select(func.count()).select_from(
        select(_c.id)
        .where(_c.application == bindparam("application"), _c.expires_at > bindparam("now"))
        .limit(bindparam("n"))
        .subquery()
    )
)
_OF_GROUP = Statement(
    select(func.count()).select_from(
        select(_c.id)
        .where(_c.group_id == bindparam("g"), _c.expires_at > bindparam("now"))
        .limit(bindparam("n"))
        .subquery()
    )
)
_ADD_CURSOR = Statement(insert(s.subscription_cursors), keeps_memo=True)


def read(row: Row) -> Subscription:
    """The subscription of a row of `COLUMNS`."""
    given = dict(zip((column.name for column in COLUMNS), row, strict=True))
    given["group"] = given.pop("group_id")
    given["change_types"] = cast(tuple[ChangeType, ...], tuple(given.pop("change_type").split(",")))
    given["include_resource_data"] = bool(given["include_resource_data"])
    given["by_grant"] = bool(given["by_grant"])
    return Subscription(**given)


def one(snapshot: Snapshot, id: str) -> Subscription | None:
    """The subscription with this id, also one that has expired."""
    row = snapshot.one(_ONE, id=id)
    return read(row) if row else None


def page(snapshot: Snapshot, after: str | None, at_most: int) -> list[Subscription]:
    """Up to `at_most` subscriptions of anybody's after the id `after`, oldest first, also those that have expired."""
    after = after or "00000000-0000-0000-0000-000000000000"
    return [read(row) for row in snapshot.all(_PAGE, after=after, n=at_most)]


def add(tx: Tx, subscription: Subscription, *, group: str | None, seq: int) -> None:
    """Insert a subscription. Where it is about one group (or `wake.DIRECTORY`), it is told what follows `seq` there."""
    values = msgspec.structs.asdict(subscription)
    values["group_id"] = values.pop("group")
    values["change_type"] = ",".join(values.pop("change_types"))
    tx.run(_ADD, **values)
    if group is not None:
        tx.run(_ADD_CURSOR, group_id=group, subscription_id=subscription.id, seq=seq)


def change(
    tx: Tx,
    id: str,
    *,
    by_grant: bool,
    expires_at: int | None = None,
    certificate: str | None = None,
    certificate_id: str | None = None,
) -> None:
    """Store what of a subscription can change; None leaves it."""
    tx.run(
        _CHANGE,
        b_id=id,
        new_expires_at=expires_at,
        new_certificate=certificate,
        new_certificate_id=certificate_id,
        new_by_grant=by_grant,
    )


def calm(tx: Tx, id: str) -> None:
    """Take back that its owner was reminded, and that it is paused."""
    tx.run(_CALM, b_id=id)


def remove(tx: Tx, id: str) -> None:
    """Delete a subscription and its place in the logs. What was delivered is still told of."""
    found = tx.one(_LANES_OF, id=id)
    if found is None:
        return
    # The subscription first: whoever removes it, too, waits here. And Citus refuses to write what lies on every node
    # once something was done on all of them at a time.
    tx.run(_REMOVE, b_id=id)
    group = DIRECTORY if found[1] in _OF_DIRECTORY else found[0]
    if group is None:
        tx.run(REMOVE_CURSORS, b_id=id)
    else:
        tx.run(_REMOVE_CURSOR, g=group, b_id=id)


def remove_expired(tx: Tx, now: int, at_most: int) -> None:
    """Delete up to `at_most` of the subscriptions that ended before `now`, in microseconds; none to all groups."""
    for (id,) in tx.all(_EXPIRED, now=now, n=at_most):
        remove(tx, id)


def end(tx: Tx, application: str, now: int) -> None:
    """Let all subscriptions of an application expire at `now` (microseconds): none is told anything from then on."""
    tx.run(_END, which=application, now=now)


def of_application(snapshot: Snapshot, application: str, now: int, at_most: int) -> int:
    """How many subscriptions an application has at `now` (microseconds), counted up to `at_most`."""
    row = snapshot.one(_OF_APPLICATION, application=application, now=now, n=at_most)
    return row[0] if row else 0


def of_group(snapshot: Snapshot, group: str, now: int, at_most: int) -> int:
    """How many subscriptions are about one group alone at `now` (microseconds), counted up to `at_most`."""
    row = snapshot.one(_OF_GROUP, g=group, now=now, n=at_most)
    return row[0] if row else 0
