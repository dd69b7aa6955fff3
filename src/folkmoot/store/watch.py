"""Hears of changes that other processes made, and tells them of those made here.

A thread of each store. Where the database can carry hints (see `Link`), it passes them on both ways; in any case it
looks at the log every few seconds while somebody listens, since a hint can be lost, and finds by the index what changed
lately. What it has told already it remembers, so that looking at what is idle wakes nobody.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from sqlalchemy import bindparam, select

from folkmoot.observe import log
from folkmoot.refusals import Refusal
from folkmoot.store import directory_log
from folkmoot.store import schema as s
from folkmoot.store.db import ReadFunction, Snapshot, Statement
from folkmoot.store.wake import DIRECTORY, Wake

# Between two looks. A follower of another process's changes waits no longer than this, whatever happens to hints.
LOOK_SECONDS = 5.0
# Between two messages to other processes: hints that come meanwhile go together.
TOGETHER_SECONDS = 0.05
# Clocks of several servers may differ by this, and a clock may jump back.
OVERLAP_SECONDS = 60
# More groups than this in one message's time: "everything", and everybody looks.
MANY = 800
# Seconds until a link that broke is tried again, longer each time.
_RETRY = (0.1, 0.5, 2.0, 5.0)

Reader = Callable[[ReadFunction[frozenset[str]]], frozenset[str]]

_LATELY = Statement(
    select(s.sequences.c.group_id, s.sequences.c.seq).where(s.sequences.c.changed_at >= bindparam("since"))
)


class Broken(Exception):
    """The link to other processes is gone for now."""


class Link(Protocol):
    """Carries hints between processes. Used by one thread; each of its methods may raise `Broken`."""

    def open(self) -> int:
        """Begin, or begin again. Returns what a selector can wait for: the descriptor by which hints come."""

    def listen(self) -> None:
        """Ask for the hints of others."""

    def send(self, groups: frozenset[str] | None) -> None:
        """Tell others that these groups changed; None stands for more than can be named."""

    def received(self) -> tuple[frozenset[str], bool]:
        """The groups of which others told meanwhile, and whether more changed than were named. Does not wait."""

    def close(self) -> None:
        """Let go."""


class Lately:
    """Finds by the index what changed since the last look, each change once."""

    def __init__(self, began: float) -> None:
        """`began`: when the first listener came, in seconds; what changed shortly before is told, too."""
        self._mark = began
        self._told: dict[str, int] = {}

    def look(self, snapshot: Snapshot) -> frozenset[str]:
        """The groups that changed and were not told yet. Raises what reading raises, and then has told nothing."""
        rows = snapshot.all(_LATELY, since=int(min(self._mark, snapshot.instant)) - OVERLAP_SECONDS)
        found: dict[str, int] = {row[0]: row[1] for row in rows}
        found[DIRECTORY] = directory_log.head(snapshot)
        new = frozenset(group for group, seq in found.items() if self._told.get(group) != seq)
        self._mark = snapshot.instant
        self._told = found
        return new

    @property
    def at(self) -> float:
        """When the last look was."""
        return self._mark


class Watch:
    """The thread. It begins when somebody listens, or when there is something to tell others."""

    def __init__(self, wake: Wake, read: Reader, clock: Callable[[], float], link: Link | None = None) -> None:
        """`read` reads with a snapshot, from this thread; `link` leads to other processes."""
        self.look_seconds = LOOK_SECONDS
        self._wake = wake
        self._read = read
        self._clock = clock
        self._link = link
        self._lock = threading.Lock()
        self._pending: set[str] = set()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._there.setblocking(False)
        self._lately: Lately | None = None
        self._selector = selectors.DefaultSelector()
        self._opened = False
        self._listening = False
        self._failures = 0
        self._next_look = 0.0
        self._next_try = 0.0
        self._next_send = 0.0

    # ── from other threads ───────────────────────────────────────────────────────────────────────────────────────────

    def tell(self, groups: frozenset[str]) -> None:
        """Pass on that these groups changed here."""
        if self._link is None:
            return
        with self._lock:
            waiting = bool(self._pending) and self._thread is not None
            self._pending |= groups
        if not waiting:
            self._nudge()

    def listened_to(self) -> None:
        """Somebody began to listen, or nobody does any more."""
        self._nudge()

    def close(self) -> None:
        """Tell what is to be told, then end."""
        with self._lock:
            self._closing = True
            thread = self._thread
        if thread is not None:
            self._nudge()
            thread.join()
        self._selector.close()
        self._here.close()
        self._there.close()

    def _nudge(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing:
                thread = threading.Thread(target=self._work, name="watch", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    # Whoever has committed something must not fail for that. The next nudge tries again.
                    log.warning("other processes are told nothing, and not heard, for now: %s", error)
                    return
                self._thread = thread
        with suppress(BlockingIOError, OSError):  # it is full of nudges already, or closed
            self._there.send(b"!")

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        self._selector.register(self._here, selectors.EVENT_READ)
        while True:
            with self._lock:
                closing = self._closing
            self._talk(closing=closing)
            self._look()
            if closing:
                break
            self._selector.select(self._patience())
            with suppress(BlockingIOError):
                while self._here.recv(4096):
                    pass
        if self._link is not None:
            self._link.close()

    def _patience(self) -> float | None:
        """Seconds until there is something to do whether or not anybody says so."""
        due = []
        if self._wake.heeded:
            due.append(self._next_look)
        if self._link is not None and self._wants_link():
            if not self._opened:
                due.append(self._next_try)
            elif self._pending:
                due.append(self._next_send)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _wants_link(self) -> bool:
        return bool(self._pending) or self._wake.heeded

    def _talk(self, *, closing: bool) -> None:
        """Send and receive what there is."""
        link, now = self._link, time.monotonic()
        if link is None or not (self._opened or self._wants_link()):
            return
        try:
            if not self._opened:
                if now < self._next_try and not closing:
                    return
                self._selector.register(link.open(), selectors.EVENT_READ)
                self._opened, self._listening = True, False
            if self._wake.heeded and not self._listening:
                link.listen()
                self._listening = True
                # Whatever was told before it listened, it has not heard.
                self._next_look = 0.0
            if self._pending and (now >= self._next_send or closing):
                self._send(link)
                self._next_send = now + TOGETHER_SECONDS
            groups, more = link.received()
            if groups:
                self._wake.heard(groups)
            if more:
                self._next_look = 0.0
            self._failures = 0
        except Broken as broken:
            self._broke(broken)

    def _send(self, link: Link) -> None:
        with self._lock:
            groups, self._pending = frozenset(self._pending), set()
        try:
            link.send(groups if len(groups) <= MANY else None)
        except Broken:
            with self._lock:
                self._pending |= groups
            raise

    def _broke(self, broken: Broken) -> None:
        if not self._failures:
            log.warning("other servers on this database do not hear of changes at once: %s", broken)
        if self._opened:
            for key in list(self._selector.get_map().values()):
                if key.fileobj is not self._here:
                    self._selector.unregister(key.fileobj)
        self._opened = self._listening = False
        self._next_try = time.monotonic() + _RETRY[min(self._failures, len(_RETRY) - 1)]
        self._failures += 1

    def _look(self) -> None:
        """Look at the log, when it is time."""
        if not self._wake.heeded:
            self._lately = None
            self._next_look = 0.0
            return
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + self.look_seconds
        if self._lately is None:
            self._lately = Lately(self._clock())
        try:
            found = self._read(self._lately.look)
        except Refusal:
            return  # the database is away; what it missed the next look finds
        except Exception:
            # Nobody would begin this thread again.
            log.exception("it cannot be looked for changes of other processes; it is tried again")
            return
        if found:
            self._wake.heard(found)
        self._wake.looked(self._lately.at)


def names(groups: Iterable[str], most: int) -> list[str]:
    """The texts of messages that name `groups`, each of at most `most` characters."""
    texts: list[str] = []
    for group in sorted(groups):
        if texts and len(texts[-1]) + 1 + len(group) <= most:
            texts[-1] += f",{group}"
        else:
            texts.append(group)
    return texts
