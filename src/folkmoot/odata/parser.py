"""The parser of expressions: recursive descent with operator precedence over tokens cut by one regular expression.

Source: OData 4.01 URL Conventions §5.1.1 (operators, functions, lambda operators, literals, precedence) and the ABNF,
section "Expressions". Which properties and functions exist, and which types fit, is decided where a tree is used.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NoReturn

from folkmoot.odata import literals
from folkmoot.odata.edm import Edm
from folkmoot.odata.expr import Binary, Call, Expr, In, Lambda, Literal, Path, TypeName, Unary
from folkmoot.refusals import BadClause

MAX_TEXT = 10_000
MAX_DEPTH = 100
MAX_NODES = 200

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>'[^']*(?:''[^']*)*')
    |(?P<guid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![\w-]))
    |(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:Z|[ +-]\d\d:\d\d)?(?![\w:.]))
    |(?P<date>\d{4}-\d\d-\d\d(?![\w:.-]))
    |(?P<time>\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?![\w:.]))
    |(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.]))
    |(?P<typed>[a-z_]\w*(?:\.[a-z_]\w*)*'[^']*(?:''[^']*)*')
    |(?P<name>[$@]?[a-z_]\w*(?:\.[a-z_]\w*)*)
    |(?P<mark>[/(),:-])
    |(?P<unknown>.)""",
    re.VERBOSE | re.DOTALL | re.ASCII | re.IGNORECASE,
)
_UNUSABLE = re.compile(r"[\x00\ud800-\udfff]")
_POWER = {"or": 1, "and": 2, "eq": 3, "ne": 3, "gt": 4, "ge": 4, "lt": 4, "le": 4, "add": 5, "sub": 5}
_POWER |= {"mul": 6, "div": 6, "divby": 6, "mod": 6, "has": 8, "in": 8}
_UNARY = 7
_OPERATORS = "Supported operators: eq ne gt ge lt le and or not in has add sub mul div divby mod"
_READERS = {"date": literals.read_date, "time": literals.read_time, "moment": literals.read_moment}
_EDM = {"date": Edm.DATE, "time": Edm.TIME, "moment": Edm.DATETIME}

Token = tuple[str, str, int]


def parse_filter(text: str) -> Expr:
    """The tree of a percent-decoded `$filter`. Raises `BadClause` (target `$filter`) naming what is wrong and where.

    At most 10,000 characters, 100 nesting levels and 200 operators, calls and lambda operators.
    """
    return Parser(text, "$filter").whole()


def check_text(text: str, option: str) -> None:
    """Refuse text that is too long or that cannot be stored or sent: NUL and lone surrogates."""
    if len(text) > MAX_TEXT:
        raise BadClause(f"{option} is {len(text)} characters long; at most {MAX_TEXT} are supported.", target=option)
    if bad := _UNUSABLE.search(text):
        raise BadClause(f"{option}: character {bad.start() + 1} is not valid text.", target=option)


class Parser:
    """Reads the tokens of one option by recursive descent with operator precedence."""

    __slots__ = ("at", "depth", "nodes", "option", "tokens")

    def __init__(self, text: str, option: str) -> None:
        check_text(text, option)
        self.option = option
        self.tokens: list[Token] = [
            (match.lastgroup or "", match.group(), match.start())
            for match in _TOKEN.finditer(text)
            if match.lastgroup != "space"
        ]
        self.tokens.append(("end", "", len(text)))
        self.at = self.depth = self.nodes = 0

    def whole(self) -> Expr:
        """The expression that is the whole text."""
        if self.tokens[0][0] == "end":
            self.refuse("is empty", "Give a condition such as topic eq 'News'")
        found = self.expression(0)
        if self.tokens[self.at][0] != "end":
            self.refuse("expected an operator or the end", _OPERATORS)
        return found

    def path(self) -> Path:
        """A property path; a lambda operator is not one."""
        kind, word, _ = self.tokens[self.at]
        if kind != "name":
            self.refuse("expected the name of a property", "A path is written from/emailAddress/address")
        self.at += 1
        found = self.steps(word)
        return found if isinstance(found, Path) else self.refuse("any and all cannot be used here", "Give a property")

    def expression(self, floor: int) -> Expr:
        """An operand and all operators after it that bind at least as strongly as `floor`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.refuse("is nested too deeply", f"At most {MAX_DEPTH} levels are supported")
        left = self.operand()
        while True:
            kind, word, _ = self.tokens[self.at]
            op = word.lower()
            power = _POWER.get(op, -1) if kind == "name" else -1
            if power < floor or power < 0:
                break
            self.at += 1
            self.count()
            left = In(left, self.items()) if op == "in" else Binary(op, left, self.expression(power + 1))
        self.depth -= 1
        return left

    def operand(self) -> Expr:
        """A literal, path, call, lambda, parenthesis, or `not` or `-` with its own operand."""
        kind, word, _ = self.tokens[self.at]
        if kind == "name":
            self.at += 1
            following = self.tokens[self.at]
            if following[1] == "(" and word.lower() != "not":
                return self.call(word)
            if word.lower() == "not" and self.starts_operand(following):
                self.count()
                return Unary("not", self.expression(_UNARY))
            return self.steps(word)
        if word == "(":
            self.at += 1
            inner = self.expression(0)
            self.expect(")")
            return inner
        if word == "-":
            self.at += 1
            self.count()
            kind, word, _ = self.tokens[self.at]
            # The sign of a number belongs to it; any other - is an operator and binds less than in.
            signed = kind == "number" or word == "INF"
            operand = self.operand() if signed else self.expression(_UNARY)
            value = operand.value if isinstance(operand, Literal) else None
            if isinstance(operand, Literal) and operand.type in _NUMERIC and isinstance(value, _NUMBER):
                return Literal(*literals.negate(value))
            return Unary("neg", operand)
        return self.literal()

    def literal(self) -> Literal:
        """A literal that starts with neither a name nor a sign."""
        kind, word, at = self.tokens[self.at]
        self.at += 1
        try:
            if kind == "string":
                return Literal(literals.read_string(word), Edm.STRING)
            if kind == "number":
                return Literal(*literals.read_number(word))
            if kind in _READERS:
                return Literal(_READERS[kind](word), _EDM[kind])
            if kind == "guid":
                return Literal(word.lower(), Edm.GUID)
            if kind == "typed":
                name, _, rest = word.partition("'")
                if name.lower() in ("duration", "binary"):
                    return Literal(*literals.read_typed(name.lower(), rest[:-1]))
                return Literal(literals.read_string("'" + rest), Edm.STRING, name)
        except ValueError as error:
            raise BadClause(
                f"{self.option}: '{word[:60]}' at position {at + 1} is not valid: {error}.", target=self.option
            ) from None
        self.at -= 1
        if word == "'":
            self.refuse("a string is not closed", "Strings stand in single quotes; double a quote inside: 'let''s'")
        return self.refuse("expected a property, a value, a function or '('", _OPERATORS)

    def steps(self, first: str) -> Path | Lambda | Literal:
        """What a name that is no call begins: a constant, a path or a lambda operator."""
        if first in literals.NUMBER_WORDS:
            return Literal(literals.NUMBER_WORDS[first], Edm.DOUBLE)
        if self.tokens[self.at][1] != "/":
            if constant := literals.WORDS.get(first.lower()):
                return Literal(*constant)
            if first[0] in "@$" and first.lower() not in ("$it", "$this"):
                self.at -= 1
                self.refuse("parameter aliases and this name are not supported here", "Write the value or a property")
            return Path((first.lower() if first[0] == "$" else first,))
        parts = [first.lower() if first[0] == "$" else first]
        while self.tokens[self.at][1] == "/":
            self.at += 1
            kind, word, _ = self.tokens[self.at]
            if kind != "name" or (word[0] in "$@" and word.lower() != "$count"):
                self.refuse("expected a property, any, all or $count after '/'", "")
            self.at += 1
            if word.lower() in ("any", "all") and self.tokens[self.at][1] == "(":
                return self.lambda_(word.lower(), Path(tuple(parts)))
            parts.append(word.lower() if word[0] == "$" else word)
            if parts[-1] == "$count":
                break
        return Path(tuple(parts))

    def lambda_(self, kind: str, path: Path) -> Lambda:
        """The rest of `path/any(`."""
        self.count()
        self.at += 1
        if self.tokens[self.at][1] == ")" and kind == "any":
            self.at += 1
            return Lambda(kind, path, None, None)
        name_kind, variable, _ = self.tokens[self.at]
        if name_kind != "name" or variable[0] in "$@" or self.tokens[self.at + 1][1] != ":":
            self.refuse(f"expected a variable and ':' inside {kind}(…)", f"Write {kind}(x:x/name eq 'value')")
        self.at += 2
        body = self.expression(0)
        self.expect(")")
        return Lambda(kind, path, variable, body)

    def call(self, name: str) -> Call:
        """A function call, from its parenthesis on."""
        self.count()
        self.at += 1
        args: list[Expr] = []
        if self.tokens[self.at][1] != ")":
            args.append(self.expression(0))
            while self.tokens[self.at][1] == ",":
                self.at += 1
                args.append(self.expression(0))
        self.expect(")")
        name = name.lower()
        if name in ("cast", "isof") and args and isinstance(last := args[-1], Path) and len(last.parts) == 1:
            args[-1] = TypeName(last.parts[0])
        return Call(name, tuple(args))

    def items(self) -> tuple[Literal, ...]:
        """The list after `in`."""
        self.expect("(")
        found: list[Literal] = []
        while True:
            item = self.operand()
            if not isinstance(item, Literal):
                self.at -= 1
                self.refuse("only values may stand in the list after in", "Write topic in ('a','b')")
            found.append(item)
            if self.tokens[self.at][1] != ",":
                break
            self.at += 1
        self.expect(")")
        return tuple(found)

    def starts_operand(self, token: Token) -> bool:
        """Whether `not` before this token is the operator and not a property of that name."""
        kind, word, _ = token
        return kind != "end" and word not in ("/", ")", ",", ":") and not (kind == "name" and word.lower() in _POWER)

    def count(self) -> None:
        """Keep trees small enough for every later walk."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.refuse("is too large", f"At most {MAX_NODES} operators and calls are supported; try in ('a','b')")

    def expect(self, mark: str) -> None:
        """Step over `mark`."""
        if self.tokens[self.at][1] != mark:
            self.refuse(f"expected '{mark}'", "")
        self.at += 1

    def refuse(self, what: str, hint: str) -> NoReturn:
        """Raise `BadClause` about the current token."""
        kind, word, at = self.tokens[self.at]
        found = "the end of the text" if kind == "end" else f"'{word[:60]}'"
        hint = f" {hint}." if hint else ""
        raise BadClause(f"{self.option}: {what} at position {at + 1}, found {found}.{hint}", target=self.option)


_NUMERIC = (Edm.INT32, Edm.INT64, Edm.DECIMAL, Edm.DOUBLE)
_NUMBER = (int, float, Decimal)
