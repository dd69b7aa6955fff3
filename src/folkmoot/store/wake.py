"""Wakes those who follow the change log. It is a hint and never the truth: whoever is woken reads the log.

A follower that was told nothing still has to look at the log now and then, since a hint can be lost where a server ends
between its commit and the hint.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection

# Stands for the directory where followers name the group of a change; `directory_log` has its changes.
DIRECTORY = "00000000-0000-0000-0000-000000000000"

# Ids of groups in which something changed, or `DIRECTORY`.
Heard = Callable[[frozenset[str]], None]


class Wake:
    """Passes on which groups have changed, to any number of listeners."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[tuple[asyncio.AbstractEventLoop, Heard]] = []

    def told(self, groups: Collection[str]) -> None:
        """Say that these groups changed, once that is committed. From any thread."""
        if not groups or not self._listeners:
            return
        changed = frozenset(groups)
        with self._lock:
            listeners = tuple(self._listeners)
        for loop, heard in listeners:
            if not loop.is_closed():
                loop.call_soon_threadsafe(heard, changed)

    def listen(self, heard: Heard) -> Callable[[], None]:
        """Call `heard` on this event loop whenever groups have changed. Returns what ends it."""
        entry = (asyncio.get_running_loop(), heard)
        with self._lock:
            self._listeners.append(entry)

        def end() -> None:
            with self._lock:
                self._listeners = [each for each in self._listeners if each is not entry]

        return end
