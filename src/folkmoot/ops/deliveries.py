"""Replaying what a subscription was told: which changes those were, as long as the log has them."""

from __future__ import annotations

from folkmoot.model import Change, Delivery
from folkmoot.refusals import ChangesGone, NotFound, NotReplayable
from folkmoot.store import changes, deliveries, directory_log
from folkmoot.store.db import Snapshot
from folkmoot.store.wake import DIRECTORY

# Changes that one attempt may stretch over, as far as it can be replayed at once.
MOST_CHANGES = 10_000


def told(snapshot: Snapshot, subscription: str, id: str) -> tuple[Delivery, list[Change]]:
    """An attempt of a subscription, and the changes that it stretched over, in order.

    Raises `NotFound`, `NotReplayable` for one that told of no changes, `ChangesGone` where the log has not all of them
    any more.
    """
    found = deliveries.one(snapshot, subscription, id)
    if found is None:
        raise NotFound
    group, first, last = found.group, found.first_seq, found.last_seq
    if group is None or first is None or last is None or last - first >= MOST_CHANGES:
        raise NotReplayable
    many = last - first + 1
    if group == DIRECTORY:
        log = directory_log.since(snapshot, first - 1, many)
    else:
        log = changes.since(snapshot, group, first - 1, many)
    # Numbers are without gaps, so whatever is missing was removed.
    if [change.seq for change in log] != list(range(first, last + 1)):
        raise ChangesGone
    return found, log
