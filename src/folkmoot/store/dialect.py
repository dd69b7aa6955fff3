"""The SQL that the two databases spell differently, beside what `filters` needs for `$filter`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, Boolean, ColumnElement, Insert, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class AnyOf(ColumnElement[bool]):
    """Whether a GUID column holds one of the ids in a parameter, which is a JSON array as text."""

    inherit_cache = False
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], parameter: str) -> None:
        self.column = column
        self.ids: BindParameter[str] = bindparam(parameter)

    def self_group(self, against: Any = None) -> AnyOf:
        # Otherwise SQLite would be asked `… IN (…) = 1`, for which it looks at every row.
        return self


class NotByIndex(ColumnElement[Any]):
    """A column by which SQLite does not look for rows, though it could: it thinks that every thread has a few posts,
    and would look through all of one where the ids of some are known. PostgreSQL knows better."""

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any]) -> None:
        self.column = column
        self.type = column.type


class InsertUnlessThere(Insert):
    """INSERT of a row unless it is there already, which both spell alike."""

    inherit_cache = False


@compiles(InsertUnlessThere)  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _insert_unless_there(element: InsertUnlessThere, compiler: SQLCompiler, **kw: Any) -> str:
    text: str = compiler.visit_insert(element, **kw)  # type: ignore[no-untyped-call]
    return f"{text} ON CONFLICT DO NOTHING"


@compiles(NotByIndex, "sqlite")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _not_by_index_on_sqlite(element: NotByIndex, compiler: SQLCompiler, **kw: Any) -> str:
    return f"+{compiler.process(element.column, **kw)}"


@compiles(NotByIndex, "postgresql")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _not_by_index_on_postgresql(element: NotByIndex, compiler: SQLCompiler, **kw: Any) -> str:
    text: str = compiler.process(element.column, **kw)
    return text


@compiles(AnyOf, "sqlite")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _sqlite(element: AnyOf, compiler: SQLCompiler, **kw: Any) -> str:
    column, ids = compiler.process(element.column, **kw), compiler.process(element.ids, **kw)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608  (compiled SQL, no text from outside)


@compiles(AnyOf, "postgresql")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _postgresql(element: AnyOf, compiler: SQLCompiler, **kw: Any) -> str:
    column, ids = compiler.process(element.column, **kw), compiler.process(element.ids, **kw)
    # The JSON array '["a", "b"]' spelt as PostgreSQL's own, '{a, b}': the planner knows what = ANY costs.
    return f"{column} = ANY (CAST(translate({ids}, '[]\"', '{{}}') AS UUID[]))"
