"""`$search` over a collection: which rows it finds, and how a page of them is found at once.

A rare word is looked up in the index of words, and what that gives is put in order. A common one (`the`) would give
too much to sort: the collection is walked in its own order instead, and each row is looked at. So some rows are walked
first; where they do not fill the page, the word is rare enough for the index, or `LATER` times as many are walked. Both
ways give the same rows in the same order. SQLite finds matches one by one, and so tells whether there are more than a
number without finding all; and since each question to its index costs much, it looks at many rows by one, which names
them all. PostgreSQL looks at row after row, and there those that were walked tell how common the word is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, json
from msgspec.structs import replace
from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from folkmoot.graph import clauses
from folkmoot.graph.feeds import Feed, SearchBy
from folkmoot.graph.plan import Plan
from folkmoot.model import Caller
from folkmoot.odata import tokens
from folkmoot.odata.query import Options
from folkmoot.odata.search import Alternative, alternatives, has_beginning, parse_search
from folkmoot.refusals import BadClause
from folkmoot.store import schema as s
from folkmoot.store import search
from folkmoot.store.db import Dialect, Row, Snapshot, Statement
from folkmoot.store.dialect import AnyOf

WALK = 100  # rows that PostgreSQL looks at first, one by one
LONG = 500  # posts of one of these that it looks at
FEW = 250  # matches that are put in order without a walk, where they can be counted so far
WINDOW = 100  # rows that SQLite looks at together, at first
AT_ONCE = 800  # the most that it does
SOME = 50  # posts that are taken of these at a time, or half as many as these are
LATER = 8  # so many times as many, where neither was enough
RANKED = 1_000  # posts whose relevance is compared: the newest that match
SAMPLE = 200  # newest posts that tell PostgreSQL how common the words are, before it compares
COMMON = 20  # one post in so many, or more, and the newest are found by a walk
BEST = 1_000  # items that come by relevance

_EVER = 2**62


class Asked(Struct, frozen=True):
    """A `$search`: its alternatives, whether the best come first, and its text. `shape` is what its SQL depends on."""

    alternatives: tuple[Alternative, ...]
    ranked: bool
    text: str

    def walkable(self, dialect: Dialect) -> bool:
        """Whether a row can be looked at quickly. Facts alone are found by no word; and for each look at the beginning
        of a word SQLite brings all the words together that begin so."""
        texts = [each.text for each in self.alternatives]
        return all(text is not None and (dialect != "sqlite" or not has_beginning(text)) for text in texts)

    @property
    def shape(self) -> tuple[object, ...]:
        facts = ((each.text is not None, _dated(each), each.attached) for each in self.alternatives)
        return (self.ranked, *facts)

    def parameters(self, by: SearchBy, scope: Mapping[str, Any], snapshot: Snapshot) -> dict[str, Any]:
        """What its statements are given, besides the feed's own parameters."""
        places = {letter: scope[name] for letter, name in by.within.items()}
        given: dict[str, Any] = {}
        for n, each in enumerate(self.alternatives):
            if each.text is not None or self.ranked:
                given[f"q{n}"] = search.query(
                    snapshot.dialect, each.text, places, conversation_topics=by.conversation_topics
                )
            if _dated(each):
                given[f"since{n}"] = -_EVER if each.since is None else each.since
                given[f"until{n}"] = _EVER if each.until is None else each.until
            if each.attached is not None:
                given[f"attached{n}"] = each.attached
        return given


def asked(feed: Feed, options: Options, caller: Caller) -> Asked | None:
    """The `$search` of a request over a feed that has `search`; None where it has none.

    Raises `BadClause` for one that cannot be read, and where the caller's profile has none.
    """
    by = feed.search
    if options.search is None or by is None:
        return None
    if caller.profile == "strict" and not by.strict:
        raise BadClause(
            f"$search is not supported on {feed.noun.entity.name}, as in the cloud; search conversations, "
            "or register the application with the extended profile.",
            target="$search",
        )
    ranked = _by_relevance(options)
    return Asked(alternatives(parse_search(options.search)), ranked, f"{options.search}\n{ranked}")


def _by_relevance(options: Options) -> bool:
    named = [each for each in options.orderby if [part.lower() for part in each.path.parts] == ["relevance"]]
    if named and len(options.orderby) > 1:
        raise BadClause("$orderby=relevance stands alone: nothing else orders what is found so.", target="$orderby")
    return bool(named)


def _dated(each: Alternative) -> bool:
    return each.since is not None or each.until is not None


class SearchPlan(Plan):
    """A plan of what `$search` finds. Unless an order is asked for, the newest come first."""

    __slots__ = (
        "_alternatives",
        "_among",
        "_bounds",
        "_by",
        "_plain",
        "_possible",
        "_walks",
        "_windows",
        "hits",
        "natural",
        "ranked",
        "ranked_by_walk",
    )

    def __init__(self, feed: Feed, options: Options, asked: Asked, *, app: bool, now: int) -> None:
        if asked.ranked:
            options = replace(options, orderby=())
        super().__init__(feed, options, app=app, now=now)
        assert feed.search is not None  # noqa: S101  (asked before)
        self._by = feed.search
        self._alternatives = asked.alternatives
        self.natural = not options.orderby and not asked.ranked
        if not options.orderby:
            self.keys = [(column, True, place) for column, _, place in self.keys]
        plain = self._base
        each = [self._finds(n, by_index=True) for n in range(len(self._alternatives))]
        found = _materialized((each[0] if len(each) == 1 else union_all(*each)).cte("found"))
        # What `page` and `count` of the plan give is what the index finds.
        self._base = self._keyed.where(self._by.key.in_(select(found.c.item)))
        self.count = Statement(select(func.count()).select_from(self._base.subquery()))
        self._walks: dict[tuple[bool, bool], Statement] = {}
        self._bounds: dict[bool, Statement] = {}
        self._windows: dict[bool, Statement] = {}
        self.hits = [Statement(query.limit(bindparam("some"))) for query in each]
        self.ranked = self._by_rank(plain, walk=False) if asked.ranked else None
        # Words of one post in a few are looked for in the newest posts: the index would give them all, to be sorted.
        walkable = asked.ranked and len(asked.alternatives) == 1 and set(self._by.within) == {"g"}
        self.ranked_by_walk = self._by_rank(plain, walk=True) if walkable else None
        self._plain = plain
        # What has posts with attachments says so, and an index has it.
        has = feed.noun.entity.field("hasAttachments")
        attached = has is not None and all(each.attached for each in self._alternatives)
        self._possible: ColumnElement[bool] = has.sql == true() if attached and has is not None else true()
        self._among: Statement | None = None

    def _finds(self, n: int, *, by_index: bool, ranked: bool = False) -> Select[Any]:
        """The items that alternative `n` finds: as a list, or those of the row that stands outside."""
        each, w, p = self._alternatives[n], s.post_words.c, s.posts.c
        source: Any = s.post_words
        condition: list[ColumnElement[bool]] = []
        item = self._by.item
        if each.text is None and by_index and not ranked:
            # No words are asked for: facts are in the posts themselves.
            source, item = s.posts, self._by.of_post
            condition.append(p.group_id == bindparam("g"))
        else:
            condition += [w.group_id == bindparam("g"), search.Matches(w.words, f"q{n}", by_index=by_index)]
            if _dated(each) or each.attached is not None:
                source = source.join(s.posts, and_(p.group_id == w.group_id, p.id == w.post_id))
                condition.append(p.group_id == bindparam("g"))
        if _dated(each):
            condition += [p.received_at >= bindparam(f"since{n}"), p.received_at < bindparam(f"until{n}")]
        if each.attached is not None:
            condition.append(p.has_attachments == bindparam(f"attached{n}"))
        if by_index:
            return select(item.label("item")).select_from(source).where(*condition)
        above = [column == outside for column, outside in self._by.above]
        # With an OFFSET it stays a look at one row; PostgreSQL would make a join of it and look at all of them.
        return select(literal(1)).select_from(source).where(*condition, *above).offset(0)

    def _held(self, n: int) -> ColumnElement[bool]:
        """Whether alternative `n` finds the row that stands outside, by looking at its posts. Where those are more than
        `LONG` and none of so many matches, the index says whether another does."""
        each, w = self._alternatives[n], s.post_words.c
        if self._by.letter == "p" or _dated(each) or each.attached is not None:
            return exists(self._finds(n, by_index=False))
        here = [w.group_id == bindparam("g"), *(column == outside for column, outside in self._by.above)]
        some = select(w.words).where(*here).limit(LONG).correlate(self.feed.source).subquery("looked_at")
        found = exists(
            select(literal(1)).select_from(some).where(search.Matches(some.c.words, f"q{n}", by_index=False))
        )
        longer = exists(select(literal(1)).where(*here).limit(1).offset(LONG).correlate(self.feed.source))
        match = search.MatchesIn(w.words, f"q{n}", self._by.letter, self._by.key)
        index = select(literal(1)).where(w.group_id == bindparam("g"), match).offset(0).correlate(self.feed.source)
        others = select(func.count()).select_from(index.subquery("others")).scalar_subquery()
        return case((found, true()), (longer, others > 0), else_=false())

    def _by_rank(self, plain: Select[Any], *, walk: bool) -> Statement:
        best = []
        for n in range(len(self._alternatives)):
            if walk:
                newest = self._newest(n).subquery(f"newest{n}")
            else:
                weighed = search.Weighed(s.post_words.c.words).label("weighed")
                one = self._finds(n, by_index=True, ranked=True).add_columns(weighed).order_by(search.Newest())
                newest = one.limit(RANKED).subquery(f"newest{n}")
            best.append(select(newest.c.item, search.Score(newest.c.weighed, f"q{n}").label("score")))
        each = union_all(*best).subquery("each")
        score = func.max(each.c.score).label("score")
        by_item = select(each.c.item, score).group_by(each.c.item)
        scored = _materialized(by_item.order_by(score.desc(), each.c.item.desc()).limit(BEST).cte("scored"))
        query = plain.where(self._by.key == scored.c.item).order_by(scored.c.score.desc(), self._by.key.desc())
        return Statement(query.limit(bindparam("limit")).offset(bindparam("skip")))

    def _newest(self, n: int) -> Select[Any]:
        """What `_finds` gives to be weighed, by looking at each of the newest posts until there are enough."""
        each, w, p = self._alternatives[n], s.post_words.c, s.posts.c
        words = (
            select(search.Weighed(w.words))
            .where(w.group_id == bindparam("g"), w.conversation_id == p.conversation_id)
            .where(w.thread_id == p.thread_id, w.post_id == p.id, search.Matches(w.words, f"q{n}", by_index=False))
            .correlate(s.posts)
            .scalar_subquery()
        )
        condition = [p.group_id == bindparam("g")]
        if _dated(each):
            condition += [p.received_at >= bindparam(f"since{n}"), p.received_at < bindparam(f"until{n}")]
        if each.attached is not None:
            condition.append(p.has_attachments == bindparam(f"attached{n}"))
        newest = select(self._by.of_post.label("item"), words.label("weighed")).where(*condition)
        looked_at = newest.order_by(p.id.desc()).limit(RANKED * COMMON).subquery(f"looked_at{n}")
        return select(looked_at).where(looked_at.c.weighed.is_not(None)).limit(RANKED)

    def walk(self, cursor: Sequence[Any] | None, *, bounded: bool) -> Statement:
        """The statement for what is found among the rows after `cursor`, down to the one whose keys are `b0`, …"""
        key = (cursor is not None, bounded)
        found = self._walks.get(key)
        if found is None:
            held = [self._held(n) for n in range(len(self._alternatives))]
            query = self._plain.where(self._possible).where(held[0] if len(held) == 1 else or_(*held))
            if cursor is not None:
                query = query.where(clauses.after(self.keys, [False] * len(self.keys)))
            if bounded:
                binds = [bindparam(f"b{n}", type_=column.type) for n, (column, _, _) in enumerate(self.keys)]
                query = query.where(tuple_(*(column for column, _, _ in self.keys)) >= tuple_(*binds))
            query = query.order_by(*(column.desc() for column, _, _ in self.keys))
            found = self._walks[key] = Statement(query.limit(bindparam("limit")).offset(bindparam("skip")))
        return found

    def window(self, cursor: Sequence[Any] | None) -> Statement:
        """The statement for the keys of the next `walk` rows after `cursor`."""
        key = cursor is not None
        found = self._windows.get(key)
        if found is None:
            found = self._windows[key] = Statement(self._newest_keys(key).limit(bindparam("walk")))
        return found

    def among(self) -> Statement:
        """The statement for the rows whose keys are in the JSON array `found`."""
        if self._among is None:
            query = self._keyed.where(AnyOf(self._by.key, "found"))
            query = query.order_by(*(column.desc() for column, _, _ in self.keys))
            self._among = Statement(query.limit(bindparam("limit")))
        return self._among

    def bound(self, cursor: Sequence[Any] | None) -> Statement:
        """The statement for the keys of the last row that is walked after `cursor`; no row where there are fewer."""
        key = cursor is not None
        found = self._bounds.get(key)
        if found is None:
            found = self._bounds[key] = Statement(self._newest_keys(key).limit(1).offset(bindparam("walk")))
        return found

    def _newest_keys(self, after: bool) -> Select[Any]:
        """The keys of all rows that there may be, the newest first; of those after the cursor's, where there is one."""
        columns = [column for column, _, _ in self.keys]
        query = select(*columns).select_from(self.feed.source).where(self.feed.condition, self._possible)
        if after:
            query = query.where(clauses.after(self.keys, [False] * len(self.keys)))
        return query.order_by(*(column.desc() for column in columns))


_w = s.post_words.c
# For SQLite, which has the group in the index of words. To compare its column it would fetch each row that matches,
# which costs more than to find it.
_SOME = Statement(
    select(func.count()).select_from(
        select(literal(1))
        .select_from(s.post_words)
        .where(search.Within(_w.words, "g", bindparam("g")), search.Matches(_w.words, "q0"))
        .limit(bindparam("few"))
        .subquery("some")
    )
)

_newest = (
    select(s.posts.c.conversation_id, s.posts.c.thread_id, s.posts.c.id)
    .where(s.posts.c.group_id == bindparam("g"))
    .order_by(s.posts.c.id.desc())
    .limit(SAMPLE)
    .subquery("newest")
)
_match = (
    select(literal(1))
    .where(_w.group_id == bindparam("g"), _w.conversation_id == _newest.c.conversation_id)
    .where(_w.thread_id == _newest.c.thread_id, _w.post_id == _newest.c.id)
    .where(search.Matches(_w.words, "q0", by_index=False))
    .offset(0)  # as above: a look at one row for each of them
)
_HELD = Statement(select(func.count()).select_from(_newest).where(exists(_match)))


def rows(
    snapshot: Snapshot, plan: SearchPlan, asked: Asked, skiptoken: str | None, parameters: dict[str, Any]
) -> tuple[list[Row], int]:
    """The rows of a page, one more than it shows where there are more, and the place among the best where it ends."""
    by = plan.feed.search
    assert by is not None  # noqa: S101  (asked before)
    parameters |= asked.parameters(by, parameters, snapshot)
    limit: int = parameters["limit"]
    if plan.ranked is not None:
        start = _place(skiptoken, plan, asked) if skiptoken is not None else parameters["skip"]
        parameters["skip"] = start
        ranked = plan.ranked
        if plan.ranked_by_walk is not None and snapshot.dialect == "postgresql" and asked.alternatives[0].text:
            common = _held(snapshot, parameters) * COMMON >= SAMPLE
            ranked = plan.ranked_by_walk if common else ranked
        return snapshot.all(ranked, **parameters), start + limit - 1
    cursor = plan.cursor(skiptoken, asked.text) if skiptoken is not None else None
    for number, value in enumerate(cursor or ()):
        if value is not None:
            parameters[f"k{number}"] = value
    further = 1 if plan.natural and asked.walkable(snapshot.dialect) else 0
    if further and snapshot.dialect == "sqlite":
        page = _by_windows(snapshot, plan, asked, cursor, parameters)
        return snapshot.all(plan.page(cursor), **parameters) if page is None else page, 0
    found: list[Row] = []
    wanted = limit + parameters["skip"]
    near, after = cursor, parameters
    while further:
        last = snapshot.one(plan.bound(near), **{**after, "walk": WALK * further - 1})
        bound = {f"b{number}": value for number, value in enumerate(last or ())}
        given = {**after, **bound, "limit": wanted - len(found), "skip": 0}
        found += snapshot.all(plan.walk(near, bounded=last is not None), **given)
        if last is None or len(found) == wanted:
            return found[parameters["skip"] :], 0
        # The index has few where there was none; of a few, more of a walk has a page.
        further = further * LATER if len(found) * LATER >= wanted or (found and further == 1) else 0
        near = last
        after = parameters | {f"k{number}": value for number, value in enumerate(last)}
    return snapshot.all(plan.page(cursor), **parameters), 0


def _by_windows(
    snapshot: Snapshot,
    plan: SearchPlan,
    asked: Asked,
    cursor: Sequence[Any] | None,
    parameters: dict[str, Any],
) -> list[Row] | None:
    """The rows of a page, found by looking at so many rows at once, and then at more; None where the words are so rare
    that the index gives all that it has sooner."""
    by = plan.feed.search
    assert by is not None  # noqa: S101  (asked before)
    item = next(number for number, (column, _, _) in enumerate(plan.keys) if column is by.key)
    counts = len(asked.alternatives) == 1
    wanted = parameters["limit"] + parameters["skip"]
    found: list[Row] = []
    seen = 0  # rows
    there = 0  # so many matches there are at least
    after = parameters
    size, few = WINDOW, FEW
    while True:
        # Putting a match in order costs about what looking at a row does: if there are no more of them than rows
        # that it would take, they are what is sooner.
        if counts and few >= 2 * there:
            if _at_most(snapshot, few, parameters):
                return None
            there = few
        window = snapshot.all(plan.window(cursor), **{**after, "walk": size})
        for start in range(0, len(window), AT_ONCE):
            items = [row[item] for row in window[start : start + AT_ONCE]]
            hits = _hits(snapshot, plan, by, items, parameters)
            if hits:
                given = {**parameters, "found": json.encode(hits).decode(), "limit": wanted - len(found)}
                found += snapshot.all(plan.among(), **given)
            if len(found) >= wanted:
                break
        if len(window) < size or len(found) >= wanted:
            return found[parameters["skip"] :]
        if not counts and len(found) * LATER < wanted:
            return None
        cursor = window[-1]
        after = parameters | {f"k{number}": value for number, value in enumerate(cursor)}
        # As many as seem to be needed, and some more.
        seen += size
        few = (wanted - len(found)) * seen // len(found) if found else few * LATER
        size = min(size * LATER, WINDOW + few) if found else size * LATER


def _hits(
    snapshot: Snapshot, plan: SearchPlan, by: SearchBy, items: Sequence[str], parameters: Mapping[str, Any]
) -> list[str]:
    """Which of some items the words find."""
    hits: set[str] = set()
    for n, statement in enumerate(plan.hits):
        query = parameters[f"q{n}"]
        rest = [each for each in items if each not in hits]
        while rest:
            within = search.within_any(query, by.letter, rest)
            some = max(SOME, len(rest) // 2)
            rows = snapshot.all(statement, **{**parameters, f"q{n}": within, "some": some})
            hits.update(row[0] for row in rows)
            # What has many posts that match is found by the first of them, and would hide the others.
            rest = [each for each in rest if each not in hits] if len(rows) == some else []
    return list(hits)


def _held(snapshot: Snapshot, parameters: Mapping[str, Any]) -> int:
    """How many of the newest posts match, `SAMPLE` being looked at."""
    row = snapshot.one(_HELD, g=parameters["g"], q0=parameters["q0"])
    return 0 if row is None else int(row[0])


def _at_most(snapshot: Snapshot, few: int, parameters: Mapping[str, Any]) -> bool:
    """Whether there are at most so many matches."""
    row = snapshot.one(_SOME, g=parameters["g"], q0=parameters["q0"], few=few + 1)
    return row is not None and row[0] <= few


def _place(skiptoken: str, plan: SearchPlan, asked: Asked) -> int:
    values = tokens.decode(skiptoken, f"{plan.shape} {asked.text}")
    if len(values) != 1 or not isinstance(values[0], int) or not 0 <= values[0] <= BEST:
        raise BadClause("The skip token is damaged; start again from the first page.", target="$skiptoken")
    return values[0]


def token(plan: SearchPlan, asked: Asked, row: Row, place: int) -> str:
    """The `$skiptoken` after `row`, or after the place among the best."""
    if plan.ranked is not None:
        return tokens.encode([place], f"{plan.shape} {asked.text}")
    return plan.token(row, asked.text)


def _materialized(found: CTE) -> CTE:
    # Otherwise PostgreSQL may walk the whole collection and ask for each row whether it is in the list.
    return found.prefix_with("MATERIALIZED")
