"""Bring a database to the schema of this release, by Alembic, which a start with nothing to do does not even load.

Servers of the release before go on working meanwhile and afterwards: each migration says in `works_from` the oldest
revision whose code works with what it makes, and in `works_from_on` where that is another on one of the databases; the
database keeps it (`schema_compatibility`). A start refuses a newer database only where that is newer than itself.
"""

from __future__ import annotations

import fcntl
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from folkmoot.observe import log
from folkmoot.ownership import share
from folkmoot.refusals import Refusal

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Connection, Engine

# The newest revision in `migrations/versions`; a test holds it to that. Revisions have four digits and go up.
HEAD = "0013"

# Seconds. A migration that waits for a table holds up all who come after it in the queue for that table, so it waits
# only a moment, steps back and comes again; for all that it has this patience.
LOCK_SECONDS = 2.0
PATIENCE = 120.0

# What may take long between two statements or in one, whatever limits the role has (PostgreSQL).
UNLIMITED = ("SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0")

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION = "SELECT version_num FROM alembic_version"
_WORKS_FROM = "SELECT works_from FROM schema_compatibility"
# Any number that nobody else takes an advisory lock by.
_TURN = 7012658203
# The bytes of a database file that are locked by who reads it; they are there or not.
_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510


class SchemaTooNew(Refusal):
    """The database was made by a newer release of Folkmoot; install that release, or restore an older backup."""


class DatabaseInUse(Refusal):
    """Others held locks in the database for too long; nothing was changed by the last step. Try again."""


class FileInUse(Refusal):
    """Another process has the database file open, and could not go on working on it; stop the server first."""


class WrongEncoding(Refusal):
    """The database does not keep text as UTF-8."""


class Standing(NamedTuple):
    """Where a database stands: its revision, None for an empty one, and the oldest revision whose code works on it."""

    revision: str | None
    works_from: str | None

    @property
    def complete(self) -> bool:
        """Whether this release runs on it as it is."""
        newer = self.revision is not None and self.revision > HEAD
        return self.revision == HEAD or (newer and self.works_from is not None and self.works_from <= HEAD)


def sqlite_url(path: Path) -> str:
    """SQLAlchemy's URL of a database file."""
    return f"sqlite:///{path}"


def postgres_engine(url: str) -> Engine:
    """SQLAlchemy's engine of a PostgreSQL database, by libpq's URL (`postgresql://…`).

    That is libpq's to read: SQLAlchemy understands parts of it otherwise, and refuses several hosts with ports.
    """
    from sqlalchemy import create_engine

    return create_engine("postgresql+psycopg://", creator=lambda: primary(url))


def primary(url: str, **options: Any) -> psycopg.Connection[Any]:
    """A connection to that host of libpq's URL which takes writes; a standby among them would only refuse."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    wanted = {} if "target_session_attrs" in conninfo_to_dict(url) else {"target_session_attrs": "read-write"}
    # A pooler keeps no statements between transactions.
    connection = psycopg.connect(make_conninfo(url, **wanted), prepare_threshold=None, **options)
    # At a stricter one, which a database may have as its default, whoever has a turn would keep the snapshot for which
    # CREATE INDEX CONCURRENTLY waits, and servers that go on would make a migration fail.
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    return connection


def current(database: Path | str) -> str | None:
    """The revision that a database is at; None for an empty one. `database`: a file, or libpq's URL."""
    return standing(database).revision


def standing(database: Path | str) -> Standing:
    """Where a database stands. `database`: a file, or libpq's URL."""
    if isinstance(database, Path):
        with closing(sqlite3.connect(database)) as file:
            return Standing(_sqlite_value(file, _VERSION), _sqlite_value(file, _WORKS_FROM))
    import psycopg  # only where PostgreSQL is used: it is a tenth of the start

    # A pooler keeps no statements between transactions.
    with psycopg.connect(database, autocommit=True, prepare_threshold=None) as link:
        found = []
        for question in (_VERSION, _WORKS_FROM):
            try:
                row = link.execute(question.encode()).fetchone()
            except psycopg.errors.UndefinedTable:
                row = None
            found.append(row[0] if row else None)
    return Standing(*found)


def _sqlite_value(file: sqlite3.Connection, question: str) -> str | None:
    try:
        row = file.execute(question).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return None
    return str(row[0]) if row else None


def upgrade(database: Path | str, patience: float = PATIENCE, to: str = HEAD) -> None:
    """Apply the migrations that are missing, each whole or not at all.

    `patience`: for how many seconds it waits for locks that others hold (PostgreSQL). `to`: an older revision, where
    that of this release is not wanted yet; this release runs on its own only. Raises `SchemaTooNew` for a
    database that this release cannot use, `DatabaseInUse` when the locks are still held then, `FileInUse` where
    somebody else has an older file open.
    """
    at = standing(database)
    if at.complete:
        if at.revision != HEAD:
            log.info("the database is of a newer release (%s), which this one works with", at.revision)
        return
    if at.revision is not None and at.revision > HEAD:
        raise SchemaTooNew
    if isinstance(database, Path) and at.revision is not None and open_elsewhere(database):
        # On SQLite a migration may move what the release before knows elsewhere.
        raise FileInUse
    log.info("migrating the database from %s to %s", at.revision or "empty", to)
    if isinstance(database, Path):
        if at.revision is None:
            share(database)
        _upgrade_sqlite(database, to)
    else:
        _upgrade_postgresql(database, to, time.monotonic() + patience)


def open_elsewhere(database: Path) -> bool:
    """Whether another process has a database file open, which need not be whole for that. Raises `OSError`.

    A connection in WAL mode keeps a shared lock on these bytes for as long as it is open
    (https://sqlite.org/src/file/src/os_unix.c). No connection of this process may be open: closing the file
    takes its locks away (fcntl(2)).
    """
    with database.open("rb+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        except (BlockingIOError, PermissionError):
            return True
    return False


def sqlite_engine(file: Path) -> Engine:
    """SQLAlchemy's engine of a database file, whose transactions hold DDL as well."""
    from sqlalchemy import create_engine, event

    # The driver would begin no transaction before DDL, and half a migration could stay.
    engine = create_engine(sqlite_url(file), connect_args={"isolation_level": None, "timeout": 30})
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _upgrade_sqlite(file: Path, to: str) -> None:
    engine = sqlite_engine(file)
    try:
        with engine.begin() as connection:
            run(connection, to)
    finally:
        engine.dispose()


def _upgrade_postgresql(url: str, to: str, deadline: float) -> None:
    from psycopg import errors
    from sqlalchemy import event, text
    from sqlalchemy.exc import DBAPIError

    engine = postgres_engine(url)
    settings = (f"SET LOCAL lock_timeout = {int(LOCK_SECONDS * 1000)}", *UNLIMITED)

    def begun(connection: Any) -> None:
        # Not where each statement is by itself: an index that is made beside the writers waits for them by its nature.
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            for setting in settings:
                connection.execute(text(setting))

    event.listen(engine, "begin", begun)
    try:
        with _turn(url, deadline):
            for wait in _waits():
                try:
                    with engine.connect() as connection:
                        run(connection, to)
                    return
                except DBAPIError as error:
                    if not isinstance(error.orig, (errors.LockNotAvailable, errors.DeadlockDetected)):
                        raise
                    if time.monotonic() + wait > deadline:
                        raise DatabaseInUse from error
                    log.info("others use what is to be migrated; trying again")
                    time.sleep(wait)
    finally:
        engine.dispose()


@contextmanager
def _turn(url: str, deadline: float) -> Iterator[None]:
    """Servers that start together take turns; the second finds nothing left to do.

    The lock is that of a transaction, since a pooler keeps no session. It is asked for again and again rather than
    waited for: whoever waits has a snapshot, and CREATE INDEX CONCURRENTLY waits for all who have one.
    """
    with primary(url) as link:
        # A cluster made without a locale makes such databases, and the driver gives bytes for their text.
        encoding = link.info.parameter_status("server_encoding")
        if encoding not in (None, "UTF8"):
            raise WrongEncoding(
                f"The database's encoding is {encoding}, and Folkmoot needs UTF8; make it anew: "
                "createdb --encoding UTF8 --template template0 …"
            )
        link.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        for wait in _waits():
            # Without parameters: the driver would leave open what it asked with them, and that keeps its snapshot.
            row = link.execute(f"SELECT pg_try_advisory_xact_lock({_TURN})".encode()).fetchone()
            if row is not None and row[0]:
                break
            if time.monotonic() + wait > deadline:
                raise DatabaseInUse("Another server migrates the database and does not end; try again.")
            time.sleep(wait)
        yield
        link.rollback()


def _waits() -> Iterator[float]:
    """Seconds between one try and the next: longer each time up to a second, and never the same for two servers."""
    wait = 0.05
    while True:
        yield wait * random.uniform(0.5, 1.5)  # noqa: S311  (only spreads those who wait)
        wait = min(2 * wait, 1.0)


def run(connection: Connection, to: str, *, whole: bool = False) -> None:
    """Migrate up to a revision: each migration in a transaction of its own, or `whole`, in the connection's."""
    from alembic import command
    from alembic.config import Config

    from folkmoot.store.migrations.online import WHOLE

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    config.attributes[WHOLE] = whole
    command.upgrade(config, to)
