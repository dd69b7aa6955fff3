"""No room left, or nobody's turn: writes are refused and say so, nothing acknowledged is lost, and all goes on after.

Files are kept from growing by a limit on their size (RLIMIT_FSIZE), which any user may set for a process of their own:
writes then fail where they do on a full disk, when the log or a table has to grow.
"""

from __future__ import annotations

import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from folkmoot import app, lab
from folkmoot.config import Settings
from folkmoot.store import integrity, migrate
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.sqlite import SqliteStore, SqliteWriter
from tests.faults.clients import PATIENCE
from tests.harness import GROUP, Clock, Graph, Workshop, file_attachment
from tests.postgres_server import private_server

# Above a segment of PostgreSQL's own log: when that cannot grow it ends itself, as on a disk that is full to the last.
_ABOVE_A_SEGMENT = 17 * 1024 * 1024
_PATH = f"/groups/{GROUP['SalesAndMarketing']}/conversations"


@contextmanager
def limited(size: int) -> Iterator[None]:
    """Let no file of this process, and of those that it starts meanwhile, grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def post(graph: Graph, number: int, size: int = 2_000) -> Any:
    """Start a conversation with a file."""
    first = {"body": {"content": f"Post {number}"}, "attachments": [file_attachment(bytes(size))]}
    return graph.as_("AdeleV").post(_PATH, {"topic": "Full", "threads": [{"posts": [first]}]})


def until_refused(graph: Graph, size: int = 2_000) -> tuple[Any, int]:
    """Post until it is refused: the refusal, and how many were not."""
    for number in range(60):
        answer = post(graph, number, size)
        if answer.status != 201:
            return answer, number
    raise AssertionError("everything found room")


def whole(graph: Graph, posts: int) -> None:
    """What is stored is so many posts, all of them whole."""
    found = [integrity.of_group(graph.store, group) for group in integrity.every_group(graph.store)]
    assert [wrong for _, each in found for wrong in each] == []
    assert sum(count for count, _ in found) == posts
    assert len(graph.as_("AdeleV").everything(_PATH)) == posts


def test_sqlite_without_room_for_a_page(workshop: Workshop) -> None:
    graph = workshop.graph("sqlite")
    assert isinstance(graph.store, SqliteStore)
    writer = graph.store.writers[0]
    assert isinstance(writer, SqliteWriter)
    # Pages that earlier tests left free would be room, too.
    writer._connection.execute("VACUUM")
    pages = writer._connection.execute("PRAGMA page_count").fetchone()[0]
    writer._connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    try:
        refused, count = until_refused(graph)
        assert refused.refusal == (507, "quotaLimitReached")
        whole(graph, count)
    finally:
        writer._connection.execute("PRAGMA max_page_count = 4294967294")
    assert post(graph, 99).status == 201
    whole(graph, count + 1)


def test_sqlite_when_its_log_cannot_grow(workshop: Workshop) -> None:
    graph = workshop.graph("sqlite")
    assert isinstance(graph.store, SqliteStore)
    log = graph.store._path.with_name("folkmoot.db-wal")
    writer = graph.store.writers[0]
    assert isinstance(writer, SqliteWriter)
    # What the log was long before is room as well.
    writer._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    total = 0
    for grows in (0, 50_000, 70_001):  # none, and to the middle of a page
        with limited(log.stat().st_size + grows):
            refused, count = until_refused(graph)
            assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
            total += count
            whole(graph, total)
        assert post(graph, 99).status == 201
        total += 1
        whole(graph, total)


def test_postgresql_without_room(workshop: Workshop) -> None:
    with private_server() as server:
        server.stop()
        with limited(_ABOVE_A_SEGMENT):
            server.start()
        migrate.upgrade(server.url)
        store = PostgresStore(server.url, Clock())
        workshop.loop.run(lab.seed(store, Settings()))
        application = app.build(workshop.settings, store, Clock())
        graph = Graph(store, Clock(), application, workshop.key, workshop.settings, workshop.loop)
        try:
            refused, count = until_refused(graph, 1_048_576)
            assert refused.refusal == (507, "quotaLimitReached")
            whole(graph, count)
            server.stop()
            server.start()
            # Writers may find only now that their connections broke, and say that one should come again.
            answers = [post(graph, 99, 1_048_576) for _ in range(3)]
            assert {answer.status for answer in answers} <= {201, 503}
            assert answers[-1].status == 201
            whole(graph, count + sum(answer.status == 201 for answer in answers))
        finally:
            graph.close()


def test_a_long_lock_of_another_process(graph: Graph) -> None:
    """On SQLite who waits too long is told to come again; PostgreSQL's row locks are waited for."""
    if isinstance(graph.store, PostgresStore):
        with psycopg.connect(graph.store._url) as other:
            other.execute("SELECT seq FROM sequences FOR UPDATE")
            answers: list[Any] = []
            waiting = threading.Thread(target=lambda: answers.append(post(graph, 0)), daemon=True)
            waiting.start()
            with psycopg.connect(graph.store._url, autocommit=True) as looking:
                _until_waiting(looking)
            assert not answers
            other.rollback()
            waiting.join(PATIENCE)
        assert [answer.status for answer in answers] == [201]
        whole(graph, 1)
        return
    assert isinstance(graph.store, SqliteStore)
    writer = graph.store.writers[0]
    assert isinstance(writer, SqliteWriter)
    writer._connection.execute("PRAGMA busy_timeout = 50")
    try:
        with closing(sqlite3.connect(graph.store._path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = post(graph, 0)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            whole(graph, 0)  # reads go on
            other.execute("ROLLBACK")
        assert post(graph, 1).status == 201
        whole(graph, 1)
    finally:
        writer._connection.execute("PRAGMA busy_timeout = 10000")


def _until_waiting(connection: psycopg.Connection[Any]) -> None:
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    for _ in range(10_000):
        row = connection.execute(waits).fetchone()
        if row is not None and row[0]:
            return
    raise AssertionError("nobody waits")


def test_the_limit_is_one(tmp_path: Path) -> None:
    """The tests above mean something: a file that must not grow does not."""
    with limited(1_000), (tmp_path / "file").open("wb", buffering=0) as file:
        assert file.write(bytes(2_000)) == 1_000
