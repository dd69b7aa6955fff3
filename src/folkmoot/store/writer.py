"""Waiting writes are committed together: one transaction, one fsync, and only then the answers.

A writer thread takes all that wait and runs each function in turn. One that refuses before it has written leaves its
companions unharmed. When one fails after it has written, or the database does, the whole batch is undone and each is
run again alone; so a function given to `Store.write` must change nothing but the transaction.

The thread and the event loop share one interpreter, and who wants it while the other has it waits long for it: so the
loop passes on what it gathered when its turn ends, and hears of a commit when the thread is done with the interpreter
for a while (see `Writer.hand_over`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from folkmoot import observe
from folkmoot.observe import log
from folkmoot.refusals import Busy, OutcomeUnknown, Refusal
from folkmoot.store import changes, directory_log
from folkmoot.store.db import Job, Tx
from folkmoot.store.ids import IdSource
from folkmoot.store.wake import DIRECTORY, Wake

# More waiting writes than this and the server says so at once, rather than answer all of them late.
QUEUE_LIMIT = 2_000
# Enough to share an fsync widely; small enough that a failing companion does not make many run again.
BATCH_LIMIT = 256


class _Rollback(Exception):
    """A function failed after it had written: its batch must be undone."""


class Writer(ABC):
    """A thread that commits waiting writes together. Subclasses say how a transaction begins, ends and is undone.

    `limit` is how many writes may wait. A subclass calls `hand_over` before it waits for a lock.
    """

    def __init__(self, name: str, clock: Callable[[], float], ids: IdSource, wake: Wake) -> None:
        self.limit = QUEUE_LIMIT
        self._wake = wake
        self._changed: set[str] = set()
        # What is on disk and not handed over yet: writes, and the groups that they changed.
        self._committed: list[Job[Any]] = []
        self._to_tell: set[str] = set()
        self._gathered: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
        self._queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._clock = clock
        self._ids = ids
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job[Any]) -> None:
        """Queue a write, or raise `Busy` when too many wait, or nobody would ever come for it."""
        if not self._thread.is_alive():
            raise Busy
        gathered = self._gathered.get(job.loop)
        if self._queue.qsize() + (0 if gathered is None else len(gathered)) >= self.limit:
            raise Busy
        if gathered is not None:
            gathered.append(job)
        else:
            self._gathered[job.loop] = [job]
            job.loop.call_soon(self._pass_on, job.loop)

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        for job in self._gathered.pop(loop, ()):
            self._queue.put(job)
        self._ring()

    def _ring(self) -> None:  # noqa: B027  (most wait for nothing else)
        """Say that there is something in the queue, to a thread that waits for something else, too. From any thread."""

    @property
    def waiting(self) -> int:
        """How many writes wait, about."""
        return self._queue.qsize()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Finish what waits, then end the thread."""
        for loop in list(self._gathered):
            self._pass_on(loop)
        self._queue.put(None)
        self._ring()
        self._thread.join()

    @abstractmethod
    def _attempt(self, jobs: Sequence[Job[Any]]) -> None:
        """Run `jobs` in one transaction and commit, or leave nothing behind and raise."""

    @abstractmethod
    def _translate(self, error: Exception) -> Exception:
        """The refusal that a database's error means to a caller, or the error itself."""

    @abstractmethod
    def _end(self) -> None:
        """Close connections; the last thing the thread does."""

    def _work(self) -> None:
        last = False
        while not last:
            batch, last = self._next()
            if not all(job.hint is not None and job.hint.brief for job in batch):
                self.hand_over()
            if batch:
                self._serve(batch)
        self.hand_over()
        self._end()

    def _next(self) -> tuple[list[Job[Any]], bool]:
        """Writes that wait, once there are any; and whether they are the last."""
        batch: list[Job[Any]] = []
        share = 1
        while len(batch) < share:
            try:
                job = self._queue.get_nowait()
            except Empty:
                if batch:
                    break
                job = self._wait()
            if job is None:
                return batch, True
            if not batch:
                share = self._share(self._queue.qsize() + 1)
            batch.append(job)
        return batch, False

    def _share(self, waiting: int) -> int:
        """Of so many that wait, how many at most are one batch."""
        return BATCH_LIMIT

    def _wait(self) -> Job[Any] | None:
        """The next in the queue, which is empty."""
        self.hand_over()
        return self._queue.get()

    def _serve(self, batch: list[Job[Any]]) -> None:
        try:
            self._timed(batch)
        except Exception as error:
            self._failed(batch, error)
        self.hand_over()
        self._committed = batch
        self._to_tell, self._changed = self._changed, set()

    def _failed(self, batch: list[Job[Any]], error: Exception) -> None:
        """Give those of a batch that was undone their outcomes: those that can be committed alone are."""
        if isinstance(error, OutcomeUnknown):
            # Running them again could write them twice. What was refused was refused before anything was written.
            for job in batch:
                if not job.outcome[0]:
                    job.outcome = (True, error)
        elif len(batch) == 1:
            batch[0].outcome = (True, self._judge(error))
        else:
            if not isinstance(error, _Rollback):
                log.warning("a batch of %d writes is run again one by one: %r", len(batch), error)
            self._one_by_one(batch, error)

    def hand_over(self) -> None:
        """Let those hear who wait for what was committed before, and those who follow it.

        In the middle of the next batch, when all is said and the database has the rest to do: earlier, what the event
        loop does with the answers would keep that batch waiting.
        """
        if not (self._committed or self._to_tell):
            return
        by_loop: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
        for job in self._committed:
            by_loop.setdefault(job.loop, []).append(job)
        groups, self._to_tell, self._committed = self._to_tell, set(), []
        self._wake.told(groups, {loop: partial(_settle, jobs) for loop, jobs in by_loop.items()})

    def _one_by_one(self, batch: list[Job[Any]], error: Exception) -> None:
        """Run each alone, but those that would only wait for the same again and meet the same error."""
        stuck: dict[str | None, Exception] = {}
        for job in batch:
            group = None if job.hint is None else job.hint.group
            if self._for_all(error) or group in stuck:
                job.outcome = (True, self._judge(stuck.get(group, error)))
                continue
            try:
                self._timed([job])
            except Exception as alone:
                error = alone
                job.outcome = (True, self._judge(alone))
                if group is not None and self._for_group(alone):
                    stuck[group] = alone

    def _for_all(self, error: Exception) -> bool:
        """Whether every write would meet this error now: the database cannot be reached, or written to."""
        return False

    def _for_group(self, error: Exception) -> bool:
        """Whether every write to the same group would wait as long and then meet this error."""
        return False

    def _timed(self, jobs: Sequence[Job[Any]]) -> None:
        began = time.perf_counter()
        try:
            self._attempt(jobs)
        except Exception:
            observe.meter.rolled_back()
            raise
        observe.meter.committed(len(jobs), time.perf_counter() - began)

    def _judge(self, error: Exception) -> Exception:
        if isinstance(error, _Rollback) and error.__cause__ is not None:
            error = error.__cause__ if isinstance(error.__cause__, Exception) else error
        return self._translate(error)

    def _perform(self, jobs: Sequence[Job[Any]], tx: Tx) -> None:
        """Run each function. One that refuses before it wrote leaves its companions unharmed."""
        for job in jobs:
            tx.begin(self._clock())
            try:
                job.outcome = (False, job.function(tx))
            except Refusal as refusal:
                if tx.wrote:
                    raise _Rollback from refusal
                job.outcome = (True, refusal)
        tx.let_go()
        # Of a batch that is undone after all, the hint is an idle one.
        self._changed.update(changes.flush(tx))
        if directory_log.flush(tx):
            self._changed.add(DIRECTORY)


def _settle(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        job.settle()
