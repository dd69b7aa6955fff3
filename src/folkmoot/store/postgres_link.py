"""Hints between the processes on one PostgreSQL database: NOTIFY and LISTEN, on a connection of their own.

Not in the transactions that they tell of: a transaction that notifies takes a lock of the whole database at its commit,
and all writers would wait for one another. Source: PostgreSQL, NOTIFY and src/backend/commands/async.c.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from folkmoot.store.watch import Broken, names

CHANNEL = "folkmoot_changes"
EVERYTHING = "*"
# A payload must be shorter than 8000 bytes; ours is ASCII.
_MOST = 7900

Row = tuple[object, ...]
Connect = Callable[[], "psycopg.Connection[Row]"]


class PostgresLink:
    """See `watch.Link`."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._connection: psycopg.Connection[Row] | None = None

    def open(self) -> int:
        """Connect."""
        self.close()
        try:
            self._connection = self._connect()
            # A hint need not be on disk.
            self._connection.execute("SET synchronous_commit = off")
        except psycopg.Error as error:
            raise Broken(type(error).__name__) from error
        return self._connection.fileno()

    def listen(self) -> None:
        """LISTEN, until the connection ends."""
        self._execute(f"LISTEN {CHANNEL}")

    def send(self, groups: frozenset[str] | None) -> None:
        """One message, or as many as the names of the groups fill."""
        for text in [EVERYTHING] if groups is None else names(groups, _MOST):
            self._execute("SELECT pg_notify(%s, %s)", (CHANNEL, text))

    def received(self) -> tuple[frozenset[str], bool]:
        """What is there to be read, and what came with the answers of other statements."""
        connection = self._connection
        if connection is None:
            raise Broken("closed")
        groups: set[str] = set()
        everything = False
        try:
            # Once more after what came with other answers, which is given without a look at the socket.
            while notices := list(connection.notifies(timeout=0)):
                for notice in notices:
                    if notice.pid == connection.info.backend_pid:
                        continue  # our own hints come back, too
                    if notice.payload == EVERYTHING:
                        everything = True
                    else:
                        groups.update(notice.payload.split(","))
        except psycopg.Error as error:
            raise Broken(type(error).__name__) from error
        return frozenset(groups), everything

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _execute(self, text: str, parameters: tuple[str, ...] = ()) -> None:
        if self._connection is None:
            raise Broken("closed")
        try:
            self._connection.execute(text.encode(), parameters)
        except psycopg.Error as error:
            raise Broken(type(error).__name__) from error
