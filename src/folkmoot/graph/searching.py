"""`$search` over a collection: which rows it finds, and how a page of them is found at once.

Conversations and threads of a group come as their conversations began, the newest first. SQLite's index of words has
matches in that order, so there a page is the first of them, however rare or common the words are.

Elsewhere a rare word is looked up in the index, and what that gives is put in order. A common one (`the`) would give
too much to sort: the collection is walked in its own order instead, and each row is looked at. So some rows are walked
first; where they do not fill the page, the word is rare enough for the index, or `LATER` times as many are walked. Both
ways give the same rows in the same order. SQLite finds matches one by one, and so tells whether there are more than a
number without finding all; and since each question to its index costs much, it looks at many rows by one, which names
them all. PostgreSQL looks at row after row, and there those that were walked tell how common the word is.
"""

from __future__ import annotations

import dataclasses
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

from folkmoot.graph import clauses, relevance
from folkmoot.graph.feeds import Feed, SearchBy
from folkmoot.graph.plan import Plan
from folkmoot.model import Caller
from folkmoot.odata import tokens
from folkmoot.odata.query import Options
from folkmoot.odata.search import Alternative, alternatives, has_beginning, only_subject, parse_search
from folkmoot.refusals import BadClause
from folkmoot.store import schema as s
from folkmoot.store import search
from folkmoot.store.db import Dialect, Row, Snapshot, Statement
from folkmoot.store.dialect import AnyOf

WALK = 100  # rows that PostgreSQL looks at first, one by one
LONG = 500  # posts of one of these that it looks at
FEW = 250  # matches that are put in order without a walk, where they can be counted so far
MATCHES = 40  # matches that SQLite gives in the order of the page, at first, or twice as many as the page has items
RUN = 6  # so many of these of one conversation, the last, and its others are passed over
BESIDE = 100  # the most items that began with it, for that
WINDOW = 150  # rows that SQLite looks at together, at first
AT_ONCE = 800  # the most that it does
SOME = 50  # posts that are taken of these at a time, or half as many as these are
LATER = 8  # so many times as many, where neither was enough
RANKED = 1_000  # posts whose relevance is compared: the newest that match
TOGETHER = 200  # of these SQLite gives so many at a time
ENOUGH = 50  # and where the last so many of them are of one conversation, it passes over its others
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
        facts = ((each.text is not None, _by_topic(each), _dated(each), each.attached) for each in self.alternatives)
        return (self.ranked, *facts)

    def parameters(self, by: SearchBy, scope: Mapping[str, Any], snapshot: Snapshot) -> dict[str, Any]:
        """What its statements are given, besides the feed's own parameters."""
        places = {letter: scope[name] for letter, name in by.within.items()}
        given: dict[str, Any] = {}
        for n, each in enumerate(self.alternatives):
            if each.text is not None or self.ranked:
                given[f"q{n}"] = search.query(
                    snapshot.dialect,
                    each.text,
                    places,
                    conversation_topics=by.conversation_topics,
                    attached=each.attached,
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


def _by_topic(each: Alternative) -> bool:
    return each.text is not None and only_subject(each.text)


def _dated(each: Alternative) -> bool:
    return each.since is not None or each.until is not None


class SearchPlan(Plan):
    """A plan of what `$search` finds. Unless an order is asked for, the newest come first."""

    __slots__ = (
        "_alternatives",
        "_among",
        "_beside",
        "_bounds",
        "_plain",
        "_possible",
        "_walks",
        "_windows",
        "by",
        "hits",
        "in_order",
        "natural",
        "ranked",
        "ranked_by_walk",
        "weighed",
    )

    def __init__(self, feed: Feed, options: Options, asked: Asked, *, app: bool, now: int) -> None:
        if asked.ranked:
            options = replace(options, orderby=())
        by = feed.search
        assert by is not None  # noqa: S101  (asked before)
        whole = set(by.within) == {"g"}
        newest = (by.conversation, by.key) if whole else (column for column, _ in feed.order)
        feed = dataclasses.replace(feed, order=tuple((column, True) for column in dict.fromkeys(newest)))
        super().__init__(feed, options, app=app, now=now)
        self.by = by
        self._alternatives = asked.alternatives
        self.natural = not options.orderby and not asked.ranked
        plain = self._base
        each = [self._finds(n, by_index=True) for n in range(len(self._alternatives))]
        found = _materialized((each[0] if len(each) == 1 else union_all(*each)).cte("found"))
        # What `page` and `count` of the plan give is what the index finds.
        self._base = self._keyed.where(self.by.key.in_(select(found.c.item)))
        self.count = Statement(select(func.count()).select_from(self._base.subquery()))
        self._walks: dict[tuple[bool, bool], Statement] = {}
        self._bounds: dict[bool, Statement] = {}
        self._windows: dict[bool, Statement] = {}
        # For SQLite: items that match; the number, the conversation and the item of each match from a number on; and
        # these with the words, to be compared by relevance.
        matches = [self._finds(n, by_index=True, in_words=True) for n in range(len(each))]
        self.hits = [Statement(query.limit(bindparam("some"))) for query in matches]
        in_order = [self._in_order(query) for query in matches]
        self.in_order = [Statement(query) for query in in_order] if whole else []
        weighed = in_order if asked.ranked else []
        self.weighed = [Statement(query.add_columns(s.post_words.c.words)) for query in weighed]
        self.ranked = self._by_rank(plain, walk=False) if asked.ranked else None
        # Words of one post in a few are looked for in the newest posts: the index would give them all, to be sorted.
        walkable = asked.ranked and len(asked.alternatives) == 1 and whole
        self.ranked_by_walk = self._by_rank(plain, walk=True) if walkable else None
        self._plain = plain
        # What has posts with attachments says so, and an index has it.
        has = feed.noun.entity.field("hasAttachments")
        attached = has is not None and all(each.attached for each in self._alternatives)
        self._possible: ColumnElement[bool] = has.sql == true() if attached and has is not None else true()
        self._among: dict[bool, Statement] = {}
        self._beside: Statement | None = None

    def _finds(self, n: int, *, by_index: bool, ranked: bool = False, in_words: bool = False) -> Select[Any]:
        """The items that alternative `n` finds: as a list, or those of the row that stands outside. `ranked`: by words
        also where none are asked for. `in_words`: the same on SQLite, where that a post has attachments is one of its
        words and need not be asked of the post."""
        each, w, p = self._alternatives[n], s.post_words.c, s.posts.c
        source: Any = s.post_words
        condition: list[ColumnElement[bool]] = []
        item = self.by.item
        attached = each.attached is not None and not (in_words and each.attached)
        if each.text is None and by_index and not (ranked or in_words):
            # No words are asked for: facts are in the posts themselves.
            source, item = s.posts, self.by.of_post
            condition.append(p.group_id == bindparam("g"))
        else:
            condition += [w.group_id == bindparam("g"), search.Matches(w.words, f"q{n}", by_index=by_index)]
            if _dated(each) or attached:
                # By a name of its own: the row that stands outside may be a post, too.
                its = s.posts.alias("its")
                p = its.c
                source = source.join(its, and_(p.group_id == w.group_id, p.id == w.post_id))
                condition.append(p.group_id == bindparam("g"))
        if _dated(each):
            condition += [p.received_at >= bindparam(f"since{n}"), p.received_at < bindparam(f"until{n}")]
        if attached:
            condition.append(p.has_attachments == bindparam(f"attached{n}"))
        if by_index:
            return select(item.label("item")).select_from(source).where(*condition)
        above = [column == outside for column, outside in self.by.above]
        # With an OFFSET it stays a look at one row; PostgreSQL would make a join of it and look at all of them.
        return select(literal(1)).select_from(source).where(*condition, *above).offset(0)

    def _in_order(self, found: Select[Any]) -> Select[Any]:
        """Of what `_finds` gives the number, the conversation and the item, from the number `start` on (SQLite)."""
        number = search.Number()
        found = found.with_only_columns(number, s.post_words.c.conversation_id, self.by.item)
        return found.where(number >= bindparam("start")).order_by(number).limit(bindparam("some"))

    def _held(self, n: int) -> ColumnElement[bool]:
        """Whether alternative `n` finds the row that stands outside, by looking at its posts. Where those are more than
        `LONG` and none of so many matches, the index says whether another does."""
        each, w = self._alternatives[n], s.post_words.c
        if self.by.letter == "p" or _dated(each) or each.attached is not None:
            return exists(self._finds(n, by_index=False))
        if _by_topic(each):
            return self._titled(n)
        here = [w.group_id == bindparam("g"), *(column == outside for column, outside in self.by.above)]
        some = select(w.words).where(*here).limit(LONG).correlate(self.feed.source).subquery("looked_at")
        found = exists(
            select(literal(1)).select_from(some).where(search.Matches(some.c.words, f"q{n}", by_index=False))
        )
        longer = exists(select(literal(1)).where(*here).limit(1).offset(LONG).correlate(self.feed.source))
        match = search.MatchesIn(w.words, f"q{n}", self.by.letter, self.by.key)
        index = select(literal(1)).where(w.group_id == bindparam("g"), match).offset(0).correlate(self.feed.source)
        others = select(func.count()).select_from(index.subquery("others")).scalar_subquery()
        return case((found, true()), (longer, others > 0), else_=false())

    def _titled(self, n: int) -> ColumnElement[bool]:
        """The same where topics alone decide: any post of a thread tells them."""
        w, its = s.post_words.c, s.threads.alias("its")
        posts = select(w.words).where(w.group_id == bindparam("g"), w.conversation_id == its.c.conversation_id)
        one = posts.where(w.thread_id == its.c.id).limit(1).correlate(its).scalar_subquery()
        above = its.c.id if self.by.letter == "t" else its.c.conversation_id
        threads = select(literal(1)).where(its.c.group_id == bindparam("g"), above == self.by.key)
        found = threads.where(search.Matches(one, f"q{n}", by_index=False)).offset(0)
        return exists(found.correlate(self.feed.source))

    def _by_rank(self, plain: Select[Any], *, walk: bool) -> Statement:
        best = []
        for n in range(len(self._alternatives)):
            if walk:
                newest = self._newest(n).subquery(f"newest{n}")
            else:
                one = self._finds(n, by_index=True, ranked=True).add_columns(s.post_words.c.words)
                newest = one.order_by(s.post_words.c.post_id.desc()).limit(RANKED).subquery(f"newest{n}")
            best.append(select(newest.c.item, search.Score(newest.c.words, f"q{n}").label("score")))
        each = union_all(*best).subquery("each")
        score = func.max(each.c.score).label("score")
        by_item = select(each.c.item, score).group_by(each.c.item)
        scored = _materialized(by_item.order_by(score.desc(), each.c.item.desc()).limit(BEST).cte("scored"))
        query = plain.where(self.by.key == scored.c.item).order_by(scored.c.score.desc(), self.by.key.desc())
        return Statement(query.limit(bindparam("limit")).offset(bindparam("skip")))

    def _newest(self, n: int) -> Select[Any]:
        """The same, found by looking at each of the newest posts until there are enough."""
        each, w, p = self._alternatives[n], s.post_words.c, s.posts.c
        words = (
            select(w.words)
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
        newest = select(self.by.of_post.label("item"), words.label("words")).where(*condition)
        looked_at = newest.order_by(p.id.desc()).limit(RANKED * COMMON).subquery(f"looked_at{n}")
        return select(looked_at).where(looked_at.c.words.is_not(None)).limit(RANKED)

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

    def among(self, cursor: Sequence[Any] | None) -> Statement:
        """The statement for those after `cursor` of the rows whose keys are in the JSON array `found`."""
        key = cursor is not None
        found = self._among.get(key)
        if found is None:
            query = self._keyed.where(AnyOf(self.by.key, "found"))
            if key:
                query = query.where(clauses.after(self.keys, [False] * len(self.keys)))
            query = query.order_by(*(column.desc() for column, _, _ in self.keys))
            found = self._among[key] = Statement(query.limit(bindparam("limit")))
        return found

    def beside(self) -> Statement:
        """The statement for the keys of `BESIDE` items at most whose conversations' ids are from `since` on and before
        `until`, and of one more."""
        if self._beside is None:
            since, until = (bindparam(name, type_=self.by.conversation.type) for name in ("since", "until"))
            rows = select(self.by.key).select_from(self.feed.source).where(self.feed.condition)
            rows = rows.where(self.by.conversation >= since, self.by.conversation < until)
            self._beside = Statement(rows.limit(BESIDE + 1))
        return self._beside

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
        if snapshot.dialect == "sqlite":
            return _best(snapshot, plan, asked, parameters), start + limit - 1
        ranked = plan.ranked
        if plan.ranked_by_walk is not None and asked.alternatives[0].text:
            common = _held(snapshot, parameters) * COMMON >= SAMPLE
            ranked = plan.ranked_by_walk if common else ranked
        return snapshot.all(ranked, **parameters), start + limit - 1
    cursor = plan.cursor(skiptoken, asked.text) if skiptoken is not None else None
    for number, value in enumerate(cursor or ()):
        if value is not None:
            parameters[f"k{number}"] = value
    further = 1 if plan.natural and asked.walkable(snapshot.dialect) else 0
    if further and snapshot.dialect == "sqlite":
        if plan.in_order:
            return _in_order(snapshot, plan, by, cursor, parameters), 0
        page = _by_windows(snapshot, plan, by, cursor, parameters)
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


def _best(snapshot: Snapshot, plan: SearchPlan, asked: Asked, parameters: dict[str, Any]) -> list[Row]:
    """The rows of a page, the best first, by the measure for SQLite."""
    place = next(place for column, _, place in plan.keys if column is plan.by.key)
    scores: dict[str, float] = {}
    for statement, each in zip(plan.weighed, asked.alternatives, strict=True):
        matches = _newest_matches(snapshot, plan, statement, parameters)
        weighed = relevance.scores(each.text, [words for *_, words in matches])
        for (_, _, item, _), score in zip(matches, weighed, strict=True):
            scores[item] = max(score, scores.get(item, 0.0))
    best = sorted(scores, key=lambda item: (scores[item], item), reverse=True)[:BEST]
    skip, wanted = parameters["skip"], parameters["skip"] + parameters["limit"]
    found: list[Row] = []
    size = max(wanted, MATCHES)
    for start in range(0, len(best), size):
        some = best[start : start + size]
        rows = snapshot.all(plan.among(None), **{**parameters, "found": json.encode(some).decode(), "limit": len(some)})
        by_item = {row[place]: row for row in rows}
        found += [by_item[item] for item in some if item in by_item]
        if len(found) >= wanted:
            break
    return found[skip:wanted]


def _newest_matches(
    snapshot: Snapshot, plan: SearchPlan, statement: Statement, parameters: dict[str, Any]
) -> list[Row]:
    """The matches that are compared: of the newest conversations, where those of many are looked for."""
    found: list[Row] = []
    start = 0
    while len(found) < RANKED:
        some = min(TOGETHER, RANKED - len(found))
        rows = snapshot.all(statement, **parameters, start=start, some=some)
        found += rows
        if len(rows) < some:
            break
        passed = plan.in_order and _run(rows, ENOUGH)
        start = search.moment(rows[-1][0]).end if passed else rows[-1][0] + 1
    return found


def _run(rows: Sequence[Row], count: int) -> bool:
    """Whether of matches so many, the last, are of one conversation."""
    return len(rows) >= count and search.moment(rows[-count][0]) == search.moment(rows[-1][0])


def _in_order(
    snapshot: Snapshot, plan: SearchPlan, by: SearchBy, cursor: Sequence[Any] | None, parameters: dict[str, Any]
) -> list[Row]:
    """The rows of a page, by the index that has matches in their order."""
    wanted = parameters["limit"] + parameters["skip"]
    found: list[Row] = []
    waiting: dict[str, int] = {}  # items that match, and the first number of their conversation
    start = 0 if cursor is None else search.first(cursor[0])
    some = max(MATCHES, 2 * wanted)
    while True:
        last: int | None = None  # the number up to which every match was seen
        run = False
        for statement in plan.in_order:
            rows = snapshot.all(statement, **parameters, start=start, some=some)
            waiting.update([(item, search.first(conversation)) for _, conversation, item in rows])
            if len(rows) == some and (last is None or rows[-1][0] < last):
                last, run = rows[-1][0], _run(rows, RUN)
        if last is None:
            ready = list(waiting)
        else:
            moment = search.moment(last)
            end, start = moment.first, last + 1
            beside = snapshot.all(plan.beside(), **parameters, **moment._asdict()) if run else ()
            if 0 < len(beside) <= BESIDE:
                others = [key for (key,) in beside if key not in waiting]
                waiting.update(dict.fromkeys(_hits(snapshot, plan, by, others, parameters), moment.first))
                end = start = moment.end
            else:
                some = max(some, min(2 * some, AT_ONCE))
            ready = [item for item, number in waiting.items() if number < end]
        if ready and (last is None or len(ready) >= wanted - len(found)):
            given = {**parameters, "found": json.encode(ready).decode(), "limit": wanted - len(found)}
            found += snapshot.all(plan.among(cursor), **given)
            for item in ready:
                del waiting[item]
        if last is None or len(found) == wanted:
            return found[parameters["skip"] :]


def _by_windows(
    snapshot: Snapshot,
    plan: SearchPlan,
    by: SearchBy,
    cursor: Sequence[Any] | None,
    parameters: dict[str, Any],
) -> list[Row] | None:
    """The rows of a page, found by looking at so many rows at once, and then at more; None where the words are so rare
    that the index gives all that it has sooner."""
    item = next(number for number, (column, _, _) in enumerate(plan.keys) if column is by.key)
    counts = len(plan.hits) == 1
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
                found += snapshot.all(plan.among(None), **given)
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
