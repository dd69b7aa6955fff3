"""Lets a plain function wait on the event loop, without a thread of its own.

Verbs and reads are plain functions; where a database answers over a network they wait for it. A greenlet can be left in
the middle of such a function and entered again, so the loop does other work meanwhile: a short read costs a fifth less
than by way of a thread, and nothing contends for the interpreter's lock.

Greenlets are kept and run one function after the other: for each new one CPython asks the system for memory to keep its
frames in, and gives it back when it ends, which takes longer than all else.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

T = TypeVar("T")
# How many are kept for each thread: more functions than this seldom wait at once.
_KEPT = 64


class _Ended:
    """What a function came to."""

    __slots__ = ("error", "result")

    def __init__(self, result: Any, error: BaseException | None) -> None:
        self.result = result
        self.error = error


class _Idle(threading.local):
    """The greenlets of a thread that run nothing."""

    def __init__(self) -> None:
        self.greenlets: list[greenlet] = []


_idle = _Idle()


def wait_for(awaitable: Awaitable[T]) -> T:
    """The result of `awaitable`; only within a function that `run` runs."""
    parent = getcurrent().parent
    if parent is None:
        raise RuntimeError("wait_for works only within bridge.run")
    result: T = parent.switch(awaitable)
    return result


async def run(function: Callable[[], T]) -> T:
    """Call `function` on the event loop; where it calls `wait_for`, others go on."""
    idle = _idle.greenlets
    inside = idle.pop() if idle else greenlet(_serve)
    given: Any = inside.switch(function)
    while not isinstance(given, _Ended):
        try:
            value = await given
        except BaseException as error:  # also a cancellation: the function decides what it undoes
            given = inside.throw(error)
        else:
            given = inside.switch(value)
    if len(idle) < _KEPT:
        idle.append(inside)
    failure, result = given.error, given.result
    given.error = given.result = None  # the greenlet holds it until it is entered again
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # whose traceback leads here
    found: T = result
    return found


def _serve(function: Callable[[], Any]) -> NoReturn:
    """Run one function after the other, each when the greenlet is entered with it."""
    while True:
        try:
            ended = _Ended(function(), None)
        except GreenletExit:
            raise
        except BaseException as error:
            ended = _Ended(None, error)
        parent = getcurrent().parent
        assert parent is not None  # noqa: S101  (only the first of a thread has none)
        del function
        function = parent.switch(ended)
