"""The SQL that the two databases spell differently, beside what `filters` needs for `$filter`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, Boolean, ColumnElement, bindparam
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
        """Never compared with 1, as SQLAlchemy would on SQLite, which then finds no index for it."""
        return self


@compiles(AnyOf, "sqlite")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _sqlite(element: AnyOf, compiler: SQLCompiler, **kw: Any) -> str:
    column, ids = compiler.process(element.column, **kw), compiler.process(element.ids, **kw)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608  (compiled SQL, no text from outside)


@compiles(AnyOf, "postgresql")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _postgresql(element: AnyOf, compiler: SQLCompiler, **kw: Any) -> str:
    column, ids = compiler.process(element.column, **kw), compiler.process(element.ids, **kw)
    # The JSON array '["a", "b"]' spelt as PostgreSQL's own, '{a, b}': the planner knows what = ANY costs.
    return f"{column} = ANY (CAST(translate({ids}, '[]\"', '{{}}') AS UUID[]))"
