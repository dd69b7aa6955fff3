"""Whose turn it is to write to a database file that several processes have open: one after the other, without sleeping.

SQLite lets who finds the file locked sleep and look again, longer each time, so a busy process starves the others. Here
a writer waits for a lock beside the database, which the system gives it as soon as it is free. One lock is not enough:
who has just let go of it would take it again before another has woken. So there are two, as at a turnstile: whoever
holds the first is the next to get the second, and nobody can pass.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from folkmoot.ownership import share
from folkmoot.refusals import Busy

# As long as SQLite itself would wait. Who has the turn for longer was stopped in the middle of it.
PATIENCE_SECONDS = 10.0


class Turn:
    """The turns at one database file, for one writer thread. flock(2): they end with the process, however it ends."""

    def __init__(self, database: Path) -> None:
        self._next, self._turn = (_opened(database.with_name(database.name + suffix)) for suffix in ("-next", "-turn"))
        self._lock = threading.Lock()
        self._waiting: threading.Thread | None = None
        self._wanted = False
        self._came = threading.Event()

    def take(self, patience: float = PATIENCE_SECONDS) -> None:
        """Wait for the turn, at most so many seconds. Raises `Busy`."""
        if self.at_once():
            return
        with self._lock:
            self._wanted = True
            self._came.clear()
            if self._waiting is None:
                # flock knows no time limit, so another thread waits in it.
                waiting = threading.Thread(target=self._wait, name="turn", daemon=True)
                waiting.start()  # fails where the system lets nobody have another one; then nobody waits
                self._waiting = waiting
        if self._came.wait(patience):
            return
        with self._lock:
            if not self._came.is_set():
                self._wanted = False
                raise Busy

    def give_back(self) -> None:
        """Let the next one write."""
        fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the files. Where a turn is still waited for, that ends with the process."""
        with self._lock:
            if self._waiting is None:
                os.close(self._next)
                os.close(self._turn)

    def at_once(self) -> bool:
        """Take the turn, if it is free and nobody had asked for it before."""
        if self._waiting is not None:
            return False
        try:
            fcntl.flock(self._next, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)
        return True

    def _wait(self) -> None:
        fcntl.flock(self._next, fcntl.LOCK_EX)
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        fcntl.flock(self._next, fcntl.LOCK_UN)
        with self._lock:
            self._waiting = None
            if self._wanted:
                self._came.set()
            else:
                self.give_back()


def _opened(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    share(path)
    return descriptor
