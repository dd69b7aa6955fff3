"""Several worker processes on the same sockets: started, replaced when they die, and stopped together.

The parent has neither threads nor an event loop, so that it may fork at any time; it does nothing but look after its
workers. One channel leads to each: a worker says by it that it has started, or why it could not, and hears by it that
it is to stop, or that its parent is gone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from folkmoot import metrics
from folkmoot.observe import log
from folkmoot.refusals import Refusal
from folkmoot.seats import Seats
from folkmoot.server import AT_ONCE, STOP, Place

STARTED: Final = b"+"
_FAILED: Final = b"-"
_SENTENCE = 4096  # bytes of the reason for which a worker could not start
# A worker that lived for so long has not died of what it began with, and is replaced at once.
_LIVED_SECONDS = 10.0
_BACK_OFF = (0.0, 0.2, 1.0, 5.0, 15.0)
# After their own time for requests under way, workers have so many seconds more; then they are killed.
_PATIENCE_SECONDS = 30.0

# What a worker does: given its place, and what it calls when it answers requests. Returns when it has stopped.
Work = Callable[[Place, Callable[[], None]], None]


class WorkerFailed(Refusal):
    """A worker process could not start."""


class _Worker:
    """A worker process, as its parent knows it."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel
        self.began = time.monotonic()
        self.started = False
        self.said = b""

    def hear(self) -> None:
        """Read what it says."""
        with contextlib.suppress(OSError):
            while data := self.channel.recv(_SENTENCE):
                self.said += data
        self.started = self.started or self.said.startswith(STARTED)

    def tell(self, order: bytes) -> None:
        """Order it to stop."""
        with contextlib.suppress(OSError):
            self.channel.send(order)


class Supervisor:
    """Runs `count` workers until it is told to stop, for which they have `grace_seconds` and some more.

    `let_go` closes the parent's own sockets then: by them the system would go on taking connections for nobody.
    """

    def __init__(self, count: int, work: Work, let_go: Callable[[], None], *, grace_seconds: float) -> None:
        self._work = work
        self._let_go = let_go
        self._grace_seconds = grace_seconds
        self._seats = Seats(count)
        self._workers: dict[int, _Worker] = {}  # by number
        self._failures = [0] * count
        self._due = dict.fromkeys(range(count), 0.0)  # when those that are not there are to be started
        self._signals = 0
        self._kill_at: float | None = None
        self._selector = selectors.DefaultSelector()

    def run(self, started: Callable[[], None]) -> None:
        """Return after SIGINT or SIGTERM, when all have stopped; a second signal does not wait for requests under way.

        Calls `started` once all answer requests. Raises `WorkerFailed` when one cannot start in the beginning.
        """
        everybody = False
        with self._hearing_signals():
            try:
                while self._workers or not self._signals:
                    self._start_due()
                    self._wait()
                    self._bury(in_the_beginning=not everybody)
                    if not everybody and not self._signals and all(w.started for w in self._all()):
                        everybody = True
                        started()
            finally:
                self._end()

    def _all(self) -> list[_Worker]:
        return [*self._workers.values()]

    # ── signals ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        here, there = socket.socketpair()
        with here, there:
            here.setblocking(False)
            there.setblocking(False)
            self._selector.register(here, selectors.EVENT_READ)
            self._wakeup = here
            before = {
                number: signal.signal(number, self._signalled)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
            }
            previous = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
            try:
                yield
            finally:
                signal.set_wakeup_fd(previous)
                for number, handler in before.items():
                    signal.signal(number, handler)
                self._selector.close()

    def _signalled(self, number: int, _: object) -> None:
        if number != signal.SIGCHLD:
            self._signals += 1
            self._let_go()
            for worker in self._all():
                worker.tell(STOP if self._signals == 1 else AT_ONCE)
            self._kill_at = time.monotonic() + self._grace_seconds + _PATIENCE_SECONDS

    def _wait(self) -> None:
        """Until a worker says something or ends, a signal comes, or something is due."""
        times = [*self._due.values()] if not self._signals else [self._kill_at or 0.0]
        patience = max(0.0, min(times) - time.monotonic()) if times else None
        for key, _ in self._selector.select(patience):
            if key.fileobj is self._wakeup:
                with contextlib.suppress(BlockingIOError):
                    self._wakeup.recv(4096)
            else:
                worker: _Worker = key.data
                worker.hear()
                if worker.said and not worker.started:
                    self._selector.unregister(worker.channel)
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            for worker in self._all():
                log.error("worker process %d does not stop, and is killed", worker.pid)
                os.kill(worker.pid, signal.SIGKILL)
            self._kill_at = time.monotonic() + _PATIENCE_SECONDS

    # ── births and deaths ────────────────────────────────────────────────────────────────────────────────────────────

    def _start_due(self) -> None:
        now = time.monotonic()
        for number, due in [*self._due.items()]:
            if due <= now and not self._signals:
                del self._due[number]
                self._fork(number)

    def _fork(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        # Signals wait until whoever is to get them knows what to do with them.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                ours.close()
                status = self._live(number, theirs)
            finally:
                # Nothing of the parent's is to be tidied up by its child.
                os._exit(status)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        theirs.close()
        ours.setblocking(False)
        worker = self._workers[number] = _Worker(pid, ours)
        self._selector.register(ours, selectors.EVENT_READ, worker)
        if self._signals:
            worker.tell(STOP)

    def _live(self, number: int, channel: socket.socket) -> int:
        """What the child does; its exit status."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        # A sibling that held an end of the parent's would not let it be noticed that the parent is gone.
        for sibling in self._all():
            sibling.channel.close()
        self._selector.close()
        try:
            self._work(Place(number, self._seats, channel), lambda: channel.sendall(STARTED))
        except Refusal as refusal:
            channel.sendall(_FAILED + refusal.message.encode()[: _SENTENCE - 1])
            return 1
        except BaseException as error:
            log.exception("a worker process failed")
            with contextlib.suppress(OSError):
                channel.sendall(_FAILED + f"A worker process could not start: {error!r}".encode()[: _SENTENCE - 1])
            return 1
        finally:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
        return 0

    def _bury(self, *, in_the_beginning: bool) -> None:
        """See who has ended, and when another is to be started in its place."""
        for number, worker in [*self._workers.items()]:
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if not pid:
                continue
            del self._workers[number]
            self._seats.leave(number)
            metrics.gone(pid)
            worker.hear()
            with contextlib.suppress(KeyError):
                self._selector.unregister(worker.channel)
            worker.channel.close()
            code = os.waitstatus_to_exitcode(status)
            if self._signals:
                if code:
                    log.warning("worker process %d did not end in order (%s)", worker.pid, _said(code))
                continue
            if in_the_beginning:
                why = worker.said.removeprefix(_FAILED).decode(errors="replace") if not worker.started else ""
                raise WorkerFailed(why or f"A worker process could not start ({_said(code)}).")
            self._replace(number, worker, code)

    def _replace(self, number: int, worker: _Worker, code: int) -> None:
        now = time.monotonic()
        lived = now - worker.began > _LIVED_SECONDS
        self._failures[number] = 0 if lived else self._failures[number] + 1
        wait = _BACK_OFF[min(self._failures[number], len(_BACK_OFF) - 1)]
        self._due[number] = now + wait
        why = "" if worker.started else ": " + worker.said.removeprefix(_FAILED).decode(errors="replace")
        log.error("worker process %d has ended (%s)%s; another is started in %g s", worker.pid, _said(code), why, wait)

    def _end(self) -> None:
        """Leave no worker behind, when something went wrong."""
        for worker in self._all():
            worker.tell(AT_ONCE)
        for worker in self._all():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(worker.pid, 0)
            worker.channel.close()


def _said(code: int) -> str:
    return f"exit status {code}" if code >= 0 else signal.Signals(-code).name
