"""Plain functions that wait on the event loop, one after the other and at once."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable

import pytest

from folkmoot.store import bridge


async def later(value: int) -> int:
    await asyncio.sleep(0)
    return value


def waits(*values: int) -> list[int]:
    return [bridge.wait_for(later(value)) for value in values]


def test_functions_that_wait_at_once_each_get_their_own() -> None:
    async def all_of_them() -> list[list[int]]:
        return await asyncio.gather(*(bridge.run(lambda n=n: waits(n, n + 1)) for n in range(200)))  # type: ignore[misc]

    for _ in range(2):  # the second time with what the first left
        assert asyncio.run(all_of_them()) == [[n, n + 1] for n in range(200)]


def test_what_fails_is_raised_and_the_next_is_run() -> None:
    def fails() -> None:
        waits(1)
        raise KeyError("it")

    async def broken() -> int:
        raise ValueError

    async def one_after_the_other() -> list[int]:
        for _ in range(3):
            with pytest.raises(KeyError, match="it") as failed:
                await bridge.run(fails)
            assert failed.traceback[-1].name == "fails"
            with pytest.raises(ValueError):  # noqa: PT011  (that of `broken`)
                await bridge.run(lambda: bridge.wait_for(broken()))
        return await bridge.run(lambda: waits(1, 2))

    assert asyncio.run(one_after_the_other()) == [1, 2]


def test_a_function_that_is_cancelled_undoes_what_it_did_and_the_next_is_run() -> None:
    undone: list[int] = []

    def holds(until: Awaitable[int], number: int) -> int:
        try:
            return bridge.wait_for(until)
        finally:
            undone.append(number)

    async def cancelled() -> list[int]:
        never: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(bridge.run(lambda: holds(never, 1)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await bridge.run(lambda: waits(1))

    assert asyncio.run(cancelled()) == [1]
    assert undone == [1]


def test_what_a_function_held_is_let_go_of() -> None:
    class Held:
        pass

    async def held() -> weakref.ref[Held]:
        thing = Held()
        await bridge.run(lambda: (waits(1), thing))
        with pytest.raises(KeyError):
            await bridge.run(lambda: dict[Held, int]()[thing])
        return weakref.ref(thing)

    async def let_go() -> None:
        found = await held()
        gc.collect()
        assert found() is None

    asyncio.run(let_go())


def test_only_what_is_run_can_wait() -> None:
    async def outside() -> None:
        with pytest.raises(RuntimeError, match=r"bridge\.run"):
            bridge.wait_for(asyncio.get_running_loop().create_future())

    asyncio.run(outside())
