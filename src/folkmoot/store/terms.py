"""Values inside a filter: constants, comparisons, arithmetic and functions as SQL.

Whatever one of the databases would stop at (overflow, division by zero, a text that is no number) is refused here by
type and size, or built so that it yields null.
Source: OData 4.01 URL Conventions §5.1.1.1 to §5.1.1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from math import floor, isnan
from typing import Any, NoReturn
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Double, Integer, Numeric, String, and_, cast, false, func, not_, true
from sqlalchemy.sql.elements import ColumnElement

from folkmoot.odata.edm import HEAD, Edm, Enumeration
from folkmoot.odata.expr import Literal
from folkmoot.refusals import BadClause
from folkmoot.store import portable
from folkmoot.store.extensions import start_of

Sql = ColumnElement[Any]

MAX_ARITHMETIC = 6

WHOLE = (Edm.INT32, Edm.INT64)
KINDS: dict[Edm, str] = {
    Edm.STRING: "text",
    Edm.BOOLEAN: "boolean",
    **dict.fromkeys((*WHOLE, Edm.DECIMAL, Edm.DOUBLE), "number"),
    Edm.DATETIME: "moment",
    Edm.DATE: "moment",
    Edm.TIME: "time",
    Edm.DURATION: "duration",
    Edm.GUID: "guid",
}
STORED = (Edm.STRING, Edm.BOOLEAN, *WHOLE, Edm.DECIMAL, Edm.DOUBLE, Edm.DATETIME, Edm.GUID)
COMPARE: dict[str, Callable[[Sql, Sql], Sql]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a.is_distinct_from(b),
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}


@dataclass(frozen=True, slots=True)
class Term:
    """A value: its SQL, its type (None: null), how a message calls it, and the constant it is, if it is one.

    `size` counts the arithmetic inside, which bounds how large a number can become. `start`, `head`, `whole` and
    `number` are those of its property (see `edm.Field`).
    """

    sql: Sql
    type: Edm | Enumeration | None
    says: str
    fold: bool = False
    constant: Literal | None = None
    size: int = 0
    start: Sql | None = None
    head: Sql | None = None
    whole: Sql | None = None
    number: Sql | None = None

    @property
    def kind(self) -> str:
        """The comparison class: text, number, boolean, moment, time, duration, guid, enumeration or null."""
        if self.type is None:
            return "null"
        return "enumeration" if isinstance(self.type, Enumeration) else KINDS.get(self.type, "binary")

    @property
    def described(self) -> str:
        """`topic (Edm.String)`."""
        kind = self.type.name if isinstance(self.type, Enumeration) else self.type.value if self.type else "null"
        return f"{self.says} ({kind})"


# ── constants and comparisons ────────────────────────────────────────────────────────────────────────────────────────
def constant(node: Literal) -> Term:
    value, kind = node.value, node.type
    says = str(node) if len(str(node)) < 60 else str(node)[:60] + "…"
    sql: Sql
    if isinstance(value, str):
        if "\0" in value:
            refuse("text cannot hold the character NUL")
        sql = sa.literal(value, String)
    elif isinstance(value, bool):
        sql = sa.literal(value, Boolean)
    elif isinstance(value, date):
        sql = whole_number((value.toordinal() - date(1970, 1, 1).toordinal()) * 86_400)
    elif isinstance(value, int):
        sql = whole_number(value)
    elif isinstance(value, float | Decimal):
        if isnan(value) or (isinstance(value, Decimal) and abs(value) >= 2**63):
            refuse(f"the number {says} is not supported; whole numbers have at most 64 bits")
        sql = sa.literal(float(value), Double)
    elif value is None:
        return Term(sa.literal(None, String), None, "null", constant=node)
    else:
        refuse("binary data cannot be compared")
    return Term(sql, kind, says, constant=node)


def whole_number(value: int) -> Sql:
    if not -(2**63) <= value < 2**63:
        refuse(f"the number {value} is not supported; whole numbers have at most 64 bits")
    return sa.literal(value, BigInteger)


def compared(op: str, left: Term, right: Term, negate: bool) -> Sql:
    """A comparison, and under `not` its opposite: null equals only null and is neither more nor less than anything."""
    if left.type is None or right.type is None:
        other = right if left.type is None else left
        if op not in ("eq", "ne"):
            return true() if negate else false()
        if other.type is None:
            return true() if (op == "eq") is not negate else false()
        return other.sql.is_(None) if (op == "eq") is not negate else other.sql.is_not(None)
    a, b = matched(op, left, right)
    if op in ("eq", "ne"):
        # Two columns may both be null; with a constant the plain operator can use an index.
        if (op == "ne") is not negate:
            return a.is_distinct_from(b)
        if not (left.constant or right.constant):
            return a.is_not_distinct_from(b)
        for term, other in ((left, right), (right, left)):
            if term.start is not None and other.constant is not None:
                return and_(term.start == start_of(str(other.constant.value)), a == b)
            if term.head is not None and other.constant is not None and isinstance(other.constant.value, str):
                # Not `=`: SQLite would put the constant in the place of the text in `head`, and miss the index of that.
                return and_(term.head == other.constant.value[:HEAD], a.is_not_distinct_from(b))
            if term.kind == "boolean" and other.constant is not None and isinstance(other.constant.value, bool):
                # An index of those rows alone serves no parameters.
                return term.sql == (true() if other.constant.value else false())
        return a == b
    found = COMPARE[op](a, b)
    return not_(func.coalesce(found, false())) if negate else found


def matched(op: str, left: Term, right: Term) -> tuple[Sql, Sql]:
    """Both sides in one SQL type, or a refusal that names them."""
    kinds = {left.kind, right.kind}
    equality = op in ("eq", "ne")
    if "enumeration" in kinds and equality:
        if left.type == right.type:
            return left.sql, right.sql
        if isinstance(left.type, Enumeration) and right.constant:
            return left.sql, _member(left.type, left, right)
        if isinstance(right.type, Enumeration) and left.constant:
            return _member(right.type, right, left), right.sql
    elif "guid" in kinds and equality:
        if kinds <= {"guid", "text"} and all(t.constant or t.kind == "guid" for t in (left, right)):
            return _guid(left), _guid(right)
    elif len(kinds) == 1 and "binary" not in kinds and (equality or "boolean" not in kinds):
        if (left.constant and left.constant.enum) or (right.constant and right.constant.enum):
            refuse(f"{left.described} {op} {right.described}: only an enumeration has named members")
        a, b = left.sql, right.sql
        if kinds == {"text"}:
            if left.fold or right.fold:
                a, b = portable.LOWER(a), portable.LOWER(b)
            if not equality:
                a, b = portable.ORDERED(a), portable.ORDERED(b)
        elif kinds == {"number"}:
            a, b = _beside(left, right), _beside(right, left)
        return a, b
    hint = "; write dates without quotes" if kinds == {"moment", "text"} else ""
    return refuse(f"{left.described} {op} {right.described} cannot be compared{hint}")


def _member(kind: Enumeration, term: Term, given: Term) -> Sql:
    node = given.constant
    if node is None or not isinstance(node.value, str) or node.type is not Edm.STRING:
        refuse(f"{term.described} can be compared with one of its members, not with {given.described}")
    if node.enum and node.enum.rpartition(".")[2].lower() != kind.name.rpartition(".")[2].lower():
        refuse(f"{term.described} cannot be compared with a member of {node.enum}")
    wanted = node.value.lower()
    for member in kind.members:
        if member.lower() == wanted:
            return sa.literal(member, String)
    return refuse(f"{term.described} has no member {given.says}. Members: {', '.join(kind.members)}")


def _beside(term: Term, other: Term) -> Sql:
    """A number to compare with `other`: a whole constant beside what is not whole is a double."""
    value: Any = term.constant.value if term.constant else None
    if value is None or not is_whole(term) or is_whole(other):
        return term.sql
    # PostgreSQL would make it one, SQLite would compare all its digits.
    return sa.literal(float(value), Double)


def _guid(term: Term) -> Sql:
    if term.constant is None:
        return term.sql
    try:
        return portable.GUID(sa.literal(str(UUID(str(term.constant.value))), String))
    except ValueError:
        refuse(f"{term.says} is not a GUID")


# ── arithmetic and functions ─────────────────────────────────────────────────────────────────────────────────────────
def is_whole(term: Term) -> bool:
    return term.type in WHOLE


def arithmetic(op: str, left: Term, right: Term) -> Term:
    size = left.size + right.size + 1
    if size > MAX_ARITHMETIC:
        refuse(f"at most {MAX_ARITHMETIC} arithmetic operators are supported in one value")
    for term in (left, right):
        value: Any = term.constant.value if term.constant else None
        # Keeps every result inside the range of a double, where PostgreSQL stops with an error.
        if isinstance(value, float | Decimal) and value and not 1e-15 <= abs(float(value)) <= 1e19:
            refuse(f"the number {term.says} is too large or too small for arithmetic")
        if term.kind == "duration" and not isinstance(value, int | None):
            refuse(f"{term.says}: arithmetic needs a duration of whole seconds")
    goal = _result(op, left, right)
    if goal is None:
        refuse(f"{left.described} {op} {right.described} cannot be computed")
    whole = goal in (Edm.INT64, Edm.DATETIME, Edm.DURATION)
    if op in ("div", "divby") or op == "mod":
        make = portable.RATIO if not whole else portable.REMAINDER if op == "mod" else portable.QUOTIENT
        return Term(make(left.sql, right.sql), goal, "the result", size=size)
    kind: Any = Numeric if whole else Double
    a, b = cast(left.sql, kind), cast(right.sql, kind)
    return Term(a + b if op == "add" else a - b if op == "sub" else a * b, goal, "the result", size=size)


def _result(op: str, left: Term, right: Term) -> Edm | None:
    kinds = (left.kind, right.kind)
    if kinds == ("number", "number"):
        whole = is_whole(left) and is_whole(right)
        if op == "mod":
            return Edm.INT64 if whole else refuse("mod needs whole numbers")
        return Edm.INT64 if whole and op != "divby" else Edm.DOUBLE
    if kinds == ("moment", "duration") and op in ("add", "sub"):
        return Edm.DATETIME
    if kinds == ("moment", "moment") and op == "sub":
        return Edm.DURATION
    return Edm.DURATION if kinds == ("duration", "duration") and op in ("add", "sub") else None


def text_function(name: str, args: list[Term]) -> Term:
    first = args[0].sql
    fold = any(arg.fold for arg in args)
    if name in ("contains", "startswith", "endswith", "indexof"):
        second = args[1].sql
        if fold:
            first, second = portable.LOWER(first), portable.LOWER(second)
        if name == "endswith":
            return Term(portable.ENDS(first, second), Edm.BOOLEAN, name)
        at = portable.POSITION(first, second)
        if name == "indexof":
            return Term(at - 1, Edm.INT64, name)
        return Term(at > 0 if name == "contains" else at == 1, Edm.BOOLEAN, name)
    if name == "length":
        return Term(func.length(first), Edm.INT64, name)
    if name == "concat":
        return Term(first.concat(args[1].sql), Edm.STRING, name, fold=fold)
    if name == "substring":
        numbers: list[Any] = [arg.constant.value if arg.constant else None for arg in args[1:]]
        if not all(isinstance(number, int) and number >= 0 for number in numbers):
            refuse("substring needs whole numbers from 0 as start and length")
        # SQL counts characters from 1.
        bounds = [min(numbers[0], 10**9) + 1, *(min(number, 10**9) for number in numbers[1:])]
        return Term(func.substr(first, *[sa.literal(bound, Integer) for bound in bounds]), Edm.STRING, name, fold=fold)
    if name == "trim":
        return Term(func.trim(first), Edm.STRING, name, fold=fold)
    make = {"tolower": portable.LOWER, "toupper": portable.UPPER}[name]
    return Term(make(first), Edm.STRING, name, fold=fold)


def rounded(name: str, term: Term) -> Term:
    if is_whole(term):
        return term
    size = term.size + 1
    value: Any = term.constant.value if term.constant else 0
    if size > MAX_ARITHMETIC or abs(value) > 1e18:
        refuse(f"{name} of {term.says} is too large")
    make = {"round": portable.ROUND, "floor": portable.FLOOR, "ceiling": portable.CEILING}[name]
    return Term(make(term.sql), Edm.DOUBLE, name, size=size)


def part_of_moment(name: str, term: Term) -> Term:
    if term.size:
        refuse(f"{name} needs a property or a date, not a computed one")
    goal = {"date": Edm.DATE, "time": Edm.TIME, "fractionalseconds": Edm.DECIMAL}.get(name, Edm.INT64)
    value = term.constant.value if term.constant else None
    if isinstance(value, Decimal):
        if name == "fractionalseconds":
            return Term(sa.literal(float(value % 1), Double), goal, name)
        term = replace(term, sql=whole_number(floor(value)))
    return Term(portable.MOMENT_PARTS[name](term.sql), goal, name)


ARITY: dict[str, tuple[int, int, str]] = {
    **dict.fromkeys(("contains", "startswith", "endswith", "indexof", "concat"), (2, 2, "text")),
    **dict.fromkeys(("length", "tolower", "toupper", "trim"), (1, 1, "text")),
    "substring": (2, 3, "text"),
    **dict.fromkeys(("round", "floor", "ceiling"), (1, 1, "number")),
    **dict.fromkeys(portable.MOMENT_PARTS, (1, 1, "moment")),
    **dict.fromkeys(("now", "mindatetime", "maxdatetime"), (0, 0, "moment")),
    "totalseconds": (1, 1, "duration"),
}


def refuse(message: str) -> NoReturn:
    raise BadClause(f"$filter: {message}.", target="$filter")
