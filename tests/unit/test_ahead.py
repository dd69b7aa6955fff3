"""Writes to PostgreSQL that go by what is known from the ones before, and batches that are sent before others are on
disk: none may go by what is not so any more, and none may be written twice or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import bindparam, select

from folkmoot import lab
from folkmoot.config import Settings
from folkmoot.model import Caller, ThreadAmendment, ThreadDraft
from folkmoot.ops import access, conversations, posts, threads
from folkmoot.refusals import Busy, NotFound, Refusal, ThreadLocked
from folkmoot.store import carrying, integrity
from folkmoot.store import schema as s
from folkmoot.store.db import Hint, Statement, Store, Tx
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.postgres_access import Access
from folkmoot.store.postgres_writer import PostgresTx
from tests.harness import Graph
from tests.postgres import postgres_url
from tests.unit.test_held import ADELE, ALEX, GROUP, draft
from tests.unit.test_store import PATIENCE, Between, end_connections, new_place, opened, until_one_waits

_p, _t = s.posts.c, s.threads.c
CONTENTS = Statement(select(_p.content).where(_p.group_id == bindparam("g")).order_by(_p.version))
THREAD = Statement(select(_t.topic, _t.unique_senders).where(_t.group_id == bindparam("g"), _t.id == bindparam("t")))
Verb = Callable[[Tx], Any]


class Server:
    """A store that its verbs are written to as the door does it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.thread = ""

    def start(self) -> None:
        """Begin a conversation, after which the group and its beginner are known."""

        def verb(tx: Tx) -> str:
            return conversations.start(
                tx, access.enter(tx, ADELE, GROUP), "Launch", ThreadDraft(topic=None, post=draft("first"))
            )

        self.thread = self.write(verb)

    def reply(self, text: str, caller: Caller = ADELE) -> str:
        found: str = self.write(self.replying(text, caller))
        return found

    def replying(self, text: str, caller: Caller = ADELE) -> Verb:
        return lambda tx: posts.reply(tx, access.enter_thread(tx, caller, GROUP, self.thread), draft(text))

    def write(self, verb: Verb, caller: Caller = ADELE) -> Any:
        [found] = self.together([verb], caller)
        if isinstance(found, Exception):
            raise found
        return found

    def together(self, verbs: Sequence[Verb], caller: Caller = ADELE) -> list[Any]:
        """What each of many gives or raises."""

        async def all_of_them() -> list[Any]:
            hint = Hint(GROUP, caller.oid, self.thread or None, brief=True)
            tasks = [self.store.write(verb, key=GROUP, hint=hint) for verb in verbs]
            return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)

        return asyncio.run(all_of_them())

    def contents(self) -> list[str]:
        return [row[0] for row in self.store.read_here(lambda snapshot: snapshot.all(CONTENTS, g=GROUP))]

    def wrong(self) -> list[integrity.Wrong]:
        """What does not add up in the group."""
        return [wrong for _, found in [integrity.of_group(self.store, GROUP)] for wrong in found]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with new_place("postgresql", tmp_path) as found:
        with contextlib.closing(opened(found)) as store:
            asyncio.run(lab.seed(store, Settings()))
        yield str(found)


@pytest.fixture
def server(url: str) -> Iterator[Server]:
    with contextlib.closing(opened(url)) as store:
        found = Server(store)
        found.start()
        yield found


@pytest.fixture
def other(url: str, server: Server) -> Iterator[Server]:
    """Another server on the same database."""
    with contextlib.closing(opened(url)) as store:
        found = Server(store)
        found.thread = server.thread
        yield found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of what transactions ask the database and wait for."""
    texts: list[str] = []
    one, several = PostgresTx._rows, PostgresTx.all_of

    def rows(self: PostgresTx, text: str, parameters: Any) -> Any:
        texts.append(text)
        return one(self, text, parameters)

    def all_of(self: PostgresTx, asked: Any) -> Any:
        texts.extend(statement.compiled("postgresql")[0] for statement, _ in asked)
        return several(self, asked)

    monkeypatch.setattr(PostgresTx, "_rows", rows)
    monkeypatch.setattr(PostgresTx, "all_of", all_of)
    return texts


def amend(server: Server, amendment: ThreadAmendment) -> None:
    server.store.write_here(
        lambda tx: threads.amend(tx, access.enter_thread(tx, ADELE, GROUP, server.thread), amendment)
    )


def test_what_is_known_is_not_asked_for_again(server: Server, asked: list[str]) -> None:
    server.reply("second")
    assert len(asked) == 1, "the thread, which the one who began it did not read"
    asked.clear()
    server.reply("third")
    server.together([server.replying(f"reply {number}") for number in range(100)])
    assert asked == []
    assert server.contents() == ["first", "second", "third", *(f"reply {number}" for number in range(100))]
    assert server.wrong() == []


def test_an_answer_does_not_wait_for_what_takes_long_after_it(server: Server, url: str) -> None:
    """Something that may be long comes while a batch is on its way: whoever is in that hears of it before."""
    server.reply("second")
    heard = threading.Event()

    async def both() -> None:
        hint = Hint(GROUP, ADELE.oid, server.thread, brief=True)
        with psycopg.connect(url) as link:
            link.execute("SELECT seq FROM sequences WHERE group_id = %s FOR UPDATE", (GROUP,))
            first = asyncio.create_task(server.store.write(server.replying("third"), key=GROUP, hint=hint))
            await asyncio.sleep(0)
            await asyncio.to_thread(until_one_waits, url)
            second = asyncio.create_task(server.store.write(lambda tx: heard.wait(PATIENCE), key=GROUP))
            await asyncio.sleep(0)
            while any(writer.waiting for writer in server.store.writers):  # noqa: ASYNC110  (a thread takes it)
                await asyncio.sleep(0)
        await first
        heard.set()
        assert await second, "the first was answered when the second had ended"

    asyncio.run(both())


def test_what_another_server_did_to_a_thread_is_kept(server: Server, other: Server) -> None:
    server.reply("second")
    amend(other, ThreadAmendment(topic="Renamed"))
    other.reply("third", ALEX)
    server.reply("fourth")
    topic, senders = server.store.read_here(lambda snapshot: snapshot.all(THREAD, g=GROUP, t=server.thread))[0]
    assert topic == "Renamed"
    assert lab.PEOPLE[0].name in senders
    assert lab.PEOPLE[1].name in senders
    assert server.contents() == ["first", "second", "third", "fourth"]
    assert server.wrong() == []


def test_a_thread_that_another_server_locked_is_locked(server: Server, other: Server) -> None:
    server.reply("second")
    amend(other, ThreadAmendment(is_locked=True))
    with pytest.raises(ThreadLocked):
        server.reply("third")
    amend(other, ThreadAmendment(is_locked=False))
    server.reply("fourth")
    assert server.contents() == ["first", "second", "fourth"]


def test_what_a_write_changes_beside_what_is_known_is_not_undone_by_the_next(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    place = adele.reply(adele.start())
    adele.attach(place)
    adele.reply(place)
    assert adele.get(place.thread_path()).json["hasAttachments"] is True


def test_who_may_not_write_any_more_is_refused(server: Server, url: str) -> None:
    """Whatever it is that no longer holds, and whether or not the group's log tells of it."""
    server.reply("second")
    with psycopg.connect(url) as link:
        link.execute("UPDATE groups SET visibility = 'Private' WHERE group_id = %s", (GROUP,))
        link.execute("DELETE FROM memberships WHERE group_id = %s AND object_id = %s", (GROUP, ADELE.oid))
    with pytest.raises(Refusal):
        server.reply("third")
    with psycopg.connect(url) as link:
        link.execute("UPDATE groups SET deleted_at = 1 WHERE group_id = %s", (GROUP,))
    with pytest.raises(NotFound):
        server.reply("fourth")
    assert server.contents() == ["first", "second"]


def test_what_fails_in_a_batch_is_undone_alone(server: Server) -> None:
    server.reply("second")

    def late(tx: Tx) -> None:
        server.replying("never")(tx)
        raise NotFound

    def mistaken(tx: Tx) -> None:
        server.replying("never")(tx)
        raise ZeroDivisionError

    found = server.together([server.replying("third"), late, server.replying("fourth"), mistaken])
    assert [type(each) for each in found] == [str, NotFound, str, ZeroDivisionError]
    assert server.contents() == ["first", "second", "third", "fourth"]
    server.reply("fifth")
    assert server.wrong() == []


def test_what_was_sent_after_a_batch_that_fell_through_is_written_after_it(server: Server, other: Server) -> None:
    server.reply("second")
    other.reply("third", ALEX)
    texts = [f"reply {number}" for number in range(60)]
    assert all(isinstance(each, str) for each in server.together([server.replying(text) for text in texts]))
    assert server.contents() == ["first", "second", "third", *texts]
    assert server.wrong() == []


def test_servers_that_write_in_turn_ask_first(
    server: Server, other: Server, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would go by what the other has changed since, and write everything twice."""
    monkeypatch.setattr(carrying, "_RESTS", 3600.0)
    server.reply("second")
    other.reply("third")
    server.reply("fourth")
    asked.clear()
    for number in range(5):
        server.reply(f"{number}")
        other.reply(f"{number} too")
    assert len([text for text in asked if "FOR UPDATE" in text]) >= 9
    assert server.wrong() == []


def test_what_falls_through_again_and_again_is_written_each_time(
    server: Server, other: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "_RESTS", 0.0)
    texts = [f"{number} of {who}" for number in range(12) for who in ("one", "two")]
    for text in texts:
        (server if text.endswith("one") else other).reply(text)
    monkeypatch.setattr(carrying, "_RESTS", 3600.0)
    server.reply("asked first")
    other.reply("too")
    server.reply("last")
    assert server.contents() == ["first", *texts, "asked first", "too", "last"]
    assert server.wrong() == []


def test_an_answer_lost_after_the_commit_is_found_out(url: str, server: Server) -> None:
    """The connection breaks when the database has committed, and while another batch is on its way after it."""
    with Between(url) as between, contextlib.closing(opened(between.url)) as store:
        mine = Server(store)
        mine.thread = server.thread
        mine.reply("second")
        mine.reply("third")
        between.lose_next_commit()
        texts = [f"reply {number}" for number in range(40)]
        found = mine.together([mine.replying(text) for text in texts])
        assert between.lost
        assert [each for each in found if not isinstance(each, str)] == []
        assert mine.contents() == ["first", "second", "third", *texts]
        assert mine.wrong() == []


def test_what_is_committed_behind_a_batch_that_changed_nothing_is_found(url: str, server: Server) -> None:
    """Of a batch of refusals the log does not tell; the connection breaks when it has, and the next one is done."""
    with (
        Between(url) as between,
        contextlib.closing(opened(between.url)) as store,
        psycopg.connect(url) as link,
        ThreadPoolExecutor(2) as meanwhile,
    ):
        mine = Server(store)
        mine.thread = server.thread
        mine.reply("second")

        def refuse(tx: Tx) -> None:
            raise NotFound

        link.execute("SELECT seq FROM sequences WHERE group_id = %s FOR UPDATE", (GROUP,))
        refused = meanwhile.submit(mine.together, [refuse])
        until_one_waits(url)
        replied = meanwhile.submit(mine.together, [mine.replying("third")])
        until_sent(store)
        between.lose_next_commit()
        link.rollback()
        assert isinstance(refused.result(PATIENCE)[0], NotFound)
        assert isinstance(replied.result(PATIENCE)[0], str)
        assert between.lost
        assert mine.contents() == ["first", "second", "third"]


def until_sent(store: Store) -> None:
    """Until two batches are on their way."""
    deadline = time.monotonic() + PATIENCE
    while not any(len(getattr(writer, "_ahead")) == 2 for writer in store.writers):  # noqa: B009  (a test looks inside)
        assert time.monotonic() < deadline, "the second is not sent"


def test_a_session_that_goes_on_without_its_server_writes_nothing_twice(url: str, server: Server) -> None:
    """It waits for a lock when the connection breaks, which it does not notice, and would commit afterwards."""
    with (
        Between(url) as between,
        contextlib.closing(PostgresStore(between.url, time.time, Access(lock_seconds=0))) as store,
        ThreadPoolExecutor(1) as meanwhile,
        psycopg.connect(url) as link,
    ):
        mine = Server(store)
        mine.thread = server.thread
        mine.reply("second")
        link.execute("SELECT seq FROM sequences WHERE group_id = %s FOR UPDATE", (GROUP,))
        waiting = meanwhile.submit(mine.reply, "third")
        until_one_waits(url)
        between.cut()
        until_another_waits(url)
        link.rollback()
        assert isinstance(waiting.result(PATIENCE), str)
        assert mine.contents() == ["first", "second", "third"]


def test_connections_that_break_while_nothing_is_asked(url: str, server: Server) -> None:
    server.reply("second")
    end_connections(url)
    server.reply("third")
    assert server.contents() == ["first", "second", "third"]


def test_a_write_to_a_database_that_went_away_before_is_not_doubtful(url: str, server: Server) -> None:
    server.reply("second")
    name = conninfo_to_dict(url)["dbname"]
    with psycopg.connect(postgres_url(), autocommit=True) as administrator:
        administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        administrator.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        for _ in range(2):
            with pytest.raises(Busy):
                server.reply("never")
        administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    server.reply("third")
    assert server.contents() == ["first", "second", "third"]


def test_a_server_that_ends_writes_what_waits(url: str) -> None:
    store = opened(url)
    mine = Server(store)
    mine.start()

    async def begin() -> None:
        hint = Hint(GROUP, ADELE.oid, mine.thread, brief=True)
        tasks = [asyncio.create_task(store.write(mine.replying(f"{n}"), key=GROUP, hint=hint)) for n in range(20)]
        await asyncio.sleep(0)
        await asyncio.to_thread(store.close)
        await asyncio.gather(*tasks)

    asyncio.run(begin())
    with contextlib.closing(opened(url)) as again:
        mine.store = again
        assert mine.contents() == ["first", *(f"{number}" for number in range(20))]


def until_another_waits(url: str) -> None:
    """Until those who wait for a lock now wait no more, and somebody else does."""
    waiting = (
        "SELECT coalesce(array_agg(pid), '{}') FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(url, autocommit=True) as link:
        before = link.execute(waiting).fetchall()[0][0]
        deadline = time.monotonic() + PATIENCE
        while not (now := link.execute(waiting).fetchall()[0][0]) or set(now) & set(before):
            assert time.monotonic() < deadline, "the first goes on waiting, or nobody tries again"
