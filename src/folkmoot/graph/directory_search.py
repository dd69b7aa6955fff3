"""`$search` on directory objects: `"displayName:sales" AND "description:plan"`.

A clause asks for words that begin with the words given, in any case. Source: Microsoft Graph, advanced query
capabilities (clauses in double quotes, AND and OR in capitals, AND binds more tightly, parentheses).
"""

from __future__ import annotations

import re
from string import ascii_lowercase, ascii_uppercase

import sqlalchemy as sa
from sqlalchemy import and_, func, or_
from sqlalchemy.sql import ColumnElement

from folkmoot.graph.describe import Sql
from folkmoot.graph.feeds import Feed
from folkmoot.odata.edm import Edm
from folkmoot.refusals import BadClause
from folkmoot.store import portable

MAX_CLAUSES = 20
_TOKEN = re.compile(r'\s*(?:"(?P<clause>(?:[^"\\]|\\.)*)"|(?P<word>AND|OR)\b|(?P<mark>[()]))\s*')
_CLAUSE = re.compile(r"\s*(?P<name>[A-Za-z]+)\s*:(?P<text>.+)", re.DOTALL)
# As both databases do: letters of ASCII only.
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
# What parts words, besides a blank.
_BETWEEN = "-_.,@&/+"


def condition(feed: Feed, text: str) -> ColumnElement[bool]:
    """`$search` as SQL over the feed's rows. Raises `BadClause`."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _bad(f"cannot be read at position {at + 1}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    if sum(kind == "clause" for kind, _ in tokens) > MAX_CLAUSES:
        raise _bad(f"holds more than {MAX_CLAUSES} clauses")
    reader = _Reader(feed, tokens)
    found = reader.any_of()
    if reader.tokens:
        raise _bad(f"does not go on with '{reader.tokens[0][1][:40]}'")
    return found


class _Reader:
    """What is left to read of a search."""

    def __init__(self, feed: Feed, tokens: list[tuple[str, str]]) -> None:
        self.feed = feed
        self.tokens = tokens

    def any_of(self) -> ColumnElement[bool]:
        parts = [self.all_of()]
        while self.tokens[:1] == [("word", "OR")]:
            self.tokens.pop(0)
            parts.append(self.all_of())
        return or_(*parts)

    def all_of(self) -> ColumnElement[bool]:
        parts = [self.clause()]
        while self.tokens[:1] == [("word", "AND")]:
            self.tokens.pop(0)
            parts.append(self.clause())
        return and_(*parts)

    def clause(self) -> ColumnElement[bool]:
        kind, value = self.tokens.pop(0) if self.tokens else ("end", "its end")
        if (kind, value) == ("mark", "("):
            found = self.any_of()
            if self.tokens[:1] != [("mark", ")")]:
                raise _bad("has a parenthesis that does not close")
            self.tokens.pop(0)
            return found
        if kind != "clause":
            raise _bad(f"needs a clause where it has '{value[:40]}'")
        return self.words(re.sub(r"\\(.)", r"\1", value))

    def words(self, clause: str) -> ColumnElement[bool]:
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise _bad(f"has the clause '{clause[:40]}', which names no property")
        column = self.column(match["name"])
        spaced, given = func.lower(column), match["text"].translate(_LOWER)
        for mark in _BETWEEN:
            spaced, given = func.replace(spaced, mark, " "), given.replace(mark, " ")
        words = [word for word in given.split() if "\0" not in word]
        if not words:
            raise _bad(f"asks for no word of '{match['name']}'")
        return and_(*(portable.POSITION(sa.literal(" ").concat(spaced), sa.literal(f" {word}")) > 0 for word in words))

    def column(self, name: str) -> Sql:
        fields = self.feed.noun.entity.fields
        known = [f for f in fields if f.fold and f.type is Edm.STRING and not f.many]
        found = next((f.sql for f in known if f.name.lower() == name.lower()), None)
        if found is None:
            raise _bad(f"cannot look into '{name[:40]}'; it can into {', '.join(f.name for f in known)}")
        column: Sql = found
        return column


def _bad(what: str) -> BadClause:
    return BadClause(f'$search {what}. Write it as "displayName:text", joined by AND and OR.', target="$search")
