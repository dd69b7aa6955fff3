"""The two engines behind one door: `read` and `write` run a plain function with a snapshot or a transaction.

Statements are SQLAlchemy expressions, compiled once for each dialect and run on the driver itself, since SQLAlchemy's
execution layer costs more than the query. `Tx` and `Snapshot` are all that verbs see of a database. How writes wait and
are committed together is in `writer`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar
from weakref import WeakKeyDictionary

from folkmoot.store.held import Held, Several
from folkmoot.store.ids import IdSource
from folkmoot.store.statements import Dialect as Dialect
from folkmoot.store.statements import Statement as Statement
from folkmoot.store.statements import compiler
from folkmoot.store.wake import Wake

if TYPE_CHECKING:
    from folkmoot.store.watch import Watch

T = TypeVar("T")
Row = tuple[Any, ...]


class Snapshot(ABC):
    """Read access. `now` is the time of the transaction in whole seconds; `instant` the same with its fraction.

    `memo` holds what was read and is asked for again and again.
    """

    dialect: Dialect
    # Whether `expect` saves anything.
    expects = False

    def __init__(self, instant: float, memo: dict[tuple[str, ...], Any] | None = None) -> None:
        self.instant = instant
        self.now = int(instant)
        self.memo: dict[tuple[str, ...], Any] = {} if memo is None else memo

    @abstractmethod
    def _rows(self, text: str, parameters: Mapping[str, Any]) -> list[Row]: ...

    def all(self, statement: Statement, **parameters: Any) -> list[Row]:
        """Every row that `statement` gives."""
        text, defaults = statement.compiled(self.dialect)
        return self._rows(text, {**defaults, **parameters} if defaults else parameters)

    def expect(self, statement: Statement, **parameters: Any) -> None:  # noqa: B027  (most have nothing to gain)
        """Say that this will be asked after the next, so that both go to a distant database in one message.

        A guess costs little and changes nothing: what is not asked for afterwards is left aside.
        """

    def one(self, statement: Statement, **parameters: Any) -> Row | None:
        """The first row, or None."""
        rows = self.all(statement, **parameters)
        return rows[0] if rows else None


# A line of the change log: group, number, item.
Evidence = tuple[str, int, str]
# A statement's text and its parameters.
Asked = tuple[str, Mapping[str, Any]]


class Expecting(Snapshot):
    """A read of a distant database: what is expected goes there with what is asked."""

    expects = True

    def __init__(self, instant: float) -> None:
        super().__init__(instant)
        self._expected: list[Asked] = []
        self._known: dict[Hashable, list[Row] | Exception] = {}

    @abstractmethod
    def _ask(self, asked: Sequence[Asked]) -> Sequence[list[Row] | Exception]:
        """What each statement gives, or the error of the first that fails, in its place and those after it."""

    def expect(self, statement: Statement, **parameters: Any) -> None:
        text, defaults = statement.compiled(self.dialect)
        self._expected.append((text, {**defaults, **parameters}))

    def _rows(self, text: str, parameters: Mapping[str, Any]) -> list[Row]:
        found = self._known.pop((text, *parameters.items()), None) if self._known else None
        if found is None:
            expected, self._expected = self._expected, []
            found, *more = self._ask(((text, parameters), *expected))
            self._known.update(zip(((text, *values.items()) for text, values in expected), more, strict=True))
        if isinstance(found, Exception):
            raise found
        return found


class Tx(Snapshot):
    """A write transaction. What it does is either on disk when the caller hears of it, or did not happen.

    One transaction serves a batch of functions in turn. `memo` holds what it has read of groups whose turn it has; a
    statement that is not known to be harmless empties it. `heads` holds the number of the last change of each such
    group, `log` each group's changes that are still to be written (see `changes.record`), `directory_log` those of the
    directory, `held` the rows of posts and of what stands above them. `forgot` says that the memo was emptied, and
    `evidence`, in the end, what is found in the log only if all this was committed; None where nothing would tell.
    """

    def __init__(self, ids: IdSource) -> None:
        super().__init__(0)
        self._ids = ids
        self.wrote = False
        self.forgot = False
        self.evidence: Evidence | None = None
        self.heads: dict[str, int] = {}
        self.log: dict[str, list[Row]] = {}
        self.directory_log: list[dict[str, Any]] = []
        self.held = Held()

    def begin(self, instant: float) -> None:
        """Go on to the next function of the batch."""
        self.instant = instant
        self.now = int(instant)
        self.wrote = False

    def new_id(self, after: str | None = None) -> str:
        """A new time-ordered GUID, as of now: another process may have had the group's turn since this began.

        It comes behind the id `after`, whatever the clock says.
        """
        return self._ids.new(self._ids.clock(), after)

    @abstractmethod
    def _run(self, text: str, parameters: Mapping[str, Any]) -> None: ...

    def run(self, statement: Statement, **parameters: Any) -> None:
        """Run a statement whose answer is not needed."""
        self.wrote = True
        if self.held and not statement.apart:
            self.let_go()
        if not statement.keeps_memo:
            self.memo.clear()
            self.forgot = True
        text, defaults = statement.compiled(self.dialect)
        self._run(text, {**defaults, **parameters} if defaults else parameters)

    def all(self, statement: Statement, **parameters: Any) -> list[Row]:
        if self.held and not statement.apart:
            self.let_go()
        return super().all(statement, **parameters)

    def add(self, several: Several, group: str, **values: Any) -> None:
        """Hold back a row of `group`, to be written with others of its batch; whatever could need it sees it."""
        self.wrote = True
        self.held.add(several, group, values)

    def let_go(self) -> None:
        """Write what is held back."""
        self.held.write(self._write_held)

    def _write_held(self, statement: Statement, parameters: Mapping[str, Any]) -> None:
        text, _ = statement.compiled(self.dialect)
        self._run(text, parameters)

    def all_of(self, asked: Sequence[tuple[Statement, Mapping[str, Any]]]) -> list[list[Row]]:
        """The rows of several reads, in one round trip where there are any."""
        return [self.all(statement, **parameters) for statement, parameters in asked]


ReadFunction = Callable[[Snapshot], T]
WriteFunction = Callable[[Tx], T]


class Hint(NamedTuple):
    """What a write will read first: the group, the caller's standing in it, and a thread. A guess costs nothing.

    `brief` says that it adds what came with its request, and touches no more rows than that.
    """

    group: str
    oid: str
    thread: str | None = None
    brief: bool = False


class Job(Generic[T]):
    """A waiting write: the function, and where its answer goes."""

    __slots__ = ("function", "future", "hint", "loop", "outcome")

    def __init__(
        self,
        function: WriteFunction[T],
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[T],
        hint: Hint | None,
    ) -> None:
        self.function = function
        self.hint = hint
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


class Queue(Protocol):
    """Where writes wait (see `writer`), `limit` of them at most."""

    limit: int

    def submit(self, job: Job[Any]) -> None:
        """Queue a write, or raise `Busy` when too many wait."""

    @property
    def waiting(self) -> int:
        """How many writes wait, about."""

    @property
    def alive(self) -> bool:
        """Whether what is queued will be written."""

    def close(self) -> None:
        """Finish what waits."""


class Store(ABC):
    """A database. Close it to finish what waits.

    `takes_hints` says that a `Hint` given to `write` saves round trips. `wake` tells who listens of what was committed,
    and `watch` brings it what other processes commit.
    """

    dialect: Dialect
    takes_hints = False
    watch: Watch
    # What removes old changes in the server (see `retention`), so that it lives as long as the store.
    retention: asyncio.Task[None] | None = None

    def __init__(self, clock: Callable[[], float], long_readers: int = 4) -> None:
        compiler(self.dialect)  # so that no request waits until it is loaded
        self.clock = clock
        self.ids = IdSource(clock)
        self.wake = Wake()
        self._long_readers = long_readers
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        self._readers = ThreadPoolExecutor(max_workers=long_readers, thread_name_prefix="reader")
        self.writers: Sequence[Queue] = ()

    async def read(self, function: ReadFunction[T], *, quick: bool = False) -> T:
        """Run `function` with a snapshot. `quick` promises a few indexed rows and nothing more."""
        loop = asyncio.get_running_loop()
        turns = self._turns.get(loop)
        if turns is None:
            turns = self._turns[loop] = asyncio.Semaphore(2 * self._long_readers)
        # What was read waits for the loop, and threads that read on while that is busy would pile it up. Twice as many
        # as there are threads: each has something to do while what it did before is looked at.
        async with turns:
            return await loop.run_in_executor(self._readers, self.read_here, function, quick)

    async def write(self, function: WriteFunction[T], *, key: str = "", hint: Hint | None = None) -> T:
        """Run `function` in a transaction and return its value once that is committed and on disk.

        Writes with the same `key` (a group's id) are committed in the order of the calls. Raises what the function
        raises; `Busy` when the database cannot be reached or too many writes wait.
        """
        loop = asyncio.get_running_loop()
        job: Job[T] = Job(function, loop, loop.create_future(), hint)
        self.writers[hash(key) % len(self.writers)].submit(job)
        return await job.future

    @abstractmethod
    def raced(self, error: Exception) -> bool:
        """Whether what `write` raised means that another writer took a name which was free when it was looked up.

        Written again, the function sees what came in between.
        """

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
        self.watch.close()
        self._readers.shutdown()
