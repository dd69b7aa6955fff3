"""`folkmoot backup` and `folkmoot restore`: everything there is, from either database into either, or nothing."""

from __future__ import annotations

import json
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, create_engine, func, inspect, select, text

from folkmoot import app, cli, config
from folkmoot.store import archive, integrity, migrate, restore
from folkmoot.store import schema as s
from folkmoot.store.db import Dialect, Statement, Store
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.sqlite import SqliteStore
from tests.harness import DATABASES, GROUP, START, Clock, Database, Graph, Place, Workshop, open_extension
from tests.postgres import fresh
from tests.protocol.followers import Follower
from tests.server import held_open

LARGE = bytes(n % 251 for n in range(2_500_000))
THREADS = f"/groups/{GROUP['SalesAndMarketing']}/threads"
EXTENDED = "folkmoot.profile=extended"


@pytest.fixture(autouse=True)
def ordinary_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "umask", lambda mask: mask)  # the tests' own files are nobody's secret


def filled(graph: Graph) -> Place:
    """Something of everything."""
    adele = graph.as_("AdeleV")
    place = adele.start("Räksmörgås", "Привет, мир: hello\u2028there", newParticipants=[])
    adele.reply(place, "<p>Shall <b>we</b>?</p>", categories=["a", "ü"])
    adele.attach(place, LARGE, name="large.bin")
    adele.extend(place, answer=42, more=["π", "x"])
    value = {"id": "Integer {6f6e6500-0000-0000-c000-000000000046} Name n", "value": "7"}
    adele.reply(place, "Three", singleValueExtendedProperties=[value], extensions=[open_extension("Com.Two", a=None)])
    assert adele.patch(place.thread_path(), {"isLocked": True}).status == 200
    graph.subscribed(adele.token)
    return place


def options(store: Store, data: Path) -> list[str]:
    """Those of the command line that name a store's database."""
    if isinstance(store, PostgresStore):
        return ["--data", str(data), "--database", store._url]
    assert isinstance(store, SqliteStore)
    return ["--data", str(store._path.parent)]


@contextmanager
def empty(database: Database, data: Path) -> Iterator[list[str]]:
    """The options for an empty database."""
    data.mkdir(exist_ok=True)
    if database == "sqlite":
        yield ["--data", str(data)]
    else:
        with fresh() as url:
            yield ["--data", str(data), "--database", url]


def opened(words: list[str]) -> Store:
    given = vars(cli._parser().parse_args(["migrate", *words]))
    return app.open_store(config.load({**given, "log_level": None}), Clock(START + 60))


def everything(store: Store) -> dict[str, list[Any]]:
    """Every row of every table; JSON as what it says, for the databases write it in different ways."""

    def rows(table: Table) -> list[Any]:
        if table is s.post_words:
            query = select(*list(table.columns)[:4]).order_by(table.c.group_id, table.c.post_id)
        else:
            query = select(table).order_by(*table.primary_key.columns)
        return [
            [read(value) for value in row] for row in store.read_here(lambda snapshot: snapshot.all(Statement(query)))
        ]

    def read(value: Any) -> Any:
        if isinstance(value, str) and value[:1] in ("[", "{"):
            return json.loads(value)
        return value

    return {table.name: rows(table) for table in s.meta.sorted_tables}


def refused(capture: pytest.CaptureFixture[str], *words: str) -> str:
    """The line with which a command refuses."""
    capture.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert capture.readouterr().out == ""
    return str(ended.value.code)


@contextmanager
def serving(workshop: Workshop, words: list[str]) -> Iterator[Graph]:
    """A server on what was restored."""
    store = opened(words)
    clock = store.clock
    assert isinstance(clock, Clock)
    # Where the log of each group begins, which the harness holds to be without gaps.
    first = Statement(select(s.changes.c.group_id, func.min(s.changes.c.seq)).group_by(s.changes.c.group_id))
    seen = {group: seq - 1 for group, seq in store.read_here(lambda snapshot: snapshot.all(first))}
    application = app.build(workshop.settings, store, clock)
    graph = Graph(store, clock, application, workshop.key, workshop.settings, workshop.loop, _seen=seen)
    try:
        yield graph
    finally:
        graph.close()


def test_everything_comes_back_in_the_other_database(graph: Graph, workshop: Workshop, tmp_path: Path) -> None:
    to: Database = "postgresql" if graph.database == "sqlite" else "sqlite"
    place = filled(graph)
    follower = Follower(graph.as_("AdeleV"), THREADS)
    follower.round()
    file = tmp_path / "b.zip"
    cli.main(["backup", str(file), *options(graph.store, tmp_path)])
    before = everything(graph.store)
    assert len(before["blobs"]) == 3
    assert file.stat().st_mode & 0o777 == 0o600
    with empty(to, tmp_path / "new") as words:
        cli.main(["restore", str(file), "--log-goes-on", *words])
        with closing(opened(words)) as store:
            assert everything(store) == before
        with serving(workshop, words) as again:
            adele = again.as_("AdeleV")
            found = adele.get(f"/groups/{place.group}/threads/{place.thread}/posts?$search=hello", Prefer=EXTENDED)
            assert found.ids == [place.post]
            follower.client = adele
            assert follower.round() == []
            large = adele.get(f"{place.post_path()}/attachments").value[0]["id"]
            assert adele.get(f"{place.post_path()}/attachments/{large}/$value").content == LARGE
            assert adele.patch(place.thread_path(), {"isLocked": False}).status == 200
            adele.reply(place, "Goes on")
            assert [each["id"] for each in follower.round()] == [place.thread]


def test_followers_begin_anew_after_a_restore_that_lost_something(
    graph: Graph, workshop: Workshop, tmp_path: Path
) -> None:
    place = filled(graph)
    graph.subscribed(graph.as_("AdeleV").token)
    cli.main(["backup", str(tmp_path / "b.zip"), *options(graph.store, tmp_path)])
    adele = graph.as_("AdeleV")
    adele.start("Lost")
    followers = [Follower(adele, path) for path in (THREADS, "/groups")]
    for each in followers:
        each.round()
    with empty("sqlite", tmp_path / "new") as words:
        cli.main(["restore", str(tmp_path / "b.zip"), *words])
        with serving(workshop, words) as again:
            adele = again.as_("AdeleV")
            for number in range(9):  # more than were lost: their numbers must not be given out again
                adele.start(f"Other {number}")
            assert adele.patch(f"/groups/{place.group}", {"description": "Other"}).status == 204
            for each in followers:
                each.client = adele
                assert each.ask().status == 410
                new = Follower(adele, each.path)
                new.round()
                assert new.round() == []
            missed = again.store.read_here(
                lambda snapshot: snapshot.all(Statement(select(s.subscriptions.c.missed_at)))
            )
            assert missed
            assert None not in [row[0] for row in missed]


def _damaged(file: Path, where: float) -> Path:
    """A copy with one byte changed at some part of the way."""
    content = bytearray(file.read_bytes())
    content[int(len(content) * where)] ^= 0x10
    other = file.with_name("damaged.zip")
    other.write_bytes(content)
    return other


def test_a_backup_that_is_not_whole_is_refused_before_anything_is_touched(
    graph: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(graph)
    file = tmp_path / "b.zip"
    cli.main(["backup", str(file), *options(graph.store, tmp_path)])
    cli.main(["backup", "--verify", str(file)])
    assert "3 posts" in capsys.readouterr().out
    with empty(graph.database, tmp_path / "new") as words:
        cut = tmp_path / "cut.zip"
        cut.write_bytes(file.read_bytes()[:-100])
        other = tmp_path / "other.zip"
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(other, "w") as new:  # whole as a ZIP, and not the same rows
            for name in old.namelist():
                new.writestr(name, old.read(name).replace(b"hello", b"jello"))
        for wrong in (cut, _damaged(file, 0.3), _damaged(file, 0.6), other):
            for command in (["backup", "--verify", str(wrong)], ["restore", str(wrong), *words]):
                said = refused(capsys, *command)
                assert str(wrong) in said
                assert "damaged" in said or "not whole" in said
        assert not restore.lost(words[3] if len(words) > 2 else tmp_path / "new" / "folkmoot.db")


def test_what_is_there_is_not_lost_unasked(graph: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(graph)
    file, here = tmp_path / "b.zip", options(graph.store, tmp_path)
    cli.main(["backup", str(file), *here])
    before = everything(graph.store)
    assert "is there already" in refused(capsys, "backup", str(file), *here)
    assert "3 posts" in refused(capsys, "restore", str(file), *here)
    # A server would go on with what is not there any more.
    assert "stop" in refused(capsys, "restore", str(file), "--replace", *here)
    assert everything(graph.store) == before
    assert "set domain" in refused(capsys, "restore", str(file), *here, *_with_domain(tmp_path, "other.example"))
    # The same in other letters is no other.
    same = _with_domain(tmp_path, "Contoso.OnMicrosoft.com")
    assert "3 posts" in refused(capsys, "restore", str(file), *here, *same)


def test_a_group_that_lost_its_log_gets_one(graph: Graph, tmp_path: Path) -> None:
    filled(graph)
    here = options(graph.store, tmp_path)
    group = GROUP["SalesAndMarketing"]
    lose = Statement(s.sequences.delete().where(s.sequences.c.group_id == group))
    graph.store.write_here(lambda tx: tx.run(lose))
    assert [each.says for each in integrity.of_group(graph.store, group)[1] if "has no log" in each.says]
    cli.main(["backup", str(tmp_path / "b.zip"), *here])
    for more in ([], ["--log-goes-on"]):
        with empty(graph.database, tmp_path / f"new{len(more)}") as words:
            cli.main(["restore", str(tmp_path / "b.zip"), *more, *words])
            with closing(opened(words)) as store:
                assert integrity.of_group(store, group)[1] == []


def _overwritten(file: Path, page: int, count: int = 1) -> None:
    with file.open("r+b") as opened:
        opened.seek((page - 1) * 4096)
        opened.write(b"\xa5" * 4096 * count)


def _shortened(file: Path) -> None:
    os.truncate(file, 100_000)


def _headless(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(bytes(100))


def _without_posts(file: Path) -> None:
    with closing(sqlite3.connect(file)) as opened:
        pages = opened.execute("SELECT rootpage FROM sqlite_schema WHERE tbl_name = 'posts'").fetchall()
    for (page,) in pages:
        _overwritten(file, page)


@pytest.mark.parametrize(
    "damage",
    [_shortened, _headless, _without_posts, lambda file: _overwritten(file, 1)],
    ids=["short", "headless", "posts", "page 1"],
)
@pytest.mark.parametrize("graph", ["sqlite"], indirect=True)
def test_a_damaged_file_is_replaced(
    graph: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    filled(graph)
    good, data = tmp_path / "good.zip", tmp_path / "new"
    cli.main(["backup", str(good), *options(graph.store, tmp_path)])
    with empty("sqlite", data) as words:
        cli.main(["restore", str(good), "--log-goes-on", *words])
        with closing(opened(words)) as store:  # from now on with a log
            before = everything(store)
        database = data / "folkmoot.db"
        with held_open(database):
            damage(database)
            damaged = database.read_bytes()
            assert "stop it first" in refused(capsys, "restore", str(good), "--replace", *words)
            said = refused(capsys, "restore", str(good), *words)
            assert "cannot be read" in said
            assert "--replace" in said
            assert database.read_bytes() == damaged
        # What a server leaves that was killed, of which the new file must hear nothing.
        (data / "folkmoot.db-wal").write_bytes(b"of another")
        cli.main(["restore", str(good), "--replace", "--log-goes-on", *words])
        assert "it is damaged" in capsys.readouterr().out
        assert not (data / "folkmoot.db-wal").exists()
        with closing(opened(words)) as store:
            assert everything(store) == before


def _with_domain(folder: Path, domain: str) -> list[str]:
    settings = folder / "settings.toml"
    settings.write_text(f'domain = "{domain}"')
    return ["--config", str(settings)]


def test_a_restore_that_fails_leaves_what_was_there(
    graph: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(graph)
    good, wrong = tmp_path / "good.zip", tmp_path / "wrong.zip"
    cli.main(["backup", str(good), *options(graph.store, tmp_path)])
    _without(good, wrong, "threads")  # posts are there, and what they belong to is not
    newer = tmp_path / "newer.zip"
    _without(good, newer, "", revision="9999")
    with empty(graph.database, tmp_path / "new") as words:
        cli.main(["restore", str(good), *words])
        with closing(opened(words)) as store:
            before = everything(store)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(["restore", str(wrong), "--replace", *words])
        assert "threads" in str(ended.value.code)
        assert "3 posts" in capsys.readouterr().out  # it names what would have been lost
        assert "newer release" in refused(capsys, "restore", str(newer), *_elsewhere(tmp_path))
        with closing(opened(words)) as store:
            assert everything(store) == before
        cli.main(["restore", str(good), "--replace", *words])
        left = {path.name for path in (tmp_path / "new").iterdir()}
        assert left <= {f"folkmoot.db{end}" for end in ("", "-wal", "-shm", "-next", "-turn")}


def test_one_restore_at_a_time_loads_into_a_directory(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first to end would make the database of what the second has loaded by then."""
    graph = workshop.graph("sqlite")
    filled(graph)
    file = tmp_path / "b.zip"
    cli.main(["backup", str(file), *options(graph.store, tmp_path)])
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".folkmoot.db.restoring").write_bytes(b"of one that was killed")
    words = ["restore", str(file), "--data", str(tmp_path / "new")]
    end = restore._end_leases

    def meanwhile(connection: Any) -> None:
        monkeypatch.setattr(restore, "_end_leases", end)
        capsys.readouterr()
        assert "Another restore" in refused(capsys, *words)
        end(connection)

    monkeypatch.setattr(restore, "_end_leases", meanwhile)
    cli.main([*words, "--log-goes-on"])
    with closing(opened(words[2:])) as store:
        assert everything(store) == everything(graph.store)


def _elsewhere(folder: Path) -> list[str]:
    return ["--data", str(folder / "elsewhere")]


def _without(good: Path, to: Path, table: str, **changed: Any) -> None:
    """A whole backup that has no rows of a table, or says something else of itself."""
    with good.open("rb") as file, to.open("wb") as other:
        old, new = archive.Archive(file, "good"), archive.ArchiveWriter(other)
        for each in old.manifest.tables:
            for _ in new.table(each.name, each.columns, [] if each.name == table else old.rows(each)):
                pass
        tables = {"tables": tuple(new.tables), "files": (), **changed}
        fields = {name: getattr(old.manifest, name) for name in old.manifest.__struct_fields__}
        new.finish(archive.Manifest(**{**fields, **tables}))


def test_a_backup_that_is_interrupted_leaves_no_file(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(graph)

    def interrupted(*_: Any) -> Iterator[Any]:
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr(
        f"folkmoot.store.backup.{'_FrozenFile' if graph.database == 'sqlite' else '_FrozenServer'}.rows", interrupted
    )
    with pytest.raises(SystemExit):
        cli.main(["backup", str(tmp_path / "b.zip"), *options(graph.store, tmp_path / "data")])
    assert not list(tmp_path.glob("*b.zip*"))


def test_two_that_write_the_same_backup_at_once_do_no_harm_to_one_another(
    graph: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a timer and somebody at a terminal do; the first that is done has the name."""
    filled(graph)
    (tmp_path / "backups").mkdir()
    words = ["backup", str(tmp_path / "backups" / "b.zip"), *options(graph.store, tmp_path)]
    finish = archive.ArchiveWriter.finish

    def outrun(writer: archive.ArchiveWriter, manifest: archive.Manifest) -> None:
        monkeypatch.setattr(archive.ArchiveWriter, "finish", finish)
        cli.main(words)
        capsys.readouterr()
        finish(writer, manifest)

    monkeypatch.setattr(archive.ArchiveWriter, "finish", outrun)
    assert "b.zip is there already" in refused(capsys, *words)
    cli.main(["backup", "--verify", words[1]])
    assert [each.name for each in (tmp_path / "backups").iterdir()] == ["b.zip"]


def test_the_keys_come_back_and_none_is_replaced_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for data in (first, second):
        cli.main(["token", "--data", str(data)])  # makes a key
    cli.main(["migrate", "--data", str(first)])
    mine, theirs = ((data / "issuer-key.pem").read_bytes() for data in (second, first))
    file, bare = tmp_path / "b.zip", tmp_path / "bare.zip"
    cli.main(["backup", str(file), "--data", str(first)])
    cli.main(["backup", "--without-keys", str(bare), "--data", str(first)])
    assert not [name for name in zipfile.ZipFile(bare).namelist() if name.startswith("files/")]
    capsys.readouterr()
    cli.main(["restore", str(file), "--data", str(second)])
    assert "issuer-key.pem stays" in capsys.readouterr().out
    assert (second / "issuer-key.pem").read_bytes() == mine
    cli.main(["restore", str(file), "--replace", "--data", str(second)])
    assert (second / "issuer-key.pem").read_bytes() == theirs
    assert (second / "issuer-key.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("database", DATABASES)
def test_a_database_in_which_there_is_nothing_but_the_schema_is_empty(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "b.zip"
    with empty(database, tmp_path / "old") as words:
        cli.main(["app", "add", "Reader", *words])
        cli.main(["backup", str(file), *words])
    with empty(database, tmp_path / "new") as words:
        with closing(opened(words)) as server:
            assert server.read_here(lambda snapshot: snapshot.instant)
            assert "stop" in refused(capsys, "restore", str(file), *words)
        cli.main(["restore", str(file), *words])
        capsys.readouterr()
        cli.main(["app", "list", *words])
        assert "Reader" in capsys.readouterr().out
        # Of an application no number is told.
        assert "it has rows of other tables." in refused(capsys, "restore", str(file), *words)
        cli.main(["restore", str(file), "--replace", *words])
        assert "rows of other tables are lost" in capsys.readouterr().out


def test_a_restore_may_take_longer_than_the_limits_of_its_role(
    tmp_path: Path, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two of its statements, while words are found, and in one of them, while an index is made."""
    limits = ("idle_in_transaction_session_timeout", "statement_timeout")
    options = "%20".join(f"-c{name}%3D1min" for name in limits)
    words = [
        "--data",
        str(tmp_path),
        "--database",
        f"{fresh_database}{'&' if '?' in fresh_database else '?'}options={options}",
    ]
    file = tmp_path / "b.zip"
    cli.main(["migrate", *words])
    cli.main(["backup", str(file), *words])
    found: list[str] = []
    finding = restore._words

    def watched(connection: Connection, dialect: Dialect) -> restore.Progress:
        found.extend(connection.execute(text(f"SHOW {name}")).scalar_one() for name in limits)
        return finding(connection, dialect)

    monkeypatch.setattr(restore, "_words", watched)
    cli.main(["restore", str(file), *words])
    assert found == ["0", "0"]


@pytest.mark.parametrize("database", DATABASES)
def test_an_older_backup_is_brought_up_to_this_release(database: Database, tmp_path: Path) -> None:
    """Of before there were words: they are made when it is restored."""
    group, post = GROUP["HR"], "0195a000-0000-7000-8000-000000000001"
    with empty(database, tmp_path / "old") as words:
        file = migrate.sqlite_url(tmp_path / "old" / "folkmoot.db")
        engine = migrate.postgres_engine(words[3]) if len(words) > 2 else create_engine(file)
        with engine.begin() as connection:
            restore._to_revision(connection, "0005")
            assert "post_words" not in inspect(connection).get_table_names()
            for name in ("conversations", "threads", "posts"):
                _insert_something(connection, name, group, post)
        engine.dispose()
        cli.main(["backup", str(tmp_path / "b.zip"), *words])
    with empty(database, tmp_path / "new") as words:
        cli.main(["restore", str(tmp_path / "b.zip"), *words])
        with closing(opened(words)) as store:
            found = everything(store)
    assert found["post_words"] == [[group, post, post, post]]
    assert found["posts"][0][1] == post


def _insert_something(connection: Any, name: str, group: str, id: str) -> None:
    """A row of `name` as its table is now: ids where those belong, lists, times, no flags, and words elsewhere."""
    row: dict[str, Any] = {}
    for column in inspect(connection).get_columns(name):
        kind = str(column["type"])
        if column["name"] == "group_id":
            row[column["name"]] = group
        elif column["name"] in ("id", "thread_id", "conversation_id"):
            row[column["name"]] = id
        elif not column["nullable"]:
            row[column["name"]] = {"BOOLEAN": False, "BIGINT": 1, "JSONB": "[]"}.get(kind, "[]")
    names, places = ", ".join(row), ", ".join(f":{each}" for each in row)
    connection.execute(text(f"INSERT INTO {name} ({names}) VALUES ({places})"), row)  # noqa: S608  (our own)
