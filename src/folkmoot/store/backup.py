"""Reads everything that a database holds, as it was at one moment, while servers go on writing.

SQLite gives that by a read transaction (WAL), PostgreSQL by REPEATABLE READ: no lock that a writer would wait for, no
program beside it, and the same rows from both, so that what was read from one can be loaded into the other. Tables and
columns are asked of the database itself: a backup is made of the schema that is there, also before an upgrade.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from folkmoot.refusals import Refusal
from folkmoot.store import schema as s
from folkmoot.store.archive import Columned, Kind, Row

if TYPE_CHECKING:
    import psycopg

# Made anew of the posts when they are restored: the two databases keep words each in its own way.
DERIVED = frozenset({s.post_words.name})
# Parents first, so that they can be loaded in this order. A table that a migration renames or drops has to stay named
# here for as long as backups of older schemas are taken.
TABLES = tuple(name for name in s.meta.tables if name not in DERIVED)
# Rows that are fetched at once. Those of blobs have up to a mebibyte each.
_FETCHED = 1_000
_FETCHED_BLOBS = 8

_KINDS: dict[str, Kind] = {
    "BIGINT": "integer",
    "INTEGER": "integer",
    "BOOLEAN": "boolean",
    "BLOB": "bytes",
    "BYTEA": "bytes",
    "DOUBLE": "number",
    "DOUBLE PRECISION": "number",
    "FLOAT": "number",
}
_COLUMNS_OF_POSTGRESQL = """
    SELECT c.relname, a.attname, format_type(a.atttypid, NULL), coalesce(array_position(i.indkey::int2[], a.attnum), -1)
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname, a.attnum
"""


class NothingThere(Refusal):
    """There is no database of Folkmoot to back up; name it with --data or --database."""


class Source(NamedTuple):
    """A table of the database: its columns, and how its rows are read in the order of its key."""

    name: str
    columns: tuple[Columned, ...]
    query: str


class Frozen:
    """A database as it was at one moment. `revision` is its schema's."""

    def __init__(self, revision: str, tables: tuple[Source, ...]) -> None:
        self.revision = revision
        self.tables = tables

    def rows(self, table: Source) -> Iterator[Row]:
        """Every row of a table, a few at a time."""
        raise NotImplementedError


@contextlib.contextmanager
def frozen(database: Path | str, *, pooled: bool = False) -> Iterator[Frozen]:
    """A database, held still. `database`: a file, or libpq's URL, which leads through a pooler where it is `pooled`.

    Raises `NothingThere`, and the driver's errors.
    """
    with _frozen_file(database) if isinstance(database, Path) else _frozen_server(database, pooled) as found:
        yield found


def _source(name: str, columns: list[tuple[str, str, int]]) -> Source:
    """`columns`: name, type as the database spells it, place in the key or a negative number."""
    kinds = tuple(Columned(column, _KINDS.get(kind.upper(), "text")) for column, kind, _ in columns)
    key = [column for _, column in sorted((place, column) for column, _, place in columns if place >= 0)]
    order = ", ".join(f'"{column}"' for column in key)
    names = ", ".join(f'"{column}"' for column, *_ in columns)
    return Source(name, kinds, f'SELECT {names} FROM "{name}" ORDER BY {order}')  # noqa: S608  (names of our own tables)


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class _FrozenFile(Frozen):
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError as error:
            raise NothingThere from error
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        super().__init__(row[0], tuple(self._source(name) for name in TABLES if name in there))

    def _source(self, name: str) -> Source:
        asked = self._connection.execute("SELECT name, type, pk FROM pragma_table_info(?)", (name,)).fetchall()
        return _source(name, [(column, kind, place - 1) for column, kind, place in asked])

    def rows(self, table: Source) -> Iterator[Row]:
        flags = [n for n, column in enumerate(table.columns) if column.kind == "boolean"]
        for row in self._connection.execute(table.query):
            if not flags:
                yield row
                continue
            told = list(row)
            for n in flags:
                if told[n] is not None:
                    told[n] = bool(told[n])
            yield told


@contextlib.contextmanager
def _frozen_file(path: Path) -> Iterator[Frozen]:
    if not path.exists():
        raise NothingThere
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        connection.execute("PRAGMA cache_size = -8000")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        yield _FrozenFile(connection)


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _FrozenServer(Frozen):
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        columns: dict[str, list[tuple[str, str, int]]] = {}
        for name, column, kind, place in connection.execute(_COLUMNS_OF_POSTGRESQL):
            columns.setdefault(name, []).append((column, kind, place))
        if "alembic_version" not in columns:
            raise NothingThere
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        revision = row[0] if row else ""
        super().__init__(revision, tuple(_source(name, columns[name]) for name in TABLES if name in columns))

    def rows(self, table: Source) -> Iterator[Row]:
        with self._connection.cursor(f"backup_{table.name}") as cursor:
            wide = any(column.kind == "bytes" for column in table.columns)
            cursor.itersize = _FETCHED_BLOBS if wide else _FETCHED
            cursor.execute(table.query.encode())
            yield from cursor


@contextlib.contextmanager
def _frozen_server(url: str, pooled: bool) -> Iterator[Frozen]:
    import psycopg

    from folkmoot.store.postgres import connect

    with contextlib.closing(connect(url, pooled=pooled)) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.autocommit = False
        # A server's own limits are for requests; this may take minutes.
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield _FrozenServer(connection)
