"""Migrations beside servers that run: what they wait for, what they leave behind, and who may still start."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from folkmoot import cli
from folkmoot.store import migrate, search
from folkmoot.store.migrations import online
from tests import postgres
from tests.unit.test_store import Place, execute, new_place, nothing  # noqa: F401  (a fixture)

BEFORE = "0009"
words_in_order = import_module("folkmoot.store.migrations.versions.0013_in_order")
SOURCE = Path(__file__).parents[2]
PATIENCE = 120


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with new_place("postgresql", tmp_path) as found:
        yield str(found)


# ── who may still start ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_newer_database_that_was_only_added_to_is_used_as_it_is(nothing: Place) -> None:  # noqa: F811
    migrate.upgrade(nothing)
    execute(nothing, "UPDATE alembic_version SET version_num = '9999'")
    migrate.upgrade(nothing)
    assert migrate.standing(nothing) == ("9999", "0013" if isinstance(nothing, Path) else "0009")
    assert migrate.standing(nothing).complete


def test_hosts_with_ports_of_their_own_are_tried_in_turn(url: str, tmp_path: Path) -> None:
    """`…@db1:5432,db2:5432/…`, which SQLAlchemy cannot read: migrated, backed up and restored."""
    found = conninfo_to_dict(url)
    host, port = quote(str(found["host"]), safe=""), found.get("port", "5432")
    several = f"postgresql://{found['user']}@{host}:1,{host}:{port}/{found['dbname']}"
    given = ["--data", str(tmp_path), "--database", several]
    file = str(tmp_path / "whole.zip")
    for command in (["migrate"], ["backup", file], ["restore", "--replace", file]):
        cli.main([*command, *given])
    assert migrate.standing(url).complete


def test_the_release_before_runs_on_this_schema(tmp_path: Path) -> None:
    """Its code, out of the history: a day in a group, on a database that this release has migrated."""
    code = the_release_before(tmp_path)
    with new_place("postgresql", tmp_path) as place:
        script = Path(__file__).with_name("a_day.py")
        done = subprocess.run(
            [sys.executable, str(script), str(code / "src"), str(tmp_path / "data"), str(place)],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["0009", "201", "202", "201", "200", "2", "204", "404"]


def test_the_release_before_refuses_a_file_of_this_schema(tmp_path: Path) -> None:
    """One server at a time has it, and what the one before writes for searches would be in no table."""
    code = the_release_before(tmp_path)
    with new_place("sqlite", tmp_path) as place:
        start = f"import pathlib; from folkmoot.store import migrate; migrate.upgrade(pathlib.Path({str(place)!r}))"
        done = subprocess.run(
            [sys.executable, "-c", start],
            env={"PYTHONPATH": str(code / "src")},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert "SchemaTooNew: The database was made by a newer release of Folkmoot" in done.stderr
        assert done.returncode == 1


def test_a_file_that_somebody_has_open_is_not_migrated(tmp_path: Path) -> None:
    """The server of the release before could not go on working on it."""
    place = tmp_path / "folkmoot.db"
    migrate.upgrade(place, to="0012")
    with contextlib.closing(sqlite3.connect(place)) as file:
        file.execute("PRAGMA journal_mode = WAL")
    server = (
        "import sqlite3, sys; file = sqlite3.connect(sys.argv[1]); file.execute('SELECT 1 FROM groups').fetchall(); "
        "print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", server, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(migrate.FileInUse):
            migrate.upgrade(place)
        assert migrate.current(place) == "0012"
        other.communicate("\n")
    migrate.upgrade(place)
    assert migrate.current(place) == migrate.HEAD


def the_release_before(folder: Path) -> Path:
    """Where its source is unpacked."""
    code = folder / "before"
    archive = its_archive()
    code.mkdir()
    subprocess.run(["tar", "-x", "-C", str(code)], input=archive, check=True)
    assert f'HEAD = "{BEFORE}"' in (code / "src/folkmoot/store/migrate.py").read_text()
    return code


def its_archive() -> bytes:
    """The source as it was before the newest migration, as a tar archive."""

    def git(*arguments: str) -> bytes:
        return subprocess.run(["git", "-C", str(SOURCE), *arguments], capture_output=True, check=True).stdout

    following = next((SOURCE / "src/folkmoot/store/migrations/versions").glob(f"{int(BEFORE) + 1:04}_*.py"))
    try:
        added = git("log", "--format=%H", "--diff-filter=A", "-1", "--", str(following)).decode().strip()
        return git("archive", f"{added}^", "src")
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("the history of this checkout does not reach back to the release before")


def test_words_come_into_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are there already, whichever release has written them, with a word for those that have attachments."""
    place = tmp_path / "folkmoot.db"
    migrate.upgrade(place, to="0012")
    conversations = [f"019a0000-000{number}-7000-8000-000000000000" for number in (3, 1, 2, 1)]
    with contextlib.closing(sqlite3.connect(place)) as file, file:
        needed = [row[1] for row in file.execute("PRAGMA table_info(posts)") if row[3]]
        for number, id in enumerate(conversations):
            post = {"group_id": "g", "id": f"post 00000{number}", "has_attachments": number % 2, "version": number}
            marks = ", ".join("?" * len(needed))
            file.execute(
                f"INSERT INTO posts ({', '.join(needed)}) VALUES ({marks})",  # noqa: S608
                [post.get(name, "") for name in needed],
            )
            file.execute(
                "INSERT INTO post_words (group_id, conversation_id, thread_id, post_id, words) VALUES (?, ?, ?, ?, ?)",
                ("g", id, id, post["id"], f"walrus{number}"),
            )
    monkeypatch.setattr(words_in_order, "_BATCH", 3)
    migrate.upgrade(place)
    with contextlib.closing(sqlite3.connect(place)) as file:
        found = file.execute("SELECT conversation_id, rowid, post_id, words FROM post_words ORDER BY rowid").fetchall()
        matches = file.execute("SELECT post_id FROM post_words WHERE words MATCH 'walrus3'").fetchall()
    assert [row[0] for row in found] == sorted(conversations, reverse=True)
    assert [search.moment(row[1]).first for row in found] == [search.first(row[0]) for row in found]
    assert [row[2:] for row in found] == [
        ("post 000000", "walrus0"),
        ("post 000002", "walrus2"),
        ("post 000003", "walrus3 †a"),
        ("post 000001", "walrus1 †a"),
    ]
    assert matches == [("post 000003",)]


# ── locks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_migration_does_not_wait_long_for_a_lock_and_comes_again(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.05)
    migrate.upgrade(fresh_database, to=BEFORE)
    with psycopg.connect(fresh_database) as other:
        other.execute("LOCK TABLE alembic_version IN SHARE MODE")
        with pytest.raises(migrate.DatabaseInUse):
            migrate.upgrade(fresh_database, patience=0.3)
        assert migrate.current(fresh_database) == BEFORE
        waiting = threading.Thread(target=migrate.upgrade, args=(fresh_database,))
        waiting.start()
        while not other.execute(  # it stands in the queue
            "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'alembic_version'::regclass"
        ).fetchone():
            assert waiting.is_alive()
        other.rollback()
    waiting.join(PATIENCE)
    assert migrate.current(fresh_database) == migrate.HEAD


def test_a_stricter_default_isolation_does_not_hold_a_migration_up(fresh_database: str) -> None:
    """Indexes are made beside all who keep a snapshot, and so beside the connection that keeps the turn."""
    with psycopg.connect(fresh_database, autocommit=True) as owner:
        set_default = sql.SQL("ALTER DATABASE {} SET default_transaction_isolation = 'repeatable read'")
        owner.execute(set_default.format(sql.Identifier(owner.info.dbname)))
        migrating = threading.Thread(target=migrate.upgrade, args=(fresh_database,), daemon=True)
        migrating.start()
        migrating.join(PATIENCE)
        assert not migrating.is_alive()
    assert migrate.current(fresh_database) == migrate.HEAD


def test_a_database_that_keeps_no_utf_8_is_refused_by_its_name(fresh_database: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(fresh_database)["dbname"]
    with psycopg.connect(postgres.postgres_url(), autocommit=True) as administrator:
        administrator.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(str(name))))
        make = sql.SQL("CREATE DATABASE {} ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
        administrator.execute(make.format(sql.Identifier(str(name))))
    with pytest.raises(migrate.WrongEncoding, match="encoding is SQL_ASCII, and Folkmoot needs UTF8"):
        migrate.upgrade(fresh_database)
    assert migrate.current(fresh_database) is None


def test_an_index_is_made_beside_a_writer(url: str) -> None:
    """A writer in the midst of a transaction on another table goes on writing to this one; what failed is made anew."""
    engine = migrate.postgres_engine(url)
    with contextlib.closing(psycopg.connect(url, autocommit=True)) as writer:
        insert = "INSERT INTO endpoints (url, failures) VALUES (%s, 0)"
        writer.execute(insert, ("https://a.example",))
        writer.execute(insert, ("https://b.example",))
        with pytest.raises(psycopg.errors.UniqueViolation):
            writer.execute("CREATE UNIQUE INDEX CONCURRENTLY endpoints_failures_idx ON endpoints (failures)")
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
            with context.begin_transaction(_per_migration=True), Operations.context(context):
                for _ in range(2):  # cut short, and begun anew
                    online.create_index("endpoints_failures_idx", "endpoints", ["failures"])
                writer.execute(insert, ("https://c.example",))
        found = writer.execute(
            "SELECT indisvalid, indisunique FROM pg_index WHERE indexrelid = 'endpoints_failures_idx'::regclass"
        ).fetchone()
    engine.dispose()
    assert found == (True, False)


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str]:
    """The exit status or last words of the command, and what it printed."""
    try:
        cli.main(["migrate", *arguments])
    except SystemExit as end:
        return end.code, capsys.readouterr().out
    return 0, capsys.readouterr().out


def test_check_tells_what_is_missing_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, data = tmp_path / "folkmoot.db", ("--data", str(tmp_path))
    words, _ = said(capsys, "--check", *data)
    assert ("empty" in str(words), file.exists()) == (True, False)
    migrate.upgrade(file, to=BEFORE)
    words, _ = said(capsys, "--check", *data)
    assert (BEFORE in str(words), migrate.HEAD in str(words)) == (True, True)
    assert migrate.current(file) == BEFORE
    assert said(capsys, *data)[0] == 0
    assert said(capsys, "--check", *data)[0] == 0
    execute(file, "UPDATE alembic_version SET version_num = '9999'")
    status, text = said(capsys, "--check", *data)
    assert (status, "this one works with it" in text) == (0, True)
