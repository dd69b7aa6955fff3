"""What a transaction holds back: rows of one table, which the functions of a batch leave to be written together.

A statement costs its driver far more than its values do: on SQLite the interpreter's lock changes hands with each, on
PostgreSQL a plan is looked up and begun. So a batch of replies inserts its posts with one statement, and brings each
thread up to date once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import BindParameter, Table, bindparam, insert, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from folkmoot.store.statements import Statement

T = TypeVar("T")
# By group: rows, as `Several.pick` gave them.
Groups = Mapping[str, Mapping[Any, tuple[Any, ...]]]
Run = Callable[[Statement, Mapping[str, Any]], None]

# How many rows are written by one statement where so many are left: a few texts serve any number of rows.
_SIZES = [0, 1, 2, 3, *[4] * 2, *[6] * 2, *[8] * 4, *[12] * 4, *[16] * 8, *[24] * 8, 32]


class Several:
    """Rows of one group in `table`, written by one statement: inserted, or with `changed` those columns of rows that
    are there. `rank` says in which order tables are written."""

    def __init__(self, table: Table, rank: int, changed: tuple[str, ...] = ()) -> None:
        self.rank = rank
        self.changes = bool(changed)
        self._table = table
        columns = tuple(c.name for c in table.columns if c.name != "group_id")
        self.columns = ("id", *changed) if changed else columns
        self.pick = itemgetter(*self.columns)
        self._made: dict[int, tuple[Statement, tuple[str, ...]]] = {}

    def of(self, count: int) -> tuple[Statement, tuple[str, ...]]:
        """The statement for `count` rows, and its parameters beside the group's `g`, row by row."""
        made = self._made.get(count)
        if made is None:
            names = [{name: f"{name}_{number}" for name in self.columns} for number in range(count)]
            expression = self._change(names) if self.changes else self._insert(names)
            made = (Statement(expression, keeps_memo=True, apart=True), tuple(n for row in names for n in row.values()))
            self._made[count] = made
        return made

    def write(self, groups: Groups, run: Run) -> None:
        """Write the rows of some groups, in their order."""
        for group, rows in groups.items():
            for part in parts(list(rows.values())):
                statement, names = self.of(len(part))
                parameters = dict(zip(names, chain.from_iterable(part), strict=True))
                parameters["g"] = group
                run(statement, parameters)

    def _insert(self, names: list[dict[str, str]]) -> ClauseElement:
        rows: list[dict[str, BindParameter[Any]]] = [
            {"group_id": bindparam("g"), **{name: bindparam(given) for name, given in row.items()}} for row in names
        ]
        return insert(self._table).values(rows)

    def _change(self, names: list[dict[str, str]]) -> ClauseElement:
        c = self._table.c
        if len(names) == 1:
            own = names[0]
            return (
                update(self._table)
                .where(c.group_id == bindparam("g"), c.id == bindparam(own["id"]))
                .values({name: bindparam(given) for name, given in own.items() if name != "id"})
            )
        return _Update(self._table, self.columns, names)


class _Update(ClauseElement):
    """`UPDATE … FROM (VALUES …)`, which the two databases spell differently."""

    inherit_cache = False

    def __init__(self, table: Table, columns: tuple[str, ...], names: list[dict[str, str]]) -> None:
        self.table = table
        self.columns = columns
        self.group: BindParameter[str] = bindparam("g", type_=table.c.group_id.type)
        self.rows = [tuple(bindparam(row[name], type_=table.c[name].type) for name in columns) for row in names]


@compiles(_Update, "postgresql")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _update_on_postgresql(element: _Update, compiler: SQLCompiler, **kw: Any) -> str:
    update, where, rows, columns = _spelt(element, compiler, kw)
    return f"{update} FROM (VALUES {rows}) AS new ({columns}) {where}"


@compiles(_Update, "sqlite")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _update_on_sqlite(element: _Update, compiler: SQLCompiler, **kw: Any) -> str:
    update, where, rows, columns = _spelt(element, compiler, kw)
    return f"WITH new ({columns}) AS (VALUES {rows}) {update} FROM new {where}"


def _spelt(element: _Update, compiler: SQLCompiler, kw: dict[str, Any]) -> tuple[str, str, str, str]:
    name, group = element.table.name, compiler.process(element.group, **kw)
    changed = ", ".join(f"{each} = new.{each}" for each in element.columns if each != "id")
    return (
        f"UPDATE {name} SET {changed}",  # noqa: S608  (names of our own)
        f"WHERE {name}.group_id = {group} AND {name}.id = new.id",
        ", ".join(f"({', '.join(compiler.process(each, **kw) for each in row)})" for row in element.rows),
        ", ".join(element.columns),
    )


class Held:
    """The rows that a transaction holds back; true while there are any."""

    def __init__(self) -> None:
        self._rows: dict[Several, dict[str, dict[Any, tuple[Any, ...]]]] = {}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, several: Several, group: str, row: Mapping[str, Any]) -> None:
        """Hold back a row. Of several changes of one row the last is written, so each must give all columns."""
        rows = self._of(several, group)
        rows[row["id"] if several.changes else len(rows)] = several.pick(row)

    def extend(self, several: Several, group: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Hold back rows to be inserted, whose values are in the order of `several.columns`."""
        held = self._of(several, group)
        for row in rows:
            held[len(held)] = row

    def _of(self, several: Several, group: str) -> dict[Any, tuple[Any, ...]]:
        return self._rows.setdefault(several, {}).setdefault(group, {})

    def write(self, run: Run) -> None:
        """Write what was held back; it is held no more."""
        rows, self._rows = self._rows, {}
        for several in sorted(rows, key=lambda each: each.rank):
            several.write(rows[several], run)


def parts(rows: list[T]) -> Iterator[list[T]]:
    """Rows in pieces, each of which is written by one statement."""
    start, left = 0, len(rows)
    while left:
        size = _SIZES[min(left, len(_SIZES) - 1)]
        yield rows[start : start + size]
        start += size
        left -= size
