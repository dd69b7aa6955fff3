"""PostgreSQL for the tests: one server for a whole run, started when first asked for, and a new database per test.

    with fresh() as url: ...                                an empty database
    with fresh(template("schema", migrate)) as url: ...     a copy of one that migrate(url) filled, once in the run
    def test_it(fresh_database: str): ...                   the first of these, as a fixture
    with private_server() as server: server.crash()         a server to break

`durable=True` uses a second server that flushes to the disk. Tests that cannot have PostgreSQL fail; none is skipped.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.postgres_server import RUN, NoPostgreSQL, Server, new_folder, private_server

__all__ = ["NoPostgreSQL", "Server", "fresh", "fresh_database", "postgres_url", "private_server", "template"]

GIVEN = "FOLKMOOT_TEST_POSTGRESQL"  # a server to use instead of our own


@functools.cache
def postgres_url(*, durable: bool = False) -> str:
    """The administrator's URL of the run's server, started if this is the first call in the run."""
    if given := os.environ.get(GIVEN):
        return given
    with socket.socket(socket.AF_UNIX) as keeper:
        keeper.settimeout(120)
        try:
            keeper.connect(str(_folder() / "keeper"))
            with keeper.makefile("rw") as line:
                line.write("durable\n" if durable else "quick\n")
                line.flush()
                answer = json.loads(line.readline())
        except (OSError, ValueError) as problem:
            raise NoPostgreSQL(f"The keeper of the tests' PostgreSQL does not answer: {problem!r}") from problem
    if "problem" in answer:
        raise NoPostgreSQL(answer["problem"])
    return str(answer["url"])


@contextlib.contextmanager
def fresh(template: str | None = None, *, durable: bool = False) -> Iterator[str]:
    """A new database, empty or a copy of the named one; yields its URL and drops it with whoever is connected."""
    name = f"{_prefix()}{uuid.uuid4().hex[:12]}"
    with _administrator(durable) as administrator:
        _create(administrator, name, template)
    try:
        yield _url(name, durable)
    finally:
        with _administrator(durable) as administrator:
            _drop(administrator, name)


_templates: set[tuple[str, bool]] = set()


def template(name: str, build: Callable[[str], None], *, durable: bool = False) -> str:
    """Name the database that build(url) fills once in the run; build must have closed its connections on return."""
    database = f"{_prefix()}template_{name}"
    if (name, durable) in _templates:
        return database
    with _administrator(durable) as administrator:
        administrator.execute("SELECT pg_advisory_lock(hashtext(%s))", [database])  # until this connection closes
        if administrator.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
            draft = f"{database}_draft"
            _drop(administrator, draft)
            _create(administrator, draft, None)
            build(_url(draft, durable))
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            administrator.execute(rename.format(sql.Identifier(draft), sql.Identifier(database)))
    _templates.add((name, durable))
    return database


@pytest.fixture
def fresh_database() -> Iterator[str]:
    """The URL of an empty PostgreSQL database that only this test has."""
    with fresh() as url:
        yield url


# --- the run


_keeper: subprocess.Popen[bytes] | None = None


def pytest_configure() -> None:
    """Begin a run: a folder and a keeper. Workers find both in the environment and leave them alone."""
    global _keeper
    if RUN in os.environ:
        return
    folder = new_folder()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / "keeper"))
        door.listen(128)
        program = str(Path(__file__).with_name("postgres_server.py"))
        _keeper = subprocess.Popen(
            [sys.executable, "-I", program, str(folder), str(door.fileno())],
            stdin=subprocess.PIPE,  # its end is the keeper's word to stop
            stdout=subprocess.DEVNULL,
            pass_fds=[door.fileno()],
            start_new_session=True,
        )
    os.environ[RUN] = str(folder)


def pytest_unconfigure() -> None:
    """End the run that this process began; return when nothing of it is left."""
    global _keeper
    if _keeper is None:
        return
    if GIVEN in os.environ:
        with contextlib.suppress(psycopg.OperationalError):  # not there: the tests that wanted it have said so
            _drop_all()
    assert _keeper.stdin is not None
    _keeper.stdin.close()
    try:
        _keeper.wait(timeout=60)
    except subprocess.TimeoutExpired:
        _keeper.kill()
        _keeper.wait()
    _keeper = None
    shutil.rmtree(os.environ.pop(RUN), ignore_errors=True)


# --- databases


def _folder() -> Path:
    if RUN not in os.environ:
        raise NoPostgreSQL("The run's PostgreSQL is pytest's; elsewhere use private_server().")
    return Path(os.environ[RUN])


def _prefix() -> str:
    return f"folkmoot_{_folder().name.removeprefix('folkmoot-')}_"


def _administrator(durable: bool) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(postgres_url(durable=durable), autocommit=True)


def _url(database: str, durable: bool) -> str:
    parts = re.fullmatch(r"(\w+://[^/?]*)(?:/[^?]*)?(\?.*)?", postgres_url(durable=durable))
    if parts is None:
        raise NoPostgreSQL(f"{GIVEN} must be a URL: postgresql://user@host:port/database")
    return f"{parts[1]}/{database}{parts[2] or ''}"


def _create(administrator: psycopg.Connection[tuple[object, ...]], name: str, template: str | None) -> None:
    # Copying files is faster than logging each page, where the log is not flushed either; before 15 it is the only way.
    by = sql.SQL("STRATEGY FILE_COPY" if administrator.info.server_version >= 150000 else "")
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} {}")
    administrator.execute(statement.format(sql.Identifier(name), sql.Identifier(template or "template0"), by))


def _drop(administrator: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    administrator.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _drop_all() -> None:
    """Leave nothing of this run on a server that is not ours: its templates, and what a killed worker left."""
    with _administrator(False) as administrator:
        names = administrator.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_prefix()])
        for (name,) in names.fetchall():
            _drop(administrator, str(name))
