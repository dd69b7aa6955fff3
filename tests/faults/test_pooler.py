"""Behind PgBouncer in transaction mode, where no session belongs to anybody: a crowd posts, reads and is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import bindparam, text

from folkmoot.store import migrate
from folkmoot.store.db import Statement
from folkmoot.store.postgres import PostgresStore
from folkmoot.store.postgres_access import Access
from tests import postgres, server
from tests.faults.clients import CLIENTS, Crowd, Memory, running, tokens
from tests.faults.truth import check
from tests.postgres_server import new_folder
from tests.unit.test_store import PATIENCE, add, guid, numbers

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
SHOW = Statement(text("SELECT current_setting(:name)").bindparams(bindparam("name")))

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed (it is no Python package)")


@contextlib.contextmanager
def pooler(url: str) -> Iterator[str]:
    """A PgBouncer before the database, with two connections for everybody; yields the URL that leads through it."""
    parts = conninfo_to_dict(url)
    folder, port = new_folder(), server.free_port()
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={parts['host']} port={parts.get('port') or 5432}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = 2\n"
        "max_client_conn = 200\n"
    )
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:  # it refuses to run as root
        account = pwd.getpwnam("nobody")
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    for file in folder.iterdir():
        file.chmod(0o644)
    with (folder / "log").open("wb") as log:
        assert PGBOUNCER is not None
        process = subprocess.Popen(
            [PGBOUNCER, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, cwd=folder, **identity
        )
    try:
        found = f"postgresql://postgres@127.0.0.1:{port}/{parts['dbname']}"
        deadline = time.monotonic() + PATIENCE
        while not answers(found):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
        yield found
    finally:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(folder)


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, prepare_threshold=None).close()
    except psycopg.OperationalError:
        return False
    return True


def test_no_session_is_relied_on(caplog: pytest.LogCaptureFixture) -> None:
    with postgres.fresh(postgres.template("schema", migrate.upgrade)) as url, pooler(url) as through:
        access = Access(pooled=True, statement_seconds=7)

        async def much(store: PostgresStore) -> None:
            for _ in range(5):  # more than after how many the driver would prepare a statement
                await asyncio.gather(
                    *(store.read(numbers, quick=quick) for _ in range(8) for quick in (False, True)),
                    *(store.write(add(next(count)), key=guid(n)) for n in range(16)),
                )

        count = iter(range(1, 1000))
        with contextlib.closing(PostgresStore(through, time.time, access)) as store:
            asyncio.run(much(store))
            assert store.read_here(numbers) == [*range(1, 81)]
            names = ("statement_timeout", "synchronous_commit")
            found = store.write_here(lambda tx: [tx.one(SHOW, name=name) for name in names])
            assert found == [("7s",), ("on",)]
            assert store.read_here(lambda tx: tx.one(SHOW, name="statement_timeout")) == ("7s",)
        # Nothing stays in the sessions, which are everybody's.
        with psycopg.connect(through, prepare_threshold=None) as link:
            assert link.execute("SHOW statement_timeout").fetchone() == ("0",)
            assert link.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
        # Whoever forgets to say that there is a pooler is told.
        with contextlib.closing(PostgresStore(through, time.time)) as store:
            store.read_here(numbers)
        assert "set database_pooled" in caplog.text


def test_commands_leave_nothing_behind(tmp_path: Path) -> None:
    """Nor do they tell somebody to set what is set."""
    with postgres.fresh(postgres.template("schema", migrate.upgrade)) as url, pooler(url) as through:
        command = [sys.executable, "-m", "folkmoot"]
        where = ["--data", str(tmp_path), "--database", through]
        env = {**os.environ, "FOLKMOOT_DATABASE_POOLED": "true"}
        for words in (["backup", str(tmp_path / "b.zip")], ["doctor"]):
            done = subprocess.run([*command, *words, *where], env=env, check=False, capture_output=True, text=True)
            assert "set database_pooled" not in done.stderr
            with psycopg.connect(through, prepare_threshold=None) as link:
                assert link.execute("SHOW statement_timeout").fetchone() == ("0",)
        assert (tmp_path / "b.zip").exists()


def test_a_server_runs_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started, migrated and used through it; migrations and hints go past it."""
    with postgres.fresh() as url, pooler(url) as through:
        monkeypatch.setenv("FOLKMOOT_DATABASE_POOLED", "true")
        monkeypatch.setenv("FOLKMOOT_DATABASE_DIRECT", url)
        memory = Memory()
        with running(tmp_path / "data", through) as served:
            with Crowd(served.port, tokens(served.data), memory, "Pooled"):
                memory.wait_for_more(8 * CLIENTS)
            assert memory.others == []
        check(tmp_path / "data", url, memory)
