"""Query options: `$select`, `$expand`, `$filter`, `$orderby`, `$top` and the rest, from text to values.

Source: OData 4.01 URL Conventions §5.1 (system query options; names in any case, `$` optional) and §5.2 (custom ones).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct

from folkmoot.odata.expr import Expr, Path
from folkmoot.odata.parser import Parser, check_text, parse_filter
from folkmoot.refusals import BadClause

__all__ = ["Expand", "Options", "Order", "parse_expand", "parse_filter", "parse_options", "parse_orderby"]
__all__ += ["parse_select", "to_query"]

MAX_QUERY = 40_000
MAX_NESTING = 8
SYSTEM = (
    "select",
    "expand",
    "filter",
    "orderby",
    "top",
    "skip",
    "count",
    "search",
    "skiptoken",
    "deltatoken",
    "format",
)
_NESTED = frozenset(SYSTEM[:8])
_MERGED = ("$select", "$expand")
_BY_NAME = {name: "$" + name for name in SYSTEM} | {"$" + name: "$" + name for name in SYSTEM}

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_WHOLE = re.compile(r"[0-9]{1,15}")
_SELECT = re.compile(r"\*|[A-Za-z_][\w.]*(?:@[A-Za-z_][\w.]*)?(?:/[A-Za-z_][\w.]*)*(?:/\*)?", re.ASCII)
_EXPAND = re.compile(r"\*|[A-Za-z_][\w.]*(?:/[A-Za-z_][\w.]*)*(?:/\*)?(?:/\$(?:ref|count))?", re.ASCII)
_FORMAT = re.compile(r"json|application/json(?:\s*;\s*odata\.metadata=(?:none|minimal|full))?", re.IGNORECASE)
_CUT = re.compile(r"""'[^']*(?:''[^']*)*'|"[^"\\]*(?:\\.[^"\\]*)*"|[(),;]""", re.DOTALL)


class Order(Struct, frozen=True):
    """One key of `$orderby`."""

    path: Path
    descending: bool = False


class Options(Struct, frozen=True):
    """What a query asks for. `texts` are the system options as they came, decoded, by canonical name (`$top`), in order
    and without `$skiptoken`: what `to_query` needs for a next link. `others` are all other parameters and `$id`.
    """

    select: tuple[str, ...] | None = None
    expand: tuple[Expand, ...] = ()
    filter: Expr | None = None
    orderby: tuple[Order, ...] = ()
    top: int | None = None
    skip: int | None = None
    count: bool = False
    search: str | None = None
    skiptoken: str | None = None
    deltatoken: str | None = None
    format: str | None = None
    others: tuple[tuple[str, str], ...] = ()
    texts: tuple[tuple[str, str], ...] = ()


class Expand(Struct, frozen=True):
    """One item of `$expand`: the path as it was written and the options in its parentheses."""

    path: str
    options: Options = Options()


_NOTHING = Options()


def parse_options(raw_query: str, *, allow: frozenset[str] | None = None) -> Options:
    """Read the part of a URL after `?`, still percent-encoded.

    `allow` holds the system options (without `$`) that may be given here; None allows all. Raises `BadClause` whose
    target is the option at fault.
    """
    if not raw_query:
        return _NOTHING
    if len(raw_query) > MAX_QUERY:
        raise BadClause(f"The query is {len(raw_query)} characters long; at most {MAX_QUERY} are supported.")
    texts: dict[str, str] = {}
    others: list[tuple[str, str]] = []
    for piece in raw_query.split("&"):
        if not piece:
            continue
        raw_name, _, raw_value = piece.partition("=")
        name = _decode(raw_name, "A parameter's name")
        check_text(name, "A parameter's name")
        canonical = _BY_NAME.get(name) or _BY_NAME.get(name.lower())
        value = _decode(raw_value, canonical or name)
        check_text(value, canonical or name)
        if canonical:
            _add(texts, canonical, value, allow)
        elif name.lower() == "$id":
            others.append(("$id", value))
        elif name.startswith("$"):
            raise _unknown(name, allow)
        else:
            others.append((name, value))
    return _build(texts, tuple(others), 0)


def parse_select(text: str) -> tuple[str, ...]:
    """`id,from/emailAddress,*` → its items in order, each once. Raises `BadClause` for anything else."""
    check_text(text, "$select")
    found: dict[str, None] = {}
    for position, item in _items(text, ",", "$select"):
        if not _SELECT.fullmatch(item):
            raise _bad("$select", f"'{item[:60]}' at position {position} is not the name of a property", _SELECT_HINT)
        found[item] = None
    return tuple(found)


def parse_orderby(text: str) -> tuple[Order, ...]:
    """`from/emailAddress/name desc,topic` → its keys in order. Raises `BadClause` for anything but paths."""
    parser = Parser(text, "$orderby")
    found: list[Order] = []
    while True:
        path = parser.path()
        kind, word, _ = parser.tokens[parser.at]
        direction = word.lower() if kind == "name" else ""
        if direction in ("asc", "desc"):
            parser.at += 1
        found.append(Order(path, direction == "desc"))
        if parser.tokens[parser.at][0] == "end":
            return tuple(found)
        if parser.tokens[parser.at][1] != ",":
            parser.refuse("expected asc, desc, ',' or the end", "Functions cannot be used in $orderby")
        parser.at += 1


def parse_expand(text: str) -> tuple[Expand, ...]:
    """`members($select=id;$top=5),owners` → its items in order. Raises `BadClause`, also for `$levels`."""
    return _expand(text, 0)


def to_query(texts: Iterable[tuple[str, str]], skiptoken: str | None) -> str:
    """The percent-encoded query of `texts` (see `Options.texts`) and a `$skiptoken`, if there is one."""
    query = _query(tuple(texts))
    if skiptoken is None:
        return query
    token = f"$skiptoken={skiptoken if _PLAIN.fullmatch(skiptoken) else quote(skiptoken, safe=_READABLE)}"
    return f"{query}&{token}" if query else token


@lru_cache(maxsize=256)  # programs ask the same few questions, and each page of the answers has a link
def _query(texts: tuple[tuple[str, str], ...]) -> str:
    return "&".join([f"{name}={quote(value, safe=_READABLE)}" for name, value in texts])


_PLAIN = re.compile(r"[\w-]*", re.ASCII)  # as ours are; to look is cheaper than to quote
_READABLE = "$,()'/:;@*!=?"
_SELECT_HINT = "Give property names separated by commas, such as id,from/emailAddress, or *"
_EXPAND_HINT = "Give relationships separated by commas, such as members($select=id;$top=5)"


def _expand(text: str, depth: int) -> tuple[Expand, ...]:
    if depth >= MAX_NESTING:
        raise _bad("$expand", "is nested too deeply", f"At most {MAX_NESTING} levels are supported")
    check_text(text, "$expand")
    found: list[Expand] = []
    for position, item in _items(text, ",", "$expand"):
        path, opening, inner = item.partition("(")
        path = path.rstrip()
        if not _EXPAND.fullmatch(path) or (opening and not inner.endswith(")")):
            raise _bad("$expand", f"'{item[:60]}' at position {position} cannot be read", _EXPAND_HINT)
        found.append(Expand(path, _nested(inner[:-1], path, depth + 1) if opening else _NOTHING))
    return tuple(found)


def _nested(text: str, path: str, depth: int) -> Options:
    texts: dict[str, str] = {}
    try:
        for _, item in _items(text, ";", "$expand"):
            name, equals, value = item.partition("=")
            canonical = _BY_NAME.get(name.strip().lower())
            if not canonical or not equals:
                raise _unknown(name.strip(), _NESTED)
            _add(texts, canonical, value.strip(), _NESTED)
        return _build(texts, (), depth)
    except BadClause as error:
        message = error.message if error.message.startswith("In $expand=") else f"In $expand={path}: {error.message}"
        raise BadClause(message, target="$expand") from None


def _add(texts: dict[str, str], name: str, value: str, allow: frozenset[str] | None) -> None:
    if allow is not None and name[1:] not in allow and name not in allow:
        raise _unknown(name, allow)
    if name not in texts:
        texts[name] = value
    elif name in _MERGED:
        texts[name] += "," + value
    else:
        raise _bad(name, "is given more than once", "Give it once")


def _build(texts: dict[str, str], others: tuple[tuple[str, str], ...], depth: int) -> Options:
    if texts.get("$filter") == "":
        # No filter: the Graph Toolkit's pickers send that until something is typed.
        del texts["$filter"]
    get = texts.get
    return Options(
        select=None if (text := get("$select")) is None else parse_select(text),
        expand=() if (text := get("$expand")) is None else _expand(text, depth),
        filter=None if (text := get("$filter")) is None else parse_filter(text),
        orderby=() if (text := get("$orderby")) is None else parse_orderby(text),
        top=None if (text := get("$top")) is None else _whole(text, "$top", 1),
        skip=None if (text := get("$skip")) is None else _whole(text, "$skip", 0),
        count=(text := get("$count")) is not None and _boolean(text, "$count"),
        search=None if (text := get("$search")) is None else _present(text, "$search"),
        skiptoken=None if (text := get("$skiptoken")) is None else _present(text, "$skiptoken"),
        deltatoken=get("$deltatoken"),
        format=None if (text := get("$format")) is None else _format(text),
        others=others,
        texts=tuple([item for item in texts.items() if item[0] != "$skiptoken"]),
    )


def _items(text: str, separator: str, option: str) -> list[tuple[int, str]]:
    """Cut at `separator` outside quotes and parentheses: (position from 1, item without outer blanks)."""
    found: list[tuple[int, str]] = []
    start = depth = 0
    for match in _CUT.finditer(text):
        mark = match.group()
        if mark == "(":
            depth += 1
        elif mark == ")":
            depth -= 1
            if depth < 0:
                raise _bad(option, f"')' at position {match.start() + 1} closes nothing", "Balance the parentheses")
        elif mark == separator and depth == 0:
            found.append((start + 1, text[start : match.start()].strip()))
            start = match.end()
    if depth:
        raise _bad(option, f"{depth} '(' are not closed", "Balance the parentheses")
    found.append((start + 1, text[start:].strip()))
    for position, item in found:
        if not item:
            raise _bad(option, f"has nothing at position {position}", "Remove the option or complete it")
    return found


def _decode(raw: str, what: str) -> str:
    if "+" in raw:
        raw = raw.replace("+", " ")
    if "%" not in raw and raw.isascii():
        return raw
    if bad := _BAD_ESCAPE.search(raw):
        raise _bad(what, f"has a % at position {bad.start() + 1} without two hexadecimal digits", "Write % as %25")
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeError:
        raise _bad(what, "is not UTF-8 after percent-decoding", "Encode text as UTF-8") from None


def _whole(text: str, option: str, least: int) -> int:
    if not _WHOLE.fullmatch(text) or not least <= (value := int(text)) < 2**31:
        raise _bad(option, f"is '{text[:40]}'", f"It must be a whole number from {least} to {2**31 - 1}")
    return value


def _boolean(text: str, option: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise _bad(option, f"is '{text[:40]}'", "It must be true or false")
    return text.lower() == "true"


def _present(text: str, option: str) -> str:
    if not text.strip():
        raise _bad(option, "is empty", "Remove the option or give a value")
    return text


def _format(text: str) -> str:
    if not _FORMAT.fullmatch(text):
        raise _bad("$format", f"is '{text[:40]}'", "Supported: json, application/json")
    return text.lower()


def _unknown(name: str, allow: frozenset[str] | None) -> BadClause:
    supported = [f"${known}" for known in SYSTEM if allow is None or known in allow or f"${known}" in allow]
    return _bad(name[:40], "is not supported here", f"Supported: {', '.join(supported) or 'no query option'}")


def _bad(option: str, what: str, hint: str) -> BadClause:
    colon = "" if what.startswith(("is ", "has ")) else ":"
    return BadClause(f"{option}{colon} {what}. {hint}.", target=option)
