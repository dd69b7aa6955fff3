"""Bring a database to the schema of this release, by Alembic, which a start with nothing to do does not even load."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from folkmoot.observe import log
from folkmoot.refusals import Refusal

# The newest revision in `migrations/versions`; a test holds it to that.
HEAD = "0010"

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION = "SELECT version_num FROM alembic_version"


class SchemaTooNew(Refusal):
    """The database was made by a newer release of Folkmoot; install that release, or restore an older backup."""


def sqlite_url(path: Path) -> str:
    """SQLAlchemy's URL of a database file."""
    return f"sqlite:///{path}"


def postgres_url(url: str) -> str:
    """SQLAlchemy's URL of a PostgreSQL database, from libpq's (`postgresql://…`)."""
    return "postgresql+psycopg://" + url.partition("://")[2]


def current(database: Path | str) -> str | None:
    """The revision that a database is at; None for an empty one. `database`: a file, or libpq's URL."""
    if isinstance(database, Path):
        connection = sqlite3.connect(database)
        try:
            row = connection.execute(_VERSION).fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return None
        finally:
            connection.close()
        return row[0] if row else None
    import psycopg  # only where PostgreSQL is used: it is a tenth of the start

    with psycopg.connect(database) as link:
        try:
            found = link.execute(_VERSION).fetchone()
        except psycopg.errors.UndefinedTable:
            return None
    return found[0] if found else None


def upgrade(database: Path | str) -> None:
    """Apply the migrations that are missing. Raises `SchemaTooNew` for a database of a newer release."""
    at = current(database)
    if at == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError
    from sqlalchemy import create_engine, event, text

    if isinstance(database, Path):
        # The driver would begin no transaction before DDL, and half a migration could stay.
        engine = create_engine(sqlite_url(database), connect_args={"isolation_level": None, "timeout": 30})
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    else:
        engine = create_engine(postgres_url(database))
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    log.info("migrating the database from %s to %s", at or "empty", HEAD)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                # Two servers that start together take turns; the second finds nothing left to do.
                connection.execute(text("SELECT pg_advisory_xact_lock(7012658203)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        if "Can't locate revision" in str(error):
            raise SchemaTooNew from error
        raise
    finally:
        engine.dispose()
