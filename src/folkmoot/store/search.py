"""Full text: what is indexed of a post, and the SQL of finding it, which the two databases spell differently.

SQLite has a virtual table of FTS5, PostgreSQL a tsvector under a GIN index; both get the words that `odata.words`
makes, and so find the same. A word's first character says where it stood: none in the body, `§` in the thread's topic,
`‡` in the conversation's where that is another, `¶` in the author's name or address. `†g…`, `†c…`, `†t…` stand for the
group, conversation and thread, so that a search within one passes over what others hold.

Verbs write and remove these rows in the transaction of the post: nothing cascades into a virtual table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Boolean, ColumnElement, Double, and_, bindparam, delete, insert, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from folkmoot.mime import html
from folkmoot.odata.search import And, Node, Not, Or, Words
from folkmoot.odata.words import in_place, words
from folkmoot.store import schema as s
from folkmoot.store.db import Dialect, Snapshot, Statement, Tx
from folkmoot.store.held import Several

# What a tsvector holds: 16,383 places and a megabyte. A post is found by so much of its beginning.
MOST_WORDS = 15_000
MOST_BYTES = 500_000

_TOPIC, _CONVERSATION_TOPIC, _AUTHOR, _PLACE = "§", "‡", "¶", "†"
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
) -> dict[str, str]:
    """A row of `post_words`. `topics` are the thread's and the conversation's; `body` is what `body_words` gave."""
    found = [place("g", group), place("c", conversation), place("t", thread)]
    if dialect == "sqlite":
        found.append(place("p", post))  # a virtual table has no key to find it by
        if body:
            found.append(body)
    else:
        found += body.split()
    topic, of_conversation = topics
    found += [f"{_TOPIC}{word}" for word in _brief(topic)]
    if of_conversation != topic:
        found += [f"{_CONVERSATION_TOPIC}{word}" for word in _brief(of_conversation)]
    for author in dict.fromkeys(authors):
        found += [f"{_AUTHOR}{word}" for word in _brief(author or "")]
    return {
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

# For those who fill a database row by row; verbs hold rows back.
ADD = Statement(insert(s.post_words), keeps_memo=True)
WORDS = Several(s.post_words, 3)


def add(tx: Tx, **post: Any) -> None:
    """Index a post that was inserted (the arguments of `indexed`)."""
    row = indexed(tx.dialect, **post)
    tx.add(WORDS, row.pop("group_id"), **row)


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


class Weighed(ColumnElement[Any]):
    """What `Score` judges a row by; it stands beside the condition that the row matches."""

    inherit_cache = False

    def __init__(self, words: ColumnElement[Any]) -> None:
        self.words = words


@compiles(Weighed, "sqlite")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _weighed_on_sqlite(_: Weighed, __: SQLCompiler, **___: Any) -> str:
    return "-bm25(post_words)"


@compiles(Weighed, "postgresql")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _weighed_on_postgresql(element: Weighed, compiler: SQLCompiler, **kw: Any) -> str:
    text: str = compiler.process(element.words, **kw)
    return text


class Score(ColumnElement[float]):
    """How well a row matches, from what `Weighed` gave; more is better. Each database has a measure of its own."""

    inherit_cache = False
    type = Double()

    def __init__(self, weighed: ColumnElement[Any], parameter: str) -> None:
        self.weighed = weighed
        self.query: BindParameter[str] = bindparam(parameter)


@compiles(Score, "sqlite")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _score_on_sqlite(element: Score, compiler: SQLCompiler, **kw: Any) -> str:
    text: str = compiler.process(element.weighed, **kw)
    return text


@compiles(Score, "postgresql")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _score_on_postgresql(element: Score, compiler: SQLCompiler, **kw: Any) -> str:
    weighed, query = compiler.process(element.weighed, **kw), compiler.process(element.query, **kw)
    return f"ts_rank({weighed}, CAST({query} AS tsquery))"


class Newest(ColumnElement[Any]):
    """Orders posts that match: the last that were indexed first on SQLite, which has them so, by id elsewhere."""

    inherit_cache = False


@compiles(Newest, "sqlite")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _newest_on_sqlite(_: Newest, __: SQLCompiler, **___: Any) -> str:
    return "post_words.rowid DESC"


@compiles(Newest, "postgresql")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _newest_on_postgresql(_: Newest, __: SQLCompiler, **___: Any) -> str:
    return "post_words.post_id DESC"


def query(dialect: Dialect, text: Node | None, places: Mapping[str, str], *, conversation_topics: bool) -> str:
    """A tree of words as the database's own query, within `places` (letter → id, the group among them).

    `conversation_topics`: a conversation's own topic is found, too.
    """
    within = [_term(dialect, (place(letter, id),), beginning=False) for letter, id in places.items()]
    topics = (_TOPIC, _CONVERSATION_TOPIC) if conversation_topics else (_TOPIC,)
    fields = {"from": (_AUTHOR,), "subject": topics, "body": ("",), None: ("", *topics, _AUTHOR)}
    both, either = (" AND ", " OR ") if dialect == "sqlite" else (" & ", " | ")

    def spelt(node: Node) -> str:
        match node:
            case Words(given, field, beginning):
                marks = fields[field]
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
_REMOVE_POST = Statement(delete(s.post_words).where(_OF_POST), keeps_memo=True)
_REMOVE_CONVERSATION = Statement(delete(s.post_words).where(_OF_CONVERSATION), keeps_memo=True)
_REMOVE_THREAD = Statement(delete(s.post_words).where(_OF_THREAD), keeps_memo=True)

_AT: BindParameter[int] = bindparam("at", type_=_p.received_at.type)
_ID: BindParameter[str] = bindparam("id", type_=_p.id.type)
_TOLD = (_p.content_type, _p.content, _p.from_name, _p.from_address, _p.sender_name, _p.sender_address)
_ONE_POST = Statement(select(*_TOLD).where(_p.group_id == bindparam("g"), _p.id == bindparam("id")))
_STORED = (
    select(_p.received_at, _p.id, *_TOLD)
    .where(_p.group_id == bindparam("g"), _p.thread_id == bindparam("t"))
    .where(tuple_(_p.received_at, _p.id) > tuple_(_AT, _ID))
    .order_by(_p.received_at, _p.id)
    .limit(200)
)
_POSTS = Statement(_STORED)
_NO_ID = "00000000-0000-0000-0000-000000000000"


def remove_conversation(tx: Tx, group: str, conversation: str) -> None:
    """Let nothing of a conversation be found any more."""
    tx.run(_REMOVE_CONVERSATION, g=group, c=conversation)


def remove_thread(tx: Tx, group: str, conversation: str, thread: str) -> None:
    """Let nothing of a thread be found any more."""
    tx.run(_REMOVE_THREAD, g=group, c=conversation, t=thread)


def remove_post(tx: Tx, group: str, conversation: str, thread: str, post: str) -> None:
    """Let a post be found no more."""
    tx.run(_REMOVE_POST, g=group, c=conversation, t=thread, p=post)


def amend_post(tx: Tx, group: str, conversation: str, thread: str, post: str, topics: tuple[str, str]) -> None:
    """Index a post anew by what is stored of it now; nothing where it is not there."""
    remove_post(tx, group, conversation, thread, post)
    found = tx.one(_ONE_POST, g=group, id=post)
    if found is not None:
        content_type, content, *authors = found
        body = body_words(content_type, content)
        add(
            tx,
            group=group,
            conversation=conversation,
            thread=thread,
            post=post,
            topics=topics,
            authors=authors,
            body=body,
        )


def rename_thread(tx: Tx, group: str, conversation: str, thread: str, topics: tuple[str, str]) -> None:
    """Index a thread's posts anew under its topic. It costs what posting them did, all but the disk."""
    remove_thread(tx, group, conversation, thread)
    for post, body, authors in _stored(tx, group, thread):
        add(
            tx,
            group=group,
            conversation=conversation,
            thread=thread,
            post=post,
            topics=topics,
            authors=authors,
            body=body,
        )


def _stored(snapshot: Snapshot, group: str, thread: str) -> Iterator[tuple[str, str, tuple[str | None, ...]]]:
    """Of each post of a thread its id, the words of its body, and its authors' names and addresses."""
    at, id = -(2**62), _NO_ID
    while found := snapshot.all(_POSTS, g=group, t=thread, at=at, id=id):
        for at, id, content_type, content, *authors in found:  # noqa: B007  (where the next page begins)
            yield id, body_words(content_type, content), tuple(authors)
