"""The store on both databases: what is committed together, what is undone alone, and when a caller hears of it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import json
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import bindparam, select, text

from folkmoot import lab
from folkmoot.config import Settings
from folkmoot.model import Caller, PostDraft, ThreadDraft
from folkmoot.ops import access, conversations, posts
from folkmoot.refusals import Busy, NotFound, OutcomeUnknown, StorageFull, TooSlow
from folkmoot.store import db, integrity, migrate, sqlite, writer
from folkmoot.store import schema as s
from folkmoot.store.db import Hint, Statement, Store, Tx
from folkmoot.store.ids import IdSource
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.rows import take_turn
from folkmoot.store.sqlite import SqliteStore
from folkmoot.store.turn import Turn
from tests import postgres
from tests.harness import DATABASES

T = TypeVar("T")
Place = Path | str  # a database file, or a URL

KEY = "00000000-0000-4000-8000-0000000000ff"
PATIENCE = 20  # seconds, for what must happen at once


def opened(place: Place, clock: Callable[[], float] = time.time) -> Store:
    return SqliteStore(place, clock) if isinstance(place, Path) else PostgresStore(place, clock)


@contextlib.contextmanager
def new_place(database: str, folder: Path) -> Iterator[Place]:
    """A new database with the schema and nothing in it."""
    if database == "sqlite":
        file = folder / "folkmoot.db"
        migrate.upgrade(file)
        yield file
    else:
        with postgres.fresh(postgres.template("schema", migrate.upgrade)) as url:
            yield url


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with new_place(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with contextlib.closing(opened(place)) as found:
        yield found


# ── small verbs on a small table: a group's number ───────────────────────────────────────────────────────────────────

ADD = Statement(s.sequences.insert())
ALL = Statement(select(s.sequences.c.seq).order_by(s.sequences.c.seq))
LOG = Statement(select(s.changes.c.seq).where(s.changes.c.group_id == bindparam("g")).order_by(s.changes.c.seq))
HEAD = Statement(select(s.sequences.c.seq).where(s.sequences.c.group_id == bindparam("g")))
ADD_THREAD = Statement(s.threads.insert())


def guid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def put(tx: Tx, number: int) -> None:
    tx.run(ADD, group_id=guid(number % 10**12), seq=number, changed_at=None)


def add(number: int) -> Callable[[Tx], int]:
    """A verb that stores a number and gives it back."""

    def verb(tx: Tx) -> int:
        put(tx, number)
        return number

    return verb


def numbers(snapshot: db.Snapshot) -> list[int]:
    return [row[0] for row in snapshot.all(ALL)]


def stored(store: Store) -> list[int]:
    return store.read_here(numbers)


@contextlib.asynccontextmanager
async def held(store: Store) -> AsyncIterator[None]:
    """Hold the writer inside a first write: what is asked for meanwhile waits, and is then committed together."""
    entered, go = threading.Event(), threading.Event()

    def hold(tx: Tx) -> None:
        entered.set()
        assert go.wait(PATIENCE)

    first = asyncio.create_task(store.write(hold, key=KEY))
    assert await asyncio.to_thread(entered.wait, PATIENCE)
    try:
        yield
    finally:
        go.set()
    await first


async def asked(store: Store, *verbs: Callable[[Tx], Any]) -> list[asyncio.Task[Any]]:
    """Ask for each verb, and return when all of them wait for the writer."""
    tasks = [asyncio.create_task(store.write(verb, key=KEY)) for verb in verbs]
    await asyncio.sleep(0)
    return tasks


def together(store: Store, *verbs: Callable[[Tx], Any]) -> list[Any]:
    """What each verb gives or raises, when the writer takes them all at once."""

    async def batch() -> list[Any]:
        async with held(store):
            tasks = await asked(store, *verbs)
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)

    return asyncio.run(batch())


# ── group commit ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_waits_is_committed_together_and_not_read_before(store: Store) -> None:
    def look(tx: Tx) -> tuple[list[int], list[int]]:
        with ThreadPoolExecutor(1) as elsewhere:
            return numbers(tx), elsewhere.submit(stored, store).result()

    assert together(store, add(1), look, add(2)) == [1, ([1], []), 2]
    assert stored(store) == [1, 2]


def test_a_refusal_leaves_its_companions_committed(store: Store) -> None:
    calls = []

    def counted(tx: Tx) -> int:
        calls.append(1)
        return add(1)(tx)

    def refuse(tx: Tx) -> None:
        numbers(tx)
        raise NotFound

    first, refused, last = together(store, counted, refuse, add(2))
    assert (first, last) == (1, 2)
    assert isinstance(refused, NotFound)
    assert stored(store) == [1, 2]
    assert calls == [1], "a refusal before anything was written costs its companions nothing"


def refused_late(tx: Tx) -> None:
    put(tx, 7)
    raise NotFound


def mistaken(tx: Tx) -> None:
    put(tx, 7)
    raise ZeroDivisionError


def mistaken_early(tx: Tx) -> None:
    raise ZeroDivisionError


def doubled(tx: Tx) -> None:
    put(tx, 7)
    put(tx, 7)


def doubled_and_then_reads(tx: Tx) -> None:
    put(tx, 7)
    put(tx, 7)
    numbers(tx)


def nonsense(tx: Tx) -> None:
    put(tx, 7)
    tx.all(Statement(text("SELECT nonsense")))


_ONE = Statement(select(text("1")))
DATABASE_ERRORS = (sqlite3.Error, psycopg.Error)


@pytest.mark.parametrize(
    ("verb", "raised"),
    [
        (refused_late, NotFound),
        (mistaken, ZeroDivisionError),
        (mistaken_early, ZeroDivisionError),
        (doubled, (sqlite3.IntegrityError, psycopg.errors.UniqueViolation)),
        (doubled_and_then_reads, (sqlite3.IntegrityError, psycopg.errors.UniqueViolation)),
        (nonsense, DATABASE_ERRORS),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_fails_is_undone_alone(store: Store, verb: Callable[[Tx], None], raised: Any) -> None:
    first, failed, second, last = together(store, add(1), verb, add(2), add(3))
    assert (first, second, last) == (1, 2, 3)
    assert isinstance(failed, raised)
    assert stored(store) == [1, 2, 3]
    # By itself it fails in the same way, and the writer goes on.
    with pytest.raises(raised):
        store.write_here(verb)
    assert store.write_here(add(4)) == 4
    assert stored(store) == [1, 2, 3, 4]


def test_several_that_fail_are_each_undone_alone(store: Store) -> None:
    results = together(store, mistaken, add(1), doubled, refused_late, add(2))
    assert [type(each) for each in results[:1] + results[3:4]] == [ZeroDivisionError, NotFound]
    assert isinstance(results[2], DATABASE_ERRORS)
    assert (results[1], results[4]) == (1, 2)
    assert stored(store) == [1, 2]


def test_a_commit_that_fails_is_no_answer(place: Place) -> None:
    """A constraint that is looked at only by the commit."""
    if isinstance(place, str):
        with psycopg.connect(place) as link:
            name = "threads_group_id_conversation_id_fkey"
            link.execute(f"ALTER TABLE threads ALTER CONSTRAINT {name} DEFERRABLE INITIALLY DEFERRED".encode())

    def orphan(tx: Tx) -> None:
        if tx.dialect == "sqlite":
            tx.run(Statement(text("PRAGMA defer_foreign_keys = ON")))
        empty = {"topic": "", "preview": "", "unique_senders": "[]", "to_recipients": "[]", "cc_recipients": "[]"}
        none = {"has_attachments": False, "is_locked": False, "last_delivered_at": 0, "created_at": 0}
        ids = {"group_id": guid(1), "id": guid(2), "conversation_id": guid(3), "started_by": None}
        tx.run(ADD_THREAD, **ids, **empty, **none)

    with contextlib.closing(opened(place)) as store:
        first, failed, last = together(store, add(1), orphan, add(2))
        assert (first, last) == (1, 2)
        assert isinstance(failed, (sqlite3.IntegrityError, psycopg.errors.ForeignKeyViolation))
        assert stored(store) == [1, 2]


# ── when a caller hears of it ────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_comes_after_the_commit(place: Place, store: Store) -> None:
    async def one_after_another() -> None:
        for number in range(20):
            await store.write(add(number), key=KEY)
            # A connection that has nothing to do with the store's.
            if isinstance(place, Path):
                with contextlib.closing(sqlite3.connect(place)) as file:
                    found = file.execute("SELECT max(seq) FROM sequences").fetchone()
            else:
                with psycopg.connect(place) as link:
                    found = link.execute("SELECT max(seq) FROM sequences").fetchone()
            assert found == (number,)

    asyncio.run(one_after_another())


# What keeps the second of two writes waiting, and when that begins.
Holding = contextlib.AbstractContextManager[Callable[[], None]]


@contextlib.contextmanager
def another_server_of_sqlite(place: Place) -> Iterator[Callable[[], None]]:
    """Another process is in line for its turn, and will have it after the write that calls what is given."""
    assert isinstance(place, Path)
    other, third = Turn(place), Turn(place)
    with ThreadPoolExecutor(1) as waiting:

        def get_in_line() -> None:
            waiting.submit(other.take)
            deadline = time.monotonic() + PATIENCE
            with contextlib.suppress(BlockingIOError):
                while time.monotonic() < deadline:
                    fcntl.flock(third._next, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    fcntl.flock(third._next, fcntl.LOCK_UN)

        yield get_in_line
        waiting.submit(other.give_back).result(PATIENCE)


@contextlib.contextmanager
def another_program_on_sqlite(place: Place) -> Iterator[Callable[[], None]]:
    """A program that knows nothing of turns locks the file when the next write has its turn."""
    real = Turn.at_once
    with contextlib.closing(sqlite3.connect(place, isolation_level=None, check_same_thread=False)) as other:

        def at_once(turn: Turn) -> bool:
            other.execute("BEGIN IMMEDIATE")
            return real(turn)

        with pytest.MonkeyPatch.context() as patch:
            yield lambda: patch.setattr(Turn, "at_once", at_once)
            other.execute("ROLLBACK")


@contextlib.contextmanager
def another_server_of_postgresql(place: Place) -> Iterator[Callable[[], None]]:
    """Another server has the turn of group 2."""
    with psycopg.connect(str(place)) as link:
        link.execute("SELECT 1 FROM sequences WHERE group_id = %s FOR UPDATE", (guid(2),))
        yield lambda: None


@pytest.mark.parametrize(
    ("database", "holding"),
    [
        ("sqlite", another_server_of_sqlite),
        ("sqlite", another_program_on_sqlite),
        ("postgresql", another_server_of_postgresql),
    ],
)
def test_an_answer_does_not_wait_for_what_the_next_write_waits_for(
    database: str, holding: Callable[[Place], Holding], tmp_path: Path
) -> None:
    entered, go = threading.Event(), threading.Event()

    async def two_writes(place: Place, store: Store) -> None:
        with holding(place) as begin:

            def write_first(tx: Tx) -> None:
                put(tx, 1)
                entered.set()
                assert go.wait(PATIENCE)
                begin()

            hints = [Hint(guid(number), guid(9), brief=True) for number in (1, 2)]
            first = asyncio.create_task(store.write(write_first, key=KEY, hint=hints[0]))
            assert await asyncio.to_thread(entered.wait, PATIENCE)
            second = asyncio.create_task(store.write(lambda tx: take_turn(tx, guid(2)), key=KEY, hint=hints[1]))
            for _ in range(3):
                await asyncio.sleep(0)
            assert store.writers[hash(KEY) % len(store.writers)].waiting
            go.set()
            await asyncio.wait_for(first, PATIENCE)
            assert not second.done()
        await asyncio.wait_for(second, PATIENCE)

    with new_place(database, tmp_path) as place, contextlib.closing(opened(place)) as store:
        store.write_here(add(2))
        asyncio.run(two_writes(place, store))


def test_a_read_of_sqlite_that_takes_too_long_is_broken_off(tmp_path: Path) -> None:
    """On PostgreSQL the database does so (see tests/faults/test_postgresql.py)."""
    endless = Statement(
        text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE i = :i")
    )
    migrate.upgrade(tmp_path / "folkmoot.db")
    with contextlib.closing(SqliteStore(tmp_path / "folkmoot.db", time.time, read_seconds=0.05)) as store:
        with pytest.raises(TooSlow):
            asyncio.run(store.read(lambda snapshot: snapshot.one(endless, i=0)))
        assert asyncio.run(store.read(lambda snapshot: snapshot.one(_ONE))) == (1,)


def test_a_commit_of_sqlite_is_on_disk(tmp_path: Path) -> None:
    with new_place("sqlite", tmp_path) as place, contextlib.closing(opened(place)) as store:
        settings = ("synchronous", "journal_mode", "foreign_keys")
        found = store.write_here(lambda tx: [tx.one(Statement(text(f"PRAGMA {name}"))) for name in settings])
    assert found == [(2,), ("wal",), (1,)]  # 2 is FULL: https://sqlite.org/pragma.html#pragma_synchronous


def test_a_commit_of_postgresql_is_on_disk() -> None:
    """Even where the server's default is to answer before that."""
    template = postgres.template("schema", migrate.upgrade, durable=True)
    with postgres.fresh(template, durable=True) as url:
        name = conninfo_to_dict(url)["dbname"]
        with psycopg.connect(url) as link:
            link.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off'.encode())
        with contextlib.closing(opened(url)) as store:
            settings = ("synchronous_commit", "fsync")
            found = store.write_here(lambda tx: [tx.one(Statement(text(f"SHOW {name}"))) for name in settings])
    assert found == [("on",), ("on",)]


def test_a_long_read_sees_one_moment(store: Store) -> None:
    store.write_here(add(1))

    def twice(snapshot: db.Snapshot) -> tuple[list[int], list[int]]:
        before = numbers(snapshot)
        store.write_here(add(2))
        return before, numbers(snapshot)

    assert store.read_here(twice) == ([1], [1])
    assert stored(store) == [1, 2]


def test_a_read_that_asks_the_same_often_spoils_none_after_it(store: Store) -> None:
    """PostgreSQL's driver would prepare it, and with its own give up what others had prepared on the connection."""

    def read(snapshot: db.Snapshot) -> list[list[db.Row]]:
        snapshot.expect(LOG, g=guid(1))
        return [snapshot.all(HEAD, g=guid(number)) for number in range(10)] + [snapshot.all(LOG, g=guid(1))]

    first = store.read_here(read)
    assert store.read_here(read) == first


def test_what_is_expected_comes_with_what_is_asked(store: Store) -> None:
    """Where the database is distant. What nobody expected is asked for, and what was expected in vain does no harm."""
    store.write_here(add(1))
    store.write_here(add(2))

    def read(snapshot: db.Snapshot) -> list[Any]:
        snapshot.expect(HEAD, g=guid(2))
        snapshot.expect(LOG, g=guid(1))
        found = [snapshot.all(ALL)]
        if isinstance(snapshot, db.Expecting):
            ask, snapshot._ask = snapshot._ask, None  # type: ignore[method-assign, assignment]
            found += [snapshot.all(HEAD, g=guid(2))]
            snapshot._ask = ask  # type: ignore[method-assign]
        else:
            found += [snapshot.all(HEAD, g=guid(2))]
        return [*found, snapshot.all(HEAD, g=guid(1))]

    assert store.read_here(read) == [[(1,), (2,)], [(2,)], [(1,)]]
    assert asyncio.run(store.read(read, quick=True)) == [[(1,), (2,)], [(2,)], [(1,)]]


def test_reads_of_both_kinds_see_what_was_answered(store: Store) -> None:
    async def read_what_was_written() -> None:
        for number in range(1, 11):
            await store.write(add(number), key=KEY)
            everything = [*range(1, number + 1)]
            assert await store.read(numbers) == everything
            assert await store.read(numbers, quick=True) == everything

    asyncio.run(read_what_was_written())


def test_what_is_read_does_not_pile_up_while_the_loop_is_busy(store: Store) -> None:
    """A thousand pages that nobody has looked at yet are memory that no limit knows of."""
    begun = []

    async def work() -> None:
        reads = [asyncio.create_task(store.read(lambda snapshot: begun.append(numbers(snapshot)))) for _ in range(100)]
        for _ in range(3):
            await asyncio.sleep(0)
        # The threads take what waits for them in its order, so this is done when no more of it waits; the loop is busy.
        for done in [store._readers.submit(int) for _ in range(100)]:
            done.result(PATIENCE)
        assert len(begun) <= 2 * store._long_readers
        await asyncio.gather(*reads)

    asyncio.run(work())
    assert len(begun) == 100


def test_writes_of_a_key_are_done_in_the_order_of_the_calls(store: Store) -> None:
    done: list[tuple[int, int]] = []

    def verb(key: int, number: int) -> Callable[[Tx], None]:
        return lambda tx: done.append((key, number))

    async def ask() -> None:
        await asyncio.gather(*(store.write(verb(n % 8, n), key=guid(n % 8)) for n in range(400)))

    asyncio.run(ask())
    for key in range(8):
        assert [number for of, number in done if of == key] == [*range(key, 400, 8)]


def test_one_who_no_longer_waits_hinders_nobody(store: Store) -> None:
    async def leave() -> list[Any]:
        async with held(store):
            first, gone, last = await asked(store, add(1), add(2), add(3))
            gone.cancel()
        return [*await asyncio.gather(first, gone, last, return_exceptions=True)]

    first, gone, last = asyncio.run(leave())
    assert (first, last) == (1, 3)
    assert isinstance(gone, asyncio.CancelledError)
    assert stored(store) == [1, 2, 3]


# ── at the limits ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_too_many_waiting_writes_are_refused_at_once(store: Store) -> None:
    for line in store.writers:
        line.limit = 3
    *kept, fourth, fifth = together(store, add(1), add(2), add(3), add(4), add(5))
    assert kept == [1, 2, 3]
    assert isinstance(fourth, Busy)
    assert isinstance(fifth, Busy)
    assert store.write_here(add(6)) == 6
    assert stored(store) == [1, 2, 3, 6]


def test_more_waiting_writes_than_a_batch_takes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "BATCH_LIMIT", 4)
    assert together(store, *map(add, range(11))) == [*range(11)]
    assert stored(store) == [*range(11)]


def test_a_full_disk_refuses_what_has_no_room_and_keeps_the_rest(tmp_path: Path) -> None:
    def room(pages: int) -> Callable[[Tx], None]:
        return lambda tx: tx.run(Statement(text(f"PRAGMA max_page_count = {pages}")))

    def flood(tx: Tx) -> None:
        for number in range(1000, 3000):
            put(tx, number)

    with new_place("sqlite", tmp_path) as place, contextlib.closing(opened(place)) as store:
        store.write_here(room(1))  # SQLite sets it to what the file has
        first, flooded, last = together(store, add(1), flood, add(2))
        assert (first, last) == (1, 2)
        assert isinstance(flooded, StorageFull)
        assert stored(store) == [1, 2]
        store.write_here(room(100_000))
        store.write_here(flood)
        assert len(stored(store)) == 2002


def test_a_file_that_stays_locked_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By another program: who waits with others is not answered after all their waits, one after the other."""
    monkeypatch.setattr(sqlite, "_PATIENCE_MS", 1)
    real, turns = Turn.at_once, 0
    with (
        new_place("sqlite", tmp_path) as place,
        contextlib.closing(opened(place)) as store,
        contextlib.closing(sqlite3.connect(place, isolation_level=None, check_same_thread=False)) as other,
    ):

        def at_once(turn: Turn) -> bool:
            nonlocal turns
            turns += 1
            if turns == 1:
                other.execute("BEGIN IMMEDIATE")
            return real(turn)

        async def batch() -> list[Any]:
            async with held(store):
                tasks = await asked(store, *map(add, range(5)))
                monkeypatch.setattr(Turn, "at_once", at_once)
            return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)

        assert [type(each) for each in asyncio.run(batch())] == [Busy] * 5
        assert turns == 1
        other.execute("ROLLBACK")
        assert store.write_here(add(6)) == 6
        assert stored(store) == [6]


def test_closing_finishes_what_waits(place: Place) -> None:
    store = opened(place)

    async def ask_and_close() -> list[int]:
        keys = map(guid, range(500))
        tasks = [asyncio.create_task(store.write(add(n), key=key)) for n, key in enumerate(keys)]
        await asyncio.sleep(0)
        store.close()
        return await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)

    assert asyncio.run(ask_and_close()) == [*range(500)]
    with contextlib.closing(opened(place)) as again:
        assert stored(again) == [*range(500)]


# ── another server on the same PostgreSQL ────────────────────────────────────────────────────────────────────────────


def until_one_waits(url: str) -> None:
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(url, autocommit=True) as link:
        deadline = time.monotonic() + PATIENCE
        while not link.execute(waits).fetchall()[0][0]:
            assert time.monotonic() < deadline, "nobody waits"


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
def test_who_waited_for_a_turn_sees_what_was_done_in_it(tmp_path: Path, isolation: str) -> None:
    """Two replies to one thread, by two servers; the second waits for the first, and undoes nothing of it.

    It need not be tried again for that, whatever the database's default `isolation` is.
    """
    tried = []
    group = next(group.id for group in lab.GROUPS if group.visibility == "Public")
    adele, other = (
        Caller(kind="person", oid=each.id, tenant="", application="", permissions=frozenset(), name=each.name)
        for each in lab.PEOPLE[:2]
    )

    def reply(tx: Tx, caller: Caller, thread: str) -> None:
        tried.append(caller.name)
        place = access.enter_thread(tx, caller, group, thread)
        posts.reply(tx, place, PostDraft(content_type="text", content=caller.name, preview=caller.name))

    with (
        new_place("postgresql", tmp_path) as url,
        psycopg.connect(str(url), autocommit=True) as owner,
        contextlib.closing(opened(url)) as one,
        contextlib.closing(opened(url)) as two,
        ThreadPoolExecutor(1) as meanwhile,
    ):
        set_default = sql.SQL("ALTER DATABASE {} SET default_transaction_isolation = {}")
        owner.execute(set_default.format(sql.Identifier(owner.info.dbname), isolation))
        asyncio.run(lab.seed(one, Settings()))
        post = PostDraft(content_type="text", content="Hello", preview="Hello")
        draft = ThreadDraft(topic=None, post=post)
        thread = one.write_here(lambda tx: conversations.start(tx, access.enter(tx, adele, group), "Launch", draft))
        waiting = []

        def first(tx: Tx) -> None:
            reply(tx, other, thread)
            waiting.append(meanwhile.submit(two.write_here, lambda tx: reply(tx, adele, thread)))
            until_one_waits(str(url))

        one.write_here(first)
        waiting[0].result(PATIENCE)
        assert tried == [other.name, adele.name]
        assert [wrong for _, found in [integrity.of_group(one, group)] for wrong in found] == []
        senders = Statement(select(s.threads.c.unique_senders).where(s.threads.c.group_id == bindparam("g")))
        names = one.read_here(lambda snapshot: snapshot.all(senders, g=group))
        assert [sorted(json.loads(row[0])) for row in names] == [sorted([adele.name, other.name])]


# ── PostgreSQL that goes away ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("quick", [True, False])
def test_reads_of_a_file_that_is_away_are_refused_until_it_is_back(tmp_path: Path, quick: bool) -> None:
    """Its disk was unmounted, or the process has as many files open as it may."""
    (tmp_path / "data").mkdir()
    with new_place("sqlite", tmp_path / "data") as place, contextlib.closing(opened(place)) as store:
        store.write_here(add(1))
        (tmp_path / "data").rename(tmp_path / "elsewhere")
        with pytest.raises(Busy):
            asyncio.run(store.read(numbers, quick=quick))
        (tmp_path / "elsewhere").rename(tmp_path / "data")
        assert asyncio.run(store.read(numbers, quick=quick)) == [1]


def test_a_read_that_meets_an_error_of_the_disk_is_refused(tmp_path: Path) -> None:
    def failing(snapshot: db.Snapshot) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        raise error

    async def both(store: Store) -> None:
        for quick in (True, False):
            with pytest.raises(Busy):
                await store.read(failing, quick=quick)

    with new_place("sqlite", tmp_path) as place, contextlib.closing(opened(place)) as store:
        asyncio.run(both(store))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with new_place("postgresql", tmp_path) as found:
        yield str(found)


def end_connections(url: str) -> None:
    """End every other connection to this database, as an operator or a failing network would."""
    with psycopg.connect(url) as link:
        link.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_write_whose_connection_breaks_is_refused_and_the_next_is_done(url: str) -> None:
    def cut(tx: Tx) -> None:
        put(tx, 7)
        end_connections(url)
        numbers(tx)

    with contextlib.closing(opened(url)) as store:
        store.write_here(add(1))
        with pytest.raises(Busy):
            store.write_here(cut)
        assert store.write_here(add(2)) == 2
        assert recovered(store) == [1, 2]


def test_a_connection_that_broke_while_nothing_was_asked(url: str) -> None:
    with contextlib.closing(opened(url)) as store:
        store.write_here(add(1))
        assert stored(store) == [1]
        end_connections(url)
        # One writer's connection is found broken by the write that uses it, and the write is done on another.
        assert store.write_here(add(2)) == 2
        assert stored(store) == [1, 2]


def test_companions_of_a_write_whose_connection_breaks(url: str) -> None:
    broke = itertools.count()

    def cut_once(tx: Tx) -> int:
        put(tx, 2)
        if next(broke) == 0:
            end_connections(url)
            numbers(tx)
        return 2

    with contextlib.closing(opened(url)) as store:
        results = together(store, add(1), cut_once, add(3))
        assert recovered(store) == [each for each in results if not isinstance(each, Busy)]


def recovered(store: Store) -> list[int]:
    """What a read gives, once the pool has left its broken connections behind: within a few refusals, at once."""
    for _ in range(20):
        with contextlib.suppress(Busy):
            return stored(store)
    raise AssertionError("reading did not recover")


def test_an_answer_lost_after_the_commit_is_not_written_twice(url: str) -> None:
    """The database commits, and the connection breaks before it can say so. Nobody knows then; writing again would be
    wrong."""
    with Between(url) as between, contextlib.closing(opened(between.url)) as store:
        loss = iter([between.lose_next_commit])

        def fresh(tx: Tx) -> int:
            # A number of its own each time that it runs, as posts have ids.
            number = int(tx.new_id()[-12:], 16)
            put(tx, number)
            next(loss, lambda: None)()
            return number

        results = together(store, fresh, fresh, fresh)
        assert between.lost
    # It may find out what became of them, or say that it does not know; it may not say that they were not stored.
    done = {each for each in results if not isinstance(each, OutcomeUnknown)}
    with contextlib.closing(opened(url)) as store:
        found = stored(store)
    assert done <= set(found)
    assert len(found) == 3, "each of the three is there once: committed, whoever could hear of it"


def test_a_commit_is_not_taken_for_done_by_a_number_that_may_be_another_s(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash the database gives out again the numbers of transactions that had not come to the disk."""
    monkeypatch.setattr("folkmoot.store.postgres_writer._INCARNATION", b"SELECT random()::text")  # as if it had crashed
    with Between(url) as between, contextlib.closing(opened(between.url)) as store:
        store.write_here(add(1))

        def cut(tx: Tx) -> None:
            put(tx, 2)
            between.lose_next_commit()

        with pytest.raises(OutcomeUnknown):
            store.write_here(cut)
        assert store.write_here(add(3)) == 3


class Between:
    """Stands between the store and PostgreSQL, and can lose the answer to a commit together with the connection."""

    _COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"  # CommandComplete, PostgreSQL: message formats

    def __init__(self, url: str) -> None:
        parts = conninfo_to_dict(url)
        host, port = str(parts.get("host", "localhost")), int(parts.get("port") or 5432)
        self._there: Any = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
        self._door = socket.create_server(("127.0.0.1", 0))
        own = self._door.getsockname()[1]
        self.url = make_conninfo(url, host="127.0.0.1", port=own, sslmode="disable", gssencmode="disable")
        self.lost = False
        self._lose = False
        self._open: list[socket.socket] = [self._door]
        self._clients: list[socket.socket] = []

    def __enter__(self) -> Between:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def cut(self) -> None:
        """Break what connections there are, of which the database hears when it next looks."""
        for each in self._clients:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def lose_next_commit(self) -> None:
        """Break the connection on which the next commit is confirmed, instead of handing the confirmation on."""
        self._lose = True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._door.accept()
                there = socket.socket(socket.AF_UNIX if isinstance(self._there, str) else socket.AF_INET)
                there.connect(self._there)
                self._open += [client, there]
                self._clients.append(client)
                threading.Thread(target=self._hand_on, args=(client, there, False), daemon=True).start()
                threading.Thread(target=self._hand_on, args=(there, client, True), daemon=True).start()

    def _hand_on(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if answers and self._lose and self._COMMITTED in data:
                    self._lose, self.lost = False, True
                    break
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


# ── ids and sequences ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("times", [[1.0], [1.0, 1.0005], [5.0, 4.0, 3.0], [1.0, 2.0, 1.5]])
def test_ids_ascend_whatever_the_clock_does(times: list[float]) -> None:
    source = IdSource()
    made = [source.new(times[n % len(times)]) for n in range(10_000)]
    assert made == sorted(set(made))
    assert all(id[14] == "7" and id[19] in "89ab" for id in made)


def test_ids_tell_their_time() -> None:
    assert IdSource().new(1_700_000_000.123).replace("-", "")[:12] == f"{1_700_000_000_123:012x}"


def test_ids_of_several_threads_differ() -> None:
    source = IdSource()
    with ThreadPoolExecutor(4) as threads:
        made = [id for some in threads.map(lambda _: [source.new(1.0) for _ in range(2000)], range(4)) for id in some]
    assert len(set(made)) == 8000


def test_two_stores_on_one_database_keep_each_log_without_gaps(place: Place, store: Store) -> None:
    asyncio.run(lab.seed(store, Settings()))
    groups = [group.id for group in lab.GROUPS if group.visibility == "Public"]
    seeded = {group: store.read_here(head(group)) for group in groups}
    adele = Caller(
        kind="person", oid=lab.PEOPLE[0].id, tenant="", application="", permissions=frozenset(), name="Adele Vance"
    )
    calls = itertools.count()

    def start(group: str) -> Callable[[Tx], None]:
        def verb(tx: Tx) -> None:
            post = PostDraft(content_type="text", content="Hello", preview="Hello")
            conversations.start(tx, access.enter(tx, adele, group), "Launch", ThreadDraft(topic=None, post=post))
            if next(calls) % 10 == 0:
                raise NotFound  # what is undone leaves no gap either

        return verb

    async def both(other: Store) -> list[Any]:
        asked = [each.write(start(g), key=g) for _ in range(40) for each in (store, other) for g in groups]
        return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 3 * PATIENCE)

    with contextlib.closing(opened(place)) as other:
        results = asyncio.run(both(other))
    assert {type(each) for each in results} == {type(None), NotFound}
    logs = {group: log(store, group) for group in groups}
    for group in groups:
        assert logs[group] == [*range(1, len(logs[group]) + 1)]
        assert store.read_here(head(group)) == len(logs[group])
    # A post, a thread and a conversation each time.
    assert sum(map(len, logs.values())) == sum(seeded.values()) + 3 * results.count(None)


def log(store: Store, group: str) -> list[int]:
    return [row[0] for row in store.read_here(lambda snapshot: snapshot.all(LOG, g=group))]


def head(group: str) -> Callable[[db.Snapshot], int]:
    def verb(snapshot: db.Snapshot) -> int:
        row = snapshot.one(HEAD, g=group)
        assert row is not None
        return int(row[0])

    return verb


# ── the schema ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=DATABASES)
def nothing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database without any schema."""
    if request.param == "sqlite":
        yield tmp_path / "folkmoot.db"
    else:
        with postgres.fresh() as url:
            yield url


def execute(place: Place, statement: str) -> None:
    if isinstance(place, Path):
        with contextlib.closing(sqlite3.connect(place)) as file, file:
            file.execute(statement)
    else:
        with psycopg.connect(place) as link:
            link.execute(statement.encode())


def test_the_newest_migration_is_the_one_that_is_asked_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]


def test_a_database_is_brought_to_the_schema_once(nothing: Place) -> None:
    assert migrate.current(nothing) is None
    for _ in range(2):
        migrate.upgrade(nothing)
        assert migrate.current(nothing) == migrate.HEAD
        with contextlib.closing(opened(nothing)) as store:
            store.write_here(lambda tx: tx.run(ADD, group_id=tx.new_id(), seq=1, changed_at=None))
    with contextlib.closing(opened(nothing)) as store:
        assert stored(store) == [1, 1]


def test_a_database_of_a_newer_release_is_left_alone(nothing: Place) -> None:
    migrate.upgrade(nothing)
    execute(nothing, "UPDATE alembic_version SET version_num = '9999'")
    execute(nothing, "UPDATE schema_compatibility SET works_from = '9998'")
    with pytest.raises(migrate.SchemaTooNew):
        migrate.upgrade(nothing)
    assert migrate.current(nothing) == "9999"


def test_several_that_migrate_at_once_take_turns(nothing: Place) -> None:
    program = "import sys, pathlib; from folkmoot.store import migrate; sys.stdin.read(1)\n"
    program += f"migrate.upgrade({'pathlib.Path' if isinstance(nothing, Path) else 'str'}(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(nothing)]
    waiting = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(3)
    ]
    # All of them have loaded what they need when they are told to begin.
    for each in waiting:
        assert each.stdin is not None
        each.stdin.write("x")
        each.stdin.flush()
    said = [each.communicate(timeout=60)[0] for each in waiting]
    assert [each.returncode for each in waiting] == [0, 0, 0], said
    assert migrate.current(nothing) == migrate.HEAD


def test_a_migration_that_was_cut_short_can_be_done_again(nothing: Place) -> None:
    """All of a migration is there or nothing of it: here it fails in the middle, on a table that is in its way."""
    execute(nothing, "CREATE TABLE threads (id TEXT)")
    with pytest.raises(Exception, match="threads"):
        migrate.upgrade(nothing)
    execute(nothing, "DROP TABLE threads")
    assert migrate.current(nothing) is None
    migrate.upgrade(nothing)
    with contextlib.closing(opened(nothing)) as store:
        assert stored(store) == []


# ── reads of one turn of the event loop ──────────────────────────────────────────────────────────────────────────────


def test_whoever_heard_of_a_write_reads_it_however_often_others_read(store: Store) -> None:
    """Quick reads that run together may share a transaction; none of them is older than its question."""

    async def run() -> None:
        go = True

        async def reads() -> None:
            while go:
                await store.read(numbers, quick=True)
                await asyncio.sleep(0)

        others = [asyncio.create_task(reads()) for _ in range(3)]
        for number in range(1, 60):
            await store.write(add(number), key=KEY)
            assert await store.read(numbers, quick=True) == list(range(1, number + 1))
        go = False
        await asyncio.gather(*others)

    asyncio.run(run())


def test_a_loop_that_ended_in_its_turn_leaves_no_old_reads_behind(store: Store) -> None:
    async def read() -> list[int]:
        return await store.read(numbers, quick=True)

    assert asyncio.run(read()) == []
    store.write_here(add(1))
    assert asyncio.run(read()) == [1]
    store.write_here(add(2))
    assert store.read_here(numbers) == [1, 2]
