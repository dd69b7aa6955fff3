"""Short reads on the event loop: what is asked in one turn of the loop goes to the database together.

A message costs the server, the kernel and PostgreSQL more than the few indexed rows that it asks for. So the requests
of a batch, and those that came in together, share messages; and what several of them ask, such as who the caller is in
a group, is asked once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from folkmoot.refusals import TooSlow
from folkmoot.store import bridge
from folkmoot.store.db import Asked, Dialect, Expecting, ReadFunction, Row
from folkmoot.store.postgres_access import AsyncConnection, Door
from folkmoot.store.postgres_pipe import Pipe

T = TypeVar("T")
Found = list[Row] | psycopg.Error

# Questions that go into one message before another connection is used for the rest.
TOGETHER = 8


class LoopSnapshot(Expecting):
    """A read on the event loop; see `bridge`."""

    dialect: Dialect = "postgresql"

    def __init__(self, connections: LoopConnections, instant: float) -> None:
        super().__init__(instant)
        self._connections = connections

    def _ask(self, asked: Sequence[Asked]) -> Sequence[Found]:
        return bridge.wait_for(self._connections.ask(asked))


class _Question(NamedTuple):
    """Statements of one read, and where their answers go."""

    asked: Sequence[Asked]
    answer: asyncio.Future[list[Found]]


class _Line(NamedTuple):
    """A connection, and how it is asked."""

    connection: AsyncConnection
    pipe: Pipe


class LoopConnections:
    """The connections of one event loop, for short reads: `Access.readers` at most, made when they are needed."""

    def __init__(self, door: Door) -> None:
        self._door = door
        # A pooler's sessions keep no limit, and each read is one statement or few; so the limit is kept here.
        self._limit = door.access.statement_seconds or None if door.pooled else None
        self._waiting: list[_Question] = []
        self._due = False
        self._free: list[_Line] = []
        self._busy = 0
        self._made: list[AsyncConnection] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, function: ReadFunction[T], clock: Callable[[], float]) -> T:
        """Run `function` with a snapshot."""
        return await bridge.run(lambda: function(LoopSnapshot(self, clock())))

    def ask(self, asked: Sequence[Asked]) -> asyncio.Future[list[Found]]:
        """The rows of each statement; the error of the first that fails, for it and for those after it.

        The future fails with `psycopg.OperationalError` when the database cannot be reached, `TooSlow` when it takes
        too long behind a pooler.
        """
        loop = asyncio.get_running_loop()
        question = _Question(asked, loop.create_future())
        self._waiting.append(question)
        if not self._due:
            self._due = True
            loop.call_soon(self._deal)
        return question.answer

    def _deal(self) -> None:
        """Send what waits, as far as there are connections."""
        self._due = False
        while self._waiting and (room := self._door.access.readers - self._busy) > 0:
            count = max(TOGETHER, -(-len(self._waiting) // room))
            some, self._waiting = self._waiting[:count], self._waiting[count:]
            self._busy += 1
            task = asyncio.get_running_loop().create_task(self._serve(some))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, questions: list[_Question]) -> None:
        kept = self._free.pop() if self._free else None
        try:
            async with asyncio.timeout(self._limit):
                if kept is not None:
                    try:
                        await self._settle(kept, questions)
                    except psycopg.OperationalError:
                        if not kept.connection.closed:
                            raise
                # It broke while nothing was asked of it, or with this; nothing was written: it can be asked once more.
                if any(not question.answer.done() for question in questions):
                    kept = await self._open()
                    await self._settle(kept, questions)
        except Exception as error:
            for question in questions:
                if not question.answer.done():
                    question.answer.set_exception(TooSlow() if isinstance(error, TimeoutError) else error)
        finally:
            self._busy -= 1
            self._put_back(kept)
            if self._waiting:
                self._deal()

    async def _open(self) -> _Line:
        made = await self._door.open_on_loop()
        self._made = [*(each for each in self._made if not each.closed), made]
        return _Line(made, Pipe(made))

    def _put_back(self, line: _Line | None) -> None:
        if line is None:
            return
        # Where something is under way still, its answer would be taken for that of the next question.
        if line.connection.info.transaction_status != TransactionStatus.IDLE:
            line.connection.pgconn.finish()
        if not line.connection.closed:
            self._free.append(line)

    async def _settle(self, line: _Line, questions: Sequence[_Question]) -> None:
        """Ask until each question has an answer. What fails spoils what comes after it, so that is asked again."""
        left = [question for question in questions if not question.answer.done()]
        while left:
            asked: list[Asked] = []
            places: dict[Hashable, int] = {}
            of_each: list[list[int]] = []
            for question in left:
                own = []
                for text, parameters in question.asked:
                    place = places.setdefault((text, *parameters.items()), len(asked))
                    if place == len(asked):
                        asked.append((text, parameters))
                    own.append(place)
                of_each.append(own)
            found = await line.pipe.ask(asked)
            failed = next((place for place, each in enumerate(found) if isinstance(each, psycopg.Error)), len(found))
            again = []
            for question, own in zip(left, of_each, strict=True):
                if question.answer.done():
                    continue  # whoever asked has gone
                if failed in own or max(own) < failed:
                    question.answer.set_result([found[place] for place in own])
                else:
                    again.append(question)
            left = again

    def close(self) -> None:
        """Let go of the connections, also when their loop has ended."""
        for connection in self._made:
            connection.pgconn.finish()
