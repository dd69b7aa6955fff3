"""What streams of changes read: where one begins, what followed in a group, and who may still listen.

Each is a plain function of a snapshot. Who may read is asked in the snapshot that what is told comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from folkmoot.graph import notifications, positions
from folkmoot.graph.envelope import encode
from folkmoot.graph.positions import Place
from folkmoot.model import Caller
from folkmoot.ops import access
from folkmoot.refusals import NotAllowed, Refusal
from folkmoot.store import changes, everywhere, places
from folkmoot.store.db import Snapshot

# Changes that one read of a group takes at most.
MOST = 200


class Listener(NamedTuple):
    """Who listens; and what else must be so (a grant), which raises a refusal where it is not."""

    caller: Caller
    check: Callable[[Snapshot], None] | None


class Start(NamedTuple):
    """Where a stream begins in each of its groups, and each group's last change.

    Up to `at` (seconds) it was told of everything, and in `recent` exactly so far.
    """

    places: Mapping[str, Place]
    heads: Mapping[str, int]
    at: float
    recent: Mapping[str, int]


class Asked(NamedTuple):
    """A group, the number of the last change that is known, and who listens, each by a key."""

    group: str
    since: int
    listeners: Mapping[int, Listener]


class Found(NamedTuple):
    """What followed up to the change `upto`: (number, event, JSON) of what is told; and who may not listen any more."""

    told: Sequence[tuple[int, str, bytes]]
    upto: int
    refused: Mapping[int, Refusal]


class Circle(NamedTuple):
    """Groups that a person's stream follows no more, and from which change on it follows new ones."""

    left: frozenset[str]
    joined: Mapping[str, int]


def begin(snapshot: Snapshot, listener: Listener, group: str | None, position: str | None, name: str) -> Start:
    """Where a stream of `group`, or of all groups of the caller, begins for who had `position` last (from `name`).

    Raises what keeps the caller from it, and `BadHeader` for a position that is none.
    """
    if group is not None:
        seq = None if position is None else positions.read_number(position, name)
        _permit(snapshot, listener, group)
        head = changes.head(snapshot, group)
        return Start({group: positions.in_group(snapshot, group, head, seq)}, {group: head}, snapshot.instant, {})
    known = None if position is None else positions.read_mine(position, name)
    heads = places.heads(snapshot, _circle(snapshot, listener.caller))
    last = {each: head[0] for each, head in heads.items()}
    if known is None:
        return Start({each: Place(seq, False) for each, seq in last.items()}, last, snapshot.instant, {})
    recent = {each: seq for each, seq in known.recent.items() if each in heads}
    found = {
        each: positions.in_group(snapshot, each, head[0], recent[each])
        if each in recent
        else positions.since(snapshot, each, head, min(known.at, snapshot.instant))
        for each, head in heads.items()
    }
    return Start(found, last, min(known.at, snapshot.instant), recent)


def follow(snapshot: Snapshot, asked: Sequence[Asked]) -> list[Found]:
    """What followed in each group. Nothing is told where nobody may listen."""
    return [_follow(snapshot, each) for each in asked]


def _follow(snapshot: Snapshot, asked: Asked) -> Found:
    refused: dict[int, Refusal] = {}
    known: dict[str, Refusal | None] = {}
    for key, listener in asked.listeners.items():
        # Many listen as the same person; a grant is its application's own.
        who = f"{listener.caller.kind} {listener.caller.oid}" if listener.check is None else str(key)
        if who not in known:
            known[who] = _refusal(snapshot, listener, asked.group)
        if (refusal := known[who]) is not None:
            refused[key] = refusal
    if len(refused) == len(asked.listeners):
        return Found((), asked.since, refused)
    found = changes.since(snapshot, asked.group, asked.since, MOST)
    upto = found[-1].seq if found else asked.since
    told = [(seq, kind, encode(said)) for seq, kind, said in notifications.told(snapshot, found)]
    return Found(told, upto, refused)


def recheck(
    snapshot: Snapshot, asked: Collection[tuple[Listener, str | None, frozenset[str], float]]
) -> list[Refusal | Circle]:
    """Of each listener to a group, or to all groups (None), of which some are known and told of up to a time in
    seconds: what keeps the listener from it, or how the groups have changed.
    """
    circles: dict[str, frozenset[str] | Refusal] = {}
    found: list[Refusal | Circle] = []
    for listener, group, known, at in asked:
        if group is not None:
            found.append(_refusal(snapshot, listener, group) or Circle(frozenset(), {}))
            continue
        oid = listener.caller.oid
        if oid not in circles:
            try:
                circles[oid] = _circle(snapshot, listener.caller)
            except Refusal as refusal:
                circles[oid] = refusal
        circle = circles[oid]
        if isinstance(circle, Refusal):
            found.append(circle)
            continue
        new = places.heads(snapshot, circle - known) if circle - known else {}
        joined = {each: positions.since(snapshot, each, head, at).seq for each, head in new.items()}
        found.append(Circle(known - circle, joined))
    return found


def _permit(snapshot: Snapshot, listener: Listener, group: str) -> None:
    if listener.check is not None:
        listener.check(snapshot)
    access.read_content(access.enter(snapshot, listener.caller, group))


def _refusal(snapshot: Snapshot, listener: Listener, group: str) -> Refusal | None:
    try:
        _permit(snapshot, listener, group)
    except Refusal as refusal:
        return refusal
    return None


def _circle(snapshot: Snapshot, caller: Caller) -> frozenset[str]:
    """The groups that a person is a member or an owner of. Raises `NotAllowed` for an account that is off or gone."""
    person = everywhere.person(snapshot, caller.oid)
    if person is None or not person.enabled:
        raise NotAllowed(detail="There is no enabled account of that person in the directory.")
    groups = {group for group, _ in everywhere.roles_of(snapshot, caller.oid)}
    return frozenset(places.there(snapshot, groups)) if groups else frozenset()
