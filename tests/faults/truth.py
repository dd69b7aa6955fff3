"""What must be so of a database after anything: what was acknowledged is there once, and all that is told agrees."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from folkmoot.graph import ids
from folkmoot.store import schema as s
from folkmoot.store.db import Statement, Store
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.sqlite import SqliteStore
from tests.faults.clients import Memory

Record = dict[str, Any]


def check(data: Path, database: str | None, memory: Memory) -> None:
    """Look at the whole database, past the server."""
    store: Store = SqliteStore(data / "folkmoot.db", float) if database is None else PostgresStore(database, float)
    with closing(store):
        posts, threads, conversations = (_all(store, table) for table in (s.posts, s.threads, s.conversations))
        changes, sequences = _all(store, s.changes), _all(store, s.sequences)
    _acknowledged(posts, memory)
    _aggregates(posts, threads, conversations, memory)
    _log(posts, threads, conversations, changes, sequences)


def _all(store: Store, table: Table) -> list[Record]:
    names = [column.name for column in table.columns]
    rows = store.read_here(lambda snapshot: snapshot.all(Statement(select(table))))
    return [dict(zip(names, row, strict=True)) for row in rows]


def _acknowledged(posts: list[Record], memory: Memory) -> None:
    times = Counter(post["content"] for post in posts)
    assert [text for text, count in times.items() if count > 1] == [], "posts that are there more than once"
    assert memory.acknowledged.keys() - times.keys() == set(), "acknowledged posts that are lost"
    assert times.keys() - memory.tried.keys() == set(), "posts that nobody sent"
    for post in posts:
        thread = memory.acknowledged.get(post["content"])
        if thread is not None:
            assert ids.read_thread_id(thread, post["group_id"]) == post["thread_id"], "a post in another thread"
        assert post["sender_name"] == memory.tried[post["content"]]


def _aggregates(posts: list[Record], threads: list[Record], conversations: list[Record], memory: Memory) -> None:
    by_thread, by_conversation = defaultdict(list), defaultdict(list)
    for post in sorted(posts, key=lambda post: int(post["version"])):
        by_thread[post["thread_id"]].append(post)
        by_conversation[post["conversation_id"]].append(post)
    assert by_thread.keys() == {thread["id"] for thread in threads}, "a thread without posts, or posts without one"
    assert by_conversation.keys() == {each["id"] for each in conversations}
    for each, within in [(t, by_thread[t["id"]]) for t in threads] + [
        (c, by_conversation[c["id"]]) for c in conversations
    ]:
        assert each["preview"] == within[-1]["content"], f"not the preview of the last post: {each}"
        assert each["last_delivered_at"] == max(post["received_at"] for post in within)
        assert sorted(json.loads(each["unique_senders"])) == sorted({post["sender_name"] for post in within})


def _log(
    posts: list[Record],
    threads: list[Record],
    conversations: list[Record],
    changes: list[Record],
    sequences: list[Record],
) -> None:
    numbers = defaultdict(list)
    for change in changes:
        numbers[change["group_id"]].append(change["seq"])
    for row in sequences:
        found = sorted(numbers[row["group_id"]])
        assert found == [*range(1, row["seq"] + 1)], "the change log has a gap"
    created = {(change["noun"], change["item"]): change for change in changes if change["kind"] == "created"}
    for noun, there in (("post", posts), ("thread", threads), ("conversation", conversations)):
        told = {item for of, item in created if of == noun}
        assert told == {each["id"] for each in there}, f"the log tells of another {noun} than there are"
    for post in posts:
        assert created["post", post["id"]]["seq"] == post["version"]
