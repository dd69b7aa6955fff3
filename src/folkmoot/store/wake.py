"""Wakes those who follow the change log. It is a hint and never the truth: whoever is woken reads the log.

Hints of this process come straight from its writers; those of other processes, and the looks at the log that find what
no hint told of, come from `watch`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from folkmoot.observe import log

# Stands for the directory where followers name the group of a change; `directory_log` has its changes.
DIRECTORY = "00000000-0000-0000-0000-000000000000"

# Ids of groups in which something changed, or `DIRECTORY`.
Heard = Callable[[frozenset[str]], None]
# What is to be done on an event loop.
Call = Callable[[], object]
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

    def told(self, groups: Collection[str], answers: Mapping[asyncio.AbstractEventLoop, Call]) -> None:
        """Say that these groups changed, once that is committed, and after it on each event loop the answer for it.

        Each loop is waked once: to be waked costs it and the caller more than what it hears. From any thread.
        """
        calls: dict[asyncio.AbstractEventLoop, list[Call]] = {}
        changed = frozenset(groups)
        if changed:
            for loop, heard, _ in self._listeners:
                calls.setdefault(loop, []).append(partial(heard, changed))
        for loop, answer in answers.items():
            calls.setdefault(loop, []).append(answer)
        for loop, each in calls.items():
            if not _call(loop, _one_by_one, each) and loop in answers:
                log.warning("a write was committed after its event loop had closed")
        if changed and self.others is not None:
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


def _one_by_one(calls: Sequence[Call]) -> None:
    for call in calls:
        try:
            call()
        except Exception as error:
            loop = asyncio.get_running_loop()
            loop.call_exception_handler({"message": "a listener failed", "exception": error})


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[Any], None], argument: object) -> bool:
    """Whether there is somebody to be waked: the loop may have been closed."""
    try:
        loop.call_soon_threadsafe(callback, argument)
    except RuntimeError:
        return False
    return True
