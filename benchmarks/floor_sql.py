"""The floor's SQL, written by hand: the rows that the server writes and reads, in as few statements as will do.

Both stores commit what waits together, in one writer thread, and resolve each future after the commit, as the server
does. Nothing is checked: not who asks, not what is sent, not whether a thread is there.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import psycopg

BATCH = 256
Row = tuple[Any, ...]
Waiting = tuple[str, dict[str, Any], "asyncio.Future[None]"]

_POST = """id, version, created_at, modified_at, received_at, has_attachments, content_type, content,
    from_name, from_address, sender_name, sender_address"""


class FloorStore(ABC):
    """Writes with group commit; reads. The two writes are named `create` and `reply`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Waiting] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    async def write(self, what: str, values: dict[str, Any]) -> None:
        """Do `what` with `values`; returns when it is committed."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((what, values, future))
        await future

    @abstractmethod
    async def posts(self, group: str, thread: str, limit: int) -> Sequence[Row]:
        """The first posts of a thread."""

    @abstractmethod
    async def conversations(self, group: str, limit: int) -> Sequence[Row]:
        """The newest conversations of a group."""

    @abstractmethod
    def _commit(self, batch: list[Waiting]) -> None: ...

    def _work(self) -> None:
        while True:
            batch = [self._queue.get()]
            while len(batch) < BATCH:
                try:
                    batch.append(self._queue.get_nowait())
                except Empty:
                    break
            self._commit(batch)
            self._loop.call_soon_threadsafe(_settle, batch)


def _settle(batch: list[Waiting]) -> None:
    for _, _, future in batch:
        if not future.done():
            future.set_result(None)


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_SENDERS = """CASE WHEN EXISTS (SELECT 1 FROM json_each(unique_senders) WHERE value = :name) THEN unique_senders
    ELSE json_insert(unique_senders, '$[#]', :name) END"""
_S_ADVANCE = "UPDATE sequences SET seq = seq + 3, changed_at = :now WHERE group_id = :g RETURNING seq"
_S_POST = """INSERT INTO posts (group_id, id, conversation_id, thread_id, in_reply_to, author, from_name, from_address,
        sender_name, sender_address, content_type, content, new_participants, categories, has_attachments, received_at,
        created_at, modified_at, version)
    VALUES (:g, :p, :c, :t, NULL, :me, :name, :address, :name, :address, :type, :content, '[]', '[]', 0, :now, :now,
        :now, :seq - 2)"""
_S_WORDS = (
    """INSERT INTO indexed_posts (number, group_id, conversation_id, thread_id, post_id, words)
    VALUES (:number, :g, :c, :t, :p, :words)""",
    "INSERT INTO post_words (rowid, words) VALUES (:number, :words)",
)
# The server's numbers are less.
_NUMBERS = 9 * 10**18
_S_CHANGES = """INSERT INTO changes (group_id, seq, at, kind, noun, item, by, parent) VALUES
    (:g, :seq - 2, :now, 'created', 'post', :p, :me, :t),
    (:g, :seq - 1, :now, :kind, 'thread', :t, :me, :c),
    (:g, :seq, :now, :kind, 'conversation', :c, :me, NULL)"""
_S_CREATE = (
    """INSERT INTO conversations (group_id, id, topic, has_attachments, last_delivered_at, unique_senders, preview,
        created_at)
    VALUES (:g, :c, :topic, 0, :now, json_array(:name), :preview, :now)""",
    """INSERT INTO threads (group_id, id, conversation_id, topic, has_attachments, last_delivered_at, unique_senders,
        preview, is_locked, to_recipients, cc_recipients, started_by, created_at)
    VALUES (:g, :t, :c, :topic, 0, :now, json_array(:name), :preview, 0, :to, '[]', :me, :now)""",
    _S_POST,
    *_S_WORDS,
    _S_CHANGES,
)
_S_REPLY = (
    _S_POST,
    *_S_WORDS,
    f"""UPDATE threads SET last_delivered_at = max(last_delivered_at, :now), unique_senders = {_SENDERS},
        preview = :preview WHERE group_id = :g AND id = :t""",  # noqa: S608  (no text from outside)
    f"""UPDATE conversations SET last_delivered_at = max(last_delivered_at, :now), unique_senders = {_SENDERS},
        preview = :preview WHERE group_id = :g AND id = :c""",  # noqa: S608
    _S_CHANGES,
)
_S_STATEMENTS = {"create": _S_CREATE, "reply": _S_REPLY}
_S_POSTS = f"""SELECT {_POST}, categories, new_participants, conversation_id FROM posts
    WHERE group_id = ? AND thread_id = ? ORDER BY received_at, id LIMIT ?"""  # noqa: S608
_S_CONVERSATIONS = """SELECT id, topic, has_attachments, last_delivered_at, unique_senders, preview FROM conversations
    WHERE group_id = ? ORDER BY id DESC LIMIT ?"""


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "mmap_size = 268435456"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class FloorSqlite(FloorStore):
    """SQLite: reads on the event loop's thread."""

    def __init__(self, path: Path) -> None:
        self._reader, self._writer = _open(path), _open(path)
        super().__init__()

    async def posts(self, group: str, thread: str, limit: int) -> Sequence[Row]:
        return self._reader.execute(_S_POSTS, (group, thread, limit)).fetchall()

    async def conversations(self, group: str, limit: int) -> Sequence[Row]:
        return self._reader.execute(_S_CONVERSATIONS, (group, limit)).fetchall()

    def _commit(self, batch: list[Waiting]) -> None:
        execute = self._writer.execute
        execute("BEGIN IMMEDIATE")
        for what, values, _ in batch:
            values["seq"] = execute(_S_ADVANCE, values).fetchone()[0]
            values["number"] = _NUMBERS + values["seq"]
            for statement in _S_STATEMENTS[what]:
                execute(statement, values)
        execute("COMMIT")


# ── PostgreSQL: one statement for all the rows of a write ────────────────────────────────────────────────────────────

_P_SEQ = """WITH s AS (UPDATE sequences SET seq = seq + 3, changed_at = %(now)s WHERE group_id = %(g)s RETURNING seq),
p AS (INSERT INTO posts (group_id, id, conversation_id, thread_id, in_reply_to, author, from_name, from_address,
        sender_name, sender_address, content_type, content, new_participants, categories, has_attachments, received_at,
        created_at, modified_at, version)
    SELECT %(g)s, %(p)s, %(c)s, %(t)s, NULL, %(me)s, %(name)s, %(address)s, %(name)s, %(address)s, %(type)s,
        %(content)s, '[]', '[]', false, %(now)s, %(now)s, %(now)s, seq - 2 FROM s),
w AS (INSERT INTO post_words (group_id, conversation_id, thread_id, post_id, words)
    VALUES (%(g)s, %(c)s, %(t)s, %(p)s, to_tsvector('simple', %(words)s))),
"""
_P_SENDERS = """CASE WHEN unique_senders @> jsonb_build_array(%(name)s::text) THEN unique_senders
    ELSE unique_senders || to_jsonb(%(name)s::text) END"""
_P_CHANGES = """INSERT INTO changes (group_id, seq, at, kind, noun, item, by, parent)
SELECT %(g)s, seq + n, %(now)s, kind, noun, item, %(me)s, parent FROM s, (VALUES
    (-2, 'created', 'post', %(p)s::uuid, %(t)s::uuid), (-1, %(kind)s, 'thread', %(t)s::uuid, %(c)s::uuid),
    (0, %(kind)s, 'conversation', %(c)s::uuid, NULL)) AS happened (n, kind, noun, item, parent)"""
_P_CREATE = f"""{_P_SEQ}
c AS (INSERT INTO conversations (group_id, id, topic, has_attachments, last_delivered_at, unique_senders, preview,
        created_at)
    VALUES (%(g)s, %(c)s, %(topic)s, false, %(now)s, jsonb_build_array(%(name)s::text), %(preview)s, %(now)s)),
t AS (INSERT INTO threads (group_id, id, conversation_id, topic, has_attachments, last_delivered_at, unique_senders,
        preview, is_locked, to_recipients, cc_recipients, started_by, created_at)
    VALUES (%(g)s, %(t)s, %(c)s, %(topic)s, false, %(now)s, jsonb_build_array(%(name)s::text), %(preview)s, false,
        %(to)s, '[]', %(me)s, %(now)s))
{_P_CHANGES}"""  # noqa: S608
_P_REPLY = f"""{_P_SEQ}
t AS (UPDATE threads SET last_delivered_at = greatest(last_delivered_at, %(now)s), unique_senders = {_P_SENDERS},
    preview = %(preview)s WHERE group_id = %(g)s AND id = %(t)s),
c AS (UPDATE conversations SET last_delivered_at = greatest(last_delivered_at, %(now)s), unique_senders = {_P_SENDERS},
    preview = %(preview)s WHERE group_id = %(g)s AND id = %(c)s)
{_P_CHANGES}"""  # noqa: S608
_P_STATEMENTS = {"create": _P_CREATE, "reply": _P_REPLY}
_P_POSTS = f"""SELECT id::text, {_POST[4:]}, categories::text, new_participants::text, conversation_id::text FROM posts
    WHERE group_id = %s AND thread_id = %s ORDER BY received_at, posts.id LIMIT %s"""  # noqa: S608
_P_CONVERSATIONS = """SELECT id::text, topic, has_attachments, last_delivered_at, unique_senders::text, preview
    FROM conversations WHERE group_id = %s ORDER BY conversations.id DESC LIMIT %s"""


class FloorPostgres(FloorStore):
    """PostgreSQL: reads on a few connections of the event loop, writes pipelined on one more."""

    def __init__(self, url: str, readers: asyncio.LifoQueue[psycopg.AsyncConnection[Row]]) -> None:
        self._readers = readers
        self._writer = psycopg.connect(url, autocommit=True, prepare_threshold=0)
        super().__init__()

    @classmethod
    async def open(cls, url: str, readers: int = 8) -> FloorPostgres:
        """Connect."""
        free: asyncio.LifoQueue[psycopg.AsyncConnection[Row]] = asyncio.LifoQueue()
        for _ in range(readers):
            free.put_nowait(await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=0))
        return cls(url, free)

    async def posts(self, group: str, thread: str, limit: int) -> Sequence[Row]:
        return await self._read(_P_POSTS, (group, thread, limit))

    async def conversations(self, group: str, limit: int) -> Sequence[Row]:
        return await self._read(_P_CONVERSATIONS, (group, limit))

    async def _read(self, statement: str, values: Row) -> Sequence[Row]:
        connection = await self._readers.get()
        try:
            return await (await connection.execute(statement, values)).fetchall()
        finally:
            self._readers.put_nowait(connection)

    def _commit(self, batch: list[Waiting]) -> None:
        with self._writer.pipeline():
            self._writer.execute("BEGIN")
            for what, values, _ in batch:
                self._writer.execute(_P_STATEMENTS[what], values)
            self._writer.execute("COMMIT")
