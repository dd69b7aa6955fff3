"""`folkmoot database distribute`, against a stand-in for Citus (see `fake`, which says what that proves)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from folkmoot.cli import main
from folkmoot.store import migrate
from folkmoot.store.distribution import KINDS, TOGETHER_WITH
from tests import postgres
from tests.citus import fake


@pytest.fixture
def plain() -> Iterator[str]:
    """A database of this release without Citus."""
    with postgres.fresh(postgres.template("schema", migrate.upgrade)) as url:
        yield url


@pytest.fixture
def cluster(plain: str) -> str:
    """A database of this release that looks as if it had Citus."""
    fake.install(plain)
    return plain


def distribute(url: str, data: Path, *options: str) -> None:
    main(["database", "distribute", "--database", url, "--data", str(data), *options])


def keys(url: str) -> list[str]:
    """Every foreign key, as the database describes it."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE contype = 'f' ORDER BY 1"
        )
        return [row[0] for row in rows]


def test_each_table_is_placed_once_and_the_keys_stay(cluster: str, tmp_path: Path) -> None:
    before = keys(cluster)
    distribute(cluster, tmp_path)
    said = fake.said(cluster)
    assert sorted(each.split()[1] for each in said) == sorted(name for name, kind in KINDS.items() if kind != "local")
    kinds = [each.split()[0] for each in said]
    assert kinds == sorted(kinds, reverse=True)  # references first
    assert f"distributed posts group_id {TOGETHER_WITH}" in said
    assert "distributed endpoints - none" in said
    assert before
    assert keys(cluster) == before


def test_a_second_time_there_is_nothing_to_do(cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    distribute(cluster, tmp_path)
    said = fake.said(cluster)
    capsys.readouterr()
    distribute(cluster, tmp_path)
    assert capsys.readouterr().out == "Every table is where it belongs; there is nothing to do.\n"
    assert fake.said(cluster) == said


def test_a_dry_run_prints_what_would_be_said_and_says_nothing(
    cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    distribute(cluster, tmp_path, "--dry-run")
    assert fake.said(cluster) == []
    printed = capsys.readouterr().out
    with psycopg.connect(cluster, autocommit=True) as connection:
        connection.execute(printed.encode())
    assert "distributed posts group_id sequences" in fake.said(cluster)
    distribute(cluster, tmp_path)
    assert capsys.readouterr().out == "Every table is where it belongs; there is nothing to do.\n"


def test_what_a_later_release_adds_is_placed_beside_the_rest(cluster: str, tmp_path: Path) -> None:
    distribute(cluster, tmp_path)
    with psycopg.connect(cluster) as connection:
        connection.execute("DELETE FROM pg_dist_partition WHERE logicalrelid = 'attachments'::regclass")
        connection.execute("ALTER TABLE attachments DROP CONSTRAINT attachments_group_id_post_id_fkey")
        connection.execute("DELETE FROM said")
    distribute(cluster, tmp_path)
    assert fake.said(cluster) == ["distributed attachments group_id sequences"]
    assert any(key.startswith("attachments attachments_group_id_post_id_fkey") for key in keys(cluster))


def test_what_is_refused_halfway_changes_nothing(cluster: str, tmp_path: Path) -> None:
    before = keys(cluster)
    with psycopg.connect(cluster) as connection:
        connection.execute("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        connection.execute("CREATE TRIGGER t AFTER INSERT ON uploads FOR EACH ROW EXECUTE FUNCTION f()")
    with pytest.raises(SystemExit, match=r"Citus refused, and nothing was changed.*uploads.*triggers"):
        distribute(cluster, tmp_path)
    assert fake.said(cluster) == []
    assert keys(cluster) == before
    with psycopg.connect(cluster) as connection:
        connection.execute("DROP TRIGGER t ON uploads")
    distribute(cluster, tmp_path)
    assert keys(cluster) == before


def test_a_table_that_lies_elsewhere_is_named(cluster: str, tmp_path: Path) -> None:
    with psycopg.connect(cluster) as connection:
        connection.execute("SET citus.multi_shard_modify_mode = 'sequential'")
        connection.execute("SELECT create_reference_table('memberships')")
    with pytest.raises(SystemExit, match="'memberships' is distributed otherwise"):
        distribute(cluster, tmp_path)


def test_without_citus_or_its_nodes_it_says_so(plain: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="has no Citus"):
        distribute(plain, tmp_path)
    fake.install(plain)
    with psycopg.connect(plain) as connection:
        connection.execute("DELETE FROM pg_dist_node")
    with pytest.raises(SystemExit, match="no node to put rows on"):
        distribute(plain, tmp_path)


def test_neither_sqlite_nor_an_empty_database_can_be_distributed(fresh_database: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="SQLite"):
        main(["database", "distribute", "--data", str(tmp_path)])
    with pytest.raises(SystemExit, match="run `folkmoot migrate` first"):
        distribute(fresh_database, tmp_path)
