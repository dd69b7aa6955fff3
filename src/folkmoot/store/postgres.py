"""The PostgreSQL engine: a few kept psycopg 3 connections; waiting writes of a group are committed together.

Statements of a write are pipelined: those whose answer is not needed cost no round trip of their own.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from folkmoot import observe
from folkmoot.refusals import Busy, OutcomeUnknown
from folkmoot.store import rows
from folkmoot.store.db import Asked, Dialect, Expecting, Job, ReadFunction, Row, Statement, Store, Tx
from folkmoot.store.ids import IdSource
from folkmoot.store.postgres_access import (
    Access,
    Connection,
    Door,
    Unreachable,
    may_be_tried_again,
    refusal,
    wrong_server,
)
from folkmoot.store.postgres_link import PostgresLink
from folkmoot.store.postgres_pipeline import Pipeline
from folkmoot.store.postgres_reads import LoopConnections
from folkmoot.store.postgres_replica import Replica
from folkmoot.store.wake import Wake
from folkmoot.store.watch import Watch
from folkmoot.store.writer import Writer

T = TypeVar("T")
# How long it is asked what became of a commit on which the connection broke.
_ASK_SECONDS = 5.0
# Seconds before each further try of what the database undid, about: two that stood in each other's way must not meet
# again.
_TRIES = (0.005, 0.05, 0.2)
# Another one after each start, also after that which follows a crash of one of its processes (it forgets its counts
# then): numbers of transactions that had not come to the disk are given out again.
_INCARNATION = (
    b"SELECT pg_postmaster_start_time()::text || ' ' || coalesce((SELECT stats_reset::text FROM pg_stat_bgwriter), '')"
)


def connect(url: str) -> Connection:
    """Open a connection with the settings every connection needs."""
    return Door(url, Access()).open()


def _counted(doing: Literal["read", "write"], error: Exception) -> Exception:
    """The refusal that an error means, counted where the database could not do it."""
    found = refusal(error)
    if isinstance(found, Busy):
        observe.meter.database_failed(doing)
    return found


class PostgresSnapshot(Expecting):
    """A read on one connection. `pipeline` is that connection's."""

    dialect: Dialect = "postgresql"

    def __init__(self, pipeline: Pipeline, instant: float) -> None:
        super().__init__(instant)
        self._pipeline = pipeline

    def _ask(self, asked: Sequence[Asked]) -> Sequence[list[Row]]:
        return self._pipeline.all_rows([self._pipeline.send(*each) for each in asked])


class PostgresTx(Tx):
    """A write inside a writer's transaction."""

    dialect: Dialect = "postgresql"

    def __init__(self, pipeline: Pipeline, ids: IdSource) -> None:
        super().__init__(ids)
        self._pipeline = pipeline

    def _rows(self, text: str, parameters: Mapping[str, Any]) -> list[Row]:
        return self._pipeline.rows(self._pipeline.send(text, parameters))

    def _run(self, text: str, parameters: Mapping[str, Any]) -> None:
        self._pipeline.send(text, parameters)

    def all_of(self, asked: Sequence[tuple[Statement, Mapping[str, Any]]]) -> list[list[Row]]:
        # Sent one after the other, then read: the pipeline makes it one round trip.
        all_sent = []
        for statement, parameters in asked:
            if self.held and not statement.apart:
                self.let_go()
            text, defaults = statement.compiled(self.dialect)
            all_sent.append(self._pipeline.send(text, {**defaults, **parameters}))
        return self._pipeline.all_rows(all_sent)


class PostgresWriter(Writer):
    """One of the writers; a group's writes always go to the same one, so they never wait for each other's locks."""

    def __init__(self, door: Door, number: int, clock: Callable[[], float], ids: IdSource, wake: Wake) -> None:
        self._door = door
        self._connection: Connection | None = None
        self._pipeline: Pipeline | None = None
        self._incarnation = ""
        settings = f", {door.access.settings(local=True)}" if door.pooled else ""
        self._first = f"SELECT pg_current_xact_id()::text{settings}"
        super().__init__(f"writer-{number}", clock, ids, wake)

    def _attempt(self, jobs: Sequence[Job[Any]]) -> None:
        for wait in (*_TRIES, None):
            try:
                self._once(jobs)
            except psycopg.Error as error:
                if wait is None or not may_be_tried_again(error):
                    raise
            else:
                return
            time.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311  (only spreads those who try again)

    def _once(self, jobs: Sequence[Job[Any]]) -> None:
        """Run `jobs` in one transaction and commit; what it raises was undone, but for `OutcomeUnknown`."""
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._open()
        if self._pipeline is None or self._pipeline.connection is not connection:
            self._pipeline = Pipeline(connection, self.hand_over)
        number: str | None = None
        try:
            with self._pipeline as pipeline:
                pipeline.send("BEGIN")
                numbered = pipeline.send(self._first)
                tx = PostgresTx(pipeline, self._ids)
                if len(jobs) > 1:
                    rows.prefetch(tx, (job.hint for job in jobs if job.hint is not None))
                self._perform(jobs, tx)
                number = pipeline.rows(numbered)[0][0]
                pipeline.send("COMMIT")
        except BaseException as error:
            self._undo(connection)
            if wrong_server(error):
                connection.close()
            # On a connection that goes on, an error of the commit says that it was none.
            lost = number is not None and connection.closed and isinstance(error, psycopg.OperationalError)
            if number is None or not lost or not self._was_committed(number):
                raise

    def _open(self) -> Connection:
        self.hand_over()
        if self._connection is not None:
            self._connection.close()
        connection = self._connection = self._door.open()
        self._incarnation = connection.execute(_INCARNATION).fetchall()[0][0]
        return connection

    def _was_committed(self, number: str) -> bool:
        """Whether the transaction `number`, on whose commit the connection broke, is on disk after all.

        Raises `OutcomeUnknown` when the database does not come back in time to say, or not the same one: after a crash
        or a failover the number may have been given to another transaction, if this one had not come to the disk.
        """
        deadline = time.monotonic() + _ASK_SECONDS
        incarnation = self._incarnation
        while True:
            status = None
            try:
                connection = self._open()
                status = connection.execute("SELECT pg_xact_status(%s::xid8)", (number,)).fetchall()[0][0]
            except errors.InvalidParameterValue:
                return False  # no transaction had this number yet
            except psycopg.OperationalError:
                pass
            if status == "aborted":
                return False
            if status == "committed":
                if incarnation != self._incarnation:
                    raise OutcomeUnknown
                return True
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
        return _counted("write", error)

    def _for_all(self, error: Exception) -> bool:
        return isinstance(error, Unreachable)

    def _for_group(self, error: Exception) -> bool:
        return isinstance(error, (errors.LockNotAvailable, errors.QueryCanceled))

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()


class PostgresStore(Store):
    """A database by its URL (`postgresql://…`)."""

    dialect: Dialect = "postgresql"
    takes_hints = True

    def __init__(self, url: str, clock: Callable[[], float], access: Access | None = None) -> None:
        access = access or Access()
        super().__init__(clock, access.long_readers)
        self._url = url
        self._door = Door(url, access)
        self._standby = None if access.replica is None else Door(access.replica, access, "replica", pooled=False)
        self._replica = Replica()
        # No pooler keeps the limits of a session.
        limits = (f"SELECT {access.settings(local=True)}",) if access.pooled else ()
        self._begin = ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", *limits)
        self._begin_quick = ("BEGIN READ ONLY", *limits)
        self._local = threading.local()
        self._opened: dict[Connection, Pipeline] = {}
        self._loops: dict[asyncio.AbstractEventLoop, LoopConnections] = {}
        link = None
        if access.direct is not None or not access.pooled:
            link = PostgresLink(Door(access.direct or url, access, pooled=False).open)
        self.watch = self.wake.others = Watch(self.wake, lambda look: self.read_here(look, quick=True), clock, link)
        numbers = range(access.writers)
        self.writers = tuple(PostgresWriter(self._door, number, clock, self.ids, self.wake) for number in numbers)

    async def read(self, function: ReadFunction[T], *, quick: bool = False) -> T:
        observe.reads["quick" if quick else "long"] += 1
        # What may be long must not hold the loop while it is put into words.
        if not quick:
            return await super().read(function)
        loop = asyncio.get_running_loop()
        connections = self._loops.get(loop)
        if connections is None:
            connections = self._loops[loop] = LoopConnections(self._door)
        try:
            return await connections.read(function, self.clock)
        except psycopg.Error as error:
            raise _counted("read", error) from error

    def raced(self, error: Exception) -> bool:
        return isinstance(error, errors.UniqueViolation)

    def read_here(self, function: ReadFunction[T], quick: bool = False) -> T:
        # A connection for each reader thread: nothing to wait for, and found again as soon as the database is back.
        try:
            if self._standby is not None and not quick and not self._replica.rests:
                done, answer = self._on_standby(function)
                if done:
                    return answer  # type: ignore[return-value]
            return self._on("primary", lambda connection: self._read(connection, function, quick))
        except psycopg.Error as error:
            raise _counted("read", error) from error

    def _on_standby(self, function: ReadFunction[T]) -> tuple[bool, T | None]:
        mark = self._on("primary", Replica.mark)
        return self._replica.read(
            mark, lambda read: self._on("standby", read), lambda c: self._read(c, function, False)
        )

    def _on(self, name: Literal["primary", "standby"], ask: Callable[[Connection], T]) -> T:
        """What `ask` gives on this thread's connection."""
        kept: Connection | None = getattr(self._local, name, None)
        if kept is not None and not kept.closed:
            try:
                return ask(kept)
            except psycopg.OperationalError:
                if not kept.closed:
                    raise
        # It broke while nothing was asked of it, or with this; nothing was written, so it can be asked once more.
        door = self._standby if name == "standby" else self._door
        assert door is not None  # noqa: S101  (only asked for where it is set)
        connection = door.open()
        setattr(self._local, name, connection)
        for each in list(self._opened):
            if each.closed:
                self._opened.pop(each, None)
        self._opened[connection] = Pipeline(connection)
        return ask(connection)

    def _read(self, connection: Connection, function: ReadFunction[T], quick: bool) -> T:
        # All of it in one pipeline: the beginning goes out with the first question, and the driver prepares nothing of
        # its own. What it had prepared it would give up when it sees a ROLLBACK, and ours with it (DEALLOCATE ALL).
        try:
            with self._opened[connection] as pipeline:
                for text in self._begin_quick if quick else self._begin:
                    pipeline.send(text)
                try:
                    return function(PostgresSnapshot(pipeline, self.clock()))
                finally:
                    pipeline.send("ROLLBACK")
        finally:
            if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
                # After an error the server passed over it.
                connection.pgconn.exec_(b"ROLLBACK")

    def close(self) -> None:
        super().close()
        for connection in self._opened:
            connection.close()
        for connections in self._loops.values():
            connections.close()
