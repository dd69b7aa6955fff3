"""The two engines behind one door: `read` and `write` run a plain function with a snapshot or a transaction.

Statements are SQLAlchemy expressions, compiled once for each dialect and run on the driver itself, whose execution
layer would otherwise cost more than the query. `Tx` and `Snapshot` are all that verbs see of a database.

Writers wait in a queue; a writer thread takes all that wait, runs them in one transaction and answers each only after
the commit is on disk: one fsync serves many. A function given to `write` may run twice (when a companion in its batch
fails, all are rolled back and each is run alone), so it must change nothing but the transaction.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, Generic, Literal, TypeVar

from sqlalchemy import Dialect as SqlDialect
from sqlalchemy.dialects.postgresql import psycopg as postgresql_dialect
from sqlalchemy.dialects.sqlite import pysqlite as sqlite_dialect
from sqlalchemy.sql import ClauseElement

from folkmoot.observe import log
from folkmoot.refusals import Busy, Refusal
from folkmoot.store.ids import IdSource

T = TypeVar("T")
Row = tuple[Any, ...]
Dialect = Literal["sqlite", "postgresql"]

_COMPILERS: dict[str, SqlDialect] = {
    "sqlite": sqlite_dialect.SQLiteDialect_pysqlite(paramstyle="named"),
    "postgresql": postgresql_dialect.PGDialect_psycopg(),  # type: ignore[no-untyped-call]
}

# More waiting writes than this and the server says so at once, rather than answer all of them late.
QUEUE_LIMIT = 10_000
# Enough to share an fsync widely; small enough that a failing companion does not make many run again.
BATCH_LIMIT = 256


class Statement:
    """A SQL expression, compiled on first use for each dialect.

    Parameters are the expression's `bindparam` names; values that it holds itself are its defaults.
    """

    __slots__ = ("_compiled", "expression")

    def __init__(self, expression: ClauseElement) -> None:
        self.expression = expression
        self._compiled: dict[Dialect, tuple[str, dict[str, Any]]] = {}

    def compiled(self, dialect: Dialect) -> tuple[str, dict[str, Any]]:
        """The text for `dialect` and the values it holds itself."""
        found = self._compiled.get(dialect)
        if found is None:
            compiled = self.expression.compile(dialect=_COMPILERS[dialect], compile_kwargs={"render_postcompile": True})
            defaults = {k: v for k, v in compiled.params.items() if v is not None}
            found = self._compiled[dialect] = (str(compiled), defaults)
        return found


class Snapshot(ABC):
    """Read access. `now` is the time of the transaction in whole seconds; `instant` the same with its fraction."""

    dialect: Dialect

    def __init__(self, instant: float) -> None:
        self.instant = instant
        self.now = int(instant)

    @abstractmethod
    def _rows(self, text: str, parameters: Mapping[str, Any]) -> list[Row]: ...

    def all(self, statement: Statement, **parameters: Any) -> list[Row]:
        """Every row that `statement` gives."""
        text, defaults = statement.compiled(self.dialect)
        return self._rows(text, {**defaults, **parameters} if defaults else parameters)

    def one(self, statement: Statement, **parameters: Any) -> Row | None:
        """The first row, or None."""
        rows = self.all(statement, **parameters)
        return rows[0] if rows else None


class Tx(Snapshot):
    """A write transaction. What it does is either on disk when the caller hears of it, or did not happen."""

    def __init__(self, instant: float, ids: IdSource) -> None:
        super().__init__(instant)
        self._ids = ids
        self.wrote = False

    def new_id(self) -> str:
        """A new time-ordered GUID."""
        return self._ids.new(self.instant)

    @abstractmethod
    def _run(self, text: str, parameters: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def _run_many(self, text: str, parameters: Sequence[Mapping[str, Any]]) -> None: ...

    def run(self, statement: Statement, **parameters: Any) -> None:
        """Run a statement whose answer is not needed."""
        self.wrote = True
        text, defaults = statement.compiled(self.dialect)
        self._run(text, {**defaults, **parameters} if defaults else parameters)

    def run_many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement once for each mapping of parameters."""
        self.wrote = True
        text, _ = statement.compiled(self.dialect)
        self._run_many(text, rows)

    def returning(self, statement: Statement, **parameters: Any) -> list[Row]:
        """Run a statement that changes rows and answers with them."""
        self.wrote = True
        return self.all(statement, **parameters)


ReadFunction = Callable[[Snapshot], T]
WriteFunction = Callable[[Tx], T]


class _Job(Generic[T]):
    """A waiting write: the function, and where its answer goes."""

    __slots__ = ("function", "future", "loop", "outcome")

    def __init__(self, function: WriteFunction[T], loop: asyncio.AbstractEventLoop, future: asyncio.Future[T]) -> None:
        self.function = function
        self.loop = loop
        self.future = future
        self.outcome: tuple[bool, Any] = (False, None)

    def settle(self) -> None:
        """Hand the outcome over; the caller may have gone meanwhile."""
        if not self.future.done():
            failed, value = self.outcome
            if failed:
                self.future.set_exception(value)
            else:
                self.future.set_result(value)


class _Rollback(Exception):
    """A function failed after it had written: its batch must be undone."""


class Writer(ABC):
    """A thread that commits waiting writes together. Subclasses say how a transaction begins, ends and is undone."""

    def __init__(self, name: str, clock: Callable[[], float], ids: IdSource) -> None:
        self._queue: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._clock = clock
        self._ids = ids
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: _Job[Any]) -> None:
        """Queue a write, or raise `Busy` when too many wait."""
        if self._queue.qsize() >= QUEUE_LIMIT:
            raise Busy
        self._queue.put(job)

    def close(self) -> None:
        """Finish what waits, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    @abstractmethod
    def _attempt(self, jobs: Sequence[_Job[Any]]) -> None:
        """Run `jobs` in one transaction and commit, or leave nothing behind and raise."""

    @abstractmethod
    def _translate(self, error: Exception) -> Exception:
        """The refusal that a database's error means to a caller, or the error itself."""

    @abstractmethod
    def _end(self) -> None:
        """Close connections; the last thing the thread does."""

    def _work(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                break
            batch = [first]
            last = False
            while len(batch) < BATCH_LIMIT:
                try:
                    job = self._queue.get_nowait()
                except Empty:
                    break
                if job is None:
                    last = True
                    break
                batch.append(job)
            self._serve(batch)
            if last:
                break
        self._end()

    def _serve(self, batch: list[_Job[Any]]) -> None:
        try:
            self._attempt(batch)
        except Exception as error:
            if len(batch) == 1:
                batch[0].outcome = (True, self._judge(error))
            else:
                for job in batch:
                    try:
                        self._attempt([job])
                    except Exception as alone:
                        job.outcome = (True, self._judge(alone))
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job[Any]]] = {}
        for job in batch:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, jobs in by_loop.items():
            try:
                loop.call_soon_threadsafe(_settle, jobs)
            except RuntimeError:  # the loop was closed: nobody waits any more
                log.warning("a write was committed after its event loop had closed")

    def _judge(self, error: Exception) -> Exception:
        if isinstance(error, _Rollback) and error.__cause__ is not None:
            error = error.__cause__ if isinstance(error.__cause__, Exception) else error
        return self._translate(error)

    def _perform(self, jobs: Sequence[_Job[Any]], tx: Callable[[float], Tx]) -> None:
        """Run each function. One that refuses before it wrote leaves its companions unharmed."""
        for job in jobs:
            each = tx(self._clock())
            try:
                job.outcome = (False, job.function(each))
            except Refusal as refusal:
                if each.wrote:
                    raise _Rollback from refusal
                job.outcome = (True, refusal)


def _settle(jobs: list[_Job[Any]]) -> None:
    for job in jobs:
        job.settle()


class Store(ABC):
    """A database. Close it to finish what waits."""

    dialect: Dialect

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.ids = IdSource()
        self._readers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="reader")
        self.writers: Sequence[Writer] = ()

    async def read(self, function: ReadFunction[T], *, quick: bool = False) -> T:
        """Run `function` with a snapshot. `quick` promises a few indexed rows and nothing more."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_here, function, quick)

    async def write(self, function: WriteFunction[T], *, key: str = "") -> T:
        """Run `function` in a transaction and return its value once that is committed and on disk.

        Writes with the same `key` (a group's id) are committed in the order of the calls. Raises what the function
        raises; `Busy` when the database cannot be reached or too many writes wait.
        """
        loop = asyncio.get_running_loop()
        job: _Job[T] = _Job(function, loop, loop.create_future())
        self.writers[hash(key) % len(self.writers)].submit(job)
        return await job.future

    @abstractmethod
    def read_here(self, function: ReadFunction[T], quick: bool = False) -> T:
        """Like `read`, in the calling thread."""

    def write_here(self, function: WriteFunction[T]) -> T:
        """Like `write`, for callers without an event loop (the command line, import, tests)."""

        async def once() -> T:
            return await self.write(function)

        return asyncio.run(once())

    def close(self) -> None:
        """Commit what waits, then let go of the database."""
        for writer in self.writers:
            writer.close()
        self._readers.shutdown()
