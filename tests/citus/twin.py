"""The twin: the schema on plain PostgreSQL, with each table that Citus would have in parts in eight partitions.

It refuses by itself what Citus refuses of keys, and its planner says which partitions a statement would look into.
"""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

from folkmoot.store import indexes, migrate, schema  # noqa: F401  (the indexes complete the schema)
from folkmoot.store.distribution import COLUMN, KINDS
from tests import postgres

PARTS = 8
WANTED = "FOLKMOOT_TEST_TWIN"  # every database that is brought to the schema becomes a twin
SPLIT = tuple(name for name, kind in KINDS.items() if kind == "group")


def split(url: str) -> None:
    """Put the tables of a database that was just migrated in parts. They are empty, and become so."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT FROM pg_class WHERE relname = %s AND relkind = 'p'", [SPLIT[0]])
        if found.fetchone() is not None:
            return
        for statement in ddl():
            connection.execute(statement.encode())


def ddl() -> list[str]:
    """What makes a twin of the schema."""
    described, dialect = MetaData(naming_convention=schema.meta.naming_convention), postgresql.dialect()  # type: ignore[no-untyped-call]
    tables = [table.to_metadata(described) for table in schema.meta.sorted_tables]
    said = [f"DROP TABLE {', '.join(SPLIT)} CASCADE"]
    for table in tables:
        if table.name not in SPLIT:
            continue
        keys = list(table.foreign_key_constraints)
        table.dialect_options["postgresql"]["partition_by"] = f"HASH ({COLUMN})"
        said.append(str(CreateTable(table, include_foreign_key_constraints=[]).compile(dialect=dialect)))
        said += (
            f"CREATE TABLE {table.name}_{part} PARTITION OF {table.name} "
            f"FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {part})"
            for part in range(PARTS)
        )
        said += (str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
        said += (str(AddConstraint(key, isolate_from_table=False).compile(dialect=dialect)) for key in keys)
    return said


def wanted() -> bool:
    """Whether the run's databases are twins."""
    return os.environ.get(WANTED, "") not in ("", "0")


def everywhere() -> None:
    """Let every PostgreSQL database that this process brings to the schema be a twin."""
    upgrade = migrate.upgrade

    def upgrading(database: Path | str) -> None:
        upgrade(database)
        if isinstance(database, str):
            split(database)

    setattr(migrate, "upgrade", upgrading)  # noqa: B010  (a function is replaced)


def template() -> str:
    """The name of a database that is a twin and empty."""

    def build(url: str) -> None:
        migrate.upgrade(url)
        split(url)

    return postgres.template("twin", build)
