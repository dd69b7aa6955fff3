"""The PostgreSQL engine: a few kept psycopg 3 connections; waiting writes of a group are committed together.

Statements of a write are pipelined: those whose answer is not needed cost no round trip of their own.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import Format, TransactionStatus

from folkmoot import observe
from folkmoot.observe import log
from folkmoot.refusals import Busy, OutcomeUnknown, StorageFull
from folkmoot.store import bridge, rows
from folkmoot.store.db import Dialect, Job, ReadFunction, Row, Snapshot, Statement, Store, Tx
from folkmoot.store.ids import IdSource
from folkmoot.store.postgres_link import PostgresLink
from folkmoot.store.wake import Wake
from folkmoot.store.watch import Watch
from folkmoot.store.writer import Writer

T = TypeVar("T")
Connection = psycopg.Connection[Row]
AsyncConnection = psycopg.AsyncConnection[Row]

WRITERS = 4
READERS = 8
_ASK_SECONDS = 5.0


# GUIDs and JSON reach Python as the text that the wire sends, by the driver's own (compiled) loader of text.
_AS_TEXT = psycopg.adapters.get_loader(psycopg.adapters.types["text"].oid, Format.TEXT)


def configure(connection: Connection | AsyncConnection) -> None:
    """Set up one connection: uuid and jsonb come as text."""
    assert _AS_TEXT is not None  # noqa: S101  (every driver loads text)
    for name in ("uuid", "jsonb"):
        connection.adapters.register_loader(name, _AS_TEXT)


def _patient(url: str) -> dict[str, Any]:
    # Without a limit a host that answers nothing would hold whoever asks for minutes.
    return {} if "connect_timeout" in url else {"connect_timeout": 5}


async def connect_loop(url: str) -> AsyncConnection:
    """Open a connection for reads on the event loop."""
    connection: AsyncConnection = await psycopg.AsyncConnection.connect(url, autocommit=True, **_patient(url))
    configure(connection)
    observe.meter.connected(connection)
    return connection


def connect(url: str) -> Connection:
    """Open a connection with the settings every connection needs."""
    connection: Connection = psycopg.connect(url, autocommit=True, **_patient(url))
    configure(connection)
    observe.meter.connected(connection)
    # A commit is answered when it is on disk, whatever the database's default; a stricter one is left as it is.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') IN ('off', 'local')"
    )
    return connection


class PostgresSnapshot(Snapshot):
    """A read on one connection."""

    dialect: Dialect = "postgresql"

    def __init__(self, connection: Connection, instant: float) -> None:
        super().__init__(instant)
        self._cursor = connection.cursor()

    def _rows(self, text: str, parameters: Mapping[str, Any]) -> list[Row]:
        return self._cursor.execute(text, parameters).fetchall()


class LoopSnapshot(Snapshot):
    """A read on a connection of the event loop; see `bridge`."""

    dialect: Dialect = "postgresql"

    def __init__(self, connection: AsyncConnection, instant: float) -> None:
        super().__init__(instant)
        self._cursor = connection.cursor()

    def _rows(self, text: str, parameters: Mapping[str, Any]) -> list[Row]:
        return bridge.wait_for(self._ask(text, parameters))

    async def _ask(self, text: str, parameters: Mapping[str, Any]) -> list[Row]:
        await self._cursor.execute(text, parameters)
        return await self._cursor.fetchall()


class LoopConnections:
    """The connections of one event loop, for short reads: at most `READERS`, made when they are needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._turns = asyncio.Semaphore(READERS)
        self._free: list[AsyncConnection] = []
        self._made: list[AsyncConnection] = []

    async def read(self, function: ReadFunction[T], clock: Callable[[], float]) -> T:
        """Run `function` with a snapshot."""
        async with self._turns:
            kept = self._free.pop() if self._free else None
            if kept is not None:
                try:
                    return await self._on(kept, function, clock)
                except psycopg.OperationalError:
                    if not kept.closed:
                        raise
            # It broke while nothing was asked of it, or with this; nothing was written, so it can be asked once more.
            made = await connect_loop(self._url)
            self._made = [*(each for each in self._made if not each.closed), made]
            return await self._on(made, function, clock)

    async def _on(self, connection: AsyncConnection, function: ReadFunction[T], clock: Callable[[], float]) -> T:
        try:
            return await bridge.run(lambda: function(LoopSnapshot(connection, clock())))
        finally:
            # A caller who went away may have left a statement under way.
            if connection.info.transaction_status != TransactionStatus.IDLE:
                connection.pgconn.finish()
            if not connection.closed:
                self._free.append(connection)

    def close(self) -> None:
        """Let go of the connections, also when their loop has ended."""
        for connection in self._made:
            connection.pgconn.finish()


class PostgresTx(Tx):
    """A write inside a writer's transaction."""

    dialect: Dialect = "postgresql"

    def __init__(self, connection: Connection, ids: IdSource) -> None:
        super().__init__(ids)
        self._connection = connection
        # One cursor for all: making one costs half of what a statement does.
        self._cursor = connection.cursor()

    def _rows(self, text: str, parameters: Mapping[str, Any]) -> list[Row]:
        return self._cursor.execute(text, parameters).fetchall()

    def _run(self, text: str, parameters: Mapping[str, Any]) -> None:
        self._cursor.execute(text, parameters)

    def all_of(self, asked: Sequence[tuple[Statement, Mapping[str, Any]]]) -> list[list[Row]]:
        # Sent one after the other, then read: the pipeline makes it one round trip.
        cursors = []
        for statement, parameters in asked:
            text, defaults = statement.compiled(self.dialect)
            cursors.append(self._connection.execute(text, {**defaults, **parameters}))
        return [cursor.fetchall() for cursor in cursors]


class PostgresWriter(Writer):
    """One of the writers; a group's writes always go to the same one, so they never wait for each other's locks."""

    def __init__(self, url: str, number: int, clock: Callable[[], float], ids: IdSource, wake: Wake) -> None:
        self._url = url
        self._connection: Connection | None = None
        super().__init__(f"writer-{number}", clock, ids, wake)

    def _attempt(self, jobs: Sequence[Job[Any]]) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url)
        connection = self._connection
        number: str | None = None
        try:
            with connection.pipeline():
                connection.execute("BEGIN")
                numbered = connection.execute("SELECT pg_current_xact_id()::text")
                tx = PostgresTx(connection, self._ids)
                if len(jobs) > 1:
                    rows.prefetch(tx, (job.hint for job in jobs if job.hint is not None))
                self._perform(jobs, tx)
                number = numbered.fetchall()[0][0]
                connection.execute("COMMIT")
        except BaseException as error:
            self._undo(connection)
            if number is None or not isinstance(error, psycopg.OperationalError) or not self._was_committed(number):
                raise

    def _was_committed(self, number: str) -> bool:
        """Whether the transaction `number`, on whose commit the connection broke, is on disk after all.

        Raises `OutcomeUnknown` when the database does not come back in time to say.
        """
        deadline = time.monotonic() + _ASK_SECONDS
        while True:
            try:
                self._connection = connect(self._url)
                row = self._connection.execute("SELECT pg_xact_status(%s::xid8)", (number,)).fetchone()
            except psycopg.OperationalError:
                row = None
            if row is not None and row[0] in ("committed", "aborted"):
                return bool(row[0] == "committed")
            if time.monotonic() > deadline:
                raise OutcomeUnknown
            time.sleep(0.05)  # the server is starting, or has not yet noticed that the connection is gone

    def _undo(self, connection: Connection) -> None:
        try:
            if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
                connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.close()

    def _translate(self, error: Exception) -> Exception:
        if isinstance(error, (errors.DiskFull, errors.OutOfMemory)):
            return StorageFull()
        if isinstance(error, (psycopg.OperationalError, errors.SerializationFailure, errors.DeadlockDetected)):
            observe.meter.database_failed("write")
            log.warning("PostgreSQL refused a write: %s", type(error).__name__)
            return Busy()
        return error

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()


class PostgresStore(Store):
    """A database by its URL (`postgresql://…`)."""

    dialect: Dialect = "postgresql"
    takes_hints = True

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._url = url
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._loops: dict[asyncio.AbstractEventLoop, LoopConnections] = {}
        link = PostgresLink(lambda: connect(url))
        self.watch = self.wake.others = Watch(self.wake, lambda look: self.read_here(look, quick=True), clock, link)
        self.writers = tuple(PostgresWriter(url, number, clock, self.ids, self.wake) for number in range(WRITERS))

    async def read(self, function: ReadFunction[T], *, quick: bool = False) -> T:
        observe.reads["quick" if quick else "long"] += 1
        # What may be long must not hold the loop while it is put into words.
        if not quick:
            return await super().read(function)
        loop = asyncio.get_running_loop()
        connections = self._loops.get(loop)
        if connections is None:
            connections = self._loops[loop] = LoopConnections(self._url)
        try:
            return await connections.read(function, self.clock)
        except psycopg.OperationalError as error:
            observe.meter.database_failed("read")
            raise Busy from error

    def raced(self, error: Exception) -> bool:
        return isinstance(error, errors.UniqueViolation)

    def read_here(self, function: ReadFunction[T], quick: bool = False) -> T:
        # A connection for each reader thread: nothing to wait for, and found again as soon as the database is back.
        kept: Connection | None = getattr(self._local, "connection", None)
        try:
            if kept is not None and not kept.closed:
                try:
                    return self._read(kept, function, quick)
                except psycopg.OperationalError:
                    if not kept.closed:
                        raise
            # It broke while nothing was asked of it, or with this; nothing was written, so it can be asked once more.
            connection = self._local.connection = connect(self._url)
            self._opened = [*(each for each in self._opened if not each.closed), connection]
            return self._read(connection, function, quick)
        except psycopg.OperationalError as error:
            observe.meter.database_failed("read")
            raise Busy from error

    def _read(self, connection: Connection, function: ReadFunction[T], quick: bool) -> T:
        snapshot = PostgresSnapshot(connection, self.clock())
        if quick:
            return function(snapshot)
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            return function(snapshot)
        finally:
            if not connection.closed:
                connection.execute("ROLLBACK")

    def close(self) -> None:
        super().close()
        for connection in self._opened:
            connection.close()
        for connections in self._loops.values():
            connections.close()
