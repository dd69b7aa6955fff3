"""`$select`, `$orderby`, `$filter` and `$skiptoken`, checked against a feed and turned into SQL.

Each raises `BadClause` that names the clause, what is wrong with it, and what is supported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Column, and_, bindparam, false, func, or_, tuple_
from sqlalchemy.sql import ColumnElement, visitors
from sqlalchemy.sql.functions import FunctionElement

from folkmoot.graph import ids
from folkmoot.graph.describe import Noun, Sql
from folkmoot.graph.feeds import FEEDS, Feed
from folkmoot.model import Profile
from folkmoot.odata.edm import Edm, Field, Nav
from folkmoot.odata.expr import Binary, Call, Expr, In, Lambda, Literal, Path, Unary
from folkmoot.odata.query import Options
from folkmoot.refusals import BadClause, Refusal
from folkmoot.store.filters import NavScope, compile_filter
from folkmoot.store.schema import GUID, TEXT, first_characters

# Characters of a text that rows are ordered by.
ORDERED = 256


def selected(feed: Feed, options: Options) -> frozenset[str] | None:
    """The names that `$select` asks for, as they are spelt; None when it asks for the default ones."""
    if options.select is None or options.select == ("*",):
        return None
    nouns = tuple(feed.kinds.values()) or (feed.noun,)
    chosen = {"id"}
    for name in options.select:
        if name == "*":
            chosen.update(field.name for noun in nouns for field in noun.entity.fields if field.by_default)
            continue
        fields = [field for noun in nouns if (field := noun.entity.field(name)) is not None]
        if not fields and "/" not in name and any(noun.dynamic is not None for noun in nouns):
            chosen.add(name)
        elif not fields and not any(noun.entity.nav(name) for noun in nouns):
            known = ", ".join(dict.fromkeys(f.name for noun in nouns for f in noun.entity.fields))
            raise BadClause(
                f"Could not find a property named '{name}' on type 'microsoft.graph.{feed.noun.entity.name}'. "
                f"$select supports: {known}.",
                target="$select",
            )
        if not feed.single and any(field.single for field in fields):
            raise BadClause(
                f"The property '{name}' is returned only by $select on a single {feed.noun.entity.name}, "
                "as in GET /groups/{id}?$select=" + f"{name}.",
                target="$select",
            )
        chosen.update(field.name for field in fields)
    return frozenset(chosen)


def order(feed: Feed, options: Options, newest_by: Sql | None = None) -> list[tuple[Sql, bool]]:
    """The keys by which the rows come, ending in one that is unique.

    Where no order is asked for, those whose time `newest_by` is the latest come first, if that is given.
    """
    keys: list[tuple[Sql, bool]] = []
    if newest_by is not None and not options.orderby:
        keys.append((newest_by, True))
    for each in options.orderby:
        for column in _sortable(feed.noun, each.path):
            if not any(known is column for known, _ in keys):
                keys.append((column, each.descending))
    # Rows that are alike come in the direction of the rest, so that one index serves both ways.
    last = keys[-1][1] if keys else None
    for column, descending in feed.order:
        if not any(known is column for known, _ in keys):
            keys.append((column, descending if last is None else last))
    return keys


def _sortable(noun: Noun, path: Path) -> tuple[Sql, ...]:
    """What rows are ordered by for a path: one column, or the head of a text and the text."""
    field = noun.entity.field(path.parts[0])
    column = None
    if field is not None and field.sort:
        if len(path.parts) == 1 and not isinstance(field.sql, Mapping):
            column = field.sql
        elif isinstance(field.sql, Mapping):
            wanted = "/".join(path.parts[1:]).lower()
            column = next((sql for name, sql in field.sql.items() if name.lower() == wanted), None)
    if column is None:
        raise BadClause(
            f"'{'/'.join(path.parts)}' cannot be ordered by. $orderby supports: {', '.join(_sortable_names(noun))}.",
            target="$orderby",
        )
    column = _begun(column, field is not None and field.fold and len(path.parts) == 1)
    # The head says as much as the text does, unless two have the same; and an index has it.
    head = field.head if field is not None and len(path.parts) == 1 else None
    return (column,) if head is None else (head, column)


@lru_cache(maxsize=256)
def _begun(column: Sql, fold: bool) -> Sql:
    """What rows are ordered by for a column: of a text its beginning, without regard to case where it is to `fold`. A
    next link holds what the last row has of each key, and no URL has room for a whole post. The same expression each
    time, so that it is selected once."""
    if column.type is not TEXT:
        return column
    beginning = first_characters(column, ORDERED)
    return func.lower(beginning, type_=TEXT) if fold else beginning


def _sortable_names(noun: Noun) -> list[str]:
    names = []
    for field in noun.entity.fields:
        if field.sort and field.sql is not None:
            below = list(field.sql) if isinstance(field.sql, Mapping) else [""]
            names += [f"{field.name}/{name}".rstrip("/") for name in below]
    return names


def condition(feed: Feed, expression: Expr, now: int) -> ColumnElement[bool]:
    """`$filter` as SQL over the feed's rows; `now` is what its function `now()` gives."""

    def below(nav: Nav) -> NavScope:
        if nav.name not in feed.branches:
            raise BadClause(f"'{nav.name}' cannot be filtered by.", target="$filter")
        branch = feed.branches[nav.name]
        child = FEEDS[branch.feed]
        return NavScope(
            entity=child.noun.entity, condition=_joined(child, branch.binds), table=child.source, among=branch.among
        )

    return compile_filter(_with_stored_ids(feed.noun, expression), feed.noun.entity, navs=below, now=now)


def _joined(child: Feed, binds: Mapping[str, Sql]) -> ColumnElement[bool]:
    """The child feed's condition with the parent's columns in place of the parameters they are bound to."""

    def replace(element: Any, **_: Any) -> Any:
        key = str(getattr(element, "key", ""))
        if getattr(element, "__visit_name__", "") == "bindparam" and key in binds:
            return binds[key]
        return None

    replaced: ColumnElement[bool] = visitors.replacement_traverse(child.condition, {}, replace)
    return replaced


_NO_ID = "00000000-0000-0000-0000-000000000000"


def _with_stored_ids(noun: Noun, expression: Expr, variables: Mapping[str, Noun] = {}) -> Expr:
    """The expression with ids of the wire in comparisons replaced by those that are stored.

    `variables` says of what noun the variables of enclosing lambda expressions are.
    """
    if isinstance(expression, Unary):
        return Unary(expression.op, _with_stored_ids(noun, expression.operand, variables))
    if isinstance(expression, Binary):
        left, right = expression.left, expression.right
        if expression.op in ("eq", "ne"):
            if (reader := _id_reader(noun, left, variables)) is not None and isinstance(right, Literal):
                return Binary(expression.op, left, _stored(reader, right))
            if (reader := _id_reader(noun, right, variables)) is not None and isinstance(left, Literal):
                return Binary(expression.op, _stored(reader, left), right)
        return Binary(expression.op, _with_stored_ids(noun, left, variables), _with_stored_ids(noun, right, variables))
    if isinstance(expression, In) and (reader := _id_reader(noun, expression.left, variables)) is not None:
        items = tuple(_stored(reader, each) if isinstance(each, Literal) else each for each in expression.items)
        return In(expression.left, items)
    if isinstance(expression, Lambda) and expression.body is not None and expression.variable is not None:
        below = _below(noun, expression.path, variables)
        if below is not None:
            body = _with_stored_ids(noun, expression.body, {**variables, expression.variable: below})
            return replace(expression, body=body)
    return expression


def _below(noun: Noun, path: Path, variables: Mapping[str, Noun]) -> Noun | None:
    """The noun of the items that a lambda expression ranges over; None for a list of values."""
    first, *rest = path.parts
    if first in variables and rest:
        noun, first = variables[first], rest[0]
    nav = noun.entity.nav(first)
    branches = next((feed.branches for feed in FEEDS.values() if feed.noun is noun and feed.branches), {})
    return FEEDS[branches[nav.name].feed].noun if nav is not None and nav.name in branches else None


def _field(noun: Noun, expression: Expr, variables: Mapping[str, Noun]) -> tuple[Noun, Field] | None:
    """The property that a path of one step names, and whose it is."""
    if not isinstance(expression, Path):
        return None
    first, *rest = expression.parts
    if first in variables and len(rest) == 1:
        noun, first, rest = variables[first], rest[0], []
    field = None if rest else noun.entity.field(first)
    return None if field is None else (noun, field)


_Reader = Callable[[Literal], Literal]


def _id_reader(noun: Noun, expression: Expr, variables: Mapping[str, Noun]) -> _Reader | None:
    found = _field(noun, expression, variables)
    if found is None:
        return None
    noun, field = found
    if (reads_text := noun.reads_text.get(field.name)) is not None:
        return partial(_spelt, reads_text)
    reads_id = noun.reads_id.get(field.name)
    return None if reads_id is None else partial(_opened, reads_id)


def _stored(reader: _Reader, given: Literal) -> Literal:
    return reader(given) if given.type is Edm.STRING else given


def _spelt(reader: Callable[[str], str], given: Literal) -> Literal:
    """A text as it is stored, from one of its spellings."""
    return Literal(reader(str(given.value)), Edm.STRING)


def _opened(reader: Callable[[str, str], str | int], given: Literal) -> Literal:
    """The stored value that a wire id or changeKey means; one that is none, or is another group's, matches nothing."""
    try:
        found = ids.read_any(reader, str(given.value))
    except Refusal:
        found = -1 if reader is ids.read_change_key else _NO_ID
    return Literal(found, Edm.INT64 if isinstance(found, int) else Edm.STRING)


def names_ids(expression: Expr | None) -> bool:
    """Whether a filter is `id eq '…'`, or several of them joined with `or`, or `id in ('…')`."""
    if isinstance(expression, Binary) and expression.op == "or":
        return names_ids(expression.left) and names_ids(expression.right)
    if isinstance(expression, In):
        return _is_id(expression.left)
    if isinstance(expression, Binary) and expression.op == "eq":
        sides = (expression.left, expression.right)
        return any(_is_id(side) for side in sides) and any(isinstance(side, Literal) for side in sides)
    return False


def _is_id(expression: Expr) -> bool:
    return isinstance(expression, Path) and [part.lower() for part in expression.parts] == ["id"]


def permitted(feed: Feed, options: Options, profile: Profile) -> None:
    """Raise `BadClause` where a filter uses in a function what callers of a profile may only compare."""
    if options.filter is not None:
        _permitted(feed.noun, options.filter, profile, {}, called="")
    for item in options.expand:
        nav = feed.noun.entity.nav(item.path)
        if nav is not None and nav.name in feed.branches:
            permitted(FEEDS[feed.branches[nav.name].feed], item.options, profile)


def _permitted(noun: Noun, node: Expr, profile: Profile, variables: Mapping[str, Noun], called: str) -> None:
    """`called` is the function that `node` is in."""
    if isinstance(node, Lambda):
        below = _below(noun, node.path, variables)
        if node.body is not None and node.variable is not None and below is not None:
            _permitted(noun, node.body, profile, {**variables, node.variable: below}, called)
    elif isinstance(node, Call):
        for each in node.args:
            _permitted(noun, each, profile, variables, node.name if node.name != "cast" else called)
    elif isinstance(node, Unary):
        _permitted(noun, node.operand, profile, variables, called)
    elif isinstance(node, Binary):
        ordered = node.op if node.op in ("gt", "ge", "lt", "le") else called
        for side in (node.left, node.right):
            found = _field(noun, side, variables)
            whole = found is not None and found[1].functions == "never"
            _permitted(noun, side, profile, variables, ordered if whole else called)
    elif isinstance(node, In):
        _permitted(noun, node.left, profile, variables, called)
    elif called and (found := _field(noun, node, variables)) is not None:
        allowed = found[1].functions
        if allowed == "never" or (allowed == "extended" and profile == "strict"):
            supported = {
                "never": "eq, ne and in are supported",
                "extended": "comparisons are supported, and functions for extended applications",
            }
            raise BadClause(f"$filter: {called} cannot be used with {node}; {supported[allowed]}.", target="$filter")


def ordering(column: Sql, descending: bool) -> ColumnElement[Any]:
    """Nulls come before all values (OData 4.01 URL Conventions §5.1.7), in both databases."""
    ordered = column.desc() if descending else column.asc()
    if not _nullable(column):
        return ordered
    return ordered.nulls_last() if descending else ordered.nulls_first()


def _nullable(column: Sql) -> bool:
    if isinstance(column, FunctionElement):
        return all(_nullable(argument) for argument in column.clauses)
    # A subquery's columns do not say whether they can be null; those that rows are ordered by are ids.
    return bool(column.nullable) if isinstance(column, Column) else column.type is not GUID


def after(keys: Sequence[tuple[Sql, bool, int]], nulls: Sequence[bool]) -> ColumnElement[bool]:
    """The condition that a row comes after the one whose keys are bound to `k0`, `k1`, …"""
    binds = [bindparam(f"k{number}", type_=column.type) for number, (column, _, _) in enumerate(keys)]
    directions = {descending for _, descending, _ in keys}
    if len(directions) == 1 and not any(_nullable(column) for column, _, _ in keys):
        # One comparison of rows is one range of one index.
        row, mark = tuple_(*(column for column, _, _ in keys)), tuple_(*binds)
        further = row < mark if directions == {True} else row > mark
        first = keys[0][0]
        if isinstance(first, Column):
            return further
        # SQLite finds no range of an index by rows that begin with an expression.
        return and_(first <= binds[0] if directions == {True} else first >= binds[0], further)
    beyond_all: ColumnElement[bool] = false()
    for number in reversed(range(len(keys))):
        column, descending, _ = keys[number]
        if nulls[number]:
            beyond: ColumnElement[bool] = false() if descending else column.is_not(None)
            same: ColumnElement[bool] = column.is_(None)
        else:
            beyond = column < binds[number] if descending else column > binds[number]
            if descending and _nullable(column):
                beyond = or_(beyond, column.is_(None))
            same = column == binds[number]
        beyond_all = or_(beyond, and_(same, beyond_all))
    return beyond_all


def fits(value: Any, column: Sql) -> bool:
    """Whether a value from a token can be compared with a column."""
    if value is None:
        return _nullable(column)
    if column.type is GUID:
        return isinstance(value, str) and ids.guid(value) is not None
    wanted = column.type.python_type
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
