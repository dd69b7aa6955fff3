"""The migrations end at exactly the schema that the code describes, on both databases."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlalchemy.engine import Engine

from folkmoot.store import indexes, migrate, schema  # noqa: F401  (the indexes complete the schema)
from tests.postgres import fresh

SCRIPTS = Path(migrate.__file__).with_name("migrations")


def test_the_code_knows_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]


def described(engine: Engine) -> dict[str, Any]:
    """What a database says of itself: tables with columns, keys and indexes, all by name."""
    inspector = inspect(engine)
    names = [name for name in inspector.get_table_names() if name != "alembic_version"]
    return {
        name: {
            "columns": sorted(
                [
                    (column["name"], str(column["type"]), getattr(column["type"], "collation", None))
                    for column in inspector.get_columns(name)
                ]
            ),
            "the rest of columns": {
                column["name"]: (column["nullable"], column["default"], column.get("identity"))
                for column in inspector.get_columns(name)
            },
            "primary key": inspector.get_pk_constraint(name),
            "foreign keys": sorted(inspector.get_foreign_keys(name), key=lambda key: str(key["name"])),
            # As texts: the condition of an index over some rows is an object, equal to none but itself.
            "indexes": {
                index["name"]: {part: str(value) for part, value in index.items() if part != "dialect_options"}
                | {option: str(value) for option, value in index.get("dialect_options", {}).items()}
                for index in inspector.get_indexes(name)
            },
            "unique": inspector.get_unique_constraints(name),
            "checks": inspector.get_check_constraints(name),
        }
        for name in sorted(names)
    }


def agree(first: Engine, second: Engine) -> None:
    """Compare what the migrations made in the first with what the schema makes in the second."""
    try:
        schema.meta.create_all(second)
        found, expected = described(first), described(second)
    finally:
        first.dispose()
        second.dispose()
    # A virtual table keeps its data in tables of its own, and what it is an index of in one of ours.
    shadows = {"indexed_posts", *(f"post_words_{part}" for part in ("config", "data", "idx"))}
    assert set(expected) - shadows == set(schema.meta.tables)
    assert found == expected


# Of indexes that hold an expression SQLAlchemy sees nothing on SQLite; their texts are compared below.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_sqlite(tmp_path: Path) -> None:
    migrated, created = tmp_path / "migrated.db", tmp_path / "created.db"
    migrate.upgrade(migrated)
    assert migrate.current(migrated) == migrate.HEAD
    agree(migrate.sqlite_engine(migrated), migrate.sqlite_engine(created))
    assert expressions(migrated) == expressions(created) != []


def expressions(file: Path) -> list[Any]:
    """The indexes of a database file that hold an expression."""
    with closing(sqlite3.connect(file)) as connection:
        asked = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '%(%(%' ORDER BY name"
        return connection.execute(asked).fetchall()


def test_postgresql() -> None:
    with fresh() as migrated, fresh() as created:
        migrate.upgrade(migrated)
        assert migrate.current(migrated) == migrate.HEAD
        agree(migrate.postgres_engine(migrated), migrate.postgres_engine(created))


# The same facts, led by the object; and what is a subscriber's, and names a group or none.
NOT_OF_A_GROUP = {"object_groups", "subscriptions", "deliveries"}
# Words: each row's say which group it is in. What changed lately, where a subscription is, and in which lists somebody
# is who is being deleted, is asked of all groups.
ACROSS_GROUPS = {
    *("post_words_words_idx", "sequences_changed_at_idx"),
    *("subscription_cursors_subscription_idx", "senders_object_idx"),
}


@pytest.mark.parametrize("table", schema.meta.sorted_tables, ids=lambda table: table.name)
def test_group_id_leads(table: Any) -> None:
    """What belongs to a group is keyed by the group first: the privacy boundary, and the column to shard by."""
    if "group_id" not in table.c or table.name in NOT_OF_A_GROUP:
        return
    assert table.primary_key.columns.keys()[0] == "group_id"
    assert not table.c.group_id.nullable
    for key in table.foreign_key_constraints:
        assert next(iter(key.columns.keys())) == "group_id"
        assert key.elements[0].column.name == "group_id"
    for index in table.indexes:
        if table.name != "groups" and index.name not in ACROSS_GROUPS:
            assert index.columns.keys()[0] == "group_id"
