"""What must be so of a database at every moment, asked of it group by group; beside servers that write.

Each group is asked in one snapshot, by statements that name it and give no more than what is wrong (a few of it), or by
pages; so memory stays small however much there is. What is only a reader's matter (a clock, a disk) is not here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, text, tuple_

from folkmoot.mime import html
from folkmoot.store import directory_log, everywhere
from folkmoot.store import schema as s
from folkmoot.store.db import Row, Snapshot, Statement, Store
from folkmoot.store.dialect import AnyOf
from folkmoot.store.search import ATTACHED, first, moment

MOST = 5
"""So many findings of one kind in one group are named; that there are more is seen when those are gone."""
_PAGE = 200
_FIRST = "00000000-0000-0000-0000-000000000000"


class Wrong(NamedTuple):
    """Something that is not as it must be: which rule it breaks, where, and how it is instead."""

    rule: str
    group: str | None
    says: str


def _of_group(query: str) -> Statement:
    return Statement(text(f"{query} LIMIT {MOST}"))


_HAS = "EXISTS (SELECT 1 FROM attachments a WHERE a.group_id = :g AND a.{key} = x.id AND a.is_inline = false)"
_STORED = "(SELECT coalesce(sum(length(b.data)), 0) FROM blobs b WHERE b.group_id = :g AND b.blob_id = x.id)"


def _tells(noun: str, table: str, key: str) -> tuple[str, str, str]:
    query = f"SELECT x.id FROM {table} x WHERE x.group_id = :g AND x.has_attachments <> "  # noqa: S608
    has = _HAS.format(key=key)
    return "attachments", query + has, f"{noun} {{0}} tells wrongly whether it has attachments"


# (rule, what finds the rows that break it, what is said of each: `{0}` is the row's first column, …)
_RULES: tuple[tuple[str, str, str], ...] = (
    (
        "threads",
        "SELECT x.id FROM threads x WHERE x.group_id = :g "
        "AND NOT EXISTS (SELECT 1 FROM posts p WHERE p.group_id = :g AND p.thread_id = x.id)",
        "thread {0} has no posts",
    ),
    (
        "threads",
        "SELECT x.id FROM conversations x WHERE x.group_id = :g "
        "AND NOT EXISTS (SELECT 1 FROM threads t WHERE t.group_id = :g AND t.conversation_id = x.id)",
        "conversation {0} has no threads",
    ),
    (
        "threads",
        "SELECT x.id FROM posts x LEFT JOIN threads t ON t.group_id = :g AND t.id = x.thread_id "
        "WHERE x.group_id = :g AND (t.id IS NULL OR t.conversation_id <> x.conversation_id)",
        "post {0} is in no thread, or in one of another conversation",
    ),
    (
        "delivered",
        "SELECT x.id, x.last_delivered_at, (SELECT max(p.received_at) FROM posts p "
        "WHERE p.group_id = :g AND p.thread_id = x.id) AS newest FROM threads x WHERE x.group_id = :g "
        "AND x.last_delivered_at <> (SELECT max(p.received_at) FROM posts p "
        "WHERE p.group_id = :g AND p.thread_id = x.id)",
        "thread {0} was last delivered to at {1} and its newest post came at {2}",
    ),
    (
        "delivered",
        "SELECT x.id, x.last_delivered_at FROM conversations x WHERE x.group_id = :g "
        "AND x.last_delivered_at <> (SELECT max(t.last_delivered_at) FROM threads t "
        "WHERE t.group_id = :g AND t.conversation_id = x.id)",
        "conversation {0} was last delivered to at {1}, and its threads at another time",
    ),
    (
        "previews",
        "SELECT x.id FROM conversations x WHERE x.group_id = :g "
        "AND EXISTS (SELECT 1 FROM threads t WHERE t.group_id = :g AND t.conversation_id = x.id) "
        "AND NOT EXISTS (SELECT 1 FROM threads t WHERE t.group_id = :g AND t.conversation_id = x.id "
        "AND t.last_delivered_at = x.last_delivered_at AND t.preview = x.preview)",
        "conversation {0} has the preview of none of its newest threads",
    ),
    _tells("post", "posts", "post_id"),
    _tells("thread", "threads", "thread_id"),
    _tells("conversation", "conversations", "conversation_id"),
    (
        "content",
        "SELECT x.id, x.size, " + _STORED + " AS stored FROM attachments x "  # noqa: S608
        "WHERE x.group_id = :g AND x.kind <> 'reference' AND x.size <> " + _STORED,
        "attachment {0} should have {1} bytes and has {2}",
    ),
    (
        "content",
        "SELECT x.id, x.received FROM uploads x WHERE x.group_id = :g AND x.received <> " + _STORED,  # noqa: S608
        "upload {0} took {1} bytes, and others are stored",
    ),
    (
        "content",
        "SELECT x.blob_id FROM (SELECT b.blob_id, b.at, sum(length(b.data)) OVER (PARTITION BY b.blob_id ORDER BY b.at)"
        " - length(b.data) AS before FROM blobs b WHERE b.group_id = :g) x WHERE x.before <> x.at",
        "the content of attachment {0} has a hole",
    ),
    (
        "content",
        "SELECT x.blob_id FROM blobs x WHERE x.group_id = :g AND x.at = 0 "
        "AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.group_id = :g AND a.id = x.blob_id) "
        "AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.group_id = :g AND u.id = x.blob_id)",
        "content {0} is there and belongs to no attachment",
    ),
    (
        "log",
        "SELECT x.seq, (SELECT max(c.seq) FROM changes c WHERE c.group_id = :g) AS newest FROM sequences x "
        "WHERE x.group_id = :g AND x.seq <> coalesce((SELECT max(c.seq) FROM changes c WHERE c.group_id = :g), 0)",
        "the number of the last change is said to be {0} and is {1}",
    ),
    (
        "log",
        "SELECT x.n, x.first, x.newest FROM (SELECT count(*) AS n, min(c.seq) AS first, max(c.seq) AS newest "
        "FROM changes c WHERE c.group_id = :g) x WHERE x.n > 0 AND x.n <> x.newest - x.first + 1",
        "the log has {0} changes between {1} and {2}: there is a gap",
    ),
    (
        "log",
        "SELECT x.id, x.version FROM posts x WHERE x.group_id = :g "
        "AND x.version > (SELECT q.seq FROM sequences q WHERE q.group_id = :g)",
        "post {0} is of change {1}, which was not given out yet",
    ),
    (
        "log",
        "SELECT x.display_name FROM groups x WHERE x.group_id = :g "
        "AND NOT EXISTS (SELECT 1 FROM sequences q WHERE q.group_id = :g)",
        "the group '{0}' has no log",
    ),
)
_STATEMENTS = [(rule, _of_group(query), says) for rule, query, says in _RULES]

_WORDS = {
    "sqlite": (
        # A virtual table has no key: each post is found by the word that names it, and that of those with attachments.
        "SELECT x.id FROM posts x WHERE x.group_id = :g AND NOT EXISTS (SELECT 1 FROM post_words w "  # noqa: S608
        "JOIN indexed_posts i ON i.number = w.rowid "
        "WHERE w.words MATCH '\"†p' || replace(x.id, '-', '') || CASE WHEN x.has_attachments "
        f'THEN \'" AND "{ATTACHED}"\' ELSE \'" NOT "{ATTACHED}"\' END '
        "AND i.group_id = :g AND i.thread_id = x.thread_id)"
    ),
    "postgresql": (
        "SELECT x.id FROM posts x WHERE x.group_id = :g AND NOT EXISTS (SELECT 1 FROM post_words w "
        "WHERE w.group_id = :g AND w.conversation_id = x.conversation_id AND w.thread_id = x.thread_id "
        "AND w.post_id = x.id)"
    ),
}
_NO_WORDS = {name: _of_group(query) for name, query in _WORDS.items()}
_NO_POST = {
    "postgresql": _of_group(
        "SELECT x.post_id FROM post_words x WHERE x.group_id = :g "
        "AND NOT EXISTS (SELECT 1 FROM posts p WHERE p.group_id = :g AND p.id = x.post_id)"
    )
}
# On SQLite in the order of the rows, since there is no other.
_PAGE_OF_WORDS = Statement(
    text(
        "SELECT number, group_id, post_id, conversation_id FROM indexed_posts "
        "WHERE number > :after ORDER BY number LIMIT 2000"
    )
)
_POSTS = Statement(select(s.posts.c.id).where(AnyOf(s.posts.c.group_id, "groups"), AnyOf(s.posts.c.id, "ids")))

_t, _p = s.threads.c, s.posts.c
_THREADS = Statement(
    select(_t.id, _t.last_delivered_at, _t.preview, _t.unique_senders, _t.conversation_id)
    .where(_t.group_id == bindparam("g"), _t.id > bindparam("after"))
    .order_by(_t.id)
    .limit(_PAGE)
)
_CONVERSATIONS = Statement(
    select(s.conversations.c.id, s.conversations.c.unique_senders).where(
        s.conversations.c.group_id == bindparam("g"), AnyOf(s.conversations.c.id, "ids")
    )
)
_NEWEST = Statement(
    select(_p.content_type, _p.content)
    .where(_p.group_id == bindparam("g"), _p.thread_id == bindparam("t"), _p.received_at == bindparam("at"))
    .order_by(_p.id.desc())
    .limit(100)
)
_NAMES = Statement(
    select(_p.thread_id, _p.sender_name, _p.sender_address)
    .where(_p.group_id == bindparam("g"), AnyOf(_p.thread_id, "ids"))
    .distinct()
)
_GROUPS = Statement(
    select(s.sequences.c.group_id)
    .where(s.sequences.c.group_id > bindparam("after"))
    .order_by(s.sequences.c.group_id)
    .limit(_PAGE)
)
_WITHOUT_LOG = Statement(
    select(s.groups.c.group_id)
    .where(s.groups.c.group_id > bindparam("after"))
    .order_by(s.groups.c.group_id)
    .limit(_PAGE)
)
# Of the week that is never removed: what is older goes by its time, and clocks of several servers differ a bit.
_DIRECTORY_LOG = Statement(
    text(
        "SELECT count(*), min(c.seq), max(c.seq), "  # noqa: S608
        "(SELECT q.seq FROM directory_sequence q) FROM directory_changes c "
        "WHERE c.seq >= (SELECT min(x.seq) FROM directory_changes x "
        f"WHERE x.at >= (SELECT max(y.at) FROM directory_changes y) - {directory_log.TOKEN_SECONDS})"
    )
)
_COUNT = Statement(text("SELECT count(*) FROM posts x WHERE x.group_id = :g"))


HEADS = Statement(select(s.sequences.c.group_id).where(AnyOf(s.sequences.c.group_id, "ids")))


class Walk:
    """A table of memberships: the names of its key, a page of it by that, and which of some rows it has."""

    def __init__(self, table: Any) -> None:
        key = list(table.primary_key.columns)
        self.names = [column.name for column in key]
        self.page = Statement(
            select(*key)
            .where(tuple_(*key) > tuple_(*(bindparam(f"after_{c.name}", type_=c.type) for c in key)))
            .order_by(*key)
            .limit(1000)
        )
        self.there = Statement(
            select(table.c.object_id, table.c.group_id, table.c.role).where(
                AnyOf(table.c.group_id, "groups"), AnyOf(table.c.object_id, "objects")
            )
        )


MEMBERSHIPS = Walk(s.memberships)
OBJECT_GROUPS = Walk(s.object_groups)


def every_group(store: Store) -> Iterator[str]:
    """The id of each group that has a log, deleted ones too, and of each that should have one."""
    for statement in (_GROUPS, _WITHOUT_LOG):
        after = _FIRST
        while found := store.read_here(lambda snapshot: snapshot.all(statement, after=after)):  # noqa: B023
            after = found[-1][0]
            if statement is _WITHOUT_LOG:
                known = {row[0] for row in store.read_here(_heads(found))}
                found = [row for row in found if row[0] not in known]
            yield from (row[0] for row in found)


def _heads(found: list[Row]) -> Callable[[Snapshot], list[Row]]:
    ids = json.dumps([row[0] for row in found])
    return lambda snapshot: snapshot.all(HEADS, ids=ids)


def of_group(store: Store, group: str) -> tuple[int, list[Wrong]]:
    """How many posts a group has, and what is wrong with it."""

    def look(snapshot: Snapshot) -> tuple[int, list[Wrong]]:
        if everywhere.is_erased(snapshot, group):
            return 0, []  # it is being removed, post by post
        dialect = snapshot.dialect
        found = [
            Wrong(rule, group, says.format(*row))
            for rule, statement, says in _STATEMENTS
            for row in snapshot.all(statement, g=group)
        ]
        found += [
            Wrong("words", group, f"post {row[0]} is not found by $search")
            for row in snapshot.all(_NO_WORDS[dialect], g=group)
        ]
        if dialect in _NO_POST:
            found += [
                Wrong("words", group, f"$search knows post {row[0]}, which is not there")
                for row in snapshot.all(_NO_POST[dialect], g=group)
            ]
        found += _threads(snapshot, group)
        return snapshot.all(_COUNT, g=group)[0][0], found

    return store.read_here(look)


def _threads(snapshot: Snapshot, group: str) -> Iterator[Wrong]:
    """What threads tell of their posts' texts and authors."""
    after, told = _FIRST, 0
    while threads := snapshot.all(_THREADS, g=group, after=after):
        after = threads[-1][0]
        names: dict[str, set[str]] = {}
        ids = json.dumps([row[0] for row in threads])
        for thread, name, address in snapshot.all(_NAMES, g=group, ids=ids):
            names.setdefault(thread, set()).add(name or address or "")
        ids = json.dumps(sorted({row[4] for row in threads}))
        whole = {id: _senders(names) for id, names in snapshot.all(_CONVERSATIONS, g=group, ids=ids)}
        for id, at, preview, senders, conversation in threads:
            # Of posts of one second any may be the last: servers' clocks, and so the ids that they make, differ a bit.
            newest = snapshot.all(_NEWEST, g=group, t=id, at=at)
            if newest and preview not in {_preview(*row) for row in newest}:
                yield Wrong("previews", group, f"thread {id} has the preview of none of its newest posts")
                told += 1
            said = _senders(senders)
            if said is None:
                yield Wrong("senders", group, f"what thread {id} has for its senders is no list of names")
                told += 1
            elif missing := names.get(id, set()) - said:
                yield Wrong("senders", group, f"thread {id} does not name {', '.join(sorted(missing))} as a sender")
                told += 1
            # A conversation that is not there is another rule's.
            summed = whole.get(conversation, said)
            if summed is None and conversation in whole:
                yield Wrong("senders", group, f"what conversation {conversation} has for its senders is no list")
                told += 1
            elif lacking := (said or set()) - (summed or set()):
                lacks = f"conversation {conversation} does not name {', '.join(sorted(lacking))}"
                yield Wrong("senders", group, f"{lacks} as a sender, and its thread {id} does")
                told += 1
            if told >= MOST:
                return


def _senders(stored: str) -> set[str] | None:
    """The names that a thread or conversation has stored, or None for what is no list of names."""
    try:
        names = json.loads(stored)
    except ValueError:
        return None
    return set(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _preview(content_type: str, content: str) -> str:
    return html.preview_of_html(content) if content_type == "html" else html.preview_of_text(content)


# ── what is of no group alone ────────────────────────────────────────────────────────────────────────────────────────


def of_all(store: Store) -> Iterator[list[Wrong]]:
    """What is wrong across groups, a page at a time."""
    yield from _memberships(store, MEMBERSHIPS, OBJECT_GROUPS, "is in group {1} as {2}, and `my groups` lacks it")
    yield from _memberships(store, OBJECT_GROUPS, MEMBERSHIPS, "has group {1} as {2}, and the group lacks it")
    yield list(_directory_log(store))
    if store.dialect == "sqlite":
        yield from _words_of_nothing(store)


def _directory_log(store: Store) -> Iterator[Wrong]:
    n, first, newest, head = store.read_here(lambda snapshot: snapshot.all(_DIRECTORY_LOG))[0]
    if n and n != newest - first + 1:
        says = f"the directory's log has {n} changes between {first} and {newest}: there is a gap"
        yield Wrong("log", None, says)
    if n and newest != head:
        yield Wrong("log", None, f"the number of the directory's last change is said to be {head} and is {newest}")


def _memberships(store: Store, one: Walk, other: Walk, says: str) -> Iterator[list[Wrong]]:
    """Rows of one table of memberships that are not in the other, by pages of the first."""
    names = one.names
    after = {f"after_{name}": "" if name == "role" else _FIRST for name in names}

    def look(snapshot: Snapshot) -> tuple[list[dict[str, str]], set[tuple[str, ...]]]:
        rows = [dict(zip(names, row, strict=True)) for row in snapshot.all(one.page, **after)]
        asked = {
            "groups": json.dumps(sorted({row["group_id"] for row in rows})),
            "objects": json.dumps(sorted({row["object_id"] for row in rows})),
        }
        return rows, set(snapshot.all(other.there, **asked)) if rows else set()

    while True:
        rows, known = store.read_here(look)
        if not rows:
            return
        after = {f"after_{name}": value for name, value in rows[-1].items()}
        each = [(row["object_id"], row["group_id"], row["role"]) for row in rows]
        yield [Wrong("members", row[1], f"{row[0]} " + says.format(*row)) for row in each if row not in known][:MOST]


def _words_of_nothing(store: Store) -> Iterator[list[Wrong]]:
    after = -(2**62)

    def look(snapshot: Snapshot) -> tuple[list[Row], set[str]]:
        rows = snapshot.all(_PAGE_OF_WORDS, after=after)
        groups, ids = (json.dumps(sorted({row[n] for row in rows})) for n in (1, 2))
        return rows, {row[0] for row in snapshot.all(_POSTS, groups=groups, ids=ids)}

    while True:
        rows, known = store.read_here(look)
        if not rows:
            return
        after = rows[-1][0]
        yield [
            Wrong("words", group, f"$search knows post {post}, which is not there")
            if post not in known
            else Wrong("words", group, f"$search looks for post {post} where its conversation is not")
            for number, group, post, conversation in rows
            if post not in known or moment(number).first != first(conversation)
        ][:MOST]
