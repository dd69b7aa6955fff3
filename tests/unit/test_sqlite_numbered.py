"""SQLite's parameters: by number, in the order in which their names first stand in a statement."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from folkmoot.store.sqlite import numbered


@pytest.mark.parametrize(
    ("text", "query", "values"),
    [
        ("SELECT 1", "SELECT 1", ()),
        ("SELECT :b, :a, :b", "SELECT ?1, ?2, ?1", (2, 1)),
        ("SELECT :a", "SELECT ?1", (1,)),
        ("SELECT strftime('%H:%M:%S', :b) AS \":a\", ':a'", "SELECT strftime('%H:%M:%S', ?1) AS \":a\", ':a'", (2,)),
        ("SELECT 'it''s :a', :c_0", "SELECT 'it''s :a', ?1", (3,)),
    ],
)
def test_parameters_by_number(text: str, query: str, values: tuple[int, ...]) -> None:
    made, order = numbered(text)
    assert made == query
    assert tuple(order({"a": 1, "b": 2, "c_0": 3, "unused": 4})) == values
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        assert database.execute(made, values).fetchall()
