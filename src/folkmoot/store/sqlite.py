"""The SQLite engine: one writer thread with group commit; short reads inline, long ones in threads."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from folkmoot import observe
from folkmoot.observe import log
from folkmoot.refusals import Busy, StorageFull, TooSlow
from folkmoot.store import rows
from folkmoot.store.db import Dialect, Job, ReadFunction, Row, Snapshot, Store, Tx
from folkmoot.store.ids import IdSource
from folkmoot.store.sqlite_link import SqliteLink
from folkmoot.store.turn import Turn
from folkmoot.store.wake import Wake
from folkmoot.store.watch import Watch
from folkmoot.store.writer import Writer

T = TypeVar("T")

# How long is waited for other programs that have the file locked (our own take turns, see `turn`); the writer looks up
# from that once.
_PATIENCE_MS, _FIRST_MS = 10_000, 2

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # FULL: a commit is answered only after the log is on disk; NORMAL would lose the last ones to a power cut.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {_PATIENCE_MS}",
    "PRAGMA temp_store = MEMORY",
    # In kibibytes. Into 8,000, what is counted in a large database (unseen posts) does not fit: ten times as slow.
    "PRAGMA cache_size = -32000",
    "PRAGMA mmap_size = 268435456",
    # Of the log's file, once a long read has let it grow: it begins anew at its start, and would stay as large.
    "PRAGMA journal_size_limit = 67108864",
)


def connect(path: Path) -> sqlite3.Connection:
    """Open the database file with the settings every connection needs."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    return connection


# Quoted text, in which a colon is a colon, or a parameter.
_PARAMETER = re.compile(r"""'[^']*'|"[^"]*"|:(?P<name>\w+)""")


@lru_cache(maxsize=1024)
def numbered(text: str) -> tuple[str, Callable[[Mapping[str, Any]], Sequence[Any]]]:
    """A statement with parameters by number, and what puts their values in that order.

    For each parameter that has a name the driver lets go of the interpreter's lock and takes it again: where two
    threads want it, that costs more than the statement.
    """
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found["name"]
        return found[0] if name is None else f"?{numbers.setdefault(name, len(numbers) + 1)}"

    query = _PARAMETER.sub(number, text)
    names = tuple(numbers)
    if len(names) > 1:
        return query, itemgetter(*names)
    return query, lambda parameters: tuple(parameters[name] for name in names)


def _done(execute: Callable[..., sqlite3.Cursor], text: str, parameters: Mapping[str, Any]) -> sqlite3.Cursor:
    query, values = numbered(text)
    return execute(query, values(parameters))


class SqliteSnapshot(Snapshot):
    """A read on one connection. `memo`: that of others which read in the same transaction."""

    dialect: Dialect = "sqlite"

    def __init__(
        self, connection: sqlite3.Connection, instant: float, memo: dict[tuple[str, ...], Any] | None = None
    ) -> None:
        super().__init__(instant, memo)
        self._execute = connection.execute

    def _rows(self, text: str, parameters: Mapping[str, Any]) -> list[Row]:
        return _done(self._execute, text, parameters).fetchall()


class SqliteTx(Tx):
    """A write on the writer's connection."""

    dialect: Dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection, ids: IdSource) -> None:
        super().__init__(ids)
        self._execute = connection.execute

    def _rows(self, text: str, parameters: Mapping[str, Any]) -> list[Row]:
        return _done(self._execute, text, parameters).fetchall()

    def _run(self, text: str, parameters: Mapping[str, Any]) -> None:
        _done(self._execute, text, parameters)


class SqliteWriter(Writer):
    """The one writer of a database file."""

    def __init__(self, path: Path, clock: Callable[[], float], ids: IdSource, wake: Wake) -> None:
        self._connection = connect(path)
        self._connection.execute(f"PRAGMA busy_timeout = {_FIRST_MS}")
        self._turn = Turn(path)
        super().__init__("writer", clock, ids, wake)

    def _attempt(self, jobs: Sequence[Job[Any]]) -> None:
        if not self._turn.at_once():
            self.hand_over()
            self._turn.take()
        try:
            self._commit(jobs)
        finally:
            self._turn.give_back()

    def _commit(self, jobs: Sequence[Job[Any]]) -> None:
        connection = self._connection
        self._begin(connection)
        try:
            tx = SqliteTx(connection, self._ids)
            if len(jobs) > 1:
                rows.prefetch(tx, (job.hint for job in jobs if job.hint is not None))
            self._perform(jobs, tx)
            self.hand_over()
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _begin(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not _is_locked(error):
                raise
            self.hand_over()
            connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
            try:
                connection.execute("BEGIN IMMEDIATE")
            finally:
                connection.execute(f"PRAGMA busy_timeout = {_FIRST_MS}")

    def _translate(self, error: Exception) -> Exception:
        return _meaning(error)

    def _for_all(self, error: Exception) -> bool:
        # The turn was waited for, or the file, and neither came: each would only wait as long again.
        return isinstance(error, Busy) or _is_locked(error)

    def _end(self) -> None:
        self._connection.close()
        self._turn.close()


_AWAY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def _meaning(error: Exception) -> Exception:
    """The refusal that SQLite's error means to a caller, or the error itself."""
    # The driver's own errors have no code.
    code = getattr(error, "sqlite_errorcode", 0) if isinstance(error, sqlite3.OperationalError) else 0
    if code == sqlite3.SQLITE_FULL:
        return StorageFull()
    return Busy() if code & 0xFF in _AWAY else error


def _is_locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


# Steps of SQLite's machine between two looks at the clock: about a millisecond.
_STEPS = 100_000


class _Shared(NamedTuple):
    """The transaction in which a thread reads for one turn of its event loop, and what was read."""

    loop: asyncio.AbstractEventLoop
    connection: sqlite3.Connection
    memo: dict[tuple[str, ...], Any]


class _Local(threading.local):
    """What each thread has of its own."""

    connection: sqlite3.Connection | None = None
    shared: _Shared | None = None


class SqliteStore(Store):
    """A database file. Its folder must exist. `read_seconds` is how long a request's read may take; 0 for ever."""

    dialect: Dialect = "sqlite"
    takes_hints = True

    def __init__(self, path: Path, clock: Callable[[], float], read_seconds: float = 30) -> None:
        super().__init__(clock)
        self._path = path
        self._read_seconds = read_seconds
        self._local = _Local()
        self._opened: list[sqlite3.Connection] = []
        self.watch = self.wake.others = Watch(
            self.wake, lambda look: self.read_here(look, quick=True), clock, SqliteLink(path)
        )
        self.writers = (SqliteWriter(path, clock, self.ids, self.wake),)

    def _connection(self) -> sqlite3.Connection:
        connection = self._local.connection
        if connection is None:
            connection = self._local.connection = connect(self._path)
            connection.execute("PRAGMA query_only = ON")
            self._opened.append(connection)
        return connection

    async def read(self, function: ReadFunction[T], *, quick: bool = False) -> T:
        # A page of twenty costs less than the way to a thread and back; what may be long must not hold the loop.
        observe.reads["quick" if quick else "long"] += 1
        try:
            if quick:
                shared = self._shared()
                return function(SqliteSnapshot(shared.connection, self.clock(), shared.memo))
            return await super().read(function if self._read_seconds == 0 else self._limited(function))
        except sqlite3.OperationalError as error:
            refusal = _meaning(error)
            if refusal is error:
                raise
            log.warning("the database file cannot be read: %s", error)
            raise refusal from error

    def _shared(self) -> _Shared:
        """What quick reads have in common that run in this turn of the event loop: the requests of a batch, and those
        that came in together.

        Nobody reads what is older than his question. The callback that ends the transaction stands in the loop's queue
        before whatever comes in, or is waked by a commit, after it began.
        """
        loop = asyncio.get_running_loop()
        shared = self._local.shared
        if shared is None or shared.loop is not loop:
            self._end_shared()  # of a loop that was closed in its turn
            shared = _Shared(loop, self._connection(), {})
            shared.connection.execute("BEGIN")
            self._local.shared = shared
            loop.call_soon(self._end_shared)
        return shared

    def _end_shared(self) -> None:
        shared = self._local.shared
        if shared is not None:
            self._local.shared = None
            if shared.connection.in_transaction:
                shared.connection.execute("ROLLBACK")

    def _limited(self, function: ReadFunction[T]) -> ReadFunction[T]:
        """`function`, which is broken off with `TooSlow` when it takes too long: it holds one of few threads."""

        def read(snapshot: Snapshot) -> T:
            connection = self._connection()
            deadline = time.monotonic() + self._read_seconds
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
            try:
                return function(snapshot)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    raise TooSlow from error
                raise
            finally:
                connection.set_progress_handler(None, 0)

        return read

    def raced(self, error: Exception) -> bool:
        return isinstance(error, sqlite3.IntegrityError)

    def read_here(self, function: ReadFunction[T], quick: bool = False) -> T:
        self._end_shared()
        connection = self._connection()
        snapshot = SqliteSnapshot(connection, self.clock())
        if quick:
            return function(snapshot)
        connection.execute("BEGIN")
        try:
            return function(snapshot)
        finally:
            connection.execute("ROLLBACK")

    def close(self) -> None:
        super().close()
        for connection in self._opened:
            connection.close()
