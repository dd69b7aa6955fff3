"""`$search`: from text to a tree, and from the tree to alternatives that a database can be asked.

The grammar is that of OData 4.01 URL Conventions §5.1.8 (words, "phrases", AND, OR, NOT) with what Graph takes for mail
(Keyword Query Language: `from:`, `subject:`, `body:`, `received`, `hasAttachments`, `word*`). Graph sends the whole
expression in quotes, with `\\"` inside.

    or   = and ("OR" and)*          and  = not ("AND"? not)*        not = ("NOT" | "-") not | "+" not | term
    term = "(" or ")" | name ("=" | "<" | …) value | word | word* | "phrase"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from msgspec import Struct

from folkmoot.odata.words import asked
from folkmoot.refusals import BadClause

MAX_TEXT = 2_000
MAX_TERMS = 50
MAX_DEPTH = 20
MAX_ALTERNATIVES = 16


class Words(Struct, frozen=True):
    """Words that follow each other, anywhere or in one field (`from`, `subject`, `body`)."""

    words: tuple[str, ...]
    field: str | None = None
    beginning: bool = False  # the last one is the beginning of a word


class Received(Struct, frozen=True):
    """Received from `since` on, and before `until`: seconds since the epoch."""

    since: int | None = None
    until: int | None = None


class Attached(Struct, frozen=True):
    """Whether there are attachments."""

    value: bool


class And(Struct, frozen=True):
    """All of them."""

    parts: tuple[Node, ...]


class Or(Struct, frozen=True):
    """One of them at least."""

    parts: tuple[Node, ...]


class Not(Struct, frozen=True):
    """Not this."""

    part: Node


Node = Words | Received | Attached | And | Or | Not


class Alternative(Struct, frozen=True):
    """Words (None: any) that a post must hold, and facts that must be so."""

    text: Node | None = None
    since: int | None = None
    until: int | None = None
    attached: bool | None = None


_FIELDS = {"from": "from", "sender": "from", "subject": "subject", "topic": "subject", "body": "body"}
_NAMES = {**_FIELDS, "received": "received", "hasattachments": "attached", "hasattachment": "attached"}
_KNOWN = "from, subject, body, received, hasAttachments"
_TERM = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<op>:(?!//)|>=|<=|=|<|>)")
_VALUE = re.compile(r'[^\s()"]*')
_DATE = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[Tt](\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:[Zz]|([+-])(\d{2}):(\d{2}))?)?",
    re.ASCII,
)
_BLANK = re.compile(r"\s*")
_AS_A_WHOLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


def parse_search(text: str) -> Node:
    """The tree of a `$search`. Raises `BadClause` naming the position, from 1."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        if len(text) > MAX_TEXT:
            raise BadClause(f"$search: is longer than {MAX_TEXT} characters. Ask for less.", target="$search")
        self.text = text
        self.at = 0
        self.end = len(text)
        self.escapes = False
        self.terms = 0
        self.shift = 1
        stripped = text.strip()
        whole = _AS_A_WHOLE.fullmatch(stripped)
        if whole:
            # Graph quotes the whole expression; a quote inside it is written \".
            inner = whole[1]
            self.shift += text.index('"') + 1
            self.text, self.escapes = inner, True
            self.end = len(inner)

    def read(self) -> Node:
        self.blank()
        if self.at == self.end:
            self.fail("nothing to look for", 'Give words, such as $search="launch plan"')
        found = self.either(0)
        if self.at < self.end:
            self.fail("')' closes nothing", "Balance the parentheses")
        if found is None:
            self.at = 0
            self.fail("there are no letters or digits to look for", 'Give words, such as $search="launch plan"')
        return found

    # A term without a letter or digit (`&`, `--`) is None: what is beside it is looked for.

    def either(self, depth: int) -> Node | None:
        if depth > MAX_DEPTH:
            self.fail("the expression is nested too deeply", f"At most {MAX_DEPTH} levels are supported")
        parts = [self.all(depth)]
        while self.word("OR"):
            parts.append(self.all(depth))
        return _joined(Or, parts)

    def all(self, depth: int) -> Node | None:
        parts = [self.negated(depth)]
        while True:
            if self.word("AND"):
                parts.append(self.negated(depth))
                continue
            self.blank()
            if self.at == self.end or self.text[self.at] == ")" or self.peek("OR"):
                return _joined(And, parts)
            parts.append(self.negated(depth))

    def negated(self, depth: int) -> Node | None:
        if depth > MAX_DEPTH:
            self.fail("the expression is nested too deeply", f"At most {MAX_DEPTH} levels are supported")
        if self.word("NOT") or self.sign("-"):
            part = self.negated(depth + 1)
            return None if part is None else Not(part)
        self.sign("+")
        return self.term(depth)

    def term(self, depth: int) -> Node | None:
        self.blank()
        self.terms += 1
        if self.terms > MAX_TERMS:
            self.fail(f"there are more than {MAX_TERMS} terms", "Ask for less")
        if self.at == self.end or self.text[self.at] == ")" or self.peek("OR") or self.peek("AND"):
            self.fail("a term is missing", 'Give a word, a "phrase" or a term such as from:adele')
        if self.text[self.at] == "(":
            start = self.at
            self.at += 1
            found = self.either(depth + 1)
            self.blank()
            if self.at == self.end:
                self.at = start
                self.fail("'(' is not closed", "Balance the parentheses")
            self.at += 1
            return found
        if self.quoted():
            return _words(self.phrase(), None, self.star())
        match = _TERM.match(self.text, self.at, self.end)
        if match:
            return self.property(match)
        return self.bare(None)

    def property(self, match: re.Match[str]) -> Node | None:
        kind = _NAMES.get(match["name"].lower())
        if kind is None:
            if match["op"] != ":":
                return self.bare(None)
            self.fail(
                f"'{match['name'][:40]}' is not a property that can be searched",
                f'Supported: {_KNOWN}; text with a colon is searched as a "phrase"',
            )
        start = self.at
        self.at = match.end()
        if kind in ("received", "attached"):
            value = self.phrase() if self.quoted() else self.value()
            fact = _received(match["op"], value) if kind == "received" else _attached(match["op"], value)
            if fact is None:
                self.at = start
                example = "received>=2026-01-01 or received:2026-01-01..2026-02-01"
                self.fail(
                    f"'{match.group()}{value[:40]}' cannot be read",
                    f"Write {example if kind == 'received' else 'hasAttachments:true or hasAttachments:false'}",
                )
            return fact
        if match["op"] not in (":", "="):
            self.fail(f"'{match['op']}' is not supported for {kind}", f"Write {match['name']}:word")
        if self.quoted():
            return _words(self.phrase(), kind, self.star())
        self.blank()
        if self.at < self.end and self.text[self.at] == "(":
            name = match["name"]
            self.fail(f"{name}: takes one word or phrase", f"Repeat it: {name}:a OR {name}:b")
        found = self.bare(kind)
        if found is None:
            self.at = start
            self.fail(f"{match['name']}: needs a value", f"Write {match['name']}:word")
        return found

    def bare(self, field: str | None) -> Node | None:
        value = self.value()
        return _words(value.rstrip("*"), field, value.endswith("*"))

    def value(self) -> str:
        match = _VALUE.match(self.text, self.at, self.end)
        assert match is not None  # noqa: S101  (it matches nothing, too)
        value = match.group()
        if self.escapes and value.endswith("\\") and self.text.startswith('"', match.end()):
            value = value[:-1]  # of the \" that comes next
        self.at += len(value)
        return value

    def quoted(self) -> bool:
        return self.text.startswith('\\"' if self.escapes else '"', self.at)

    def phrase(self) -> str:
        start = self.at
        mark = '\\"' if self.escapes else '"'
        self.at += len(mark)
        begin = self.at
        while self.at < self.end and not self.text.startswith(mark, self.at):
            self.at += 2 if not self.escapes and self.text[self.at] == "\\" else 1
        if self.at >= self.end:
            self.at = start
            self.fail("the quote is not closed", 'Close the phrase with "')
        found = self.text[begin : self.at]
        self.at += len(mark)
        return found.replace('\\"', '"')

    def star(self) -> bool:
        there = self.text.startswith("*", self.at)
        self.at += there
        return there

    def sign(self, sign: str) -> bool:
        """Whether `-` or `+` stands directly before a term; elsewhere it is punctuation."""
        self.blank()
        there = self.text.startswith(sign, self.at) and self.text[self.at + 1 : self.at + 2].strip() != ""
        self.at += there
        return there

    def peek(self, word: str) -> bool:
        after = self.at + len(word)
        return self.text.startswith(word, self.at) and (after >= self.end or self.text[after] in ' \t\r\n()"\\')

    def word(self, word: str) -> bool:
        self.blank()
        if self.peek(word):
            self.at += len(word)
            return True
        return False

    def blank(self) -> None:
        match = _BLANK.match(self.text, self.at, self.end)
        self.at = match.end() if match else self.at

    def fail(self, what: str, hint: str) -> NoReturn:
        raise BadClause(f"$search: {what} at position {self.at + self.shift}. {hint}.", target="$search")


def _joined(kind: type[And] | type[Or], parts: list[Node | None]) -> Node | None:
    there = tuple(part for part in parts if part is not None)
    return kind(there) if len(there) > 1 else there[0] if there else None


def _words(text: str, field: str | None, star: bool) -> Words | None:
    found, open_ended = asked(text)
    return Words(found, field, star or open_ended) if found else None


def _attached(op: str, value: str) -> Attached | None:
    return Attached(value.lower() == "true") if op in (":", "=") and value.lower() in ("true", "false") else None


def _received(op: str, value: str) -> Received | None:
    first, dots, last = value.partition("..")
    span = _span(first)
    if span is None:
        return None
    if dots:
        to = _span(last)
        return Received(span[0], to[1]) if to is not None and op in (":", "=") else None
    match op:
        case ":" | "=":
            return Received(*span)
        case ">":
            return Received(span[1], None)
        case ">=":
            return Received(span[0], None)
        case "<":
            return Received(None, span[0])
        case _:
            return Received(None, span[1])


def _span(text: str) -> tuple[int, int] | None:
    """The first second of a day or moment, and the first after it."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, sign, hours, minutes = match.groups()
    try:
        at = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC)
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            at = at - offset if sign == "+" else at + offset
    except (ValueError, OverflowError):
        return None
    length = 86_400 if hour is None else 60 if second is None else 1
    start = int(at.timestamp())
    return start, start + length


# ── alternatives ─────────────────────────────────────────────────────────────────────────────────────────────────────


def alternatives(node: Node) -> tuple[Alternative, ...]:
    """The tree as alternatives, of which a post must meet one; words stay together as they are.

    Raises `BadClause` when that gives too many: facts and words in many ORs within ANDs.
    """
    # Where nothing can be found, no moment meets it.
    return tuple(_alternatives(node)) or (Alternative(since=0, until=0),)


def only_subject(node: Node) -> bool:
    """Whether words are looked for in topics alone, which all posts of a thread have in common."""
    match node:
        case Words(_, field, _):
            return field == "subject"
        case And(parts) | Or(parts):
            return all(only_subject(part) for part in parts)
        case Not(part):
            return only_subject(part)
        case _:
            return False


def has_beginning(node: Node) -> bool:
    """Whether a tree holds the beginning of a word."""
    match node:
        case And(parts) | Or(parts):
            return any(has_beginning(part) for part in parts)
        case Not(part):
            return has_beginning(part)
    return isinstance(node, Words) and node.beginning


def _alternatives(node: Node) -> list[Alternative]:
    if _textual(node):
        return [Alternative(text=node)]
    match node:
        case Received(since, until):
            return [Alternative(since=since, until=until)]
        case Attached(value):
            return [Alternative(attached=value)]
        case Not(part):
            return _alternatives(_inverse(part))
        case Or(parts):
            words = tuple(part for part in parts if _textual(part))
            found = [] if not words else _alternatives(words[0] if len(words) == 1 else Or(words))
            for part in parts:
                if not _textual(part):
                    found += _alternatives(part)
            return _bounded(found)
        case And(parts):
            found = [Alternative()]
            for part in parts:
                both = (_both(one, other) for one in found for other in _alternatives(part))
                found = _bounded([each for each in both if each is not None])
            return found
    raise AssertionError(node)


def _bounded(found: list[Alternative]) -> list[Alternative]:
    if len(found) > MAX_ALTERNATIVES:
        raise BadClause(
            f"$search: the expression comes to more than {MAX_ALTERNATIVES} alternatives. "
            "Put fewer of received and hasAttachments beside words in OR.",
            target="$search",
        )
    return found


def _textual(node: Node) -> bool:
    match node:
        case And(parts) | Or(parts):
            return all(_textual(part) for part in parts)
        case Not(part):
            return _textual(part)
    return isinstance(node, Words)


def _inverse(node: Node) -> Node:
    match node:
        case Not(part):
            return part
        case And(parts):
            return Or(tuple(_inverse(part) for part in parts))
        case Or(parts):
            return And(tuple(_inverse(part) for part in parts))
        case Attached(value):
            return Attached(not value)
        case Received(since, until):
            outside: list[Node] = [] if since is None else [Received(None, since)]
            outside += [] if until is None else [Received(until, None)]
            return outside[0] if len(outside) == 1 else Or(tuple(outside))
    return Not(node)


def _both(one: Alternative, other: Alternative) -> Alternative | None:
    """What meets both; None where nothing can."""
    if one.attached is not None and other.attached is not None and one.attached != other.attached:
        return None
    since = _of((one.since, other.since), max)
    until = _of((one.until, other.until), min)
    if since is not None and until is not None and since >= until:
        return None
    texts = tuple(text for text in (one.text, other.text) if text is not None)
    text = And(texts) if len(texts) == 2 else texts[0] if texts else None
    return Alternative(text, since, until, one.attached if other.attached is None else other.attached)


def _of(values: Iterable[int | None], choose: Callable[[list[int]], int]) -> int | None:
    given = [value for value in values if value is not None]
    return choose(given) if given else None
