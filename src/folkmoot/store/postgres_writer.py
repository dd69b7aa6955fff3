"""How writes get to PostgreSQL: a batch's statements in a pipeline, and the next batch before the last is on disk.

What a batch asks first is known mostly from the one before (`carrying`). It is sent by that then, in one message, and
while the database carries it out the next one is made ready. Only what is on disk is answered.
"""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from queue import Empty
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from folkmoot import observe
from folkmoot.observe import log
from folkmoot.refusals import OutcomeUnknown
from folkmoot.store import changes, rows
from folkmoot.store.carrying import Carried, go_on
from folkmoot.store.db import Dialect, Evidence, Hint, Job, Row, Statement, Tx
from folkmoot.store.ids import IdSource
from folkmoot.store.postgres_access import (
    Connection,
    Door,
    Unreachable,
    counted,
    may_be_tried_again,
    wrong_server,
)
from folkmoot.store.postgres_pipeline import Pipeline, Sent
from folkmoot.store.wake import Wake
from folkmoot.store.writer import Writer

T = TypeVar("T")
# Whoever waited for a group's turn must see what was done in it, also where the database's default is stricter.
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
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
# A session, as no other one is called, and how it is ended.
_SESSION = b"SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_END_SESSION = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s::timestamptz"
)
# So many batches are on their way at most: one that the database carries out, and one that waits for that.
_AHEAD = 2
# Fewer writes are not parted into two batches.
_LEAST = 4


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


class _Ahead:
    """A batch that was sent, and whose commit is waited for later."""

    __slots__ = ("began", "changed", "evidence", "jobs", "pipeline", "sent")

    def __init__(self, jobs: list[Job[Any]], pipeline: Pipeline) -> None:
        self.jobs = jobs
        self.pipeline = pipeline
        self.began = time.perf_counter()
        self.changed: set[str] = set()
        # What is found in the log only if it was committed; None where nothing was changed.
        self.evidence: Evidence | None = None
        self.sent = Sent()


class PostgresWriter(Writer):
    """One of the writers; a group's writes always go to the same one, so they never wait for each other's locks."""

    def __init__(self, door: Door, number: int, clock: Callable[[], float], ids: IdSource, wake: Wake) -> None:
        self._door = door
        self._connection: Connection | None = None
        self._pipeline: Pipeline | None = None
        self._incarnation = ""
        self._session: Row | None = None
        self._carried = Carried()
        self._ahead: deque[_Ahead] = deque()
        self._goes_ahead = False
        # Rung when something is in the queue while the database is waited for.
        self._bell, self._rope = socket.socketpair()
        self._rope.setblocking(False)
        self._listens = False
        settings = f", {door.access.settings(local=True)}" if door.pooled else ""
        self._first = f"SELECT pg_current_xact_id()::text{settings}"
        super().__init__(f"writer-{number}", clock, ids, wake)

    # ── ahead ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _share(self, waiting: int) -> int:
        most = super()._share(waiting)
        # Where nothing is on its way, one half is carried out while the other is made ready.
        return min(most, max(_LEAST, -(-waiting // 2))) if self._goes_ahead and not self._ahead else most

    def _serve(self, batch: list[Job[Any]]) -> None:
        self._goes_ahead = self._send_ahead(batch)
        if not self._goes_ahead:
            if self._ahead:
                self._settle_all()
                self.hand_over()  # what comes now may take long
            self._leave()
            super()._serve(batch)

    def _send_ahead(self, jobs: list[Job[Any]]) -> bool:
        """Send a batch by what is known of its groups. False, and it is not there, where something must be asked."""
        hints = _brief(jobs)
        if hints is None:
            return False
        while len(self._ahead) >= _AHEAD:
            self._settle()
        known, pipeline = self._carried.of(hints), self._pipeline
        if known is None or pipeline is None:
            return False
        # Who sends a commit to a server that has gone must find out what became of it.
        if not self._ahead and not pipeline.lives():
            return False
        batch, tx = _Ahead(jobs, pipeline), PostgresTx(pipeline, self._ids)
        try:
            pipeline.begin()
            pipeline.send(_BEGIN)
            go_on(tx, hints, known)
            rows.prefetch(tx, hints)
            self._perform(jobs, tx)
        except Exception:
            # If it is not for what had been known, it comes again.
            self._carried.doubt()
            return False
        if tx.evidence is None and not all(job.outcome[0] for job in jobs):
            # Nothing would show whether it was committed, should the connection break.
            self._carried.forget()
            return False
        batch.evidence = tx.evidence
        batch.changed, self._changed = self._changed, set()
        self._carried.keep(tx, known)
        self._ahead.append(batch)
        try:
            pipeline.send("COMMIT")
            batch.sent = pipeline.cut()
        except psycopg.Error:
            pipeline.connection.close()  # whoever waits for it will see
        self.hand_over()
        return True

    def _settle(self, bell: int | None = None) -> bool:
        """Wait until the oldest of the batches that were sent has its outcomes, or `bell` can be read (False)."""
        oldest = self._ahead[0]
        try:
            if not oldest.pipeline.comes(oldest.sent, bell):
                return False
        except psycopg.Error as error:
            observe.meter.rolled_back()
            self._fell_through(error)
            return True
        self._ahead.popleft()
        observe.meter.committed(len(oldest.jobs), time.perf_counter() - oldest.began)
        self._is_done(oldest)
        return True

    def _is_done(self, batch: _Ahead) -> None:
        self._committed = [*self._committed, *batch.jobs]
        self._to_tell |= batch.changed

    def _settle_all(self) -> None:
        while self._ahead:
            self._settle()

    def _leave(self) -> None:
        """Leave pipeline mode, and undo what was begun there and not ended."""
        if self._pipeline is not None:
            # Whoever is concerned by an error has heard of it.
            with contextlib.suppress(psycopg.Error):
                self._pipeline.end()
            self._undo(self._pipeline.connection)

    def _fell_through(self, error: psycopg.Error) -> None:
        """The oldest batch failed with `error`. Run it, and those sent after it, once more, unless they are there."""
        batches, self._ahead = list(self._ahead), deque()
        oldest = batches[0]
        connection = oldest.pipeline.connection
        self._carried.doubt()
        self._leave()
        if wrong_server(error):
            connection.close()
        else:
            batches = self._not_committed(connection, batches)
        if batches and batches[0] is oldest and self._for_group(error):
            # It has waited long enough.
            batches.remove(oldest)
            self._failed(oldest.jobs, error)
            self._is_done(oldest)
        for batch in batches:
            super()._serve(batch.jobs)

    def _not_committed(self, connection: Connection, batches: list[_Ahead]) -> list[_Ahead]:
        """Those of `batches`, sent on `connection`, that never came to the disk and never will.

        Where it broke, the session that carries them out may not have noticed yet, so that is ended first.
        """
        session = self._session

        def once_it_has_ended(connection: Connection) -> list[_Ahead] | None:
            if session is not None and connection.execute(_END_SESSION, session).fetchall():
                return None
            return self._missing(connection, batches)

        try:
            if not connection.closed:
                return self._missing(connection, batches)
        except psycopg.Error:
            connection.close()
        try:
            return self._find_out(once_it_has_ended)
        except OutcomeUnknown as unknown:
            for batch in batches:
                self._failed(batch.jobs, unknown)
                self._is_done(batch)
            return []

    def _missing(self, connection: Connection, batches: Sequence[_Ahead]) -> list[_Ahead]:
        """Those of which the log does not tell. One that changed nothing can as well be run again."""
        there = [batch for batch in batches if batch.evidence and _is_in_log(connection, batch.evidence)]
        for batch in there:
            self._is_done(batch)
        return [batch for batch in batches if batch not in there]

    def _wait(self) -> Job[Any] | None:
        self.hand_over()
        while self._ahead:
            self._listens = len(self._ahead) < _AHEAD
            try:
                job = self._queue.get_nowait()
            except Empty:
                if not self._settle(self._bell.fileno() if self._listens else None):
                    self._hush()
                self.hand_over()
            else:
                self._listens = False
                return job
        self._listens = False
        return self._queue.get()

    def _ring(self) -> None:
        if self._listens:
            with contextlib.suppress(BlockingIOError):  # it rings
                self._rope.send(b".")

    def _hush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._bell.recv(4096, socket.MSG_DONTWAIT)

    # ── one after the other ──────────────────────────────────────────────────────────────────────────────────────────

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
                pipeline.send(_BEGIN)
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
            self._carried.forget()
            if number is None or not lost or not self._was_committed(number):
                raise
        else:
            # Whatever is not brief may change what is known, and need not be told of in the log.
            if _brief(jobs) is None or self._door.pooled:
                self._carried.forget()
            else:
                self._carried.keep(tx, {})

    def _open(self) -> Connection:
        self.hand_over()
        if self._connection is not None:
            self._connection.close()
        # Another server may answer now, to which the last writes had not come.
        self._carried.forget()
        connection = self._connection = self._door.open()
        self._incarnation = connection.execute(_INCARNATION).fetchall()[0][0]
        self._session = connection.execute(_SESSION).fetchone()
        return connection

    def _was_committed(self, number: str) -> bool:
        """Whether the transaction `number`, on whose commit the connection broke, is on disk after all.

        Raises `OutcomeUnknown` when the database does not come back in time to say, or not the same one: after a crash
        or a failover the number may have been given to another transaction, if this one had not come to the disk.
        """
        incarnation = self._incarnation

        def once_it_is_known(connection: Connection) -> bool | None:
            try:
                status = connection.execute("SELECT pg_xact_status(%s::xid8)", (number,)).fetchall()[0][0]
            except errors.InvalidParameterValue:
                return False  # no transaction had this number yet
            if status == "committed" and incarnation != self._incarnation:
                raise OutcomeUnknown
            return {"aborted": False, "committed": True}.get(status)

        return self._find_out(once_it_is_known)

    def _find_out(self, ask: Callable[[Connection], T | None]) -> T:
        """What `ask` gives on a new connection, as soon as it can tell. Raises `OutcomeUnknown` if that takes long."""
        deadline = time.monotonic() + _ASK_SECONDS
        while True:
            failure: psycopg.Error | None = None
            try:
                found = ask(self._open())
            except psycopg.Error as error:
                found, failure = None, error
            if found is not None:
                return found
            if time.monotonic() > deadline:
                log.warning("what became of a commit cannot be found out: %r", failure)
                raise OutcomeUnknown
            time.sleep(0.05)  # the server is starting, or has not yet noticed that the connection is gone

    def _undo(self, connection: Connection) -> None:
        try:
            if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
                # Where the driver has prepared something itself it gives up all that is prepared with a ROLLBACK.
                connection.execute("ROLLBACK", prepare=False)
        except psycopg.Error:
            connection.close()

    def _translate(self, error: Exception) -> Exception:
        return counted("write", error)

    def _for_all(self, error: Exception) -> bool:
        return isinstance(error, Unreachable)

    def _for_group(self, error: Exception) -> bool:
        return isinstance(error, (errors.LockNotAvailable, errors.QueryCanceled))

    def _end(self) -> None:
        self._settle_all()
        self.hand_over()
        self._bell.close()
        self._rope.close()
        if self._connection is not None:
            self._connection.close()


def _brief(jobs: Sequence[Job[Any]]) -> list[Hint] | None:
    """The hints of writes that are all brief, or None."""
    hints = [job.hint for job in jobs if job.hint is not None and job.hint.brief]
    return hints if len(hints) == len(jobs) else None


def _is_in_log(connection: Connection, evidence: Evidence) -> bool:
    text, parameters = changes.told(evidence)
    return connection.execute(text.encode(), parameters, prepare=False).fetchone() is not None
