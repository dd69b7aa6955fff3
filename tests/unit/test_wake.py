"""Followers are woken by what other processes commit: two stores on one database stand for two processes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from folkmoot.store import changes, migrate
from folkmoot.store.db import Store, Tx
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.sqlite import SqliteStore
from folkmoot.store.wake import DIRECTORY, Wake
from folkmoot.store.watch import MANY, OVERLAP_SECONDS, Lately, names
from tests import postgres
from tests.harness import DATABASES, START, Clock
from tests.postgres_server import private_server

PATIENCE = 20  # seconds, for what must happen at once
NEVER = 10_000.0  # seconds between looks, where hints must do alone

Open = Callable[[Clock], Store]


def guid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def opener(database: str, place: Path | str) -> Open:
    if isinstance(place, Path):
        return lambda clock: SqliteStore(place, clock)
    return lambda clock: PostgresStore(place, clock)


@pytest.fixture(params=DATABASES)
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens one database as often as it is asked."""
    if request.param == "sqlite":
        migrate.upgrade(tmp_path / "folkmoot.db")
        yield opener("sqlite", tmp_path / "folkmoot.db")
    else:
        with postgres.fresh(postgres.template("schema", migrate.upgrade)) as url:
            yield opener("postgresql", url)


def begin(*groups: str) -> Callable[[Tx], None]:
    """A verb that begins the logs of groups, with one change each."""

    def verb(tx: Tx) -> None:
        for group in groups:
            changes.begin(tx, group)
            changes.record(tx, group, None, ("created", "group", group))

    return verb


def change(*groups: str) -> Callable[[Tx], None]:
    def verb(tx: Tx) -> None:
        for group in groups:
            tx.heads[group] = changes.head(tx, group)
            changes.record(tx, group, None, ("updated", "group", group))

    return verb


class Listener:
    """What a follower hears, and waits for."""

    def __init__(self) -> None:
        self.heard: set[str] = set()
        self.looks = 0
        self._news = asyncio.Event()

    def hears(self, groups: frozenset[str]) -> None:
        self.heard |= groups
        self._news.set()

    def looked(self, instant: float) -> None:
        self.looks += 1
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def listening(store: Store) -> AsyncIterator[Listener]:
    """A follower that has begun: what it hears from now on is new."""
    found = Listener()
    end = store.wake.listen(found.hears, found.looked)
    await found.until(lambda: found.looks > 0)
    found.heard.clear()
    yield found
    end()


def test_a_hint_reaches_another_process_at_once(opens: Open) -> None:
    async def run() -> None:
        with contextlib.closing(opens(Clock())) as one, contextlib.closing(opens(Clock())) as two:
            two.watch.look_seconds = NEVER
            await one.write(begin(guid(1)))
            async with listening(two) as listener:
                await one.write(change(guid(1)))
                await listener.until(lambda: listener.heard == {guid(1)})
                # More than one message can name, and then more than can be named.
                many = [guid(n) for n in range(2, MANY)]
                await one.write(begin(*many))
                await listener.until(lambda: listener.heard == {guid(1), *many})
                more = [guid(n) for n in range(MANY, 2 * MANY + 2)]
                await one.write(begin(*more))
                await listener.until(lambda: listener.heard >= set(more) and listener.looks > 1)

    asyncio.run(run())


def test_without_hints_it_looks(opens: Open) -> None:
    """As on PostgreSQL behind what does not let LISTEN through, and where a folder can hold no sockets."""

    async def run() -> None:
        with contextlib.closing(opens(Clock())) as one, contextlib.closing(opens(Clock())) as two:
            one.wake.others = None
            two.watch.look_seconds = 0.02
            await one.write(begin(guid(1), guid(2)))
            async with listening(two) as listener:
                await one.write(change(guid(2)))
                await listener.until(lambda: listener.heard == {guid(2)})
                heard, looks = set(listener.heard), listener.looks
                await listener.until(lambda: listener.looks > looks + 3)
                assert listener.heard == heard, "an idle log woke somebody"

    asyncio.run(run())


def test_a_look_finds_each_change_once_whatever_the_clocks_say(opens: Open) -> None:
    clock, other = Clock(), Clock(START - OVERLAP_SECONDS + 1)
    with contextlib.closing(opens(clock)) as store, contextlib.closing(opens(other)) as behind:
        store.write_here(begin(guid(1), guid(2), guid(3)))
        lately = Lately(START)

        def look() -> set[str]:
            return set(store.read_here(lately.look))

        assert look() == {guid(1), guid(2), guid(3), DIRECTORY}
        assert look() == set()
        # By a server whose clock is behind, and after its own has jumped back.
        behind.write_here(change(guid(2)))
        assert look() == {guid(2)}
        clock.advance(-3600)
        store.write_here(change(guid(3)))
        assert look() == {guid(3)}
        assert look() == set()
        # After a long time without a look.
        clock.advance(10_000)
        other.now = clock.now - 5_000
        behind.write_here(change(guid(1)))
        assert look() == {guid(1)}


def test_nobody_looks_when_nobody_listens(opens: Open) -> None:
    async def run() -> None:
        with contextlib.closing(opens(Clock())) as store:
            store.watch.look_seconds = 0.0
            async with listening(store):
                pass
            reads = 0
            read = store.read_here

            def counting(*given: object, **named: object) -> object:
                nonlocal reads
                reads += 1
                return read(*given, **named)  # type: ignore[arg-type]

            store.read_here = counting  # type: ignore[method-assign, assignment]
            await store.write(begin(guid(1)))
            async with listening(store) as listener:
                # The look that was under way was not counted.
                await listener.until(lambda: reads > 0)
            before = reads
            await store.write(change(guid(1)))
            # One that was under way when the listener left, at most.
            assert reads <= before + 1

    asyncio.run(run())


def test_hints_are_back_when_the_database_is() -> None:
    async def run(url: str) -> None:
        open_ = opener("postgresql", url)
        with contextlib.closing(open_(Clock())) as one, contextlib.closing(open_(Clock())) as two:
            two.watch.look_seconds = NEVER
            await one.write(begin(guid(1), guid(2)))
            async with listening(two) as listener:
                await asyncio.to_thread(server.crash)
                await asyncio.to_thread(server.start)
                # What the first write meets is the broken connection; it is sent again by who asked.
                with contextlib.suppress(Exception):
                    await one.write(change(guid(1)))
                await one.write(change(guid(1)))
                await listener.until(lambda: guid(1) in listener.heard)
                # It looks for what it missed meanwhile.
                await listener.until(lambda: listener.looks > 1)
                await one.write(change(guid(2)))
                await listener.until(lambda: guid(2) in listener.heard)

    with private_server(durable=False) as server:
        migrate.upgrade(server.url)
        asyncio.run(run(server.url))


def test_a_look_that_fails_is_not_the_last(opens: Open, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the database says: else nobody here would hear of other processes' changes until a restart."""

    async def run() -> None:
        with contextlib.closing(opens(Clock())) as one, contextlib.closing(opens(Clock())) as two:
            await one.write(begin(guid(1)))
            two.watch.look_seconds = 0.02
            read, failures = two.read_here, iter(range(2))

            def failing(*given: Any, **named: Any) -> Any:
                if next(failures, None) is not None:
                    raise sqlite3.OperationalError("disk I/O error")
                return read(*given, **named)

            async with listening(two) as listener:
                two.read_here = failing  # type: ignore[method-assign]
                looks = listener.looks
                await listener.until(lambda: listener.looks > looks + 1)
                await one.write(change(guid(1)))
                await listener.until(lambda: listener.heard == {guid(1)})
        assert "disk I/O error" in caplog.text

    asyncio.run(run())


def test_messages_are_short_enough() -> None:
    texts = names([guid(n) for n in range(500)], 7900)
    assert len(texts) == 3
    assert max(map(len, texts)) <= 7900
    assert sorted(",".join(texts).split(",")) == [guid(n) for n in range(500)]


def test_processes_that_were_killed_are_forgotten(tmp_path: Path) -> None:
    """On SQLite each process that listens has a socket beside the file, which stays there when it is killed."""
    file = tmp_path / "folkmoot.db"
    migrate.upgrade(file)
    hints = tmp_path / "folkmoot.db-hints"
    open_ = opener("sqlite", file)

    async def run() -> None:
        with contextlib.closing(open_(Clock())) as one, contextlib.closing(open_(Clock())) as two:
            two.watch.look_seconds = NEVER
            async with listening(two) as listener:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
                    left.bind(str(hints / "left"))
                assert len(list(hints.iterdir())) == 2
                await one.write(begin(guid(1)))
                await listener.until(lambda: listener.heard == {guid(1)})

    asyncio.run(run())
    assert list(hints.iterdir()) == []


# ── in one process ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_loop_hears_of_a_change_before_the_answer_and_a_listener_that_fails_takes_it_from_nobody() -> None:
    wake, said = Wake(), list[object]()
    troubles: list[object] = []

    def fails(_: frozenset[str]) -> None:
        raise ValueError("deaf")

    async def main() -> None:
        loop, answered = asyncio.get_running_loop(), asyncio.Event()
        loop.set_exception_handler(lambda _, trouble: troubles.append(trouble["exception"]))
        wake.listen(fails)
        end = wake.listen(said.append)
        await asyncio.to_thread(wake.told, {guid(1)}, {loop: answered.set})
        await asyncio.wait_for(answered.wait(), PATIENCE)
        assert said == [frozenset({guid(1)})]
        end()
        answered.clear()
        wake.told((), {loop: answered.set})
        await asyncio.wait_for(answered.wait(), PATIENCE)
        assert said == [frozenset({guid(1)})]

    asyncio.run(main())
    assert [repr(each) for each in troubles] == ["ValueError('deaf')"]


def test_an_answer_for_a_loop_that_is_closed_is_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    Wake().told((), {loop: lambda: None})
    assert "after its event loop had closed" in caplog.text


def test_a_write_is_answered_where_no_thread_can_be_had(
    opens: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first hint starts a thread. A limit of threads that is met then ends neither the writer nor the hints."""

    async def run() -> None:
        with contextlib.closing(opens(Clock())) as one, contextlib.closing(opens(Clock())) as two:
            two.watch.look_seconds = NEVER
            with monkeypatch.context() as patched:
                patched.setattr(threading.Thread, "start", no_more_threads)
                await one.write(begin(guid(1)))
                await one.write(begin(guid(2)))
            async with listening(two) as listener:
                await one.write(change(guid(1)))
                await listener.until(lambda: guid(1) in listener.heard)

    asyncio.run(run())
    assert "can't start new thread" in caplog.text


def no_more_threads(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
