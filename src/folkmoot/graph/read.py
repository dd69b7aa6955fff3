"""One function reads every collection, another every single item: a feed, the query options, and the caller's scope.

A page asks for one row more than it shows: its presence is the next link, and we never count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from folkmoot.graph import clauses, narrowing, searching
from folkmoot.graph.feeds import FEEDS, Feed
from folkmoot.graph.plan import Branch, Plan, plan_for
from folkmoot.graph.road import Road
from folkmoot.model import Caller
from folkmoot.odata.edm import Nav
from folkmoot.odata.query import Expand, Options, to_query
from folkmoot.refusals import BadClause, BadExpand
from folkmoot.store.db import Row, Snapshot
from folkmoot.store.rows import content

# Items of an expanded collection when $top does not say: Graph's own limit for directory relationships.
EXPANDED_PAGE = 20
PAGE_WITH_EXPAND = 100
# Items that one answer may hold with all that is expanded in it.
LARGEST_ANSWER = 10_000
# Characters of long texts that an answer should hold. What is beyond is on the next page; but each collection that is
# expanded shows one item at least, and so there is an end to that, too.
_ROOM = 8_000_000
_BEYOND = 32_000_000
# Items of an answer that is made on the event loop. A thread beside it takes half as much again, for the two want one
# interpreter.
_QUICK = 500
# Rows that a distant database is asked for at once, of what is expanded: those that are too many must not pile up.
_TOGETHER = 1_000


def is_quick(feed: Feed, options: Options, size: int) -> bool:
    """Whether a read of `size` items is a few indexed rows, with what is expanded in them."""
    return size <= feed.page and _items(feed, options, size) <= _QUICK


def _items(feed: Feed, options: Options, size: int) -> float:
    """How many items a read makes at most, with those that are expanded; without end where conditions and orders of the
    caller's decide which rows are looked at."""
    if (
        (feed.directory and (feed.kinds or options.expand))
        or (feed.single and options.select)
        or (options.filter and not clauses.names_ids(options.filter))
        or options.search
        or options.orderby
        or options.count
        or options.skip
    ):
        return inf
    return size * (1 + sum([_items_below(feed, item) for item in options.expand]))


def _items_below(feed: Feed, item: Expand) -> float:
    nav = feed.noun.entity.nav(item.path)
    if nav is None or nav.name not in feed.branches:
        return 0  # it is refused
    return _items(FEEDS[feed.branches[nav.name].feed], item.options, _below(nav, item.options))


def page(
    snapshot: Snapshot, feed: Feed, options: Options, scope: Mapping[str, Any], road: Road, caller: Caller
) -> dict[str, Any]:
    """One page of a collection, as it is sent. `scope` holds the feed's parameters.

    Items of a group's content are there to be encoded only; those of the directory are dictionaries.
    """
    plan, asked = _planned(feed, options, caller, snapshot.now)
    reading = _Reading(snapshot, only_sent=True)
    found, token = reading.rows(plan, options, scope, road, options.top or feed.page, asked)
    answer: dict[str, Any] = {"@odata.context": f"{road.root}/$metadata#{_context(plan, road)}"}
    if options.count and options.skiptoken is None:
        answer["@odata.count"] = count(snapshot, feed, options, scope, caller)
    if token is not None:
        texts = [pair for pair in options.texts if pair[0] != "$skip"] if options.skip is not None else options.texts
        answer["@odata.nextLink"] = f"{road.root}/{road.path}?{to_query(texts, token)}"
    answer["value"] = found
    return answer


def expect(
    snapshot: Snapshot, feed: Feed, options: Options, scope: Mapping[str, Any], caller: Caller, size: int
) -> None:
    """Say that `page` or `single` will be asked for with the same, if it is one that asks a single statement.

    `size` is how many items it shows at most.

    Raises what is wrong with the options.
    """
    plan, asked = _planned(feed, options, caller, snapshot.now)
    if asked is None:
        cursor = plan.cursor(options.skiptoken) if options.skiptoken is not None else None
        if plan.few is not None:
            snapshot.expect(plan.few, **scope, few=narrowing.FEW + 1)
            return
        texts = plan.after_text(cursor)
        snapshot.expect(
            plan.page(cursor) if texts is None else texts[0],
            **_parameters(plan, options, scope, size, cursor),
        )


def _below(nav: Nav, options: Options) -> int:
    """How many items are put into one where `nav` is expanded with `options`."""
    return (options.top or EXPANDED_PAGE) if nav.many else 1


def _absent(branch: Branch, below: Mapping[str, Any]) -> bool:
    """Whether the item whose scope is `below` leads nowhere by `branch`."""
    return any(below[name] is None for name in branch.binds)


def _size(plan: Plan, size: int) -> int:
    return min(size, PAGE_WITH_EXPAND if plan.branches else plan.feed.largest_page)


def _parameters(
    plan: Plan, options: Options, scope: Mapping[str, Any], size: int, cursor: Sequence[Any] | None
) -> dict[str, Any]:
    """What the statement for a page of `size` items is bound to."""
    # A link goes on from a place: the rows that were skipped before it are not skipped again.
    skip = (options.skip or 0) if options.skiptoken is None else 0
    parameters = {**scope, "limit": _size(plan, size) + 1, "skip": skip}
    for number, value in enumerate(cursor or ()):
        if value is not None:
            parameters[f"k{number}"] = value
    return parameters


def single(
    snapshot: Snapshot, feed: Feed, options: Options, scope: Mapping[str, Any], road: Road, caller: Caller
) -> dict[str, Any] | None:
    """One item, as it is sent, or None when it is not there."""
    for name in ("filter", "orderby", "top", "skip", "count", "search", "skiptoken", "deltatoken"):
        if getattr(options, name) not in (None, False, ()):
            raise BadClause(
                f"${name} applies to collections; a single item supports $select and $expand.", target=f"${name}"
            )
    plan = plan_for(feed, options, caller, snapshot.now)
    road = road.collection
    found, _ = _Reading(snapshot).rows(plan, options, scope, road, 1)
    if not found:
        return None
    return {"@odata.context": f"{road.root}/$metadata#{_context(plan, road)}/$entity", **found[0]}


def listed(
    snapshot: Snapshot,
    feed: Feed,
    options: Options,
    scope: Mapping[str, Any],
    road: Road,
    caller: Caller,
    size: int,
) -> tuple[list[dict[str, Any]], str | None]:
    """Up to `size` items of a collection without an envelope, and the `$skiptoken` of what follows, if any."""
    return _Reading(snapshot).rows(plan_for(feed, options, caller, snapshot.now), options, scope, road, size)


def count(snapshot: Snapshot, feed: Feed, options: Options, scope: Mapping[str, Any], caller: Caller) -> int:
    """How many items the collection has that `$filter` lets through and `$search` finds."""
    plan, asked = _planned(feed, options, caller, snapshot.now)
    if asked is not None and feed.search is not None:
        scope = {**scope, **asked.parameters(feed.search, scope, snapshot)}
    row = snapshot.one(plan.count, **scope)
    return int(row[0]) if row else 0


class _Reading:
    """One answer in the making. `sent` counts its items, those that are expanded among them; `room` is how many
    characters of long texts it may hold still.

    Where it is `only_sent`, its items need not be dictionaries: nobody does anything with them but encode them.
    """

    __slots__ = ("only_sent", "room", "sent", "snapshot")

    def __init__(self, snapshot: Snapshot, *, only_sent: bool = False) -> None:
        self.snapshot = snapshot
        self.only_sent = only_sent
        self.sent = 0
        self.room = _ROOM

    def rows(
        self,
        plan: Plan,
        options: Options,
        scope: Mapping[str, Any],
        road: Road,
        size: int,
        asked: searching.Asked | None = None,
    ) -> tuple[list[Any], str | None]:
        """Up to `size` items, fewer where they are long, and the token of the page after them, if there is one."""
        size = _size(plan, size)
        place = 0
        if asked is not None and isinstance(plan, searching.SearchPlan):
            parameters = _parameters(plan, options, scope, size, None)
            rows, place = searching.rows(self.snapshot, plan, asked, options.skiptoken, parameters)
        else:
            cursor = plan.cursor(options.skiptoken) if options.skiptoken is not None else None
            parameters = _parameters(plan, options, scope, size, cursor)
            rows = self.page(plan, cursor, scope, parameters)
        group = scope.get("g", "")
        shown = rows[:size]
        upto = len(shown)
        if plan.long is not None:
            shown, upto = self._whole(group, shown, *plan.long)
            place -= size - upto
        self.sent += len(shown)
        if self.sent > LARGEST_ANSWER:
            raise BadExpand(
                f"The answer would hold more than {LARGEST_ANSWER} items; ask for smaller pages with $top.",
                target="$expand",
            )
        if self.only_sent and plan.project_all is not None and not plan.branches:
            found = plan.project_all(group, shown)
        else:
            found = [plan.project(group, row) for row in shown]
        for branch in plan.branches:
            self.expand(branch, shown, found, scope, road)
        if upto == len(rows):
            return found, None
        if asked is not None and isinstance(plan, searching.SearchPlan):
            return found, searching.token(plan, asked, rows[upto - 1], place)
        return found, plan.token(rows[upto - 1])

    def _whole(self, group: str, rows: list[Row], at: int, key: int) -> tuple[list[Row], int]:
        """The rows with the texts that are so long that they were not read with them, and how many of `rows` there was
        room for."""
        texts = [row[at] for row in rows]
        if None not in texts and (length := sum(map(len, texts))) <= self.room:
            self.room -= length
            return rows, len(rows)
        upto = len(rows)
        whole: list[Row] = []
        for number, row in enumerate(rows):
            text = content(self.snapshot, group, row[key]) if row[at] is None else row[at]
            if text is None:
                continue  # it was deleted since: a short read is several, each of its own moment
            self.room -= len(text)
            if self.room < 0 and whole:
                upto = number
                break
            whole.append((*row[:at], text, *row[at + 1 :]))
        if self.room < -_BEYOND:
            raise BadExpand(
                f"The answer would exceed {(_ROOM + _BEYOND) / 1e6:.0f} million characters; ask for fewer items with "
                "$top or for less of each with $select.",
                target="$expand",
            )
        return whole, upto

    def page(
        self, plan: Plan, cursor: Sequence[Any] | None, scope: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> list[Row]:
        """The rows of a page, by the way that looks at the fewest."""
        if plan.few is None:
            texts = plan.after_text(cursor)
            if texts is None:
                return self.snapshot.all(plan.page(cursor), **parameters)
            rows = self.snapshot.all(texts[0], **parameters)
            more = {**parameters, "limit": parameters["limit"] - len(rows)}
            return rows + self.snapshot.all(texts[1], **more) if more["limit"] else rows
        counted = self.snapshot.one(plan.few, **scope, few=narrowing.FEW + 1)
        if counted is not None and counted[0] <= narrowing.FEW:
            return self.snapshot.all(plan.page_of_few(cursor), **parameters)
        walked = plan.walked(cursor)
        if walked is None:
            return self.snapshot.all(plan.page(cursor), **parameters)
        last, near, first, onwards = walked
        end = self.snapshot.one(last, **parameters, walk=narrowing.WALK)
        if end is None:
            return self.snapshot.all(plan.page(cursor), **parameters)
        rows = self.snapshot.all(near, **parameters, down_to=end[0])
        if len(rows) == parameters["limit"]:
            return rows
        top = self.snapshot.one(first, **parameters)
        if top is None or top[0] is None:
            return []
        return self.snapshot.all(onwards, **parameters, from_key=top[0])

    def expand(
        self,
        branch: Branch,
        rows: Sequence[Sequence[Any]],
        items: Sequence[dict[str, Any]],
        scope: Mapping[str, Any],
        road: Road,
    ) -> None:
        """Put what `branch` finds below each of `rows` into its item."""
        plan = branch.plan
        size = _size(plan, _below(branch.nav, plan.options))
        scopes = [{**scope, **{name: row[place] for name, place in branch.binds.items()}} for row in rows]
        step = max(1, _TOGETHER // size)
        for place, (row, item, below) in enumerate(zip(rows, items, scopes, strict=True)):
            if self.snapshot.expects and plan.few is None and place % step == 0:
                for later in scopes[place + 1 : place + step]:
                    if not _absent(branch, later):
                        self.snapshot.expect(plan.page(None), **_parameters(plan, plan.options, later, size, None))
            self._expand(branch, row, item, below, road)

    def _expand(
        self, branch: Branch, row: Sequence[Any], item: dict[str, Any], below: Mapping[str, Any], road: Road
    ) -> None:
        nav, plan = branch.nav, branch.plan
        road = road.down(branch.key(below.get("g", ""), row), nav.name)
        context = f"{road.root}/$metadata#{_context(plan, road)}"
        absent = not nav.many and _absent(branch, below)
        rows, token = ([], None) if absent else self.rows(plan, plan.options, below, road, _below(nav, plan.options))
        if not nav.many:
            item[f"{nav.name}@odata.context"] = f"{context}/$entity"
            item[nav.name] = rows[0] if rows else None
            return
        item[f"{nav.name}@odata.context"] = context
        item[nav.name] = rows
        if token is not None:
            item[f"{nav.name}@odata.nextLink"] = f"{road.root}/{road.path}?{to_query(plan.options.texts, token)}"


def _context(plan: Plan, road: Road) -> str:
    """The part of a context URL after `#` (OData JSON Format 4.0 §10)."""
    base = plan.feed.context or road.context
    selected = plan.options.select
    if not selected:
        return base
    return f"{base}({','.join((*selected, *(f'{branch.nav.name}()' for branch in plan.branches)))})"


def _planned(feed: Feed, options: Options, caller: Caller, now: int) -> tuple[Plan, searching.Asked | None]:
    """The plan for a collection, and what it is searched for."""
    _unsearchable(feed, options)
    asked = None if feed.directory else searching.asked(feed, options, caller)
    if asked is None:
        return plan_for(feed, options, caller, now), None

    def make(feed: Feed, options: Options, *, app: bool, now: int) -> Plan:
        return searching.SearchPlan(feed, options, asked, app=app, now=now)

    return plan_for(feed, options, caller, now, kind=asked.shape, make=make), asked


def _unsearchable(feed: Feed, options: Options) -> None:
    if options.search is not None and feed.search is None and not feed.directory:
        raise BadClause(
            "$search is not supported here; $filter with startswith(…) or contains(…) is.", target="$search"
        )
    if options.deltatoken is not None:
        raise BadClause("$deltatoken comes from a delta link and belongs to delta only.", target="$deltatoken")
