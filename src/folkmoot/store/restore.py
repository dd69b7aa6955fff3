"""Loads what a backup holds into an empty database of either kind, whole or not at all.

SQLite is loaded into a file beside the one that it becomes by a rename, PostgreSQL in one transaction. The schema is
made as it was when the backup was taken, and migrated to this release's when the rows are there.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.exc import DatabaseError

from folkmoot.ownership import share
from folkmoot.refusals import Refusal
from folkmoot.store import migrate
from folkmoot.store import schema as s
from folkmoot.store.archive import Archive, BackupDamaged, BackupTooNew, Row, TablePart, sync_folder
from folkmoot.store.backup import TABLES
from folkmoot.store.db import Dialect
from folkmoot.store.search import OPTIMIZE_WORDS, add_rows, body_words, indexed
from folkmoot.store.wake import DIRECTORY

# Tables that tell what is lost where a database is replaced.
TOLD = ("users", "groups", "conversations", "threads", "posts", "attachments")
# What migrations write themselves says of nobody's use.
_MADE = frozenset({s.schema_compatibility.name, s.directory_sequence.name})
_LOADED = 1_000  # rows at once on SQLite
_INDEXED = 1_000  # posts at once
# Seconds until it is looked once more for others' connections: one that was just closed may still be told of.
_WAITS = (0.0, 0.05, 0.2, 0.5)
# What SQLite says of a file that is not as it left it, or that the disk does not give back.
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)
_NO_ID = "00000000-0000-0000-0000-000000000000"
# A number that the log of no group has reached, in steps that no two restores share.
_BEYOND = 1 << 20

Progress = Iterator[tuple[str, int]]
"""Which table, and how many of its rows are loaded."""


class NotEmpty(Refusal):
    """The database is not empty."""


class InUse(Refusal):
    """A server or another program is using the database; stop it first."""


class Unreadable(Refusal):
    """The database is damaged."""


# ── the target ───────────────────────────────────────────────────────────────────────────────────────────────────────


def lost(database: Path | str, *, replace: bool = False) -> dict[str, int] | None:
    """What a database holds that a restore in its place would lose: rows of each table of `TOLD`; empty for nothing.

    `database`: a file, or libpq's URL. Of a file that is damaged nobody can say: None where it may be replaced, else
    raises `Unreadable`. Raises the driver's errors.
    """
    if isinstance(database, Path) and not database.exists():
        return {}
    try:
        return _counts(database)
    except DatabaseError as error:
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
            raise
        if replace:
            return None
        raise Unreadable(
            f"The database {database} cannot be read ({error.orig}). Name another, or say --replace to lose it."
        ) from error


def _counts(database: Path | str) -> dict[str, int]:
    with _transaction(database) as connection:
        there = set(inspect(connection).get_table_names())
        # One row says that somebody began to use it.
        used = [name for name in TABLES if name in there and name not in _MADE]
        anything = (f'SELECT 1 FROM "{name}" LIMIT 1' for name in used)  # noqa: S608
        if all(connection.execute(text(each)).first() is None for each in anything):
            return {}
        counts = {name: f'SELECT count(*) FROM "{name}"' for name in TOLD if name in there}  # noqa: S608
        return {name: int(connection.execute(text(each)).scalar_one()) for name, each in counts.items()}


def require_unused(database: Path | str) -> None:
    """Raise `InUse` where anybody else has the database open: a server would go on with what is not there any more."""
    if isinstance(database, str):
        _require_no_backends(database)
        return
    if not database.exists():
        return
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=0)) as connection:
        try:
            # Leaving WAL needs the file for oneself alone, and takes what is in the log into the file.
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in _DAMAGED:
                raise InUse from error
            mode = None
    # Of a damaged file it is asked once our own connection is closed.
    if mode not in (None, "delete") or (mode is None and migrate.open_elsewhere(database)):
        raise InUse


def _require_no_backends(url: str) -> None:
    with migrate.primary(url, autocommit=True) as connection:
        for wait in _WAITS:
            time.sleep(wait)
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ).fetchone()
            others = row[0] if row else 0
            if not others:
                return
    raise InUse(f"{others} other connections to the database are open; stop the servers that use it first.")


# ── loading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def load(archive: Archive, database: Path | str, *, replace: bool, log_goes_on: bool, now: float) -> Progress:
    """Load a backup that was verified into a database which is empty, or is replaced.

    `log_goes_on` says that nothing was written since the backup was taken, so that followers go on where they stood;
    otherwise they are made to begin anew (see `_begin_anew`). Raises `BackupTooNew`, `BackupDamaged`, `NotEmpty`,
    `InUse`, `Unreadable`; whatever is raised, the database is as it was.
    """
    if archive.manifest.revision > migrate.HEAD:
        raise BackupTooNew
    there = lost(database, replace=replace)
    if there and not replace:
        raise NotEmpty
    # Where no tables are yet, no server works on them; a file that is open would be another's.
    if there or isinstance(database, Path) or migrate.current(database) is not None:
        require_unused(database)
    if isinstance(database, str):
        with _transaction(database) as connection:
            for setting in ("SET LOCAL lock_timeout = '10s'", *migrate.UNLIMITED):
                connection.execute(text(setting))
            for name in inspect(connection).get_table_names():
                if name in s.meta.tables or name == "alembic_version":
                    connection.execute(text(f'DROP TABLE "{name}" CASCADE'))
            yield from _filled(connection, archive, log_goes_on, now)
        return
    draft = database.with_name(f".{database.name}.restoring")
    descriptor = _own(draft)
    try:
        with _transaction(draft) as connection:
            yield from _filled(connection, archive, log_goes_on, now)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        # A log that is left of a damaged or deleted database would be taken for that of the new one.
        for suffix in ("-wal", "-shm", "-journal"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        draft.replace(database)
        sync_folder(database.parent)
    finally:
        draft.unlink(missing_ok=True)
        os.close(descriptor)


def _own(draft: Path) -> int:
    """Have a draft for oneself, and empty, until the descriptor that is returned is closed. Raises `InUse`.

    One that a restore left which was killed is taken over; with another's that loads, the database would be half.
    """
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    share(draft)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another's may have become the database between the two.
        if not (draft.exists() and os.path.samestat(os.fstat(descriptor), draft.stat())):
            raise BlockingIOError
        os.ftruncate(descriptor, 0)
    except BlockingIOError as error:
        os.close(descriptor)
        raise InUse("Another restore into this data directory is under way; wait until it has ended.") from error
    return descriptor


@contextlib.contextmanager
def _transaction(database: Path | str) -> Iterator[Connection]:
    """A transaction on a connection of its own."""
    if isinstance(database, str):
        engine = migrate.postgres_engine(database)
    else:
        engine = migrate.sqlite_engine(database)
        event.listen(engine, "connect", _careless)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _careless(connection: sqlite3.Connection, _: Any) -> None:
    # Of a draft nothing need survive; what becomes the database is brought to the disk before that.
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -64000")


def _filled(connection: Connection, archive: Archive, log_goes_on: bool, now: float) -> Progress:
    dialect: Dialect = "sqlite" if connection.dialect.name == "sqlite" else "postgresql"
    _to_revision(connection, archive.manifest.revision)
    there = {
        name: {column["name"] for column in inspect(connection).get_columns(name)}
        for name in TABLES
        if inspect(connection).has_table(name)
    }
    for table in archive.manifest.tables:
        if not {column.name for column in table.columns} <= there.get(table.name, set()):
            raise BackupDamaged(
                f"The backup has a table {table.name} that its schema {archive.manifest.revision} has not."
            )
        # What a migration put there itself is in the backup as well.
        connection.execute(text(f'DELETE FROM "{table.name}"'))  # noqa: S608  (a name of our own, see above)
        loaded = _load_file if dialect == "sqlite" else _load_server
        driver: Any = connection.connection.driver_connection
        count = 0
        for count in loaded(driver, table, archive.rows(table)):
            yield table.name, count
        if count != table.rows:
            raise BackupDamaged(f"{table.part} has {count} rows, not {table.rows}.")
    _to_revision(connection, "head")
    yield from _words(connection, dialect)
    _end_leases(connection)
    connection.execute(text(_LOGS))
    if not log_goes_on:
        _begin_anew(connection, now)
    if dialect == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise BackupDamaged(f"The backup has rows of {broken[0]} without those of {broken[2]} that they belong to.")
    else:
        connection.exec_driver_sql("ANALYZE")  # SQLite's planner is told what it needs (see `planner`)


def _to_revision(connection: Connection, revision: str) -> None:
    """Migrate up to `revision`, in the connection's transaction."""
    from alembic.util.exc import CommandError

    try:
        migrate.run(connection, revision, whole=True)
    except CommandError as error:
        raise BackupDamaged(f"The backup's schema '{revision}' is none that this release knows.") from error


def _read(table: TablePart, rows: Iterable[list[Any]]) -> Iterator[Row]:
    """Rows as the drivers take them."""
    data = [n for n, column in enumerate(table.columns) if column.kind == "bytes"]
    for row in rows:
        for n in data:
            if row[n] is not None:
                row[n] = base64.b64decode(row[n])
        yield row


def _load_file(driver: sqlite3.Connection, table: TablePart, rows: Iterable[list[Any]]) -> Iterator[int]:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    places = ", ".join("?" * len(table.columns))
    statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({places})'  # noqa: S608
    count = 0
    waiting: list[Row] = []
    most = 8 if any(column.kind == "bytes" for column in table.columns) else _LOADED
    for row in _read(table, rows):
        waiting.append(row)
        if len(waiting) == most:
            driver.executemany(statement, waiting)
            count += len(waiting)
            waiting.clear()
            yield count
    driver.executemany(statement, waiting)
    yield count + len(waiting)


def _load_server(driver: Any, table: TablePart, rows: Iterable[list[Any]]) -> Iterator[int]:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    count = 0
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN'.encode()) as copy:
        for row in _read(table, rows):
            copy.write_row(row)
            count += 1
            if count % _LOADED == 0:
                yield count
    yield count


# ── what is made of the rows ─────────────────────────────────────────────────────────────────────────────────────────

_POSTS = """
    SELECT p.group_id, p.conversation_id, p.thread_id, p.id, t.topic, c.topic, p.content_type, p.content,
           p.version, p.has_attachments, p.from_name, p.from_address, p.sender_name, p.sender_address
    FROM posts p
    JOIN threads t ON t.group_id = p.group_id AND t.id = p.thread_id
    JOIN conversations c ON c.group_id = p.group_id AND c.id = p.conversation_id
    WHERE (p.group_id, p.id) > (CAST(:group_id AS {guid}), CAST(:id AS {guid}))
    ORDER BY p.group_id, p.id
    LIMIT :batch
"""


def _words(connection: Connection, dialect: Dialect) -> Progress:
    """Index every post, unless the migrations have done so."""
    driver: Any = connection.connection.driver_connection
    if connection.execute(text("SELECT 1 FROM post_words LIMIT 1")).first() is not None:
        return
    posts = text(_POSTS.format(guid="uuid" if dialect == "postgresql" else "TEXT"))
    # An index is made faster at once than row by row.
    indexes = list(s.post_words.indexes) if dialect == "postgresql" else []
    for index in indexes:
        index.drop(connection)
    names = ("conversation_id", "thread_id", "post_id", "words", "group_id")
    listed = ", ".join(names)
    at, count = {"group_id": _NO_ID, "id": _NO_ID}, 0
    while found := connection.execute(posts, {**at, "batch": _INDEXED}).fetchall():
        rows = []
        for group, conversation, thread, post, topic, of_conversation, type, content, version, has, *authors in found:
            row = indexed(
                dialect,
                group=str(group),
                conversation=str(conversation),
                thread=str(thread),
                post=str(post),
                topics=(topic, of_conversation),
                authors=authors,
                body=body_words(type, content),
                attached=bool(has),
                version=version,
            )
            rows.append(row)
        if dialect == "sqlite":
            add_rows(driver, [tuple([row[name] for name in ("number", *names)]) for row in rows])
        else:
            with driver.cursor() as cursor, cursor.copy(f"COPY post_words ({listed}) FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row([row[name] for name in names])
        at = {"group_id": str(found[-1][0]), "id": str(found[-1][3])}
        count += len(found)
        yield "post_words", count
    for index in indexes:
        index.create(connection)
    if dialect == "sqlite":
        driver.execute(OPTIMIZE_WORDS)


# A group without a log can neither be read nor written; its numbers go on after what is left of one.
_LOGS = """
    INSERT INTO sequences (group_id, seq)
    SELECT g.group_id, (SELECT coalesce(max(c.seq), 0) FROM changes c WHERE c.group_id = g.group_id)
    FROM groups g
    WHERE NOT EXISTS (SELECT 1 FROM sequences q WHERE q.group_id = g.group_id)
"""


def _end_leases(connection: Connection) -> None:
    """No server has any subscriber's turn: those that had are not there any more."""
    connection.execute(text("UPDATE endpoints SET leased_by = NULL, leased_until = NULL"))


def _begin_anew(connection: Connection, now: float) -> None:
    """Make whoever follows the logs read everything once more.

    What happened since the backup was taken is lost, and its numbers would be given out again: followers that were told
    of it would take what comes for what they have. So each log begins anew beyond all numbers that can have been given
    out: of what it holds only the last change stays, under a new number, by which followers see that older ones are
    gone, and begin anew. Subscribers are told that notifications were missed.
    """
    seconds = int(now)
    highest = max(
        int(connection.execute(text(f"SELECT coalesce(max(seq), 0) FROM {name}")).scalar_one())  # noqa: S608
        for name in ("sequences", "directory_sequence")
    )
    # Milliseconds: nobody writes a thousand changes a second into one group for years, and another restore gets others.
    new = {"new": max(int(now * 1000), highest + _BEYOND), "now": seconds, "directory": DIRECTORY}
    for statement in (
        "DELETE FROM changes WHERE seq < (SELECT max(l.seq) FROM changes l WHERE l.group_id = changes.group_id)",
        "UPDATE changes SET seq = :new, at = :now",
        "UPDATE sequences SET seq = :new, changed_at = :now WHERE seq > 0",
        "DELETE FROM directory_changes WHERE seq < (SELECT max(l.seq) FROM directory_changes l)",
        "UPDATE directory_changes SET seq = :new, at = :now",
        "UPDATE directory_sequence SET seq = :new",
        "UPDATE subscription_cursors SET seq = :new "
        "WHERE group_id = :directory OR group_id IN (SELECT q.group_id FROM sequences q WHERE q.seq > 0)",
        "UPDATE subscriptions SET missed_at = :now",
    ):
        connection.execute(text(statement), {key: new[key] for key in new if f":{key}" in statement})
