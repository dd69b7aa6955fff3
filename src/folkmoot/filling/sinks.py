"""Where rows go: one connection that writes blocks in large transactions, each of which leaves a sound database."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from folkmoot.filling.content import COLUMNS, Made
from folkmoot.model import Recipient
from folkmoot.ops import posts
from folkmoot.store.db import Dialect
from folkmoot.store.search import OPTIMIZE_WORDS, add_rows

# How much memory SQLite may take for words before it sorts them into the index, in bytes, and what it takes by itself.
_HASH: Final = 64 * 1_048_576
_OWN_HASH: Final = 1_048_576

_decode = msgspec.json.Decoder(list[Recipient]).decode


class Sink(ABC):
    """An open database."""

    dialect: Dialect

    @abstractmethod
    def heads(self) -> dict[str, int]:
        """The number of each group's last change."""

    @abstractmethod
    def write(self, blocks: Sequence[Made]) -> bool:
        """Add blocks and commit. False, and nothing is added, where somebody else has written to one of the groups."""

    @abstractmethod
    def tidy(self) -> None:
        """Do what is worth doing after so much: put indexes in order, tell a planner that wants it what there is."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""

    def _go_on(self, made: Made) -> None:
        """Bring the long thread and its conversation up to date."""
        told = made.goes_on
        if told is None:
            return
        key = {"g": made.group, "id": told.id}
        for table in ("threads", "conversations"):
            names, has_attachments = self._one(f"SELECT unique_senders, has_attachments FROM {table}", key)  # noqa: S608
            known = dict.fromkeys([*json.loads(names), *told.names])
            self._run(
                f"UPDATE {table} SET unique_senders = :names, has_attachments = :has, last_delivered_at = :last, "  # noqa: S608
                "preview = :preview",
                key
                | {"names": posts.names(*known), "has": bool(has_attachments) or told.has_attachments}
                | {"last": told.last, "preview": told.preview},
            )
        (to,) = self._one("SELECT to_recipients FROM threads", key)
        joined = posts.with_participants(to, tuple(_decode(made.joining)))
        self._run("UPDATE threads SET to_recipients = :to", key | {"to": joined})

    @abstractmethod
    def _one(self, text: str, key: dict[str, Any]) -> Any:
        """The one row of a query, to which the condition that finds `key` is added."""

    @abstractmethod
    def _run(self, text: str, key: dict[str, Any]) -> None:
        """The same for an update."""


_WHERE = " WHERE group_id = :g AND id = :id"


class SqliteSink(Sink):
    """A database file."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        from folkmoot.store import sqlite

        self._connection = sqlite.connect(path)
        for pragma in (
            # What a power cut takes, the next run makes again.
            "PRAGMA synchronous = NORMAL",
            "PRAGMA cache_size = -262144",
            "PRAGMA wal_autocheckpoint = 16384",
            # Rows come with what they refer to.
            "PRAGMA foreign_keys = OFF",
            "PRAGMA busy_timeout = 60000",
        ):
            self._connection.execute(pragma)
        self._inserts = {name: _insert(name, columns) for name, columns in COLUMNS.items() if name != "post_words"}

    def heads(self) -> dict[str, int]:
        return dict(self._connection.execute("SELECT group_id, seq FROM sequences").fetchall())

    def write(self, blocks: Sequence[Made]) -> bool:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._hash(_HASH)
            for made in blocks:
                advanced = connection.execute(
                    "UPDATE sequences SET seq = ?, changed_at = ? WHERE group_id = ? AND seq = ?",
                    (made.next_head, made.changed_at, made.group, made.head),
                )
                if advanced.rowcount != 1:
                    connection.execute("ROLLBACK")
                    return False
                for name, insert in self._inserts.items():
                    connection.executemany(insert, made.rows[name])
                self._go_on(made)
            add_rows(connection, [row for made in blocks for row in made.rows["post_words"]])
            # Another value would stay with the index, and cost every server memory.
            self._hash(_OWN_HASH)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return True

    def _hash(self, size: int) -> None:
        self._connection.execute("INSERT INTO post_words (post_words, rank) VALUES ('hashsize', ?)", (size,))

    def _one(self, text: str, key: dict[str, Any]) -> Any:
        return self._connection.execute(text + _WHERE, key).fetchone()

    def _run(self, text: str, key: dict[str, Any]) -> None:
        self._connection.execute(text + _WHERE, key)

    def tidy(self) -> None:
        self._connection.execute(OPTIMIZE_WORDS)
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._connection.close()


class PostgresSink(Sink):
    """A PostgreSQL database."""

    dialect: Dialect = "postgresql"

    def __init__(self, url: str) -> None:
        from folkmoot.store import postgres

        self._connection = postgres.connect(url)
        # What a crash takes, the next run makes again.
        self._connection.execute("SET synchronous_commit = off")

    def heads(self) -> dict[str, int]:
        return {row[0]: row[1] for row in self._connection.execute("SELECT group_id, seq FROM sequences")}

    def write(self, blocks: Sequence[Made]) -> bool:
        connection = self._connection
        with connection.transaction(), connection.cursor() as cursor:
            for made in blocks:
                cursor.execute(
                    "UPDATE sequences SET seq = %s, changed_at = %s WHERE group_id = %s AND seq = %s",
                    (made.next_head, made.changed_at, made.group, made.head),
                )
                if cursor.rowcount != 1:
                    connection.execute("ROLLBACK")
                    return False
            for name, columns in COLUMNS.items():
                with cursor.copy(f"COPY {name} ({_told(columns)}) FROM STDIN".encode()) as copy:
                    for made in blocks:
                        for row in made.rows[name]:
                            copy.write_row(row)
            for made in blocks:
                self._go_on(made)
        return True

    def _one(self, text: str, key: dict[str, Any]) -> Any:
        return self._connection.execute(_spelt(text), key).fetchone()

    def _run(self, text: str, key: dict[str, Any]) -> None:
        self._connection.execute(_spelt(text), key)

    def tidy(self) -> None:
        # Also the map of pages that everybody sees, without which an index alone answers nothing.
        self._connection.execute("VACUUM (ANALYZE)")

    def close(self) -> None:
        self._connection.close()


def _spelt(text: str) -> bytes:
    """A statement with the parameters as the driver of PostgreSQL has them."""
    import re

    return re.sub(r":(\w+)", r"%(\1)s", text + _WHERE).encode()


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({_told(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608


def _told(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
