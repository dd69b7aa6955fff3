"""Which rows a `$filter` can hold for, where an index gives them: a range of a time, the beginning of a text, or what
has something below it with a given value.

Rows come in an order of their own, which is not the one of such an index. Where the index has few, those are put in
order; where it has many, a page of them is found soon by a walk in the order that was asked for. So the index is asked
first whether it has more than `FEW`. Where `WALK` rows are no page (what is old is at the end of a walk), the index
says where the first is. Whichever way is taken gives the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import CTE, ColumnElement, Select, and_, bindparam, func, literal, select

from folkmoot.graph.describe import Noun, Sql
from folkmoot.graph.feeds import Feed
from folkmoot.odata.edm import HEAD, Edm, Field
from folkmoot.odata.expr import Binary, Call, Expr, Lambda, Literal, Path, Unary
from folkmoot.store.db import Statement
from folkmoot.store.dialect import NotByIndex
from folkmoot.store.filters import compile_filter, pointed

FEW = 1_000  # rows of an index that are put in order
WALK = 500  # rows that are looked at before the index is asked where the first is

_TURNED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


class Narrow(Struct, frozen=True):
    """What gives the keys of the rows, each at least once, as `item`."""

    rows: Select[Any]

    def probe(self) -> Statement:
        """The statement for how many rows there are, `few` at most."""
        return Statement(select(func.count()).select_from(self.rows.limit(bindparam("few")).subquery("some")))

    def first(self, after: ColumnElement[bool]) -> Statement:
        """The statement for the greatest key `after` the last page. The database may not look for it along the keys."""
        (key,) = self.rows.selected_columns
        those = self.rows.where(after).with_only_columns(NotByIndex(key).label("item")).order_by(None).cte("those")
        item = those.prefix_with("MATERIALIZED", dialect="postgresql").c.item
        return Statement(select(item).order_by(item.desc()).limit(1))

    def keys(self) -> CTE:
        """The keys of the rows, `FEW` at most."""
        return self.rows.limit(literal(FEW)).cte("few").prefix_with("MATERIALIZED")


def narrow(
    feed: Feed,
    expression: Expr | None,
    now: int,
    keys: Sequence[tuple[Sql, bool, int]],
    compiled: Callable[[Expr], ColumnElement[bool]],
) -> Narrow | None:
    """The rows among which are all for which `expression` holds, if an index has them; None where the order that is
    asked for is that of the index itself. `compiled` makes a condition of a part of the expression."""
    if expression is None:
        return None
    parts = list(_parts(expression))
    for name, column in feed.ranges.items():
        found = [each for each in (_range(feed.noun, name, part, now) for part in parts) if each is not None]
        if found and keys[0][0] is not column:
            rows = select(feed.noun.key.label("item")).select_from(feed.source).where(feed.condition, *found)
            # In the order of the index, so that no other way seems as good.
            return Narrow(rows.order_by(column))
    for part in parts:
        if isinstance(part, Lambda) and part.kind == "any" and feed.keyed is not None:
            below = pointed(compiled(part))
            if below is not None:
                return Narrow(below)
    return None


def bounded_above(feed: Feed, expression: Expr | None) -> Sql | None:
    """The column of a time before which all must lie for which `expression` holds, if an index has them in its order.

    Then its order is the one in which a page is found at once. And whatever such a time moves on for falls out of the
    range, so that a walk along the next links meets nothing twice.
    """
    for part in _parts(expression) if expression is not None else ():
        for name, column in feed.ranges.items():
            if _timed(feed.noun.entity.field(name), part) in ("lt", "le"):
                return column
    return None


def _parts(expression: Expr) -> Iterator[Expr]:
    """What must hold, all of it."""
    rest = [expression]
    while rest:
        part = rest.pop()
        if isinstance(part, Binary) and part.op == "and":
            rest += [part.right, part.left]
        else:
            yield part


def _compared(part: Expr) -> tuple[Path, str, Expr] | None:
    """A property that is compared with what is the same for all rows, with the property on the left."""
    if isinstance(part, Binary) and part.op in _TURNED:
        for side, op, other in ((part.left, part.op, part.right), (part.right, _TURNED[part.op], part.left)):
            if isinstance(side, Path) and len(side.parts) == 1 and _constant(other):
                return side, op, other
    return None


def _constant(node: Expr) -> bool:
    match node:
        case Literal(value=value):
            return value is not None
        case Unary(operand=operand):
            return _constant(operand)
        case Binary(left=left, right=right):
            return _constant(left) and _constant(right)
        case Call(args=args):
            return all(map(_constant, args))
    return False


def _timed(field: Field | None, part: Expr) -> str | None:
    """How a time is compared with what is the same for all rows, with the time on the left; None where it is not."""
    compared = _compared(part)
    if field is None or compared is None or field.type is not Edm.DATETIME or not _names(field, compared[0]):
        return None
    return compared[1]


def _range(noun: Noun, name: str, part: Expr, now: int) -> ColumnElement[bool] | None:
    field = noun.entity.field(name)
    if field is None:
        return None
    if _timed(field, part) is not None:
        return compile_filter(part, noun.entity, now=now)
    if isinstance(part, Call) and part.name == "startswith" and field.head is not None and len(part.args) == 2:
        path, beginning = part.args
        if isinstance(path, Path) and _names(field, path) and isinstance(beginning, Literal):
            return _begins(field.head, beginning.value)
    return None


def _names(field: Field, path: Path) -> bool:
    return len(path.parts) == 1 and path.parts[0].lower() == field.name.lower()


def _begins(head: Sql, value: Any) -> ColumnElement[bool] | None:
    """The texts that begin with `value`, and some more where that is longer than the index knows them."""
    if not isinstance(value, str) or not value:
        return None
    first = value[:HEAD]
    beyond = _beyond(first)
    return head >= first if beyond is None else and_(head >= first, head < beyond)


def _beyond(text: str) -> str | None:
    """The least text that is greater than all that begin with `text`, by code points; None where there is none."""
    text = text.rstrip("\U0010ffff")
    if not text:
        return None
    last = ord(text[-1]) + 1
    return text[:-1] + chr(0xE000 if 0xD800 <= last < 0xE000 else last)
