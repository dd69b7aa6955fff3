"""PostgreSQL as it is run: limits, errors that pass, servers that stop and are replaced, standbys and poolers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import bindparam, text

from folkmoot import app
from folkmoot.config import load
from folkmoot.refusals import Busy, Refusal, TooSlow
from folkmoot.store import migrate
from folkmoot.store.db import Hint, Statement, Store, Tx
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.postgres_access import Access
from tests import postgres
from tests.harness import GROUP, Clock, Graph, Workshop, _seed_postgres
from tests.unit.test_store import ADD, PATIENCE, add, guid, numbers, stored

FAIL = Statement(text("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$"))
DEADLOCK = Statement(text("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40P01'; END $$"))
SLEEP = Statement(text("SELECT pg_sleep(60)"))
STANDBY = Statement(text("SELECT pg_is_in_recovery()"))
SHOW = Statement(text("SELECT current_setting(:name)").bindparams(bindparam("name")))


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.fresh(postgres.template("schema", migrate.upgrade)) as found:
        yield found


@contextlib.contextmanager
def opened(url: str, **access: Any) -> Iterator[PostgresStore]:
    with contextlib.closing(PostgresStore(url, time.time, Access(**access))) as store:
        yield store


def soon(attempt: Callable[[], Any]) -> Any:
    """What it gives once it is not refused any more."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return attempt()
        except Refusal:
            assert time.monotonic() < deadline


# ── errors that pass ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("failure", [FAIL, DEADLOCK], ids=["serialization", "deadlock"])
def test_what_the_database_undid_is_done_again_a_few_times(url: str, failure: Statement) -> None:
    tries = itertools.count()

    def unlucky(times: int) -> Callable[[Tx], int]:
        def verb(tx: Tx) -> int:
            tx.run(ADD, group_id=guid(times), seq=times, changed_at=None)
            number = next(tries)
            if number < times:
                tx.run(failure)
            return number

        return verb

    with opened(url) as store:
        assert store.write_here(unlucky(2)) == 2
        tries = itertools.count()
        with pytest.raises(Busy):
            store.write_here(unlucky(1000))
        assert next(tries) == 4
        assert stored(store) == [2]


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_takes_too_long_is_ended_and_undone(url: str) -> None:
    def slow(tx: Tx) -> None:
        tx.run(ADD, group_id=guid(7), seq=7, changed_at=None)
        tx.all(SLEEP)

    async def slow_read(store: Store, *, quick: bool) -> None:
        await store.read(lambda snapshot: snapshot.all(SLEEP), quick=quick)

    for pooled in (False, True):
        with opened(url, statement_seconds=0.1, pooled=pooled) as store:
            with pytest.raises(TooSlow):
                store.write_here(slow)
            for quick in (False, True):
                with pytest.raises(TooSlow):
                    asyncio.run(slow_read(store, quick=quick))
            assert stored(store) == []


def test_a_group_that_somebody_holds_does_not_hold_up_the_others(url: str) -> None:
    """Each of its writes would wait for the whole limit; one does, for all."""
    limit = 0.5
    take = Statement(text("UPDATE sequences SET seq = seq WHERE group_id = CAST(:g AS UUID)"))

    def verb(group: str) -> Callable[[Tx], str]:
        def write(tx: Tx) -> str:
            tx.run(take, g=group)
            tx.one(STANDBY)
            return group

        return write

    async def all_of_them(store: Store) -> list[Any]:
        asked = [
            store.write(verb(group), key="same", hint=Hint(group, guid(9))) for group in [guid(1)] * 10 + [guid(2)] * 10
        ]
        return await asyncio.gather(*asked, return_exceptions=True)

    with opened(url, lock_seconds=limit, writers=1) as store, psycopg.connect(url) as other:
        store.write_here(add(1))
        store.write_here(add(2))
        other.execute("UPDATE sequences SET seq = seq WHERE group_id = %s", (guid(1),))
        began = time.monotonic()
        results = asyncio.run(all_of_them(store))
        assert time.monotonic() - began < 10 * limit
    assert [type(each) for each in results[:10]] == [Busy] * 10
    assert results[10:] == [guid(2)] * 10


def test_a_server_has_as_many_connections_as_it_is_told(url: str) -> None:
    """The sum that the manual gives, whatever is asked of it at once."""

    async def much(store: Store) -> None:
        asked: list[Any] = [store.write(add(n), key=guid(n)) for n in range(50)]
        asked += [store.read(numbers, quick=quick) for _ in range(50) for quick in (False, True)]
        await asyncio.gather(*asked)

    with opened(url, writers=2, readers=3, long_readers=1) as store, psycopg.connect(url) as link:
        asyncio.run(much(store))
        found = link.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
        assert found is not None
        assert 3 <= found[0] <= 2 + 3 + 1 + 2


# ── over HTTP, by the settings ───────────────────────────────────────────────────────────────────────────────────────


def test_limits_of_the_settings_are_said_as_graph_says_them(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody holds a table: who waits for it is told to come again, or that it took too long."""
    seeded = postgres.template("seeded", _seed_postgres)
    path = f"/groups/{GROUP['SalesAndMarketing']}/threads"
    for limit, status, code, seconds in (
        ("lock", 503, "serviceNotAvailable", "1"),
        ("statement", 504, "UnknownError", "10"),
    ):
        with postgres.fresh(seeded) as url, psycopg.connect(url) as other:
            monkeypatch.setenv("FOLKMOOT_DATABASE", url)
            for name in ("lock", "statement"):
                monkeypatch.setenv(f"FOLKMOOT_DATABASE_{name.upper()}_SECONDS", "0.2" if name == limit else "0")
            settings = load({"data": str(workshop.folder)}, os.environ)
            clock = Clock()
            store = app.open_store(settings, clock)
            graph = Graph(store, clock, app.build(settings, store, clock), workshop.key, settings, workshop.loop)
            try:
                adele = graph.as_("AdeleV")
                place = adele.start()
                other.execute("LOCK TABLE threads IN ACCESS EXCLUSIVE MODE")
                body = {"post": {"body": {"contentType": "text", "content": "Yes"}}}
                for answer in (
                    adele.get(path),
                    adele.get(f"{path}?$filter=isLocked"),
                    adele.post(f"{place.thread_path()}/reply", body),
                ):
                    assert answer.refusal == (status, code)
                    assert answer.headers["retry-after"] == seconds
                other.rollback()
                assert len(adele.get(f"{place.thread_path()}/posts").value) == 1, "nothing of a refused reply is there"
            finally:
                graph.close()
