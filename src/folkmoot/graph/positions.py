"""Where a stream of changes goes on: what its `id:` lines say and `Last-Event-ID` brings back.

Of one group that is the number of the change. Of all groups of a person it is a moment up to which everything was told,
and the exact numbers of the few groups that were told of last; so its length does not grow with the groups. What was
told of other groups shortly before that moment comes again, and nothing is left out (docs/why/stream.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from folkmoot.graph import ids
from folkmoot.odata import tokens
from folkmoot.refusals import BadClause, BadHeader
from folkmoot.store import places
from folkmoot.store.db import Snapshot
from folkmoot.store.watch import OVERLAP_SECONDS

# The groups whose exact numbers a position holds.
RECENT = 8
_SHAPE = "changes"
_LARGEST = 2**53


class Mine(NamedTuple):
    """A position in all groups of a person: all before `at` (seconds) was told, and `recent` exactly so far."""

    at: int
    recent: Mapping[str, int]


class Place(NamedTuple):
    """Where a stream begins in a group. `lost`: changes before it are not kept any more, or never were."""

    seq: int
    lost: bool


def write_number(seq: int) -> str:
    """The position in one group."""
    return str(seq)


def read_number(text: str, name: str) -> int:
    """The number of a change in one group. Raises `BadHeader`; `name` is what the client wrote it in."""
    if not text.isascii() or not text.isdigit() or len(text) > 16 or int(text) > _LARGEST:
        raise BadHeader(f"{name} is not the id of an event of this stream.", target=name)
    return int(text)


def write_mine(position: Mine) -> str:
    """The position in all groups of a person."""
    return tokens.encode([position.at, *(part for pair in position.recent.items() for part in pair)], _SHAPE)


def read_mine(text: str, name: str) -> Mine:
    """The other way round. Raises `BadHeader`."""
    wrong = BadHeader(f"{name} is not the id of an event of this stream.", target=name)
    try:
        at, *recent = tokens.decode(text, _SHAPE)
    except (BadClause, ValueError):
        raise wrong from None
    if not isinstance(at, int) or at < 0 or len(recent) % 2 or len(recent) > 2 * RECENT:
        raise wrong
    found: dict[str, int] = {}
    for group, seq in list(pairwise(recent))[::2]:
        if not isinstance(group, str) or ids.guid(group) != group or type(seq) is not int or not 0 <= seq < _LARGEST:
            raise wrong
        found[group] = seq
    return Mine(at, found)


def in_group(snapshot: Snapshot, group: str, head: int, seq: int | None) -> Place:
    """Where a stream begins that was told up to `seq`; None is now."""
    if seq is None:
        return Place(head, False)
    oldest = places.first(snapshot, group)
    if seq > head or (oldest is not None and seq < oldest[0] - 1):
        return Place(head, True)
    return Place(seq, False)


def since(snapshot: Snapshot, group: str, head: tuple[int, int | None], instant: float) -> Place:
    """Where a stream begins that was told of everything before a moment. `head`: the last change, and its time."""
    instant -= OVERLAP_SECONDS
    if head[1] is None or head[1] < instant:
        return Place(head[0], False)
    oldest = places.first(snapshot, group)
    seq = places.last_before(snapshot, group, head[0], instant)
    lost = oldest is not None and oldest[0] > 1 and seq < oldest[0]
    return Place(head[0] if lost else seq, lost)
