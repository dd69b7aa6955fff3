"""`folkmoot doctor` finds what is broken, each in its own words, and says so when nothing is."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from folkmoot import cli
from folkmoot.store import migrate
from folkmoot.store.db import Statement
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.sqlite import SqliteStore
from tests.harness import GROUP, PERSON, Graph
from tests.server import held_open

WORKS_FROM = Statement(text("SELECT works_from FROM schema_compatibility"))
_OTHER_WORDS = "UPDATE {rows} SET post_id = {sales} WHERE post_id IN (SELECT id FROM posts WHERE content = 'Last')"

# (the rule that it breaks, what it says, how it is broken)
BROKEN = (
    ("threads", "has no posts", "DELETE FROM posts WHERE content = 'Alone'"),
    ("threads", "has no threads", "DELETE FROM threads WHERE topic = 'Alone'"),
    ("delivered", "was last delivered to at", "UPDATE threads SET last_delivered_at = 5 WHERE topic = 'Launch'"),
    ("delivered", "conversation", "UPDATE conversations SET last_delivered_at = 5 WHERE topic = 'Launch'"),
    ("previews", "preview of none", "UPDATE posts SET content = 'Other' WHERE content = 'Last'"),
    ("previews", "newest threads", "UPDATE conversations SET preview = 'Other' WHERE topic = 'Launch'"),
    ("senders", "Adele Vance", "UPDATE threads SET unique_senders = '[]' WHERE topic = 'Launch'"),
    ("senders", "no list of names", "UPDATE threads SET unique_senders = '5' WHERE topic = 'Launch'"),
    ("senders", "its thread", "UPDATE conversations SET unique_senders = '[\"Nobody\"]' WHERE topic = 'Launch'"),
    ("senders", "conversation", "UPDATE conversations SET unique_senders = '{{}}' WHERE topic = 'Launch'"),
    ("attachments", "post", "UPDATE posts SET has_attachments = true WHERE content = 'Alone'"),
    ("attachments", "thread", "UPDATE threads SET has_attachments = false WHERE topic = 'Launch'"),
    ("attachments", "conversation", "UPDATE conversations SET has_attachments = false WHERE topic = 'Launch'"),
    ("content", "should have 1500000 bytes and has 1048576", "DELETE FROM blobs WHERE at > 0"),
    ("content", "has a hole", "UPDATE blobs SET at = at + 1 WHERE at > 0"),
    ("content", "belongs to no attachment", "DELETE FROM attachments WHERE name = 'large.bin'"),
    ("log", "there is a gap", "DELETE FROM changes WHERE seq = 2 AND group_id = {sales}"),
    ("log", "is said to be", "UPDATE sequences SET seq = seq + 1 WHERE group_id = {sales}"),
    ("log", "not given out yet", "UPDATE posts SET version = 1000000 WHERE content = 'Last'"),
    ("log", "has no log", "DELETE FROM sequences WHERE group_id = {sales}"),
    ("log", "directory's log has", "DELETE FROM directory_changes WHERE seq = 2"),
    ("log", "directory's last change", "UPDATE directory_sequence SET seq = seq + 1"),
    ("words", "not found by $search", "DELETE FROM post_words"),
    ("words", "which is not there", _OTHER_WORDS),
    ("members", "`my groups` lacks it", "DELETE FROM object_groups WHERE object_id = {adele} AND role = 'owner'"),
    ("members", "the group lacks it", "DELETE FROM memberships WHERE object_id = {adele} AND role = 'owner'"),
    ("clock", "in the future", "UPDATE sequences SET changed_at = 8589934592 WHERE group_id = {sales}"),
)  # fmt: skip


# What only SQLite keeps: its index of words, and text that is no JSON where that belongs.
BROKEN_ON_SQLITE = (
    ("no list of names", "UPDATE threads SET unique_senders = 'not json' WHERE topic = 'Launch'"),
    (
        "looks for post",
        "UPDATE indexed_posts SET number = number + 2097152 "
        "WHERE post_id IN (SELECT id FROM posts WHERE content = 'Last')",
    ),
    ("not found by $search", "UPDATE post_words SET words = replace(words, ' †a ', ' ')"),
    ("not found by $search", "UPDATE post_words SET words = words || ' †a' WHERE words NOT LIKE '%†a%'"),
)


@pytest.fixture
def asked(
    graph: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, list[Any]]]:
    """Runs the command on a database with a bit of everything: its exit status, and what it says."""
    monkeypatch.setattr(os, "umask", lambda mask: mask)
    adele = graph.as_("AdeleV")
    place = adele.start("Launch", "First")
    adele.attach(place, bytes(1_500_000), name="large.bin")
    adele.reply(place, "Last")
    adele.start("Alone", "Alone")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    words = ["--data", str(data)]
    if isinstance(graph.store, PostgresStore):
        words += ["--database", graph.store._url]

    def ask(*more: str) -> tuple[int, list[Any]]:
        if isinstance(graph.store, SqliteStore):
            # Of a copy, for what looks whether a file is open must not be in a process that has it open.
            file = data / "folkmoot.db"
            with closing(sqlite3.connect(graph.store._path)) as there, closing(sqlite3.connect(file)) as copy:
                there.backup(copy)
            for each in data.glob("folkmoot.db*"):
                each.chmod(0o600)
        capsys.readouterr()
        status = 0
        try:
            cli.main(["doctor", "--json", *words, *more])
        except SystemExit as ended:
            status = int(ended.code or 0)
        said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        # The tests' own PostgreSQL is fast and lossy, which it rightly finds wrong.
        lossy = [each for each in said if each["check"] == "postgresql" and "fsync" in each["says"]]
        if lossy and not [each for each in said if each["state"] == "wrong" and each not in lossy]:
            status = 0
        return status, [each for each in said if each not in lossy]

    return ask


def broken(graph: Graph, statement: str) -> None:
    rows = "indexed_posts" if graph.database == "sqlite" else "post_words"
    statement = statement.format(sales=f"'{GROUP['SalesAndMarketing']}'", adele=f"'{PERSON['AdeleV']}'", rows=rows)
    if isinstance(graph.store, PostgresStore):
        with psycopg.connect(graph.store._url) as link:
            link.execute(statement.encode())
        return
    assert isinstance(graph.store, SqliteStore)
    with closing(sqlite3.connect(graph.store._path)) as file, file:
        if statement.startswith("DELETE FROM posts"):
            file.execute("PRAGMA foreign_keys = ON")
        file.execute(statement)


def test_nothing_is_found_where_nothing_is_wrong(graph: Graph, asked: Callable[..., tuple[int, list[Any]]]) -> None:
    status, said = asked()
    assert [each for each in said if each["state"] not in ("ok", "skipped")] == []
    assert status == 0
    assert "3 posts in 6 groups were looked at" in said[-1]["says"]
    assert {rule for rule, *_ in BROKEN} <= {each["check"] for each in said if each["state"] == "ok"}
    assert asked("--quick")[1][-1]["state"] == "skipped"


@pytest.mark.parametrize(("rule", "says", "statement"), BROKEN, ids=lambda text: text[:40])
def test_what_is_broken_is_found(
    graph: Graph, asked: Callable[..., tuple[int, list[Any]]], rule: str, says: str, statement: str
) -> None:
    broken(graph, statement)
    status, said = asked()
    found = [each for each in said if each["check"] == rule and each["state"] in ("wrong", "warning")]
    assert [each for each in found if says in each["says"] and each["advice"]], said
    assert status == (1 if found[0]["state"] == "wrong" else 0)
    assert rule not in {each["check"] for each in said if each["state"] == "ok"} or rule == "content"


@pytest.mark.parametrize("graph", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("says", "statement"), BROKEN_ON_SQLITE)
def test_what_only_sqlite_can_have_wrong_is_found(
    graph: Graph, asked: Callable[..., tuple[int, list[Any]]], says: str, statement: str
) -> None:
    broken(graph, statement)
    status, said = asked()
    rule = "senders" if "names" in says else "words"
    assert {each["check"] for each in said if each["state"] == "wrong" and says in each["says"]} == {rule}
    assert said[-1]["check"] == "content"
    assert status == 1


@pytest.mark.parametrize("graph", ["sqlite"], indirect=True)
def test_what_cannot_be_opened_is_said_and_the_rest_skipped(
    graph: Graph, asked: Callable[..., tuple[int, list[Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Any) -> Any:
        raise PermissionError(13, "Permission denied", "folkmoot.db-hints")

    monkeypatch.setattr("folkmoot.commands.operating.opened", refused)
    status, said = asked()
    assert status == 1
    assert [(each["state"], each["check"]) for each in said[-3:]] == [
        ("wrong", "database"),
        ("skipped", "clock"),
        ("skipped", "content"),
    ]
    assert said[-3]["says"] == "it cannot be looked at: folkmoot.db-hints: Permission denied"
    assert said[-3]["advice"]


@pytest.fixture
def schema_back(graph: Graph) -> Iterator[None]:
    """The database is emptied for the test after this one, and not made anew: its schema is what it was."""
    [works_from] = graph.store.read_here(lambda snapshot: snapshot.one(WORKS_FROM)) or ("",)
    yield
    broken(graph, f"UPDATE alembic_version SET version_num = '{migrate.HEAD}'")  # noqa: S608
    broken(graph, f"UPDATE schema_compatibility SET works_from = '{works_from}'")  # noqa: S608


@pytest.mark.usefixtures("schema_back")
def test_a_newer_schema_that_this_release_works_with_is_not_wrong(
    graph: Graph, asked: Callable[..., tuple[int, list[Any]]]
) -> None:
    broken(graph, "UPDATE alembic_version SET version_num = '9999'")
    status, said = asked()
    assert [each["says"] for each in said if each["check"] == "database"] == [
        "revision 9999, of a newer release; this one works with it"
    ]
    assert status == 0
    assert said[-1]["check"] == "content"
    broken(graph, "UPDATE schema_compatibility SET works_from = '9998'")
    status, said = asked()
    assert "newer release than this" in said[-1]["says"]
    assert status == 1


@pytest.mark.parametrize("graph", ["sqlite"], indirect=True)
def test_the_index_of_words_is_looked_at_unless_a_server_runs(
    tmp_path: Path, asked: Callable[..., tuple[int, list[Any]]]
) -> None:
    database = tmp_path / "data" / "folkmoot.db"

    def state() -> Any:
        return next(each["state"] for each in asked()[1] if each["check"] == "index")

    running = database.with_name("running.json")
    running.write_text("{}")  # of a server that was killed
    running.chmod(0o600)
    assert state() == "ok"
    running.unlink()
    with held_open(database):
        assert state() == "skipped"
    assert state() == "ok"


def test_what_is_wrong_around_the_database_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"

    def says(*more: str) -> str:
        with pytest.raises(SystemExit) as ended:
            cli.main(["doctor", "--data", str(data), *more])
        assert ended.value.code == 1
        return capsys.readouterr().out

    assert "there is no directory" in says()
    cli.main(["token", "--data", str(data)])
    assert f"there is no {data / 'folkmoot.db'}" in says()
    (data / "folkmoot.db").write_text("Dear diary, " * 1000)
    assert "file is not a database" in says()
    (data / "folkmoot.db").unlink()
    cli.main(["migrate", "--data", str(data)])
    (data / ".folkmoot.db.restoring").touch()
    cli.main(["doctor", "--data", str(data)])
    printed = capsys.readouterr().out
    assert "left" in printed
    assert printed.endswith("Nothing is wrong; there are warnings.\n")
    (data / "issuer-key.pem").chmod(0o644)
    assert "chmod" in says()
    (data / "issuer-key.pem").chmod(0o600)
    # A page of the file is not what it was.
    size = (data / "folkmoot.db").stat().st_size
    with (data / "folkmoot.db").open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * 4096)
    printed = says()
    assert "Restore the last backup" in printed
    assert "\nskipped  content" in printed
    assert "cannot be read" in says("--database", "postgresql://nobody@127.0.0.1:1/nothing")
