"""SQL functions that SQLite and PostgreSQL spell differently, each as one construct with a text per dialect.

None of them can fail for a value that the schema can hold: divisors pass through NULLIF, JSON is looked into only where
it is an array. An argument stands once in a text wherever it may itself be large, so that nesting cannot multiply it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Double, Integer, Numeric, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

LONGEST_SHORT = 65_536  # bytes


class Portable(FunctionElement[Any]):
    """A function whose text is `sqlite` or `postgresql`, with `{0}`, `{1}` for its arguments."""

    inherit_cache = True
    sqlite = ""
    postgresql = ""


@compiles(Portable, "sqlite")
def _sqlite(element: Portable, compiler: SQLCompiler, **options: Any) -> str:
    return element.sqlite.format(*[compiler.process(part, **options) for part in element.clauses])


@compiles(Portable, "postgresql")
def _postgresql(element: Portable, compiler: SQLCompiler, **options: Any) -> str:
    return element.postgresql.format(*[compiler.process(part, **options) for part in element.clauses])


def _portable(name: str, kind: TypeEngine[Any], sqlite: str, postgresql: str) -> type[Portable]:
    # A class each, because the class is part of the key under which a compiled statement is cached.
    parts = {"name": name, "type": kind, "inherit_cache": True, "sqlite": sqlite, "postgresql": postgresql}
    return type(name, (Portable,), parts)


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
POSITION = _portable("position", Integer(), "instr({0}, {1})", "strpos({0}, {1})")
ENDS = _portable(
    "ends",
    Boolean(),
    "(substr(({0}) || 'x', -(length({1}) + 1)) = ({1}) || 'x')",
    "(right({0}, length({1})) = ({1}))",
)
# Null for a text of more bytes than a page should hold many of. Its length in characters would be counted.
SHORT = _portable(
    "short",
    String(),
    f"CASE WHEN length(CAST({{0}} AS BLOB)) <= {LONGEST_SHORT} THEN {{0}} END",
    f"CASE WHEN octet_length({{0}}) <= {LONGEST_SHORT} THEN {{0}} END",
)
# ASCII alone, whatever the locale of the database: a column is in "C" anyway; constants and parts of JSON are not.
LOWER = _portable("lower", String(), "lower({0})", 'lower(({0}) COLLATE "C")')
UPPER = _portable("upper", String(), "upper({0})", 'upper(({0}) COLLATE "C")')
ORDERED = _portable("ordered", String(), "({0})", '({0}) COLLATE "C"')
GUID = _portable("guid", String(), "({0})", "CAST({0} AS UUID)")

# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────
_N, _D = "CAST({%d} AS NUMERIC)", "CAST({%d} AS DOUBLE PRECISION)"
QUOTIENT = _portable("quotient", Numeric(), "(({0}) / NULLIF({1}, 0))", f"div({_N % 0}, NULLIF({_N % 1}, 0))")
REMAINDER = _portable("remainder", Numeric(), "(({0}) % NULLIF({1}, 0))", f"mod({_N % 0}, NULLIF({_N % 1}, 0))")
RATIO = _portable(
    "ratio", Double(), "(CAST({0} AS REAL) / NULLIF(CAST({1} AS REAL), 0))", f"({_D % 0} / NULLIF({_D % 1}, 0))"
)
ROUND = _portable("round", Double(), "round({0})", f"round({_N % 0})")
# SQLite is often built without floor() and ceil(); a double beyond 2^53 is whole, and a cast would cut it to 64 bits.
_NEAR = "CASE WHEN v BETWEEN -9e15 AND 9e15 THEN {} ELSE v END FROM (SELECT {{0}} AS v)"
FLOOR = _portable(
    "floor",
    Double(),
    f"(SELECT {_NEAR.format('CAST(v AS INTEGER) - (v < CAST(v AS INTEGER))')})",
    f"floor({_D % 0})",
)
CEILING = _portable(
    "ceiling",
    Double(),
    f"(SELECT {_NEAR.format('CAST(v AS INTEGER) + (v > CAST(v AS INTEGER))')})",
    f"ceil({_D % 0})",
)

# ── moments: whole seconds since 1970 ────────────────────────────────────────────────────────────────────────────────
_AT = "(to_timestamp({0}) AT TIME ZONE 'UTC')"
_S, _P = "(({0} % 86400 + 86400) % 86400)", "mod(mod({0}, 86400) + 86400, 86400)"
NOW = _portable(
    "now", BigInteger(), "CAST(strftime('%s', 'now') AS INTEGER)", "CAST(floor(EXTRACT(EPOCH FROM now())) AS BIGINT)"
)
MOMENT_PARTS: dict[str, type[Portable]] = {
    name: _portable(name, Integer(), sqlite, postgresql)
    for name, sqlite, postgresql in (
        ("year", "CAST(strftime('%Y', {0}, 'unixepoch') AS INTEGER)", f"CAST(EXTRACT(YEAR FROM {_AT}) AS INTEGER)"),
        ("month", "CAST(strftime('%m', {0}, 'unixepoch') AS INTEGER)", f"CAST(EXTRACT(MONTH FROM {_AT}) AS INTEGER)"),
        ("day", "CAST(strftime('%d', {0}, 'unixepoch') AS INTEGER)", f"CAST(EXTRACT(DAY FROM {_AT}) AS INTEGER)"),
        ("hour", f"({_S} / 3600)", f"({_P} / 3600)"),
        ("minute", f"({_S} / 60 % 60)", f"mod({_P} / 60, 60)"),
        ("second", f"({_S} % 60)", f"mod({_P}, 60)"),
        ("fractionalseconds", "({0} * 0)", "({0} * 0)"),
        ("totaloffsetminutes", "({0} * 0)", "({0} * 0)"),
        ("time", _S, _P),
        (
            "date",
            "CAST(strftime('%s', {0}, 'unixepoch', 'start of day') AS INTEGER)",
            f"CAST(EXTRACT(EPOCH FROM date_trunc('day', {_AT})) AS BIGINT)",
        ),
    )
}

# ── JSON arrays ──────────────────────────────────────────────────────────────────────────────────────────────────────
ELEMENTS = _portable(
    "elements",
    String(),
    "json_each(CASE WHEN json_type({0}) = 'array' THEN {0} END)",
    "jsonb_array_elements(CASE WHEN jsonb_typeof({0}) = 'array' THEN {0} END)",
)
SIZE = _portable(
    "size",
    Integer(),
    "coalesce(json_array_length({0}), 0)",
    "coalesce(jsonb_array_length(CASE WHEN jsonb_typeof({0}) = 'array' THEN {0} END), 0)",
)
WHOLE_ELEMENT = _portable("whole_element", String(), "({0})", "({0} #>> '{{}}')")
PART = _portable("part", String(), "json_extract({0}, '$.' || {1})", "({0} #>> string_to_array({1}, '.'))")
