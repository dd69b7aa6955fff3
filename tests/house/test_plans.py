"""Every statement that the code holds goes to its rows by an index, on SQLite as its planner is told of sizes.

What is made of query options is looked at in test_query_plans.py, on both databases. Here nothing is asked: SQLite
explains what it would do. PostgreSQL measures its tables by itself, and plans by that.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import folkmoot
from folkmoot.store import migrate, planner, schema
from folkmoot.store.db import Statement

_ALL = "all of it is what is asked for"
_FEW = "so few rows that their order costs nothing"
_GOES = "everything in it goes, each post and thread is written down"
_LANES = "those who follow a group, of whom each is to be told"

# Statement → why it may go along a group or a thread, through a table, or put rows in order.
MAY: Mapping[str, str] = {
    "readiness._REVISION": _FEW,
    "store.attachments._OPEN": _FEW,
    "store.changes._DELETED_POSTS_OF_CONVERSATION": _GOES,
    "store.changes._DELETED_POSTS_OF_THREAD": _GOES,
    "store.changes._DELETED_THREADS_OF_CONVERSATION": _GOES,
    "store.changes._TOUCHED": "a stretch of the log, 4,000 changes at most",
    "store.changes._TOUCHED_WITHIN": "a stretch of the log, 4,000 changes at most",
    "store.directory_log._ADVANCE": "a table of one row",
    "store.directory_log._HEAD": "a table of one row",
    "store.directory_log._HEAD_TO_WRITE": "a table of one row",
    "store.directory_log._TOUCHED": "a stretch of the log",
    "store.endpoints._ROUSE": "once, where the clock was set back",
    "store.endpoints._SWEEP": "every ten minutes, all endpoints",
    "store.everywhere.ERASE_GROUP": "a deleted group goes, with all that is in it",
    "store.everywhere._GRANTED_TO": "an application goes, once",
    "store.everywhere._PEOPLE": "the list of people to sign in as, in development",
    "store.everywhere._ROLES_IN": _ALL,
    "store.grants._ALL": _ALL,
    "store.identities._NAMES": _FEW,
    "store.integrity": "the doctor goes through everything",
    "store.lanes._ANYWHERE": "once at a start",
    "store.lanes._IN_DIRECTORY": _LANES,
    "store.lanes._IN_GROUPS": _LANES,
    "store.lanes._LATELY": _LANES,
    "store.lanes._OF_URL": "what one endpoint waits for",
    "store.lanes._OF_URL_IN": "what one endpoint waits for",
    "store.lanes._TO_WARN": _FEW,
    "store.retention._CURSORS": _LANES,
    "store.rows._REMAINING": "the threads of one conversation",
    "store.senders._THAT_MATTER": _ALL,
    "store.sign_ins._FIND_BY_USER_CODE": _FEW,
}
_ALONG = re.compile(r"SEARCH (\w+) .*\(group_id=\?( AND (thread|conversation)_id=\?)?\)")
_KEYED_BY_GROUP = {"groups", "sequences"}  # a group has one row there


def statements() -> dict[str, Statement]:
    """The statements that modules hold, by module and name."""
    found: dict[str, Statement] = {}

    def look(name: str, value: Any, depth: int) -> None:
        if isinstance(value, Statement):
            found[name] = value
        elif isinstance(value, tuple | list | dict) and depth:
            for each in value.values() if isinstance(value, dict) else value:
                look(f"{name}#{len(found)}", each, depth - 1)

    for module in pkgutil.walk_packages(folkmoot.__path__, "folkmoot."):
        if module.name.startswith(("folkmoot.__main__", "folkmoot.store.migrations")):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            look(f"{module.name.removeprefix('folkmoot.')}.{name}", value, 3)
    return found


def wrong(file: sqlite3.Connection, text: str) -> Iterator[str]:
    """The steps of a statement's plan that are no way to a few rows."""
    parameters = dict.fromkeys(re.findall(r":(\w+)", text))
    limited = " LIMIT " in text
    for *_, step in file.execute(f"EXPLAIN QUERY PLAN {text}", parameters):
        along = _ALONG.match(step)
        if step.startswith("USE TEMP B-TREE") or (
            not limited
            and ((step.startswith("SCAN ") and "VIRTUAL" not in step) or (along and along[1] not in _KEYED_BY_GROUP))
        ):
            yield step


def test_each_statement_goes_straight_to_its_rows(tmp_path: Path) -> None:
    migrate.upgrade(tmp_path / "folkmoot.db")
    found, excused = statements(), set()
    assert len(found) > 200
    bad = []
    with closing(sqlite3.connect(tmp_path / "folkmoot.db")) as file:
        for name, statement in found.items():
            text, _ = statement.compiled("sqlite")
            steps = list(wrong(file, text))
            place = name.partition("#")[0]
            reason = next((each for each in (place, place.rpartition(".")[0]) if each in MAY), None)
            if steps and reason is None:
                bad.append((name, steps, text))
            elif steps and reason is not None:
                excused.add(reason)
        assert list(wrong(file, "SELECT content FROM posts ORDER BY content")), "what has no index would not be found"
        assert list(wrong(file, "SELECT content FROM posts WHERE group_id = :g")), "a walk would not be found"
    assert bad == []
    assert set(MAY) - excused == set(), "these need no excuse"


def test_the_planner_is_told_of_every_table_and_index(tmp_path: Path) -> None:
    migrate.upgrade(tmp_path / "folkmoot.db")
    with closing(sqlite3.connect(tmp_path / "folkmoot.db")) as file:
        told = {(table, index) for table, index in file.execute("SELECT tbl, idx FROM sqlite_stat1")}
        there = {
            (table, index)
            for table in (*schema.meta.tables, "alembic_version")
            if table != "post_words"  # a virtual one, which plans by itself
            for (index,) in file.execute("SELECT name FROM pragma_index_list(?)", (table,))
        }
        assert told == there
        columns = {
            (table, column)
            for table in planner.SIZES
            for (column,) in file.execute("SELECT name FROM pragma_table_info(?)", (table,))
        }
    named = {(table, column) for table, size in planner.SIZES.items() for column in size.values}
    assert {each for each in named if each[1] != "expression"} <= columns
