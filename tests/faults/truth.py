"""What must be so of a database after anything: what was acknowledged is there once and whole, and all agrees."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Table, bindparam, select

from folkmoot.graph import ids
from folkmoot.store import integrity
from folkmoot.store import schema as s
from folkmoot.store.db import Snapshot, Statement, Store
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.sqlite import SqliteStore
from tests.faults.busy import digest, first_category
from tests.faults.clients import Memory

Record = dict[str, Any]

_CONTENT = Statement(
    select(s.blobs.c.data)
    .where(s.blobs.c.group_id == bindparam("g"), s.blobs.c.blob_id == bindparam("id"))
    .order_by(s.blobs.c.at)
)


def check(data: Path, database: str | None, memory: Memory) -> None:
    """Look at the whole database, past the server."""
    store: Store = SqliteStore(data / "folkmoot.db", float) if database is None else PostgresStore(database, float)

    def look(snapshot: Snapshot) -> None:
        posts, threads, conversations, attachments = (
            _all(snapshot, table) for table in (s.posts, s.threads, s.conversations, s.attachments)
        )
        changes, sequences = _all(snapshot, s.changes), _all(snapshot, s.sequences)
        _acknowledged(posts, memory)
        _files(snapshot, attachments, posts, memory)
        _changed(posts, threads, memory)
        _aggregates(posts, threads, conversations, changes)
        _log(posts, threads, conversations, attachments, changes, sequences)

    with closing(store):
        # As of one moment: PostgreSQL may still be about to commit what a process sent before it was killed.
        store.read_here(look)
        wrong = [each for group in integrity.every_group(store) for each in integrity.of_group(store, group)[1]]
        assert wrong == [], wrong
        assert [each for found in integrity.of_all(store) for each in found] == []


def _all(snapshot: Snapshot, table: Table) -> list[Record]:
    names = [column.name for column in table.columns]
    rows = snapshot.all(Statement(select(table)))
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


def _files(snapshot: Snapshot, attachments: list[Record], posts: list[Record], memory: Memory) -> None:
    times = Counter(each["name"] for each in attachments)
    assert [name for name, count in times.items() if count > 1] == [], "files that are there more than once"
    assert memory.files - memory.tried_deletions - times.keys() == set(), "acknowledged files that are lost"
    assert memory.deletions & times.keys() == set(), "files that are there although their deletion was acknowledged"
    assert times.keys() - memory.tried_files == set(), "files that nobody sent"
    texts = {post["id"]: post["content"] for post in posts}
    for each in attachments:
        found = snapshot.all(_CONTENT, g=each["group_id"], id=each["id"])
        whole = b"".join(bytes(row[0]) for row in found)
        assert len(whole) == each["size"]
        assert sha256(whole).hexdigest() == digest(each["name"]), f"half of a file: {each}"
        names = memory.sent_with.get(texts[each["post_id"]])
        assert names is None or each["name"] in names, "a file at another post"
    for text in texts.values():
        assert times.keys() >= set(memory.sent_with.get(text, ())), "a post without the files that it was sent with"


def _changed(posts: list[Record], threads: list[Record], memory: Memory) -> None:
    """What a client changed last and was told of is so, or what it tried after that."""
    now = {}
    for each in threads:
        now[ids.thread_id(each["group_id"], each["conversation_id"], each["id"])] = each["topic"]
    for each in posts:
        now[ids.post_id(each["group_id"], each["thread_id"], each["id"])] = first_category(each["categories"])
    for id, value in memory.values.items():
        tried = memory.tried_values[id]
        assert now[id] in tried[tried.index(value) :], "an acknowledged change that is lost"


def _aggregates(posts: list[Record], threads: list[Record], conversations: list[Record], changes: list[Record]) -> None:
    came = {each["item"]: each["seq"] for each in changes if (each["noun"], each["kind"]) == ("post", "created")}
    by_thread, by_conversation = defaultdict(list), defaultdict(list)
    for post in sorted(posts, key=lambda post: int(came[post["id"]])):
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
        assert bool(each["has_attachments"]) == any(post["has_attachments"] for post in within)


def _log(
    posts: list[Record],
    threads: list[Record],
    conversations: list[Record],
    attachments: list[Record],
    changes: list[Record],
    sequences: list[Record],
) -> None:
    numbers, told = defaultdict(list), defaultdict(set)
    for change in changes:
        numbers[change["group_id"]].append(change["seq"])
    for row in sequences:
        found = sorted(numbers[row["group_id"]])
        assert found == [*range(1, row["seq"] + 1)], "the change log has a gap"
    for change in changes:
        told[change["noun"], change["kind"]].add(change["item"])
    for noun, there in (
        ("post", posts),
        ("thread", threads),
        ("conversation", conversations),
        ("attachment", attachments),
    ):
        gone = told[noun, "deleted"]
        assert told[noun, "created"] - gone == {each["id"] for each in there}, (
            f"the log tells of another {noun} than there are"
        )
    of_post = {(change["item"], change["seq"]) for change in changes if change["noun"] == "post"}
    for post in posts:
        assert (post["id"], post["version"]) in of_post, "a post whose last change nobody is told of"
