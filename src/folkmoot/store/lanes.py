"""How far each subscription has been told of each group: the rows of `subscription_cursors`, and what is behind.

A lane is a subscription in one group. These statements cross groups, since a subscriber follows several; each begins at
the lanes of a URL, or at the groups that changed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import Select, and_, bindparam, delete, func, literal, null, or_, select, update
from sqlalchemy.sql import ColumnElement

from folkmoot.model import Subscription
from folkmoot.store import directory_log, subscriptions
from folkmoot.store import schema as s
from folkmoot.store.db import Row, Snapshot, Statement, Tx
from folkmoot.store.dialect import AnyOf, InsertUnlessThere
from folkmoot.store.wake import DIRECTORY
from folkmoot.store.watch import OVERLAP_SECONDS

_s, _c, _q = s.subscriptions.c, s.subscription_cursors.c, s.sequences.c

# An index row in a page; of a URL with more lanes that are behind, the others come with the next page.
LANES = 2000
# Microseconds of a second: `subscriptions` keep moments as the wire has them.
MICRO = 1_000_000

_lives = _s.expires_at > bindparam("now")
_of_subscription = _s.id == _c.subscription_id


def _behind(*columns: ColumnElement[Any], directory: bool) -> Select[Any]:
    """Lanes of living subscriptions that end before their group's last change does; the directory's is `head`."""
    source = s.subscription_cursors.join(s.subscriptions, _of_subscription)
    if directory:
        in_directory = (_c.group_id == literal(DIRECTORY, s.GUID), _c.seq < bindparam("head"))
        return select(*columns).select_from(source).where(_lives, *in_directory)
    source = source.join(s.sequences, _q.group_id == _c.group_id)
    return select(*columns).select_from(source).where(_lives, _c.seq < _q.seq)


_PAIR = (_s.notification_url, _c.group_id)
_IN_GROUPS = Statement(_behind(*_PAIR, directory=False).where(AnyOf(_c.group_id, "groups")).distinct())
_LATELY = Statement(
    _behind(*_PAIR, directory=False).where(_q.changed_at >= bindparam("since")).distinct().limit(bindparam("at_most"))
)
_ANYWHERE = Statement(_behind(*_PAIR, directory=False).distinct().limit(bindparam("at_most")))
_IN_DIRECTORY = Statement(_behind(*_PAIR, directory=True).distinct())

_LANE = (_c.group_id, _c.subscription_id, _c.seq)
_at_url = _s.notification_url == bindparam("url")
# Those last that may have to stay where they are: they would be in the way of the others.
_of_url = _behind(*_LANE, _q.seq, directory=False).where(_at_url).order_by(_s.paused_at.is_not(null()))
_OF_URL = Statement(_of_url.limit(bindparam("at_most")))
_OF_URL_IN = Statement(_of_url.where(AnyOf(_c.group_id, "groups")).limit(bindparam("at_most")))
_OF_URL_IN_DIRECTORY = Statement(_behind(*_LANE, directory=True).where(_at_url).limit(bindparam("at_most")))
_SUBSCRIPTIONS = Statement(select(*subscriptions.COLUMNS).where(AnyOf(_s.id, "ids")))

# Subscriptions to all groups that have no lane in one that changed.
_NEW = (
    select(_q.group_id, _s.id, _s.created_at)
    .select_from(s.sequences.join(s.subscriptions, _s.group_id.is_(null())))
    .where(
        _lives,
        # Clocks of several servers may differ.
        (_q.changed_at + literal(OVERLAP_SECONDS)) * literal(MICRO) >= _s.created_at,
        _s.watched.in_([literal(noun) for noun in ("conversation", "thread", "post")]),
        ~select(literal(1)).where(_c.group_id == _q.group_id, _c.subscription_id == _s.id).exists(),
    )
    .limit(bindparam("at_most"))
)
_NEW_IN = Statement(_NEW.where(AnyOf(_q.group_id, "groups")))
_NEW_LATELY = Statement(_NEW.where(_q.changed_at >= bindparam("since")))
_BEFORE = Statement(
    select(s.changes.c.seq)
    .where(s.changes.c.group_id == bindparam("g"), s.changes.c.at < bindparam("at"))
    .order_by(s.changes.c.seq.desc())
    .limit(1)
)
_THERE = Statement(select(_s.id).where(_s.id == bindparam("which")))
_ADD = Statement(InsertUnlessThere(s.subscription_cursors), keeps_memo=True)
_MOVE = Statement(
    update(s.subscription_cursors)
    .where(
        _c.group_id == bindparam("g"),
        _c.subscription_id == bindparam("subscription"),
        _c.seq >= bindparam("old"),
        _c.seq < bindparam("new"),
    )
    .values(seq=bindparam("new")),
    keeps_memo=True,
)

_EXPIRED = Statement(select(_s.id).where(_s.expires_at <= bindparam("now")).limit(bindparam("at_most")))
# A subscription lies on every node of a cluster: writing it is what locks it on all of them.
_still_expired = (_s.id == bindparam("which"), _s.expires_at <= bindparam("now"))
_TAKE = Statement(update(s.subscriptions).where(*_still_expired).values(missed_at=_s.missed_at), keeps_memo=True)
_STILL_EXPIRED = Statement(select(_s.id).where(*_still_expired))
_HAS_LANES = Statement(select(_c.group_id).where(_c.subscription_id == bindparam("which")).limit(bindparam("at_most")))
_DROP_LANES = Statement(
    delete(s.subscription_cursors).where(AnyOf(_c.group_id, "groups"), _c.subscription_id == bindparam("which")),
    keeps_memo=True,
)
_DROP = Statement(delete(s.subscriptions).where(_s.id == bindparam("which")), keeps_memo=True)

_reminded = and_(_s.reminded_at.is_(null()), or_(_s.paused_at.is_not(null()), _s.expires_at <= bindparam("soon")))
_warned = or_(_s.missed_at.is_not(null()), _reminded)
_TO_WARN = Statement(
    select(*subscriptions.COLUMNS)
    .where(_s.lifecycle_url == bindparam("url"), _lives, _warned)
    .order_by(_s.id)
    .limit(bindparam("at_most"))
)
# One for each index: the function, "+ 0" and "> 0" have SQLite choose it.
_has_url = (func.length(_s.lifecycle_url) > literal(0), _s.expires_at + literal(0) > bindparam("now"))
_WARN_URLS = tuple(
    Statement(select(_s.lifecycle_url).where(*_has_url, condition).limit(bindparam("at_most")))
    for condition in (
        _s.missed_at > literal(0),
        (_s.paused_at > literal(0)) & _s.reminded_at.is_(null()),
        (_s.expires_at <= bindparam("soon")) & _s.reminded_at.is_(null()),
    )
)
_which = _s.id == bindparam("which")
_REMINDED = Statement(
    update(s.subscriptions)
    .where(
        _which,
        _s.expires_at == bindparam("ends"),
        func.coalesce(_s.paused_at, literal(0))
        == func.coalesce(bindparam("paused", type_=_s.paused_at.type), literal(0)),
    )
    .values(reminded_at=bindparam("at")),
    keeps_memo=True,
)
_MISSED = Statement(update(s.subscriptions).where(_which).values(missed_at=bindparam("at")), keeps_memo=True)
_KNOWS = Statement(
    update(s.subscriptions).where(_which, _s.missed_at == bindparam("told")).values(missed_at=null()), keeps_memo=True
)
_PAUSE = Statement(
    update(s.subscriptions)
    .where(_which, _s.paused_at.is_(null()))
    .values(paused_at=bindparam("at"), reminded_at=null()),
    keeps_memo=True,
)
_RESUME = Statement(update(s.subscriptions).where(_which).values(paused_at=null(), reminded_at=null()), keeps_memo=True)


class Lane(msgspec.Struct, frozen=True):
    """A subscription in one group that has changes which it was not told of: those after `seq`, up to `head`."""

    group: str
    subscription: str
    seq: int
    head: int

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others, and their order."""
        return self.group, self.subscription


def _array(ids: Iterable[str]) -> str:
    return json.dumps(sorted(ids))


# ── what is behind ───────────────────────────────────────────────────────────────────────────────────────────────────


def urls_in(snapshot: Snapshot, groups: Collection[str]) -> list[tuple[str, str]]:
    """(URL, group) of the lanes that are behind in these groups; `wake.DIRECTORY` may be one of them."""
    now = _now(snapshot)
    found = snapshot.all(_IN_GROUPS, groups=_array(groups), now=now)
    if DIRECTORY in groups:
        found += snapshot.all(_IN_DIRECTORY, now=now, head=directory_log.head(snapshot))
    return [(row[0], row[1]) for row in found]


def urls_lately(snapshot: Snapshot, since: int | None, at_most: int) -> list[tuple[str, str]]:
    """(URL, group) of up to `at_most` lanes that are behind in groups that changed since then; None: ever."""
    now = _now(snapshot)
    if since is None:
        found = snapshot.all(_ANYWHERE, now=now, at_most=at_most)
    else:
        found = snapshot.all(_LATELY, since=since, now=now, at_most=at_most)
    found += snapshot.all(_IN_DIRECTORY, now=now, head=directory_log.head(snapshot))
    return [(row[0], row[1]) for row in found]


def of_url(snapshot: Snapshot, url: str, groups: Collection[str] | None) -> list[Lane]:
    """The lanes of a URL that are behind, in these groups or (None) anywhere: `LANES` at most, in their order."""
    now = _now(snapshot)
    if groups is None:
        found = snapshot.all(_OF_URL, url=url, now=now, at_most=LANES)
    else:
        found = snapshot.all(_OF_URL_IN, url=url, groups=_array(groups), now=now, at_most=LANES)
    if groups is None or DIRECTORY in groups:
        head = directory_log.head(snapshot)
        behind = snapshot.all(_OF_URL_IN_DIRECTORY, url=url, now=now, head=head, at_most=LANES)
        found += [(*row, head) for row in behind]
    return sorted((Lane(*row) for row in found), key=lambda lane: lane.key)


def subscriptions_of(snapshot: Snapshot, ids: Collection[str]) -> dict[str, Subscription]:
    """The subscriptions with these ids."""
    rows: list[Row] = snapshot.all(_SUBSCRIPTIONS, ids=_array(ids))
    return {row[0]: subscriptions.read(row) for row in rows}


def _now(snapshot: Snapshot) -> int:
    return int(snapshot.instant * MICRO)


# ── lanes of subscriptions to all groups ─────────────────────────────────────────────────────────────────────────────


def missing(
    snapshot: Snapshot, groups: Collection[str] | None, since: int | None, at_most: int
) -> list[tuple[str, str, int]]:
    """(group, subscription, seq) of up to `at_most` lanes that are to be added to the groups, or to those that changed.

    What it is told begins after the last change before the second in which it was made.
    """
    now = _now(snapshot)
    if groups is not None:
        rows = snapshot.all(_NEW_IN, groups=_array(groups), now=now, at_most=at_most)
    else:
        rows = snapshot.all(_NEW_LATELY, since=since, now=now, at_most=at_most)
    found = []
    for group, subscription, created in rows:
        before = snapshot.one(_BEFORE, g=group, at=created // MICRO)
        found.append((group, subscription, before[0] if before else 0))
    return found


def add(tx: Tx, lanes: Iterable[tuple[str, str, int]]) -> None:
    """Add lanes (group, subscription, seq); those that are there already stay as they are."""
    for group, subscription, seq in lanes:
        if tx.one(_THERE, which=subscription) is None:  # it was deleted meanwhile, and its lanes with it
            continue
        tx.run(_ADD, group_id=group, subscription_id=subscription, seq=seq)


def move(tx: Tx, group: str, subscription: str, old: int, new: int) -> None:
    """Note that a lane was told all that follows `old`, up to `new`. Where somebody moved it meanwhile, it goes on from
    there if that is not so far: what was found not to be told is noted while a POST is under way, too."""
    tx.run(_MOVE, g=group, subscription=subscription, old=old, new=new)


# ── the end of subscriptions ─────────────────────────────────────────────────────────────────────────────────────────


def expired(snapshot: Snapshot, at_most: int) -> list[str]:
    """Ids of up to `at_most` subscriptions that have expired."""
    return [row[0] for row in snapshot.all(_EXPIRED, now=_now(snapshot), at_most=at_most)]


def groups_of(snapshot: Snapshot, id: str, at_most: int) -> list[str]:
    """Up to `at_most` of the groups in which a subscription has a lane."""
    return [row[0] for row in snapshot.all(_HAS_LANES, which=id, at_most=at_most)]


def remove_expired(tx: Tx, id: str, groups: Collection[str]) -> None:
    """Remove the lanes of an expired subscription in these groups; where it has none left, the subscription itself."""
    tx.run(_TAKE, which=id, now=_now(tx))
    if tx.one(_STILL_EXPIRED, which=id, now=_now(tx)) is None:  # renewed at the last moment
        return
    if groups:
        tx.run(_DROP_LANES, groups=_array(groups), which=id)
    else:
        tx.run(_DROP, which=id)


# ── whom to warn ─────────────────────────────────────────────────────────────────────────────────────────────────────


def urls_to_warn(snapshot: Snapshot, soon: float, at_most: int) -> list[str]:
    """Lifecycle URLs that are to be told something; `soon`: who expires before that is to be reminded (seconds)."""
    now = _now(snapshot)
    found: dict[str, None] = {}
    for statement in _WARN_URLS:
        more = {"soon": int(soon * MICRO)} if statement is _WARN_URLS[-1] else {}
        found.update((row[0], None) for row in snapshot.all(statement, now=now, at_most=at_most, **more))
    return list(found)


def to_warn(snapshot: Snapshot, url: str, soon: float, at_most: int) -> list[Subscription]:
    """Subscriptions whose owner is to be told something at this lifecycle URL."""
    rows = snapshot.all(_TO_WARN, url=url, now=_now(snapshot), soon=int(soon * MICRO), at_most=at_most)
    return [subscriptions.read(row) for row in rows]


def reminded(tx: Tx, subscription: Subscription) -> None:
    """Note that the owner was told to renew or reauthorize the subscription as it was read.

    Many do so before they answer: then it is another reminder that will be due.
    """
    given = {"ends": subscription.expires_at, "paused": subscription.paused_at}
    tx.run(_REMINDED, which=subscription.id, at=tx.now, **given)


def missed(tx: Tx, id: str) -> None:
    """Note that the subscription was not told something, and will not be."""
    tx.run(_MISSED, which=id, at=tx.now)


def knows(tx: Tx, id: str, missed_at: int) -> None:
    """Note that the owner knows of what was missed at that time, which is all unless there was more since."""
    tx.run(_KNOWS, which=id, told=missed_at)


def pause(tx: Tx, id: str) -> None:
    """Note that the creator may not see the group; the owner is to be told."""
    tx.run(_PAUSE, which=id, at=tx.now)


def resume(tx: Tx, id: str) -> None:
    """Note that the creator may see the group again; that it ends one day the owner is to be told still."""
    tx.run(_RESUME, which=id)
