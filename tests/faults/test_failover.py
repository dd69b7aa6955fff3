"""A primary and its streaming standby: which reads the standby answers, and what follows when it takes over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from folkmoot.refusals import Busy, Refusal
from folkmoot.store import migrate, postgres_replica
from folkmoot.store.db import Snapshot, Statement
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.postgres_access import Access
from folkmoot.store.postgres_writer import _INCARNATION
from tests.postgres_server import REPLICATED, Server, private_server
from tests.unit.test_store import PATIENCE, add, numbers, stored

STANDBY = Statement(text("SELECT pg_is_in_recovery()"))


@contextlib.contextmanager
def pair() -> Iterator[tuple[Server, Server]]:
    """A primary with the schema, and a server that follows it."""
    with private_server(more=REPLICATED) as primary:
        if not primary.has("pg_basebackup"):
            pytest.skip("this installation of PostgreSQL has no pg_basebackup to make a standby with")
        migrate.upgrade(primary.url)
        standby = Server(primary.folder.parent / "standby", durable=True, more=REPLICATED)
        standby.follow(primary)
        try:
            standby.start()
            yield primary, standby
        finally:
            standby.stop()


def where(store: PostgresStore) -> tuple[bool, list[int]]:
    """Whether a longer read was answered by the standby, and what it found."""

    def look(snapshot: Snapshot) -> tuple[bool, list[int]]:
        return snapshot.all(STANDBY)[0][0], numbers(snapshot)

    return asyncio.run(store.read(look))


def until(attempt: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """What it gives as soon as it is what is wanted; refusals are not yet."""
    deadline = time.monotonic() + 3 * PATIENCE
    while True:
        with contextlib.suppress(Refusal):
            found = attempt()
            if wanted(found):
                return found
        assert time.monotonic() < deadline


def test_a_standby_answers_what_it_has_and_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_replica, "_REST_GONE", 0.2)
    with pair() as (primary, standby):
        hosts = f"{primary.folder},{standby.folder}"
        # The reader stands for another server process: it has written nothing itself, and knows of no commit.
        url = f"postgresql://postgres@/postgres?host={hosts}"
        with (
            contextlib.closing(PostgresStore(url, time.time, Access(writers=1))) as writer,
            contextlib.closing(PostgresStore(url, time.time, Access(replica=standby.url, long_readers=1))) as reader,
        ):
            for number in range(1, 31):
                writer.write_here(add(number))
                _, found = where(reader)
                assert found == [*range(1, number + 1)], "what was answered as stored is not found"
            until(lambda: where(reader), lambda found: found[0] is True)

            with psycopg.connect(standby.url, autocommit=True) as link:
                link.execute("SELECT pg_wal_replay_pause()")
                writer.write_here(add(31))
                assert where(reader) == (False, [*range(1, 32)]), "it is behind, and may not answer"
                assert where(reader) == (False, [*range(1, 32)])
                link.execute("SELECT pg_wal_replay_resume()")
            until(lambda: where(reader), lambda found: found == (True, [*range(1, 32)]))

            standby.crash()
            assert where(reader) == (False, [*range(1, 32)])
            standby.start()
            until(lambda: where(reader), lambda found: found == (True, [*range(1, 32)]))

            # The primary is gone: nobody is answered with what may be old, and the server that is promoted is found.
            primary.crash()
            for refused in (lambda: writer.write_here(add(32)), lambda: where(reader), lambda: stored(writer)):
                with pytest.raises(Busy):
                    refused()
            with psycopg.connect(standby.url, autocommit=True) as link:
                link.execute("SELECT pg_promote()")
            until(lambda: writer.write_here(add(33)), lambda number: number == 33)
            assert until(lambda: where(reader), lambda found: True) == (False, [*range(1, 32), 33])


def test_a_primary_that_takes_no_writes_any_more_is_left_and_found_again() -> None:
    """As a server is after a failover whose name still leads to it: connections stay, and writing fails."""
    with private_server() as server:
        migrate.upgrade(server.url)
        with contextlib.closing(PostgresStore(server.url, time.time)) as store:
            store.write_here(add(1))
            with psycopg.connect(server.url, autocommit=True) as link:
                link.execute("ALTER SYSTEM SET default_transaction_read_only = on")
                link.execute("SELECT pg_reload_conf()")
                until(lambda: refuses(store), bool)
                with pytest.raises(Busy):
                    store.write_here(add(3))
                link.execute("SET default_transaction_read_only = off")
                link.execute("ALTER SYSTEM RESET default_transaction_read_only")
                link.execute("SELECT pg_reload_conf()")
            until(lambda: store.write_here(add(4)), lambda number: number == 4)
            assert stored(store) == [1, 4]


def test_a_crash_of_one_of_its_processes_makes_another_server_of_it() -> None:
    """It begins anew from its log, without another start: what was not on the disk yet is not there any more."""

    def incarnation() -> object:
        with psycopg.connect(server.url, autocommit=True) as link:
            return link.execute(_INCARNATION).fetchone()

    with private_server() as server:
        before = incarnation()
        assert incarnation() == before
        with contextlib.closing(psycopg.connect(server.url)) as link:
            os.kill(link.info.backend_pid, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                link.execute("SELECT pg_sleep(60)")
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                after = incarnation()
                break
            assert time.monotonic() < deadline
        assert after != before


def refuses(store: PostgresStore) -> bool:
    """Whether a write is refused by now. One that is not must leave nothing."""

    def verb(tx: Any) -> None:
        add(2)(tx)
        tx.one(STANDBY)
        raise KeyError  # undone

    try:
        store.write_here(verb)
    except Busy:
        return True
    except KeyError:
        return False
    return False
