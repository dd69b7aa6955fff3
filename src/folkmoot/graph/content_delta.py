"""Delta of conversations, threads and posts: pages of what is there, then of what changed, each round ending in a link.

The first round walks through the collection by its keys, having noted how far the group's log goes; every later one
reads the log from there and sends the present state of what it names. So an item may come again, but none is missed,
and a page costs the same wherever it is. The cloud has no delta of these; source of its shape: Microsoft Graph,
message: delta.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from folkmoot.graph import delta, ids
from folkmoot.graph.call import Call
from folkmoot.graph.envelope import Answer
from folkmoot.graph.feeds import FEEDS
from folkmoot.graph.read import listed
from folkmoot.graph.reads import Read
from folkmoot.odata.expr import Binary, Expr, Literal, Path
from folkmoot.odata.query import Options, Order, parse_filter, parse_orderby, parse_select
from folkmoot.refusals import BadClause, SyncStateGone
from folkmoot.store import changes, places
from folkmoot.store.db import Snapshot

# Lines of the log that one request looks at, however few of them are about what is followed.
STRETCH = 1_000

_BY_TIME = "posts.delta"  # the one collection that has an index of its items by their time
_ONLY_ID = Options(select=("id",), texts=(("$select", "id"),))
_TYPES = (str, int, int, int, str, str, str, str)


@dataclass(frozen=True, slots=True)
class _Followed:
    """What the log calls the items of a type, the feed of some of them, and their id on the wire.

    `id` makes it of the group, the item's parent in the log, and the item.
    """

    noun: changes.Noun
    some: str
    id: Callable[[str, str, str], str]


_FOLLOWED = {
    "conversation": _Followed("conversation", "conversations.some", lambda g, _, item: ids.conversation_id(g, item)),
    "conversationThread": _Followed("thread", "threads.some", ids.thread_id),
    "post": _Followed("post", "posts.some", ids.post_id),
}


class State(msgspec.Struct, frozen=True, array_like=True):
    """Where a client stands.

    `mode`: "list" (paging through all, on from `after`), "changes" (through the log from `since` to `high`) or "done"
    (a delta link: it knows all up to `high`). `top`, `select`, `filter` and `orderby` are what it asked for in its
    first request.
    """

    mode: str
    since: int
    high: int
    top: int | None
    select: str | None
    filter: str | None
    orderby: str | None
    after: str | None


class ContentDelta(Read):
    """A round of delta over a collection of what is said."""

    def __call__(self, snapshot: Snapshot, call: Call) -> Answer:
        return _Round(snapshot, call, self.feed, self.scope(snapshot, call)).answer()

    def quick(self, call: Call) -> bool:
        return (delta.preferred_size(call.prefer) or delta.PAGE) <= delta.PAGE


class _Round:
    """One request in the making."""

    def __init__(self, snapshot: Snapshot, call: Call, feed: str, scope: dict[str, Any]) -> None:
        self.snapshot = snapshot
        self.call = call
        self.feed = FEEDS[feed]
        self.scope = scope
        self.group: str = scope["g"]
        self.parent: str | None = scope.get("t", scope.get("c"))
        self.followed = _FOLLOWED[self.feed.noun.entity.name]
        self.url = f"{call.road.root}/{call.road.path}/delta"
        # A token is for one collection, and for those whose road leads there.
        self.shape = f"delta {feed} {self.group} {self.parent}"
        # Before anything else is read: what is read is then no older than the log up to here.
        self.head = changes.head(snapshot, self.group)
        self.state = self._state()
        self.options = self._options()

    # ── where the client stands ──────────────────────────────────────────────────────────────────────────────────────

    def _state(self) -> State:
        options = self.call.options
        timed = self.feed.name == _BY_TIME
        first = ("$select", "$top", "$filter", "$orderby") if timed else ("$select", "$top")
        bounded = ", $filter and $orderby by receivedDateTime" if timed else ""
        delta.check_options(options, first, f"$select, $top{bounded} and $deltatoken=latest are")
        if options.skiptoken is not None:
            return self._read(options.skiptoken, "$skiptoken", ("list", "changes"))
        if options.deltatoken and not delta.begins(options):
            known = self._read(options.deltatoken, "$deltatoken", ("done",))
            return msgspec.structs.replace(known, mode="changes", since=known.high, high=self.head)
        asked = dict(options.texts)
        mode = "done" if options.deltatoken else "list"
        return State(
            mode, 0, self.head, options.top, asked.get("$select"), asked.get("$filter"), asked.get("$orderby"), None
        )

    def _read(self, text: str, target: str, modes: Iterable[str]) -> State:
        name = self.call.road.steps[-1][0]
        state = delta.read(State, text, self.shape, _TYPES, target, name)
        sound = None not in (state.since, state.high) and 0 <= state.since <= state.high
        if state.mode not in modes or not sound or (state.top is not None and state.top < 1):
            raise delta.foreign(target, name)
        # A number that was not given out yet: the database is an older one, from a backup.
        if state.high > self.head:
            raise self._gone(state)
        return state

    def _gone(self, state: State) -> SyncStateGone:
        asked = (("$select", state.select), ("$filter", state.filter), ("$orderby", state.orderby))
        top = () if state.top is None else (("$top", str(state.top)),)
        return delta.gone(self.url, (*top, *((name, text) for name, text in asked if text is not None)))

    def _options(self) -> Options:
        """What was asked for in the first request."""
        state = self.state
        asked = (("$select", state.select), ("$filter", state.filter), ("$orderby", state.orderby))
        return Options(
            select=None if state.select is None else parse_select(state.select),
            filter=None if state.filter is None else _since(parse_filter(state.filter)),
            orderby=() if state.orderby is None else _newest(parse_orderby(state.orderby)),
            texts=tuple([(name, text) for name, text in asked if text is not None]),
        )

    # ── what is answered ─────────────────────────────────────────────────────────────────────────────────────────────

    def answer(self) -> Answer:
        """The page, with the link that goes on."""
        preferred = delta.preferred_size(self.call.prefer)
        size = min(preferred or delta.PAGE, self.state.top or delta.LARGEST_PAGE)
        found: list[dict[str, Any]] = []
        rest: State | None = None
        if self.state.mode == "list":
            found, rest = self._listed(size)
        elif self.state.mode == "changes" and self.state.since < self.state.high:
            found, rest = self._changed(size)
        # Asked last: what was there of the log now was there when it was read.
        known = self.state.since if self.state.mode == "changes" else self.state.high
        if known < self.head:
            oldest = places.first(self.snapshot, self.group)
            if oldest is None or oldest[0] > known + 1:
                raise self._gone(self.state)
        context = f"{self.call.road.root}/$metadata#{self.call.road.context}"
        if self.options.select:
            context += f"({','.join(self.options.select)})"
        more = None if rest is None else delta.token(rest, self.shape)
        done = delta.token(msgspec.structs.replace(self.state, mode="done", since=0, after=None), self.shape)
        applied = () if preferred is None else (("Preference-Applied", f"odata.maxpagesize={preferred}"),)
        return Answer(200, delta.sent(context, self.url, found, more=more, done=done), applied)

    def _listed(self, size: int) -> tuple[list[dict[str, Any]], State | None]:
        """A page of all that is there."""
        options = msgspec.structs.replace(self.options, skiptoken=self.state.after)
        road, caller = self.call.road, self.call.caller
        found, after = listed(self.snapshot, self.feed, options, self.scope, road, caller, size)
        return found, None if after is None else msgspec.structs.replace(self.state, after=after)

    def _changed(self, size: int) -> tuple[list[dict[str, Any]], State | None]:
        """A page of what changed, in the order in which it last did; it may be empty, with more behind it."""
        state, group = self.state, self.group
        upto = min(state.since + STRETCH, state.high)
        touched = changes.touched(self.snapshot, group, self.followed.noun, self.parent, state.since, upto, size + 1)
        if len(touched) > size:
            del touched[size:]
            upto = touched[-1][2]
        while (there := self._some([item for item, _, _ in touched], self.options)) is None:
            del touched[(len(touched) + 1) // 2 :]
            upto = touched[-1][2]
        missing = [item for item, parent, _ in touched if self._wire(item, parent) not in there]
        # What `$filter` leaves out has not gone.
        left_out = {} if self.options.filter is None else self._some(missing, _ONLY_ID) or {}
        found = []
        for item, parent, _ in touched:
            id = self._wire(item, parent)
            if id not in left_out:
                found.append(there.get(id) or delta.removed(id, "deleted"))
        return found, None if upto >= state.high else msgspec.structs.replace(state, since=upto)

    def _wire(self, item: str, parent: str) -> str:
        return self.followed.id(self.group, parent, item)

    def _some(self, wanted: list[str], options: Options) -> dict[str, dict[str, Any]] | None:
        """Those of some items that are there, by their id on the wire; None where they are too long for one answer."""
        if not wanted:
            return {}
        scope = {"g": self.group, "ids": msgspec.json.encode(wanted).decode()}
        options = msgspec.structs.replace(options, orderby=())
        road, caller = self.call.road, self.call.caller
        found, more = listed(self.snapshot, FEEDS[self.followed.some], options, scope, road, caller, len(wanted))
        return {item["id"]: item for item in found} if more is None else None


def _is_time(expression: Expr) -> bool:
    return isinstance(expression, Path) and [part.lower() for part in expression.parts] == ["receiveddatetime"]


def _since(expression: Expr) -> Expr:
    """The filter, if it is one that delta has. Source: message: delta, query parameters."""
    if (
        isinstance(expression, Binary)
        and expression.op in ("ge", "gt")
        and _is_time(expression.left)
        and isinstance(expression.right, Literal)
    ):
        return expression
    raise BadClause(
        "Delta supports $filter=receivedDateTime ge {moment} or receivedDateTime gt {moment} only.", target="$filter"
    )


def _newest(order: tuple[Order, ...]) -> tuple[Order, ...]:
    """The order, if it is the one that delta has."""
    if len(order) == 1 and order[0].descending and _is_time(order[0].path):
        return order
    raise BadClause("Delta supports $orderby=receivedDateTime desc only.", target="$orderby")
