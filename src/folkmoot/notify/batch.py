"""What goes into one POST: notifications from several lanes of an endpoint, in the order of each lane's changes.

Plain functions of a snapshot, for the reader threads. Pages of the log are bounded, and so is what one call looks at;
who calls again gets what follows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile
from typing import Any

import msgspec

from folkmoot.model import Change, Subscription
from folkmoot.notify.wording import Wording
from folkmoot.store import changes, directory_log, lanes
from folkmoot.store.db import Snapshot
from folkmoot.store.lanes import Lane
from folkmoot.store.wake import DIRECTORY

MOST_NOTIFICATIONS = 100
MOST_BYTES = 1_000_000
# Changes in a page of the log, and in one of those whose notifications hold the whole item.
PAGE = 100
RICH_PAGE = 10
# Changes and lanes that one call looks at.
EXAMINED = 5_000
LANES_AT_ONCE = 200
_PAGES_KEPT = 256

Ahead = Mapping[tuple[str, str], tuple[int, int]]


class Part(msgspec.Struct):
    """What a batch has of one lane.

    It is told up to `position`: `told` notifications, of the changes `first` to `last`, the first of which happened at
    `at`. Before that, `dropped` notifications up to `dropped_to` were too old to be told, or gone from the log.
    """

    lane: Lane
    subscription: Subscription
    position: int
    told: int = 0
    first: int | None = None
    last: int | None = None
    at: int = 0
    dropped: int = 0
    dropped_to: int | None = None


class Batch(msgspec.Struct):
    """A POST to be made, and what becomes of the lanes.

    `cut` says that there is or may be more; `after` is the lane from which on to look for it. `pauses` and `resumes`
    are subscriptions whose creator may not, or may again, see the group; `held` are lanes that stay where they are
    because the creator may not.
    """

    parts: list[Part] = []
    items: list[bytes] = []
    tokens: list[str] = []
    pauses: list[Subscription] = []
    resumes: list[Subscription] = []
    held: list[tuple[str, str]] = []
    cut: bool = False
    after: tuple[str, str] | None = None
    size: int = 0
    examined: int = 0

    @property
    def content(self) -> bytes:
        """The body: a changeNotificationCollection."""
        tokens = b',"validationTokens":' + msgspec.json.encode(self.tokens) if self.tokens else b""
        return b'{"value":[' + b",".join(self.items) + b"]" + tokens + b"}"

    @property
    def dropped(self) -> int:
        """How many notifications were too old to be told."""
        return sum(part.dropped for part in self.parts)


class Pages:
    """Reads the log page by page, and keeps the last pages: many subscriptions follow the same group."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], Sequence[Change]] = OrderedDict()

    def read(self, snapshot: Snapshot, group: str, seq: int, head: int) -> Sequence[Change]:
        """Up to `PAGE` changes that follow `seq`; `head` is the number of the last one there is.

        None of them is behind `head`, though another thread, whose snapshot is younger, may have read more: what those
        are about is not there yet for who asks, who would pass over them.
        """
        kept = self._kept.get((group, seq))
        if kept is not None and (len(kept) == PAGE or kept[-1].seq >= head):
            return kept[: bisect_right(kept, head, key=lambda change: change.seq)]
        if group == DIRECTORY:
            found = directory_log.since(snapshot, seq, PAGE)
        else:
            found = changes.since(snapshot, group, seq, PAGE)
        if found:
            self._kept[group, seq] = found
            while len(self._kept) > _PAGES_KEPT:
                try:
                    self._kept.popitem(last=False)
                except KeyError:  # another reader thread was faster
                    break
        return found


def gather(
    snapshot: Snapshot,
    wording: Wording,
    pages: Pages,
    url: str,
    groups: Collection[str] | None,
    *,
    after: tuple[str, str] | None,
    ahead: Ahead,
    held: Collection[tuple[str, str]],
    horizon: float | None,
) -> Batch:
    """The next POST to a URL: from its lanes in `groups` (None: in all), beginning behind the lane `after`.

    `ahead` says of lanes how far they were looked at without that being written. Those that are `held`, as was seen a
    moment ago, are not looked at. What happened before the `horizon` is dropped.
    """
    batch = Batch()
    behind = lanes.of_url(snapshot, url, groups)
    free = [lane for lane in behind if lane.key not in held]
    batch.cut = len(behind) >= lanes.LANES and bool(free)
    found = [(lane, start) for lane in free if (start := _start(lane, ahead)) < lane.head]
    if after is not None:
        turn = bisect_right([lane.key for lane, _ in found], after)
        found = found[turn:] + found[:turn]
    if len(found) > LANES_AT_ONCE:
        batch.cut = True
        del found[LANES_AT_ONCE:]
    subscribed = lanes.subscriptions_of(snapshot, {lane.subscription for lane, _ in found})
    for lane, start in found:
        if len(batch.items) >= MOST_NOTIFICATIONS or batch.examined >= EXAMINED:
            batch.cut = True
            break
        subscription = subscribed[lane.subscription]
        batch.after = lane.key
        part = Part(lane, subscription, start)
        if not wording.may_follow(snapshot, subscription, lane.group):
            if subscription.group is None and lane.group != DIRECTORY:
                # One of all groups, and not one of the creator's: they are never told what happened meanwhile.
                part.position = lane.head
                batch.parts.append(part)
                continue
            batch.held.append(lane.key)
            if subscription.paused_at is None:
                batch.pauses.append(subscription)
            continue
        if subscription.paused_at is not None:
            batch.resumes.append(subscription)
        full = _fill(batch, part, snapshot, wording, pages, horizon)
        batch.parts.append(part)
        if full:
            batch.cut = True
            break
    rich = [part.subscription for part in batch.parts if part.told and part.subscription.include_resource_data]
    if rich:
        batch.tokens = wording.validation_tokens(rich)
    return batch


def _start(lane: Lane, ahead: Ahead) -> int:
    base, position = ahead.get(lane.key, (lane.seq, lane.seq))
    return position if base == lane.seq else lane.seq


def _fill(batch: Batch, part: Part, snapshot: Snapshot, wording: Wording, pages: Pages, horizon: float | None) -> bool:
    """Add what a lane has to tell. Whether the batch is full before the lane is at its end."""
    lane, subscription = part.lane, part.subscription
    while part.position < lane.head:
        room = MOST_NOTIFICATIONS - len(batch.items)
        if room <= 0 or batch.examined >= EXAMINED:
            return True
        found = pages.read(snapshot, lane.group, part.position, lane.head)
        if not found or found[0].seq != part.position + 1:
            # The log does not go back so far any more. The numbers have no gaps, so something was there.
            part.dropped += 1
            part.dropped_to = part.position = found[0].seq - 1 if found else lane.head
            continue
        some = found[: min(room, RICH_PAGE if subscription.include_resource_data else PAGE)]
        batch.examined += len(some)
        old = [*takewhile(lambda change: change.at < (horizon or 0), some)]
        if old:
            part.dropped += len(wording.notifications(snapshot, subscription, old))
            part.dropped_to = part.position = old[-1].seq
            continue
        items, size = _worded(wording, snapshot, subscription, some)
        while batch.size + size > MOST_BYTES and len(some) > 1 and not batch.items:
            some = some[: len(some) // 2]
            items, size = _worded(wording, snapshot, subscription, some)
        if batch.items and batch.size + size > MOST_BYTES:
            return True
        part.position = some[-1].seq
        if items:
            batch.items += items
            batch.size += size
            part.told += len(items)
            part.at = part.at or some[0].at
            part.first, part.last = part.first or some[0].seq, some[-1].seq
    return False


def _worded(
    wording: Wording, snapshot: Snapshot, subscription: Subscription, some: Sequence[Change]
) -> tuple[list[bytes], int]:
    told: list[dict[str, Any]] = wording.notifications(snapshot, subscription, some)
    items = [msgspec.json.encode(each) for each in told]
    return items, sum(len(item) + 1 for item in items)
