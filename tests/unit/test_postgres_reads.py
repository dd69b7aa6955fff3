"""Short reads on PostgreSQL that are asked in one turn of the event loop, and share messages."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from sqlalchemy import Integer, bindparam, func, literal, select

from folkmoot.store import postgres_reads
from folkmoot.store.db import Asked, Snapshot, Statement
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.postgres_access import Access
from folkmoot.store.postgres_pipe import Pipe

_N = bindparam("n", type_=Integer)
_NUMBER = Statement(select(_N))
_SAME = Statement(select(literal(7)))
_DIVIDED = Statement(select(literal(1) / _N))
_WHO = Statement(select(func.pg_backend_pid()))
_MODE = Statement(select(func.current_setting("plan_cache_mode")))
_END = Statement(select(func.pg_terminate_backend(_N)))


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Asked]]:
    """What each message asks."""
    sent: list[Sequence[Asked]] = []
    ask = Pipe.ask

    async def noted(self: Pipe, asked: Sequence[Asked]) -> Any:
        sent.append(asked)
        return await ask(self, asked)

    monkeypatch.setattr(Pipe, "ask", noted)
    return sent


@pytest.fixture
def store(fresh_database: str) -> Iterator[PostgresStore]:
    with contextlib.closing(PostgresStore(fresh_database, time.time, Access(readers=2))) as made:
        yield made


def number(n: int) -> Any:
    def read(snapshot: Snapshot) -> Any:
        snapshot.expect(_NUMBER, n=n)
        return [*snapshot.all(_SAME), *snapshot.all(_NUMBER, n=n)]

    return read


async def together(store: PostgresStore, *functions: Any) -> list[Any]:
    return await asyncio.gather(*(store.read(each, quick=True) for each in functions), return_exceptions=True)


def test_reads_of_one_turn_share_a_message_and_ask_the_same_once(
    store: PostgresStore, messages: list[Sequence[Asked]]
) -> None:
    found = asyncio.run(together(store, *map(number, range(5))))
    assert found == [[(7,), (n,)] for n in range(5)]
    assert [len(asked) for asked in messages] == [6]


def test_many_reads_use_all_connections_and_each_has_its_answer(
    store: PostgresStore, messages: list[Sequence[Asked]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_reads, "TOGETHER", 3)
    found = asyncio.run(together(store, *map(number, range(20))))
    assert found == [[(7,), (n,)] for n in range(20)]
    assert [len(asked) for asked in messages] == [11, 11]


def test_one_that_fails_leaves_the_others_their_answers(store: PostgresStore) -> None:
    def fails(snapshot: Snapshot) -> Any:
        return snapshot.all(_DIVIDED, n=0)

    found = asyncio.run(together(store, number(1), fails, number(2), fails, number(3)))
    assert [each for each in found if isinstance(each, list)] == [[(7,), (n,)] for n in (1, 2, 3)]
    assert [type(each) for each in found if not isinstance(each, list)] == [psycopg.errors.DivisionByZero] * 2


def test_one_that_goes_away_leaves_the_others_their_answers(store: PostgresStore) -> None:
    async def run() -> list[Any]:
        first = asyncio.create_task(store.read(number(1), quick=True))
        second = asyncio.create_task(store.read(number(2), quick=True))
        await asyncio.sleep(0)
        first.cancel()
        found = await asyncio.gather(first, second, return_exceptions=True)
        return [*found, *await together(store, number(3))]

    gone, *others = asyncio.run(run())
    assert isinstance(gone, asyncio.CancelledError)
    assert others == [[(7,), (2,)], [(7,), (3,)]]


def test_short_reads_are_planned_once_and_others_for_what_they_ask(store: PostgresStore) -> None:
    def mode(snapshot: Snapshot) -> Any:
        return snapshot.all(_MODE)

    async def run() -> list[Any]:
        return [await store.read(mode, quick=quick) for quick in (True, False)]

    assert asyncio.run(run()) == [[("force_generic_plan",)], [("auto",)]]


def test_a_connection_that_broke_meanwhile_is_made_anew_for_all(store: PostgresStore) -> None:
    async def run() -> list[Any]:
        pid = (await store.read(lambda snapshot: snapshot.all(_WHO), quick=True))[0][0]
        store.read_here(lambda snapshot: snapshot.all(_END, n=pid))
        return await together(store, *map(number, range(4)))

    assert asyncio.run(run()) == [[(7,), (n,)] for n in range(4)]
