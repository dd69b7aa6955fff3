"""The PostgreSQL engine: a few kept psycopg 3 connections; waiting writes of a group are committed together.

Statements of a write are pipelined: those whose answer is not needed cost no round trip of their own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from folkmoot import observe
from folkmoot.store.db import Asked, Dialect, Expecting, ReadFunction, Row, Store
from folkmoot.store.postgres_access import Access, Connection, Door, counted
from folkmoot.store.postgres_link import PostgresLink
from folkmoot.store.postgres_pipeline import Pipeline
from folkmoot.store.postgres_reads import LoopConnections
from folkmoot.store.postgres_replica import Replica
from folkmoot.store.postgres_writer import PostgresWriter
from folkmoot.store.watch import Watch

T = TypeVar("T")


def connect(url: str, *, pooled: bool = False) -> Connection:
    """Open a connection with the settings every connection needs; `pooled`: through a pooler, which keeps none."""
    return Door(url, Access(pooled=pooled)).open()


class PostgresSnapshot(Expecting):
    """A read on one connection. `pipeline` is that connection's."""

    dialect: Dialect = "postgresql"

    def __init__(self, pipeline: Pipeline, instant: float) -> None:
        super().__init__(instant)
        self._pipeline = pipeline

    def _ask(self, asked: Sequence[Asked]) -> Sequence[list[Row]]:
        return self._pipeline.all_rows([self._pipeline.send(*each) for each in asked])


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
            raise counted("read", error) from error

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
            raise counted("read", error) from error

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
