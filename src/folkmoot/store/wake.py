"""Wakes those who follow the change log. It is a hint and never the truth: whoever is woken reads the log.

Hints of this process come straight from its writers; those of other processes, and the looks at the log that find what
no hint told of, come from `watch`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Protocol

# Stands for the directory where followers name the group of a change; `directory_log` has its changes.
DIRECTORY = "00000000-0000-0000-0000-000000000000"

# Ids of groups in which something changed, or `DIRECTORY`.
Heard = Callable[[frozenset[str]], None]
# The time of a look at the whole log, in seconds: of all that was committed some seconds before, listeners have heard.
Looked = Callable[[float], None]


class Others(Protocol):
    """The way to other processes on the same database."""

    def tell(self, groups: frozenset[str]) -> None:
        """Pass on that these groups changed here."""

    def listened_to(self) -> None:
        """Somebody began to listen, or nobody does any more."""


class Wake:
    """Passes on which groups have changed, to any number of listeners here, and to `others`."""

    def __init__(self) -> None:
        self.others: Others | None = None
        self._lock = threading.Lock()
        self._listeners: tuple[tuple[asyncio.AbstractEventLoop, Heard, Looked | None], ...] = ()

    @property
    def heeded(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def told(self, groups: Collection[str]) -> None:
        """Say that these groups changed, once that is committed. From any thread."""
        if not groups:
            return
        changed = frozenset(groups)
        self.heard(changed)
        if self.others is not None:
            self.others.tell(changed)

    def heard(self, groups: frozenset[str]) -> None:
        """Pass on to the listeners here that these groups changed, wherever that was. From any thread."""
        for loop, heard, _ in self._listeners:
            _call(loop, heard, groups)

    def looked(self, instant: float) -> None:
        """Say that all hints of a look at the log, which read it at `instant`, were passed on. From any thread."""
        for loop, _, looked in self._listeners:
            if looked is not None:
                _call(loop, looked, instant)

    def listen(self, heard: Heard, looked: Looked | None = None) -> Callable[[], None]:
        """Call `heard` on this event loop whenever groups have changed. Returns what ends it.

        `looked` is called after the hints of each look at the log.
        """
        entry = (asyncio.get_running_loop(), heard, looked)
        with self._lock:
            self._listeners = (*self._listeners, entry)
        if self.others is not None:
            self.others.listened_to()

        def end() -> None:
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not entry)
            if self.others is not None:
                self.others.listened_to()

        return end


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[Any], None], argument: object) -> None:
    with suppress(RuntimeError):  # the loop was closed: nobody is there to be woken
        loop.call_soon_threadsafe(callback, argument)
