"""Full text: what is indexed of a post, and the SQL of finding it, which the two databases spell differently.

SQLite has a virtual table of FTS5 over one of rows, PostgreSQL a tsvector under a GIN index; both get the words that
`odata.words` makes, and so find the same. A word's first character says where it stood: none in the body, `§` in the
thread's topic, `‡` in the conversation's where that is another, `¶` in the author's name or address. `†g…`, `†c…` and
`†t…` stand for the group, conversation and thread, so that a search within one passes over what others hold. On SQLite,
where nothing but words can be looked for, `†p…` stands for the post and `†a` is a word of those with attachments.

On SQLite rows have numbers in the order in which conversations began, the newest first (`number`): FTS5, which gives
matches by number, so gives them in the order of the page, which costs what it shows.

Verbs write and remove these rows in the transaction of the post: nothing cascades into a virtual table.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from msgspec import json
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Double,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from folkmoot.mime import html
from folkmoot.odata.search import And, Node, Not, Or, Words
from folkmoot.odata.words import in_place, words
from folkmoot.store import schema as s
from folkmoot.store.db import Dialect, Statement, Tx
from folkmoot.store.dialect import AnyOf
from folkmoot.store.held import Groups, Run, Several, parts

# What a tsvector holds: 16,383 places and a megabyte. A post is found by so much of its beginning.
MOST_WORDS = 15_000
MOST_BYTES = 500_000

# With what a word begins that stood in the body, a topic or an author's name, or that is none of those.
BODY, TOPIC, CONVERSATION_TOPIC, AUTHOR, _PLACE = "", "§", "‡", "¶", "†"
FIELDS: Mapping[str | None, tuple[str, ...]] = {
    "from": (AUTHOR,),
    "subject": (TOPIC, CONVERSATION_TOPIC),
    "body": (BODY,),
    None: (BODY, TOPIC, CONVERSATION_TOPIC, AUTHOR),
}
ATTACHED = f"{_PLACE}a"
_brief = lru_cache(maxsize=4096)(words)
# The places of the words of most posts, as a tsvector is written: put together, they need not be for each word.
_NUMBERS = tuple(f":{number} " for number in range(1, 1001))


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def body_words(content_type: str, content: str) -> str:
    """The words of a post's body, between blanks (one or more); of HTML those of its text."""
    return text_words(html.text_of_html(content) if content_type == "html" else content)


def text_words(given: str) -> str:
    """The same of a text."""
    if len(given) < 2 * MOST_WORDS and (plain := in_place(given)) is not None:
        return plain
    text = " ".join(words(given)[:MOST_WORDS])
    if len(text) > MOST_BYTES // 4 and len(encoded := text.encode()) > MOST_BYTES:
        text = encoded[:MOST_BYTES].decode(errors="ignore").rpartition(" ")[0]
    return text


def place(letter: str, id: str) -> str:
    """The word for a group (`g`), conversation (`c`), thread (`t`) or post (`p`)."""
    return f"{_PLACE}{letter}{id.replace('-', '')}"


def indexed(
    dialect: Dialect,
    *,
    group: str,
    conversation: str,
    thread: str,
    post: str,
    topics: tuple[str, str],
    authors: Iterable[str | None],
    body: str,
    attached: bool,
    version: int,
) -> dict[str, Any]:
    """A row of `post_words`, and its number on SQLite. `topics` are the thread's and the conversation's; `body` is what
    `body_words` gave."""
    found = [place("g", group), place("c", conversation), place("t", thread)]
    if dialect == "sqlite":
        found.append(place("p", post))
        if attached:
            found.append(ATTACHED)
        if body:
            found.append(body)
    else:
        found += body.split()
    topic, of_conversation = topics
    found += [f"{TOPIC}{word}" for word in _brief(topic)]
    if of_conversation != topic:
        found += [f"{CONVERSATION_TOPIC}{word}" for word in _brief(of_conversation)]
    for author in dict.fromkeys(authors):
        found += [f"{AUTHOR}{word}" for word in _brief(author or "")]
    return {
        "number": number(conversation, version),
        "group_id": group,
        "conversation_id": conversation,
        "thread_id": thread,
        "post_id": post,
        "words": " ".join(found) if dialect == "sqlite" else _tsvector(found),
    }


def _tsvector(found: list[str]) -> str:
    """PostgreSQL's own spelling, which it sorts and sums up; words hold nothing that it would take for a mark."""
    if len(found) <= len(_NUMBERS):
        spelt = [""] * (2 * len(found))
        spelt[::2] = found
        spelt[1::2] = _NUMBERS[: len(found)]
        return "".join(spelt)
    return " ".join([f"{word}:{number}" for number, word in enumerate(found, 1)])


# SQLite, after many rows at once: makes one piece of the index out of several, which a search would ask one by one, in
# half a minute at a million posts (FTS5, "The 'optimize' Command"). While posts come singly FTS5 does so by itself, a
# little at a time.
OPTIMIZE_WORDS = "INSERT INTO post_words (post_words) VALUES ('optimize')"

# A number of a row on SQLite, the newest the least: 42 bits of the milliseconds in which its conversation began, which
# its id has (RFC 9562 §5.7), and 21 that tell apart what began then: of the number of the change that made the post. So
# what comes together stands together, and two want one number only where two groups, or millions of changes, meet.
_ROOM = 21
_TAIL = (1 << _ROOM) - 1
_LAST_MOMENT = (1 << 42) - 1


def first(conversation: str) -> int:
    """The least number that a row of a conversation can have on SQLite. Of one that began later it is no greater."""
    return _LAST_MOMENT - min(int(conversation[:8] + conversation[9:13], 16), _LAST_MOMENT) << _ROOM


def number(conversation: str, version: int) -> int:
    """The number on SQLite of a post that the change `version` of its group has made or changed."""
    return first(conversation) | ~version & _TAIL


class Moment(NamedTuple):
    """What began in one millisecond: the first number of its rows, the one after their last, and between which texts
    the ids of its conversations are (from `since` on, before `until`)."""

    first: int
    end: int
    since: str
    until: str


def moment(number: int) -> Moment:
    """The moment in which a row's conversation began, by its number."""
    place = number >> _ROOM
    ms = _LAST_MOMENT - place
    since, until = f"{ms:012x}", f"{ms + 1:012x}" if place else "g" * 12
    return Moment(place << _ROOM, place + 1 << _ROOM, f"{since[:8]}-{since[8:]}", f"{until[:8]}-{until[8:]}")


class _InOrder(Several):
    """Rows of any groups on SQLite, numbered: in the table to which they are appended, and in the index of words."""

    def __init__(self) -> None:
        super().__init__(s.post_words, 3)
        self.pick = itemgetter("number", *self.columns)
        self.columns = ("number", *self.columns, "group_id")

    def write(self, groups: Groups, run: Run) -> None:
        rows = [(*row, group) for group, of_group in groups.items() for row in of_group.values()]
        # By ascending numbers: before a lesser one FTS5 would write to the disk what it has.
        rows.sort(key=itemgetter(0))
        for part in parts(rows):
            statement, names = self.of(len(part))
            try:
                run(statement, dict(zip(names, chain.from_iterable(part), strict=True)))
            except sqlite3.IntegrityError:
                part = sorted(self.beside(row, run) for row in part)
            index, names = _indexing(len(part))
            values = chain.from_iterable([(number, group, words) for number, *_, words, group in part])
            run(index, dict(zip(names, values, strict=True)))

    def beside(self, row: tuple[Any, ...], run: Run) -> tuple[Any, ...]:
        """Append a row whose number another may have, and return it with the one that it got. Raises `IntegrityError`
        where two million have all there are."""
        statement, names = self.of(1)
        number, *rest = row
        step = 1
        while True:
            try:
                run(statement, dict(zip(names, (number, *rest), strict=True)))
            except sqlite3.IntegrityError:
                if step > _TAIL:
                    raise
                number = number & ~_TAIL | number + step & _TAIL
                step += 1
            else:
                return (number, *rest)

    def _insert(self, names: list[dict[str, str]]) -> ClauseElement:
        rows = ", ".join(f"(:{', :'.join(row.values())})" for row in names)
        return text(f"INSERT INTO indexed_posts ({', '.join(self.columns)}) VALUES {rows}")  # noqa: S608  (names of our own)


@cache
def _indexing(count: int) -> tuple[Statement, tuple[str, ...]]:
    names = [(f"number_{each}", f"group_id_{each}", f"words_{each}") for each in range(count)]
    rows = ", ".join(f"(:{', :'.join(row)})" for row in names)
    statement = Statement(text(f"INSERT INTO post_words (rowid, group_id, words) VALUES {rows}"))  # noqa: S608
    return statement, tuple(chain.from_iterable(names))


_IN_ORDER = _InOrder()
_ONE = f"INSERT INTO indexed_posts ({', '.join(_IN_ORDER.columns)}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608
_WORDS: Mapping[Dialect, Several] = {"sqlite": _IN_ORDER, "postgresql": Several(s.post_words, 3)}


def add(tx: Tx, **post: Any) -> None:
    """Index a post that was inserted (the arguments of `indexed`)."""
    row = indexed(tx.dialect, **post)
    tx.add(_WORDS[tx.dialect], row.pop("group_id"), **row)


def add_rows(connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows to a database file, for those who fill it with many at once. Each has its number, conversation, thread,
    post, words and group."""
    waiting = iter(sorted(rows, key=itemgetter(0)))
    row: tuple[Any, ...] = ()
    (before,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM indexed_posts").fetchone()

    def each() -> Iterator[tuple[Any, ...]]:
        nonlocal row
        for row in waiting:  # noqa: UP028  (it says at which it ended)
            yield row

    def run(statement: Statement, parameters: Mapping[str, Any]) -> None:
        connection.execute(statement.compiled("sqlite")[0], parameters)

    while True:
        try:
            connection.executemany(_ONE, each())
        except sqlite3.IntegrityError:
            _IN_ORDER.beside(row, run)
        else:
            break
    # By their numbers, but for the few that took another: to sort them all once more costs a sixth of the time.
    connection.execute(
        "INSERT INTO post_words (rowid, words) SELECT number, words FROM indexed_posts WHERE rowid > ? ORDER BY rowid",
        (before,),
    )


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Condition(ColumnElement[bool]):
    inherit_cache = False
    type = Boolean()

    def self_group(self, against: Any = None) -> _Condition:
        # Otherwise SQLite would be asked `… MATCH … = 1`, for which FTS5 has no index.
        return self


class Matches(_Condition):
    """Whether words match the query in a parameter. `by_index` False keeps PostgreSQL from its index: each row that
    something else finds is looked at."""

    def __init__(self, words: ColumnElement[Any], parameter: str, *, by_index: bool = True) -> None:
        self.words = words
        self.query: BindParameter[str] = bindparam(parameter)
        self.by_index = by_index


@compiles(Matches, "sqlite")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _matches_on_sqlite(element: Matches, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{compiler.process(element.words, **kw)} MATCH {compiler.process(element.query, **kw)}"


@compiles(Matches, "postgresql")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _matches_on_postgresql(element: Matches, compiler: SQLCompiler, **kw: Any) -> str:
    column, query = compiler.process(element.words, **kw), compiler.process(element.query, **kw)
    if not element.by_index:
        column = f"coalesce({column}, '')"
    return f"{column} @@ CAST({query} AS tsquery)"


class Within(_Condition):
    """Finds rows of a place on SQLite, where nothing but words can be found by; elsewhere keys do that."""

    def __init__(self, words: ColumnElement[Any], letter: str, id: ColumnElement[Any]) -> None:
        self.words = words
        self.letter = letter
        self.id = id


@compiles(Within, "sqlite")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _within_on_sqlite(element: Within, compiler: SQLCompiler, **kw: Any) -> str:
    column, id = compiler.process(element.words, **kw), compiler.process(element.id, **kw)
    return f"{column} MATCH '\"{_PLACE}{element.letter}' || replace({id}, '-', '') || '\"'"


@compiles(Within, "postgresql")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _within_on_postgresql(_: Within, __: SQLCompiler, **___: Any) -> str:
    return "TRUE"


class MatchesIn(_Condition):
    """Whether words match the query in a parameter and stand in a place, by PostgreSQL's index."""

    def __init__(self, words: ColumnElement[Any], parameter: str, letter: str, id: ColumnElement[Any]) -> None:
        self.words = words
        self.query: BindParameter[str] = bindparam(parameter)
        self.letter = letter
        self.id = id


@compiles(MatchesIn, "postgresql")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _matches_in_on_postgresql(element: MatchesIn, compiler: SQLCompiler, **kw: Any) -> str:
    column, query = compiler.process(element.words, **kw), compiler.process(element.query, **kw)
    word = f"'{_PLACE}{element.letter}' || replace(CAST({compiler.process(element.id, **kw)} AS TEXT), '-', '')"
    return f"{column} @@ (CAST({query} AS tsquery) && CAST({word} AS tsquery))"


class Score(ColumnElement[float]):
    """How well words match the query in a parameter, by PostgreSQL's measure; more is better."""

    inherit_cache = False
    type = Double()

    def __init__(self, words: ColumnElement[Any], parameter: str) -> None:
        self.words = words
        self.query: BindParameter[str] = bindparam(parameter)


@compiles(Score, "postgresql")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _score_on_postgresql(element: Score, compiler: SQLCompiler, **kw: Any) -> str:
    words, query = compiler.process(element.words, **kw), compiler.process(element.query, **kw)
    return f"ts_rank({words}, CAST({query} AS tsquery))"


class Number(ColumnElement[int]):
    """The number of a row on SQLite; see `number`."""

    inherit_cache = False
    type = BigInteger()


@compiles(Number, "sqlite")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _number_on_sqlite(_: Number, __: SQLCompiler, **___: Any) -> str:
    return "post_words.rowid"


def query(
    dialect: Dialect,
    text: Node | None,
    places: Mapping[str, str],
    *,
    conversation_topics: bool,
    attached: bool | None,
) -> str:
    """A tree of words as the database's own query, within `places` (letter → id, the group among them).

    `conversation_topics`: a conversation's own topic is found, too. `attached`: posts with attachments are wanted, and
    no others; where the index knows which these are, it gives them only.
    """
    within = [_term(dialect, (place(letter, id),), beginning=False) for letter, id in places.items()]
    if attached and dialect == "sqlite":
        within.append(_term(dialect, (ATTACHED,), beginning=False))
    both, either = (" AND ", " OR ") if dialect == "sqlite" else (" & ", " | ")

    def spelt(node: Node) -> str:
        match node:
            case Words(given, field, beginning):
                marks = (mark for mark in FIELDS[field] if conversation_topics or mark != CONVERSATION_TOPIC)
                each = [_term(dialect, tuple(mark + word for word in given), beginning=beginning) for mark in marks]
                return f"({either.join(each)})"
            case And(parts) if dialect == "sqlite" and (without := [part for part in parts if isinstance(part, Not)]):
                having = [part for part in parts if not isinstance(part, Not)]
                these = spelt(And(tuple(having))) if having else within[0]
                return f"({these} NOT {spelt(Or(tuple(part.part for part in without)))})"
            case And(parts):
                return f"({both.join(spelt(part) for part in parts)})"
            case Or(parts):
                return f"({either.join(spelt(part) for part in parts)})"
            case Not(part):
                # FTS5 knows "this without that" only; without it all of the group is gone through.
                return f"({within[0]} NOT {spelt(part)})" if dialect == "sqlite" else f"!{spelt(part)}"
        raise AssertionError(node)

    return both.join(within if text is None else [*within, spelt(text)])


def within_any(query: str, letter: str, ids: Iterable[str]) -> str:
    """A query of SQLite's, within any of some places of a kind."""
    mark = f"{_PLACE}{letter}"
    places = f'" OR "{mark}'.join(ids).replace("-", "")
    return f'({query}) AND ("{mark}{places}")'


def _term(dialect: Dialect, given: tuple[str, ...], *, beginning: bool) -> str:
    if dialect == "sqlite":
        return f'"{" ".join(given)}"{" *" if beginning else ""}'
    spelt = " <-> ".join([f"'{word}'" for word in given])
    return f"({spelt}{':*' if beginning else ''})"


# ── removing and renaming ────────────────────────────────────────────────────────────────────────────────────────────

_w, _p = s.post_words.c, s.posts.c
_OF_CONVERSATION = and_(
    _w.group_id == bindparam("g"),
    _w.conversation_id == bindparam("c"),
    Within(_w.words, "c", bindparam("c")),
)
_OF_THREAD = and_(
    _w.group_id == bindparam("g"),
    _w.conversation_id == bindparam("c"),
    _w.thread_id == bindparam("t"),
    Within(_w.words, "t", bindparam("t")),
)
_OF_POST = and_(
    _w.group_id == bindparam("g"),
    _w.conversation_id == bindparam("c"),
    _w.thread_id == bindparam("t"),
    _w.post_id == bindparam("p"),
    Within(_w.words, "p", bindparam("p")),
)


class _Removal:
    """Of rows of `post_words`, and on SQLite of those that it is an index of: it reads there what it had of them."""

    def __init__(self, condition: ColumnElement[bool]) -> None:
        self._numbers = Statement(select(Number()).select_from(s.post_words).where(condition))
        self._removal = Statement(delete(s.post_words).where(condition), keeps_memo=True)

    def remove(self, tx: Tx, **keys: str) -> None:
        if tx.dialect == "postgresql":
            tx.run(self._removal, **keys)
        else:
            _remove_numbers(tx, keys["g"], [number for (number,) in tx.all(self._numbers, **keys)])


# By number: FTS5 would go to where it was among its matches again after each row that it removes.
_REMOVE_WORDS = Statement(
    text("DELETE FROM post_words WHERE rowid IN (SELECT value FROM json_each(:numbers)) AND post_words.group_id = :g"),
    keeps_memo=True,
)
_REMOVE_ROWS = Statement(
    text("DELETE FROM indexed_posts WHERE number IN (SELECT value FROM json_each(:numbers))"), keeps_memo=True
)
_BY_NUMBER = Statement(
    text(
        "SELECT post_id, number FROM indexed_posts"
        " WHERE number IN (SELECT value FROM json_each(:numbers)) AND group_id = :g"
    )
)


def _remove_numbers(tx: Tx, group: str, numbers: list[int]) -> None:
    listed = json.encode(numbers).decode()
    tx.run(_REMOVE_WORDS, g=group, numbers=listed)
    tx.run(_REMOVE_ROWS, numbers=listed)


_CONVERSATION, _THREAD, _POST = _Removal(_OF_CONVERSATION), _Removal(_OF_THREAD), _Removal(_OF_POST)
_REMOVE_POSTS = Statement(
    delete(s.post_words).where(
        _w.group_id == bindparam("g"),
        _w.conversation_id == bindparam("c"),
        _w.thread_id == bindparam("t"),
        AnyOf(_w.post_id, "posts"),
    ),
    keeps_memo=True,
)

# For SQLite.
_WITH_WORD = Statement(
    select(literal(1))
    .select_from(s.post_words)
    .where(_w.group_id == bindparam("g"), Within(_w.words, "p", bindparam("p")), Matches(_w.words, "word"))
)

_WORDS_OF_POST = Statement(select(cast(_w.words, Text)).select_from(s.post_words).where(_OF_POST))
# Of words between blanks, and of a tsvector in its quotes.
_UNDER_TOPIC = re.compile(rf"(?:^|[ ']){TOPIC}([^ ':]+)")

_AT: BindParameter[int] = bindparam("at", type_=_p.received_at.type)
_ID: BindParameter[str] = bindparam("id", type_=_p.id.type)
_TOLD = (
    _p.version,
    _p.has_attachments,
    _p.content_type,
    _p.content,
    _p.from_name,
    _p.from_address,
    _p.sender_name,
    _p.sender_address,
)
_ONE_POST = Statement(select(*_TOLD).where(_p.group_id == bindparam("g"), _p.id == bindparam("id")))
_POSTS = Statement(
    select(_p.received_at, _p.id, *_TOLD)
    .where(_p.group_id == bindparam("g"), _p.thread_id == bindparam("t"))
    .where(tuple_(_p.received_at, _p.id) > tuple_(_AT, _ID))
    .order_by(_p.received_at, _p.id)
    .limit(bindparam("n"))
)
# Up to which post of a thread something is done: when it arrived, and its id.
Reached = tuple[int, str]
NOTHING_YET: Reached = (-(2**62), "00000000-0000-0000-0000-000000000000")


def remove_conversation(tx: Tx, group: str, conversation: str) -> None:
    """Let nothing of a conversation be found any more."""
    _CONVERSATION.remove(tx, g=group, c=conversation)


def remove_thread(tx: Tx, group: str, conversation: str, thread: str) -> None:
    """Let nothing of a thread be found any more."""
    _THREAD.remove(tx, g=group, c=conversation, t=thread)


def remove_post(tx: Tx, group: str, conversation: str, thread: str, post: str) -> None:
    """Let a post be found no more."""
    _POST.remove(tx, g=group, c=conversation, t=thread, p=post)


def remove_posts(tx: Tx, group: str, conversation: str, thread: str, versions: Mapping[str, int]) -> None:
    """Let posts of a thread be found no more, by their ids and versions: a tenth of what one after the other costs."""
    if tx.dialect == "postgresql":
        listed = json.encode(list(versions)).decode()
        tx.run(_REMOVE_POSTS, g=group, c=conversation, t=thread, posts=listed)
        return
    numbers = json.encode([number(conversation, version) for version in versions.values()]).decode()
    there = {post: row for post, row in tx.all(_BY_NUMBER, g=group, numbers=numbers) if post in versions}
    _remove_numbers(tx, group, list(there.values()))
    # Those that had to take another number, and those whose version has changed without their words.
    for post in versions:
        if post not in there:
            remove_post(tx, group, conversation, thread, post)


def amend_post(tx: Tx, group: str, conversation: str, thread: str, post: str, topics: tuple[str, str]) -> None:
    """Index a post anew by what is stored of it now; nothing where it is not there."""
    remove_post(tx, group, conversation, thread, post)
    found = tx.one(_ONE_POST, g=group, id=post)
    if found is not None:
        _add_stored(tx, group, conversation, thread, post, topics, *found)


def restate_attachments(
    tx: Tx, group: str, conversation: str, thread: str, post: str, topics: tuple[str, str], attached: bool
) -> None:
    """Let the index know whether a post has attachments now, as its row does."""
    if tx.dialect == "sqlite" and attached != (tx.one(_WITH_WORD, g=group, p=post, word=f'"{ATTACHED}"') is not None):
        amend_post(tx, group, conversation, thread, post, topics)


def rename_posts(
    tx: Tx, group: str, conversation: str, thread: str, topics: tuple[str, str], after: Reached, at_most: int
) -> Reached | None:
    """Index the next posts of a thread anew under its topic, and return how far that went; None where none is left.

    It costs what posting them did, all but the disk.
    """
    at, id = after
    found = tx.all(_POSTS, g=group, t=thread, at=at, id=id, n=at_most)
    remove_posts(tx, group, conversation, thread, {id: version for _, id, version, *_ in found})
    for at, id, *told in found:  # noqa: B007  (how far it went)
        _add_stored(tx, group, conversation, thread, id, topics, *told)
    return (at, id) if len(found) == at_most else None


def is_under(tx: Tx, group: str, conversation: str, thread: str, post: str, topic: str) -> bool:
    """Whether a post is indexed under this topic of its thread; so is one that is not indexed."""
    found = tx.one(_WORDS_OF_POST, g=group, c=conversation, t=thread, p=post)
    return found is None or {*_UNDER_TOPIC.findall(found[0])} == {*_brief(topic)}


def _add_stored(
    tx: Tx,
    group: str,
    conversation: str,
    thread: str,
    post: str,
    topics: tuple[str, str],
    version: int,
    attached: bool,
    content_type: str,
    content: str,
    *authors: str | None,
) -> None:
    add(
        tx,
        group=group,
        conversation=conversation,
        thread=thread,
        post=post,
        topics=topics,
        authors=authors,
        body=body_words(content_type, content),
        attached=bool(attached),
        version=version,
    )
