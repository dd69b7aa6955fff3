"""Statements: SQLAlchemy expressions, compiled once for each dialect and run on the driver itself."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from sqlalchemy import Dialect as SqlDialect
from sqlalchemy.sql import ClauseElement

Dialect = Literal["sqlite", "postgresql"]


@cache
def compiler(dialect: Dialect) -> SqlDialect:
    """SQLAlchemy's part for one database. That for PostgreSQL takes long to load, so SQLite does without."""
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

        return SQLiteDialect_pysqlite(paramstyle="named")
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    return PGDialect_psycopg()  # type: ignore[no-untyped-call]


class Statement:
    """A SQL expression, compiled on first use for each dialect.

    Parameters are the expression's `bindparam` names; values that it holds itself are its defaults. `keeps_memo` says
    that running it makes nothing untrue that a transaction remembers, or that its caller sees to that; `apart`, that it
    neither reads nor needs what a transaction holds back (see `held`), or that its caller sees to that.
    """

    __slots__ = ("_compiled", "apart", "expression", "keeps_memo")

    def __init__(self, expression: ClauseElement, *, keeps_memo: bool = False, apart: bool = False) -> None:
        self.expression = expression
        self.keeps_memo = keeps_memo
        self.apart = apart
        self._compiled: dict[Dialect, tuple[str, dict[str, Any]]] = {}

    def compiled(self, dialect: Dialect) -> tuple[str, dict[str, Any]]:
        """The text for `dialect` and the values it holds itself."""
        found = self._compiled.get(dialect)
        if found is None:
            compiled = self.expression.compile(dialect=compiler(dialect), compile_kwargs={"render_postcompile": True})
            defaults = {k: v for k, v in compiled.params.items() if v is not None}
            found = self._compiled[dialect] = (str(compiled), defaults)
        return found
