"""`/healthz` and `/readyz`: whether the process lives, and whether it should be sent requests."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from folkmoot import app, observe, readiness
from folkmoot.config import Settings
from folkmoot.refusals import Busy
from folkmoot.store import migrate
from folkmoot.store.sqlite import SqliteStore
from tests.harness import Graph
from tests.postgres import postgres_url


def asked(graph: Graph, path: bytes = b"/readyz") -> tuple[int, str]:
    answer = graph.send_raw("GET", path)
    assert answer.headers["cache-control"] == "no-store"
    return answer.status, answer.text.strip()


def test_a_server_that_can_answer_is_ready_and_asks_for_no_token(graph: Graph) -> None:
    assert asked(graph) == (200, "ready")
    assert asked(graph, b"/healthz") == (200, "ok")


@pytest.mark.parametrize("path", [b"/", b"/healthz", b"/readyz", b"/metrics"])
def test_what_is_only_looked_at_takes_no_other_method(any_graph: Graph, path: bytes) -> None:
    for method in ("DELETE", "PUT", "POST", "PATCH", "TRACE", "OPTIONS", "BREW"):
        answer = any_graph.send_raw(method, path)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD"), method
    for method in ("GET", "HEAD"):
        assert any_graph.send_raw(method, path).status == 200, method


def test_a_server_that_stops_is_not_ready_and_lives(any_graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "draining", True)
    assert asked(any_graph) == (503, "draining")
    assert asked(any_graph, b"/healthz") == (200, "ok")
    assert any_graph.as_("AdeleV").get("/me").status == 200  # who is there already is served


def test_an_older_schema_is_not_ready_and_a_newer_one_is(any_graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "HEAD", "9999")
    assert asked(any_graph) == (503, "schema")
    monkeypatch.setattr(migrate, "HEAD", "0001")
    assert asked(any_graph) == (200, "ready")


def test_without_its_writer_it_is_not_ready(tmp_path: Path) -> None:
    store = app.open_store(Settings(data=str(tmp_path)))
    assert asyncio.run(readiness.why_not(store)) is None
    store.close()
    assert asyncio.run(readiness.why_not(store)) == "writer"
    # What nobody would ever write is refused rather than left without an answer.
    with pytest.raises(Busy):
        store.write_here(lambda tx: None)


def test_a_database_that_does_not_answer_is_not_waited_for(any_graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    async def never(*_: Any, **__: Any) -> None:
        nonlocal looks
        looks += 1
        await asyncio.Event().wait()

    assert isinstance(any_graph.store, SqliteStore)
    monkeypatch.setattr(any_graph.store, "read", never)
    monkeypatch.setattr(readiness, "WITHIN_SECONDS", 0.1)

    async def together() -> list[int]:
        statuses: list[int] = []

        async def send(message: dict[str, Any]) -> None:
            if "status" in message:
                statuses.append(message["status"])

        scope = {"type": "http", "method": "GET", "path": "/readyz", "headers": []}
        await asyncio.gather(*(any_graph.application(dict(scope), None, send) for _ in range(20)))
        return statuses

    assert any_graph.loop.run(together()) == [503] * 20
    assert looks == 1  # whoever asks: the database meets one question at a time


def test_it_is_ready_again_as_soon_as_postgresql_is_back(fresh_database: str) -> None:
    migrate.upgrade(fresh_database)
    name = conninfo_to_dict(fresh_database)["dbname"]
    with (
        psycopg.connect(postgres_url(), autocommit=True) as administrator,
        closing(app.open_store(Settings(database=fresh_database))) as store,
        asyncio.Runner() as runner,
    ):
        assert runner.run(readiness.why_not(store)) is None
        administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        assert runner.run(readiness.why_not(store)) == "database"
        administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        assert runner.run(readiness.why_not(store)) is None
