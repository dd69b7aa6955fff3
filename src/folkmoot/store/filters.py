"""From a filter's tree to a SQL condition that SQLite and PostgreSQL answer alike.

Source: OData 4.01 URL Conventions §5.1.1 (operators, canonical functions, lambda operators, null). Constants become
bind parameters; no filter that is accepted here makes a database stop with an error (see `terms.py` and `portable.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Double, String, and_, cast, exists, false, func, not_, or_, select
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, ColumnElement
from sqlalchemy.sql.selectable import FromClause, ScalarSelect, Select

from folkmoot.odata.edm import Complex, Edm, Entity, Field, Nav, Type
from folkmoot.odata.expr import Binary, Call, Expr, In, Lambda, Literal, Path, TypeName, Unary
from folkmoot.store import portable
from folkmoot.store.terms import (
    ARITY,
    COMPARE,
    KINDS,
    STORED,
    WHOLE,
    Sql,
    Term,
    arithmetic,
    compared,
    constant,
    is_whole,
    matched,
    part_of_moment,
    refuse,
    rounded,
    text_function,
    whole_number,
)

MAX_DEPTH = 16
# A subquery takes as much of SQLite's parser stack (100 entries) as several operators.
LAMBDA_DEPTH = 4
_MIN_MOMENT, _MAX_MOMENT = -62_135_596_800, 253_402_300_799


@dataclass(frozen=True, slots=True)
class NavScope:
    """Where the targets of a navigation property are: `condition` ties rows of `table` to the row being filtered.

    `among` is the condition of the targets of all rows, and the columns of row and target that tie them together.
    """

    entity: Entity
    condition: ColumnElement[bool]
    table: FromClause
    among: tuple[ColumnElement[bool], Sql, Sql] | None = None


@dataclass(frozen=True, slots=True)
class _Element:
    """What a lambda variable is bound to over a JSON array."""

    sql: Sql
    type: Type
    fold: bool


@dataclass(frozen=True, slots=True)
class _Array:
    """A collection property."""

    sql: Sql
    field: Field


_Scope = Entity | _Element


def compile_filter(
    expr: Expr, entity: Entity, *, navs: Callable[[Nav], NavScope] | None = None, now: int | None = None
) -> ColumnElement[bool]:
    """The condition for rows of `entity` for which `expr` is true.

    `navs` says where the targets of a navigation property of `entity` are; without it they cannot be used. `now` is
    the moment of the function `now()`, by default the database's clock. Raises `BadClause` (target `$filter`).
    """
    return _Compiler(entity, navs, now).condition(expr, False, {}, 0)


def pointed(condition: ColumnElement[bool]) -> Select[Any] | None:
    """The keys, as `item`, of the rows for which a compiled `any` holds, where an index has them (`NavScope.among`)."""
    rows = condition.right.element if _is_in(condition) else None
    if not isinstance(rows, Select):
        return None
    (key,) = rows.subquery("those").c
    return select(key.label("item"))


def _is_in(condition: ColumnElement[bool]) -> TypeGuard[BinaryExpression[bool]]:
    return (
        isinstance(condition, BinaryExpression)
        and condition.operator is operators.in_op
        and isinstance(condition.right, ScalarSelect)
    )


class _Compiler:
    __slots__ = ("entity", "navs", "now")

    def __init__(self, entity: Entity, navs: Callable[[Nav], NavScope] | None, now: int | None) -> None:
        self.entity, self.navs, self.now = entity, navs, now

    # ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────────
    def condition(self, node: Expr, negate: bool, names: Mapping[str, _Scope], depth: int) -> Sql:
        """`node` as a condition; `negate` carries an outer `not` inwards, where null needs care."""
        if depth > MAX_DEPTH:
            refuse(f"it is nested too deeply; at most {MAX_DEPTH} levels are supported")
        if isinstance(node, Unary) and node.op == "not":
            return self.condition(node.operand, not negate, names, depth + 1)
        if isinstance(node, Binary) and node.op in ("and", "or"):
            parts = [self.condition(part, negate, names, depth + 1) for part in _flat(node)]
            return and_(*parts) if (node.op == "and") is not negate else or_(*parts)
        if isinstance(node, Binary) and node.op in COMPARE:
            left, right = self.term(node.left, names, depth + 1), self.term(node.right, names, depth + 1)
            return compared(node.op, left, right, negate)
        if isinstance(node, Binary) and node.op == "has":
            left, right = self.term(node.left, names, depth + 1), self.term(node.right, names, depth + 1)
            if left.kind != "enumeration":
                refuse(f"has needs an enumeration, not {left.described}")
            return compared("eq", left, right, negate)
        if isinstance(node, In):
            return self.member(node, negate, names, depth)
        if isinstance(node, Lambda):
            found = self.quantified(node, names, depth)
            return not_(found) if negate else found
        term = self.term(node, names, depth + 1)
        if term.type is not Edm.BOOLEAN:
            refuse(f"a condition is needed, but {term.described} is none; compare it, or put parentheses after not")
        return not_(term.sql) if negate else term.sql

    def member(self, node: In, negate: bool, names: Mapping[str, _Scope], depth: int) -> Sql:
        left = self.term(node.left, names, depth + 1)
        pairs = [matched("eq", left, constant(item)) for item in node.items if item.type is not None]
        found: Sql = pairs[0][0].in_([right for _, right in pairs]) if pairs else false()
        if pairs and any(item.type is None for item in node.items):
            found = or_(found, left.sql.is_(None))
        elif not pairs:
            found = left.sql.is_(None)
        return not_(func.coalesce(found, false())) if negate else found

    def quantified(self, node: Lambda, names: Mapping[str, _Scope], depth: int) -> Sql:
        """any and all, as (NOT) EXISTS over a JSON array or over a table."""
        target = self.resolve(node.path, names)
        table: FromClause
        inner: _Scope
        if isinstance(target, Nav):
            scope = self.reach(target)
            table, inner = scope.table, scope.entity
            conditions: list[Sql] = [scope.condition]
            if scope.among is not None and node.kind == "any" and _is_pointed(scope.entity, node):
                # What few have is looked up at once; EXISTS would look at each row in turn.
                those, mine, theirs = scope.among
                return mine.in_(select(theirs).where(those, self.within(node, inner, names, depth)))
        elif isinstance(target, _Array):
            rows = portable.ELEMENTS(target.sql).table_valued("value")
            table, conditions = rows, []
            inner = _Element(rows.c.value, target.field.type, target.field.fold)
        else:
            refuse(f"{node.path} is not a collection; any and all need one")
        if node.variable is not None and node.body is not None:
            body = self.within(node, inner, names, depth)
            conditions.append(body if node.kind == "any" else not_(func.coalesce(body, false())))
        found = exists(select(1).select_from(table).where(*conditions).correlate_except(table))
        return not_(found) if node.kind == "all" else found

    def within(self, node: Lambda, inner: _Scope, names: Mapping[str, _Scope], depth: int) -> Sql:
        """The condition inside a lambda expression."""
        if node.variable is None or node.body is None:
            return sa.true()
        return self.condition(node.body, False, {**names, node.variable: inner}, depth + LAMBDA_DEPTH)

    # ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def term(self, node: Expr, names: Mapping[str, _Scope], depth: int) -> Term:
        """`node` as a value."""
        if depth > MAX_DEPTH:
            refuse(f"it is nested too deeply; at most {MAX_DEPTH} levels are supported")
        if isinstance(node, Literal):
            return constant(node)
        if isinstance(node, Path):
            return self.value(node, names)
        if isinstance(node, Call):
            return self.call(node, names, depth)
        if isinstance(node, Unary) and node.op == "neg":
            operand = self.term(node.operand, names, depth + 1)
            return (
                arithmetic("sub", constant(Literal(0, Edm.INT32)), operand)
                if operand.kind == "number"
                else refuse(f"- needs a number, not {operand.described}")
            )
        if isinstance(node, Binary) and node.op in ("add", "sub", "mul", "div", "divby", "mod"):
            return arithmetic(node.op, self.term(node.left, names, depth + 1), self.term(node.right, names, depth + 1))
        if isinstance(node, TypeName):
            refuse(f"the type {node.name} cannot stand here")
        # A comparison with null is false, not null, also where its result is used as a value.
        sql = func.coalesce(self.condition(node, False, names, depth + 1), false())
        return Term(sql, Edm.BOOLEAN, "the condition")

    def value(self, node: Path, names: Mapping[str, _Scope]) -> Term:
        if node.parts[-1] == "$count":
            target = self.resolve(Path(node.parts[:-1]), names)
            if isinstance(target, _Array):
                return Term(portable.SIZE(target.sql), Edm.INT64, str(node))
            if isinstance(target, Nav):
                scope = self.reach(target)
                rows = select(func.count()).select_from(scope.table).where(scope.condition)
                return Term(rows.correlate_except(scope.table).scalar_subquery(), Edm.INT64, str(node))
            refuse(f"{node} needs a collection before $count")
        target = self.resolve(node, names)
        if isinstance(target, Term):
            return target
        return refuse(f"{node} is a collection; use {node}/any(x:…), {node}/all(x:…) or {node}/$count")

    def reach(self, nav: Nav) -> NavScope:
        if self.navs is None:
            refuse(f"the relationship {nav.name} cannot be filtered")
        return self.navs(nav)

    def resolve(self, path: Path, names: Mapping[str, _Scope]) -> Term | _Array | Nav:
        """What a path leads to. Names without a lambda variable in front belong to the row being filtered."""
        parts = path.parts
        scope: _Scope = self.entity
        if bound := bool(parts) and parts[0] in names:
            scope, parts = names[parts[0]], parts[1:]
        elif parts and parts[0] == "$it":
            parts = parts[1:]
        if isinstance(scope, _Element):
            return _inside(scope, parts, path)
        if not parts:
            refuse(f"{path} is an object; name one of its properties")
        field = scope.field(parts[0])
        if field is None:
            nav = scope.nav(parts[0])
            if nav is None or bound:
                known = ", ".join(f.name for f in scope.fields if f.filter)
                refuse(f"{scope.name} has no property {parts[0]}. Properties that can be filtered: {known}")
            if not nav.filter:
                refuse(f"the relationship {nav.name} cannot be filtered")
            if len(parts) > 1:
                refuse(f"{path}: use the relationship {nav.name} with any, all or $count")
            return nav
        leaf, below = _descend(field, parts[1:], path)
        sql = field.sql
        if isinstance(sql, Mapping):
            sql = sql.get(below)
        elif below:
            sql = None
        return _property(leaf, sql, path)

    # ── functions ────────────────────────────────────────────────────────────────────────────────────────────────────
    def call(self, node: Call, names: Mapping[str, _Scope], depth: int) -> Term:
        name = node.name
        if name == "cast":
            return self.converted(node, names, depth)
        if name not in ARITY:
            refuse(f"the function {name} is not supported. Supported: {', '.join(sorted(ARITY))}, cast")
        least, most, kind = ARITY[name]
        if not least <= len(node.args) <= most:
            refuse(f"{name} takes {least if least == most else f'{least} or {most}'} values, not {len(node.args)}")
        args = [self.term(arg, names, depth + 1) for arg in node.args]
        for place, arg in enumerate(args):
            wanted = "number" if name == "substring" and place else kind
            if arg.kind != wanted or (arg.constant and arg.constant.enum):
                refuse(f"{name} needs a {wanted} as value {place + 1}, not {arg.described}")
        if kind == "text":
            return text_function(name, args)
        if kind == "number":
            return rounded(name, args[0])
        if name == "totalseconds":
            return replace(args[0], type=Edm.INT64, constant=None)
        if name in ("now", "mindatetime", "maxdatetime"):
            fixed = {"now": self.now, "mindatetime": _MIN_MOMENT, "maxdatetime": _MAX_MOMENT}[name]
            return Term(portable.NOW() if fixed is None else whole_number(fixed), Edm.DATETIME, name)
        return part_of_moment(name, args[0])

    def converted(self, node: Call, names: Mapping[str, _Scope], depth: int) -> Term:
        """cast, where it cannot fail: to text from text, whole numbers and GUIDs, and among numbers."""
        if len(node.args) != 2 or not isinstance(node.args[1], TypeName):
            refuse("cast takes a value and the name of a type, such as cast(id,Edm.String)")
        wanted = node.args[1].name
        term = self.term(node.args[0], names, depth + 1)
        goal = next((kind for kind in Edm if kind.value.lower() == wanted.lower()), None)
        if goal is Edm.STRING and (term.kind in ("text", "guid", "enumeration") or is_whole(term)):
            return replace(term, sql=cast(term.sql, String), type=Edm.STRING, constant=None)
        if goal is not None and KINDS.get(goal) == "number" and term.whole is not None:
            assert term.number is not None  # noqa: S101  (a text's number is stored both ways)
            return Term(term.whole if goal in WHOLE else term.number, goal, f"cast({term.says})")
        if goal is not None and KINDS.get(goal) == "number" and term.kind == "number":
            if goal not in WHOLE:
                return replace(term, sql=cast(term.sql, Double), type=goal)
            if is_whole(term):
                return term
        return refuse(f"cast from {term.described} to {wanted} is not supported")


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _descend(field: Field, parts: tuple[str, ...], path: Path) -> tuple[Field, str]:
    """The field at the end of `parts` below `field`, and the way to it as the model spells it."""
    below: list[str] = []
    while True:
        if not field.filter:
            refuse(f"the property {field.name} cannot be filtered")
        if not parts:
            return field, "/".join(below)
        if not isinstance(field.type, Complex) or field.many:
            refuse(f"{path}: {field.name} has no parts" + ("; use it with any or all" if field.many else ""))
        part = field.type.field(parts[0])
        if part is None:
            known = ", ".join(f.name for f in field.type.fields if f.filter)
            refuse(f"{field.name} has no part {parts[0]}. Parts that can be filtered: {known}")
        below.append(part.name)
        field, parts = part, parts[1:]


def _property(field: Field, sql: Any, path: Path) -> Term | _Array:
    if not field.many and isinstance(field.type, Complex):
        refuse(f"{path} is complex; name one of its parts: {', '.join(f.name for f in field.type.fields if f.filter)}")
    if sql is None or (isinstance(field.type, Edm) and field.type not in STORED):
        refuse(f"the property {path} cannot be filtered")
    if field.many:
        return _Array(sql, field)
    assert not isinstance(field.type, Complex)  # noqa: S101 - refused above
    return Term(
        sql,
        field.type,
        str(path),
        fold=field.fold,
        start=field.start,
        head=field.head,
        whole=field.whole,
        number=field.number,
    )


def _inside(scope: _Element, parts: tuple[str, ...], path: Path) -> Term | _Array:
    """A property of an element of a JSON array."""
    leaf, below = _descend(Field(name=path.parts[0], type=scope.type, fold=scope.fold), parts, path)
    if leaf.many or leaf.type in (Edm.DATETIME, Edm.GUID):
        refuse(f"the property {path} cannot be filtered inside a collection")
    names = below.replace("/", ".")
    sql: Sql = portable.PART(scope.sql, sa.literal(names, String)) if names else portable.WHOLE_ELEMENT(scope.sql)
    kinds: dict[Any, Any] = {Edm.BOOLEAN: Boolean, **dict.fromkeys(WHOLE, BigInteger)}
    kinds |= dict.fromkeys((Edm.DECIMAL, Edm.DOUBLE), Double)
    return _property(leaf, cast(sql, kinds[leaf.type]) if leaf.type in kinds else sql, path)


def _is_pointed(entity: Entity, node: Lambda) -> bool:
    """Whether a condition holds only where an indexed property has a given value."""
    body = node.body
    for part in _flat(body) if isinstance(body, Binary) and body.op == "and" else [body]:
        if isinstance(part, Binary) and part.op == "eq":
            for side, other in ((part.left, part.right), (part.right, part.left)):
                path = side.args[0] if isinstance(side, Call) and side.name == "cast" and side.args else side
                if isinstance(other, Literal) and isinstance(path, Path) and path.parts[0] == node.variable:
                    field = entity.field(path.parts[1]) if len(path.parts) == 2 else None
                    if field is not None and field.start is not None and other.value is not None:
                        return True
    return False


def _flat(node: Binary) -> list[Expr]:
    """The operands of a chain of one operator, without recursion."""
    found: list[Expr] = []
    rest: list[Expr] = [node]
    while rest:
        item = rest.pop()
        if isinstance(item, Binary) and item.op == node.op:
            rest += [item.right, item.left]
        else:
            found.append(item)
    return found
