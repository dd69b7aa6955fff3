"""A query made ready: which columns to select, how to send them, where the next page begins.

Planned once for each shape (feed, `$select`, `$expand`, `$filter`, `$orderby`) and kept; then a page costs the
statement and the sending.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Boolean, ColumnElement, Select, and_, bindparam, func, literal, or_, select, true

from folkmoot.graph import clauses, directory_search, narrowing
from folkmoot.graph.describe import Noun, Property, Sql
from folkmoot.graph.feeds import FEEDS, Feed
from folkmoot.graph.projecting import PageProjector, Projector, Step, page_projector, projector
from folkmoot.model import Caller
from folkmoot.odata import tokens
from folkmoot.odata.edm import HEAD, Nav
from folkmoot.odata.query import Expand, Options
from folkmoot.ops import access
from folkmoot.refusals import BadClause, BadExpand
from folkmoot.store.db import Statement

MAX_EXPAND_DEPTH = 3

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Plan:
    """A query, compiled: what to select, how to send it, and where the next page begins.

    `project` makes an item of a row, `project_all` the items of a page for those who do nothing but encode them; it is
    None where items are not all alike. Raises `BadClause` when a clause names what the feed does not have or cannot do.
    """

    __slots__ = (
        "_base",
        "_few",
        "_flags",
        "_keyed",
        "_pages",
        "_texts",
        "_walked",
        "branches",
        "columns",
        "count",
        "feed",
        "few",
        "keys",
        "long",
        "narrow",
        "options",
        "project",
        "project_all",
        "shape",
    )

    def __init__(self, feed: Feed, options: Options, *, app: bool, now: int, depth: int = 0) -> None:
        self.feed = feed
        self.options = options
        self.columns: list[Sql] = []
        condition: ColumnElement[bool] = true()
        if feed.visible is not None:
            seen = access.visible("app" if app else "person", feed.visible)
            condition = and_(condition, seen if feed.kind is None else or_(feed.kind == literal("user"), seen))
        if feed.managed is not None:
            condition = and_(condition, access.managed("app" if app else "person", feed.managed))
        if options.search is not None and feed.directory:
            condition = and_(condition, directory_search.condition(feed, options.search))
        if options.filter is not None:
            condition = and_(condition, clauses.condition(feed, options.filter, now))
        inside, below = _parted(feed, options.expand)
        self.project_all: PageProjector | None = None
        self.project = self._projector(clauses.selected(feed, options), inside)
        self.branches = [Branch(self, item, app=app, now=now, depth=depth) for item in below]
        newest_by = None if options.search is not None else narrowing.bounded_above(feed, options.filter)
        ordered = clauses.order(feed, options, newest_by)
        self.keys = [(column, descending, self.place(column)) for column, descending in ordered]
        self._flags = [n for n, (column, _, _) in enumerate(self.keys) if isinstance(column.type, Boolean)]
        long = feed.noun.long
        # Where in a row the text that may be long stands, and the key of the row.
        self.long: tuple[int, int] | None = None
        if long is not None and any(column is long for column in self.columns):
            self.long = self.place(long), self.place(feed.noun.key)
        texts = dict(options.texts)
        self.shape = f"{feed.name} {texts.get('$filter')} {texts.get('$orderby')}"
        if "$search" in texts:
            self.shape += f" {texts['$search']}"
        rows: Select[Any] = select(*self.columns).select_from(feed.source)
        self._base = rows.where(and_(feed.condition, condition))
        # What is read where the keys of the rows are known.
        self._keyed = self._base if feed.keyed is None else rows.where(and_(feed.keyed, condition))
        self.count = Statement(select(func.count()).select_from(feed.source).where(and_(feed.condition, condition)))
        self._pages: dict[tuple[bool, ...] | None, Statement] = {}
        self.narrow = narrowing.narrow(
            feed, options.filter, now, self.keys, lambda part: clauses.condition(feed, part, now)
        )
        self.few = None if self.narrow is None else self.narrow.probe()
        self._few: dict[tuple[bool, ...] | None, Statement] = {}
        self._texts: tuple[Statement, Statement] | None = None
        self._walked: dict[bool, tuple[Statement, Statement, Statement, Statement]] = {}

    def page(self, cursor: Sequence[Any] | None) -> Statement:
        """The statement for the page after `cursor` (parameters `k0`, `k1`, …): `limit` rows after `skip`."""
        nulls = None if cursor is None else tuple(value is None for value in cursor)
        found = self._pages.get(nulls)
        if found is None:
            query = self._base if nulls is None else self._base.where(clauses.after(self.keys, nulls))
            query = query.order_by(*(clauses.ordering(column, descending) for column, descending, _ in self.keys))
            found = Statement(query.limit(bindparam("limit")).offset(bindparam("skip")))
            self._pages[nulls] = found
        return found

    def after_text(self, cursor: Sequence[Any] | None) -> tuple[Statement, Statement] | None:
        """Where rows come by a text of which an index has the head, and the head of the last row was all of its text:
        the statements for the rows with the same text, and for those that come after them. One statement for both
        would go through all that have the same text."""
        if cursor is None or not self._by_text() or len(cursor[0]) >= HEAD:
            return None
        if self._texts is None:
            (head, descending, _), _, (key, _, _) = self.keys
            at, id = bindparam("k0", type_=head.type), bindparam("k2", type_=key.type)
            order = [clauses.ordering(column, descending) for column, _, _ in self.keys]
            limited = self._base.limit(bindparam("limit"))
            same = limited.where(head == at, key < id if descending else key > id).order_by(order[2])
            others = limited.where(head < at if descending else head > at).order_by(*order)
            self._texts = Statement(same), Statement(others)
        return self._texts

    def _by_text(self) -> bool:
        """Whether rows come by the head of a text, then by the text, then by their key, all in one direction."""
        heads = [each.field.head for each in self.feed.noun.properties.values() if each.field.head is not None]
        return (
            len(self.keys) == 3
            and any(self.keys[0][0] is head for head in heads)
            and self.keys[2][0] is self.feed.noun.key
            and len({descending for _, descending, _ in self.keys}) == 1
        )

    def walked(self, cursor: Sequence[Any] | None) -> tuple[Statement, Statement, Statement, Statement] | None:
        """Where rows come by their key, the last first: the statements for the key of the row `walk` rows after
        `cursor`, for the page among the rows down to the key `down_to`, for the first key in the range, and for the
        page from the key `from_key` on. None where they come otherwise."""
        if self.narrow is None or len(self.keys) != 1 or not self.keys[0][1] or not self.feed.ranges:
            return None
        found = self._walked.get(cursor is not None)
        if found is None:
            key = self.keys[0][0]
            after: ColumnElement[bool] = true() if cursor is None else key < bindparam("k0", type_=key.type)
            rows = select(key).select_from(self.feed.source).where(self.feed.condition, after).order_by(key.desc())
            page = self._base.where(after).order_by(key.desc()).limit(bindparam("limit")).offset(bindparam("skip"))
            found = self._walked[cursor is not None] = (
                Statement(rows.limit(1).offset(bindparam("walk"))),
                Statement(page.where(key >= bindparam("down_to", type_=key.type))),
                self.narrow.first(after),
                Statement(page.where(key <= bindparam("from_key", type_=key.type))),
            )
        return found

    def page_of_few(self, cursor: Sequence[Any] | None) -> Statement:
        """The same page, where `few` gives no more than `narrowing.FEW`."""
        assert self.narrow is not None  # noqa: S101  (`few` is there)
        nulls = None if cursor is None else tuple(value is None for value in cursor)
        found = self._few.get(nulls)
        if found is None:
            key = self.feed.noun.key
            query = self._keyed.where(key.in_(select(self.narrow.keys().c.item)))
            if nulls is not None:
                query = query.where(clauses.after(self.keys, nulls))
            query = query.order_by(*(clauses.ordering(column, descending) for column, descending, _ in self.keys))
            found = Statement(query.limit(bindparam("limit")).offset(bindparam("skip")))
            self._few[nulls] = found
        return found

    def cursor(self, text: str, more: str = "") -> tuple[Any, ...]:
        """The values at which a `$skiptoken` of this query stopped. Raises `BadClause` for any other text.

        `more` is what else the token is bound to: the plan is shared by searches for other words.
        """
        values = tokens.decode(text, f"{self.shape} {more}")
        if len(values) != len(self.keys) or not all(
            clauses.fits(value, column) for value, (column, _, _) in zip(values, self.keys, strict=True)
        ):
            raise BadClause("The skip token is damaged; start again from the first page.", target="$skiptoken")
        return values

    def token(self, row: Sequence[Any], more: str = "") -> str:
        """The `$skiptoken` that goes on after `row`."""
        values = [row[place] for _, _, place in self.keys]
        for n in self._flags:
            # SQLite has no booleans of its own.
            values[n] = None if values[n] is None else bool(values[n])
        return tokens.encode(values, f"{self.shape} {more}")

    def place(self, column: Sql) -> int:
        """Where in a row `column` stands; it is selected if it was not yet."""
        for place, known in enumerate(self.columns):
            if known is column:
                return place
        self.columns.append(column)
        return len(self.columns) - 1

    def _projector(self, selected: frozenset[str] | None, inside: Sequence[Property]) -> Projector:
        feed = self.feed
        if not feed.kinds:
            return self._project(feed.noun, selected, typed=feed.typed)
        each = {
            kind: self._project(noun, selected, typed=True, more=inside if kind == feed.inside_kind else ())
            for kind, noun in feed.kinds.items()
        }
        assert feed.kind is not None  # noqa: S101  (a mixed feed says what tells its kinds apart)
        place = self.place(feed.kind)
        return lambda group, row: each[row[place]](group, row)

    def _project(
        self, noun: Noun, selected: frozenset[str] | None, *, typed: bool, more: Sequence[Property] = ()
    ) -> Projector:
        chosen = [*noun.annotations]
        chosen += [
            each
            for name, each in noun.properties.items()
            if (each.field.by_default if selected is None else name in selected)
        ]

        def steps(properties: Iterable[Property]) -> tuple[Step, ...]:
            return tuple(
                Step(each.field.name, each.render, tuple(self.place(column) for column in each.columns))
                for each in properties
            )

        constant = (("@odata.type", f"#microsoft.graph.{noun.entity.name}"),) if typed else ()
        project = projector(steps((*chosen, *more)), constant)
        if noun.dynamic is None:
            if not (self.feed.kinds or self.feed.directory or typed):
                self.project_all = page_projector(steps(chosen))
            return project
        further = self.place(noun.dynamic)
        names = None if selected is None else {name.lower() for name in selected}

        def project_open(group: str, row: Sequence[Any]) -> dict[str, Any]:
            sent = project(group, row)
            # An annotation such as Strings@odata.type goes with its property.
            for name, value in _object(row[further]).items():
                if names is None or name.partition("@")[0].lower() in names:
                    sent[name] = value
            return sent

        return project_open


def _parted(feed: Feed, expand: Sequence[Expand]) -> tuple[list[Property], list[Expand]]:
    """Of `$expand` what it adds to an item itself, and what leads to others."""
    inside: list[Property] = []
    below = []
    for item in expand:
        found = feed.inside.get(item.path.lower())
        if found is None:
            below.append(item)
        elif found not in inside:
            inside.append(found)
    return inside, below


class Branch:
    """One item of `$expand`: the plan for what is below, and how a row of the parent leads there."""

    __slots__ = ("binds", "nav", "places", "plan", "render")

    def __init__(self, parent: Plan, item: Expand, *, app: bool, now: int, depth: int) -> None:
        feed = parent.feed
        nav = feed.noun.entity.nav(item.path)
        if nav is None or nav.name not in feed.branches:
            known = ", ".join(feed.branches) or "nothing"
            raise BadExpand(
                f"'{item.path}' cannot be expanded on {feed.noun.entity.name}; what can be is: {known}.",
                target="$expand",
            )
        if depth >= MAX_EXPAND_DEPTH:
            raise BadExpand(f"$expand can be nested {MAX_EXPAND_DEPTH} deep at most.", target="$expand")
        for name in ("search", "skip", "count"):
            if getattr(item.options, name):
                raise BadExpand(
                    f"${name} is not supported inside $expand; $select, $filter, $orderby, $top and $expand are.",
                    target="$expand",
                )
        if nav.by_id and not clauses.names_ids(item.options.filter):
            raise BadExpand(
                f"'{nav.name}' can be expanded only with the ids that are wanted: "
                f"$expand={nav.name}($filter=id eq '…'), several joined with or.",
                target="$expand",
            )
        self.nav: Nav = nav
        branch = feed.branches[nav.name]
        self.binds = {name: parent.place(column) for name, column in branch.binds.items()}
        self.plan = Plan(FEEDS[branch.feed], item.options, app=app, now=now, depth=depth + 1)
        # The parent's id on the wire is needed for links even where it was not selected.
        id = feed.noun.properties["id"]
        self.places = [parent.place(column) for column in id.columns]
        self.render = id.render

    def key(self, group: str, row: Sequence[Any]) -> str:
        """The parent's id on the wire."""
        values = [row[place] for place in self.places]
        return str(values[0] if self.render is None else self.render(group, *values))


_PLANNED = frozenset(("$select", "$expand", "$filter", "$search", "$orderby"))
_PLANS: dict[tuple[object, ...], Plan] = {}
_PLANS_KEPT = 1024
# Characters of a query whose plan is kept. A plan takes a hundred bytes and more for each, so a thousand of the longest
# would take a gigabyte of every process.
_CHARACTERS_KEPT = 1_024


def plan_for(
    feed: Feed,
    options: Options,
    caller: Caller,
    now: int,
    *,
    kind: Hashable = None,
    make: Callable[..., Any] = Plan,
) -> Any:
    """The plan for `options` on `feed`; `now` is what the filter function `now()` gives, in seconds.

    `make` makes a plan of another kind. Raises `BadClause` when a clause cannot be evaluated.
    """
    texts, fleeting = _decisive(options.texts)
    key = (feed.name, caller.kind, caller.profile, kind, texts)
    plan = _PLANS.get(key)
    if plan is None:
        clauses.permitted(feed, options, caller.profile)
        plan = make(feed, options, app=caller.kind == "app", now=now)
        if fleeting:
            return plan
        if sum([len(text) for _, text in texts]) <= _CHARACTERS_KEPT:
            while len(_PLANS) >= _PLANS_KEPT:
                _PLANS.pop(next(iter(_PLANS)), None)
            _PLANS[key] = plan
    return plan


@lru_cache(maxsize=1024)
def _decisive(texts: tuple[tuple[str, str], ...]) -> tuple[tuple[tuple[str, str], ...], bool]:
    """Those that a plan depends on, and whether it would hold the time at which it was made."""
    decisive = tuple([pair for pair in texts if pair[0] in _PLANNED])
    return decisive, any("now" in text.lower() for name, text in texts if name in ("$filter", "$expand"))
