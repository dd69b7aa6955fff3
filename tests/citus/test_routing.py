"""What the twin and the lints find, shown on statements and tables that break a rule each, and on the product's own.

The statements of the whole run are judged when it ends (`tests/conftest.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import Integer, SmallInteger

from folkmoot.store import schema
from folkmoot.store.db import Statement
from folkmoot.store.distribution import COLUMN, KINDS
from tests import postgres
from tests.citus import crossings, twin
from tests.citus.judging import Judge, faults

G, OTHER = "6c1f0b52-3b0e-4f6a-9a3e-0d5b7a6f1c01", "0e7d8e7a-51c5-4f0f-8d6b-44d1f0c7a902"
BOTH = {"g": G, "h": OTHER}


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with postgres.fresh(twin.template()) as url, Judge(url) as made:
        yield made


# ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────────

ROUTED = (
    "SELECT p.id FROM posts p JOIN threads t ON t.group_id = p.group_id AND t.id = p.thread_id "
    "WHERE p.group_id = %(g)s",
    "SELECT 1 FROM groups JOIN sequences s ON s.group_id = groups.group_id WHERE s.group_id = %(g)s FOR UPDATE OF s",
    "SELECT (SELECT count(*) FROM posts p WHERE p.group_id = %(g)s AND p.thread_id = t.id) FROM threads t "
    "WHERE t.group_id = %(g)s",
    "DELETE FROM posts WHERE group_id = %(g)s AND thread_id IN (SELECT id FROM threads WHERE group_id = %(g)s)",
    "SELECT id FROM users WHERE display_name = %(g)s",
)
CROSSING = (
    "SELECT id FROM posts",
    "SELECT id FROM posts WHERE group_id = %(g)s OR group_id = %(h)s",
    "SELECT 1 FROM posts, threads WHERE posts.group_id = %(g)s AND threads.group_id = %(h)s",
    "SELECT (SELECT count(*) FROM posts p WHERE p.group_id = t.group_id AND p.thread_id = t.id) FROM threads t "
    "WHERE t.group_id = %(g)s",
    "SELECT id FROM posts WHERE group_id::text = %(g)s",
    "SELECT id FROM posts WHERE group_id = (SELECT object_id FROM addresses WHERE address = 'x')",
    "UPDATE threads SET topic = 'x' WHERE id = %(g)s",
    "SELECT 1 FROM groups g WHERE EXISTS (SELECT FROM memberships m WHERE m.group_id = g.group_id)",
)
REFUSED = {
    "UPDATE posts SET modified_at = extract(epoch FROM clock_timestamp()) WHERE group_id = %(g)s": "UPDATE",
    "INSERT INTO preferences (group_id) VALUES (%(g)s) ON CONFLICT DO UPDATE SET seen_seq = now()": "DO UPDATE SET",
    "WITH gone AS (DELETE FROM posts WHERE group_id = %(g)s RETURNING id) SELECT * FROM gone": "writes within WITH",
    "MERGE INTO posts USING x ON true": "MERGE",
    "SELECT xmax FROM posts WHERE group_id = %(g)s": "xmax",
    "INSERT INTO posts (id) VALUES (%(g)s)": "inserts without group_id",
    "SELECT 1 FROM posts JOIN endpoints ON true WHERE posts.group_id = %(g)s": "lie apart",
    "SELECT 1 FROM users JOIN identities ON true": "local",
    "SELECT 1 FROM deliveries JOIN endpoints ON true": "one part each",
    "SELECT id FROM users FOR UPDATE": "locks a row of users",
}


@pytest.mark.parametrize("text", ROUTED)
def test_what_names_one_group_goes_to_one_node(judge: Judge, text: str) -> None:
    assert judge.crossing(text, {"g": G}) is None
    assert faults(text) == []


@pytest.mark.parametrize("text", CROSSING)
def test_what_does_not_is_found(judge: Judge, text: str) -> None:
    assert judge.crossing(text, {key: BOTH[key] for key in BOTH if f"%({key})s" in text})


def test_other_groups_lie_in_other_parts(judge: Judge) -> None:
    """The judge would find nothing if every id fell into one partition."""
    text = "SELECT id FROM posts WHERE group_id = %(g)s"
    assert judge.parts(text, {"g": G}) != judge.parts(text, {"g": OTHER})


@pytest.mark.parametrize("text", REFUSED)
def test_what_the_planner_cannot_know_is_read_from_the_text(text: str) -> None:
    assert any(REFUSED[text] in each for each in faults(text)), faults(text)


@pytest.mark.parametrize("statement", crossings.CROSSINGS, ids=lambda each: each.compiled("postgresql")[0][:60])
def test_a_crossing_is_listed_only_where_it_is_one(judge: Judge, statement: Statement) -> None:
    text, defaults = statement.compiled("postgresql")
    given = {
        "groups": f'["{G}","{OTHER}"]',
        "ids": f'["{G}","{OTHER}"]',
        "url": "x",
        "which": G,
        "b_id": G,
        "after": G,
        "objects": f'["{G}"]',
    }
    after = {"after_group_id": G, "after_object_id": G, "after_role": ""}
    numbers = dict.fromkeys(("now", "since", "at_most"), 1)
    assert judge.crossing(text, {**given, **after, **numbers, **defaults})
    assert faults(text) == []


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_table_has_its_place() -> None:
    assert set(KINDS) == set(schema.meta.tables)


@pytest.mark.parametrize("table", schema.meta.sorted_tables, ids=lambda table: table.name)
def test_a_table_can_lie_where_it_should(table: Any) -> None:
    kind = KINDS[table.name]
    assert table.primary_key.columns, "moving a part replicates it, which takes a key"
    uniques = [list(table.primary_key.columns), *(list(index.columns) for index in table.indexes if index.unique)]
    if kind == "group":
        assert all(unique[0].name == COLUMN for unique in uniques)
        assert not table.c[COLUMN].nullable
    for column in table.columns:
        assert not isinstance(column.type, (Integer, SmallInteger)) or column.autoincrement is not True
        assert column.identity is None or column.type.compile() == "BIGINT"
    for key in table.foreign_key_constraints:
        assert (kind, KINDS[key.referred_table.name]) in (("group", "group"), ("group", "reference"))
        assert next(iter(key.elements)).column.name == key.column_keys[0] == COLUMN
        assert key.ondelete in (None, "CASCADE", "NO ACTION")
        assert not key.deferrable
        assert not key.initially


def test_the_database_has_no_triggers_rules_or_small_sequences() -> None:
    """What a migration may have added beside the description."""
    from folkmoot.store import migrate

    with postgres.fresh(postgres.template("schema", migrate.upgrade)) as url, psycopg.connect(url) as connection:
        for question in (
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
            "SELECT rulename FROM pg_rewrite JOIN pg_class ON ev_class = pg_class.oid "
            "WHERE relnamespace = 'public'::regnamespace",
            "SELECT seqrelid::regclass FROM pg_sequence WHERE seqtypid <> 'bigint'::regtype",
            "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace "
            "AND (condeferrable OR confdeltype IN ('n', 'd'))",
        ):
            assert connection.execute(question.encode()).fetchall() == []


def test_a_unique_key_without_the_group_is_refused() -> None:
    refused = pytest.raises(errors.FeatureNotSupported, match="unique")
    with postgres.fresh(twin.template()) as url, psycopg.connect(url) as connection, refused:
        connection.execute("CREATE UNIQUE INDEX posts_id_key ON posts (id)")
