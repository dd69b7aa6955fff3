"""The tree of a `$filter` expression; `str(node)` shows it with the operator first: `(and (eq isLocked false) isOpen)`.

Source: OData 4.01 URL Conventions §5.1.1. Nodes are immutable and can be hashed and compared.
"""

from __future__ import annotations

from msgspec import Struct

from folkmoot.odata import literals
from folkmoot.odata.edm import Edm
from folkmoot.odata.literals import Value


class Literal(Struct, frozen=True):
    """A constant; `type` None is null. `enum` is the type name in front of quotes: `microsoft.graph.bodyType'html'`."""

    value: Value
    type: Edm | None
    enum: str = ""

    def __str__(self) -> str:
        return self.enum + literals.write(self.value, self.type)


class Path(Struct, frozen=True):
    """A property path as it was written; `$it` or a lambda variable may come first and `$count` last."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.parts)


class TypeName(Struct, frozen=True):
    """The type argument of `cast` and `isof`, such as `Edm.String`."""

    name: str

    def __str__(self) -> str:
        return self.name


class Unary(Struct, frozen=True):
    """`op` is `not` or `neg`."""

    op: str
    operand: Expr

    def __str__(self) -> str:
        return f"({self.op} {self.operand})"


class Binary(Struct, frozen=True):
    """`op` is one of or, and, eq, ne, gt, ge, lt, le, has, add, sub, mul, div, divby, mod."""

    op: str
    left: Expr
    right: Expr

    def __str__(self) -> str:
        return f"({self.op} {self.left} {self.right})"


class In(Struct, frozen=True):
    """`left in (items)`."""

    left: Expr
    items: tuple[Literal, ...]

    def __str__(self) -> str:
        return f"(in {self.left} {' '.join(map(str, self.items))})"


class Call(Struct, frozen=True):
    """A function by its name in lower case; neither the name nor the number of arguments is checked."""

    name: str
    args: tuple[Expr, ...]

    def __str__(self) -> str:
        return f"({' '.join([self.name, *map(str, self.args)])})"


class Lambda(Struct, frozen=True):
    """`path/any(variable:body)`; `kind` is `any` or `all`; `path/any()` has neither variable nor body."""

    kind: str
    path: Path
    variable: str | None
    body: Expr | None

    def __str__(self) -> str:
        return f"({self.kind} {self.path}{f' {self.variable} {self.body}' if self.variable else ''})"


Expr = Literal | Path | TypeName | Unary | Binary | In | Call | Lambda
